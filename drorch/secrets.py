"""How secrets are read: by reference, and only from places that others cannot read."""

import os
import stat
from pathlib import Path

from drorch.errors import SecretMissing

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def decode_password(raw: bytes) -> str:
    """The password in the content of a file or a command's output.

    Whitespace around it is trimmed and a byte order mark is honoured, as restic does.
    Raises `SecretMissing` where the bytes are not text.
    """
    encoding = next((name for bom, name in _BOMS if raw.startswith(bom)), "utf-8")
    try:
        return raw.decode(encoding).strip()
    except UnicodeDecodeError as fault:
        raise SecretMissing("the password is not UTF-8 text") from fault


def read_password_file(path: Path) -> str:
    """The password kept in a file.

    Raises `SecretMissing` where the file cannot be read, is empty, or can be read by others than its owner
    and its group.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & stat.S_IROTH:
                raise SecretMissing(f"password file {path} can be read by everyone", hint=f"Type: chmod 600 {path}")
            password = decode_password(file.read())
    except OSError as fault:
        raise SecretMissing(
            f"password file {path}: {fault.strerror}", hint="Give --password-file a file you can read."
        ) from fault
    if not password:
        raise SecretMissing(f"password file {path} is empty", hint=f"Write the password into {path}.")
    return password

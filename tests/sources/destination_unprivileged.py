"""Run as a program: restores hostile and harmless nodes into a folder as a user without privileges.

Prints the problems, one "subject<TAB>message" a line.
"""

import os
import sys
from pathlib import Path

from drorch.errors import Problem
from drorch.sources.files.placement import Kind
from tests.sources.destination_cases import metadata, with_problems

USER = 65534


def main(root: Path) -> None:
    """Give up root's rights where there are any, then restore."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
    problems: list[Problem] = []
    with with_problems(root, problems) as destination:
        destination.make_dir((b"closed",), metadata(Kind.DIR, 0o000, xattrs=(("user.k", b"v"),)))
        destination.write_file((b"closed", b"f"), (b"x",), metadata())
        destination.make_dir((b"was-closed",), metadata(Kind.DIR, 0o555))
        destination.write_file((b"was-closed", b"f"), (b"x",), metadata())
        destination.write_file((b"read-only",), (b"x",), metadata(permissions=0o444, xattrs=(("user.k", b"v"),)))
        destination.write_file((b"foreign",), (b"x",), metadata(permissions=0o6755, uid=1, gid=1))
        destination.write_file((b"own",), (b"x",), metadata(permissions=0o4755))
        for name in (b"labelled", b"labelled-too"):
            destination.write_file((name,), (b"x",), metadata(xattrs=(("trusted.note", b"1"),)))
        destination.place((b"disk",), metadata(Kind.DEV, 0o600, device=os.makedev(8, 1)))
        destination.place((b"link",), metadata(Kind.SYMLINK, 0o777, uid=1, gid=1, linktarget=b"t"))
        destination.place((b"pipe",), metadata(Kind.FIFO, 0o600, uid=1, gid=1))
        destination.write_file((b"theirs", b"f"), (b"x",), metadata())
        destination.finish_dirs()
    sys.stdout.writelines(f"{problem.subject}\t{problem.message}\n" for problem in problems)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

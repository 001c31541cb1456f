"""What is done with folders over one SFTP session: many at a time, since each question costs a round trip."""

from collections.abc import Iterator, Sequence

from drorch.storage.sftp.packets import Code, FileStatus, Kind, Refused, mode_attributes, text
from drorch.storage.sftp.session import QUESTIONS_AHEAD, SftpSession

Entries = list[tuple[str, FileStatus]]


def make_folders(session: SftpSession, paths: Sequence[bytes], mode: int) -> list[Refused | None]:
    """Make folders; of each, why it could not be made (it may exist), or None."""
    told: list[Refused | None] = []
    for batch in batches(paths):
        numbers = [session.ask(Kind.MKDIR, text(path), mode_attributes(mode)) for path in batch]
        told += [session.refusal(number) for number in numbers]
    return told


def set_modes(session: SftpSession, modes: dict[bytes, int]) -> None:
    """Change modes, where the server and its file system can."""
    for batch in batches(list(modes)):
        for number in [session.ask(Kind.SETSTAT, text(path), mode_attributes(modes[path])) for path in batch]:
            session.refusal(number)


def list_folders(session: SftpSession, paths: Sequence[bytes]) -> list[Entries]:
    """What each of at most `QUESTIONS_AHEAD` folders holds; nothing where one is missing. Raises `Refused`.

    The status is that of the entry itself: a link is a link.
    """
    found: list[Entries] = [[] for _ in paths]
    faults: list[Refused] = []
    handles: dict[int, bytes] = {}
    for place, number in enumerate([session.ask(Kind.OPENDIR, text(path)) for path in paths]):
        try:
            handles[place] = session.handle(number)
        except Refused as refusal:
            if refusal.code != Code.NO_SUCH_FILE:
                faults.append(refusal)
    unread = [] if faults else list(handles)
    while unread:
        asked = [(place, session.ask(Kind.READDIR, text(handles[place]))) for place in unread]
        unread = []
        for place, number in asked:
            try:
                found[place] += session.answer(number, Kind.NAME).names()
                unread.append(place)
            except Refused as refusal:
                if refusal.code != Code.EOF:
                    faults.append(refusal)
    for handle in handles.values():
        session.close_handle(handle)
    if faults:
        raise faults[0]
    return found


def batches(paths: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """So many paths at a time as may be asked for at once."""
    return (paths[start : start + QUESTIONS_AHEAD] for start in range(0, len(paths), QUESTIONS_AHEAD))

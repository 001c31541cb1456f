"""Run as a program: restores closed folders and files as a user without privileges, twice, and deletes once.

Prints what was reported, one "run<TAB>subject<TAB>message" a line, and after each run the modes of all that is there.
"""

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

from drorch.actions.restore.request import Overwrite, RestoreRequest
from drorch.errors import Problem
from drorch.repository.node import Node, NodeType
from tests.actions.restore_cases import Case
from tests.actions.trees import TreeWriter, bare_node, new_repository, writing

USER = 65534


def _folder(writer: TreeWriter, name: bytes, mode: int, *nodes: Node) -> Node:
    return replace(writer.folder(name, writer.nodes(*nodes)), mode=1 << 31 | mode)


def main(to: Path) -> None:
    """Give up root's rights where there are any, then restore."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
    repository = new_repository()
    with writing(repository) as writer:
        closed = replace(writer.file(b"closed", b"closed"), mode=0)
        link = replace(bare_node(b"link", NodeType.SYMLINK, 0o777), linktarget=b"closed")
        root = writer.nodes(
            _folder(writer, b"read-only", 0o500, closed, writer.file(b"f", b"1"), link),
            _folder(writer, b"shut", 0o000, writer.file(b"f", b"2")),
            replace(writer.file(b"no-rights", b"3"), mode=0),
        )
        writer.snapshot(root)
    case = Case(repository, root, to)
    _show("first", case.restore().problems)
    _show_modes("first", to)
    _show("again", case.restore().problems)
    _show_modes("again", to)
    _show("never", case.restore(RestoreRequest(overwrite=Overwrite.NEVER)).problems)
    _show_modes("never", to)


def _show(run: str, problems: tuple[Problem, ...]) -> None:
    sys.stdout.writelines(f"{run}\t{problem.subject}\t{problem.message}\n" for problem in problems)


def _show_modes(run: str, to: Path) -> None:
    for path in sorted(to.rglob("*")):
        sys.stdout.write(f"{run}\t{path.relative_to(to)}\t{stat.S_IMODE(path.lstat().st_mode):o}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

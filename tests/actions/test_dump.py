import io
import tarfile
from dataclasses import replace

import pytest

from drorch.actions.dump import dump
from drorch.errors import IntegrityError, UsageError
from drorch.ids import TreeId
from drorch.repository.node import Node
from drorch.repository.repository import Repository
from tests.actions.trees import bare_node, new_repository, writing

_PIECES = [bytes([number]) * 1000 for number in range(40)]


def _dumped(repository: Repository, root: TreeId, path: bytes = b"/") -> bytes:
    out = io.BytesIO()
    dump(repository, root, path, out)
    return out.getvalue()


def _archive(raw: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(raw))


def test_a_file_comes_out_whole_and_in_order() -> None:
    repository = new_repository()
    with writing(repository) as write:
        root = write.tree({b"a": {b"big": write.file(b"big", *_PIECES)}})
        write.snapshot(root)
    assert _dumped(repository, root, b"/a/big") == b"".join(_PIECES)


def test_a_folder_comes_out_as_tar() -> None:
    repository = new_repository()
    with writing(repository) as write:
        linked = replace(write.file(b"one", b"1"), links=2, inode=5, device_id=1, xattrs=(("user.k", b"\xff\n="),))
        root = write.tree(
            {
                b"etc": {
                    b"one": linked,
                    b"two": replace(linked, name=b"two"),
                    b"big": replace(write.file(b"big", *_PIECES), mode=0o4755 & 0o777 | 1 << 23, mtime=1_500_000_000),
                    b"caf\xe9": b"latin",
                    b"link": replace(bare_node(b"link", "symlink"), linktarget=b"../\xff"),
                    b"null": replace(bare_node(b"null", "chardev"), device=(1 << 8) | 3),
                    b"pipe": bare_node(b"pipe", "fifo"),
                    b"sub": {b"empty": b""},
                }
            }
        )
        write.snapshot(root)
    archive = _archive(_dumped(repository, root, b"/etc"))
    assert archive.getnames() == ["big", "caf\udce9", "link", "null", "one", "pipe", "sub", "sub/empty", "two"]
    big, two, null = archive.getmember("big"), archive.getmember("two"), archive.getmember("null")
    opened = archive.extractfile("big")
    assert opened is not None
    assert opened.read() == b"".join(_PIECES)
    assert (big.mode, big.mtime) == (0o4755, 1.5)
    assert (two.islnk(), two.linkname) == (True, "one")
    assert archive.getmember("one").pax_headers["SCHILY.xattr.user.k"] == "\udcff\n="
    assert (null.ischr(), null.devmajor, null.devminor) == (True, 1, 3)
    assert archive.getmember("link").linkname == "../\udcff"


@pytest.mark.parametrize("name", [b"..", b"a/b", b"../x"])
def test_names_that_lead_out_of_the_folder_are_refused(name: bytes) -> None:
    repository = new_repository()
    with writing(repository) as write:
        root = write.nodes(write.file(name, b"1"))
        write.snapshot(root)
    with pytest.raises(IntegrityError, match="lead out"):
        _dumped(repository, root)


@pytest.mark.parametrize(("size", "word"), [(4, "fewer"), (2, "more")])
def test_a_size_that_lies_ends_the_archive(size: int, word: str) -> None:
    repository = new_repository()
    with writing(repository) as write:
        root = write.nodes(replace(write.file(b"f", b"123"), size=size))
        write.snapshot(root)
    with pytest.raises(IntegrityError, match=f"/f has {word} bytes"):
        _dumped(repository, root)


@pytest.mark.parametrize("node", [bare_node(b"n", "fifo"), bare_node(b"n", "symlink")])
def test_what_has_no_content_is_refused(node: Node) -> None:
    repository = new_repository()
    with writing(repository) as write:
        root = write.nodes(node)
    with pytest.raises(UsageError, match="not a file or a folder"):
        _dumped(repository, root, b"/n")

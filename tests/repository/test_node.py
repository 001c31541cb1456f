"""Nodes: every type, hostile names, and fields nobody knows, there and back."""

import stat
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import IntegrityError
from drorch.ids import BlobId, TreeId
from drorch.repository.node import (
    Node,
    NodeType,
    decode_id,
    decode_node,
    encode_node,
    go_mode,
    is_safe_name,
    permissions,
    type_of_mode,
)
from tests.repository.children import python_child

u64 = st.integers(0, (1 << 64) - 1)
u32 = st.integers(0, (1 << 32) - 1)
ids = st.binary(min_size=32, max_size=32)
times = st.integers(-62_135_596_800 * 10**9, 253_402_300_800 * 10**9 - 1)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.text()
    | st.sampled_from([0.5, -1e-9, 2.5e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
unknown_fields = st.dictionaries(st.sampled_from(["generic_attributes", "flags", "x<y>", "ö", "sparse"]), json_values)


def nodes() -> st.SearchStrategy[Node]:
    return st.builds(
        Node,
        name=st.binary(min_size=1, max_size=30),
        type=st.sampled_from([kind.value for kind in NodeType]),
        mode=u32,
        mtime=times,
        atime=times,
        ctime=times,
        uid=u32,
        gid=u32,
        user=st.text(max_size=10),
        group=st.text(max_size=10),
        inode=u64,
        device_id=u64,
        size=u64,
        links=u64,
        linktarget=st.none() | st.binary(max_size=30),
        xattrs=st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=40)), max_size=3).map(tuple),
        device=u64,
        content=st.none() | st.lists(ids.map(BlobId), max_size=4).map(tuple),
        subtree=st.none() | ids.map(TreeId),
        error=st.text(max_size=10),
        extra=unknown_fields.map(lambda extra: {k: v for k, v in extra.items() if v is not None}),
    )


@given(nodes())
def test_a_node_round_trips(node: Node) -> None:
    encoded = encode_node(node)
    decoded = decode_node(orjson.loads(encoded))
    assert decoded == node
    assert encode_node(decoded) == encoded


def test_unknown_fields_keep_their_order() -> None:
    """Else the same tree would get another name in the next process: sets of strings are shuffled in each."""
    fields = ",".join(f'"field-{number}":{number}' for number in range(30, 0, -1))
    text = (
        '{"name":"n","type":"file","mtime":"2024-01-01T00:00:00Z","atime":"2024-01-01T00:00:00Z",'
        '"ctime":"2024-01-01T00:00:00Z","uid":0,"gid":0,"content":[],' + fields + "}"
    )
    assert encode_node(decode_node(orjson.loads(text))) == text


def sample(**changed: object) -> dict[str, Any]:
    time = "2024-05-06T07:08:09Z"
    fields = {"name": "n", "type": "file", "mtime": time, "atime": time, "ctime": time, "uid": 0, "gid": 0}
    return {**fields, "content": [], **changed}


def test_the_sample_is_sound() -> None:
    assert decode_node(sample()).content == ()


@pytest.mark.parametrize(
    "hostile",
    [
        *({"name": 'a"b'}, {"name": "\\"}, {"name": None}, {"name": 7}, {"name": ["n"]}),
        *({"type": None}, {"type": 7}, {"mode": -1}, {"mode": "0644"}, {"mode": 1.5}, {"size": -1}, {"uid": "root"}),
        *(
            {"gid": False},
            {"uid": 1e30},
            {"inode": [1]},
            {"links": {}},
            {"device": "8:1"},
            {"user": 7},
            {"group": ["x"]},
        ),
        *({"gid": False}, {"mtime": "yesterday"}, {"mtime": 0}, {"atime": ["2024"]}, {"ctime": "2024-01-01 00:00:00Z"}),
        *({"content": "ab"}, {"content": 7}, {"content": ["ab"]}, {"content": [None]}, {"content": [7]}),
        *({"subtree": ""}, {"subtree": "ab" * 33}, {"subtree": 7}, {"subtree": "zz" * 32}),
        *({"linktarget": 7}, {"linktarget": ["x"]}, {"linktarget_raw": 7}, {"linktarget": "x", "linktarget_raw": "="}),
        *({"extended_attributes": 7}, {"extended_attributes": ["x"]}, {"extended_attributes": [{"value": ""}]}),
        *({"extended_attributes": [{"name": 7}]}, {"extended_attributes": [{"name": "user.x", "value": 7}]}),
        *({"extended_attributes": [{"name": "user.x", "value": "="}]}, {"error": 7}),
    ],
    ids=repr,
)
def test_a_field_that_is_not_what_it_should_be_is_refused(hostile: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        decode_node(sample(**hostile))


@pytest.mark.parametrize("hostile", [None, 7, "node", [], {}, {"name": "n"}, {"type": "file"}], ids=repr)
def test_what_is_no_node_is_refused(hostile: Any) -> None:
    with pytest.raises(IntegrityError):
        decode_node(hostile)


@given(
    st.dictionaries(st.sampled_from([*sorted(sample()), "subtree", "linktarget", "extended_attributes"]), json_values)
)
def test_any_json_is_a_node_or_refused(fields: dict[str, Any]) -> None:
    try:
        node = decode_node({**sample(), **fields})
    except IntegrityError:
        return
    assert decode_node(orjson.loads(encode_node(node))) == node


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_xattr_may_be_null(value: str | None) -> None:
    node = decode_node(sample(extended_attributes=[{"name": "user.empty", "value": value}]))
    assert node.xattrs == (("user.empty", b""),)


@pytest.mark.parametrize(
    ("st_mode", "mode"),
    [
        (stat.S_IFDIR | 0o1777, 2148532735),
        (stat.S_IFREG | 0o6755, 12583405),
        (stat.S_IFLNK | 0o777, 134218239),
        (stat.S_IFIFO | 0o644, 33554852),
        (stat.S_IFBLK | 0o640, 67109280),
        (stat.S_IFCHR | 0o644, 69206436),
        (stat.S_IFREG, 0),
    ],
)
def test_modes_are_those_of_go(st_mode: int, mode: int) -> None:
    """The figures are restic's own. docs/FORMAT.md, "Trees"."""
    assert go_mode(st_mode) == mode
    assert permissions(mode) == stat.S_IMODE(st_mode)


@given(st.integers(0, 0o7777), st.sampled_from([stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFSOCK, stat.S_IFCHR]))
def test_permissions_survive_gos_bits(bits: int, kind: int) -> None:
    assert permissions(go_mode(kind | bits)) == bits


def test_an_unknown_file_format_has_no_type() -> None:
    with pytest.raises(ValueError, match="no node type"):
        type_of_mode(0o170000)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"/", b"../x", b"x/..", b"/etc", b"a\0b", b"a/"])
def test_a_way_out_is_no_safe_name(name: bytes) -> None:
    assert not is_safe_name(name)


@pytest.mark.parametrize("name", [b"...", b"..x", b".x", b"\xff", b"\n", b"-rf", b"C:", "…".encode()])
def test_an_odd_name_is_safe(name: bytes) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize("text", ["", "ab", "ab" * 31, "ab" * 33, "g" * 64, "ab " * 32, "\uff41" * 64])
def test_an_id_is_64_hex_digits(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_id(text)


def test_a_tree_encoded_in_another_process_is_the_same() -> None:
    code = """
        import orjson, sys
        from drorch.repository.node import decode_node, encode_node
        print(encode_node(decode_node(orjson.loads(sys.argv[1]))))
    """
    text = orjson.dumps(sample(**{f"field-{number}": [number] for number in range(20)})).decode()
    outputs = {python_child(code, text, environment={"PYTHONHASHSEED": seed}) for seed in "123"}
    assert len(outputs) == 1

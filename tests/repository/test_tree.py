"""Trees: round trips, the empty tree's well-known name, and what is no tree."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import IntegrityError
from drorch.repository.node import Node, encode_node
from drorch.repository.tree import decode_tree, encode_tree
from tests.repository.test_node import nodes

EMPTY_TREE = "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8"


@given(st.lists(nodes(), max_size=5, unique_by=lambda node: node.name))
def test_a_tree_round_trips(content: list[Node]) -> None:
    content.sort(key=lambda node: node.name)
    blob = encode_tree(map(encode_node, content))
    tree = decode_tree(blob)
    assert list(tree) == content
    assert encode_tree(map(encode_node, tree)) == blob
    for node in content:
        assert tree.find(node.name) is not None
    assert tree.find(b"not there: " * 4) is None


def test_the_empty_tree_has_the_name_it_has_everywhere() -> None:
    assert hashlib.sha256(encode_tree([])).hexdigest() == EMPTY_TREE


@pytest.mark.parametrize(
    "blob", [b'{"nodes":null}\n', b'{"nodes":[]}', b'{"nodes":[],"more":1}', b' {\n "nodes": [ ] }']
)
def test_an_empty_tree_may_be_written_otherwise(blob: bytes) -> None:
    assert decode_tree(blob).nodes == ()


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"nodes"',
        b"{}",
        b'{"nodes":{}}',
        b'{"nodes":7}',
        b'{"nodes":["x"]}',
        b"\xff",
        b'{"nodes":[null]}',
        b'{"nodes":[{}]}',
        b'{"nodes":[]}{"nodes":[]}',
        b"[" * 100000,
    ],
    ids=lambda blob: repr(blob[:30]),
)
def test_what_is_no_tree_is_refused(blob: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_tree(blob)


@given(st.binary(max_size=100))
def test_noise_is_no_tree(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode_tree(noise)

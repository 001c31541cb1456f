"""A few bytes as a stream, and what a program said last as a line."""

import pytest

from drorch.secrets import remember
from drorch.sources.databases.said import last_words
from drorch.sources.databases.text import Text


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_bytes_are_given_in_pieces_of_any_size(size: int) -> None:
    stream = Text(b"accounts")
    buffer = memoryview(bytearray(size))
    given = b""
    while count := stream.readinto(buffer):
        given += buffer[:count]
    stream.close()
    assert given == b"accounts"


def test_last_words_are_one_short_line_without_secrets() -> None:
    remember("a canary of a secret")
    said = "first words\n" + "x " * 1000 + "\nERROR 1045 at\tline 7:\r\n  denied for 'a canary of a secret'\n"
    told = last_words(said)
    assert told.startswith("; it said: ...")
    assert "ERROR 1045 at line 7: denied for '" in told
    assert len(told) < 500
    assert "canary of" not in told
    assert last_words(" \n") == ""

r"""JSON and quoted names as Go writes them. Byte equality with real restic is in test_trees_of_restic.py."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.repository.gojson import encode, encode_name, encode_string, quote_name, unquote_name

ODD = st.sampled_from(
    [
        b'"',
        b"\\",
        b"\n",
        b"\0",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc3",
        b"\xe2\x80\xa8",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        *(
            b"\xee\x80\x80",
            b"\xf4\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xef\xbf\xbd",
            b"<",
            b"&",
            b"x41",
            b"101",
            b"u0041",
        ),
    ]
)
names = st.one_of(st.binary(max_size=60), st.lists(ODD, max_size=12).map(b"".join))


@given(names)
def test_any_bytes_survive_quoting(name: bytes) -> None:
    assert unquote_name(quote_name(name)) == name
    assert quote_name(name).isprintable()


@given(names)
def test_any_bytes_survive_a_tree(name: bytes) -> None:
    encoded = encode_name(name)
    assert unquote_name(orjson.loads(encoded.encode())) == name
    assert encoded == encode_string(quote_name(name))


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        (b"plain", "plain"),
        (b"a b", "a b"),
        (b'"', r"\""),
        (b"\\", r"\\"),
        (b"'", "'"),
        (b"\a\b\f\n\r\t\v", r"\a\b\f\n\r\t\v"),
        (b"\0\x01\x1f\x7f", r"\x00\x01\x1f\x7f"),
        (b"\x80\xff", r"\x80\xff"),
        ("ä€😀".encode(), "ä€😀"),
        ("\u0085\u00a0\u00ad\u200b\u2028\u3000\ufeff".encode(), r"\u0085\u00a0\u00ad\u200b\u2028\u3000\ufeff"),
        ("\ue000\U000f0000\U0010ffff".encode(), r"\ue000\U000f0000\U0010ffff"),
        ("\ufffd".encode(), "\ufffd"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"\xc0\x80", r"\xc0\x80"),
        (b"\xf4\x90\x80\x80", r"\xf4\x90\x80\x80"),
        (b"\xe2\x82", r"\xe2\x82"),
    ],
)
def test_names_are_quoted_as_strconv_quote_does(name: bytes, quoted: str) -> None:
    assert quote_name(name) == quoted


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (r"\101\x42\u0043\U00000044", b"ABCD"),
        (r"\377\xfF", b"\xff\xff"),
        (r"\u00e4", "ä".encode()),
        (r"\U0001F600", "😀".encode()),
        ("\u2028\x7f", "\u2028\x7f".encode()),
        (r"\\x41", rb"\x41"),
    ],
)
def test_every_escape_is_read(text: str, name: bytes) -> None:
    assert unquote_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        '"',
        'a"b',
        "\\",
        "a\\",
        r"\x4",
        r"\x",
        r"\u12",
        r"\U1234567",
        r"\8",
        r"\400",
        r"\777",
        r"\q",
        r"\ud800",
        r"\uDFFF",
        *(r"\U00110000", r"\U0000d800", '\\\\"', "\\\n", r"\x4g", r"\é"),
    ],
)
def test_a_name_that_strconv_unquote_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unquote_name(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_encoded_reads_back(value: object) -> None:
    text = encode(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029\n\t ") - set(" ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, False, None]}, '{"b":1,"a":[true,false,null]}'),
        ("<>&\u2028\u2029", r'"\u003c\u003e\u0026\u2028\u2029"'),
        ('"\\\n\r\t', r'"\"\\\n\r\t"'),
        ("\x00\x1f\x7f", '"\\u0000\\u001f\x7f"'),
        ("\b\f\v", r'"\b\f\u000b"'),
        ("ä😀\ufffd\ue000", '"ä😀\ufffd\ue000"'),
        ("\udcff\udc80x", r'"\ufffd\ufffdx"'),
        (1 << 64, "18446744073709551616"),
        ((), "[]"),
        ({}, "{}"),
    ],
)
def test_json_is_what_go_writes(value: object, text: str) -> None:
    assert encode(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0.0, "0"), (-0.0, "-0"), (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (123456789.25, "123456789.25")),
        *((1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300")),
        *((1e-6, "0.000001"), (1e-7, "1e-7"), (1.25e-9, "1.25e-9"), (5e-324, "5e-324"), (-1e-10, "-1e-10")),
        *((1e16, "10000000000000000"), (1.2345e17, "123450000000000000"), (0.00001234, "0.00001234")),
    ],
)
def test_fractions_of_other_clients_are_written_as_go_does(number: float, text: str) -> None:
    """The rule of Go's encoding/json: shortest digits, plain from 1e-6 up to below 1e21, else with an exponent."""
    assert encode(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fractions_read_back(number: float) -> None:
    assert float(encode(number)) == number


@pytest.mark.parametrize(
    "value", [b"bytes", {1}, object(), float("nan"), float("inf")], ids=lambda value: type(value).__name__
)
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(value)

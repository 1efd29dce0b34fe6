from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcptap.codec import ExactFloat, ExactInt, dumps, loads

unhurried = settings(deadline=None)


def _paired(text: str) -> str:
    """Make two surrogates that belong together the one character that they are in JSON."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


# Everything that a text may hold and that some reader of lines has tripped over, whole and alone.
delicate = '\u2028\u2029\x00\x85\r\n\\"/é😀\ud800\udbff\udc00\udfff'
strings = st.text() | st.text(st.sampled_from(delicate), max_size=8).map(_paired)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | strings,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(strings, children, max_size=5),
    max_leaves=20,
)

# Numbers by the grammar of JSON, in every spelling that it allows.
number_texts = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
string_texts = strings.map(lambda text: dumps(text).decode())
texts = st.recursive(
    st.sampled_from(["null", "true", "false"]) | number_texts | string_texts,
    lambda children: (
        st.lists(children, max_size=4).map(lambda items: "[" + ",".join(items) + "]")
        | st.dictionaries(string_texts, children, max_size=4).map(
            lambda members: "{" + ",".join(f"{name}:{value}" for name, value in members.items()) + "}"
        )
    ),
    max_leaves=12,
)


def whole(text: bytes) -> bytes:
    return dumps(loads(text))


@unhurried
@given(values)
def test_value_comes_back(value: Any) -> None:
    assert loads(dumps(value)) == value


@unhurried
@given(values)
def test_text_is_json_for_every_other_parser_and_one_line(value: Any) -> None:
    text = dumps(value)

    assert json.loads(text) == value
    assert b"\n" not in text
    assert b"\x00" not in text


@unhurried
@given(texts)
@example("-0")
@example("[-0]")
@example("-0.0")
@example("1.0")
@example("1e-7")
@example("1E400")
@example("-1E-400")
@example("100000000000000000000000000000000")
@example("9223372036854775808")
@example("18446744073709551616")
@example('"-0 1.0e5 12345678901234567890"')
def test_numbers_and_strings_keep_their_spelling(text: str) -> None:
    # One lone surrogate turns every other character beyond ASCII of the text into an escape.
    spelled = whole(text.encode())

    assert spelled.decode() in (text, _ascii(text))
    assert whole(spelled) == spelled


def _ascii(text: str) -> str:
    return "".join(char if char <= "~" else json.dumps(char)[1:-1] for char in text)


@unhurried
@given(st.lists(strings, unique=True, min_size=2))
def test_members_keep_their_order(names: list[str]) -> None:
    assert list(loads(dumps(dict.fromkeys(names, 1)))) == names


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud800\ud800", "\udc00\ud800"])  # noqa: PT014 - they differ
def test_lone_surrogate_is_written_as_an_escape_and_comes_back(text: str) -> None:
    assert dumps(text) == json.dumps(text).encode()
    assert loads(dumps({text: [text]})) == {text: [text]}


def test_pair_of_escaped_surrogates_is_one_character() -> None:
    assert loads(rb'"\ud83d\ude00"') == "😀"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"nul",
        b"NaN",
        b"[NaN,1.0e5]",
        b"[-Infinity,1.0e5]",
        b"[1.0e5,]",
        b'"\xff"',
        b'["\xff",1.0e5]',
        b'"\n"',
        b"1 2",
        b"01",
        b"[" * 5000 + b"]" * 5000,
        b"[" * 5000 + b"1.0e5" + b"]" * 5000,
    ],
)
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        loads(text)


@pytest.mark.parametrize(
    "value", [b"x", {1, 2}, object(), {1: 2}, {None: 1}, {"a": {True: 1}}, {"\ud800": {1: 1}}]
)
def test_what_can_not_be_json_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


wrappers = st.sampled_from([("[", "]"), ('{"a":', "}"), ("[1.0,", "]"), ('{"b":[],"a":', ',"c":{}}')])


@unhurried
@given(st.integers(1, 1_100), st.lists(wrappers, min_size=1, max_size=4), number_texts | st.just('"text"'))
@example(1_024, [("[", "]")], "1")
@example(900, [("[", "]")], "1.50")
def test_whatever_depth_is_read_is_written_back(
    depth: int, around: list[tuple[str, str]], innermost: str
) -> None:
    layers = [around[number % len(around)] for number in range(depth)]
    beginning = "".join(begin for begin, _ in layers)
    text = (beginning + innermost + "".join(end for _, end in reversed(layers))).encode()
    try:
        value = loads(text)
    except ValueError:  # nested too deeply for the parser
        return
    assert dumps(value) == text


def test_what_holds_itself_is_refused() -> None:
    around: list[Any] = [1]
    around.append(around)
    with pytest.raises(TypeError, match="nested too deeply"):
        dumps(around)


def test_exact_numbers_are_numbers_and_can_be_copied() -> None:
    number, integer = loads(b"[1.50e1,123456789012345678901]")

    assert isinstance(number, ExactFloat)
    assert isinstance(integer, ExactInt)
    assert (number, integer) == (15.0, 123456789012345678901)
    assert dumps(pickle.loads(pickle.dumps([number, integer]))) == b"[1.50e1,123456789012345678901]"


def test_changed_numbers_are_written_as_what_they_are() -> None:
    assert dumps(loads(b"1.50e1") + 1) == b"16.0"
    assert dumps(loads(b"123456789012345678901") + 1) == b"123456789012345678902"

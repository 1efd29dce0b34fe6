from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcptap.tap.link.lines import HOPELESS, LineReader, encode

FRAMES = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=4).map(
    lambda members: {"jsonrpc": "2.0", **members}
)


def read(chunks: list[bytes]) -> tuple[list[Any], list[tuple[bytes, bool]]]:
    frames: list[Any] = []
    rubbish: list[tuple[bytes, bool]] = []
    reader = LineReader(frames.append, lambda line, nothing_else: rubbish.append((line, nothing_else)))
    for chunk in chunks:
        reader.feed(chunk)
    reader.finish()
    return frames, rubbish


@given(st.lists(FRAMES), st.data())
def test_frames_don_t_depend_on_how_the_bytes_come(frames: list[Any], data: st.DataObject) -> None:
    stream = b"".join(map(encode, frames))
    chunks = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        chunks.append(stream[:size])
        stream = stream[size:]
    assert read(chunks) == (frames, [])


def test_blank_lines_and_carriage_returns_are_no_rubbish() -> None:
    assert read([b'\n\r\n  \n{"jsonrpc":"2.0"}\r\n']) == ([{"jsonrpc": "2.0"}], [])


def test_the_last_line_may_lack_its_newline() -> None:
    assert read([b'{"jsonrpc":"2.0","id":1}']) == ([{"jsonrpc": "2.0", "id": 1}], [])


def test_a_batch_is_as_many_frames() -> None:
    assert read([b'[{"jsonrpc":"2.0","id":1},{"jsonrpc":"2.0","id":2}]\n'])[0] == [
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 2},
    ]


def test_rubbish_is_told_once_and_then_when_it_is_hopeless() -> None:
    lines = [b"rubbish %d\n" % number for number in range(HOPELESS)]
    assert read(lines)[1] == [(b"rubbish 0", True), (b"rubbish %d" % (HOPELESS - 1), True)]
    assert read([b'{"jsonrpc":"2.0"}\n', b"{}\n", b"3\n"]) == ([{"jsonrpc": "2.0"}], [(b"{}", False)])

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcptap.tap.link.events import EventReader, ServerEvent


def read(chunks: list[bytes]) -> list[ServerEvent]:
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


def test_an_event_has_a_name_data_an_id_and_a_retry() -> None:
    stream = b"event: endpoint\nid: 7\nretry: 250\ndata: one\ndata:two\n\n"
    assert read([stream]) == [ServerEvent("endpoint", b"one\ntwo", "7", 250)]


def test_comments_unknown_fields_and_blank_lines_make_no_event_of_their_own() -> None:
    assert read([b"\n\n: ping\n\nunknown: x\ndata: one\n\n\n"])[-1].data == b"one"
    assert read([b"\n\n"]) == []


def test_what_json_may_contain_doesn_t_end_a_line() -> None:
    data = '{"text":"\u2028\u2029\x85"}'.encode()
    assert read([b"data: " + data + b"\n\n"]) == [ServerEvent(data=data)]


@given(st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_events_don_t_depend_on_line_ends_or_on_how_the_bytes_come(end: bytes, data: st.DataObject) -> None:
    lines = [b"id: 1", b"data: one", b"", b": ping", b"", b"event: message", b"data: two", b"", b""]
    stream = end.join(lines)
    chunks = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        chunks.append(stream[:size])
        stream = stream[size:]
    # A carriage return at the very end may still become one half of a line's end.
    events = [event for event in read([*chunks, b": ping\n"]) if event.data]
    assert events == [ServerEvent("message", b"one", "1"), ServerEvent("message", b"two")]

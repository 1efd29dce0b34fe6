"""What a server was sent beside the messages is found in what it says, without a name."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from mcptap.codec import loads
from mcptap.redaction.lines import LineRedactor
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.rules import BUILT_IN

KEY = "k3y-of-the-user"
GIVEN = {
    "X-Api-Key": KEY,
    "Accept": "application/json",
    "url": "https://ann:p4ssw0rd@example.com/mcp?token=t-4711-0815",
}
REQUEST: dict[str, Any] = {"kind": "interaction", "seq": 1, "session": 1, "at": 0.0, "method": "x"}


def redactor() -> LineRedactor:
    return LineRedactor(Redactor(BUILT_IN, "salt"), GIVEN)


def written(lines: LineRedactor, **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = loads(lines.text({**REQUEST, **members}))
    return found


@pytest.mark.parametrize(
    "said", [KEY, f"not {KEY}!", "p4ssw0rd", "t-4711-0815", b64encode(KEY.encode()).decode()]
)
def test_it_is_taken_out_of_results_errors_events_and_messages(said: str) -> None:
    event = {"at_ms": 1.0, "from": "server", "method": "notifications/message", "params": {"data": said}}
    for line in (
        {"result": {"content": [{"type": "text", "text": said}]}},
        {"error": {"code": 1, "message": said}},
        {"result": {}, "events": [event]},
        {"kind": "message", "from": "server", "params": {"data": said}},
        {"kind": "event", **event},
        {"kind": "end", "error": {"code": 1, "message": said}},
    ):
        assert said not in str(written(redactor(), **line))
        assert "‹redacted:" in str(written(redactor(), **line))


def test_what_is_no_secret_stays() -> None:
    result = {"content": [{"type": "text", "text": "application/json of ann at example.com/mcp"}]}
    assert written(redactor(), result=result)["result"] == result


def test_what_a_client_says_by_itself_stays_as_a_replay_will_hear_it() -> None:
    """A replay isn't given the header, so it could not find it."""
    lines = redactor()
    assert written(lines, params={"note": KEY}, result={})["params"] == {"note": KEY}
    assert written(lines, kind="message", **{"from": "client"}, params={"note": KEY})["params"] == {
        "note": KEY
    }


def test_what_a_client_has_from_the_server_is_taken_out_as_a_replay_will_give_it() -> None:
    lines = redactor()
    told = written(lines, result={"text": KEY})["result"]["text"]
    assert written(lines, params={"note": KEY}, result={})["params"] == {"note": told}
    assert written(lines, session=2, params={"note": KEY}, result={})["params"] == {"note": KEY}

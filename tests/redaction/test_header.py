"""What the header of a redacted cassette says, and which rules go on with a cassette that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Target
from mcptap.recording import Recording, open_recording
from mcptap.redaction.header import redacted_header, redactor_of, redactors_of
from mcptap.redaction.placeholder import PLACEHOLDER
from mcptap.redaction.rules import BUILT_IN

BARE = CassetteHeader("1", "2026-11-22T20:00:00.000Z", "mcptap")


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (("server", "--api-key", "k3y"), "server --api-key §"),
        (("server", "--api-key=hunter2", "-v"), "server --api-key=§ -v"),
        (("server", "--header", "Authorization: Bearer abcd1234"), "server --header Authorization: Bearer §"),
        (("docker", "run", "-e", "GITHUB_TOKEN=hunter2"), "docker run -e GITHUB_TOKEN=§"),
        (("https://u:pw@host/mcp?token=abcd&x=1",), "https://u:§@host/mcp?token=§&x=1"),
        (("server", "--token-limit", "5", "--port", "80"), "server --token-limit 5 --port 80"),
    ],
)
def test_the_servers_command_keeps_no_secret(target: tuple[str, ...], left: str) -> None:
    header = redacted_header(
        CassetteHeader("1", "", "", upstream=Target("server", "stdio", target)), BUILT_IN
    )
    assert header.upstream is not None
    assert PLACEHOLDER.sub("§", " ".join(header.upstream.target)) == left


def test_the_header_says_all_that_a_replay_needs() -> None:
    header = redacted_header(BARE, (*BUILT_IN, "ssn=key:ssn"))
    first, again = redactor_of(header), redactor_of(redacted_header(BARE, header.redaction))
    assert first is not None
    assert again is not None
    value = {"arguments": {"ssn": "078-05-1120", "password": "hunter2"}}
    assert first.value(value) == again.value(value) != value


def test_a_cassette_without_rules_is_taken_as_it_is() -> None:
    assert redactor_of(BARE) is None
    assert redactors_of([BARE, BARE]) == [None]


def test_rules_of_a_later_mcptap_are_refused() -> None:
    with pytest.raises(CassetteError, match="newer"):
        redactor_of(CassetteHeader("1", "", "", redaction=("rule-of-tomorrow",), salt="s"))


def record(path: Path, *rules: str) -> None:
    def failed(error: Exception) -> None:
        raise error

    recording = Recording(path, redaction=rules)
    with open_recording(recording, Target("server", "stdio", ("server",)), on_failure=failed):
        pass


@pytest.mark.parametrize(
    ("first", "then", "says"),
    [
        ((), BUILT_IN, "without redaction"),
        (BUILT_IN, (), "with redaction"),
        (BUILT_IN, (*BUILT_IN, "key:ssn"), "other redaction rules"),
    ],
)
def test_a_cassette_isnt_redacted_one_way_first_and_another_way_then(
    first: tuple[str, ...], then: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "rec.jsonl"
    record(path, *first)
    before = path.read_bytes()
    with pytest.raises(CassetteError, match=says):
        record(path, *then)
    assert path.read_bytes() == before
    record(path, *first)

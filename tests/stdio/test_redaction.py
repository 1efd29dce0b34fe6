"""Secrets over stdio: never on the file, never on stderr, and in replay as if they were there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.clients.raw import handshake
from tests.stdio.support import WIRE, interactions, mcptap, recording, replaying, run

SECRETS = {"password": "correcthorse!", "note": "it is correcthorse! for ghp_" + "a1B2" * 9, "pin": 7}


def test_secrets_are_not_on_the_file_and_the_recording_answers_to_them(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        answers = []
        for tap in (recording(cassette), replaying(cassette)):
            async with tap:
                await handshake(tap)
                answer = await tap.call("echo", SECRETS)
                answers.append(answer.source("result"))
                if len(answers) == 2:
                    missed = await tap.call("echo", {**SECRETS, "password": "wronghorse!!"})
                    assert missed.error["code"] == -32004
                    assert "horse" not in missed.source("error")
                    assert "horse" not in tap.stderr
                tap.close_stdin()
                assert await tap.wait() == len(answers) - 1
        live, replayed = answers
        assert "correcthorse!" in live  # the client's answer passes untouched
        written = cassette.read_text(encoding="utf-8")
        for secret in ("correcthorse!", "ghp_"):
            assert secret not in written
            assert secret not in replayed
        assert '"pin":7' in written

    run(work())


def test_no_redact_records_what_there_is(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "--no-redact", "-o", cassette, "--", *WIRE) as tap:
            await handshake(tap)
            await tap.call("echo", SECRETS)
        assert json.loads(cassette.read_text().splitlines()[0])["redaction"] == []
        params = interactions(cassette)[-1].params
        assert params is not None
        assert params["arguments"] == SECRETS

    run(work())


def test_two_normalized_recordings_of_a_session_are_the_same_file_and_replay(tmp_path: Path) -> None:
    async def work() -> None:
        texts = []
        for name in ("1.jsonl", "2.jsonl"):
            async with mcptap("record", "--normalize", "-o", tmp_path / name, "--", *WIRE) as tap:
                await handshake(tap)
                await tap.call("progress", {"n": 4, "ms": 400}, meta={"progressToken": f"token of {name}"})
                await asyncio.gather(*(tap.call("echo", {"n": number}) for number in range(4)))
                await tap.call("echo", SECRETS)
                tap.close_stdin()
                assert await tap.wait() == 0
            texts.append((tmp_path / name).read_bytes())
        assert texts[0] == texts[1]
        async with replaying(tmp_path / "1.jsonl", "--fail-on-unused") as tap:
            await handshake(tap)
            await tap.call("progress", {"n": 4, "ms": 400}, meta={"progressToken": "another"})
            assert [each.params["progressToken"] for each in tap.notifications] == ["another"] * 4
            for number in range(4):
                await tap.call("echo", {"n": number})
            await tap.call("echo", SECRETS)
            tap.close_stdin()
            assert await tap.wait() == 0, tap.stderr

    run(work())


def test_own_rules_are_applied_and_kept_for_the_replay(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        rules = ["--redact-rule", "pin=key:pin", "--redact-rule", "path:$.arguments.note"]
        async with mcptap("record", *rules, "-o", cassette, "--", *WIRE) as tap:
            await handshake(tap)
            await tap.call("echo", SECRETS)
        params = interactions(cassette)[-1].params
        assert params is not None
        assert params["arguments"]["pin"].startswith("‹redacted:pin:")
        assert params["arguments"]["note"].startswith("‹redacted:path:")
        async with replaying(cassette) as tap:
            await handshake(tap)
            assert (await tap.call("echo", SECRETS)).body.get("error") is None

    run(work())

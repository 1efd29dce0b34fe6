"""Secrets over HTTP: in headers, URLs, arguments, results and ``_meta``, both ways; none is on the file."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from mcptap.cassette.reader import open_cassette
from tests.cli.running import mcptap as run
from tests.clients.raw import Client, Era, HttpClient, Message, handshake
from tests.http.running import PATIENCE, mcptap, server

# Of the client, for mcptap or for the server.
CLIENT = {"authorization": "Bearer client-t0ken-4711", "cookie": "session=client-c00kie-0815"}
# Of mcptap, for the server.
OWN = {
    "authorization": "Bearer server-t0ken-4712",
    "cookie": "sid=server-c00kie-0816",
    "x-api-key": "server-k3y-0817",
    "x-acme": "server-acm3-0818",
}
URL_KEY = "server-url-k3y-0819"
SAID = {
    "password": "said-p4ssword-0820",
    "url": "https://example.com/items?page=2&access_token=said-t0ken-0821#top",
    "note": "Authorization: Bearer said-t0ken-0822",
    "again": "it was said-p4ssword-0820, wasn't it",
}
META = {"example.com/auth": {"client_secret": "said-s3cret-0823"}, "example.com/page": 2}
SECRETS = [
    *(value.rpartition(" ")[2].rpartition("=")[2] for value in (*CLIENT.values(), *OWN.values())),
    URL_KEY,
    "said-p4ssword-0820",
    "said-t0ken-0821",
    "said-t0ken-0822",
    "said-s3cret-0823",
]


def forms(secret: str) -> list[str]:
    """How a text may have a secret."""
    packed = [b64encode(bytes(offset) + secret.encode()).decode()[4:-4] for offset in range(3)]
    return [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *packed]


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if any(form in text for form in forms(secret))]


async def talk(client: Client) -> list[Message]:
    await handshake(client)
    refused = await client.call("refuse")
    return [
        refused,
        await client.call("reflect", {"said": SAID}, meta=META),
        await client.call("reflect", {"said": {"note": "nothing"}}),
    ]


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_no_secret_is_on_the_file_and_the_recording_answers_to_them(era: Era, tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def said_to(url: str) -> list[Message]:
        async with HttpClient(
            f"{url}?access_token={URL_KEY}", era=era, headers=CLIENT, timeout=PATIENCE
        ) as client:
            return await talk(client)

    async def work() -> None:
        headers = [word for name, value in OWN.items() for word in ("--header", f"{name}: {value}")]
        async with server("reflecting") as upstream:
            target = ["--url", f"{upstream.url}/mcp?api_key={URL_KEY}", "--redact-rule", "header:X-Acme"]
            async with mcptap("record", "-o", cassette, *target, *headers) as recording:
                live = await said_to(recording.url)
                assert await recording.stop() == 0
        # What was sent, has arrived, and the client has heard it.
        heard = live[1].result["structuredContent"]
        assert {name: heard["headers"][name] for name in OWN} == OWN
        assert heard["url"].endswith(f"?api_key={URL_KEY}")
        assert heard["said"] == SAID
        assert OWN["x-api-key"] in live[0].text
        assert leaks(cassette.read_text(encoding="utf-8")) == []
        assert leaks(recording.text) == []
        async with mcptap("replay", "--fail-on-unused", cassette) as replaying:
            replayed = await said_to(replaying.url)
            assert await replaying.stop() == 0, replaying.text
        assert leaks(replaying.text) == []
        assert [each.result.get("isError", False) for each in replayed] == [True, False, False]
        assert leaks("".join(each.text for each in replayed)) == []

    asyncio.run(work())
    told = run("inspect", cassette, "--secrets")
    assert (told.returncode, told.stdout) == (0, "")
    calls = [each for each in open_cassette(cassette).interactions() if each.method == "tools/call"]
    named = calls[1].params
    assert named is not None
    # What is no secret is as it was.
    assert named["arguments"]["said"]["url"].startswith(
        "https://example.com/items?page=2&access_token=‹redacted:"
    )
    assert named["arguments"]["said"]["url"].endswith("›#top")
    assert named["_meta"]["example.com/page"] == 2
    assert calls[2].params is not None
    assert calls[2].params["arguments"] == {"said": {"note": "nothing"}}
    target = open_cassette(cassette).header.upstream
    assert target is not None
    assert target.target[0].endswith("/mcp")

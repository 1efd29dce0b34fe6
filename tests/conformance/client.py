"""A client for the suite's client scenarios, with the tap between it and the suite's server if wanted.

    python -m tests.conformance.client [--tap] URL

The suite says by environment variables which scenario it is and which version of the protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import mcp_types as types
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from pydantic import BaseModel, ConfigDict

from tests.http.running import mcptap

_SCENARIO: Final = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
_VERSION: Final = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
_CONTEXT: Final = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
_MODERN: Final = "2026-07-28"
_EXAMPLES: Final = {"number": 5, "integer": 5, "boolean": True, "string": "test", "object": {}, "array": []}


class _SkillList(BaseModel):
    model_config = ConfigDict(extra="allow")
    skills: list[dict[str, Any]]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("url")
    options = parser.parse_args()
    async with _tapped(options.url) if options.tap else contextlib.nullcontext(options.url) as url:
        mode: Any = "auto" if _VERSION >= _MODERN else "legacy"
        async with Client(url, mode=mode, elicitation_handler=_elicit, timeout=10) as client:
            if _SCENARIO.startswith("sep-2640"):
                await _use_skills(client)
            else:
                await _use_everything(client)


@contextlib.asynccontextmanager
async def _tapped(url: str) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        cassette = Path(folder) / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--url", url) as tap:
            yield tap.url
            await tap.stop()


async def _use_everything(client: Client[Any]) -> None:
    """List what there is, and use each thing that is listed."""
    tools = await client.list_tools()
    calls = [(call["name"], call["arguments"]) for call in _CONTEXT.get("toolCalls", [])]
    for name, arguments in calls or [(tool.name, _arguments(tool, tools)) for tool in tools]:
        await client.call_tool(name, arguments, raise_on_error=False)
    capabilities = client.server_capabilities
    if capabilities is not None and capabilities.resources is not None:
        for resource in await client.list_resources():
            await client.read_resource(resource.uri)
    if capabilities is not None and capabilities.prompts is not None:
        for prompt in await client.list_prompts():
            await client.get_prompt(prompt.name, {each.name: "test" for each in prompt.arguments or []})


def _arguments(tool: types.Tool, tools: list[types.Tool]) -> dict[str, Any]:
    schema = tool.input_schema
    if "schema" in schema.get("properties", {}):
        # It wants to have seen the schema of the other tool.
        return {"schema": next(other.input_schema for other in tools if other is not tool)}
    return {
        name: _EXAMPLES.get(str(schema["properties"].get(name, {}).get("type")))
        for name in schema.get("required", [])
    }


async def _elicit(message: str, response_type: Any, params: Any, context: Any) -> ElicitResult[Any]:
    """Accept, with the default of every field that has one."""
    fields: Mapping[str, Any] = (getattr(params, "requested_schema", None) or {}).get("properties", {})
    content = {
        name: field.get("default", _EXAMPLES.get(str(field.get("type")))) for name, field in fields.items()
    }
    return ElicitResult(action="accept", content=content)


async def _use_skills(client: Client[Any]) -> None:
    request: Any = types.Request[dict[str, Any], str](method="skills/list", params={})
    listed = await client.session.send_request(request, _SkillList)
    if _SCENARIO.endswith("no-prefetch"):
        return
    for skill in listed.skills:
        for file in skill["resources"]:
            (content,) = await client.read_resource(file["uri"])
            text = getattr(content, "text", "")
            if not _is_as_listed(text, file) or (file["uri"] == skill["uri"] and not _is_of(text, skill)):
                break  # what can't be trusted isn't read further


def _is_as_listed(text: str, file: Mapping[str, Any]) -> bool:
    content = text.encode()
    found = {"size": len(content), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    return found.items() <= file.items()


def _is_of(text: str, skill: Mapping[str, Any]) -> bool:
    lines = text.split("---\n")[1].splitlines()
    return dict(line.split(": ", 1) for line in lines) == dict(skill["frontmatter"])


if __name__ == "__main__":
    asyncio.run(main())

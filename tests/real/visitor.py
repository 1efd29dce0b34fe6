"""A real client that uses everything a server offers, and what it was told and asked meanwhile."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import mcp_types as types
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from mcp.shared.exceptions import MCPError

from tests.http.running import PATIENCE

Mode: TypeAlias = Literal["auto", "legacy", "2026-07-28"]
Call: TypeAlias = tuple[str, Mapping[str, Any]]
"""A tool or prompt and its arguments."""


@dataclass(frozen=True)
class Walk:
    """What to ask of a server, besides its lists and all that its resource list names.

    Attributes:
        calls: Tools to call, in order.
        prompts: Prompts to get.
        resources: More to read: what templates and calls made.
        subscribed: A resource to be subscribed to during all calls (handshake era).
    """

    calls: Sequence[Call] = ()
    prompts: Sequence[Call] = ()
    resources: Sequence[str] = ()
    subscribed: str | None = None


@dataclass
class Visit:
    """What a client got, by what it asked for, and what it heard and was asked, in order."""

    got: dict[str, Any] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    progress: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def visit(argv: Sequence[str], walk: Walk, mode: Mode) -> Visit:
    """Start a server, or what stands for it, walk it, and end it."""
    visitor = _Visitor()
    client = visitor.client(argv, mode)
    async with asyncio.timeout(PATIENCE), client:
        await visitor.walk(client, walk)
    return visitor.visit


class _Visitor:
    def __init__(self) -> None:
        self.visit = Visit()

    def client(self, argv: Sequence[str], mode: Mode) -> Client[Any]:
        server = {"command": argv[0], "args": list(argv[1:]), "keep_alive": False}
        return Client(
            {"mcpServers": {"server": server}},
            mode=mode,
            roots=["file:///a/root", "file:///another"],
            sampling_handler=self._sample,
            elicitation_handler=self._elicit,
            progress_handler=self._note_progress,
            message_handler=self._note_message,
            timeout=PATIENCE,
        )

    async def walk(self, client: Client[Any], walk: Walk) -> None:
        opened = client.session.initialize_result or await _discovered(client)
        self._note("opened", opened)
        offered = opened.capabilities
        if walk.subscribed and client.session.initialize_result:
            with warnings.catch_warnings(action="ignore"):  # the modern era subscribes otherwise
                await client.session.subscribe_resource(walk.subscribed)
        if offered.tools:
            await self._use_tools(client, walk)
        if offered.prompts:
            await self._use_prompts(client, walk)
        if offered.resources:
            await self._read_resources(client, walk)

    async def _use_tools(self, client: Client[Any], walk: Walk) -> None:
        listed = await client.list_tools_mcp()
        self._note("tools", listed)
        assert {tool.name for tool in listed.tools} == {name for name, _ in walk.calls}
        for number, (name, arguments) in enumerate(walk.calls):
            await self._call(client, f"call {number}: {name}", name, arguments)

    async def _call(self, client: Client[Any], title: str, name: str, arguments: Mapping[str, Any]) -> None:
        try:
            result = await client.call_tool_mcp(name, dict(arguments))
        except MCPError as error:
            self.visit.got[title] = _plain(error.error)
            self.visit.refused.append(name)
            return
        self._note(title, result)
        if result.is_error:
            self.visit.refused.append(name)

    async def _use_prompts(self, client: Client[Any], walk: Walk) -> None:
        listed = await client.list_prompts_mcp()
        self._note("prompts", listed)
        assert {prompt.name for prompt in listed.prompts} == {name for name, _ in walk.prompts}
        for name, arguments in walk.prompts:
            self._note(f"prompt {name} {arguments}", await client.get_prompt_mcp(name, dict(arguments)))

    async def _read_resources(self, client: Client[Any], walk: Walk) -> None:
        listed = await client.list_resources_mcp()
        self._note("resources", listed)
        self._note("templates", await client.list_resource_templates_mcp())
        for uri in [*(str(resource.uri) for resource in listed.resources), *walk.resources]:
            self._note(f"resource {uri}", await client.read_resource_mcp(uri))

    def _note(self, name: str, got: Any) -> None:
        assert name not in self.visit.got
        self.visit.got[name] = _plain(got)

    async def _sample(self, messages: Any, params: Any, context: Any) -> str:
        self.visit.asked.append(_plain(params))
        return "Hello from the model"

    async def _elicit(self, message: str, response_type: Any, params: Any, context: Any) -> Any:
        self.visit.asked.append(_plain(params))
        fits = "requestedSchema" in _plain(params)
        return ElicitResult(action="accept", content={"name": "Ada", "check": True} if fits else None)

    async def _note_progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.visit.progress.append((progress, total, message))

    async def _note_message(self, message: Any) -> None:
        assert not isinstance(message, Exception), message
        if message.method != "notifications/progress":  # its token is the client's, and noted above
            self.visit.heard.append(_plain(message))


async def _discovered(client: Client[Any]) -> types.DiscoverResult:
    """What the server says of itself, which a client that is pinned to a version has not asked."""
    if client.session.discover_result is not None and client.session.discover_result.capabilities.tools:
        return client.session.discover_result
    return types.DiscoverResult.model_validate(await client.session.send_discover("2026-07-28"))


def _plain(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)

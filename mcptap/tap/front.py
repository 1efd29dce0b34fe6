"""The front for clients on a stream of frames: stdio, in-memory, legacy SSE, WebSocket.

The SDK's loop for streams fixes the era on the first frame and refuses the other one from then on,
but a client that probes with ``server/discover`` and falls back to ``initialize`` does both on one
pipe. Here each request says its own era. HTTP has no such problem and stays FastMCP's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol, cast

import anyio
from anyio.abc import TaskGroup
from mcp.server.connection import Connection
from mcp.server.runner import ServerRunner
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.transport_context import TransportContext
from pydantic import ValidationError

from mcptap.exchange import RpcError, taken_back
from mcptap.faults import Fault
from mcptap.model import Json
from mcptap.protocol import CLIENT_INFO_META, VERSION_META, era_of, meta_of
from mcptap.tap.channel import WireError, raw_error
from mcptap.tap.disturbing import Disturb, DisturbedLink
from mcptap.tap.downstream import Downstream, Downstreams
from mcptap.tap.link import Id, Opener
from mcptap.tap.peer import Inbound, Peer
from mcptap.tap.private import App, lowlevel_of

_INVALID_PARAMS = -32602
_LEAVING = 0.5
_CLIENT_CAPABILITIES_META = "io.modelcontextprotocol/clientCapabilities"


class Events(Protocol):
    """What the owner of a front wants to know."""

    async def prepare(self, downstream: Downstream) -> None:
        """Make ready what the client will need; it is connected."""

    async def stopped(self) -> None:
        """Return when the client is not to be served any longer."""

    def left(self, transport: str) -> None:
        """Learn that the client has left, and that what it still waits for will not be answered."""

    def report(self, line: str) -> None:
        """Take a line for the user."""


async def serve(
    app: App,
    downstreams: Downstreams,
    opener: Opener,
    transport: str,
    owner: Events,
    *,
    disturbs: bool = False,
) -> None:
    """Serve one client on a link until it closes its side, its server is gone, or the owner says stop.

    What the client has sent before that still has `_LEAVING` seconds to reach the server and be answered,
    or longer where the client reads for longer.

    Args:
        app: The FastMCP server whose middleware the requests go through.
        downstreams: Where the client is attached.
        opener: Opens the link.
        transport: What the client sees.
        owner: Wants to know.
        disturbs: Whether answers may go wrong on purpose.
    """
    async with anyio.create_task_group() as tasks:
        front = _Front(app, downstreams, transport, tasks, owner)
        async with opener(front.peer) as link:
            front.peer.link = link
            if disturbs:
                front.peer.link = front.disturbed = DisturbedLink(link, tasks, owner.report)
            tasks.start_soon(front.prepare)
            tasks.start_soon(front.until, owner.stopped)
            tasks.start_soon(front.until, front.downstream.lost.wait)
            await front.ended.wait()
            with anyio.move_on_after(max(_LEAVING, front.patience)):
                await front.prepared.wait()
                await front.idle()
            owner.left(transport)
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await front.close()


class _Front:
    def __init__(
        self, app: App, downstreams: Downstreams, transport: str, tasks: TaskGroup, owner: Events
    ) -> None:
        self._server = lowlevel_of(app)
        self._downstreams = downstreams
        self._transport = transport
        self._tasks = tasks
        self._owner = owner
        self.peer = Peer(self, tasks)
        self.disturbed: DisturbedLink | None = None
        self.ended = anyio.Event()
        self.prepared = anyio.Event()
        self._finished = anyio.Event()
        self._notifying = 0
        self._outbound = _Outbound(self.peer)
        self._handshake = self._runner(Connection.for_loop(self._outbound))
        self.downstream = downstreams.attach(self._handshake.connection, transport)
        self._modern: ServerRunner[Any] | None = None

    async def on_request(self, inbound: Inbound) -> Json:
        context = _PipeContext(self.peer, self._transport, inbound)
        context.disturb = partial(self._disturb, inbound.id)
        runner = self._runner_of(inbound.method, inbound.params)
        try:
            return await runner.on_request(context, inbound.method, inbound.params)
        except (MCPError, ValidationError) as error:
            raise _as_rpc_error(error) from None
        finally:
            self._finished.set()

    def on_notification(self, method: str, params: Json | None, origin: Id | None) -> None:
        del origin
        context = _PipeContext(self.peer, self._transport, Inbound("", method, params, None))
        context.request_id = None
        self._notifying += 1
        self._tasks.start_soon(self._notify, context, method, params)

    async def _notify(self, context: _PipeContext, method: str, params: Json | None) -> None:
        try:
            await self._handshake.on_notify(context, method, params)
        finally:
            self._notifying -= 1
            self._finished.set()

    def on_warning(self, message: str) -> None:
        self._owner.report(message)

    def on_closed(self, reason: str) -> None:
        del reason
        self.ended.set()

    @property
    def patience(self) -> float:
        """Seconds for which the client, who sends no more, waits for its answers."""
        return self.peer.reads_for if self.peer.ended is not None else 0.0

    async def prepare(self) -> None:
        await self._owner.prepare(self.downstream)
        self.prepared.set()

    async def until(self, over: Callable[[], Awaitable[None]]) -> None:
        """Serve no longer than until something is over."""
        await over()
        self.ended.set()

    async def idle(self) -> None:
        """Wait until no request is being answered, and no notification passed on."""
        while self.peer.busy or self._notifying:
            self._finished = anyio.Event()
            await self._finished.wait()
            await anyio.lowlevel.checkpoint()

    async def close(self) -> None:
        await self.downstream.close()

    def _disturb(self, request_id: Id, fault: Fault) -> None:
        if self.disturbed is not None:
            self.disturbed.disturb(request_id, fault)
        if fault.ending == "disconnect":
            self.ended.set()

    def _runner(self, connection: Connection) -> ServerRunner[Any]:
        return ServerRunner(self._server, connection, lifespan_state=None)

    def _runner_of(self, method: str, params: Json | None) -> ServerRunner[Any]:
        if era_of(method, params) == "handshake":
            return self._handshake
        if self._modern is None:
            meta = meta_of(params)
            connection = Connection.from_envelope(
                str(meta.get(VERSION_META)),
                meta.get(CLIENT_INFO_META),
                meta.get(_CLIENT_CAPABILITIES_META),
                outbound=self._outbound,
            )
            self._downstreams.share(connection, self.downstream)
            self._modern = self._runner(connection)
        return self._modern


class _Outbound:
    """The SDK's `Outbound` to a client on a pipe."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        del opts
        await self._peer.notify(method, params)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        del opts
        try:
            answer = await self._peer.request(method, params, cancelled=taken_back.get())
        except RpcError as error:
            raise WireError(error.error, type(error)) from None
        return cast("dict[str, Any]", answer)


class _PipeContext(_Outbound):
    """The SDK's `DispatchContext` of one message on a pipe."""

    message_metadata = None
    can_send_request = True
    disturb: Disturb

    def __init__(self, peer: Peer, transport: str, inbound: Inbound) -> None:
        super().__init__(peer)
        self.transport = TransportContext(kind=transport, can_send_request=True)
        self.request_id: Id | None = inbound.id
        self._inbound = inbound

    @property
    def cancelled(self) -> Json | None:
        return self._inbound.cancelled

    @property
    def cancel_requested(self) -> anyio.Event:
        event = anyio.Event()
        if self._inbound.cancelled is not None:
            event.set()
        return event

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        params = {"progressToken": meta_of(self._inbound.params).get("progressToken"), "progress": progress}
        params |= {} if total is None else {"total": total}
        params |= {} if message is None else {"message": message}
        await self.notify("notifications/progress", params)


def _as_rpc_error(error: MCPError | ValidationError) -> RpcError:
    if isinstance(error, MCPError):
        return RpcError(raw_error(error))
    return RpcError.of(_INVALID_PARAMS, "Invalid request parameters")

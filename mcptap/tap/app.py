"""The tap: a FastMCP server whose answers come from a backend."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.abc import TaskGroup
from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan
from fastmcp.server.middleware import Middleware
from starlette.middleware import Middleware as ASGIMiddleware

from mcptap import __version__
from mcptap.errors import McptapError, RecordingError, UpstreamError
from mcptap.exchange import Backend, Session
from mcptap.faults import FaultPlan
from mcptap.model import Json, Target
from mcptap.player import Player
from mcptap.recorder import Recorder
from mcptap.recording import OpenRecording, Recording, open_recording
from mcptap.redaction.redactor import Redactor
from mcptap.tap.backends.live import LiveBackend
from mcptap.tap.backends.wrapping import entered
from mcptap.tap.bridge.making import Bridging, make_bridge
from mcptap.tap.callers import Callers, Census
from mcptap.tap.channel import NoChannel
from mcptap.tap.downstream import Downstream, Downstreams
from mcptap.tap.faulting import Faulting
from mcptap.tap.front import serve
from mcptap.tap.hop import Hop, SchemaBook
from mcptap.tap.http_sessions import HttpSession
from mcptap.tap.link import Opener
from mcptap.tap.link.stdio import open_stdio
from mcptap.tap.link.streams import open_streams
from mcptap.tap.middleware import TapMiddleware
from mcptap.tap.private import insert_outermost, lifespan_of, replace_run, replace_schema_lookup
from mcptap.tap.resuming import RETRY_MS, RecentEvents
from mcptap.tap.verbatim import Verbatim, transport_of
from mcptap.telemetry.observing import observing

if TYPE_CHECKING:
    from mcptap.telemetry.telemetry import Telemetry

CLIENT_PATIENCE: Final = 30.0
_LAST_WORDS = 1.0


def report_to_stderr(line: str) -> None:
    """Print a line for the user where it can't disturb the protocol, whole, whichever threads do so too."""
    print(f"mcptap: {line}\n", end="", file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints


class Tap(FastMCP[Any]):
    """A FastMCP server that passes everything on to a backend. `create_tap` makes it.

    Attributes:
        failure: The first thing that went wrong, if anything did: it decides the exit code.
        stopping: Set when the tap can't go on; whoever runs it should stop then.
        recorded_to: The cassette of the current or last run, once it is known.
        recorded: How many interactions it got.
        player: What answers in a replay; ``None`` for a live server.
        target: The real server, or the one that was recorded.
        telemetry: Where spans and metrics go; ``None`` leaves it to the application's providers.
        faulting: Lets requests go wrong on purpose; ``None`` where none does.
        replayed_from: The cassettes of a replay.
        redactors: What takes the secrets out of what is recorded, or has taken them out of what is replayed.
        client_patience: Seconds after which a client over Streamable HTTP has left that has closed all its
            streams without ending its session, or whose processes are dead. Where the server is a process,
            the session is ended then.
    """

    def __init__(
        self,
        name: str,
        *,
        make_backend: Callable[[Tap], Any],
        target: Target | None,
        recording: Recording | OpenRecording | None,
        records_all: bool,
        player: Player | None,
        middleware: Sequence[Middleware],
        report: Callable[[str], None],
        telemetry: Telemetry | None,
        bridge: Bridging,
        faults: FaultPlan | None = None,
        replayed_from: Sequence[Path] = (),
    ) -> None:
        super().__init__(
            name,
            version=__version__,
            middleware=list(middleware),
            lifespan=_lifespan,
            dereference_schemas=False,
        )
        self._make_backend = make_backend
        self.target = target
        self._recording = recording
        self._records_all = records_all
        self.telemetry = telemetry
        self.replayed_from = replayed_from
        self._bridging = bridge
        self.faulting = Faulting(faults) if faults is not None else None
        self._hop: Hop | None = None
        self._backend: Backend
        self._tasks: TaskGroup
        self._census: Census | None = None
        self._downstreams: Downstreams
        self._nobody: Session
        self._recorder: Recorder | None = None
        self.redactors: Sequence[Redactor | None] = player.redactors if player is not None else ()
        self.client_patience = CLIENT_PATIENCE
        self.report = report
        self.schemas = SchemaBook()
        self.failure: McptapError | None = None
        self.stopping = anyio.Event()
        self.recorded_to: Path | None = None
        self.recorded = 0
        self.player = player
        insert_outermost(self, self._dispatch)
        replace_run(self, self._serve_streams)
        replace_schema_lookup(self, self.schemas.find)

    @property
    def recorder(self) -> Recorder | None:
        """What records the current run, if anything does."""
        return self._recorder

    async def run_stdio_async(
        self, show_banner: bool = False, log_level: str | None = None, stateless: bool = False
    ) -> None:
        """Serve one client on stdin and stdout until it closes stdin."""
        del show_banner, log_level, stateless
        async with lifespan_of(self):
            await self.serve_client(open_stdio, "stdio")

    async def run_http_async(self, show_banner: bool = False, **options: Any) -> None:  # type: ignore[override]
        """Serve clients over HTTP as FastMCP does, with Host and Origin checked unless told otherwise."""
        options.setdefault("host_origin_protection", True)
        await super().run_http_async(show_banner=show_banner, **options)

    def http_app(self, *positional: Any, **options: Any) -> StarletteWithLifespan:
        """Make the ASGI application as FastMCP does, with Host and Origin checked unless told otherwise."""
        bound = signature(super().http_app).bind(*positional, **options).arguments
        transport = "sse" if bound.get("transport") == "sse" else "http"
        if bound.get("host_origin_protection") is None:
            bound["host_origin_protection"] = True
        if bound.get("event_store") is None:
            bound["event_store"] = RecentEvents()
            bound.setdefault("retry_interval", RETRY_MS)
        own = ASGIMiddleware(
            Verbatim,
            owner=self,
            transport=transport,
            hear=self._hear,
            callers=self._new_callers,
            watch=self._watch,
        )
        bound["middleware"] = [*(bound.get("middleware") or ()), own]
        return super().http_app(**bound)

    async def prepare(self, downstream: Downstream) -> None:
        """Start the server with its client, as the client itself would."""
        if isinstance(self._backend, LiveBackend):
            try:
                await self._backend.prepare(downstream)
            except McptapError as error:
                self.fail(error, stop=False)
                self._tasks.start_soon(self._lose_soon, downstream)

    async def check(self) -> None:
        """Report early, where it is plain already, that the server can't be reached; inside the lifespan."""
        if isinstance(self._backend, LiveBackend):
            try:
                await self._backend.upstream.check()
            except McptapError as error:
                self.fail(error, stop=False)

    async def stopped(self) -> None:
        """Wait until the tap can't go on."""
        await self.stopping.wait()

    def left(self, transport: str) -> None:
        """Record what is pending as unanswered: no other client follows on stdio."""
        if transport == "stdio":
            self.end_recording()

    async def _lose_soon(self, downstream: Downstream) -> None:
        """Give a client up, after it had time to ask and be told why."""
        await anyio.sleep(_LAST_WORDS)
        downstream.lost.set()

    def lose(self, connection: object, reason: str) -> None:
        """Report that the server of a client is gone, who then has no use for its connection any more."""
        remote = self.target is not None and self.target.transport != "stdio"
        hint = "see whether it still runs, and what it says" if remote else "run it by itself to see why"
        self.fail(UpstreamError(reason, hint), stop=False)
        if isinstance(connection, Downstream):
            connection.lost.set()

    def fail(self, error: McptapError, *, stop: bool) -> None:
        """Report that something went wrong.

        Args:
            error: What it was.
            stop: Whether the tap can't go on.
        """
        if self.failure is None or self.failure.message != error.message:
            self.report(str(error))
        self.failure = self.failure or error
        if stop:
            self.stopping.set()

    def note_stray(self, method: str, params: Json | None, error: Json | None) -> None:
        """Record what the server said to nobody in particular, with the error it was answered with."""
        if self._recorder is not None:
            with contextlib.suppress(RecordingError):  # it has been reported
                self._recorder.message(self._nobody, "server", method, params, error=error)

    def end_recording(self) -> None:
        """Record what is still open as unanswered, before the tasks that wait for it are ended."""
        if self.telemetry is not None:
            self.telemetry.ending()
        if self._recorder is not None:
            recorder, self._recorder = self._recorder, None
            with contextlib.suppress(RecordingError):  # it has been reported
                recorder.close()
            self.recorded = recorder.recorded

    async def _dispatch(self, context: Any, call_next: Any) -> Any:
        if self._hop is None:
            raise RuntimeError("the tap is used outside its lifespan")
        return await self._hop(context, call_next)

    async def _hear(self, address: tuple[str, int] | None, method: str, params: Json | None) -> None:
        if self._hop is not None:
            await self._hop.hear(address, method, params)

    def _new_callers(self) -> Callers:
        return Callers(self._census)

    def _watch(self, session: HttpSession, end: Callable[[], Awaitable[None]]) -> None:
        """Let no process outlive the client of a session over HTTP that it was started for."""
        if self._census is not None:
            self._tasks.start_soon(self._end_when_left, session, end)

    async def _end_when_left(self, session: HttpSession, end: Callable[[], Awaitable[None]]) -> None:
        if await session.left(self.client_patience):
            try:
                await end()
            except Exception as error:  # noqa: BLE001 - of an application around this one; others go on
                self.report(f"a session whose client has left can't be ended: {error}")

    async def _serve_streams(self, read: Any, write: Any, *_: Any, **__: Any) -> None:
        transport = transport_of(self)
        # Only by their end does the client learn that this side has left.
        async with contextlib.aclosing(read), contextlib.aclosing(write), lifespan_of(self):
            opener = partial(open_streams, read, write, verbatim=transport == "sse")
            await self.serve_client(opener, transport)

    async def serve_client(self, opener: Opener, transport: str) -> None:
        """Serve one client on a link, inside the lifespan.

        Args:
            opener: Opens the link.
            transport: What the client sees.
        """
        disturbs = self.faulting is not None
        await serve(self, self._downstreams, opener, transport, self, disturbs=disturbs)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold what one run needs: the cassette, the backend, the clients. FastMCP enters it."""
        self.stopping = anyio.Event()
        self._nobody = Session("modern", "http", None, NoChannel())
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._recording_to_cassette())
            backend = self._backend = await stack.enter_async_context(entered(self._make_backend(self)))
            tasks = self._tasks = await stack.enter_async_context(anyio.create_task_group())
            a_process = isinstance(backend, LiveBackend) and backend.upstream.target.transport == "stdio"
            self._census = Census(tasks) if a_process else None
            observed, observe = observing(self, backend, self._recorder)
            self._downstreams = Downstreams(observed, tasks)
            bridge = make_bridge(
                self._bridging,
                self._downstreams,
                tasks,
                self.player,
                learn=self.schemas.learn,
                trouble=partial(self.fail, stop=False),
                hint=self.report,
                callers=self._new_callers,
                patience=lambda: self.client_patience,
            )
            self._hop = Hop(self, self._downstreams, self.schemas, bridge, self.faulting, observe)
            try:
                yield
            finally:
                self.end_recording()
                self._hop = None
                tasks.cancel_scope.cancel()

    @contextlib.contextmanager
    def _recording_to_cassette(self) -> Iterator[None]:
        if self._recording is None:
            yield
            return
        if isinstance(self._recording, OpenRecording):
            with self._recording_into(self._recording):
                yield
            return
        target = self.target or Target(self.name, "memory", ())
        loop, thread = asyncio.get_running_loop(), threading.get_ident()

        def failed(error: RecordingError) -> None:
            if threading.get_ident() == thread:
                self._recording_failed(error)
            else:
                loop.call_soon_threadsafe(self._recording_failed, error)

        with open_recording(self._recording, target, on_failure=failed) as opened:
            if opened.torn is not None:
                self.report(f"the torn end of {opened.path} was cut off and saved as {opened.torn}")
            with self._recording_into(opened):
                yield

    @contextlib.contextmanager
    def _recording_into(self, opened: OpenRecording) -> Iterator[None]:
        self._recorder, self.recorded_to, self.recorded = opened.recorder, opened.path, 0
        self.redactors = [opened.redactor]
        if not self._records_all:
            yield
            return
        tap_middleware = TapMiddleware(opened.recorder)
        self.middleware.insert(0, tap_middleware)
        try:
            yield
        finally:
            self.middleware.remove(tap_middleware)

    def _recording_failed(self, error: RecordingError) -> None:
        recording = self._recording
        stop = not isinstance(recording, Recording) or recording.on_write_error == "stop"
        if self.failure is None or not isinstance(self.failure, RecordingError):
            self.fail(error, stop=stop)


@contextlib.asynccontextmanager
async def _lifespan(app: FastMCP[Any]) -> AsyncIterator[dict[str, Any]]:
    assert isinstance(app, Tap)  # noqa: S101 - only a tap has this lifespan
    # FastMCP leaves a lifespan inside a cancel scope of its own, which a task group opened in it doesn't
    # survive: so what the run needs is held by a task, which is awaited here.
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    over = anyio.Event()
    holder = asyncio.create_task(_hold(app, ready, over))
    try:
        await ready
        yield {}
    finally:
        over.set()
        await holder


async def _hold(tap: Tap, ready: asyncio.Future[None], over: anyio.Event) -> None:
    try:
        async with tap.running():
            ready.set_result(None)
            await over.wait()
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)

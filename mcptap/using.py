"""A cassette in use by a test, whatever runs that: bound to a client, and looked at in the end."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import anyio.to_thread

from mcptap.cassette.files import CassetteInUseError
from mcptap.cassette.reader import open_cassette
from mcptap.errors import CassetteError, RecordingError, ReplayError, UsageError
from mcptap.expiry import Expired, lifetime_of, overdue
from mcptap.matching.rules import Matcher, parse_matching
from mcptap.modes import Plan, RecordMode, plan_of
from mcptap.player import Repeats
from mcptap.recording import OpenRecording, Recording, open_recording
from mcptap.redaction.rules import BUILT_IN, parse_rules
from mcptap.replayed import Replayed, replayed
from mcptap.tap.backends.pace import Timing, parse_timing

if TYPE_CHECKING:
    from fastmcp import Client

    from mcptap.tap.app import Tap
    from mcptap.tap.backends.live import Upstream
    from mcptap.tap.bridge.making import Bridging
    from mcptap.tap.target import TargetLike

_PATIENCE: Final = 60.0
_PAUSE: Final = 0.05

used: Final[set[Path]] = set()
"""Every cassette that this process has opened for a test, by its whole path."""


class ExpiredWarning(UserWarning):
    """A recording has expired."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a cassette is used.

    Attributes:
        mode: What happens where it is absent, and where it is there (see `RecordMode`).
        headers: Sent with every request to an HTTP server.
        redaction: See `Recording`.
        normalize: See `Recording`.
        bridge: See `create_tap`.
        ignore: See `create_tap`, as for the next three.
        match: How requests are matched.
        repeats: What comes after the last recorded answer.
        timing: How long answers take.
        fail_on_unused: Whether recorded requests that were not made are a failure.
        expires_in: How long a recording holds: ``12h``, ``30d``, ``8w`` or a `timedelta`.
        expired: What happens when it doesn't any more; where nothing may be recorded, ``re-record`` warns.
    """

    mode: RecordMode = "once"
    headers: Mapping[str, str] | None = None
    redaction: Sequence[str] = BUILT_IN
    normalize: bool = False
    bridge: Bridging = None
    ignore: str | Sequence[str] = ()
    match: str | Matcher | Sequence[str | Matcher] = ()
    repeats: Repeats = "last"
    timing: Timing = "none"
    fail_on_unused: bool = False
    expires_in: str | timedelta | None = None
    expired: Expired = "warn"


def use_cassette(path: str | Path, server: TargetLike | None = None, **options: Any) -> CassetteInUse:
    """Bind a server to a cassette, in a ``with`` or an ``async with``.

    Leaving it raises `ReplayError` where requests were missed, unless another exception is on its way.
    A cassette that is new, or rewritten, is put in place only if none is.

    Args:
        path: The cassette.
        server: The real server, as `create_tap` takes it; it isn't needed to replay.
        **options: See `Options`.

    Raises:
        UsageError: One of the options is none.
    """
    try:
        return CassetteInUse(Path(path), lambda: server, Options(**options))
    except TypeError as error:
        raise UsageError(f"use_cassette: {error}", "see mcptap.using.Options") from None


@dataclass
class CassetteInUse:
    """A server that is bound to a cassette; `use_cassette` makes it, and a ``with`` opens it.

    Args:
        path: The cassette.
        server: Gives the real server, if it is needed.
        options: How it is used.

    Attributes:
        said: What mcptap had to say, such as the explanation of every miss.
        failed: Whether what used it has failed; a new recording is kept only if not.
    """

    path: Path
    server: Callable[[], TargetLike | None]
    options: Options = field(default_factory=Options)
    said: list[str] = field(default_factory=list, init=False)
    failed: bool = field(default=False, init=False)
    _plan: Plan = field(init=False)
    _recording: OpenRecording | None = field(default=None, init=False)
    _replayed: Replayed | None = field(default=None, init=False)
    _upstream: Upstream | None = field(default=None, init=False)
    _kept: bool = field(default=True, init=False)
    _broken: list[RecordingError] = field(default_factory=list, init=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def __enter__(self) -> Self:
        """Open the cassette; where another process writes it, wait for that.

        Raises:
            CassetteError: It is absent, damaged, has expired, or stays in use.
            UsageError: There is no server to record, or an option is wrong: a path, a matcher, a timing.
        """
        used.add(self.path.absolute())
        self._open(self._unexpired())
        if self._plan.replays:
            options = self.options
            self._replayed = replayed(
                [open_cassette(self.path)],
                self.said.append,
                matching=parse_matching(options.ignore, options.match),
                repeats=options.repeats,
                timing=parse_timing(options.timing),
            )
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.failed = self.failed or error is not None
        problems = [] if self.failed else self.problems()
        self.failed = self.failed or bool(problems)
        self.close()
        if problems:
            raise ReplayError("\n".join(problems))

    async def __aenter__(self) -> Self:
        return await anyio.to_thread.run_sync(self.__enter__)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await anyio.to_thread.run_sync(self.__exit__, kind, error, trace)

    def close(self) -> None:
        """Close what is open; a new recording is put in place unless it has `failed`.

        Raises:
            RecordingError: Not all of it could be written.
        """
        self._stack.close()
        if self._broken and not self.failed:
            raise self._broken[0]

    @property
    def records(self) -> bool:
        """Whether the real server is asked, for all or for what is new."""
        return self._plan.write is not None

    def tap(self) -> Tap:
        """Make a FastMCP server that answers as the mode says; several share the cassette."""
        from mcptap.tap.creating import assemble  # noqa: PLC0415 - imports FastMCP

        return assemble(
            self._replayed,
            self._upstream if self.records else None,
            recording=self._recording,
            bridge=self.options.bridge,
            report=self.said.append,
        )

    def client(self, **options: Any) -> Client[Any]:
        """Make a client in this process, to be entered with ``async with``.

        Args:
            **options: Those of FastMCP's `Client`.
        """
        from fastmcp import Client  # noqa: PLC0415 - not before it is needed

        from mcptap.tap.in_process import InProcess  # noqa: PLC0415 - imports FastMCP

        return Client(InProcess(self.tap()), **options)

    def url(self) -> str:
        """Serve it over Streamable HTTP until the cassette is closed, and give the URL."""
        from mcptap.tap.background import serving  # noqa: PLC0415 - imports FastMCP

        return self._stack.enter_context(serving(self.tap()))

    def command(self) -> list[str]:
        """The command of a server on stdio, for clients in any language, until the cassette is closed."""
        return [sys.executable, "-m", "mcptap", "proxy", "--url", self.url(), "--no-telemetry"]

    def problems(self) -> list[str]:
        """Lines on what makes a test fail that saw nothing wrong: misses and, if asked for, the unused."""
        if self._replayed is None:
            return []
        player = self._replayed.player
        if player.missed:
            return [*self.said, f"in the replay of {self.path}: {player.summary().sentence()}"]
        if self.options.fail_on_unused and (unused := player.unused()):
            lines = [f"  interaction {entry.seq}, {entry.method}" for entry in unused]
            return [f"{len(unused)} recorded requests of {self.path} were not made:", *lines]
        return []

    def _unexpired(self) -> RecordMode:
        """The mode, which is another one where the recording has expired and is to be made again."""
        options = self.options
        if options.expires_in is None or not plan_of(options.mode, self.path).replays:
            return options.mode
        header = open_cassette(self.path).header
        late = overdue(header, lifetime_of(options.expires_in), datetime.now(UTC))
        if late is None:
            return options.mode
        expired, remedy = f"{self.path} has expired {_days(late)} ago", "record it again in the mode rewrite"
        if options.expired == "error":
            raise CassetteError(expired, remedy)
        if options.expired == "re-record" and options.mode != "none":
            return "rewrite"
        warnings.warn(f"{expired}; {remedy}", ExpiredWarning, stacklevel=3)
        return options.mode

    def _open(self, mode: RecordMode) -> None:
        """Open what the mode wants; whoever has to wait decides again what that is."""
        deadline = time.monotonic() + _PATIENCE
        while self._recording is None:
            self._plan = plan_of(mode, self.path)
            if self._plan.write is None:
                return
            try:
                opened = self._stack.enter_context(
                    open_recording(self._recorded_as(), self._server().target, on_failure=self._broken.append)
                )
            except CassetteInUseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
                continue
            # Now nobody else can write it; another process may have done so just before.
            self._kept = plan_of(mode, self.path) == self._plan
            if self._kept:
                self._recording = opened
            else:
                self._stack.close()

    def _server(self) -> Upstream:
        if self._upstream is None:
            server = self.server()
            if server is None:
                raise UsageError(f"there is no server to record {self.path} from", "name the server")
            from mcptap.tap.target import upstream_of  # noqa: PLC0415 - imports FastMCP

            self._upstream = upstream_of(server, headers=self.options.headers)
        return self._upstream

    def _recorded_as(self) -> Recording:
        # A new cassette gets its name at the end: what fails half-way is none that could be replayed.
        appends = self._plan.write == "all" and (self._plan.replays or self.options.mode == "all")
        return Recording(
            self.path,
            mode="all" if appends else "rewrite",
            fsync="never",
            redaction=parse_rules(self.options.redaction).names,
            normalize=self.options.normalize,
            keep=lambda: self._kept and not self.failed,
        )


def _days(late: timedelta) -> str:
    return f"{late.days} days" if late.days else f"{late.seconds // 60} minutes"

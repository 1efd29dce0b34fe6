"""The client's side of a request or session, in the seam's words."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Final, cast

import anyio
from mcp.shared.dispatcher import Outbound
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, ErrorData

from mcptap.errors import McptapError
from mcptap.exchange import INTERNAL_ERROR, RpcError, UnansweredError, given_id
from mcptap.model import Json
from mcptap.protocol import STREAM_CLOSED
from mcptap.tap.http_sessions import HttpSession
from mcptap.tap.stand_ins import stand_in

_LEFT: Final = ErrorData(code=CONNECTION_CLOSED, message="Connection closed")
"""What the SDK's dispatcher says where the session ended before the client answered."""


_numbers: Final = count(1)
"""The ids of the requests to clients of the SDK's dispatchers; streams number their own."""


class WireError(MCPError):
    """A JSON-RPC error on its way through FastMCP's middleware, with its wire form unchanged.

    Attributes:
        raw: The wire's own ``error`` object.
        kind: What it was before, such as `UnansweredError`.
    """

    def __init__(self, raw: Json, kind: type[RpcError] = RpcError) -> None:
        code, message = raw.get("code"), raw.get("message")
        super().__init__(INTERNAL_ERROR, "")
        fields = {"data": raw["data"]} if "data" in raw else {}
        self.error = ErrorData.model_construct(code=cast("int", code), message=str(message), **fields)
        self.raw = raw
        self.kind = kind

    @property
    def unanswered(self) -> bool:
        """Whether there was no answer at all, and mcptap says so."""
        return issubclass(self.kind, UnansweredError)


class in_wire_form:  # noqa: N801 - reads as a statement
    """Turns what a backend raises into the form that FastMCP's middleware knows."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RpcError):
            raise WireError(error.error, type(error)) from None
        if isinstance(error, McptapError):
            raise WireError({"code": CONNECTION_CLOSED, "message": error.message}, UnansweredError) from error


def raw_error(error: MCPError) -> Json:
    """The wire form of an error: as it came, where it came over a wire."""
    if isinstance(error, WireError):
        return error.raw
    return error.error.model_dump(by_alias=True, mode="json", exclude_unset=True)


class SdkChannel:
    """A `Channel` over anything of the SDK's that can send to the client.

    Args:
        outbound: What sends.
        verbatim: Whether what it sends passes `mcptap.tap.verbatim.Verbatim`.
        close_stream: Closes the stream that it sends on, where the client can come back for the rest.
    """

    def __init__(
        self,
        outbound: Outbound,
        *,
        verbatim: bool = False,
        close_stream: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._outbound = outbound
        self._verbatim = verbatim
        self._close_stream = close_stream

    async def notify(self, method: str, params: Json | None) -> None:
        """Send a notification; see `Channel.notify`."""
        if method == STREAM_CLOSED:
            if self._close_stream is not None:
                await self._close_stream()
            return
        if self._verbatim and params is not None:
            params = stand_in(params)
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._outbound.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        """Send a request; see `Channel.ask`."""
        if self._verbatim and params is not None:
            params = stand_in(params)
        number = next(_numbers)
        given_id.set(number)
        try:
            return await self._outbound.send_raw_request(method, params, {"request_id": number})
        except MCPError as error:
            raise _refused(error) from None


class StandaloneChannel(SdkChannel):
    """A `Channel` to an HTTP client outside any request: the stream that it opens for that, or doesn't.

    A notification waits for that stream by itself: whoever sends it goes on.

    Args:
        outbound: What sends on that stream.
        session: The client's session.
    """

    def __init__(self, outbound: Outbound, session: HttpSession) -> None:
        super().__init__(outbound, verbatim=True)
        self._session = session
        self._put, self._waiting = anyio.create_memory_object_stream[tuple[str, Json | None]](float("inf"))

    async def notify(self, method: str, params: Json | None) -> None:
        """Have a notification sent; see `Channel.notify`."""
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._put.send_nowait((method, params))

    async def ask(self, method: str, params: Json | None) -> Json:
        """Send a request, if somebody is there to hear it; see `Channel.ask`."""
        if not await self._session.listens():
            raise UnansweredError.of(CONNECTION_CLOSED, f"The client has no stream to be asked on: {method}")
        return await super().ask(method, params)

    async def run(self) -> None:
        """Send the notifications, in order, until the channel is closed."""
        with self._waiting:
            async for method, params in self._waiting:
                await self._session.listens()
                await super().notify(method, params)

    def close(self) -> None:
        """Take no more notifications."""
        self._put.close()


class NoChannel:
    """A `Channel` for stateless clients, who can't be reached outside a request."""

    async def notify(self, method: str, params: Json | None) -> None:
        """Drop it: nobody has asked to hear it."""

    async def ask(self, method: str, params: Json | None) -> Json:
        """Say that nobody is there to answer."""
        del params
        raise UnansweredError.of(INTERNAL_ERROR, f"No client to send {method} to")


def _refused(error: MCPError) -> RpcError:
    """Why a client didn't give a result: by its own error, or because it went away."""
    left = error.unanswered if isinstance(error, WireError) else error.error == _LEFT
    return (UnansweredError if left else RpcError)(raw_error(error))


def as_result(result: Any) -> dict[str, Any]:
    """A result as the SDK wants it: a plain dict."""
    return result if isinstance(result, dict) else dict(result)

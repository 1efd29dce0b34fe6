"""The HTTP client that the HTTP links of one upstream share: one pool, one TLS context."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import anyio
import httpx2

from mcptap.errors import UpstreamError

# A server may think as long as it likes: only the client may give up on a request.
_TIMEOUT = httpx2.Timeout(None, connect=10.0)
_PROBE = 2.0
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100)


def http_client(
    url: str,
    headers: Mapping[str, str] | None,
    auth: httpx2.Auth | None,
    verify: ssl.SSLContext | bool | str | None = None,
) -> httpx2.AsyncClient:
    """A client for one upstream.

    Args:
        url: The upstream; where it is plain HTTP, no TLS context is built (19 ms).
        headers: Sent with every request.
        auth: Signs every request.
        verify: How to check the server's certificate, if not in the default way.
    """
    if not url.startswith("https"):
        verify = False
    elif verify is None or verify is True:
        verify = ssl.create_default_context()
    return httpx2.AsyncClient(
        headers=headers, auth=auth, timeout=_TIMEOUT, limits=_LIMITS, verify=verify, follow_redirects=False
    )


async def check_reachable(url: str) -> None:
    """Say early that nobody listens where a URL leads to.

    Raises:
        UpstreamError: The connection is refused, or the host has no address.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with anyio.move_on_after(_PROBE):
            stream = await anyio.connect_tcp(parts.hostname or "", port)
            await stream.aclose()
    except OSError as error:
        raise UpstreamError(
            f"{url} can't be reached: {reason_of(error)}", "is the server running, and the URL right?"
        ) from None


def reason_of(error: BaseException) -> str:
    """The innermost reason that the system gives; what is around it says less."""
    reason = str(error)
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, (socket.gaierror, ssl.SSLError)):  # their numbers are not the system's
            reason = getattr(inner, "verify_message", None) or inner.strerror or reason
        elif isinstance(inner, OSError) and inner.errno:
            reason = os.strerror(inner.errno)
        cause = inner.__cause__ or inner.__context__
        inner = inner.exceptions[0] if isinstance(inner, BaseExceptionGroup) else cause
    return reason


def same_origin(url: str, other: str) -> bool:
    """Whether two URLs lead to the same scheme, host and port: credentials never leave it."""
    ours, theirs = urlsplit(url), urlsplit(other)
    return (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)


def explain_status(url: str, response: httpx2.Response) -> str:
    """What an HTTP answer that is no MCP means, and what to do about it, in one line."""
    status = f"{url} answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in {401, 403}:
        return f"{status}: it wants credentials; pass them with --header 'Authorization: Bearer …'"
    if response.is_redirect:
        return f"{status} to {response.headers.get('location')}: use that URL if it is the server you mean"
    if response.status_code in {404, 405}:
        return f"{status}: check the path (Streamable HTTP servers often use /mcp, older ones /sse)"
    if response.is_success:
        kind = response.headers.get("content-type", "nothing").partition(";")[0]
        return f"{status} with {kind} where MCP demands JSON or an event stream: is this the MCP endpoint?"
    return status


def explain_failure(url: str, error: httpx2.HTTPError) -> str:
    """Why there was no HTTP answer at all, in one line."""
    match error:
        case httpx2.ConnectTimeout():
            return f"{url} can't be reached: no connection within {_TIMEOUT.connect:g} s"
        case httpx2.ConnectError():
            return f"{url} can't be reached: {reason_of(error) or 'no connection'}"
        case _:
            return f"the connection to {url} broke: {str(error) or type(error).__name__}"

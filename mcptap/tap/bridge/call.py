"""An upstream request that outlives the client's request which began it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from mcptap.bridging.common import LOG_MESSAGE, admits
from mcptap.exchange import Exchange, RpcError
from mcptap.model import Json
from mcptap.protocol import LOG_LEVEL_META, PROGRESS_TOKEN, meta_of, progress_token_of

_TOGETHER: Final = 0.01
_MOST_HELD: Final = 1_000
_PROGRESS: Final = "notifications/progress"


class Ask:
    """A request of the server that waits for the client's answer.

    Attributes:
        method: Its method.
        params: Its params.
        of_session: Whether it belongs to no request of the client.
    """

    def __init__(self, method: str, params: Json | None, *, of_session: bool) -> None:
        self.method = method
        self.params = params
        self.of_session = of_session
        self._answer: Json | RpcError | None = None
        self._answered = anyio.Event()

    def answer(self, answer: Json | RpcError) -> None:
        """Give the client's answer, or why there is none."""
        self._answer = answer
        self._answered.set()

    async def wait(self) -> Json:
        """Wait for the answer.

        Raises:
            RpcError: There will be none.
        """
        await self._answered.wait()
        if self._answer is None or isinstance(self._answer, RpcError):
            raise self._answer or RpcError({})
        return self._answer


class Call:
    """One request to the server, and whichever request of the client carries it at the moment.

    Attributes:
        first: The client's request that began it.
        carrier: The client's request that waits for it now; ``None`` while the client is asked.
        asks: What the server asks meanwhile, by key; those that the client has answered are gone.
        upstream: What the server is asked.
        start: Sends the request; what is asked before that is asked first.
        wants_urls: Whether the client is sent to URLs before the server is asked again.
        resumed: To be called when the client has come back.
    """

    def __init__(self, first: Exchange) -> None:
        self.first = first
        self.carrier: Exchange | None = None
        self.asks: dict[str, Ask] = {}
        self.upstream: Exchange | None = None
        self.start: Callable[[], object] | None = None
        self.wants_urls = False
        self.resumed: Callable[[], None] = lambda: None
        self._outcome: Json | Exception | None = None
        self._held: deque[tuple[str, Json | None]] = deque(maxlen=_MOST_HELD)
        self._changed = anyio.Event()
        self._asked = 0
        self._scope = anyio.CancelScope()
        self._cancelled: Json | None = None

    @property
    def over(self) -> bool:
        """Whether the outcome is there."""
        return self._outcome is not None

    def cancelled(self) -> Json | None:
        """The params of the cancel notification, once the client has cancelled."""
        return self._cancelled

    async def run(self, send: Callable[[], Awaitable[Json]]) -> None:
        """Send the request and keep its outcome."""
        try:
            with self._scope:
                self.settle(await send())
        except Exception as error:  # noqa: BLE001 - raised where the outcome is awaited
            self.settle(error)

    def settle(self, outcome: Json | Exception) -> None:
        """Set the outcome; the first one counts."""
        if self._outcome is None:
            self._outcome = outcome
        self._change()

    def cancel(self, params: Json | None) -> None:
        """Take the request back, as the client does or because it doesn't come any more.

        Args:
            params: Those of the cancel notification; ``None`` where the client has just gone.
        """
        self._cancelled = params
        self._scope.cancel()

    def ask(self, ask: Ask) -> None:
        """Have the client asked."""
        self._asked += 1
        self.asks[f"ask-{self._asked}"] = ask
        self._change()

    def forget(self, ask: Ask) -> None:
        """Ask no longer."""
        self.asks = {key: other for key, other in self.asks.items() if other is not ask}
        self._change()

    async def notify(self, method: str, params: Json | None) -> None:
        """Tell the client something: now, or when its next request has come."""
        if self.carrier is None:
            self._held.append((method, params))
        else:
            await _tell(self.carrier, method, params)

    async def answer(self, carrier: Exchange) -> Json | None:
        """Wait with a request of the client.

        Returns:
            The server's result; ``None`` where the client is to be asked first.

        Raises:
            RpcError: The server's error.
        """
        try:
            while self._held:
                await _tell(carrier, *self._held.popleft())
            self.carrier = carrier
            while self._outcome is None:
                changed = self._changed
                if self.start is not None and not self.asks:
                    self.start()
                    self.start = None
                if self.asks:
                    # What a server asks at once comes in several messages.
                    with anyio.move_on_after(_TOGETHER):
                        await changed.wait()
                        continue
                    if self.asks and self._outcome is None:
                        return None
                else:
                    await changed.wait()
        except anyio.get_cancelled_exc_class():
            self.cancel(carrier.cancelled())
            raise
        finally:
            self.carrier = None
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def wants(carrier: Exchange, message: Json | None) -> bool:
    """Whether a client's request is to be told a log message."""
    return admits(meta_of(carrier.params).get(LOG_LEVEL_META), (message or {}).get("level"))


async def _tell(carrier: Exchange, method: str, params: Json | None) -> None:
    """Tell a client something in its own request: with its token, and nothing that it doesn't want."""
    if method == _PROGRESS:
        token = progress_token_of(carrier.params)
        if token is None:
            return
        params = {**(params or {}), PROGRESS_TOKEN: token}
    if method != LOG_MESSAGE or wants(carrier, params):
        await carrier.notify(method, params)

"""What a bridge needs of the tap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from anyio.abc import TaskGroup

from mcptap.errors import McptapError
from mcptap.exchange import Exchange, Session
from mcptap.model import Era, Json
from mcptap.tap.callers import Callers
from mcptap.tap.downstream import Downstream

WouldAnswer: TypeAlias = Callable[[Era, str, Json | None], bool]


class Way(Protocol):
    """The way to the server, through the middleware: what goes along it is recorded."""

    @property
    def http(self) -> Any:
        """The HTTP request of the client's message; ``None`` on other transports."""

    async def request(self, host: Downstream, exchange: Exchange) -> Json:
        """Send a request in the backend session of ``host`` that is its exchange's.

        Raises:
            RpcError: The server's error, or why there is no answer.
        """

    async def notify(self, host: Downstream, session: Session, method: str, params: Json | None) -> None:
        """Send a notification."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all bridged clients of a tap share.

    Attributes:
        tasks: Owns what goes on while no request of the client is open.
        would_answer: Whether the backend could answer a request of mcptap's own: a recording may not.
        learn: Takes results of ``tools/list``, from which headers are made.
        trouble: Told why the server can't be used, where nobody else has said it.
        lifetime: Seconds for which a client may take to answer what the server asked.
        hint: Told what the user may want to know, though nothing is wrong.
        callers: Makes what learns the processes of a client over HTTP.
        patience: How long such a client may be silent that might be dead, in seconds.
    """

    tasks: TaskGroup
    would_answer: WouldAnswer
    learn: Callable[[Json], None]
    trouble: Callable[[McptapError], None]
    lifetime: float
    hint: Callable[[str], None]
    callers: Callable[[], Callers]
    patience: Callable[[], float]

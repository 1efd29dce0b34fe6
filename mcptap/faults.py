"""Which requests go wrong on purpose, and how: decided by a seed, so that a run can be had again.

Pure decisions: nothing here waits. What happens to the n-th matching request of a client session follows
from the seed, the number of the session and n alone, not from who is faster.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final, Literal, TypeAlias

from mcptap.errors import UsageError
from mcptap.model import Json
from mcptap.protocol import target_of

Ending: TypeAlias = Literal["hang", "error", "disconnect", "truncate", "malformed"]
"""How a request ends that goes wrong: never, with an error, with the connection, or with half an answer or
one that is no JSON."""
ENDINGS: Final[tuple[Ending, ...]] = ("hang", "error", "disconnect", "truncate", "malformed")

_INTERNAL_ERROR: Final = -32603
_EXAMPLE: Final = "such as 'tools/call:search error=-32000 p=0.2'"
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)")
_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(B|kB|MB)/s")
_FUNCTION: Final = re.compile(r"(uniform|lognormal)\(([^,]+),([^,]+)\)")
_RECORDED: Final = re.compile(r"recorded(?:[*x\u00d7]([0-9]+(?:\.[0-9]+)?))?")
_BYTES: Final = {"B": 1.0, "kB": 1e3, "MB": 1e6}


@dataclass(frozen=True, slots=True)
class Delay:
    """How long something is held back.

    Attributes:
        kind: ``fixed`` and ``uniform`` are from ``low`` to ``high`` seconds; ``lognormal`` has the median
            ``low`` (seconds) and the shape ``high``; ``recorded`` is ``high`` times what it took.
    """

    kind: Literal["fixed", "uniform", "lognormal", "recorded"]
    low: float
    high: float

    def seconds(self, random: Random) -> float:
        """Draw from the distribution; 0 for ``recorded``, which only the answer tells."""
        match self.kind:
            case "lognormal":
                return self.low * math.exp(random.gauss(0, self.high))
            case "recorded":
                return 0.0
            case _:
                return random.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with which requests. `parse_fault` makes it.

    Attributes:
        method: The methods, as a pattern with ``*`` and ``?``.
        target: What they are about (a tool's name, a URI), as such a pattern.
        probability: How many of them, from 0 to 1.
        delay: How long the request is held back.
        events: How long each notification in it is held back.
        rate: Bytes a second in which the answer goes out; ``None`` for all at once.
        ending: How it ends, if not as it would.
        code: The code of an error, and
        message: its message.
    """

    method: str
    target: str = "*"
    probability: float = 1.0
    delay: Delay | None = None
    events: Delay | None = None
    rate: float | None = None
    ending: Ending | None = None
    code: int = _INTERNAL_ERROR
    message: str = "A fault of mcptap's"

    def concerns(self, method: str, params: Json | None) -> bool:
        """Whether it is about such a request."""
        return fnmatchcase(method, self.method) and (
            self.target == "*" or fnmatchcase(target_of(method, params) or "", self.target)
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one request.

    Attributes:
        fault: The fault that strikes it.
        delay: Seconds for which it is held back.
        events: Seconds for which each of its notifications is held back.
    """

    fault: Fault
    delay: float
    events: float


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All that is to go wrong in a run; the first fault that strikes a request decides.

    Attributes:
        faults: The faults.
        seed: What the decisions follow from.
    """

    faults: tuple[Fault, ...]
    seed: int

    def session(self, number: int) -> SessionFaults:
        """The faults of one client session; sessions are numbered in the order of their first requests."""
        return SessionFaults(self, number)


class SessionFaults:
    """The faults of one client session. Made by `FaultPlan.session`."""

    def __init__(self, plan: FaultPlan, number: int) -> None:
        self._plan = plan
        self._number = number
        self._counts = Counter[int]()

    def decide(self, method: str, params: Json | None) -> Decision | None:
        """Decide about the next request of the session; ``None`` where it goes well."""
        struck = None
        for place, fault in enumerate(self._plan.faults):
            if not fault.concerns(method, params):
                continue
            self._counts[place] += 1
            random = Random(f"{self._plan.seed}/{self._number}/{place}/{self._counts[place]}")  # noqa: S311
            if struck is None and random.random() < fault.probability:
                delays = [each.seconds(random) if each else 0.0 for each in (fault.delay, fault.events)]
                struck = Decision(fault, *delays)
        return struck


def parse_fault(text: str) -> Fault:
    """A fault from ``METHOD[:NAME] WORD[=VALUE]...``; docs/faults.md has the words.

    Raises:
        UsageError: It is none.
    """
    try:
        subject, *words = shlex.split(text)
    except ValueError:
        raise _wrong(text, "there is nothing in it, or a quote isn't closed") from None
    method, _, target = subject.partition(":")
    found: dict[str, Any] = {"method": method, "target": target or "*"}
    for word in words:
        name, equals, value = word.partition("=")
        member, parsed = _parsed(text, name, value if equals else None)
        if member in found:
            raise _wrong(text, f"{name} says again what was said" if member != "ending" else _ONE_END)
        found[member] = parsed
        if name == "error":
            found["code"] = int(value)
    if not found.keys() & {"delay", "events", "rate", "ending"}:
        raise _wrong(text, "it doesn't say what goes wrong")
    if "message" in found and found.get("ending") != "error":
        raise _wrong(text, "a message goes with error=CODE")
    return Fault(**found)


def parse_faults(texts: Iterable[str], tables: Iterable[str | Mapping[str, Any]] = ()) -> tuple[Fault, ...]:
    """Faults as they stand on a command line, and as they stand in TOML.

    Args:
        texts: See `parse_fault`.
        tables: The same texts, or tables with the subject as ``on`` and the words as their other members;
            ``true`` stands for a word without a value.

    Raises:
        UsageError: One of them is none.
    """
    return tuple(parse_fault(text) for text in [*texts, *map(_text_of, tables)])


def _text_of(table: object) -> str:
    if isinstance(table, str):
        return table
    if not isinstance(table, Mapping) or not isinstance(table.get("on"), str):
        raise UsageError(f"{table!r} is no fault", f"write a text {_EXAMPLE}, or a table with on = 'METHOD'")
    words = [name if value is True else f"{name}={value}" for name, value in table.items() if name != "on"]
    return shlex.join([table["on"], *words])


_ONE_END: Final = "a request can't end in two ways"


def _parsed(text: str, name: str, value: str | None) -> tuple[str, Any]:
    """The member of `Fault` that a word is, with its value."""
    if name in ENDINGS and (name == "error") is (value is not None):
        if name == "error" and not re.fullmatch(r"-?[0-9]{1,9}", value or ""):
            raise _wrong(text, f"{value!r} is no error code")
        return "ending", name
    match name, value:
        case "p", str():
            number = _number(value)
            if number is None or not 0 <= number <= 1:
                raise _wrong(text, f"p={value} is no probability from 0 to 1")
            return "probability", number
        case "delay" | "events", str():
            if (delay := _delay(value, recorded=name == "delay")) is None:
                raise _wrong(text, f"{name}={value} is no delay; write 200ms, 1.5s or uniform(50ms,200ms)")
            return name, delay
        case "slow", str():
            if (rate := _RATE.fullmatch(value)) is None or not float(rate[1]):
                raise _wrong(text, f"slow={value} is no rate; write 100B/s or 2kB/s")
            return "rate", float(rate[1]) * _BYTES[rate[2]]
        case "message", str():
            return "message", value
    raise _wrong(text, f"{name if value is None else f'{name}={value}'} is nothing that a fault can do")


def _delay(value: str, *, recorded: bool) -> Delay | None:
    if (fixed := _seconds(value)) is not None:
        return Delay("fixed", fixed, fixed)
    if recorded and (times := _RECORDED.fullmatch(value)):
        return Delay("recorded", 0.0, float(times[1] or 1))
    function = _FUNCTION.fullmatch(value)
    low = _seconds(function[2]) if function else None
    if function is None or low is None:
        return None
    if function[1] == "uniform":
        high = _seconds(function[3])
        return None if high is None or high < low else Delay("uniform", low, high)
    shape = _number(function[3])
    return None if shape is None or not 0 <= shape < math.inf else Delay("lognormal", low, shape)


def _seconds(value: str) -> float | None:
    duration = _DURATION.fullmatch(value.strip())
    return None if duration is None else float(duration[1]) / (1000 if duration[2] == "ms" else 1)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"the fault {text!r} can't be meant: {why}", f"write METHOD[:NAME] WORD..., {_EXAMPLE}")


def breaks_frames(faults: Sequence[Fault]) -> bool:
    """Whether one of them needs a front that writes its frames itself."""
    return any(fault.rate or fault.ending in ("truncate", "malformed") for fault in faults)

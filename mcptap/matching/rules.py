"""What a user adds to matching: params to ignore, matchers of their own, and the order of a session.

Each rule works on what the rules before it have left, and is a function of that alone. So one rule more
only ever widens: what was the same request stays it.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from mcptap.errors import UsageError
from mcptap.jsonpaths import compile_path
from mcptap.matching.canonical import canonical, essential, key_of_essence, without_volatile
from mcptap.model import Era, Json
from mcptap.protocol import META

Matcher: TypeAlias = Callable[[str, Any], Any]
"""A matcher of one's own: gives, from a method and params (without what is volatile or ignored), what is
compared, as JSON. Two requests of a method are the same where it gives the same. It must be pure; the
params are a copy of its own."""

SEQUENCE: Final = "sequence"
_HINT: Final = "write sequence, or MODULE:FUNCTION for a matcher of your own"
_Step: TypeAlias = str | int


class Matching:
    """When a live request is a recorded one (CASSETTE.md, "Matching", rule 1). Made by `parse_matching`.

    Args:
        ignore: JSONPaths (RFC 9535) of what is left out of the params before they are compared.
        matchers: Matchers by name, in the order in which they are applied.
        sequence: Whether requests must come in the order of a recorded session.

    Attributes:
        matchers: The same, and
        sequence: the same.

    Raises:
        UsageError: A path is no JSONPath.
    """

    def __init__(
        self,
        ignore: Sequence[str] = (),
        matchers: Mapping[str, Matcher] | None = None,
        *,
        sequence: bool = False,
    ) -> None:
        self._paths = [compile_path(path, f"--ignore {path}") for path in ignore]
        self.matchers = dict(matchers or {})
        self.sequence = sequence

    def essence(self, method: str, params: Json | None) -> Any:
        """What a request asks for, as JSON: what it is compared by.

        Raises:
            UsageError: A matcher has failed on it, or gave what is no JSON.
        """
        essence: Any = self.without_ignored(essential(method, params))
        for name, matcher in self.matchers.items():
            try:
                essence = matcher(method, copy.deepcopy(essence))
                canonical(essence)
            except Exception as error:
                why = f"{type(error).__name__}: {' '.join(str(error).split())}"
                hint = "a matcher gets every method, and gives JSON"
                raise UsageError(f"the matcher {name} failed on {method}: {why}", hint) from error
        return essence

    def key_of(self, era: Era, method: str, params: Json | None) -> bytes:
        """The key of a request; see `mcptap.matching.canonical.key_of`.

        Raises:
            UsageError: A matcher has failed on it.
        """
        return key_of_essence(era, method, self.essence(method, params))

    def answer(self, answer: Json) -> dict[str, Any]:
        """What is compared of a client's answer: ``{"result": …}`` or ``{"error": …}``."""
        kept = {member: without_volatile(value) for member, value in answer.items() if value is not None}
        left: dict[str, Any] = self.without_ignored(kept)
        return left

    def without_ignored(self, value: Any) -> Any:
        """A JSON value without what is ignored; ``{}`` where nothing is left of it."""
        for path in self._paths:
            places = [match.parts for match in path.finditer(value)]
            if places:
                value = {} if () in places else _without(value, places)
                if (
                    isinstance(value, dict) and value.get(META) == {}
                ):  # is the same as none, as in `essential`
                    value = {name: member for name, member in value.items() if name != META}
        return value


ORDINARY: Final = Matching()
"""Matching without any rule of the user's."""


def parse_matching(
    ignore: str | Sequence[str] = (), match: str | Matcher | Sequence[str | Matcher] = ()
) -> Matching:
    """The matching that a user asks for.

    Args:
        ignore: JSONPaths from the params, such as ``$.arguments.timestamp``; in what a client answers to
            a server request, from ``$.result`` or ``$.error``.
        match: ``sequence``, and matchers: functions, or their entry points as ``module:function``.

    Raises:
        UsageError: A path is no JSONPath, or there is no such matcher.
    """
    wanted = [match] if isinstance(match, str) or callable(match) else list(match)
    matchers = {}
    for one in wanted:
        if one == SEQUENCE:
            continue
        matcher = _loaded(one) if isinstance(one, str) else one
        if not callable(matcher):
            raise UsageError(f"{one!r} is no matcher", _HINT)
        matchers[one if isinstance(one, str) else getattr(one, "__qualname__", repr(one))] = matcher
    paths = [ignore] if isinstance(ignore, str) else ignore
    return Matching(paths, matchers, sequence=SEQUENCE in wanted)


def _loaded(name: str) -> Matcher:
    """The function of an entry point; modules of the working directory are found, as by ``python -m``."""
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise UsageError(f"there is no way to match by {name!r}", _HINT)
    here = os.getcwd()  # noqa: PTH109 - an entry of sys.path is a string
    sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for step in attribute.split("."):
            found = getattr(found, step)
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UsageError(f"the matcher {name} can't be loaded: {why}", _HINT) from error
    finally:
        sys.path.remove(here)
    if not callable(found):
        raise UsageError(f"the matcher {name} is no function, but of type {type(found).__name__}", _HINT)
    matcher: Matcher = found
    return matcher


def _without(value: Any, places: Iterable[Sequence[_Step]]) -> Any:
    """A copy of a JSON value without what stands at ``places``, none of which is the value itself."""
    inside = defaultdict[_Step, list[Sequence[_Step]]](list)
    for first, *rest in places:
        inside[first].append(rest)
    steps = value.items() if isinstance(value, Mapping) else enumerate(value)
    kept = {
        step: _without(inner, inside[step]) if step in inside else inner
        for step, inner in steps
        if [] not in inside.get(step, ())
    }
    return kept if isinstance(value, Mapping) else list(kept.values())

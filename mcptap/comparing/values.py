"""What differs between two JSON values, apart from what the user wants to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mcptap.comparing.finding import Finding
from mcptap.jsonpaths import compile_path
from mcptap.matching.nearest import differing, location


class Ignored:
    """What JSONPaths (RFC 9535) leave out of comparisons.

    Args:
        paths: The paths, each from the params, the result or the error of a message.

    Raises:
        UsageError: One of them is no JSONPath.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths = [compile_path(path, f"--ignore {path}") for path in paths]

    def parts(self, *values: Any) -> list[tuple[str | int, ...]]:
        """The places that the paths name in any of the ``values``: member names and positions."""
        return [
            match.parts
            for path in self._paths
            for value in values
            if isinstance(value, (dict, list))
            for match in path.finditer(value)
        ]

    def places(self, *values: Any) -> Places:
        """The same as the paths of what differs."""
        return Places(location(parts) for parts in self.parts(*values))


class Places:
    """A set of paths with all that is below them."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths = frozenset(paths)

    def __contains__(self, path: object) -> bool:
        if not self._paths or not isinstance(path, str):
            return False
        return any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in self._paths)


def value_findings(recorded: Any, live: Any, ignored: Ignored, text: str) -> Iterator[Finding]:
    """Every difference of two JSON values that is not left out.

    Args:
        recorded: The recorded value.
        live: The live value.
        ignored: What to leave out.
        text: What differs, for people: ``the result``.
    """
    places = ignored.places(recorded, live)
    for field in differing(recorded, live):
        if field.path not in places:
            yield Finding("difference", field.path, text, field.recorded, field.live)

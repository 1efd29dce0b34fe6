"""The rules of a redaction, and how they are named in a cassette's header."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from mcptap.errors import UsageError
from mcptap.jsonpaths import compile_path
from mcptap.redaction import keys
from mcptap.redaction.patterns import FORMS, TOKENS, Pattern

BUILT_IN: Final = tuple(dict.fromkeys([*keys.NAMES, *(pattern.name for pattern in (*TOKENS, *FORMS))]))
"""The names of the rules that apply unless redaction is switched off."""

_OWN: Final = re.compile(
    r"(?:(?P<name>[a-z0-9-]+)=)?(?P<kind>key|header|pattern|path):(?P<what>.+)", re.DOTALL
)
_HINT: Final = "write it as [NAME=]key:NAME, header:NAME, pattern:REGEX or path:JSONPATH"


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules apply; made by `parse_rules`.

    Attributes:
        names: All of them as they stand in a cassette's header, from which they can be parsed again.
        built_in: The names of those that mcptap has.
        keys: The user's own names of members and headers (plain), with the rule of each.
        patterns: The user's own regular expressions.
        paths: The user's own JSONPaths (compiled), with the rule of each.
    """

    names: tuple[str, ...]
    built_in: frozenset[str]
    keys: dict[str, str] = field(default_factory=dict)
    patterns: tuple[Pattern, ...] = ()
    paths: tuple[tuple[Any, str], ...] = ()

    def rule_of(self, name: str) -> str | None:
        """The rule by which the value that has this name is a secret, if one does."""
        if self.keys and (own := self.keys.get(keys.plain_name(name))) is not None:
            return own
        rule = keys.rule_of(name)
        return rule if rule in self.built_in else None


def parse_rules(names: Iterable[str]) -> Rules:
    """The rules of these names: mcptap's own, and the user's as ``[NAME=]KIND:WHAT``.

    ``key:`` and ``header:`` name what has a secret as its value; ``pattern:`` is a regular expression,
    whose group ``secret`` is replaced if it has one; ``path:`` is a JSONPath (RFC 9535) from the params,
    the result or the error of a message.

    Raises:
        UsageError: One of them is none of mcptap's rules, or can't be parsed.
    """
    names = tuple(dict.fromkeys(names))
    built_in, own_keys, patterns, paths = set(), {}, [], []
    for name in names:
        if name in BUILT_IN:
            built_in.add(name)
            continue
        own = _OWN.fullmatch(name)
        if own is None:
            raise UsageError(f"there is no redaction rule {name!r}", _HINT)
        rule, what = own["name"] or own["kind"], own["what"]
        match own["kind"]:
            case "pattern":
                patterns.append(_pattern(rule, what))
            case "path":
                paths.append((compile_path(what, f"the redaction rule path:{what}"), rule))
            case _:
                own_keys[keys.plain_name(what)] = rule
    return Rules(names, frozenset(built_in), own_keys, tuple(patterns), tuple(paths))


def _pattern(rule: str, what: str) -> Pattern:
    try:
        regex = re.compile(what)
    except re.error as error:
        raise UsageError(f"the redaction rule pattern:{what} is no regular expression: {error}") from None
    if regex.search(""):
        raise UsageError(
            f"the redaction rule pattern:{what} finds nothing, everywhere", "let it match a text"
        )
    if regex.search(what):
        raise UsageError(
            "a redaction rule finds its own text, which the cassette's header is to hold",
            "write the pattern so that it doesn't spell the secret, as in hunter[2]",
        )
    return Pattern(rule, (), regex, guessable=True)

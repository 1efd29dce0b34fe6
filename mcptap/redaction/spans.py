"""Finding the secrets in one string, and writing it without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mcptap.redaction.assignments import assignments
from mcptap.redaction.known import Known
from mcptap.redaction.patterns import Pattern
from mcptap.redaction.placeholder import PLACEHOLDER
from mcptap.redaction.rules import Rules


class Span(NamedTuple):
    """Where a secret stands in a string, and the rule that found it.

    ``quote`` is what the placeholder has to be put in, where the secret is a number.
    """

    begin: int
    end: int
    rule: str
    guessable: bool
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for in the strings of one message.

    Attributes:
        rules: The rules.
        tokens: Those of `TOKENS` that can be there,
        forms: of `FORMS`,
        needles: and the pieces of names.
    """

    rules: Rules
    tokens: tuple[Pattern, ...]
    forms: tuple[Pattern, ...]
    needles: tuple[str, ...]

    def find(self, text: str, known: Known | None, *, prose: bool) -> list[Span]:
        """The secrets in ``text``, in order and apart from each other.

        Args:
            text: The string.
            known: What the session has shown.
            prose: Whether this is text about what could be there, such as a tool's description: then
                only what is a secret by itself is one.
        """
        lowered = _lowered(text)
        found = list(_matches(self.tokens, text, lowered))
        found += (span for pattern in self.rules.patterns for span in _searched(pattern, text))
        if not prose:
            found += _matches(self.forms, text, lowered)
            found += (
                Span(*each[:3], True, each.quote)
                for each in assignments(text, lowered, self.needles, self.rules.rule_of)
            )
            if known is not None:
                found += (Span(*each) for each in known.find(text))
        if "‹" in text:
            found = _beside_placeholders(found, text)
        return _merged(found)


def _beside_placeholders(found: list[Span], text: str) -> list[Span]:
    """The spans that are no piece of a placeholder, and not just one."""
    taken = [placeholder.span() for placeholder in PLACEHOLDER.finditer(text)]
    return [
        span
        for span in found
        if all(
            span.end <= begin or end <= span.begin or (span.begin <= begin and end <= span.end)
            for begin, end in taken
        )
        and (span.begin, span.end) not in taken
    ]


def _matches(patterns: Iterable[Pattern], text: str, lowered: str) -> Iterator[Span]:
    for pattern in patterns:
        for needle in pattern.needles:
            at = lowered.find(needle)
            while at >= 0:
                found = pattern.regex.match(text, at - pattern.lead) if at >= pattern.lead else None
                end = at + 1
                if found is not None:
                    span = _span(pattern, found)
                    if pattern.holds(text[span.begin : span.end]):
                        yield span
                        end = max(end, found.end())
                at = lowered.find(needle, end)


def _searched(pattern: Pattern, text: str) -> Iterator[Span]:
    for found in pattern.regex.finditer(text):
        span = _span(pattern, found)
        if span.begin < span.end:
            yield span


def _span(pattern: Pattern, found: object) -> Span:
    begin, end = found.span("secret" if "secret" in pattern.regex.groupindex else 0)  # type: ignore[attr-defined]
    return Span(begin, end, pattern.name, pattern.guessable)


def _merged(spans: list[Span]) -> list[Span]:
    """Spans that overlap become one, by the rule of the one that begins first, or was found first."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.begin, -each.end)):
        if merged and span.begin < merged[-1].end:
            last = merged[-1]
            if span.end > last.end:
                merged[-1] = Span(last.begin, span.end, last.rule, last.guessable or span.guessable)
        else:
            merged.append(span)
    return merged


def _lowered(text: str) -> str:
    lowered = text.lower()
    # One letter grows in lower case, after which nothing would stand where it was.
    return lowered if len(lowered) == len(text) else text.replace("\u0130", "I").lower()

"""What was said, as attributes: only where the user asks for it, and only what redaction has left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mcptap.codec import dumps
from mcptap.model import Json, Target
from mcptap.redaction.header import salt_of
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.rules import BUILT_IN
from mcptap.telemetry import conventions as names
from mcptap.telemetry.operation import Attribute

Redact: TypeAlias = Callable[[Json], Json]


def redact_by(redactors: Iterable[Redactor | None], target: Target | None) -> Redact:
    """What takes secrets out of params and results.

    Args:
        redactors: What takes them out of the cassettes that are recorded or replayed, by their own rules.
            Where those keep their secrets, or there are none, the built-in rules apply.
        target: The server, whose placeholders are those of its cassettes.
    """
    name = target.name if target is not None else ""
    rules = [each for each in redactors if each is not None] or [Redactor(BUILT_IN, salt_of(name))]

    def redact(value: Json) -> Json:
        for each in rules:
            value = each.value(value)
        return value

    return redact


def redacted_text(redact: Redact, member: str, text: str) -> str:
    """A text that stands alone, such as an error's message."""
    return str(redact({member: text}).get(member, ""))


def of_params(method: str, params: Json) -> dict[str, Attribute]:
    """The arguments of a tool call, as a JSON text; those of a prompt, each as its own attribute."""
    arguments = params.get("arguments")
    if not isinstance(arguments, Mapping):
        return {}
    if method == "tools/call":
        return {names.TOOL_ARGUMENTS: _text(arguments)}
    if method == "prompts/get":
        return {
            f"{names.PROMPT_VARIABLE}.{name}": value if isinstance(value, str) else _text(value)
            for name, value in arguments.items()
        }
    return {}


def of_result(result: Json) -> dict[str, Attribute]:
    """The result of a tool call, as a JSON text."""
    return {names.TOOL_RESULT: _text(result)}


def _text(value: object) -> str:
    return dumps(value).decode("utf-8", "replace")

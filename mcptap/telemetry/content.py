"""What was said, as attributes: only where the user asks for it, and only what redaction has left."""

from __future__ import annotations

from collections.abc import Mapping

from mcptap.codec import dumps
from mcptap.model import Json
from mcptap.telemetry import conventions as names
from mcptap.telemetry.operation import Attribute


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

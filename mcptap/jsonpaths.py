"""JSONPath (RFC 9535), as users write it in options and rules."""

from __future__ import annotations

from typing import Any

from mcptap.errors import UsageError


def compile_path(path: str, named: str) -> Any:
    """The compiled path, whose ``finditer(value)`` gives matches with their ``parts``.

    Args:
        path: The text of the path.
        named: What it is called when it is wrong: ``--ignore $.a``.

    Raises:
        UsageError: It is no JSONPath.
    """
    import jsonpath  # noqa: PLC0415 - takes a tenth of a second, and few have such paths

    try:
        return jsonpath.JSONPathEnvironment(strict=True).compile(path)
    except jsonpath.JSONPathError as error:
        why = str(error).partition("\n")[0]
        raise UsageError(f"{named} is no JSONPath: {why}", "write it as $.a.b or $..b") from None

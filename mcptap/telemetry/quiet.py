"""Keeping the SDK's own spans (``MCP send …``) away from where mcptap has spans of its own."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final

from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.trace import Span, get_current_span

from mcptap.tap.private import replace_sdk_tracer

_QUIET: Final = create_key("mcptap-quiet")


def quiet(context: Context) -> Context:
    """A context in which the SDK opens no spans, once `keep_sdk_quiet` was called."""
    return set_value(_QUIET, True, context)


@cache
def keep_sdk_quiet() -> None:
    """Have the SDK heed `quiet`; only an application's own tracer provider makes this necessary."""
    replace_sdk_tracer(_QuietTracer)


class _QuietTracer:
    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def start_as_current_span(
        self, name: str, context: Context | None = None, **options: Any
    ) -> AbstractContextManager[Span]:
        if get_value(_QUIET, context):
            return contextlib.nullcontext(get_current_span(context))
        opened: AbstractContextManager[Span] = self._tracer.start_as_current_span(name, context, **options)
        return opened

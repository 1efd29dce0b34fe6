"""What both directions of the bridge know of the two eras (specifications 2025-11-25 and 2026-07-28)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mcptap.model import Json
from mcptap.protocol import META, meta_of

INPUT_METHODS: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Requests that may be answered with ``input_required`` (2026-07-28, ``InputRequiredResult``)."""

ASKED: Final = frozenset({"sampling/createMessage", "elicitation/create", "roots/list"})
"""What a server may ask its client for, in a request of its own or by ``input_required``."""

CACHEABLE: Final = frozenset(
    {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
)
"""Requests whose modern results must carry cache hints (2026-07-28, ``CacheableResult``)."""

TASKS: Final = frozenset(
    {"tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update", "notifications/tasks/status"}
)
"""Tasks: part of 2025-11-25, another thing in an extension of 2026-07-28."""

TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""The severities of log messages, lowest first (RFC 5424)."""

LIST_CHANGES: Final[Mapping[str, tuple[str, str]]] = {
    "notifications/tools/list_changed": ("toolsListChanged", "tools"),
    "notifications/prompts/list_changed": ("promptsListChanged", "prompts"),
    "notifications/resources/list_changed": ("resourcesListChanged", "resources"),
}
"""Each change of a list: its member of a subscription's filter, and the capability that it belongs to."""

UPDATED: Final = "notifications/resources/updated"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
LOG_MESSAGE: Final = "notifications/message"


def admits(threshold: str | None, level: Any) -> bool:
    """Whether a log message of ``level`` goes to somebody who asked for ``threshold`` and above.

    Without a threshold nothing does; a level that nobody knows always does.
    """
    if threshold is None:
        return False
    if level not in LEVELS or threshold not in LEVELS:
        return True
    return LEVELS.index(level) >= LEVELS.index(threshold)


def with_meta(holder: Json, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A copy of params or of a result whose ``_meta`` is changed; it goes where it becomes empty."""
    meta = dict(meta_of(holder))
    change(meta)
    rest = {key: value for key, value in holder.items() if key != META or not isinstance(value, Mapping)}
    return rest | ({META: meta} if meta else {})


def carried(capabilities: Any) -> dict[str, Any]:
    """Capabilities without what only one of the eras has: tasks."""
    if not isinstance(capabilities, Mapping):
        return {}
    kept = {name: value for name, value in capabilities.items() if name != "tasks"}
    extensions = kept.get("extensions")
    if isinstance(extensions, Mapping) and TASKS_EXTENSION in extensions:
        kept["extensions"] = {key: value for key, value in extensions.items() if key != TASKS_EXTENSION}
    return kept


def required_capability(method: str, params: Json | None) -> dict[str, Any]:
    """What a client must be capable of to be asked this, as a capabilities object."""
    params = params or {}
    if method == "roots/list":
        return {"roots": {}}
    if method == "sampling/createMessage":
        return {"sampling": {"tools": {}} if "tools" in params or "toolChoice" in params else {}}
    return {"elicitation": {"url": {}} if params.get("mode") == "url" else {}}


def is_capable(capabilities: Any, required: Json) -> bool:
    """Whether capabilities hold what `required_capability` names.

    An ``elicitation`` that names only ``url`` is not one for forms; an empty one is for forms.
    """
    ((name, details),) = required.items()
    declared = capabilities.get(name) if isinstance(capabilities, Mapping) else None
    if not isinstance(declared, Mapping):
        return False
    if name == "elicitation" and not details:
        return not declared or "form" in declared
    return all(detail in declared for detail in details)


def concerns(uri: str, updated: Any) -> bool:
    """Whether an update of a resource is one for who subscribed to ``uri``, or to what it is a part of."""
    return isinstance(updated, str) and (updated == uri or updated.startswith(f"{uri.rstrip('/')}/"))

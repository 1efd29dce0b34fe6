"""The columns of an interaction: what each means, and the SQL that makes it of the lines of a cassette.

The documentation lists them from here (docs/analysis.md). A query pays for the columns that it reads,
so each says which members of a line it needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mcptap.errors import UsageError

OUTCOMES: Final = ("ok", "tool error", "error", "input_required", "cancelled", "disconnected", "unanswered")
"""How an interaction may have ended, in the words of ``mcptap inspect``."""

BODIES: Final = ("params", "result", "error")
"""The columns that hold what was said itself; they are read only where they are asked for."""

LONGEST_LINE: Final = 16 << 20
"""Bytes that a line may have; DuckDB holds two of this length for each thread."""

_ENUM: Final = f"ENUM ({', '.join(repr(outcome) for outcome in OUTCOMES)})"
UNANSWERED: Final = f"'unanswered'::{_ENUM}"
"""The outcome of a request that has no answer, in SQL."""

_NAMED: Final = "('tools/call', 'prompts/get')"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the view ``interactions``.

    Attributes:
        name: Its name.
        type: Its DuckDB type.
        meaning: What it says, with its unit.
        sql: What it is in terms of the joined lines ``i``, the cassette ``c`` and the session ``s``.
    """

    name: str
    type: str
    meaning: str
    sql: str


INTERACTION: Final = (
    Column("file", "VARCHAR", "the cassette, as it was named", "c.path"),
    Column("server", "VARCHAR", "the server's name in the cassette's header", "c.server"),
    Column("session", "BIGINT", "number of the client session in its cassette", "i.session"),
    Column("seq", "BIGINT", "number of the request in its cassette, by arrival", "i.seq"),
    Column("era", "VARCHAR", "`handshake` or `modern`", "s.era"),
    Column("transport", "VARCHAR", "what the client spoke: `stdio`, `http`, `sse`, `memory`", "s.transport"),
    Column("upstream", "VARCHAR", "what the server spoke, in the same words", "c.upstream"),
    Column("client", "VARCHAR", "the client's name as it gave it", "s.client"),
    Column("time", "TIMESTAMP", "when the request arrived, in UTC", "moment(c.recorded_at, i.at)"),
    Column("at", "DOUBLE", "the same in seconds since the cassette was begun", "i.at"),
    Column("method", "VARCHAR", "the JSON-RPC method", "i.method"),
    Column("tool", "VARCHAR", "the tool of a `tools/call`, the prompt of a `prompts/get`", f"CASE WHEN i.method IN {_NAMED} THEN i.named END"),
    Column("target", "VARCHAR", "what the request is about: as `tool`, or a resource's URI", "i.target"),
    Column("outcome", "VARCHAR", "`" + "`, `".join(OUTCOMES) + "`", "i.outcome::VARCHAR"),
    Column("failed", "BOOLEAN", "whether the outcome is `error`, `tool error` or `unanswered`", "i.outcome IN ('error', 'tool error', 'unanswered')"),
    Column("failure", "VARCHAR", "the outcome of a request that failed", "CASE WHEN i.outcome IN ('error', 'tool error', 'unanswered') THEN i.outcome::VARCHAR END"),
    Column("error_code", "BIGINT", "the code of a JSON-RPC error", "i.error_code"),
    Column("ms", "DOUBLE", "upstream time: milliseconds from sending the request to the server to its answer", "i.ms"),
    Column("proxy_ms", "DOUBLE", "proxy time: mcptap's own milliseconds on it", "i.proxy_ms"),
    Column("bytes", "BIGINT", "size of the answer (result or error) as compact JSON", "i.bytes"),
    Column("events", "BIGINT", "how many notifications and server requests it held", "coalesce(len(i.events), 0)"),
    Column("trace_id", "VARCHAR", "its trace, where it was recorded with one", "i.trace_id"),
    Column("span_id", "VARCHAR", "its span", "i.span_id"),
    Column("params", "JSON", "the request's params", "i.params"),
    Column("result", "JSON", "the result", "i.result"),
    Column("error", "JSON", "the JSON-RPC error", "i.error"),
)  # fmt: skip
"""Every column of the view ``interactions``."""

NAMES: Final = tuple(column.name for column in INTERACTION)


@dataclass(frozen=True, slots=True)
class Member:
    """A column of the table ``lines``: the SQL that takes it out of a line, and whose it is.

    ``of`` says which line of a split interaction has it: the ``request`` (begin) or the ``answer`` (end).
    """

    name: str
    sql: str
    of: Literal["request", "answer"] = "request"


_FIELDS: Final = {
    "kind": "VARCHAR",
    "mcptap": "VARCHAR",
    "seq": "BIGINT",
    "session": "BIGINT",
    "at": "DOUBLE",
    "at_ms": "DOUBLE",
    "ms": "DOUBLE",
    "proxy_ms": "DOUBLE",
    "from": "VARCHAR",
    "method": "VARCHAR",
    "params": "STRUCT(name VARCHAR, uri VARCHAR, ref JSON, requestState VARCHAR, inputResponses JSON, arguments JSON)",
    "result": "JSON",
    "error": "JSON",
    "outcome": "VARCHAR",
    "events": 'STRUCT(at_ms DOUBLE, "from" VARCHAR, method VARCHAR, result JSON, error JSON, ms DOUBLE)[]',
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "era": "VARCHAR",
    "transport": "VARCHAR",
    "client": "JSON",
    "lost": "BIGINT",
    "why": "VARCHAR",
}

# What is wrong with a line must be found even where a query needs neither the line nor the member: DuckDB leaves out
# columns that nobody reads, and filters before it computes the others.
_KIND: Final = """CASE WHEN kind IS NULL AND mcptap IS NULL AND (session IS NULL OR session IS NOT NULL)
    THEN error('a line has no kind') ELSE kind END"""

_EVENTS: Final = """
    CASE WHEN kind = 'event' THEN
        [{'at_ms': at_ms, 'source': "from", 'method': method, 'asked': ms IS NOT NULL OR result IS NOT NULL OR error IS NOT NULL, 'failed': error IS NOT NULL, 'ms': ms}]
    WHEN events IS NOT NULL THEN list_transform(events, lambda e:
        {'at_ms': e.at_ms, 'source': e."from", 'method': e.method, 'asked': e.ms IS NOT NULL OR e.result IS NOT NULL OR e.error IS NOT NULL, 'failed': e.error IS NOT NULL, 'ms': e.ms})
    END
"""
_REST: Final = """
    CASE kind
        WHEN 'session' THEN json_object('era', era, 'transport', transport, 'client', client->>'$.name')
        WHEN 'message' THEN json_object('source', "from", 'asked', ms IS NOT NULL OR result IS NOT NULL OR error IS NOT NULL, 'failed', error IS NOT NULL)
        WHEN 'gap' THEN json_object('lost', lost, 'why', why)
    END
"""
# An answer is searched for a word before it is parsed once more for it: hardly any has it. DuckDB looks for the
# first letter of the word, so that had better be a rare one: quotes aren't.
_UNFINISHED: Final = f"WHEN contains(result, '_required\"') AND (result->>'$.resultType') = 'input_required' THEN 'input_required'::{_ENUM}"
# Each branch has the type of the whole: a text would be looked up in the type once a row.
_OUTCOME: Final = f"""
    CASE WHEN outcome IS NOT NULL THEN
        CASE WHEN coalesce(result, error) IS NULL THEN outcome ELSE error('a request has two outcomes') END::{_ENUM}
    WHEN error IS NOT NULL THEN
        CASE WHEN result IS NULL AND starts_with(error, '{{{{') THEN 'error' ELSE error('an error is none') END::{_ENUM}
    WHEN contains(result, 'Error":true') AND (result->>'$.isError') = 'true' THEN 'tool error'::{_ENUM}
    {{unfinished}}
    WHEN starts_with(result, '{{{{') THEN 'ok'::{_ENUM}
    WHEN kind IN ('interaction', 'end') THEN error('a request has no outcome')::{_ENUM} END
"""


def _clocked(name: str) -> str:
    """A number of milliseconds; none where it is more than a number can be. NaN is no JSON, but DuckDB reads it."""
    return f"CASE WHEN isfinite({name}) THEN {name} WHEN isnan({name}) THEN error('a time is no number')::DOUBLE END"


_STATE: Final = """CASE WHEN contains(result, '"requestState"') AND (result->>'$.requestState') IS NOT NULL
    THEN hash(result->>'$.requestState') END"""


def lines_query(
    files: Mapping[str, int], columns: Collection[str], *, linked: bool, longest: int = LONGEST_LINE
) -> str:
    """The query that reads cassettes into what is called ``lines``.

    A line that says nothing, or not what its kind must, is an error of DuckDB's.

    Args:
        files: The paths of the cassettes, with their numbers in the table ``files``.
        columns: The columns of an interaction that are wanted.
        linked: Whether what links the hops of a chain, and all that is no interaction, is wanted too.
        longest: How many bytes a line may have.
    """
    whole = not set(BODIES).isdisjoint(columns)
    several = len(files) > 1
    number = "f.file" if several else f"{next(iter(files.values()), 0)}::INTEGER"
    selected = ",\n".join(f'{member.sql} AS "{member.name}"' for member in members(columns, linked=linked))
    fields = _FIELDS | ({"params": "JSON"} if whole else {})
    declared = ", ".join(f"'{name}': '{kind}'" for name, kind in fields.items())
    patterns = ", ".join(map(_pattern, files or [os.devnull]))
    return f"""
        SELECT {number} AS file, {_KIND} AS kind, seq, {selected}
        FROM read_json([{patterns}], columns = {{{declared}}}, format = 'newline_delimited', filename = {several},
            hive_partitioning = false, maximum_object_size = {longest}) AS line
        {"JOIN files AS f ON line.filename = f.path" if several else ""}
    """


def members(columns: Collection[str], *, linked: bool) -> list[Member]:
    """The members of a line that the wanted columns are made of."""
    whole = not set(BODIES).isdisjoint(columns)
    finished = not linked and "outcome" not in columns
    wanted = set(re.findall(r"\bi\.(\w+)", " ".join(c.sql for c in INTERACTION if c.name in columns)))
    return [
        member
        for member in _members(whole=whole, finished=finished)
        if member.name in wanted or (linked and member.name not in BODIES) or member.name in _ALWAYS
    ]


def _pattern(path: str) -> str:
    """A path as a pattern that only it matches, in SQL."""
    pattern = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
    return "'" + pattern.replace("'", "''") + "'"


def columns_in(condition: str) -> set[str]:
    """The columns whose names occur in a piece of SQL, and maybe some more: a name may be in a string."""
    return set(re.findall(r"\w+", condition)) & set(NAMES)


def require_known(names: Iterable[str]) -> None:
    """Refuse what is no column.

    Raises:
        UsageError: One of the names is none.
    """
    for name in names:
        if name not in NAMES:
            raise UsageError(f"there is no column {name!r}", f"the columns are {', '.join(NAMES)}")


_ALWAYS: Final = ("session", "outcome")


def _members(*, whole: bool, finished: bool) -> tuple[Member, ...]:
    """Every member.

    ``whole`` says that params were read as one JSON text, ``finished`` that nobody wants to know which
    results ask for input: looking for that costs a tenth of the whole.
    """

    def asked(member: str, *, text: bool = True) -> str:
        return f"(params->{'>' * text}'$.{member}')" if whole else f"params.{member}"

    outcome = _OUTCOME.format(unfinished="" if finished else _UNFINISHED)
    state, ref, retry = asked("requestState"), asked("ref", text=False), asked("inputResponses", text=False)
    return (
        Member("session", "session"),
        Member("at", '"at"'),
        Member("method", "method"),
        Member("named", asked("name")),
        Member("target", f"coalesce({asked('name')}, {asked('uri')}, {ref}->>'$.name', {ref}->>'$.uri')"),
        Member("outcome", outcome, "answer"),
        Member("error_code", "TRY_CAST(error->>'$.code' AS BIGINT)", "answer"),
        Member("ms", _clocked("ms"), "answer"),
        Member("proxy_ms", _clocked("proxy_ms"), "answer"),
        Member("bytes", "coalesce(strlen(result), strlen(error))", "answer"),
        Member("events", _EVENTS, "answer"),
        Member("trace_id", "trace_id"),
        Member("span_id", "span_id"),
        Member("params", "params"),
        Member("result", "result", "answer"),
        Member("error", "error", "answer"),
        Member("state_in", f"CASE WHEN {state} IS NOT NULL THEN hash({state}) END"),
        Member("retry", f"{retry} IS NOT NULL OR {state} IS NOT NULL"),
        Member("about", f"hash({asked('arguments', text=False)})"),
        Member("state_out", _STATE, "answer"),
        Member("rest", _REST),
    )

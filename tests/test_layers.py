"""Imports go downwards only (DESIGN, "Layout"), and private names of the libraries stay in one module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mcptap

PACKAGE = Path(mcptap.__file__).parent
FLOORS = [
    {
        *("errors", "model", "exchange", "protocol", "codec", "jsonpaths"),
        *("matching", "redaction", "bridging", "comparing"),
    },
    {"cassette"},
    {
        *("recorder", "player", "announcer", "recording", "task_stages", "modes", "expiry"),
        *("variants", "sequence", "tally", "importing", "replayed"),
        *("verifier", "listing_chains", "questions", "pairing", "faults"),
    },
    {"tap", "demo", "telemetry", "clients", "analysis", "reporting", "using"},
    {"cli", "pytest_plugin", "__main__"},
]
ADAPTERS_ONLY = {"fastmcp", "mcp", "mcp_types", "httpx2", "uvicorn", "opentelemetry", "starlette", "anyio"}
PRIVATE = re.compile(r"\b(?:app|server|session|context|fastmcp|request|connection)\._[a-z]")


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def _floor(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def test_every_module_has_its_floor() -> None:
    parts = {name.split(".")[0] for name, _ in _modules()} - {"__init__"}
    assert parts <= set().union(*FLOORS)


def test_no_module_imports_from_a_floor_above_its_own() -> None:
    upwards = [
        f"{name} imports {imported}"
        for name, path in _modules()
        if name != "__init__"
        for imported in _imports(path)
        if imported.startswith("mcptap.") and _floor(imported.split(".")[1]) > _floor(name.split(".")[0])
    ]
    assert upwards == []


def test_the_lower_floors_know_no_transport_and_no_library_of_the_protocol() -> None:
    adapters = {"tap", "demo", "telemetry", "reporting", "using", "cli", "pytest_plugin"}
    strangers = [
        f"{name} imports {imported}"
        for name, path in _modules()
        if name.split(".")[0] not in adapters
        for imported in _imports(path)
        if imported.split(".")[0] in ADAPTERS_ONLY
    ]
    assert strangers == []


def test_private_names_of_the_libraries_are_used_in_one_module() -> None:
    elsewhere = [
        f"{name}: {line.strip()}"
        for name, path in _modules()
        if name != "tap.private"
        for line in path.read_text(encoding="utf-8").splitlines()
        if PRIVATE.search(line)
    ]
    assert elsewhere == []


def test_modules_are_short() -> None:
    lengths = sorted(len(path.read_text(encoding="utf-8").splitlines()) for _, path in _modules())
    assert lengths[-1] <= 400
    assert lengths[len(lengths) // 2] < 150

"""The pytest plugin: a cassette a test, recorded once and replayed from then on.

It is active wherever mcptap is installed, so nothing heavy is imported before a test asks for it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

if TYPE_CHECKING:
    from fastmcp import Client

    from mcptap.tap.target import TargetLike
    from mcptap.using import CassetteInUse

_FOLDER: Final = "cassettes"
_SUFFIXES: Final = (".jsonl", ".jsonl.zst")
_MODES: Final = ("all", "once", "new-episodes", "none", "rewrite")
_FIXTURES: Final = frozenset({"mcptap_cassette", "mcptap_client", "mcptap_url", "mcptap_command"})
_LONGEST: Final = 60

_IN_USE: Final = pytest.StashKey["CassetteInUse"]()
_CLAIMED: Final = pytest.StashKey[set[str]]()
_FOLDERS: Final = pytest.StashKey[set[str]]()

_HELP: Final = {
    "mcptap_server": "The server whose tests are recorded: its command or URL.",
    "mcptap_record_mode": f"The record mode: {', '.join(_MODES)}.  [default: once; none where CI is set]",
    "mcptap_fail_on_unused": "Whether a test fails that doesn't make all the requests of its cassette.",
    "mcptap_expires_in": "How long a recording holds: 12h, 30d or 8w.",
    "mcptap_expired": "What happens then: warn, error or re-record.",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and what can stand in the configuration."""
    group = parser.getgroup("mcptap", "recorded MCP servers")
    group.addoption("--mcptap-record-mode", choices=_MODES, help=_HELP["mcptap_record_mode"])
    group.addoption("--mcptap-fail-on-unused", action="store_true", help=_HELP["mcptap_fail_on_unused"])
    for name, text in _HELP.items():
        kind = "bool" if name == "mcptap_fail_on_unused" else "string"
        parser.addini(name, text, type=cast("Any", kind), default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "mcptap(name, *, server, mode, fail_on_unused, expires_in, expired, …): the cassette of a test, "
        "cassettes/NAME.jsonl or its own, and how it is used (see mcptap.using.Options)",
    )
    config.stash[_CLAIMED] = set()
    config.stash[_FOLDERS] = set()


@pytest.fixture
def mcptap_server(request: pytest.FixtureRequest) -> TargetLike | None:
    """The real server, as `mcptap.create_tap` takes it; asked for only to record. Override it as you like."""
    return cast("str | None", request.config.getini("mcptap_server"))


@pytest.fixture
def mcptap_cassette(request: pytest.FixtureRequest) -> Iterator[CassetteInUse]:
    """The cassette of this test, with its server in front of it (see `mcptap.using.CassetteInUse`)."""
    from mcptap.errors import McptapError  # noqa: PLC0415 - only when it is used

    item = cast("pytest.Item", request.node)
    try:
        used = _cassette_of(item, request).__enter__()
    except McptapError as error:
        pytest.fail(f"mcptap: {error}", pytrace=False)
    item.stash[_IN_USE] = used
    used.failed = True  # until the test has passed
    try:
        yield used
    finally:
        del item.stash[_IN_USE]
        try:
            used.close()
        except McptapError as error:
            pytest.fail(f"mcptap: {error}", pytrace=False)


@pytest.fixture
def mcptap_client(mcptap_cassette: CassetteInUse) -> Client[Any]:
    """A FastMCP client, to be entered with ``async with``."""
    return mcptap_cassette.client()


@pytest.fixture
def mcptap_url(mcptap_cassette: CassetteInUse) -> str:
    """The URL of the server over Streamable HTTP, for any client."""
    return mcptap_cassette.url()


@pytest.fixture
def mcptap_command(mcptap_cassette: CassetteInUse) -> list[str]:
    """The command of the server on stdio, for clients in any language."""
    return mcptap_cassette.command()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that has passed although requests were missed, or not made that had to be."""
    result = yield
    used = item.stash.get(_IN_USE, None)
    if used is not None and (problems := used.problems()):
        pytest.fail("\n".join(problems), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Learn how a test went, and add to a failure of its own what mcptap has to say."""
    report = yield
    used = item.stash.get(_IN_USE, None)
    if used is not None and call.when == "call":
        used.failed = not (report.passed or hasattr(report, "wasxfail"))
        if report.failed and used.said:
            report.sections.append(("mcptap", "\n".join(used.said)))
    return report


def pytest_itemcollected(item: pytest.Item) -> None:
    """Note whose cassette is whose, before any test is deselected."""
    if not _FIXTURES & set(getattr(item, "fixturenames", ())):
        return
    path = _path_of(item)
    item.config.stash[_CLAIMED].add(str(path))
    item.config.stash[_FOLDERS].add(str(_folder_of(item)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the controller of a run with xdist which cassettes this worker knows."""
    claimed, folders = _known(session.config)
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["mcptap"] = [sorted(claimed), sorted(folders)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Learn which cassettes a worker of xdist knows."""
    claimed, folders = getattr(node, "workeroutput", {}).get("mcptap", ((), ()))
    node.config.stash[_CLAIMED].update(claimed)
    node.config.stash[_FOLDERS].update(folders)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Name the cassettes that no test uses, where all tests were there to use them."""
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or _is_selection(config):
        return
    claimed, folders = _known(config)
    unused = sorted(str(path) for path in _cassettes_in(folders) if str(path) not in claimed)
    if unused:
        terminalreporter.section("mcptap: cassettes that no test uses")
        for path in unused:
            terminalreporter.write_line(os.path.relpath(path, config.invocation_params.dir))


def _cassette_of(item: pytest.Item, request: pytest.FixtureRequest) -> CassetteInUse:
    """The cassette of a test: by its markers, the command line and the configuration."""
    from mcptap.errors import UsageError  # noqa: PLC0415 - only when it is used
    from mcptap.using import CassetteInUse, Options  # noqa: PLC0415

    config = item.config
    options = {name.removeprefix("mcptap_"): config.getini(name) for name in _HELP}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    given.pop("server", None)
    mode = given.pop("record_mode", "once")
    if mode not in _MODES:
        raise UsageError(f"mcptap_record_mode {mode!r} is none", f"take one of {', '.join(_MODES)}")
    given["mode"] = mode
    for marker in reversed(list(item.iter_markers("mcptap"))):
        given |= marker.kwargs
    if _in_ci():
        given["mode"] = "none"
    if (mode := config.getoption("mcptap_record_mode")) is not None:
        given["mode"] = mode
    given["fail_on_unused"] = given.get("fail_on_unused") or config.getoption("mcptap_fail_on_unused")
    server = given.pop("server", None)
    try:
        used = Options(**given)
    except TypeError as error:
        raise UsageError(f"the marker mcptap: {error}", "see mcptap.using.Options") from None
    return CassetteInUse(_path_of(item), lambda: server or request.getfixturevalue("mcptap_server"), used)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _folder_of(item: pytest.Item) -> Path:
    return item.path.parent / _FOLDER


def _path_of(item: pytest.Item) -> Path:
    """Where the cassette of a test is: as its marker names it, or by the test's own name."""
    marker = next((each for each in item.iter_markers("mcptap") if each.args), None)
    if marker is not None:
        name = str(marker.args[0])
        return _folder_of(item) / (name if name.endswith(_SUFFIXES) else f"{name}.jsonl")
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return _folder_of(item) / item.path.stem / f"{'.'.join([*classes, _file_safe(item.name)])}.jsonl"


def _file_safe(name: str) -> str:
    """A test's name for a file: the same nowhere for two tests, on no file system.

    A parameter that has more than small letters, digits, ``_``, ``.`` and ``-`` is told by a hash.
    """
    function, bracket, parameter = name.partition("[")
    if not bracket:
        return function
    parameter = parameter.removesuffix("]")
    if re.fullmatch(rf"[a-z0-9_.-]{{1,{_LONGEST}}}", parameter):
        return f"{function}-{parameter}"
    told = hashlib.sha256(parameter.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    shown = re.sub(r"[^A-Za-z0-9_.-]+", "-", parameter)[:_LONGEST]
    return f"{function}-{shown}~{told}"


def _known(config: pytest.Config) -> tuple[set[str], set[str]]:
    """The cassettes that tests use, and the folders that they are in."""
    import sys  # noqa: PLC0415

    using = sys.modules.get("mcptap.using")
    opened = {str(path) for path in using.used} if using else set()
    return config.stash[_CLAIMED] | opened, config.stash[_FOLDERS]


def _cassettes_in(folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in Path(folder).rglob("*.jsonl*") if path.name.endswith(_SUFFIXES))


def _is_selection(config: pytest.Config) -> bool:
    """Whether the command line has left tests out, so that nothing can be said of their cassettes."""
    option = config.option
    named = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    return bool(
        getattr(option, "lf", False)
        or getattr(option, "keyword", "")
        or getattr(option, "deselect", None)
        or getattr(option, "collectonly", False)
        or any(not Path(str(each)).is_dir() for each in named)
    )

"""What is grouped in one pass has the numbers of what was loaded first, and a damaged line is noticed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptap.analysis import load
from mcptap.analysis.columns import NAMES
from mcptap.analysis.database import Error
from mcptap.analysis.finding import find
from mcptap.analysis.one_pass import passing_groups
from mcptap.analysis.statistics import PERIODS, Group, columns_for, groups
from mcptap.cassette import format as lines
from mcptap.model import Event, Interaction
from tests.benchmarks.generated import write as generate
from tests.cassette.samples import SAMPLE, call, write
from tests.cli.running import mcptap
from tests.cli.test_help import imported_by

OF_SESSIONS = ("era", "transport", "client")
KEYS = tuple(key for key in (*NAMES, *PERIODS) if key not in OF_SESSIONS)
RECORDINGS = Path(__file__).parents[2] / "recordings"


EXACT = ("calls", "errors", "tool_errors", "unanswered", "p50", "p90", "p99", "max", "bytes", "proxy_p50")
SUMMED = ("total", "share", "proxy_total")  # depend on the order in which they were summed up


def numbers(found: list[Group], names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{group.key} {name}": getattr(group, name) for group in found for name in names}


def assert_same(paths: list[Path], keys: tuple[str, ...]) -> None:
    loaded = load(paths, columns=columns_for(keys), views=False)
    assert loaded.damage == []
    passed = passing_groups(find(paths).sources, keys)
    expected = groups(loaded.interactions, keys)
    assert numbers(passed, EXACT) == numbers(expected, EXACT)
    assert numbers(passed, SUMMED) == pytest.approx(numbers(expected, SUMMED))


@pytest.fixture(scope="module")
def cassette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = generate(tmp_path_factory.mktemp("generated") / "a.jsonl", 3000, slowdown=100)
    assert 100 < path.read_text().count('"kind":"begin"') < 2900
    return path


@pytest.mark.parametrize("key", KEYS)
def test_whatever_it_is_grouped_by(cassette: Path, key: str) -> None:
    assert_same([cassette], (key,))
    assert_same([cassette, RECORDINGS], (key, "tool"))


def test_without_a_key(cassette: Path) -> None:
    assert_same([cassette], ())


@pytest.mark.parametrize("key", OF_SESSIONS)
def test_what_is_known_of_a_session_is_not_known_in_passing(cassette: Path, key: str) -> None:
    with pytest.raises(Error):
        passing_groups(find([cassette]).sources, [key])


texts = st.sampled_from(["", 'say "isError":true', "Error", "é😀", "x" * 40])
results = st.fixed_dictionaries(
    {"content": st.lists(st.fixed_dictionaries({"text": texts}), max_size=2)},
    optional={
        "isError": st.sampled_from([True, False, None, "true", {"isError": True}]),
        "resultType": st.sampled_from(["complete", "input_required"]),
    },
)
answers = (
    st.fixed_dictionaries({"result": results | st.just({})})
    | st.fixed_dictionaries({"error": st.fixed_dictionaries({"code": st.integers(-9, 9), "message": texts})})
    | st.fixed_dictionaries({"outcome": st.sampled_from(["cancelled", "disconnected", "unanswered"])})
)
params = st.sampled_from([None, {}, {"name": "a"}, {"name": "b"}, {"uri": "c://d"}, {"ref": {"name": "e"}}])
times = st.none() | st.floats(0, 1e5).map(lambda value: round(value, 3))
requests = st.builds(
    lambda answer, **rest: Interaction(**rest, **answer),
    answers,
    seq=st.integers(1, 10**6),
    session=st.integers(1, 3),
    at=st.floats(0, 1e6).map(lambda value: round(value, 6)),
    method=st.sampled_from(["tools/call", "prompts/get", "resources/read", "completion/complete"]),
    params=params,
    ms=times,
    proxy_ms=times,
    events=st.just(()) | st.just((Event(1.0, "server", "notifications/progress", {}),)),
)


def plain(path: Path) -> Path:
    return path


def gzipped(path: Path) -> Path:
    target = path.with_suffix(".jsonl.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def zstd(path: Path) -> Path:
    target = path.with_suffix(".jsonl.zst")
    target.write_bytes(zstandard.compress(path.read_bytes()))
    return target


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_was_recorded(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("recorded")
    paths = []
    for number in range(data.draw(st.integers(1, 3))):
        content = []
        for each in data.draw(st.lists(requests, max_size=8, unique_by=lambda it: it.seq)):
            ending = [lines.event_line(each.seq, event) for event in each.events] + [lines.end_line(each)]
            content += data.draw(
                st.sampled_from(
                    [
                        [lines.interaction_line(each)],
                        [lines.begin_line(each), *ending],
                        [lines.begin_line(each)],
                    ]
                )
            )
        compress = data.draw(st.sampled_from([plain, gzipped, zstd]))
        paths.append(compress(write(folder / f"{number}.jsonl", content)))
    assert_same(paths, tuple(data.draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True))))


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        '{"seq":9,"session":1}',
        '{"kind":"interaction","seq":"x"}',
        '{"kind":"interaction","seq":9,"session":"x","at":1,"method":"m","result":{}}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m"}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m","ms":"x","result":{}}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m","result":{},"error":{"code":1}}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m","result":{},"outcome":"cancelled"}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m","error":"x"}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m","result":"x"}',
        '{"kind":"interaction","seq":9,"session":1,"at":1,"method":"m","ms":NaN,"result":{}}',
        '{"kind":"end","seq":2}',
        '{"kind":"inter',
    ],
)
def test_a_damaged_line_is_an_error_and_stats_passes_over_it(tmp_path: Path, line: str) -> None:
    whole, damaged = write(tmp_path / "whole.jsonl"), write(tmp_path / "damaged.jsonl")
    damaged.write_text(damaged.read_text() + line + "\n")
    with pytest.raises(Error):
        passing_groups(find([whole, damaged]).sources, ["method"])
    shown = json.loads(mcptap("stats", damaged, "--json").stdout)
    (damage,) = shown["damaged"]
    assert damage["lines"] == [len(SAMPLE) + 2]
    assert shown["groups"] == json.loads(mcptap("stats", whole, "--json").stdout)["groups"]


def test_a_choice_of_everything_is_everything(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*SAMPLE, lines.interaction_line(call(9))])
    shown = json.loads(mcptap("stats", path, "--json").stdout)
    for options in (
        ["--since", "2000-01-01"],
        ["--where", "true"],
        ["--since", "2000-01-01", "--where", "1=1"],
    ):
        assert json.loads(mcptap("stats", path, "--json", *options).stdout) == shown


def test_the_package_around_the_database_is_not_imported(cassette: Path) -> None:
    modules = imported_by("stats", str(cassette))
    assert "_duckdb" in modules
    assert "duckdb" not in modules

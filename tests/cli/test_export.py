"""`mcptap export` gives recordings to other tools, which read what was recorded."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest

from mcptap import open_cassette
from mcptap.analysis import load
from mcptap.analysis.dataset import write_parquet
from mcptap.analysis.statistics import columns_for, groups
from mcptap.cassette.replacing import replacing
from mcptap.cassette.writer import CassetteWriter
from mcptap.errors import UsageError
from mcptap.model import CassetteHeader, Target
from tests.analysis.test_one_pass import gzipped, plain, zstd
from tests.benchmarks.generated import write as generate
from tests.cassette.samples import SAMPLE, write
from tests.cli.running import mcptap

RECORDINGS = Path(__file__).parents[2] / "recordings"
KEYS = ("server", "method", "tool")
NUMBERS = (
    f"SELECT {', '.join(KEYS)}, count(*), quantile_cont(ms, [0.5, 0.9, 0.99]), max(ms), sum(bytes)::BIGINT"
)


def numbers_of(path: Path) -> set[tuple[Any, ...]]:
    found = groups(load(path, columns=columns_for(KEYS), views=False).interactions, KEYS)
    return {
        (*group.key, group.calls, group.p50, group.p90, group.p99, group.max, group.bytes) for group in found
    }


def numbers_in(dataset: Path) -> set[tuple[Any, ...]]:
    query = f"{NUMBERS} FROM read_parquet('{dataset}/**/*.parquet', hive_partitioning = true) GROUP BY ALL"
    return {(*row[:4], *row[4], *row[5:]) for row in duckdb.connect().execute(query).fetchall()}


def test_parquet_gives_the_numbers_of_stats(tmp_path: Path) -> None:
    run = mcptap("export", RECORDINGS, "--parquet", tmp_path / "set")
    assert (run.returncode, run.stdout) == (0, "")
    assert numbers_in(tmp_path / "set") == numbers_of(RECORDINGS)
    servers = {path.name for path in (tmp_path / "set").iterdir()}
    assert servers == {"server=everything", "server=git", "server=time"}


def test_recordings_are_added_to_a_data_set_and_never_twice(tmp_path: Path) -> None:
    for path in (*sorted(RECORDINGS.glob("*.jsonl")), RECORDINGS / "git.jsonl"):
        assert mcptap("export", path, "--parquet", tmp_path / "set").returncode == 0
    assert numbers_in(tmp_path / "set") == numbers_of(RECORDINGS)


def test_a_recording_takes_the_place_of_what_it_had_in_the_data_set(tmp_path: Path) -> None:
    folder, dataset = tmp_path / "recordings", tmp_path / "set"
    folder.mkdir()
    shutil.copy(RECORDINGS / "time.jsonl", folder)
    assert mcptap("export", folder, "--parquet", dataset).returncode == 0
    shutil.copy(RECORDINGS / "git.jsonl", folder)
    assert mcptap("export", folder, "--parquet", dataset).returncode == 0
    assert numbers_in(dataset) == numbers_of(folder)
    kept = (folder / "time.jsonl").read_text().replace('"name":"time"', '"name":"clock"', 1)
    (folder / "time.jsonl").write_text(kept)
    assert mcptap("export", folder / "time.jsonl", "--parquet", dataset).returncode == 0
    assert numbers_in(dataset) == numbers_of(folder)


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_parquet_goes_to_an_object_store(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://{tmp_path}/set"
    for paths in ([RECORDINGS / "git.jsonl"], [RECORDINGS]):
        count = write_parquet(load(paths), url)
    assert count == 23
    files, root = fsspec.core.url_to_fs(url)
    files.get(root, str(tmp_path / "got"), recursive=True)
    assert numbers_in(tmp_path / "got") == numbers_of(RECORDINGS)


@pytest.mark.parametrize("target", ["nosuch://bucket/set", "/proc/set"])
def test_a_target_that_cant_be_written_to(target: str) -> None:
    with pytest.raises(UsageError, match="can't be written to") as caught:
        write_parquet(load(RECORDINGS), target)
    assert "\n" not in str(caught.value)


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_spark_reads_the_data_set_and_gets_the_same_numbers(tmp_path: Path) -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - only with the extra

    source = generate(tmp_path / "a.jsonl", 5000)
    write_parquet(load([source, RECORDINGS]), str(tmp_path / "set"))
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    try:
        session.read.parquet(str(tmp_path / "set")).createOrReplaceTempView("interactions")
        rows = session.sql(
            "SELECT server, method, tool, count(*), percentile(ms, array(0.5, 0.9, 0.99)), max(ms),"
            " sum(bytes) FROM interactions GROUP BY ALL"
        ).collect()
    finally:
        session.stop()
    found = {tuple(row[:4]): (*row[4], *row[5:]) for row in rows}
    expected = {row[:4]: row[4:] for row in numbers_of(source) | numbers_of(RECORDINGS)}
    assert found.keys() == expected.keys()
    for key, numbers in expected.items():
        assert found[key] == pytest.approx(numbers)


def test_csv(tmp_path: Path) -> None:
    assert mcptap("export", RECORDINGS / "time.jsonl", "--csv", tmp_path / "a.csv").returncode == 0
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    recorded = sorted(open_cassette(RECORDINGS / "time.jsonl").interactions(), key=lambda each: each.seq)
    assert [(int(row["seq"]), row["method"], float(row["ms"])) for row in rows] == [
        (each.seq, each.method, each.ms) for each in recorded
    ]


def timeline(path: Path, target: Path) -> list[dict[str, Any]]:
    assert mcptap("export", path, "--perfetto", target).returncode == 0
    events: list[dict[str, Any]] = json.loads(target.read_bytes())["traceEvents"]
    return events


def test_the_timeline_has_every_call_request_and_notification(tmp_path: Path) -> None:
    events = timeline(write(tmp_path / "a.jsonl"), tmp_path / "t.json")
    assert Counter((event["ph"], event["name"]) for event in events if event["ph"] != "M") == {
        ("X", "now"): 2,
        ("X", "subscriptions/listen"): 1,
        ("X", "sampling/createMessage"): 1,
        ("i", "notifications/progress"): 1,
        ("i", "notifications/tools/list_changed"): 1,
    }
    assert {event["args"].get("name") for event in events if event["ph"] == "M"} >= {"session 1, tests"}


def test_the_slices_of_a_track_nest(tmp_path: Path) -> None:
    path = generate(tmp_path / "a.jsonl", 3000)
    events = [event for event in timeline(path, tmp_path / "t.json") if event["ph"] == "X"]
    assert len(events) == 3000
    for track in {event["tid"] for event in events}:
        slices = sorted(
            (event["ts"], event["ts"] + event["dur"]) for event in events if event["tid"] == track
        )
        assert all(begin >= end - 0.01 for (_, end), (begin, _) in pairwise(slices))


COMMON = ("httpVersion", "cookies", "headers", "headersSize", "bodySize")
HTTP_HEADER = CassetteHeader(
    "1", "2026-11-22T20:00:00.000Z", "mcptap", Target("web", "http", ("http://127.0.0.1:9/mcp",))
)


def test_har_has_what_came_over_http(tmp_path: Path) -> None:
    over_http(tmp_path / "web.jsonl")
    write(tmp_path / "stdio.jsonl")
    run = mcptap("export", tmp_path, "--har", tmp_path / "a.har")
    assert (run.returncode, run.stderr) == (0, f"mcptap: wrote 3 requests to {tmp_path / 'a.har'}\n")
    log = json.loads((tmp_path / "a.har").read_bytes())["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "mcptap")
    first = log["entries"][0]
    assert json.loads(first["request"]["postData"]["text"])["params"]["name"] == "now"
    assert json.loads(first["response"]["content"]["text"])["result"]["content"][0]["text"] == "noon"
    for entry in log["entries"]:
        timings = [entry["timings"][name] for name in ("blocked", "send", "wait", "receive")]
        assert entry["time"] == pytest.approx(sum(timings))
        assert entry["startedDateTime"].endswith("+00:00")
        assert entry["request"].keys() == {*["method", "url", "postData", "queryString"], *COMMON}
        assert entry["response"].keys() == {*["status", "statusText", "content", "redirectURL"], *COMMON}


def over_http(path: Path, content: Sequence[Mapping[str, Any]] = SAMPLE) -> Path:
    writer = CassetteWriter.open(path, HTTP_HEADER, fsync="never")
    for line in content:
        writer.append(line)
    writer.close()
    return path


@pytest.mark.parametrize("compress", [plain, gzipped, zstd])
def test_har_reads_what_stats_reads(tmp_path: Path, compress: Callable[[Path], Path]) -> None:
    path = over_http(tmp_path / "web.jsonl")
    path.write_bytes(path.read_bytes() + b"rubbish\n")
    run = mcptap("export", compress(path), "--har", tmp_path / "a.har")
    assert run.returncode == 0
    assert "1 damaged line passed over: line 11: not a JSON object" in run.stderr
    assert len(json.loads((tmp_path / "a.har").read_bytes())["log"]["entries"]) == 3


@pytest.mark.parametrize("option", ["--csv", "--perfetto", "--har"])
def test_a_recording_is_never_written_over(tmp_path: Path, option: str) -> None:
    path = over_http(tmp_path / "web.jsonl")
    before = path.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(path)
    for source, target in ((path, path), (tmp_path, path), (path, tmp_path / "link.jsonl")):
        run = mcptap("export", source, option, target)
        assert (run.returncode, run.stderr.count("\n")) == (2, 1)
        assert "is one of the recordings" in run.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("option", ["--csv", "--perfetto", "--har"])
def test_an_export_is_its_owner_s_alone_and_there_only_when_it_is_whole(tmp_path: Path, option: str) -> None:
    path = over_http(tmp_path / "web.jsonl")
    (tmp_path / "target").write_text("older")
    assert mcptap("export", path, option, tmp_path / "target").returncode == 0
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600
    assert {each.name for each in tmp_path.iterdir()} == {"web.jsonl", "target"}


def test_a_file_stays_as_it_was_where_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("older")

    def fail() -> None:
        with replacing(tmp_path / "target") as place:
            place.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "target").read_text() == "older"
    assert [each.name for each in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("option", ["--csv", "--perfetto", "--har"])
def test_a_hyphen_is_stdout(tmp_path: Path, option: str) -> None:
    path = over_http(tmp_path / "web.jsonl")
    mcptap("export", path, option, tmp_path / "target")
    run = mcptap("export", path, option, "-")
    assert run.returncode == 0
    assert run.stdout == (tmp_path / "target").read_bytes().decode()
    assert "to stdout" in run.stderr


def test_a_time_that_no_clock_gives_spoils_no_export(tmp_path: Path) -> None:
    path = over_http(tmp_path / "web.jsonl")
    odd = '{"kind":"interaction","seq":%d,"session":1,"at":%s,"ms":1,"method":"odd","result":{}}\n'
    with path.open("a") as file:
        for seq, at in enumerate(("1e18", "1e30", "1e999", "-1e999"), start=20):
            file.write(odd % (seq, at))
    for option in ("--csv", "--perfetto", "--har", "--parquet"):
        run = mcptap("export", path, option, tmp_path / option.strip("-"))
        assert run.returncode == 0, run.stderr
    assert (tmp_path / "csv").read_text().count("\n") == 1 + 7
    assert len(json.loads((tmp_path / "har").read_bytes())["log"]["entries"]) == 7
    names = [event["name"] for event in json.loads((tmp_path / "perfetto").read_bytes())["traceEvents"]]
    assert (names.count("now"), names.count("odd")) == (2, 0)
    assert sum(number[3] for number in numbers_in(tmp_path / "parquet")) == 7


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "nothing to export to"),
        (["--har", "a.har"], 2, "over HTTP"),
        (["--csv", "/nowhere/a.csv"], 2, "can't be written to"),
        (["--perfetto", "/nowhere/a.json"], 2, "can't be written to"),
    ],
)
def test_bad_input_is_one_line(options: list[str], code: int, message: str) -> None:
    run = mcptap("export", RECORDINGS, *options)
    assert run.returncode == code
    assert message in run.stderr
    assert run.stderr.count("\n") == 1

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptap.cassette.format import begin_line, interaction_line
from mcptap.codec import dumps
from mcptap.reporting.page import html_of
from mcptap.reporting.reading import read
from mcptap.reporting.report import make_report
from mcptap.reporting.summary import percentile
from mcptap.reporting.tables import duration, seconds
from tests.analysis.test_one_pass import gzipped, zstd
from tests.cassette import samples
from tests.cli.running import mcptap
from tests.reporting.generated import write


def unpacked(html: str, name: str) -> list[bytes]:
    packed = re.search(rf'<script id="{name}" type="application/octet-stream">([^<]*)</script>', html)
    assert packed is not None
    return gzip.decompress(base64.b64decode(packed[1])).splitlines()


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 1))
def test_percentiles_are_numpy_s(values: list[float], share: float) -> None:
    ours = percentile(sorted(values), share)
    assert ours == pytest.approx(float(np.percentile(values, share * 100)), rel=1e-9, abs=1e-9)


def test_the_file_holds_every_interaction_as_it_was_recorded(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", 2500)
    html = html_of(make_report(read(path)))
    rows = [row for block in unpacked(html, "rows") for row in json.loads(block)]
    facts = json.loads(re.search(r'<script id="facts" type="application/json">(.*?)</script>', html)[1])  # type: ignore[index]
    bodies = [line for number in range(len(facts["firsts"])) for line in unpacked(html, f"bodies-{number}")]
    lines = [line for line in path.read_bytes().splitlines() if b'"kind":"interaction"' in line]
    assert [b'{"call":' + line + b"}" for line in lines] == bodies
    assert len(facts["firsts"]) > 1
    assert [dict(zip(facts["columns"], row, strict=True))["seq"] for row in rows] == list(range(1, 2501))


def test_it_is_one_file_that_may_run_its_own_script_and_nothing_else(tmp_path: Path) -> None:
    html = html_of(make_report(read(write(tmp_path / "rec.jsonl", 10))))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1].replace("&#x27;", "'")  # type: ignore[index]
    script = re.search(r'<script type="module">(.*)</script>', html, flags=re.DOTALL)[1]  # type: ignore[index]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'none'" in policy
    assert re.findall(r"(?:src|href)=\"(?!#)", html) == []
    assert "innerHTML" not in script


def test_a_recorded_name_can_t_end_its_block(tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script>"
    path = samples.write(
        tmp_path / "<script>alert(1).jsonl", [dict(samples.SAMPLE[0], client={"name": nasty})]
    )
    assert "<script>alert" not in html_of(make_report(read(path)))


def test_damaged_lines_are_counted_named_and_passed_over(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl", [samples.SAMPLE[0], samples.SAMPLE[2]])
    good = dumps(interaction_line(samples.call(2)))
    path.write_bytes(path.read_bytes() + b"}\n" + good + b'\n{"kind":"interaction"}\n' + good[:20])
    done = mcptap("report", path, "-o", tmp_path / "r.html")
    assert done.returncode == 0
    assert "2 requests" in done.stderr
    assert "3 damaged lines passed over: line 4: not a JSON object (2 bytes); line 6: " in done.stderr
    assert "line 7: torn (20 bytes)" in done.stderr
    assert "3 damaged lines passed over" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("compress", [gzipped, zstd])
def test_a_recording_that_was_compressed_as_a_whole_is_read(
    tmp_path: Path, compress: Callable[[Path], Path]
) -> None:
    path = compress(samples.write(tmp_path / "rec.jsonl"))
    assert make_report(read(path)).summary.total.calls == 3


def test_a_compressed_recording_that_breaks_off_is_torn(tmp_path: Path) -> None:
    path = gzipped(samples.write(tmp_path / "rec.jsonl"))
    path.write_bytes(path.read_bytes()[:-9])
    (notice,) = make_report(read(path)).notices[1:]
    assert "1 damaged line passed over: line" in notice
    assert "torn" in notice


@pytest.mark.parametrize("command", ["ui", "doctor", "inspect"])
def test_what_can_t_read_gzip_says_so(tmp_path: Path, command: str) -> None:
    for name in ("rec.jsonl.gz", "rec.jsonl"):
        path = gzipped(samples.write(tmp_path / "a.jsonl")).rename(tmp_path / name)
        done = mcptap(command, path)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == f"mcptap: {path} is gzip-compressed; gunzip it first\n"


def test_a_recording_of_nothing_gives_a_page_that_says_so(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl", [])
    assert mcptap("report", path, "-o", tmp_path / "r.html").returncode == 0
    assert '>requests</dt><dd data-card="requests">0<' in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("content", "says", "code"),
    [
        (None, "does not exist", 3),
        (b"", "is empty", 3),
        (b"hello\n", "is not a cassette", 3),
        (b'{"mcptap":"cassette","version":99}\n', "newer mcptap", 3),
    ],
)
def test_what_is_no_cassette_is_one_line(tmp_path: Path, content: bytes | None, says: str, code: int) -> None:
    path = tmp_path / "rec.jsonl"
    if content is not None:
        path.write_bytes(content)
    done = mcptap("report", path, "-o", tmp_path / "r.html")
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert says in done.stderr
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("no/where/r.html", "there is no folder"),
        (".", "is a folder"),
        ("rec.jsonl", "itself"),
        ("-", "needs a file"),
    ],
)
def test_a_place_that_can_t_be_written_is_one_line_before_anything_is_touched(
    tmp_path: Path, output: str, says: str
) -> None:
    path = samples.write(tmp_path / "rec.jsonl")
    before = path.read_bytes()
    place = output if output == "-" else tmp_path / output
    done = mcptap("report", path, "-o", place)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert says in done.stderr
    assert path.read_bytes() == before


def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    mcptap("report", samples.write(tmp_path / "rec.jsonl"), "-o", tmp_path / "r.html")
    assert stat.S_IMODE((tmp_path / "r.html").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"rec.jsonl", "r.html"}


def test_another_recording_is_held_against_it_call_by_call(tmp_path: Path) -> None:
    old = samples.write(
        tmp_path / "old.jsonl",
        [interaction_line(each) for each in (samples.call(1), samples.call(2), samples.call(3, tool="gone"))],
    )
    new = samples.write(
        tmp_path / "new.jsonl",
        [
            interaction_line(each)
            for each in (samples.call(1), samples.call(2, answer="one"), samples.call(3))
        ],
    )
    page = make_report(read(new), read(old))
    assert [(row.mark, row.was) for row in page.rows] == [
        ("same", 1.5),
        ("changed", 1.5),
        ("new", None),
        ("gone", 1.5),
    ]
    assert page.summary.total.calls == 3


def test_its_numbers_are_those_of_stats(tmp_path: Path) -> None:
    recorded = [interaction_line(samples.call(seq)) for seq in (1, 2)]
    failed = dict(interaction_line(samples.call(3)), error={"code": -1, "message": "é"})
    del failed["result"]
    hung = [begin_line(samples.call(4)), begin_line(samples.call(5))]
    path = samples.write(tmp_path / "rec.jsonl", [*recorded, failed, *hung])
    (group,) = json.loads(mcptap("stats", path, "--json").stdout)["groups"]
    total = make_report(read(path)).summary.total
    assert (total.calls, total.size) == (group["calls"], group["bytes"])
    assert total.failed == group["errors"] + group["tool_errors"] + group["unanswered"] == 3


def test_numbers_of_many_digits_have_an_exponent() -> None:
    assert (duration(1e300), duration(-1e300), seconds(1e30)) == ("1.0e+297 s", "-1.0e+297 s", "1.0e+30 s")
    assert (duration(1e14), seconds(12.5)) == ("100000000000.00 s", "12.500 s")

"""docs/cassette.md is executed: the commands that it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from mcptap.cassette.reader import open_cassette

ROOT = Path(__file__).parent.parent
DOC = (ROOT / "docs" / "cassette.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", DOC, flags=re.DOTALL))


def test_merge_and_split_work_as_the_page_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("monday.jsonl", "tuesday.jsonl"):
        shutil.copy(ROOT / "recordings" / "time.jsonl", folder / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for line in BLOCKS["merge"].splitlines():
        subprocess.run(shlex.split(line), cwd=tmp_path, env={**os.environ, "PATH": path}, check=True)
    assert len(open_cassette(tmp_path / "all.jsonl").sessions()) == 2
    assert [path.name for path in sorted((tmp_path / "sessions").iterdir())] == ["all-1.jsonl", "all-2.jsonl"]

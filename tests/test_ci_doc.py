"""docs/ci.md is executed: the action's steps as GitHub runs them, and the jobs as GitLab runs them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from mcptap.cassette.reader import open_cassette

pytestmark = pytest.mark.timeout(600)  # each runs what a whole CI does
ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", DOCUMENT, flags=re.DOTALL))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
GITHUB = yaml.safe_load(BLOCKS["github"])["jobs"]
GITLAB = yaml.safe_load(BLOCKS["gitlab"])
TEST = "tests/test_weather.py"
WEATHER = """#!{python}
import sys
from pathlib import Path
from fastmcp import FastMCP

assert sys.argv[1:] == ["--units", "metric"]
weather = FastMCP("weather")

@weather.tool
def rain(city: str) -> str:
    return Path(__file__).with_name("rains").read_text()

weather.run(show_banner=False)
"""


class Project:
    """A folder with the test of the document in it, and a `weather-server` to be found on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        (self.folder / "tests").mkdir(parents=True)
        (self.folder / TEST).write_text(BLOCKS[TEST], encoding="utf-8")
        self.cassette = self.folder / "tests" / "weather.jsonl"
        self._commands = folder / "bin"
        self._commands.mkdir()
        server = self._commands / "weather-server"
        server.write_text(WEATHER.format(python=sys.executable), encoding="utf-8")
        server.chmod(0o755)
        self.rains("yes")
        self.temporary = folder / "runner"
        self.temporary.mkdir()

    def rains(self, answer: str) -> None:
        """Decide what the server says from now on."""
        (self._commands / "rains").write_text(answer, encoding="utf-8")

    def bash(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script as both services do: by bash, ending with the first command that fails."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        path = os.pathsep.join((str(self._commands), str(Path(sys.executable).parent), os.environ["PATH"]))
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**own, "PATH": path, "RUNNER_TEMP": str(self.temporary), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def installed(project: Project) -> Project:
    """A project in which the action's first step has been done: here, by this environment."""
    commands = project.temporary / "mcptap" / "bin"
    commands.mkdir(parents=True)
    (commands / "mcptap").symlink_to(shutil.which("mcptap", path=Path(sys.executable).parent) or "absent")
    return project


def act(project: Project, step: dict[str, Any], **given: str) -> subprocess.CompletedProcess[str]:
    """Do a step of the action with inputs, as GitHub does."""
    defaults = {name: each.get("default", "") for name, each in ACTION["inputs"].items()}
    values = {f"inputs.{name}": value for name, value in {**defaults, **given}.items()}
    values["github.action_path"] = str(ROOT)
    env = {
        name: re.sub(r"\$\{\{ (.+?) \}\}", lambda m: values[m[1]], text) for name, text in step["env"].items()
    }
    assert "${{" not in step["run"]
    return project.bash(step["run"], **env)


def inputs(job: str) -> dict[str, str]:
    """What a job of the document gives to the action."""
    (step,) = (step for step in GITHUB[job]["steps"] if "/mcptap@" in step.get("uses", ""))
    given: dict[str, str] = step["with"]
    assert given.keys() <= ACTION["inputs"].keys()
    return given


def test_the_action_records_replays_and_verifies(installed: Project) -> None:
    _, run = ACTION["runs"]["steps"]
    recorded = act(installed, run, **inputs("record"))
    assert recorded.returncode == 0, recorded.stderr
    assert [each.method for each in open_cassette(installed.cassette).interactions()].count("tools/call") == 1

    replayed = act(installed, run, **inputs("replay"))
    assert replayed.returncode == 0, replayed.stderr
    assert "1 passed" in replayed.stdout
    assert failures(installed.folder / "tests.xml") == 0

    verified = act(installed, run, **inputs("verify"))
    assert verified.returncode == 0, verified.stderr
    assert failures(installed.folder / "verify.xml") == 0

    shutil.copy(installed.cassette, installed.folder / "tests" / "other.jsonl")
    folder = {**inputs("verify"), "cassette": "tests", "junit": "reports"}
    assert act(installed, run, **folder).returncode == 0
    assert [failures(installed.folder / "reports" / name) for name in ("1.xml", "2.xml")] == [0, 0]

    installed.rains("no")
    assert act(installed, run, **folder).returncode == 1
    differs = act(installed, run, **inputs("verify"))
    assert differs.returncode == 1
    assert failures(installed.folder / "verify.xml") == 1


def test_the_action_fails_with_what_it_ran_or_with_what_was_missed(installed: Project) -> None:
    _, run = ACTION["runs"]["steps"]
    assert act(installed, run, **inputs("record")).returncode == 0
    assert act(installed, run, **{**inputs("replay"), "run": "exit 7"}).returncode == 7
    unused = act(installed, run, **{**inputs("replay"), "run": "true"})
    assert unused.returncode == 1
    assert "unused" in unused.stderr
    absent = act(installed, run, **{**inputs("replay"), "cassette": "absent.jsonl"})
    assert absent.returncode == 3
    assert "absent.jsonl" in absent.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "erase"}, "it is record, replay or verify"),
        ({"command": "replay"}, "'replay' needs the input 'run'"),
        ({"command": "verify"}, "'verify' needs the input 'server'"),
        ({"command": "verify", "server": "weather-server", "cassette": "empty"}, "no cassettes"),
    ],
)
def test_the_action_says_which_input_is_wrong(installed: Project, given: dict[str, str], said: str) -> None:
    _, run = ACTION["runs"]["steps"]
    (installed.folder / "empty").mkdir()
    refused = act(installed, run, **{"cassette": "x.jsonl", **given})
    assert refused.returncode == (3 if "cassette" in given else 2)
    assert said in refused.stderr


@pytest.mark.walk
def test_the_action_installs_mcptap(project: Project) -> None:
    install, run = ACTION["runs"]["steps"]
    done = act(project, install)
    assert done.returncode == 0, done.stderr
    recorded = act(project, run, **inputs("record"))
    assert recorded.returncode == 0, recorded.stderr


def test_the_jobs_for_gitlab_run(project: Project) -> None:
    for job in ("record", "replay", "verify"):
        done = project.bash("\n".join(commands(job)))
        assert done.returncode == 0, (job, done.stderr)
    for job in ("replay", "verify"):
        assert failures(project.folder / GITLAB[job]["artifacts"]["reports"]["junit"]) == 0


def commands(job: str) -> Iterator[str]:
    """What a job of GitLab's runs, but the installation, at a port that is free here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for line in GITLAB[job]["script"]:
        if shlex.split(line)[:2] != ["pip", "install"]:
            yield line.replace("3000", str(port))


def failures(report: Path) -> int:
    """How many failures and errors a JUnit report has."""
    suites = ET.parse(report).getroot().iter("testsuite")
    return sum(int(suite.get("failures", 0)) + int(suite.get("errors", 0)) for suite in suites)

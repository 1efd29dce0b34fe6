"""The real servers, and a walk through each that leaves out no tool, prompt or resource."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeAlias

from tests.real.visitor import Call, Walk
from tests.servers.cache import cannot_run
from tests.servers.everything import npm_server

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_PAGE = (
    "<html><body><article><h1>A page</h1><p>It has a café, and <b>bold</b> words.</p></article></body></html>"
)


@dataclass(frozen=True)
class Ready:
    """A server that can be started now.

    Attributes:
        argv: What starts it.
        walk: What to ask of it.
        refused: The tools among its calls that it refuses, in order.
    """

    argv: list[str]
    walk: Walk
    refused: tuple[str, ...] = ()


Prepare: TypeAlias = Callable[[Path], AbstractContextManager[Ready]]
"""Makes what a server needs in an empty folder; afterwards it is gone."""


@contextlib.contextmanager
def everything(folder: Path) -> Iterator[Ready]:
    document = "demo://resource/static/document/architecture.md"
    calls: list[Call] = [
        ("echo", {"message": "\u2028 é \U0001f600"}),
        ("get-annotated-message", {"messageType": "error", "includeImage": True}),
        ("get-env", {}),
        ("get-resource-links", {"count": 3}),
        ("get-resource-reference", {"resourceType": "Blob", "resourceId": 2}),
        ("get-structured-content", {"location": "Chicago"}),
        ("get-sum", {"a": 0.1, "b": 2}),
        ("get-tiny-image", {}),
        ("gzip-file-as-resource", {"name": "a.gz", "data": "data:text/plain,hello"}),
        ("toggle-simulated-logging", {}),
        ("toggle-simulated-logging", {}),
        ("toggle-subscriber-updates", {}),
        ("toggle-subscriber-updates", {}),
        ("trigger-long-running-operation", {"duration": 0.5, "steps": 5}),
        ("get-roots-list", {}),
        ("trigger-elicitation-request", {}),
        ("trigger-url-elicitation", {"url": "https://example.com/form", "elicitationId": "one"}),
        ("trigger-sampling-request", {"prompt": "Say hello", "maxTokens": 10}),
        ("simulate-research-query", {"topic": "python"}),  # it is a task or nothing
    ]
    prompts: list[Call] = [
        ("simple-prompt", {}),
        ("args-prompt", {"city": "Paris", "state": "Texas"}),
        ("completable-prompt", {"department": "Sales", "name": "Eve"}),
        ("resource-prompt", {"resourceType": "Text", "resourceId": "1"}),
    ]
    dynamic = ["demo://resource/dynamic/text/1", "demo://resource/dynamic/blob/2"]
    walk = Walk(calls, prompts, dynamic, subscribed=document)
    yield Ready(npm_server("everything", "stdio"), walk, refused=("simulate-research-query",))


@contextlib.contextmanager
def filesystem(folder: Path) -> Iterator[Ready]:
    text, copy, image, sub = (str(folder / name) for name in ("a.txt", "b.txt", "pixel.png", "sub"))
    Path(image).write_bytes(_PIXEL)
    calls: list[Call] = [
        ("list_allowed_directories", {}),
        ("create_directory", {"path": sub}),
        ("write_file", {"path": text, "content": "one\ntwo\r\nthree é\n"}),
        ("edit_file", {"path": text, "edits": [{"oldText": "one", "newText": "1"}], "dryRun": True}),
        ("edit_file", {"path": text, "edits": [{"oldText": "one", "newText": "1"}]}),
        ("read_file", {"path": text}),
        ("read_text_file", {"path": text, "head": 1}),
        ("read_media_file", {"path": image}),
        ("move_file", {"source": text, "destination": copy}),
        ("read_file", {"path": text}),  # it isn't there any more
        ("read_multiple_files", {"paths": [copy, text]}),
        ("list_directory", {"path": str(folder)}),
        ("list_directory_with_sizes", {"path": str(folder), "sortBy": "size"}),
        ("directory_tree", {"path": str(folder)}),
        ("search_files", {"path": str(folder), "pattern": "**/*.txt"}),
        ("get_file_info", {"path": copy}),
        ("get_file_info", {"path": "/etc/hostname"}),  # outside its folder
    ]
    yield Ready(npm_server("filesystem", str(folder)), Walk(calls), refused=("read_file", "get_file_info"))


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Ready]:
    ada = {"name": "Ada", "entityType": "person", "observations": ["writes programs", "likes \U0001f600"]}
    engine = {"name": "Engine", "entityType": "machine", "observations": []}
    relation = {"from": "Ada", "to": "Engine", "relationType": "programs"}
    calls: list[Call] = [
        ("read_graph", {}),
        ("create_entities", {"entities": [ada, engine]}),
        ("create_relations", {"relations": [relation]}),
        ("add_observations", {"observations": [{"entityName": "Engine", "contents": ["analytical"]}]}),
        ("read_graph", {}),
        ("search_nodes", {"query": "analytical"}),
        ("open_nodes", {"names": ["Ada", "Nobody"]}),
        ("add_observations", {"observations": [{"entityName": "Nobody", "contents": ["absent"]}]}),
        ("delete_observations", {"deletions": [{"entityName": "Ada", "observations": ["writes programs"]}]}),
        ("delete_relations", {"relations": [relation]}),
        ("delete_entities", {"entityNames": ["Engine"]}),
        ("read_graph", {}),
    ]
    file = f"MEMORY_FILE_PATH={folder / 'memory.jsonl'}"
    argv = ["/usr/bin/env", file, *npm_server("memory")]
    walk = Walk(calls, subscribed="memory://knowledge-graph")
    yield Ready(argv, walk, refused=("add_observations",))


@contextlib.contextmanager
def sequential_thinking(folder: Path) -> Iterator[Ready]:
    def thought(number: int, **more: object) -> Call:
        said = {"thought": f"Thought {number}", "thoughtNumber": number, "totalThoughts": 3}
        return "sequentialthinking", {**said, "nextThoughtNeeded": number < 3, **more}

    calls = [
        thought(1),
        thought(2, isRevision=True, revisesThought=1),
        thought(3, branchFromThought=1, branchId="other"),
        thought(0),  # they count from 1
    ]
    yield Ready(npm_server("sequential-thinking"), Walk(calls), refused=("sequentialthinking",))


@contextlib.contextmanager
def git(folder: Path) -> Iterator[Ready]:
    def run(*words: str) -> None:
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)

    run("init", "--quiet", "--initial-branch=main")
    run("config", "user.name", "A Tester")
    run("config", "user.email", "tester@example.com")
    file = folder / "file.txt"
    file.write_text("one\n")
    run("add", ".")
    run("commit", "--quiet", "--no-gpg-sign", "--message=first")
    file.write_text("two é\n")
    here = {"repo_path": str(folder)}
    calls: list[Call] = [
        ("git_status", here),
        ("git_diff_unstaged", {**here, "context_lines": 1}),
        ("git_add", {**here, "files": ["file.txt"]}),
        ("git_diff_staged", here),
        ("git_reset", here),
        ("git_add", {**here, "files": ["."]}),
        ("git_commit", {**here, "message": "second"}),
        ("git_create_branch", {**here, "branch_name": "other", "base_branch": "main"}),
        ("git_checkout", {**here, "branch_name": "other"}),
        ("git_branch", {**here, "branch_type": "local"}),
        ("git_log", {**here, "max_count": 5}),
        ("git_show", {**here, "revision": "HEAD"}),
        ("git_diff", {**here, "target": "HEAD~1"}),
        ("git_show", {**here, "revision": "no-such-revision"}),
    ]
    yield Ready(_python_server("mcp_server_git"), Walk(calls), refused=("git_show",))


@contextlib.contextmanager
def time(folder: Path) -> Iterator[Ready]:
    noon = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    calls: list[Call] = [
        ("get_current_time", {"timezone": "Europe/Berlin"}),
        ("convert_time", noon),
        ("get_current_time", {"timezone": "Nowhere/Atlantis"}),
    ]
    yield Ready(_python_server("mcp_server_time"), Walk(calls), refused=("get_current_time",))


@contextlib.contextmanager
def fetch(folder: Path) -> Iterator[Ready]:
    with _page() as url:
        calls: list[Call] = [
            ("fetch", {"url": url}),
            ("fetch", {"url": url, "raw": True, "max_length": 40, "start_index": 6}),
            ("fetch", {"url": f"{url}absent"}),
        ]
        # The environment's proxies are for the outside.
        argv = ["/usr/bin/env", "NO_PROXY=127.0.0.1", *_python_server("mcp_server_fetch")]
        walk = Walk(calls, prompts=[("fetch", {"url": url})])
        yield Ready([*argv, "--allow-private-ips"], walk, refused=("fetch",))


HANDSHAKE_SERVERS: list[Prepare] = [everything, filesystem, memory, sequential_thinking]
SERVERS_OF_BOTH_ERAS: list[Prepare] = [git, time, fetch]


class _Page(BaseHTTPRequestHandler):
    """One page, at the root; there is no robots.txt."""

    def do_GET(self) -> None:
        body = _PAGE.encode()
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the library's name
        pass


@contextlib.contextmanager
def _page() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = Thread(target=partial(server.serve_forever, poll_interval=0.05))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _python_server(module: str) -> list[str]:
    if importlib.util.find_spec(module) is None:
        cannot_run(f"{module} is not installed; the test extra has it")
    return [sys.executable, "-m", module]

"""What a tap says to its user."""

from __future__ import annotations

import subprocess
import sys

LINES = 300
TALKING = f"""
import threading
from mcptap.tap.app import report_to_stderr

def talk(name):
    for _ in range({LINES}):
        report_to_stderr(name * 40)

threads = [threading.Thread(target=talk, args=[name]) for name in "abcd"]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_lines_of_several_threads_are_not_mixed() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.setswitchinterval(1e-6)\n{TALKING}"],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    expected = sorted(f"mcptap: {name * 40}" for name in "abcd" for _ in range(LINES))
    assert sorted(ran.stderr.splitlines()) == expected

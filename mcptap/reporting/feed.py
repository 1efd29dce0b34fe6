"""What a live page shows: the latest calls, as the lines of a recording come in."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from mcptap import codec
from mcptap.cassette import members
from mcptap.cassette.format import interaction_line
from mcptap.cassette.joining import Joiner
from mcptap.exchange import Exchange
from mcptap.model import Gap, Interaction, SessionStart
from mcptap.recorder import OpenInteraction, Recorder
from mcptap.reporting.rows import Row, row_of
from mcptap.reporting.summary import SessionLine, Summary, summary_of

_MOST_CALLS: Final = 20_000
_MOST_BYTES: Final = 128 * 1024 * 1024
_MOST_NOTICES: Final = 20
_MOST_SESSIONS: Final = 1_000
_MOST_EVENTS: Final = 1_000  # of one call that are kept


class LiveRecorder(Recorder):
    """A recorder that gives a request to its sink as soon as it arrives, for somebody who watches."""

    def begin(self, exchange: Exchange) -> OpenInteraction:
        """See `Recorder.begin`."""
        opened = super().begin(exchange)
        opened.write_begin()
        return opened


class Feed:
    """The calls of a recording that goes on, as many of the latest as there is room for.

    It is a recorder's sink. What it has to tell is asked for (`since`), so that many lines at once cost
    whoever watches one message.

    Args:
        now: Seconds since the recording's header, on the clock of its times.
        most_calls: How many calls it keeps,
        most_bytes: and how many bytes of their lines.

    Attributes:
        run: Another number whenever it starts anew.
        closed: Whether nothing follows.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        most_calls: int = _MOST_CALLS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self.now = now
        self.run = 0
        self.closed = False
        self._most_calls = most_calls
        self._most_bytes = most_bytes
        self._version = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything: the recording was replaced."""
        self.run += 1
        self._joiner = Joiner()
        self._ids: dict[int, int] = {}  # of the pending calls, by their seq
        self._next_id = 0
        self._first_id = 0
        self._kept: OrderedDict[int, tuple[Row, bytes]] = OrderedDict()
        self._changes: OrderedDict[int, int] = OrderedDict()  # ids by the version that they changed in
        self._bytes = 0
        self._sessions: OrderedDict[int, tuple[int, SessionLine]] = OrderedDict()
        self._notices: list[str] = []
        self._started_at: str | None = None  # of the run that writes, where it is not the first

    def append(self, line: Mapping[str, Any]) -> int:
        """Take a line of the recording, and show what it changes.

        Returns:
            0, as it writes nothing.

        Raises:
            ValueError: The line doesn't say what a line of its kind must.
        """
        self._version += 1
        if line.get("kind") == "event":
            self._take_event(line)
            return 0
        joined = self._joiner.add(0, line)
        match joined.record if joined else None:
            case Interaction() as ended:
                self._show(ended, pending=False)
            case SessionStart() as start:
                if start.started_at != self._started_at:
                    self._started_at = start.started_at
                    self._give_up_pending()
                summary = Summary()
                summary.open_session(start)
                self._sessions[start.session] = (self._version, summary.sessions[start.session])
                while len(self._sessions) > _MOST_SESSIONS:
                    self._sessions.popitem(last=False)
            case Gap(lost=lost, why=why):
                self.notice(f"{lost} lines were not recorded: {why}")
            case None if isinstance(seq := line.get("seq"), int) and (begun := self._joiner.so_far(seq)):
                self._show(begun, pending=True)
        return 0

    def append_text(self, text: bytes) -> int:
        """Take a line as JSON text, as `append` does."""
        return self.append(codec.loads(text))

    def notice(self, text: str) -> None:
        """Tell the reader something about the recording; the latest few are shown."""
        self._version += 1
        self._notices = [*self._notices, text][-_MOST_NOTICES:]

    def close(self) -> None:
        """Say that nothing follows."""
        self.closed = True

    def since(self, version: int) -> tuple[int, bytes | None]:
        """What changed after a version, as JSON for the page; ``None`` where nothing did.

        Returns:
            The version to ask with the next time, and the change.
        """
        if version == self._version:
            return version, None
        changed = []
        for number in reversed(self._changes):
            if self._changes[number] <= version:
                break
            changed.append(self._kept[number][0])
        told = {
            "now": self.now(),
            "rows": [row.cells() for row in sorted(changed, key=lambda row: row.id)],
            "sessions": [line.cells() for at, line in self._sessions.values() if at > version],
            "dropped": self._first_id,
            "notices": self.notices(),
        }
        return self._version, codec.dumps(told)

    def notices(self) -> list[str]:
        """What the reader must know."""
        if not self._first_id:
            return self._notices
        return [f"The first {self._first_id:,} calls are no longer kept here.", *self._notices]

    def rows(self) -> list[Row]:
        """The calls that are kept, in the order of their arrival."""
        return [row for row, _ in self._kept.values()]

    def body(self, number: int) -> bytes | None:
        """A call with its bodies, as JSON for the page; ``None`` where it isn't kept any more."""
        row, text = self._kept.get(number, (None, b""))
        if row is None:
            return None
        begun = None if text else self._joiner.so_far(row.seq)
        if begun is not None:
            line = interaction_line(begun)
            del line["outcome"]
            text = codec.dumps(line)
        return b'{"call":' + text + b"}"

    def summary(self) -> Summary:
        """The numbers of the calls that are kept."""
        summary = summary_of(self.rows())
        for number, (_, line) in self._sessions.items():
            counted = summary.sessions.setdefault(number, SessionLine(number, line.at))
            counted.at, counted.client = line.at, line.client
            counted.era, counted.transport = line.era, line.transport
        return summary

    def _give_up_pending(self) -> None:
        """Show what an earlier run has left open as what it is: unanswered."""
        for joined in self._joiner.unanswered():
            if isinstance(joined.record, Interaction):
                self._show(joined.record, pending=False)
        self._joiner = Joiner()

    def _take_event(self, line: Mapping[str, Any]) -> None:
        """Count an event of a pending call; the first of them are kept to be shown."""
        number = self._ids.get(members.whole_number(line, "seq"))
        if number is None or number not in self._kept:
            return
        row, text = self._kept[number]
        if row.events < _MOST_EVENTS:
            self._joiner.add(0, line)
        self._keep(replace(row, events=row.events + 1), text)

    def _show(self, interaction: Interaction, *, pending: bool) -> None:
        number = self._ids.pop(interaction.seq, None)
        if number is None:
            number = self._next_id
            self._next_id += 1
        if pending:
            self._ids[interaction.seq] = number
        if number < self._first_id:
            return  # it took so long that there is no room for it any more
        # What is pending changes often and is looked at seldom: see `body`.
        text = b"" if pending else codec.dumps(interaction_line(interaction))
        self._keep(row_of(number, interaction, pending=pending), text)

    def _keep(self, row: Row, text: bytes) -> None:
        if row.id in self._kept:
            self._bytes -= len(self._kept[row.id][1])
        self._kept[row.id] = (row, text)
        self._bytes += len(text)
        self._changes[row.id] = self._version
        self._changes.move_to_end(row.id)
        while len(self._kept) > self._most_calls or (self._bytes > self._most_bytes and len(self._kept) > 1):
            dropped, (_, forgotten) = self._kept.popitem(last=False)
            self._bytes -= len(forgotten)
            self._changes.pop(dropped)
            self._first_id = dropped + 1

"""The live page of a front: what goes through the tap, for one who watches."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from fastmcp.server.middleware import Middleware

from mcptap import __version__
from mcptap.model import CassetteHeader
from mcptap.recorder import Sink
from mcptap.redaction.header import redacted_header, redactor_of
from mcptap.redaction.lines import RedactingSink
from mcptap.redaction.rules import BUILT_IN
from mcptap.reporting.feed import Feed, LiveRecorder
from mcptap.reporting.live_page import PATH, LivePage
from mcptap.tap.app import Tap
from mcptap.tap.middleware import TapMiddleware


class View:
    """What watches a tap: a recorder that keeps the latest calls in memory, without their secrets.

    Args:
        redaction: The rules for those; ``None`` for the built-in ones.

    Attributes:
        feed: The calls.
        middleware: What the tap needs for it.
    """

    def __init__(self, redaction: tuple[str, ...] | None = None) -> None:
        rules = BUILT_IN if redaction is None else redaction
        self.feed = Feed()
        # A salt of its own: the placeholders of a page need not be those of the cassette.
        header = redacted_header(CassetteHeader(uuid.uuid4().hex, "", f"mcptap {__version__}"), rules)
        redactor = redactor_of(header)
        sink: Sink = self.feed if redactor is None else RedactingSink(self.feed, redactor)
        recorder = LiveRecorder(sink, on_write_error="continue")
        self.feed.now = recorder.now
        self.middleware: Sequence[Middleware] = (TapMiddleware(recorder),)

    def page_of(self, tap: Tap) -> LivePage:
        """The page at a front of the tap's."""
        return LivePage(self.feed, title=tap.name, about=f"live, by mcptap {__version__}", path=PATH)

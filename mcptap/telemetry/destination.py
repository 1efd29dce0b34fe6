"""Where an exporter sends to, and what became of what was sent there.

OpenTelemetry's exporters say no more than that they failed, and take a redirection, and an answer that
rejects what was sent, for a success. So what they are answered is looked at here, on its way to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mcptap.matching.excerpt import printable
from mcptap.telemetry.refusing import reason_of

_SILENT: Final = "no answer"
_UNTOLD: Final = "it does not say why"
_SUCCESS: Final = range(200, 300)
_MOST_SAID: Final = 200


class Destination:
    """What an exporter sends to.

    Args:
        name: What the user knows it by: its address, or the name of the exporter.

    Attributes:
        trouble: Why what was sent last has not arrived (yet); empty where it has.
        unreachable: Called when there was no answer at all.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble = ""
        self.unreachable: Callable[[], None] = lambda: None
        self._rejected = 0

    def lost(self, send: Callable[[], bool], count: int) -> int:
        """Send something, and find out how many of ``count`` things in it have not arrived."""
        self._rejected = 0
        self.trouble = _SILENT
        try:
            if send():
                if self.trouble is _SILENT:  # nobody looks at the answers
                    self.trouble = ""
            else:
                self.trouble = _UNTOLD if self.trouble in {"", _SILENT} else self.trouble
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an exporter must not end the thread
            self.trouble = reason_of(error)
        return (self._rejected or count) if self.trouble else 0

    def watch_http(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Look at the answers that a function gets which sends an HTTP request."""

        def watched(*arguments: Any, **options: Any) -> Any:
            answer = request(*arguments, **options)
            if answer.error is not None:
                self._say(reason_of(answer.error))
                self.unreachable()
            elif answer.status_code in _SUCCESS:
                self.answered(answer.content())
            else:
                self._say(f"{answer.status_code} {answer.reason or ''}")
            return answer

        return watched

    def watch_grpc(self, stub: Any) -> Any:
        """Look at the answers that a stub of gRPC gets."""
        return _WatchedStub(stub, self)

    def told(self, code: str, details: str | None) -> None:
        """Take note of what gRPC says of a failure.

        A retry has only the time that is left; that it ran out says less than why there was one.
        """
        if code == "DEADLINE_EXCEEDED" and self.trouble not in {"", _SILENT}:
            return
        details = (details or "").rpartition("last error: ")[2]
        self._say(f"{code}: {details}" if details else code)
        if code == "UNAVAILABLE":
            self.unreachable()

    def _say(self, trouble: str) -> None:
        self.trouble = printable(" ".join(trouble.split()))[:_MOST_SAID]

    def answered(self, body: bytes) -> None:
        """Take note of the answer of a collector that has taken what was sent, or some of it.

        Both signals have the same one in Protocol Buffers; what is none rejects nothing.
        """
        from google.protobuf.message import (  # type: ignore[import-untyped]  # noqa: PLC0415 - slow
            DecodeError,
        )
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
            ExportTraceServiceResponse,
        )

        self.trouble = ""
        try:
            partial = ExportTraceServiceResponse.FromString(body).partial_success
        except DecodeError:
            return
        if partial.rejected_spans > 0:
            self._rejected = partial.rejected_spans
            self._say(f"rejected, {partial.error_message or _UNTOLD}")


class _WatchedStub:
    def __init__(self, stub: Any, destination: Destination) -> None:
        self._stub = stub
        self._destination = destination

    def Export(self, **options: Any) -> Any:  # noqa: N802 - gRPC's name for it
        try:
            response = self._stub.Export(**options)
        except Exception as error:
            code = getattr(error, "code", None)
            if code is not None:
                self._destination.told(code().name, error.details())  # type: ignore[attr-defined]
            raise
        self._destination.answered(response.SerializeToString())
        return response

"""The conventions' four histograms, and counters for what they don't know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from mcptap.recorder import Recorder
from mcptap.telemetry import conventions as names
from mcptap.telemetry.durations import Counted
from mcptap.telemetry.operation import NOTHING, Attributes, Operation
from mcptap.telemetry.span import SERVER, Span

Reader: TypeAlias = Callable[[], int]
"""Reads a count that only grows."""

_COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    names.RECORDED_INTERACTIONS: ("{interaction}", "Interactions that were recorded."),
    names.RECORDED_BYTES: ("By", "What was written to cassettes."),
    names.RECORDING_GAPS: ("{line}", "Lines of cassettes that could not be written."),
    names.REPLAY_MISSES: ("{request}", "Requests, and answers to server requests, that were not recorded."),
    names.UPSTREAM_RECONNECTS: ("{connection}", "Connections to the server in the place of broken ones."),
}


class Durations(Protocol):
    """A histogram of durations."""

    def record(self, seconds: float, operation: Operation, more: Attributes = NOTHING) -> None:
        """Record one.

        Args:
            seconds: How long it took.
            operation: What took so long; its attributes are what the histogram tells apart,
            more: and these.
        """


class Histograms(Protocol):
    """Where histograms come from."""

    def histogram(self, name: str, description: str) -> Durations:
        """Make one."""

    def measure_by(self, server: str, client: str) -> Callable[[Span], None]:
        """Give what takes requests and notifications that have ended, for the two of these names."""


class Instruments:
    """Everything that is measured.

    Args:
        meter: Makes the instruments;
        counted: but makes the histograms, if there is one.

    Attributes:
        measure: Is given requests and notifications that have ended.
        server_operation: How long they took from arrival to answer, and
        client_operation: from sending to answer.
        server_session: How long clients' sessions last, and
        client_session: sessions with the real server.
    """

    def __init__(self, meter: Meter, counted: Counted | None = None) -> None:
        histograms: Histograms = _Metered(meter) if counted is None else counted
        make = histograms.histogram
        self.server_operation = make(names.SERVER_OPERATION_DURATION, "From arrival to answer.")
        self.client_operation = make(names.CLIENT_OPERATION_DURATION, "From sending to answer.")
        self.server_session = make(names.SERVER_SESSION_DURATION, "Of a client's session.")
        self.client_session = make(names.CLIENT_SESSION_DURATION, "Of a session with the real server.")
        self.measure = histograms.measure_by(names.SERVER_OPERATION_DURATION, names.CLIENT_OPERATION_DURATION)
        self._readers: dict[str, list[Reader]] = {name: [] for name in _COUNTERS}
        for name, (unit, description) in _COUNTERS.items():
            meter.create_observable_counter(name, [self._observer(name)], unit, description)

    def watch(self, name: str, reader: Reader) -> None:
        """Have a count read whenever metrics are collected: counting costs a request nothing.

        Args:
            name: The counter's name.
            reader: Called from the thread that collects, until the process ends.
        """
        self._readers[name].append(reader)

    def watch_recorder(self, recorder: Recorder) -> None:
        """Have the counts of a recording read; see `watch`."""
        self.watch(names.RECORDED_INTERACTIONS, lambda: recorder.recorded)
        self.watch(names.RECORDED_BYTES, lambda: recorder.written_bytes)
        self.watch(names.RECORDING_GAPS, lambda: recorder.lost)

    def _observer(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            readers = self._readers[name]
            return [Observation(sum(read() for read in readers))] if readers else []

        return observe


class _Metered:
    """The SDK's histograms, or an application's."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._made: dict[str, _MeterHistogram] = {}

    def histogram(self, name: str, description: str) -> Durations:
        made = self._made[name] = _MeterHistogram(self._meter, name, description)
        return made

    def measure_by(self, server: str, client: str) -> Callable[[Span], None]:
        of_server, of_client = self._made[server], self._made[client]

        def measure(span: Span) -> None:
            histogram = of_server if span.kind is SERVER else of_client
            histogram.record(span.seconds, span.operation, span.ending.metric_attributes(), span)

        return measure


class _MeterHistogram:
    def __init__(self, meter: Meter, name: str, description: str) -> None:
        self._histogram = meter.create_histogram(
            name,
            unit="s",
            description=description,
            explicit_bucket_boundaries_advisory=[float(each) for each in names.DURATION_BOUNDARIES],
        )

    def record(
        self, seconds: float, operation: Operation, more: Attributes = NOTHING, span: Span | None = None
    ) -> None:
        attributes = {**operation.attributes, **more}
        self._histogram.record(seconds, attributes, None if span is None else span.within())

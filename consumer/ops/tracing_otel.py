"""Spans of OpenTelemetry around the stream's `Work`, with the semantic conventions for messaging.

    the submission's traceparent → process (consumer) → fetch, decode, ocr, admission, inference
                                                      → send (producer) → traceparent of the verdict or dead letter

A span ends when its record is committed, or as an error when that is left to the next owner. Spans wait in a bounded
queue for a thread that exports them: a slow or dead collector loses spans.
"""

import asyncio
import contextlib
import time
from dataclasses import replace
from importlib.metadata import version
from threading import Thread
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from consumer.kafka.items import Work
from consumer.messages import Headers, RawRecord, Terminal
from consumer.settings import Settings
from schemas.cloudevents import EventInvalid, read_event
from schemas.headers import REASON, TRACEPARENT
from schemas.tracing import valid_traceparent

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 3.0
EXPORT_SECONDS: Final = 5.0
QUEUED_SPANS: Final = 16_384
PATH: Final = "/v1/traces"
_W3C = TraceContextTextMapPropagator()


class Traces:
    """The exporter, and what makes spans for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        exporter = OTLPSpanExporter(endpoint=_address(settings.tracing.endpoint), timeout=EXPORT_SECONDS)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.tracing.ratio)),
            resource=Resource.create({SERVICE_NAME: settings.tracing.service, SERVICE_VERSION: version("advet")}),
            shutdown_on_exit=False,  # it would wait for half a minute
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS))
        self._tracer = self._provider.get_tracer("advet", version("advet"))

    def around(self, work: Work) -> "TracedWork":
        """`work` with spans."""
        return TracedWork(work, self._tracer, self._settings)

    def stage(self, name: str, seconds: float, started: float) -> None:
        """A stage of the current task's record: `started` is a reading of `time.perf_counter`."""
        began_ns = time.time_ns() - int((time.perf_counter() - started) * 1e9)
        self._tracer.start_span(name, start_time=began_ns).end(began_ns + int(seconds * 1e9))

    async def stop(self) -> None:
        """Exports what waits, for at most `FLUSH_SECONDS`; the rest is lost."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done.set)

        # a daemon: neither the event loop nor the interpreter waits for it
        Thread(target=flush, name="traces-flush", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await done.wait()
        except TimeoutError:
            log.warning("traces_lost", seconds=FLUSH_SECONDS)


class TracedWork:
    """`Work` whose records have spans, from `process` until they are committed."""

    def __init__(self, work: Work, tracer: trace.Tracer, settings: Settings) -> None:
        self._work = work
        self._tracer = tracer
        self._group = settings.kafka.group
        self._spans: dict[RawRecord, list[Span]] = {}
        """Of each record under way: process, then send once there is something to send."""
        self.open = work.open
        self.prefer = work.prefer
        self.pauses = work.pauses
        self.room = work.room

    async def process(self, record: RawRecord) -> Terminal | None:
        """As the work behind it, in the record's span."""
        with trace.use_span(self._begin(record), record_exception=False, set_status_on_exception=False):
            terminal = await self._work.process(record)
        if terminal is None:
            self._end(record)
            return None
        return self._sending(record, terminal)

    async def crashed(self, record: RawRecord, crashes: int) -> Terminal:
        """As the work behind it."""
        self._begin(record)
        return self._sending(record, await self._work.crashed(record, crashes))

    async def skipped(self, record: RawRecord, reason: str) -> Terminal:
        """As the work behind it; the span is the one that was cancelled, if any."""
        self._begin(record)
        return self._sending(record, await self._work.skipped(record, reason))

    def committed(self, record: RawRecord, judged_at: float) -> None:
        """Ends the spans."""
        self._work.committed(record, judged_at)
        self._end(record)

    def close(self, record: RawRecord) -> None:
        """Ends, as an error, the spans of a record that was not committed."""
        self._work.close(record)
        self._end(record, "left to the next owner")

    def _begin(self, record: RawRecord) -> Span:
        if record in self._spans:
            return self._spans[record][0]
        place = record.partition
        span = self._tracer.start_span(
            f"process {place.topic}",
            context=_context(record),
            kind=SpanKind.CONSUMER,
            attributes={
                **_messaging("process", place.topic, record.key),
                "messaging.consumer.group.name": self._group,
                "messaging.destination.partition.id": str(place.number),
                "messaging.kafka.offset": record.offset,
                "messaging.kafka.message.tombstone": record.value is None,
                "messaging.message.body.size": len(record.value or b""),
            },
        )
        self._spans[record] = [span]
        return span

    def _sending(self, record: RawRecord, terminal: Terminal) -> Terminal:
        process = self._spans[record][0]
        said = dict(terminal.headers)
        letter = REASON in said
        send = self._tracer.start_span(
            f"send {terminal.topic}",
            context=trace.set_span_in_context(process, Context()),
            kind=SpanKind.PRODUCER,
            attributes=_messaging("send", terminal.topic, terminal.key)
            | {"messaging.message.body.size": len(terminal.value or b"")},
        )
        self._spans[record].append(send)
        if letter:
            reason = (said[REASON] or b"").decode()
            process.set_attribute("error.type", reason)
            process.set_status(StatusCode.ERROR, reason)
        else:
            process.set_attribute("advet.decision", (said.get("decision") or b"").decode())
        return replace(terminal, headers=_continued(terminal.headers, TRACEPARENT if letter else "traceparent", send))

    def _end(self, record: RawRecord, error: str | None = None) -> None:
        for span in reversed(self._spans.pop(record, [])):
            if error is not None:
                span.set_status(StatusCode.ERROR, error)
            span.end()


def _address(endpoint: str | None) -> str:
    return f"{(endpoint or '').rstrip('/')}{PATH}"


def _messaging(operation: str, topic: str, key: bytes | None) -> dict[str, str | int | bool]:
    attributes: dict[str, str | int | bool] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }
    if key is not None:
        attributes["messaging.kafka.message.key"] = key.decode("utf-8", "replace")
    return attributes


def _context(record: RawRecord) -> Context:
    """The submission's own, wherever its envelope has it; an empty one begins a trace."""
    try:
        parent = read_event(record.value or b"", record.headers).traceparent
    except EventInvalid:
        said = dict(record.headers).get("traceparent") or b""
        parent = valid_traceparent(said.decode("ascii", "replace"))
    return _W3C.extract({"traceparent": parent} if parent else {}, Context())


def _continued(headers: Headers, name: str, span: Span) -> Headers:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    kept = tuple((other, value) for other, value in headers if other != name)
    return (*kept, (name, carrier["traceparent"].encode()))

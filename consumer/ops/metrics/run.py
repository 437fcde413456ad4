"""Metrics of one `advet run`.

All of them are touched on the event loop's thread only. What happens with every record is counted without looking a
label up; what somebody else knows already is read at a scrape.
"""

import functools
import time
from importlib.metadata import version
from typing import Protocol

from prometheus_client import ProcessCollector

from consumer.ops.metrics.definitions import Book
from consumer.ops.metrics.gpu import GpuMetrics
from consumer.ops.metrics.lag import PartitionLagMetrics
from schemas import Decision, EngineFingerprint, Reason, Stage

STAGES = ("queue", "fetch", "decode", "ocr", "admission", "inference", "publish")
PAUSES = ("records", "bytes", "storage", "breaker", "screening", "gpu", "gpu_memory", "gpu_worker")
MINUTES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
STALLS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
FAILURES = {
    Reason.SUBMISSION_INVALID: (Stage.READ,),
    Reason.CREATIVE_MISSING: (Stage.FETCH,),
    Reason.CREATIVE_FORBIDDEN: (Stage.FETCH,),
    Reason.CREATIVE_CHANGED: (Stage.FETCH,),
    Reason.CREATIVE_TOO_LARGE: (Stage.FETCH, Stage.GATE),
    Reason.CREATIVE_UNSUPPORTED: (Stage.GATE,),
    Reason.CREATIVE_UNDECODABLE: (Stage.GATE, Stage.DECODE, Stage.OCR),
    Reason.STORAGE_UNAVAILABLE: (Stage.FETCH,),
    Reason.OOM_NEVER_FITS: (Stage.PRICE,),
    Reason.OOM_EXHAUSTED: (Stage.ADMIT,),
    Reason.MODEL_OUTPUT_INVALID: (Stage.JUDGE,),
    Reason.INFERENCE_TIMEOUT: (Stage.JUDGE,),
    Reason.WORKER_CRASH: (Stage.JUDGE,),
    Reason.INTERNAL_ERROR: (Stage.JUDGE,),
    Reason.SKIPPED_BY_OPERATOR: (Stage.ADMIT,),
}
"""Reasons and where they arise: exported from the start, since `increase` does not see the first of a new series."""


class Crashing(Protocol):
    """Something whose processes can be lost."""

    @property
    def crashes(self) -> int:
        """Processes lost since the start."""
        ...


class Pool(Crashing, Protocol):
    """Processes behind one queue."""

    @property
    def waiting(self) -> int:
        """Calls that wait for a free process."""
        ...


class Metrics:
    """The metrics of one consumer, in a registry of their own."""

    def __init__(self) -> None:
        self.book = Book("The stream")
        self._outcomes(self.book.part("Outcomes"))
        self._flow(self.book.part("What is under way"))
        self._delivery(self.book.part("Group and transactions"))
        self._process(self.book.part("The process"))
        self.lag = PartitionLagMetrics(self.book.part("Lag of a partition"))
        self.gpu = GpuMetrics(self.book.part("The GPU judge"))
        ProcessCollector(registry=self.book.registry)
        self._reasons: frozenset[str] = frozenset()

    def _outcomes(self, book: Book) -> None:
        self.records = book.counter("advet_records_total", "records", "Submission records read.")
        self.verdicts: dict[Decision, int] = {one: 0 for one in Decision if one is not Decision.UNKNOWN}
        verdicts = book.read_counter(
            "advet_verdicts_total", "verdicts", "Verdicts made.", "decision", "approve, reject, review"
        )
        for decision in self.verdicts:
            verdicts.watch(decision.value, functools.partial(self.verdicts.__getitem__, decision))
        self.dead_letters = book.counter(
            "advet_dead_letters_total",
            "records",
            "Dead letters made; the reason tells whose turn it is.",
            {"reason": "of the closed list", "stage": "the step that gave up"},
        )
        for reason, stages in FAILURES.items():
            for stage in stages:
                self.dead_letters.labels(reason, stage)
        self.withdrawals = book.counter(
            "advet_withdrawals_total", "records", "Records without value, completed silently."
        )
        self.attempts = book.counter(
            "advet_attempts_total", "attempts", "Attempts that failed, by error class.", {"error": "class of the error"}
        )
        self.claims = book.counter("advet_claims_total", "records", "Dead letters whose value went to object storage.")
        self.stages = book.distributions(
            "advet_stage_seconds",
            "seconds",
            "Time an item spent in a stage. queue: from the record's Kafka timestamp until its turn; inference: "
            "without admission, the wait for GPU memory; publish: from judged to committed.",
            "stage",
            STAGES,
        )
        self.terminal_age_seconds = book.distribution(
            "advet_terminal_age_seconds",
            "seconds",
            "From the submission's Kafka timestamp until its verdict or dead letter was committed.",
            MINUTES,
        )

    def _flow(self, book: Book) -> None:
        self.in_flight_records = book.gauge("advet_in_flight_records", "records", "Records taken and unfinished.")
        self.in_flight_bytes = book.gauge(
            "advet_in_flight_bytes", "bytes", "Held by records, downloads and pixels; read at the scrape."
        )
        self.queue_depth = book.gauge(
            "advet_queue_depth",
            "items",
            "Read at the scrape. decode, ocr, preparer: calls that wait for a process; engine: ads that the engine "
            "has and has not judged; transaction: outcomes that wait to be committed.",
            {"queue": "decode, ocr, preparer, engine, transaction"},
        )
        self.paused_partitions = book.gauge(
            "advet_paused_partitions", "partitions", "Assigned partitions not read now."
        )
        self.paused = book.gauge(
            "advet_paused", "bool", "1 while the reason pauses all partitions.", {"reason": ", ".join(PAUSES)}
        )
        for reason in PAUSES:
            self.paused.labels(reason)
        self.storage_out = book.gauge("advet_storage_out", "bool", "1 while object storage is out.")
        self.breaker_open = book.gauge(
            "advet_breaker_open", "bool", "1 until somebody resets the breaker or a new process starts."
        )

    def _delivery(self, book: Book) -> None:
        self.rebalances = book.counter("advet_rebalances_total", "assignments", "Assignments received from the group.")
        self.rejoins = book.counter("advet_rejoins_total", "times", "Times the group was left and joined anew.")
        self.transactions = book.counter("advet_transactions_total", "transactions", "Transactions committed.")
        self.transactions_lost = book.counter(
            "advet_transactions_lost_total", "transactions", "Transactions whose outcome was unknown."
        )
        self.transaction_seconds = book.histogram("advet_transaction_seconds", "seconds", "Time from begin to commit.")
        self.publish_retries = book.counter(
            "advet_publish_retries_total", "publishes", "Publishes tried again, without transactions."
        )

    def _process(self, book: Book) -> None:
        self.info = book.gauge(
            "advet_info",
            "bool",
            "Always 1: what runs.",
            {"version": "of advet", "engine": "its name", "model": "its model", "policy": "version of the pack"},
        )
        self.worker_crashes = book.read_counter(
            "advet_worker_crashes_total",
            "processes",
            "Worker processes lost to a crash or a time limit.",
            "pool",
            "decode, ocr, gpu, preparer",
        )
        self.stall_seconds = book.gauge(
            "advet_event_loop_stall_seconds",
            "seconds",
            "Longest block of the event loop in the last minute, since it joined.",
        )
        self.loop_lag_seconds = book.distribution(
            "advet_event_loop_lag_seconds", "seconds", "How late the event loop was, sampled steadily.", STALLS
        )

    def count_crashes(self, pool: str, workers: Crashing) -> None:
        """Exports `workers.crashes` as they are at every scrape."""
        self.worker_crashes.watch(pool, lambda: workers.crashes)

    def show_engine(self, engine: EngineFingerprint, policy_version: str) -> None:
        """Says what runs."""
        self.info.clear()
        self.info.labels(version("advet"), engine.name, engine.model, policy_version).set(1)

    def watch_pool(self, pool: str, workers: Pool) -> None:
        """Exports crashes and queue of a pool as they are at every scrape."""
        self.count_crashes(pool, workers)
        self.queue_depth.labels(pool).set_function(lambda: workers.waiting)

    def committed(self, timestamp_ms: int, judged_at: float) -> None:
        """The terminal record of a submission of `timestamp_ms` is durable; it was made at `judged_at` (Unix time)."""
        now = time.time()
        self.stages["publish"].observe(max(0.0, now - judged_at))
        self.terminal_age_seconds.observe(max(0.0, now - timestamp_ms / 1000))

    def show_flow(self, records_in_flight: int, paused_partitions: int, reasons: frozenset[str]) -> None:
        """Sets the gauges that follow the poll loop."""
        self.in_flight_records.set(records_in_flight)
        self.paused_partitions.set(paused_partitions)
        for reason in reasons - self._reasons:
            self.paused.labels(reason).set(1)
        for reason in self._reasons - reasons:
            self.paused.labels(reason).set(0)
        self._reasons = reasons

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return self.book.exposition()

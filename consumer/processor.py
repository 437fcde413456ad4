"""From a record to its terminal record, over as many attempts as it takes; the stream's `Work`.

The one place that decides between another attempt, a dead letter, and holding an item while the breaker is open.
"""

import asyncio
import time
import traceback

import structlog

from consumer.breaker import MACHINERY, Breaker
from consumer.claims import Claims
from consumer.errors import PermanentError, WorkerCrashed
from consumer.flow import Backpressure
from consumer.messages import RawRecord, Terminal
from consumer.ops.metrics import Metrics
from consumer.outcome import Trial, dead_letter, verdict_record
from consumer.pipeline import Pipeline, read
from consumer.settings import Settings
from consumer.workers.pool import WorkersUnavailable
from schemas import Reason, Stage

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
SHOWN_FRAMES = 5


class Processor:
    """Counts what is in flight, runs the pipeline, and makes dead letters of what cannot be judged."""

    def __init__(
        self, settings: Settings, pipeline: Pipeline, claims: Claims, breaker: Breaker, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._claims = claims
        self._breaker = breaker
        self._metrics = metrics
        self._backpressure = Backpressure(settings.flow, pipeline.budget, settings.kafka.max_record_bytes)
        metrics.in_flight_bytes.set_function(lambda: pipeline.budget.used_bytes)
        metrics.breaker_open.set_function(lambda: breaker.open)
        metrics.queue_depth.labels("engine").set_function(lambda: pipeline.asked)

    def open(self, record: RawRecord) -> None:
        """Counts the record against the bounds."""
        self._pipeline.budget.open(record, record.size_bytes)

    def close(self, record: RawRecord) -> None:
        """Gives back all bytes the record held."""
        self._pipeline.budget.close(record)

    def pauses(self, records_in_flight: int) -> frozenset[str]:
        """Why nothing more may be read now."""
        capacity = self._pipeline.capacity
        reasons = set(self._backpressure.reasons(records_in_flight, capacity.items, capacity.reason))
        if self._pipeline.storage_out:
            reasons.add("storage")
        if self._breaker.open:
            reasons.add("breaker")
        return frozenset(reasons)

    def committed(self, record: RawRecord, judged_at: float) -> None:
        """Counts a terminal record that is durable."""
        self._metrics.committed(record.timestamp_ms, judged_at)

    def prefer(self, record: RawRecord) -> None:
        """The record's bytes come before those of all others in flight."""
        self._pipeline.budget.prefer(record)

    def room(self, records_in_flight: int) -> int:
        """Records that may be read at once; at least 1."""
        return self._backpressure.room(records_in_flight)

    async def process(self, record: RawRecord) -> Terminal | None:
        """The terminal record, or None for a withdrawal; never raises but for cancellation."""
        if record.value is None:
            self._metrics.withdrawals.inc()
            return None
        self._metrics.stages["queue"].observe(max(0.0, time.time() - record.timestamp_ms / 1000))
        while True:
            trial = Trial(record)
            try:
                terminal = await self._attempts(trial)
            except PermanentError as error:
                if error.reason not in MACHINERY or not self._breaker.failed():
                    return await self._dead_letter(trial, error)
                log.warning("breaker_open", **_where(record), reason=error.reason, message=error.message)
                await self._breaker.wait_closed()
                self._pipeline.budget.restart(record, record.size_bytes)
            else:
                self._breaker.succeeded()
                return terminal

    async def _attempts(self, trial: Trial) -> Terminal:
        """The verdict's record. Raises PermanentError."""
        pause_seconds = RETRY_SECONDS
        while True:
            try:
                incoming = read(trial.record)
                verdict = await self._pipeline.judge(incoming, trial)
            except PermanentError:
                raise
            except WorkersUnavailable as error:
                # the machine is at fault, not the item: it waits, which stops the poller once the bounds are reached
                self._metrics.attempts.labels(type(error).__name__).inc()
                log.warning("workers_unavailable", **_where(trial.record), error=str(error))
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            except Exception as error:
                trial.failed()
                self._metrics.attempts.labels(type(error).__name__).inc()
                # where it happened, and not what it says: messages of libraries quote the ad
                frames = traceback.format_tb(error.__traceback__)[-SHOWN_FRAMES:]
                log.warning(
                    "attempt_failed",
                    **_where(trial.record),
                    attempt=trial.attempts,
                    error=type(error).__name__,
                    frames=frames,
                )
                if trial.attempts >= self._settings.flow.max_attempts:
                    raise _given_up(error) from error
                trial.attempts += 1
            else:
                self._metrics.verdicts[verdict.decision] += 1
                return verdict_record(verdict, incoming, self._settings.topics)
            self._pipeline.budget.restart(trial.record, trial.record.size_bytes)

    async def crashed(self, record: RawRecord, crashes: int) -> Terminal:
        """The dead letter of a record that has ended `crashes` processes while it ran alone."""
        message = f"{crashes} consumer processes ended while they judged this record alone"
        return await self._dead_letter(
            Trial(record, attempts=crashes), PermanentError(Reason.WORKER_CRASH, Stage.JUDGE, message)
        )

    async def skipped(self, record: RawRecord, reason: str) -> Terminal:
        """The dead letter of a record that a person sent there; `reason` is theirs."""
        return await self._dead_letter(Trial(record), PermanentError(Reason.SKIPPED_BY_OPERATOR, Stage.ADMIT, reason))

    async def _dead_letter(self, trial: Trial, error: PermanentError) -> Terminal:
        trial.failed()
        self._metrics.dead_letters.labels(error.reason, error.stage).inc()
        log.info(
            "dead_letter",
            **_where(trial.record),
            reason=error.reason,
            stage=error.stage,
            message=error.message,
        )
        letter = dead_letter(trial, error, self._pipeline.judge_identity, self._settings.kafka.group)
        return await self._claims.fit(trial.record, letter)


def _given_up(error: Exception) -> PermanentError:
    """For an item that failed in every attempt without a reason of its own; the class's name, never its text."""
    reason = Reason.WORKER_CRASH if isinstance(error, WorkerCrashed) else Reason.INTERNAL_ERROR
    return PermanentError(reason, Stage.JUDGE, f"failed in every attempt: {type(error).__name__}")


def _where(record: RawRecord) -> dict[str, int]:
    return {"partition": record.partition.number, "offset": record.offset}

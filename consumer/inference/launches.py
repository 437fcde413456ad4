"""The loop between the queue and the card: looks at free memory, takes a batch, launches it, and acts on the outcome.

One task. An ad leaves it with an answer, with the request to come again smaller, or with an error; whatever a launch
reserved is given back before the next look. While nothing fits, or the process is down, `pause` names the reason and
ads wait; nothing is dead-lettered for that.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Final

import structlog

from consumer.errors import PermanentError, StartRefused, WorkerCrashed
from consumer.inference.admission import Batch, Candidate, Pricing, Queue
from consumer.inference.gpu_process import GpuProcess, Judged, Launchable, ModelAnswer, Opened, Opening, OutOfMemory
from consumer.inference.ladder import Rung, Standing, after_oom
from consumer.inference.memory import Ceiling, FreeDrops, available, most_available, oom_facts
from consumer.inference.price import Correction
from consumer.inference.work import MemoryReading, Shape
from consumer.ops.metrics import GpuMetrics
from consumer.settings import GpuSettings
from consumer.workers.pool import WorkersUnavailable
from schemas import GpuUse, Reason, Stage

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.25
"""Between two looks at memory that is too little."""
IDLE_SECONDS: Final = 2.0
"""Between two looks while nothing waits: metrics and reports to others say what is free."""
RESUME_MARGIN: Final = 1.25
"""Partitions resume when this many times what the next ad needs is available: pausing costs what was prefetched."""
LONGEST_PAUSE_SECONDS: Final = 30.0
LATELY: Final = 16
"""Launches."""
MEMORY: Final = "gpu_memory"
PROCESS: Final = "gpu_worker"


@dataclass(frozen=True, slots=True)
class Answered:
    """The model's answer, with what the launch cost and how long the ad had waited for it."""

    answer: ModelAnswer
    gpu: GpuUse | None
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class Smaller:
    """The ad is to come again with fewer visual tokens, after `standing.pause_seconds`."""

    standing: Standing


@dataclass(eq=False, slots=True)
class Ad:
    """An ad that waits for its outcome."""

    launchable: Launchable
    outcome: asyncio.Future[Answered | Smaller]
    offered_at: float


class Launches:
    """`start`, any number of concurrent `judge`, `close`."""

    def __init__(self, settings: GpuSettings, process: GpuProcess, metrics: GpuMetrics) -> None:
        self._settings = settings
        self._process = process
        self._metrics = metrics
        self._queue: Queue[Ad] = Queue(settings.max_batch, settings.max_passes)
        self._drops = FreeDrops()
        self._ceiling = Ceiling()
        self._correction = Correction()
        self._arrived = asyncio.Event()
        self._pausing: dict[Candidate[Ad], asyncio.TimerHandle] = {}
        self._serving: asyncio.Task[None] | None = None
        self._opening: Opening
        self.opened: Opened
        """What the process that runs now said of itself; from `start` on."""
        self.budget_bytes = 0
        """What a launch could take at the last look."""
        self.ad_seconds: float | None = None
        """Mean time of the card for an ad, of late."""
        self.pause = ""
        """Why nothing can be launched now; empty when something can."""

    async def start(self, opening: Opening) -> Opened:
        """Opens the first process; raises StartRefused or WorkersUnavailable."""
        self._opening = opening
        self.opened = await self._open()
        self._serving = asyncio.create_task(self._serve(), name="gpu-launches")
        return self.opened

    @property
    def waiting(self) -> int:
        """Ads that are not being launched now."""
        return len(self._queue) + len(self._pausing)

    @property
    def reserved_bytes(self) -> int:
        """Bytes promised to launches under way; 0 in between."""
        return self._queue.reserved_bytes

    def alone(self, shape: Shape) -> int:
        """Bytes that an ad needs alone."""
        return self._pricing.alone(shape)

    async def judge(self, launchable: Launchable, standing: Standing) -> Answered | Smaller:
        """Waits for memory and for the launch. Raises PermanentError (`oom_exhausted`) or WorkerCrashed."""
        now = time.monotonic()
        ad = Ad(launchable, asyncio.get_running_loop().create_future(), now)
        candidate = Candidate(ad, launchable.shape, standing)
        self._offer(candidate)
        try:
            return await ad.outcome
        finally:
            self._queue.withdraw(candidate)

    async def close(self) -> None:
        """Ends the loop and the process; ads that wait fail with WorkersUnavailable. Idempotent."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self._fail_all(WorkersUnavailable("the GPU judge was closed"))
        await self._process.close()

    @property
    def _pricing(self) -> Pricing:
        return Pricing(self.opened.coefficients, self._correction)

    async def _open(self) -> Opened:
        opened = await self._process.start(self._opening)
        self._metrics.starts.inc()
        for name, seconds in opened.phases:
            log.info("gpu_start", phase=name, seconds=round(seconds, 2))
        log.info("gpu_ready", device=opened.device, model=opened.model, pid=self._process.pid)
        self._show(opened.memory)
        return opened

    async def _serve(self) -> None:
        pause_seconds = LOOK_SECONDS
        while True:
            try:
                await self._step()
            except (WorkersUnavailable, StartRefused) as error:
                log.warning("gpu_unavailable", error=str(error), next_try_seconds=pause_seconds)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            except WorkerCrashed:
                pass  # said by the process's owner; the next step starts another
            except Exception as error:  # a fault of ours: no ad may wait for ever for a loop that has ended
                log.exception("gpu_launches_failed")
                self._fail_all(error)
                await asyncio.sleep(LOOK_SECONDS)
            else:
                pause_seconds = LOOK_SECONDS

    async def _step(self) -> None:
        if self._process.pid is None:
            self.pause = PROCESS
            self.opened = await self._open()
            self.pause = ""
        if not len(self._queue):
            self.pause = ""
        reading = await self._process.sample()
        batch = self._take(reading)
        if batch is not None:
            await self._launch(batch, reading)
            return
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):  # memory is looked at again, whether or not something arrived
            async with asyncio.timeout(LOOK_SECONDS if len(self._queue) else IDLE_SECONDS):
                await self._arrived.wait()

    def _take(self, reading: MemoryReading) -> Batch[Ad] | None:
        now = time.monotonic()
        budget = available(reading, self._settings.max_share, self._drops.p99(now))
        budget = self._ceiling.bound(budget, now)
        self._show(reading)
        self._metrics.budget_bytes.set(budget)
        self.budget_bytes = budget
        most = most_available(self.opened.memory, self._settings.max_share)
        for candidate in self._queue.unfit(most, self._pricing):
            _settle(candidate.ad, Smaller(candidate.standing))
        for candidate in self._queue.starved(budget, self._pricing):
            self._give_up(candidate, reading, None, 0, "passed over while others were admitted")
        batch = self._queue.take(budget, self._pricing)
        if batch is None:
            if len(self._queue) and not self.pause:
                log.warning("gpu_memory_short", waiting=len(self._queue), budget_bytes=budget)
                self.pause = MEMORY
        elif self.pause and budget >= RESUME_MARGIN * self.alone(batch.candidates[0].shape):
            log.info("gpu_memory_back", budget_bytes=budget)
            self.pause = ""
        self._metrics.waiting.set(self.waiting)
        return batch

    async def _launch(self, batch: Batch[Ad], before: MemoryReading) -> None:
        self._metrics.batch_items.observe(len(batch.candidates))
        self._metrics.reserved_bytes.set(batch.reserve_bytes)
        launched_at = time.monotonic()
        try:
            outcome = await self._process.launch(
                [candidate.ad.launchable for candidate in batch.candidates], batch.reserve_bytes
            )
        except WorkerCrashed as error:
            for candidate in batch.candidates:
                _settle(candidate.ad, error)
            raise
        finally:
            self._queue.give_back(batch)
            self._metrics.reserved_bytes.set(self._queue.reserved_bytes)
        self._drops.observe(before, outcome.memory, time.monotonic())
        if isinstance(outcome, Judged):
            self._went_through(batch, outcome, launched_at)
        else:
            self._ran_out(batch, outcome)

    def _went_through(self, batch: Batch[Ad], outcome: Judged, launched_at: float) -> None:
        self._correction.observe(batch.predicted, outcome.peaks)
        for phase, seconds in outcome.seconds.items():
            self._metrics.phase_seconds.labels(phase).observe(seconds)
        seconds = sum(outcome.seconds.values()) / len(batch.candidates)
        self.ad_seconds = seconds if self.ad_seconds is None else self.ad_seconds + (seconds - self.ad_seconds) / LATELY
        peak = outcome.peaks.peak
        use = GpuUse(predicted_bytes=batch.reserve_bytes, peak_bytes=peak) if peak else None  # a CPU says no peak
        if use:
            self._metrics.price_ratio.observe(peak / max(1, batch.reserve_bytes))
            self._metrics.peak_bytes.labels("predicted").set(batch.reserve_bytes)
            self._metrics.peak_bytes.labels("observed").set(peak)
        for candidate, answer in zip(batch.candidates, outcome.answers, strict=True):
            _settle(candidate.ad, Answered(answer, use, launched_at - candidate.ad.offered_at))

    def _ran_out(self, batch: Batch[Ad], outcome: OutOfMemory) -> None:
        size = len(batch.candidates)
        self._metrics.ooms.labels(outcome.phase).inc()
        log.warning("gpu_out_of_memory", phase=outcome.phase, batch=size, reserve_bytes=batch.reserve_bytes)
        if outcome.phase == "reserve":
            self._ceiling.refuse(batch.reserve_bytes, time.monotonic())
        else:
            self._correction.miss(batch.predicted, outcome.phase)
        for candidate in batch.candidates:
            candidate.standing = after_oom(candidate.standing, size, outcome.phase)
            self._metrics.rungs.labels(candidate.standing.rung).inc()
            match candidate.standing.rung:
                case Rung.EXHAUSTED:
                    self._give_up(
                        candidate, outcome.memory, outcome.requested, size, f"out of memory in {outcome.phase}"
                    )
                case Rung.SMALLER:
                    _settle(candidate.ad, Smaller(candidate.standing))
                case _ if candidate.ad.outcome.done():
                    pass  # cancelled meanwhile
                case _:
                    self._offer_later(candidate)

    def _offer_later(self, candidate: Candidate[Ad]) -> None:
        if not candidate.standing.pause_seconds:
            self._offer(candidate)
            return

        def offer() -> None:
            del self._pausing[candidate]
            if not candidate.ad.outcome.done():
                self._offer(candidate)

        loop = asyncio.get_running_loop()
        self._pausing[candidate] = loop.call_later(candidate.standing.pause_seconds, offer)

    def _offer(self, candidate: Candidate[Ad]) -> None:
        self._queue.offer(candidate)
        self._arrived.set()

    def _give_up(
        self, candidate: Candidate[Ad], memory: MemoryReading, requested: int | None, batch: int, why: str
    ) -> None:
        shape = candidate.shape
        facts = oom_facts(
            shape, self.alone(shape), memory, self.opened.device, str(candidate.standing.rung), requested, batch
        )
        message = f"{why}; {candidate.standing.tries} tries alone"
        _settle(candidate.ad, PermanentError(Reason.OOM_EXHAUSTED, Stage.ADMIT, message, oom=facts))

    def _fail_all(self, error: Exception) -> None:
        for timer in self._pausing.values():
            timer.cancel()
        for candidate in (*self._queue.clear(), *self._pausing):
            _settle(candidate.ad, error)
        self._pausing.clear()

    def _show(self, reading: MemoryReading) -> None:
        for kind, gauge in self._metrics.memory_bytes.items():
            gauge.set(getattr(reading, kind))


def _settle(ad: Ad, outcome: Answered | Smaller | Exception) -> None:
    if ad.outcome.done():
        return  # its caller has gone
    if isinstance(outcome, Exception):
        ad.outcome.set_exception(outcome)
    else:
        ad.outcome.set_result(outcome)

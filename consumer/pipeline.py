"""The life of one submission, top to bottom.

    read → fetch → header gate → price → decode → OCR → judge → decide → verdict
      └────────┴────────┴─────────┴───────┴───────┴──────┴──→ dead letter with a reason

Everything an item holds (downloads, pixels, bytes of the budget) is given back when it leaves, however it
leaves. What an error means for the item is the `processor`'s business.
"""

import asyncio
import functools
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

import structlog

from consumer.creatives.decoder import Decoder
from consumer.creatives.outage import StorageWatch
from consumer.decision import decide
from consumer.engine import AdFacts, Capacity, Engine, Findings, NeverFits, Prepared, Price, TextReader
from consumer.errors import PermanentError, StorageUnavailable
from consumer.flow import ByteBudget
from consumer.messages import Blob, HeaderFacts, Incoming, MemoryFile, Picture, RawRecord
from consumer.ops.metrics import Metrics
from consumer.outcome import Judge, Trial, make_verdict
from consumer.settings import Settings
from schemas import AdSubmission, AdVerdict, CreativeKind, CreativeRef, Reason, Stage, Timing
from schemas.cloudevents import EventInvalid, read_event
from schemas.codec import SubmissionMalformed, parse_submission

log = structlog.get_logger(__name__)

T = TypeVar("T")
Reserve = Callable[[int], Awaitable[None]]
StageEnded = Callable[[str, float, float], None]
"""Name, seconds, and when it started: a reading of `time.perf_counter`."""


class CreativeSource(Protocol):
    """Where creatives come from: the object store, or local files."""

    async def fetch(self, ref: CreativeRef, reserve: Reserve) -> Blob:
        """The bytes of a creative; calls `reserve` with their number, or more, before reading them."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What judges, and what prepares ads for it; each starts and ends processes of its own."""

    engine: Engine
    decoder: Decoder
    reader: TextReader


@dataclass(frozen=True, slots=True)
class Stages:
    """The machinery behind the steps."""

    source: CreativeSource
    watch: StorageWatch
    parts: Parts


class Pipeline:
    """The steps, for any number of submissions at a time."""

    def __init__(
        self, settings: Settings, stages: Stages, metrics: Metrics, stage_ended: StageEnded | None = None
    ) -> None:
        self._settings = settings
        self._stages = stages
        self._metrics = metrics
        self._stage_ended = stage_ended
        self._no_pixels = MemoryFile("no-pixels")
        self.budget = ByteBudget(settings.flow.max_bytes)
        """Bytes of all items under way; an item is opened in it before it is judged, and closed after."""
        self.asked = 0
        """Ads that the engine has and has not judged."""

    @property
    def capacity(self) -> Capacity:
        """What the engine can take now."""
        return self._stages.parts.engine.capacity()

    @property
    def storage_out(self) -> bool:
        """Whether an outage of the object store is being waited through."""
        return self._stages.watch.out

    @functools.cached_property
    def judge_identity(self) -> Judge:
        """Who judges, and under what rules; asked for once the engine has started."""
        engine = self._stages.parts.engine
        return Judge(engine.fingerprint, engine.policy_version, self._settings.policy.unchecked)

    async def judge(self, incoming: Incoming, trial: Trial) -> AdVerdict:
        """One attempt. Raises PermanentError, TransientError, or whatever is wrong with us."""
        queued_ms = max(0, int(time.time() * 1000) - incoming.record.timestamp_ms)
        clock = Clock(self._metrics, queued_ms, self._stage_ended)
        submission = incoming.submission
        if not submission.creatives:
            return await self._decide(incoming, Prepared(submission, (), (), self._quote(submission, ())), clock)
        with ExitStack() as held:
            prepared = await self._prepare(incoming, trial, clock, held)
            return await self._decide(incoming, prepared, clock)

    async def _decide(self, incoming: Incoming, prepared: Prepared, clock: "Clock") -> AdVerdict:
        with clock.stage("inference") as inference:
            findings = await self._ask(prepared)
            inference.leave_out("admission", findings.admission_seconds)
        decided = decide(findings, incoming.submission.category, self._settings.policy.unchecked)
        return make_verdict(incoming, prepared, findings, decided, self.judge_identity, clock.timing())

    async def _ask(self, prepared: Prepared) -> Findings:
        self.asked += 1
        try:
            return await self._stages.parts.engine.judge(prepared)
        finally:
            self.asked -= 1

    async def _prepare(self, incoming: Incoming, trial: Trial, clock: "Clock", held: ExitStack) -> Prepared:
        submission = incoming.submission
        with clock.stage("fetch"):
            blobs = await self._fetch_all(submission, trial, held)
        with clock.stage("decode"):
            facts = await _all(self._stages.parts.decoder.inspect(blob) for blob in blobs)
            price = self._quote(submission, facts)
            pictures = await self._picture_all(incoming.record, blobs, facts, price, held)
        with clock.stage("ocr"):
            lines = await self._stages.parts.reader.read(pictures) if price.needs_pixels else ()
        return Prepared(submission, tuple(pictures), lines, price)

    async def _fetch_all(self, submission: AdSubmission, trial: Trial, held: ExitStack) -> Sequence[Blob]:
        for ref in submission.creatives:
            if ref.kind is CreativeKind.VIDEO:
                raise PermanentError(
                    Reason.CREATIVE_UNSUPPORTED,
                    Stage.GATE,
                    f"creative {ref.asset_id} is a video; only images are judged",
                )
        return await _all(self._fetch(ref, trial, held) for ref in submission.creatives)

    async def _fetch(self, ref: CreativeRef, trial: Trial, held: ExitStack) -> Blob:
        reserved = 0

        async def reserve(size_bytes: int) -> None:
            nonlocal reserved
            if size_bytes > reserved:
                await self.budget.reserve(trial.record, size_bytes - reserved)
                reserved = size_bytes

        failures = 0
        while True:
            try:
                blob = await self._stages.source.fetch(ref, reserve)
            except StorageUnavailable as error:
                trial.failed()
                failures += await self._stages.watch.wait_until_up(ref.bucket)
                if failures >= self._settings.flow.max_attempts:
                    raise PermanentError(
                        Reason.STORAGE_UNAVAILABLE,
                        Stage.FETCH,
                        f"creative {ref.asset_id} could not be read while other objects could",
                    ) from error
            else:
                held.callback(blob.content.close)
                if reserved > blob.content.size_bytes:
                    self.budget.give_back(trial.record, reserved - blob.content.size_bytes)
                trial.creatives[ref.asset_id] = blob.sha256
                self._stages.watch.served(ref)
                return blob

    def _quote(self, submission: AdSubmission, facts: Sequence[HeaderFacts]) -> Price:
        text = submission.text
        chars = len(text.title or "") + len(text.body or "") + len(text.call_to_action or "")
        price = self._stages.parts.engine.quote(AdFacts(chars, tuple(facts)))
        if isinstance(price, NeverFits):
            raise PermanentError(Reason.OOM_NEVER_FITS, Stage.PRICE, price.message, oom=price.facts)
        return price

    async def _picture_all(
        self, record: RawRecord, blobs: Sequence[Blob], facts: Sequence[HeaderFacts], price: Price, held: ExitStack
    ) -> Sequence[Picture]:
        def unseen(blob: Blob, header: HeaderFacts) -> Picture:
            return Picture(blob.asset_id, blob.sha256, header.width, header.height, self._no_pixels, header.frames)

        async def decode(blob: Blob, header: HeaderFacts) -> Picture:
            await self.budget.reserve(record, header.pixels * 3)
            picture = await self._stages.parts.decoder.decode(blob, header)
            held.callback(picture.pixels.close)
            return picture

        known = zip(blobs, facts, strict=True)
        if not price.needs_pixels:
            return [unseen(blob, header) for blob, header in known]
        return await _all(decode(blob, header) for blob, header in known)


def read(record: RawRecord) -> Incoming:
    """Opens the envelope and checks the submission; raises PermanentError (`submission_invalid`)."""
    try:
        event = read_event(record.value or b"", record.headers)
        submission = parse_submission(event.data)
    except (EventInvalid, SubmissionMalformed) as error:
        raise PermanentError(Reason.SUBMISSION_INVALID, Stage.READ, str(error)) from error
    if record.key is not None and record.key != submission.submission_id.encode():
        raise PermanentError(
            Reason.SUBMISSION_INVALID,
            Stage.READ,
            "the record's key is not its submission_id: revisions of one ad could overtake each other",
        )
    return Incoming(record, submission, hashlib.sha256(event.data).hexdigest(), event.traceparent)


async def _all(work: Iterator[Coroutine[Any, Any, T]]) -> Sequence[T]:
    """Runs all at once; the first failure cancels the others, waits for them and is raised."""
    first = list(islice(work, 2))
    if len(first) < 2:  # an ad of words, or of one picture: no need of tasks
        return [await one for one in first]
    tasks = [asyncio.ensure_future(one) for one in chain(first, work)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Clock:
    """Time spent by one attempt in each stage."""

    __slots__ = ("_ended", "_metrics", "_queued_ms", "_seconds")

    def __init__(self, metrics: Metrics, queued_ms: int, ended: StageEnded | None = None) -> None:
        self._metrics = metrics
        self._queued_ms = queued_ms
        self._ended = ended
        self._seconds: dict[str, float] = {}

    def stage(self, name: str) -> "Measured":
        """Measures a block; a stage that raises is measured as well."""
        return Measured(self, name)

    def note(self, name: str, seconds: float, started: float) -> None:
        """A stage has ended."""
        self._seconds[name] = seconds
        self._metrics.stages[name].observe(seconds)
        if self._ended is not None:
            self._ended(name, seconds, started)

    def timing(self) -> Timing:
        """Whole milliseconds of every stage; 0 for one that there was no need of."""
        return Timing(
            queued_ms=self._queued_ms,
            fetch_ms=self._ms("fetch"),
            decode_ms=self._ms("decode") + self._ms("ocr"),
            admission_ms=self._ms("admission"),
            inference_ms=self._ms("inference"),
        )

    def _ms(self, name: str) -> int:
        return int(self._seconds.get(name, 0) * 1000)


class Measured:
    """The block of one stage. A class: a generator costs four times as much, four times an item."""

    __slots__ = ("_clock", "_elsewhere", "_name", "_started")

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._elsewhere = 0.0

    def leave_out(self, name: str, seconds: float) -> None:
        """Of the block, the first `seconds` were spent in another stage."""
        self._clock.note(name, seconds, self._started)
        self._elsewhere += seconds

    def __enter__(self) -> "Measured":
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_raised: object) -> None:
        started = self._started + self._elsewhere
        self._clock.note(self._name, max(0.0, time.perf_counter() - started), started)

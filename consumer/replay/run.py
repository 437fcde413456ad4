"""A replay that is carried out: letters in batches, each in one transaction with its audit and the position.

    fence older runs → position → read the audit log → letters → guards → batch → transaction → next batch

Whatever kills the process, the next one of the same run goes on behind the last committed batch; a letter that any
run has taken is in the audit log, and is left alone. The order of letters, also of one ad's, is not kept.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from consumer.errors import PermanentError
from consumer.kafka.replay_writer import Overtaken, ReplayWriter, open_writer
from consumer.kafka.scan import Scan
from consumer.messages import Partition, Terminal
from consumer.replay.capacity import Devices
from consumer.replay.guards import Guards, Refusal, judged
from consumer.replay.index import Judged, ReplayIndex, barrier, read_index, read_index_behind
from consumer.replay.letters import Letter, Unreadable, read_letters
from consumer.replay.pace import Pace
from consumer.replay.plan import offsets_of
from consumer.replay.records import audit, quarantined, resubmission, run_record
from consumer.replay.runs import RunEnded, overlapping, overtaken_by
from consumer.replay.selection import Selection
from consumer.replay.values import Values
from consumer.settings import Settings
from schemas.replay import ReplayRun, RunStatus

BATCH_LETTERS = 200
BATCH_BYTES = 4 * 1024 * 1024
OVERTAKER_CHECKS = 10
OVERTAKER_PAUSE_SECONDS = 0.5
"""Between fencing an older run and its first record, a newer one reads the audit log."""


@dataclass(slots=True)
class _Batch:
    """What was decided for one partition since its last transaction."""

    position: int
    records: list[Terminal] = field(default_factory=list)
    resubmitted: int = 0
    quarantined: int = 0
    value_bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def size_bytes(self) -> int:
        return sum(record.size_bytes for record in self.records)


class Replay:
    """One process of a run. `devices` None: prices do not matter."""

    def __init__(
        self,
        settings: Settings,
        run: ReplayRun,
        verdicts: Judged,
        devices: Devices | None,
        pace: Pace,
        progress: Callable[[ReplayRun], None],
    ) -> None:
        self._settings = settings
        self._run = run
        self._selection = Selection.from_text(run.selection)
        self._verdicts = verdicts
        self._devices = devices
        self._pace = pace
        self._progress = progress
        self._batches: dict[Partition, _Batch] = {}

    async def execute(self) -> ReplayRun:
        """Works until the scope is through, `max_letters` are sent, or the pace says stop; returns the run's record.

        Raises RunEnded when another operator has taken over, and StreamBroken.
        """
        scope = offsets_of(self._run.scope)
        async with (
            open_writer(self._settings, self._run.group, scope) as writer,
            Values(self._settings.storage) as values,
        ):
            try:
                positions = await writer.positions()
                self._batches = {p: _Batch(max(stretch.start, positions.get(p, 0))) for p, stretch in scope.items()}
                index = await self._index(writer)
                self._adopt(index)
                await self._announce(writer, index)
                await self._send(writer, values, self._guards(index))
                return await self._finish(writer)
            except Overtaken as error:
                raise await self._overtaken(writer, error) from error

    async def _index(self, writer: ReplayWriter) -> ReplayIndex:
        """Read after older runs were fenced, and behind a record of our own: nothing that they committed is missed."""
        mark = barrier(self._run.run_id, self._settings.topics)
        partition, batch = next(iter(self._batches.items()))
        await writer.commit(partition, [mark], batch.position)
        return await read_index_behind(mark, self._settings.kafka, self._run.scope)

    def _guards(self, index: ReplayIndex) -> Guards:
        return Guards(index.replayed, self._settings.kafka.max_record_bytes, self._run.force, self._devices)

    def _adopt(self, index: ReplayIndex) -> None:
        """Goes on from what an earlier process of the run has counted until it was fenced."""
        known = index.runs.get(self._run.run_id, self._run)
        self._run = known
        if known.status in (RunStatus.DONE, RunStatus.CANCELLED):
            raise RunEnded(f"run {known.run_id} is {known.status.value}: {known.note or 'nothing is left to do'}")

    async def _announce(self, writer: ReplayWriter, index: ReplayIndex) -> None:
        """The run is there, and those that it has fenced are told so."""
        self._run = self._now(RunStatus.RUNNING)
        note = f"run {self._run.run_id} of {self._run.who} has taken over"
        fenced = [
            other.model_copy(update={"status": RunStatus.FENCED, "note": note})
            for other in overlapping(index.runs.values(), self._run)
        ]
        partition, batch = next(iter(self._batches.items()))
        records = [run_record(run, self._settings.topics) for run in (self._run, *fenced)]
        await writer.commit(partition, records, batch.position)

    async def _send(self, writer: ReplayWriter, values: Values, guards: Guards) -> None:
        ends = offsets_of(self._run.scope)
        only = {
            p: range(batch.position, ends[p].stop)
            for p, batch in self._batches.items()
            if batch.position < ends[p].stop
        }
        async with Scan(self._settings.kafka, (), only) as scan:
            async for records in scan.batches():
                partition = records[0].partition
                for letter in read_letters(records):
                    if self._enough():
                        return
                    await self._decide(self._batches[partition], letter, values, guards)
                    if self._full(self._batches[partition]):
                        await self._flush(writer, partition)
                await self._flush(writer, partition)

    def _enough(self) -> bool:
        waiting = sum(batch.resubmitted for batch in self._batches.values())
        limit = self._run.max_letters
        return self._pace.stopping or (limit is not None and self._run.resubmitted + waiting >= limit)

    def _full(self, batch: _Batch) -> bool:
        return len(batch.records) >= 2 * self._pace.batch(BATCH_LETTERS) or batch.size_bytes >= BATCH_BYTES

    async def _decide(self, batch: _Batch, letter: Letter | Unreadable, values: Values, guards: Guards) -> None:
        if isinstance(letter, Unreadable):
            batch.refused[Refusal.UNREADABLE.value] += 1
        elif self._selection.matches(letter):
            refusal, value = await self._judge(letter, values, guards)
            if refusal is Refusal.QUARANTINE:
                self._add(batch, letter, quarantined(letter, self._settings.topics))
                batch.quarantined += 1
            elif refusal is not None:
                batch.refused[refusal.value] += 1
            else:
                self._add(batch, letter, resubmission(letter, value, self._run.run_id, self._settings.topics))
                batch.resubmitted += 1
        batch.position = letter.record.offset + 1

    async def _judge(self, letter: Letter, values: Values, guards: Guards) -> tuple[Refusal | None, bytes]:
        refusal = guards.refuse(letter)
        if refusal in (None, Refusal.QUARANTINE) and judged(letter.ad, self._verdicts):
            return Refusal.JUDGED, b""
        if refusal is not None:
            return refusal, b""
        try:
            value = await values.of(letter)
        except PermanentError:
            return Refusal.CLAIM_LOST, b""
        return (Refusal.TOO_LARGE if guards.too_large(letter, value) else None), value

    def _add(self, batch: _Batch, letter: Letter, sent: Terminal) -> None:
        batch.records += [sent, audit(letter, sent, self._run, self._settings.topics)]
        batch.value_bytes += len(sent.value or b"")

    async def _flush(self, writer: ReplayWriter, partition: Partition) -> None:
        """Commits what waits for the partition, with the run's record; nothing when no letter would move."""
        batch = self._batches[partition]
        if not batch.records:
            return
        if batch.resubmitted:
            await self._pace.before()
        await self._commit(writer, partition, RunStatus.RUNNING)
        self._pace.after(batch.resubmitted)

    async def _commit(self, writer: ReplayWriter, partition: Partition, status: RunStatus, note: str = "") -> None:
        batch = self._batches[partition]
        run = self._now(
            status,
            note=note,
            resubmitted=self._run.resubmitted + batch.resubmitted,
            quarantined=self._run.quarantined + batch.quarantined,
            value_bytes=self._run.value_bytes + batch.value_bytes,
            refused=dict(Counter(self._run.refused) + batch.refused),
        )
        await writer.commit(partition, [*batch.records, run_record(run, self._settings.topics)], batch.position)
        self._run = run
        self._batches[partition] = _Batch(batch.position)
        self._progress(run)

    async def _finish(self, writer: ReplayWriter) -> ReplayRun:
        *others, last = self._batches
        for partition in others:
            if self._batches[partition].records or self._batches[partition].refused:
                await self._commit(writer, partition, RunStatus.RUNNING)
        status, note = RunStatus.DONE, "every letter of the scope was looked at"
        if self._run.max_letters is not None and self._enough() and not self._pace.stopping:
            note = "as many as --max allows were sent"
        elif self._pace.stopping:
            status, note = RunStatus.PAUSED, "stopped by its operator"
        await self._commit(writer, last, status, note)
        return self._run

    def _now(self, status: RunStatus, **changes: object) -> ReplayRun:
        return self._run.model_copy(update={"status": status, "updated_at": datetime.now(UTC), **changes})

    async def _overtaken(self, writer: ReplayWriter, error: Overtaken) -> RunEnded:
        """Who it was: they write their record soon after they have fenced this run."""
        by = None
        for _ in range(OVERTAKER_CHECKS):
            index = await read_index(self._settings.kafka, self._settings.topics.replays)
            by = overtaken_by(index.runs.values(), self._run, error.partition)
            if by is not None:
                break
            await asyncio.sleep(OVERTAKER_PAUSE_SECONDS)
        return RunEnded(by or f"{error}; `advet dlq runs` shows who. Nothing was sent twice")

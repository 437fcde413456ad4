"""Looking at dead letters: the newest ones, numbers about all of them, and one in full. Reads only."""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from consumer.errors import AdvetError, StreamBroken
from consumer.kafka.scan import Scan, read_record
from consumer.messages import Partition
from consumer.replay.letters import Letter, Unreadable, read_letters
from consumer.replay.plan import Looked, find_scope, offsets_of
from consumer.replay.selection import Selection
from consumer.settings import Settings
from schemas import RecordOrigin
from schemas.codec import OperationsMalformed, parse_letter_replay
from schemas.replay import LetterReplay, letter_key

Found = Letter | Unreadable


class NoLetter(AdvetError):
    """There is no record at these coordinates."""


async def letters(settings: Settings, selection: Selection, looked: Looked) -> AsyncIterator[Found]:
    """The wanted letters, per partition in order; what is no letter as well. Raises StreamBroken."""
    scope = await find_scope(settings, selection)
    total, done = sum(stretch.end - stretch.begin for stretch in scope), 0
    async with Scan(settings.kafka, (), offsets_of(scope)) as scan:
        async for records in scan.batches():
            for found in read_letters(records):
                if isinstance(found, Unreadable) or selection.matches(found):
                    yield found
            done += len(records)
            looked(done, total)


class Newest:
    """The newest letters of many, in bounded memory; `limit` 0 keeps all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[int, int, Found]] = []
        self._count = 0

    def add(self, found: Found) -> None:
        """Takes one; may let go of the oldest."""
        self._count += 1  # no two are compared by what they are
        entry = (found.record.timestamp_ms, self._count, found)
        if self._limit and len(self._heap) >= self._limit:
            heapq.heappushpop(self._heap, entry)
        else:
            heapq.heappush(self._heap, entry)

    def newest_first(self) -> Sequence[Found]:
        """What was kept."""
        return [found for _, _, found in sorted(self._heap, reverse=True)]


@dataclass(slots=True)
class Numbers:
    """Counts over letters."""

    letters: int = 0
    unreadable: int = 0
    value_bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    by_reason: Counter[str] = field(default_factory=Counter)
    by_stage: Counter[str] = field(default_factory=Counter)
    by_partition: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    by_replay_count: Counter[str] = field(default_factory=Counter)

    def add(self, found: Found) -> None:
        """Counts one."""
        record = found.record
        self.by_partition[f"{record.partition.topic}[{record.partition.number}]"] += 1
        if isinstance(found, Unreadable):
            self.unreadable += 1
            return
        self.letters += 1
        self.value_bytes += len(record.value or b"")
        if (at := record.recorded_at) is not None:
            self.oldest = min(at, self.oldest or at)
            self.newest = max(at, self.newest or at)
        self.by_reason[found.facts.reason.value] += 1
        self.by_stage[found.facts.stage.value] += 1
        self.by_model[found.facts.engine or "none"] += 1
        self.by_replay_count[str(found.facts.replay_count)] += 1


async def find_letter(settings: Settings, where: RecordOrigin) -> Found:
    """The letter at these coordinates. Raises NoLetter, StreamBroken."""
    record = await read_record(settings.kafka, Partition(where.topic, where.partition), where.offset)
    if record is None:
        raise NoLetter(
            f"{where.topic}[{where.partition}] has no record at offset {where.offset}; `advet dlq ls` shows what "
            "is there"
        )
    return next(iter(read_letters([record])))


async def find_replay(settings: Settings, letter: RecordOrigin) -> LetterReplay | None:
    """What became of a letter; None: no run has taken it. Raises StreamBroken."""
    key, found = letter_key(letter), None
    async with Scan(settings.kafka, [settings.topics.replays]) as scan:
        async for records in scan.batches():
            for record in records:
                if record.key == key and record.value is not None:
                    found = record.value
    try:
        return None if found is None else parse_letter_replay(found)
    except OperationsMalformed as error:
        raise StreamBroken(f"the audit of {key.decode()} cannot be read: {error}") from error

"""What has happened before: letters that were replayed, runs, and revisions that have their verdict.

Memory is bounded: one bit for each offset in question, 16 bytes for each letter in question.
"""

import asyncio
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping

from consumer.errors import StreamBroken
from consumer.kafka.scan import Scan
from consumer.messages import Partition, RawRecord, Terminal
from consumer.settings import KafkaSettings, TopicSettings
from schemas.codec import OperationsMalformed, VerdictMalformed, parse_replay_run, parse_verdict
from schemas.replay import RUN_KEY_PREFIX, ReplayRun, Stretch, read_letter_key

_NO_VERDICT = -1
BARRIER_PREFIX = "barrier/"
BARRIER_CHECKS = 50
BARRIER_PAUSE_SECONDS = 0.2


class Offsets:
    """A set of offsets of one partition within `begin` ≤ offset < `end`; others are not kept."""

    def __init__(self, begin: int, end: int) -> None:
        self._begin = begin
        self._end = end
        self._bits = bytearray((end - begin + 7) // 8)

    def add(self, offset: int) -> None:
        """Keeps an offset of the range; ignores others."""
        if self._begin <= offset < self._end:
            place = offset - self._begin
            self._bits[place // 8] |= 1 << place % 8

    def __contains__(self, offset: int) -> bool:
        place = offset - self._begin
        return self._begin <= offset < self._end and bool(self._bits[place // 8] >> place % 8 & 1)


class ReplayIndex:
    """The audit log as it is: which letters of the scope were replayed, and the runs' own records."""

    def __init__(self, scope: Iterable[Stretch]) -> None:
        self._replayed = {Partition(s.topic, s.partition): Offsets(s.begin, s.end) for s in scope}
        self.runs: dict[str, ReplayRun] = {}
        self.barriers: set[bytes] = set()
        """Keys of records that only prove how far has been read."""

    def note(self, record: RawRecord) -> None:
        """Takes one record of the audit log."""
        key = (record.key or b"").decode("utf-8", "replace")
        if key.startswith(BARRIER_PREFIX):
            self.barriers.add(record.key or b"")
        elif key.startswith(RUN_KEY_PREFIX):
            self._note_run(key.removeprefix(RUN_KEY_PREFIX), record)
        elif record.value is not None and (letter := read_letter_key(record.key or b"")) is not None:
            offsets = self._replayed.get(Partition(letter.topic, letter.partition))
            if offsets is not None:
                offsets.add(letter.offset)

    def _note_run(self, run_id: str, record: RawRecord) -> None:
        if record.value is None:
            self.runs.pop(run_id, None)
            return
        try:
            self.runs[run_id] = parse_replay_run(record.value)
        except OperationsMalformed as error:
            where = f"{record.partition.topic}[{record.partition.number}]@{record.offset}"
            raise StreamBroken(f"{where} is no record of a run: {error}. Did another program write it?") from error

    def replayed(self, record: RawRecord) -> bool:
        """Whether the letter in this record was taken by any run."""
        offsets = self._replayed.get(record.partition)
        return offsets is not None and record.offset in offsets


async def read_index(settings: KafkaSettings, topic: str, scope: Iterable[Stretch] = ()) -> ReplayIndex:
    """The audit log up to its end. Raises StreamBroken."""
    index = ReplayIndex(scope)
    async with Scan(settings, [topic]) as scan:
        async for records in scan.batches():
            for record in records:
                index.note(record)
    return index


def barrier(run_id: str, topics: TopicSettings) -> Terminal:
    """A tombstone whose acknowledgement proves that all earlier commits to the audit log can be read."""
    return Terminal(topics.replays, f"{BARRIER_PREFIX}{run_id}-{secrets.token_hex(4)}".encode(), None, ())


async def read_index_behind(mark: Terminal, settings: KafkaSettings, scope: Iterable[Stretch]) -> ReplayIndex:
    """The audit log up to `mark` at least, which has been committed.

    A new leader may hide the last records for a moment, and a letter whose record was missed would go twice.
    """
    for _ in range(BARRIER_CHECKS):
        index = await read_index(settings, mark.topic, scope)
        if mark.key in index.barriers:
            return index
        await asyncio.sleep(BARRIER_PAUSE_SECONDS)
    raise StreamBroken(f"{mark.topic} does not show what has just been written to it: try again")


class Judged:
    """The highest revision with a verdict, for the submissions in question and no others."""

    def __init__(self, submissions: Iterable[int]) -> None:
        """`submissions` are the `fingerprint`s of their ids; one that is there twice is kept at its first place."""
        self._known = array("q", sorted(submissions))
        self._revisions = array("q", [_NO_VERDICT]) * len(self._known)

    def note(self, submission: int, revision: int) -> None:
        """A verdict exists."""
        place = self._place(submission)
        if place is not None and revision > self._revisions[place]:
            self._revisions[place] = revision

    def covers(self, submission: int, revision: int) -> bool:
        """Whether this revision or a newer one has a verdict."""
        place = self._place(submission)
        return place is not None and self._revisions[place] >= revision

    def asks_for(self, submission: int) -> bool:
        """Whether the submission is in question."""
        return self._place(submission) is not None

    def _place(self, submission: int) -> int | None:
        place = bisect_left(self._known, submission)
        return place if place < len(self._known) and self._known[place] == submission else None


def fingerprint(submission_id: str | bytes) -> int:
    """64 bits that stand for an id within this process."""
    return hash(submission_id.encode() if isinstance(submission_id, str) else submission_id)


async def read_judged(settings: KafkaSettings, topic: str, submissions: Iterable[int]) -> Judged:
    """All verdicts up to their end now. Raises StreamBroken."""
    judged = Judged(submissions)
    async with Scan(settings, [topic]) as scan:
        async for records in scan.batches():
            for record in records:
                submission = fingerprint(record.key or b"")
                if judged.asks_for(submission) and record.value is not None:
                    revision = _revision(record.value)
                    if revision is not None:
                        judged.note(submission, revision)
    return judged


def _revision(value: bytes) -> int | None:
    try:
        return parse_verdict(value).revision
    except VerdictMalformed:
        return None  # not ours, and no verdict of this submission


def scope_of(begins: Mapping[Partition, int], ends: Mapping[Partition, int]) -> tuple[Stretch, ...]:
    """The offsets of a scan."""
    return tuple(
        Stretch(topic=p.topic, partition=p.number, begin=begins[p], end=ends[p])
        for p in sorted(ends)
        if ends[p] > begins[p]
    )

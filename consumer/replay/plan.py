"""What a replay would do: which letters go, what they cost, which stay and why. Reads, and writes nothing.

One pass over the letters, then one over the verdicts. Memory does not grow with the size of letters: 34 bytes
each are kept until the verdicts are known.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from consumer.errors import AdvetError, StreamBroken
from consumer.kafka.scan import Scan
from consumer.messages import Partition
from consumer.replay.capacity import Devices
from consumer.replay.guards import Guards, Refusal
from consumer.replay.index import Judged, fingerprint, read_judged, scope_of
from consumer.replay.letters import Letter, Unreadable, read_letters
from consumer.replay.selection import Selection
from consumer.settings import Settings
from schemas import Reason
from schemas.consumer_report import ConsumerReport
from schemas.replay import Stretch


class TopicTaken(AdvetError):
    """A running consumer reads these letters."""


Looked = Callable[[int, int], None]
"""Told after each batch how many records were looked at, of how many."""


@dataclass(slots=True)
class Plan:
    """The letters that were looked at, by what would become of them."""

    scope: tuple[Stretch, ...] = ()
    looked_at: int = 0
    """Records of the scope, wanted or not."""
    go: Counter[Reason] = field(default_factory=Counter)
    """Why they had failed → letters that would be handed in again."""
    quarantine: Counter[Reason] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)
    value_bytes: int = 0
    """Of the letters that go."""
    largest_price_bytes: int = 0
    """Predicted memory of the dearest letter that goes; 0 where none failed for memory."""
    ad_seconds: float | None = None
    """Mean device time of an ad; None: no running consumer has measured it."""

    @property
    def letters(self) -> int:
        """That would be handed in again."""
        return self.go.total()

    @property
    def gpu_seconds(self) -> float | None:
        """Device time of judging them."""
        return None if self.ad_seconds is None else self.ad_seconds * self.letters

    def count(self, reason: Reason, refusal: Refusal | None, value_bytes: int, price_bytes: int) -> None:
        """Takes the decision on one letter."""
        if refusal is Refusal.QUARANTINE:
            self.quarantine[reason] += 1
        elif refusal is not None:
            self.refused[refusal] += 1
        else:
            self.go[reason] += 1
            self.value_bytes += value_bytes
            self.largest_price_bytes = max(self.largest_price_bytes, price_bytes)


_REASONS = tuple(Reason)


class _Candidates:
    """Letters that go, or into the quarantine, unless their ad has a verdict."""

    def __init__(self) -> None:
        self.submissions = array("q")
        self._revisions, self._bytes, self._prices = array("q"), array("q"), array("q")
        self._reasons, self._exhausted = array("B"), array("B")

    def add(self, submission: int, revision: int, letter: Letter, price_bytes: int, exhausted: bool) -> None:
        self.submissions.append(submission)
        self._revisions.append(revision)
        self._bytes.append(len(letter.record.value or b""))
        self._prices.append(price_bytes)
        self._reasons.append(_REASONS.index(letter.facts.reason))
        self._exhausted.append(exhausted)

    def settle(self, plan: Plan, verdicts: Judged) -> None:
        rows = zip(
            self.submissions, self._revisions, self._bytes, self._prices, self._reasons, self._exhausted, strict=True
        )
        for submission, revision, value_bytes, price_bytes, reason, exhausted in rows:
            otherwise = Refusal.QUARANTINE if exhausted else None
            refusal = Refusal.JUDGED if verdicts.covers(submission, revision) else otherwise
            plan.count(_REASONS[reason], refusal, value_bytes, price_bytes)


def letter_topics(settings: Settings, selection: Selection) -> tuple[str, ...]:
    """The topics to look at."""
    return selection.topics or (settings.topics.oom_dead_letters, settings.topics.dead_letters)


def leave_taken(settings: Settings, selection: Selection, reports: Iterable[ConsumerReport]) -> Selection:
    """Without the topics that running consumers read as their input: their letters have a second chance already.

    Raises TopicTaken when that leaves none.
    """
    taken = {report.input for report in reports}
    topics = letter_topics(settings, selection)
    free = tuple(topic for topic in topics if topic not in taken)
    if not free:
        raise TopicTaken(
            f"{', '.join(topics)}: running consumers read this topic as their input, and would judge each letter as "
            "well"
        )
    return selection if free == topics else replace(selection, topics=free)


async def find_scope(settings: Settings, selection: Selection) -> tuple[Stretch, ...]:
    """The offsets in which the wanted letters lie: up to the end as it is now. Raises StreamBroken."""
    topics = letter_topics(settings, selection)
    async with Scan(settings.kafka, topics) as scan:
        there = {p.number for p in scan.ends}
        unknown = sorted(set(selection.partitions) - there)
        if unknown:
            raise StreamBroken(f"{' and '.join(topics)}: there is no partition {unknown[0]}")
        wanted = [p for p in scan.ends if not selection.partitions or p.number in selection.partitions]
        return scope_of(scan.begins, {p: scan.ends[p] for p in wanted})


def offsets_of(scope: Iterable[Stretch]) -> dict[Partition, range]:
    """A scope as a scan takes it."""
    return {Partition(s.topic, s.partition): range(s.begin, s.end) for s in scope}


async def make_plan(
    settings: Settings,
    selection: Selection,
    scope: tuple[Stretch, ...],
    guards: Guards,
    devices: Devices,
    looked: Looked,
) -> tuple[Plan, Judged]:
    """What would become of the letters in `scope`, and the verdicts that this goes by. Raises StreamBroken."""
    plan, candidates = Plan(scope, ad_seconds=devices.ad_seconds), _Candidates()
    total = sum(stretch.end - stretch.begin for stretch in scope)
    async with Scan(settings.kafka, (), offsets_of(scope)) as scan:
        async for records in scan.batches():
            for letter in read_letters(records):
                _look(plan, candidates, letter, selection, guards, devices)
            plan.looked_at += len(records)
            looked(plan.looked_at, total)
    verdicts = await read_judged(settings.kafka, settings.topics.verdicts, candidates.submissions)
    candidates.settle(plan, verdicts)
    return plan, verdicts


def _look(
    plan: Plan,
    candidates: _Candidates,
    letter: Letter | Unreadable,
    selection: Selection,
    guards: Guards,
    devices: Devices,
) -> None:
    if isinstance(letter, Unreadable):
        plan.refused[Refusal.UNREADABLE] += 1
        return
    if not selection.matches(letter):
        return
    price_bytes = devices.cheapest_bytes(letter.facts.oom)
    refusal, ad = guards.refuse(letter), letter.ad
    if refusal in (None, Refusal.QUARANTINE) and ad.submission_id is not None and ad.revision is not None:
        candidates.add(fingerprint(ad.submission_id), ad.revision, letter, price_bytes, refusal is not None)
    else:
        plan.count(letter.facts.reason, refusal, len(letter.record.value or b""), price_bytes)

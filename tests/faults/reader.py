"""The independent reader: `read_committed`, in a thread of its own, beside everything that is done to the consumers.

It reads the input, the outcomes and the log of the group's commits as they are written, and notes each violation
when it sees it:

- an input record with two outcomes, or an outcome of no input record;
- verdicts of a key out of the order of the input;
- a commit that covers less than an earlier one, is deleted, or cannot be decoded.

`check` is for the end: everything has exactly one outcome, no transaction is left open, the commits cover all.
"""

import asyncio
import contextlib
import threading
import time
from collections import defaultdict

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from consumer.kafka.completion_map import Coverage, MapUnreadable, decode
from consumer.settings import Settings
from tests.faults import offsets_log
from tests.rig import Outcome

POLL_MS = 100
RETRY_SECONDS = 0.2
START_SECONDS = 60.0
STOP_SECONDS = 3.0
SETTLE_SECONDS = 40.0
Origin = tuple[int, int]


class Reader:
    """`with Reader(settings) as reader`: starts at the beginning of all topics."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()), name="reader", daemon=True)
        self._failure: BaseException | None = None
        self._next: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, bool] = {}
        self.inputs: set[Origin] = set()
        """Records with a value."""
        self.outcomes: dict[Origin, list[str]] = defaultdict(list)
        """Where each origin's outcomes lie."""
        self.letters: dict[Origin, str | None] = {}
        """Reasons of dead letters."""
        self.coverage: dict[int, Coverage] = {}
        """As committed last."""
        self.commits = 0
        self.violations: list[str] = []
        self._last_of_key: dict[tuple[bytes | None, int], int] = {}

    def __enter__(self) -> "Reader":
        self._thread.start()
        assert self._started.wait(START_SECONDS), "the reader did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(START_SECONDS)
        if self._failure is not None:
            raise self._failure

    # -- for tests, from their own thread --------------------------------------------------------------

    def complete(self, inputs: int) -> bool:
        """Whether so many input records have been seen, and all have an outcome. Fails at the first violation."""
        self.assert_sound()
        return len(self.inputs) >= inputs and len(self.outcomes) >= len(self.inputs)

    @property
    def unfinished(self) -> int:
        """Input records without an outcome."""
        return len(self.inputs) - len(self.outcomes)

    def assert_sound(self) -> None:
        """Nothing that was seen so far breaks the promise."""
        if self._failure is not None:
            raise self._failure
        assert not self.violations, self.violations

    def check(self) -> None:
        """After all consumers have ended: exactly one outcome each, and nothing that could still appear."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not (self._at_end() and set(self.outcomes) == self.inputs and self._covered()):
            self.assert_sound()
            assert time.monotonic() < deadline, (
                f"missing {sorted(self.inputs - set(self.outcomes))[:20]}, "
                f"strange {sorted(set(self.outcomes) - self.inputs)[:20]}, "
                f"open {[f'{tp.topic}[{tp.partition}]' for tp, at_end in self._ends.items() if not at_end]}, "
                f"covered {self.coverage}"
            )
            time.sleep(0.05)
        self.assert_sound()
        assert {origin: places for origin, places in self.outcomes.items() if len(places) != 1} == {}

    def _at_end(self) -> bool:
        return bool(self._ends) and all(self._ends.values())

    def _covered(self) -> bool:
        return all(_covers(self.coverage.get(p, Coverage(0)), offset) for p, offset in tuple(self.inputs))

    # -- the thread ------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async with contextlib.AsyncExitStack() as clients:
                topics = self._settings.topics
                records = await self._client(
                    clients, topics.submissions, topics.verdicts, topics.dead_letters, topics.oom_dead_letters
                )
                commits = await self._client(clients)
                self._started.set()
                assigned = False
                while not self._stopping.is_set():
                    try:
                        assigned = assigned or await _assign_log(commits)
                        await self._step(records, commits if assigned else None)
                    except KafkaError:
                        await asyncio.sleep(RETRY_SECONDS)  # a broker is down: read on when it is back
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self._failure = error

    async def _client(self, clients: contextlib.AsyncExitStack, *topics: str) -> AIOKafkaConsumer:
        while True:
            client = AIOKafkaConsumer(
                *topics,
                bootstrap_servers=self._settings.kafka.bootstrap,
                client_id="reader",
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                request_timeout_ms=5000,
                metadata_max_age_ms=1000,
            )
            try:
                await client.start()
            except KafkaError:  # new topics are not known to all brokers at once
                await _stop(client)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                clients.push_async_callback(_stop, client)
                return client

    async def _step(self, records: AIOKafkaConsumer, commits: AIOKafkaConsumer | None) -> None:
        log = await commits.getmany(timeout_ms=POLL_MS) if commits is not None else {}
        for batch in log.values():
            for record in batch:
                self._see_commit(offsets_log.read_commit(record.key, record.value))
        for tp, batch in (await records.getmany(timeout_ms=POLL_MS)).items():
            for record in batch:
                if record.offset < self._next.get(tp, 0):
                    continue  # aiokafka begins anew when partitions are added
                self._next[tp] = record.offset + 1
                self._see_input(record) if tp.topic == self._settings.topics.submissions else self._see_outcome(record)
        for tp in records.assignment():
            if tp.topic != self._settings.topics.submissions:
                high, stable = records.highwater(tp), records.last_stable_offset(tp)
                self._ends[tp] = high is not None and await records.position(tp) == high == stable

    def _see_input(self, record: ConsumerRecord) -> None:
        if record.value is not None:
            self.inputs.add((record.partition, record.offset))

    def _see_outcome(self, record: ConsumerRecord) -> None:
        outcome = Outcome(record.topic, record.key, record.value, list(record.headers))
        origin = outcome.origin
        place = f"{record.topic}[{record.partition}]@{record.offset}"
        places = self.outcomes[origin]
        places.append(place)
        if len(places) > 1:
            self.violations.append(f"{origin} has several outcomes: {places}")
        if outcome.reason is not None:
            self.letters[origin] = outcome.reason
            return
        key = (record.key, origin[0])
        before = self._last_of_key.get(key, -1)
        if origin[1] < before:
            self.violations.append(f"key {record.key!r}: {origin} at {place} came after offset {before}")
        self._last_of_key[key] = max(before, origin[1])

    def _see_commit(self, commit: offsets_log.Commit | None) -> None:
        kafka, topics = self._settings.kafka, self._settings.topics
        if commit is None or (commit.group, commit.topic) != (kafka.group, topics.submissions):
            return
        self.commits += 1
        if commit.offset is None:
            self.violations.append(f"the commit of partition {commit.partition} was deleted")
            return
        try:
            coverage = decode(commit.offset, commit.metadata)
        except MapUnreadable as error:
            self.violations.append(f"partition {commit.partition}: {error}")
            return
        before = self.coverage.get(commit.partition, Coverage(0))
        if lost := [o for o in (before.low - 1, *before.finished) if o >= 0 and not _covers(coverage, o)]:
            self.violations.append(f"partition {commit.partition}: {coverage} no longer covers {lost[:10]} of {before}")
        self.coverage[commit.partition] = coverage


async def _stop(client: AIOKafkaConsumer) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(client.stop(), STOP_SECONDS)


def _covers(coverage: Coverage, offset: int) -> bool:
    return offset < coverage.low or offset in coverage.finished


async def _assign_log(client: AIOKafkaConsumer) -> bool:
    """False while no group has ever committed: the log is made then."""
    cluster = await client._client.fetch_all_metadata()  # the public way leaves internal topics out
    partitions = cluster.partitions_for_topic(offsets_log.TOPIC)
    if not partitions:
        return False
    client.assign([TopicPartition(offsets_log.TOPIC, number) for number in partitions])
    return True

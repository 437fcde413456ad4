"""One process of the simulation: the real `Stream` on simulated clients, with a judge that a test controls."""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, ProducerFenced, RequestTimedOutError
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka.connection import Clients
from consumer.kafka.stream import Stream
from consumer.messages import RawRecord, Terminal
from consumer.ops.metrics import Metrics
from consumer.settings import Settings
from tests.unit.kafka.simulation import TOPIC, Broker, Busy, Group, VirtualLoop

T = TypeVar("T")

TRAVEL_SECONDS = 0.002
BUSY_SECONDS = 0.02
HEARTBEAT_SECONDS = 1.0
POISON = b"poison"


class Fault(Enum):
    """What can happen to one request."""

    LATE = "it arrives after the client's patience has ended"
    LOST = "it never arrives; the client sends it again after a while"
    LOST_LONG = "it never arrives; the client sends it again after its caller's patience has ended"
    UNANSWERED = "it arrives, the reply does not; the client sends it again after a while"
    UNANSWERED_LONG = "it arrives, the reply does not; sent again after the caller's patience has ended"
    REFUSED = "an error, and nothing was done"
    INDEFINITE = "an error, although it was done"


_RESEND_SECONDS = {Fault.LOST: 3.0, Fault.UNANSWERED: 3.0, Fault.LOST_LONG: 20.0, Fault.UNANSWERED_LONG: 20.0}


class Process:
    """Starts at once. `die_at` and `freeze_at` count the points that it passes, `faults` its requests."""

    def __init__(self, number: int, loop: VirtualLoop, broker: Broker, group: Group, settings: Settings) -> None:
        self.number = number
        self.loop = loop
        self.broker = broker
        self.group = group
        self.alive = True
        self.points = 0
        self.requests = 0
        self.die_at = -1
        self.freeze_at = -1
        self.faults: dict[int, Fault] = {}
        self.judge = Judge(self, settings.flow.max_records)
        self.producers: dict[str, SimulatedProducer] = {}
        """The latest for each transactional id."""
        self.heartbeats: list[asyncio.Task[None]] = []
        self._thawed = asyncio.Event()
        self._thawed.set()
        clients = Clients(
            lambda **_options: SimulatedConsumer(self),
            lambda **options: SimulatedProducer(self, options["transactional_id"]),
            lambda **_options: SimulatedAdmin(self),
        )
        self.stream = Stream(settings, self.judge, Metrics(), self.reached, clients)
        self.main = loop.create_task(self.stream.run())

    @property
    def frozen(self) -> bool:
        """Whether it stands still at the next point it comes to."""
        return not self._thawed.is_set()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._thawed.clear()

    def thaw(self) -> None:
        """SIGCONT."""
        self._thawed.set()

    def die(self) -> None:
        """kill -9: no request leaves any more; those on their way still arrive."""
        self.alive = False
        self.thaw()
        for task in (self.main, *self.heartbeats):
            task.cancel()

    async def reached(self, _point: str) -> None:
        """A point of the protocol that the code names itself."""
        await self.point()

    async def point(self) -> None:
        """Where the process may end or stand still."""
        if self.alive:
            self.points += 1
            if self.points == self.freeze_at:
                self.freeze()
            if self.points == self.die_at:
                self.die()
            await self._thawed.wait()
        if not self.alive:
            raise asyncio.CancelledError

    async def request(self, arrive: Callable[[], T]) -> T:
        """`arrive` is what the broker does with it."""
        await self.point()
        self.requests += 1
        fault = self.faults.pop(self.requests, None)
        while True:
            reply: asyncio.Future[T] = self.loop.create_future()
            late_seconds = 13.0 if fault is Fault.LATE else 0.0
            self.loop.call_later(TRAVEL_SECONDS + late_seconds, _deliver, arrive, reply, fault)
            try:
                async with asyncio.timeout(_RESEND_SECONDS.get(fault) if fault else None):
                    answer = await reply
            except Busy:
                await asyncio.sleep(BUSY_SECONDS)
            except TimeoutError:
                fault = None
            else:
                await self.point()
                return answer


def _deliver(arrive: Callable[[], T], reply: "asyncio.Future[T]", fault: Fault | None) -> None:
    if fault in (Fault.LOST, Fault.LOST_LONG):
        return
    answer: list[T] = []
    refusal: Exception = RequestTimedOutError()
    if fault is not Fault.REFUSED:
        try:
            answer.append(arrive())
        except (ProducerFenced, Busy) as error:
            refusal = error
    if reply.done() or fault in (Fault.UNANSWERED, Fault.UNANSWERED_LONG):
        return
    if not answer or fault is Fault.INDEFINITE:
        reply.set_exception(refusal)
    else:
        reply.set_result(answer[0])


class Judge:
    """`Work` whose items finish when the test says so."""

    def __init__(self, process: Process, max_records: int) -> None:
        self._process = process
        self._max_records = max_records
        self.open_records = 0
        self.running: dict[tuple[TopicPartition, int], asyncio.Future[None]] = {}
        self.started: dict[str, int] = {}
        """Records begun under each producer."""
        self.poisoned_by: tuple[TopicPartition, int] | None = None

    def open(self, _record: RawRecord) -> None:
        self.open_records += 1

    def close(self, _record: RawRecord) -> None:
        self.open_records -= 1
        assert self.open_records >= 0

    async def process(self, record: RawRecord) -> Terminal | None:
        tp = TopicPartition(record.partition.topic, record.partition.number)
        self._check_isolation(tp, record.offset)
        if record.value == POISON:
            self.poisoned_by = (tp, record.offset)
            self._process.die()
            raise asyncio.CancelledError
        if record.value is None:
            return None
        finished = self.running[tp, record.offset] = self._process.loop.create_future()
        try:
            await finished
        finally:
            del self.running[tp, record.offset]
        return self._terminal(record, b"verdict")

    async def crashed(self, record: RawRecord, _crashes: int) -> Terminal:
        tp = TopicPartition(record.partition.topic, record.partition.number)
        self._check_isolation(tp, record.offset)
        return self._terminal(record, b"crashed")

    async def skipped(self, record: RawRecord, _reason: str) -> Terminal:
        return self._terminal(record, b"skipped")

    def pauses(self, records_in_flight: int) -> frozenset[str]:
        return frozenset({"records"} if records_in_flight >= self._max_records else ())

    def prefer(self, record: RawRecord) -> None:
        pass

    def committed(self, record: RawRecord, judged_at: float) -> None:
        tp = TopicPartition(record.partition.topic, record.partition.number)
        coverage = self._process.broker.coverage(tp)
        durable = record.offset < coverage.low or record.offset in coverage.finished
        assert durable, "called committed, and is not"

    def room(self, records_in_flight: int) -> int:
        return max(1, self._max_records - records_in_flight)

    def _terminal(self, record: RawRecord, kind: bytes) -> Terminal:
        place = b"%d:%d:%s" % (record.partition.number, record.offset, kind)
        return Terminal("ad-verdicts", record.key, place, ())

    def _check_isolation(self, tp: TopicPartition, offset: int) -> None:
        """After two starts without progress every record is noted as a suspect first and runs alone."""
        producer = self._process.producers[f"advet.advet.{tp.topic}.{tp.partition}"]
        if producer.starts > 2 and producer.begun < self._max_records and producer.current:
            producer.begun += 1
            assert self._process.broker.coverage(tp).suspect == offset, "ran in isolation without being noted"
            assert not [other for other in self.running if other[0] == tp], "ran in isolation beside another"


class SimulatedProducer:
    """AIOKafkaProducer: the states it goes through, and that its sender goes on when a caller is cancelled."""

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name
        self._state = "new"
        self._epoch = -1
        self._sequence = 0
        self._sending: set[asyncio.Task[Any]] = set()
        self.starts = 0
        """As the first commit, the activation's own, put it."""
        self.begun = 0
        self._first = True
        process.producers[name] = self

    @property
    def current(self) -> bool:
        """Whether no other owner has fenced it."""
        return self._process.broker.transactions[self._name].epoch == self._epoch

    async def start(self) -> None:
        self._epoch = await self._process.request(lambda: self._process.broker.init(self._name))
        self._state = "ready"

    async def begin_transaction(self) -> None:
        assert self._state == "ready", f"begin while {self._state}"
        self._state = "open"

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0, 1}

    def create_batch(self) -> "SimulatedBatch":
        return SimulatedBatch()

    async def send_batch(self, batch: "SimulatedBatch", _topic: str, partition: int) -> "asyncio.Task[None]":
        assert self._state == "open", f"send while {self._state}"
        assert partition in {0, 1}
        first, broker = self._sequence + 1, self._process.broker
        self._sequence += len(batch.records)

        def arrive() -> None:
            for sequence, (key, value) in enumerate(batch.records, first):
                broker.add_outcome(self._name, self._epoch, sequence, key, value)

        return self._background(arrive)

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], _group: str
    ) -> None:
        assert self._state == "open", f"offsets while {self._state}"
        broker = self._process.broker
        await asyncio.shield(self._background(lambda: broker.add_offsets(self._name, self._epoch, offsets)))
        found = next(iter(offsets.values()))
        if self._first and found.metadata != "barrier":
            self._first = False
            self.starts = int(found.metadata.split(" ")[1])

    async def commit_transaction(self) -> None:
        await self._end(commit=True)

    async def abort_transaction(self) -> None:
        await self._end(commit=False)

    async def _end(self, *, commit: bool) -> None:
        assert self._state == "open", f"end while {self._state}"
        self._state = "ending"
        broker = self._process.broker
        ending = self._background(lambda: broker.end(self._name, self._epoch, commit))
        ending.add_done_callback(self._ended)
        await asyncio.shield(ending)

    def _ended(self, ending: "asyncio.Task[None]") -> None:
        if not ending.cancelled() and ending.exception() is None:
            self._state = "ready"

    def _background(self, arrive: Callable[[], T]) -> "asyncio.Task[T]":
        sending = self._process.loop.create_task(self._process.request(arrive))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        return sending

    def _sent(self, sending: "asyncio.Task[Any]") -> None:
        self._sending.discard(sending)
        if not sending.cancelled() and isinstance(sending.exception(), ProducerFenced):
            self._state = "fatal"

    async def stop(self) -> None:
        self._state = "closed"
        for sending in self._sending:
            sending.cancel()
        await asyncio.sleep(0)


class SimulatedBatch:
    """BatchBuilder, of two records."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes]] = []

    def append(self, *, timestamp: None, key: bytes | None, value: bytes, headers: list[Any]) -> object:
        assert timestamp is None
        assert headers == []
        if len(self.records) == 2:
            return None
        self.records.append((key, value))
        return object()


class SimulatedAdmin:
    """AIOKafkaAdminClient."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def start(self) -> None:
        await self._process.point()

    async def find_coordinator(self, _group: str) -> int:
        return await self._process.request(lambda: self._process.broker.coordinator)

    async def list_consumer_group_offsets(
        self, _group: str, group_coordinator_id: int, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        broker, tp = self._process.broker, partitions[0]
        return await self._process.request(lambda: broker.fetch_offsets(group_coordinator_id, tp))

    async def close(self) -> None:
        await self._process.point()


class SimulatedConsumer:
    """AIOKafkaConsumer: an eager member of the group, with positions and pauses that a rebalance forgets."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._listener: Any = None
        self._positions: dict[TopicPartition, int | None] = {}
        self._paused: set[TopicPartition] = set()
        self._highwater: dict[TopicPartition, int] = {}
        self._heartbeats: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.process.point()

    def subscribe(self, topics: list[str], listener: Any) -> None:
        assert topics == [TOPIC]
        self._listener = listener
        self._heartbeats = self.process.loop.create_task(self._coordinate())
        self.process.heartbeats.append(self._heartbeats)

    async def stop(self) -> None:
        if self._heartbeats is not None:
            self._heartbeats.cancel()
        await self.process.point()
        self.process.group.leave(self)

    async def _coordinate(self) -> None:
        group, generation = self.process.group, -1
        while True:
            await self.process.point()
            if not group.knows(self, generation):
                await self._listener.on_partitions_revoked(set(self._positions))
                self._positions, self._paused, self._highwater = {}, set(), {}
                await self.process.point()
                assigned = await group.join(self)
                generation = group.generation
                await self.process.point()
                self._positions = dict.fromkeys(assigned)
                self._listener.on_partitions_assigned(set(assigned))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def committed(self, tp: TopicPartition) -> int | None:
        return self.process.broker.coverage(tp).low

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        await self.process.point()
        if not (found := self._fetch(max_records)):
            await asyncio.sleep(timeout_ms / 1000)
            found = self._fetch(max_records)
        await self.process.point()
        return found

    def _fetch(self, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for tp, position in self._positions.items():
            if tp in self._paused or not max_records:
                continue
            if position is None:
                raise NoOffsetForPartitionError(tp)
            self._highwater[tp] = self.process.broker.ends[tp]
            records = [record for record in self.process.broker.inputs[tp] if record.offset >= position]
            if records := records[:max_records]:
                max_records -= len(records)
                self._positions[tp] = records[-1].offset + 1
                found[tp] = [
                    ConsumerRecord(tp.topic, tp.partition, r.offset, 0, 0, r.key, r.value, None, 0, 0, ())
                    for r in records
                ]
            else:
                self._positions[tp] = self.process.broker.ends[tp]
        return found

    def pause(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            self._check_assigned(tp)
            self._paused.add(tp)

    def resume(self, *partitions: TopicPartition) -> None:
        for tp in partitions:
            self._check_assigned(tp)
            self._paused.discard(tp)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._check_assigned(tp)
        self._positions[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        self._check_assigned(tp)
        found = self._positions[tp]
        assert found is not None
        return found

    def highwater(self, tp: TopicPartition) -> int | None:
        self._check_assigned(tp)
        return self._highwater.get(tp)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return await self.process.request(lambda: dict.fromkeys(partitions, 0))

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        broker = self.process.broker
        return await self.process.request(lambda: {tp: broker.ends[tp] for tp in partitions})

    def _check_assigned(self, tp: TopicPartition) -> None:
        if tp not in self._positions:
            raise IllegalStateError(f"{tp} is not assigned")

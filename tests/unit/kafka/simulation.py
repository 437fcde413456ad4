"""A broker, a group and a clock in memory, for the real stream: only aiokafka's three clients are simulated.

Every request travels to the broker and its reply travels back, and a process can be killed or frozen before it
sends and after it has the reply. Between two such points a process changes nothing but its own memory, so these
are all the moments that matter. Time is virtual: waiting costs nothing.
"""

import asyncio
import selectors
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka.completion_map import Coverage, decode

TOPIC = "ad-submissions"
STALE_SECONDS = 0.9
"""How long a new coordinator may answer with old offsets; measured on Apache Kafka."""
MARKER_SECONDS = 0.03
REBALANCE_SECONDS = 2.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        """Seconds of virtual time."""
        return self.now


class _Jump(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again: everything waits for something")
        self._loop.now += timeout
        return super().select(0)


@dataclass(frozen=True)
class Record:
    """A record of the input topic."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class Transaction:
    """What the broker keeps for one transactional id."""

    epoch: int = -1
    phase: str = "idle"
    number: int = 0
    seen: set[int] = field(default_factory=set)
    """Sequence numbers of this epoch: a request that is sent again changes nothing."""
    outcomes: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    offsets: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)


class Busy(Exception):
    """CONCURRENT_TRANSACTIONS: the markers of the last transaction are still being written."""


class Broker:
    """Input, output, transactions and committed offsets. Methods are what happens when a request arrives."""

    def __init__(self, loop: VirtualLoop, partitions: int) -> None:
        self._loop = loop
        self.inputs: dict[TopicPartition, list[Record]] = {TopicPartition(TOPIC, n): [] for n in range(partitions)}
        self.ends = dict.fromkeys(self.inputs, 0)
        self.transactions: dict[str, Transaction] = {}
        self.output: list[tuple[bytes | None, bytes]] = []
        """Committed terminal records, in the order of their transactions."""
        self.committed: dict[TopicPartition, list[OffsetAndMetadata]] = {tp: [] for tp in self.inputs}
        """Every offset that a committed transaction carried."""
        self.readable = dict.fromkeys(self.inputs, 0)
        """How many of them have their marker, so that a coordinator that has caught up answers with them."""
        self.coordinator = 1
        self._lag = 0
        self._stale_until = 0.0
        self.barriers_help = True

    def produce_input(self, tp: TopicPartition, key: bytes | None, value: bytes | None, gap: int) -> int:
        """Appends a record after `gap` offsets that hold none; returns its offset."""
        offset = self.ends[tp] + gap
        self.inputs[tp].append(Record(offset, key, value))
        self.ends[tp] = offset + 1
        return offset

    def move_coordinator(self, lag: int) -> None:
        """A new coordinator, which has not seen the last `lag` commits yet."""
        self.coordinator += 1
        self._lag = lag
        self._stale_until = self._loop.now + STALE_SECONDS

    def init(self, name: str) -> int:
        """InitProducerId: ends what is open, and fences every earlier owner."""
        transaction = self.transactions.setdefault(name, Transaction())
        if transaction.phase == "committing":
            raise Busy
        self.transactions[name] = Transaction(transaction.epoch + 1, number=transaction.number + 1)
        return transaction.epoch + 1

    def add_outcome(self, name: str, epoch: int, sequence: int, key: bytes | None, value: bytes) -> None:
        """Produce."""
        transaction = self._open(name, epoch)
        if sequence not in transaction.seen:
            transaction.seen.add(sequence)
            transaction.outcomes.append((key, value))

    def add_offsets(self, name: str, epoch: int, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """TxnOffsetCommit. Its acknowledgement shows that the coordinator has seen every earlier commit."""
        self._open(name, epoch).offsets.update(offsets)
        if self.barriers_help:
            self._lag = 0

    def end(self, name: str, epoch: int, commit: bool) -> None:
        """EndTxn: decides at once; the markers follow, those of outputs and of offsets each in their own time."""
        transaction = self._own(name, epoch)
        if transaction.phase != "open":
            return  # sent again, or empty
        if not commit:
            self.transactions[name] = Transaction(epoch, number=transaction.number + 1, seen=transaction.seen)
            return
        transaction.phase = "committing"
        self.output.extend(transaction.outcomes)
        for tp, found in transaction.offsets.items():
            self.committed[tp].append(found)
        self._loop.call_later(MARKER_SECONDS, self._complete, name, transaction)

    def _complete(self, name: str, transaction: Transaction) -> None:
        for tp in transaction.offsets:
            self.readable[tp] = len(self.committed[tp])
        self.transactions[name] = Transaction(transaction.epoch, number=transaction.number + 1, seen=transaction.seen)

    def fetch_offsets(self, coordinator: int, tp: TopicPartition) -> dict[TopicPartition, OffsetAndMetadata]:
        """OffsetFetch: an empty answer from who is no longer the coordinator, an old one from a new coordinator."""
        if coordinator != self.coordinator:
            return {}
        lag = self._lag if self._loop.now < self._stale_until else 0
        seen = self.readable[tp] - lag
        return {tp: self.committed[tp][seen - 1] if seen > 0 else OffsetAndMetadata(-1, "")}

    def coverage(self, tp: TopicPartition) -> Coverage:
        """The truth: what the last committed transaction says."""
        if not self.committed[tp]:
            return Coverage(0)
        return decode(self.committed[tp][-1].offset, self.committed[tp][-1].metadata)

    def _own(self, name: str, epoch: int) -> Transaction:
        transaction = self.transactions[name]
        if epoch != transaction.epoch:
            raise ProducerFenced
        return transaction

    def _open(self, name: str, epoch: int) -> Transaction:
        transaction = self._own(name, epoch)
        if transaction.phase == "committing":
            raise Busy
        if transaction.phase == "idle":
            transaction.phase = "open"
            self._loop.call_later(15.0, self._time_out, name, transaction)
        return transaction

    def _time_out(self, name: str, transaction: Transaction) -> None:
        if self.transactions[name] is transaction and transaction.phase == "open":
            self.init(name)  # the broker aborts with a new epoch: the owner finds itself fenced


class Member(Protocol):
    """What the group knows of a consumer."""

    process: Any


class Group:
    """The group coordinator: who is a member, and when everyone has to give up what it owns."""

    def __init__(self, loop: VirtualLoop, partitions: list[TopicPartition]) -> None:
        self._loop = loop
        self._partitions = partitions
        self.members: list[Member] = []
        self.generation = 0
        self._joining: dict[Member, asyncio.Future[list[TopicPartition]]] = {}
        self._deadline: asyncio.TimerHandle | None = None

    def knows(self, member: Member, generation: int) -> bool:
        """Whether a heartbeat of `member` is answered without an order to rejoin."""
        return self._deadline is None and member in self.members and generation == self.generation

    def join(self, member: Member) -> asyncio.Future[list[TopicPartition]]:
        """Answered once all members have joined, or the slow ones have lost their place."""
        answer = self._joining[member] = self._loop.create_future()
        self.rebalance()
        if all(known in self._joining for known in self.members):
            self._complete()
        return answer

    def leave_all(self, gone: object) -> None:
        """The session of a process has ended."""
        for member in [member for member in (*self.members, *self._joining) if member.process is gone]:
            self.leave(member)

    def leave(self, member: Member) -> None:
        """Also an eviction: the member itself learns of it at its next heartbeat."""
        self._joining.pop(member, None)
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Asks everyone to rejoin."""
        if self._deadline is None:
            self._deadline = self._loop.call_later(REBALANCE_SECONDS, self._complete)

    def _complete(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.generation += 1
        self.members = list(self._joining)
        joined, self._joining = self._joining, {}
        for place, answer in enumerate(joined.values()):
            if not answer.done():
                share = [tp for tp in self._partitions if (tp.partition + self.generation) % len(joined) == place]
                answer.set_result(share)

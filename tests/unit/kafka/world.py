"""The simulated world: a broker, processes that come and go, and the promise that is checked after every step."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import structlog
from aiokafka import TopicPartition

from consumer.errors import StreamBroken
from consumer.kafka.assignment import ISOLATE_AT_STARTS
from consumer.kafka.completion_map import Coverage, decode
from consumer.settings import FlowSettings, KafkaSettings, Settings
from tests.unit.kafka.simulated_process import POISON, Process
from tests.unit.kafka.simulation import Broker, Group, VirtualLoop

MAX_RECORDS = 4
CRASHES_ALONE = 1
CRASHES_MOST = 1 + ISOLATE_AT_STARTS + CRASHES_ALONE
"""Owners that one record can end: one that ran well before, those that count, those while it runs alone."""


EXPECTED_ENDS = ("could not be activated", "cannot connect to Kafka")
"""Why a process may end by itself when requests go wrong."""


def covers(coverage: Coverage, offset: int) -> bool:
    """Whether a committed state says that the record at `offset` has its terminal record."""
    return offset < coverage.low or offset in coverage.finished


class World:
    """`with World() as world`: everything in it happens in `advance`."""

    def __init__(self, partitions: int = 2) -> None:
        self.loop = VirtualLoop()
        self.broker = Broker(self.loop, partitions)
        self.group = Group(self.loop, list(self.broker.inputs))
        self.processes: list[Process] = []
        self.poison_crashes: Counter[tuple[TopicPartition, int]] = Counter()
        self._settings = Settings(
            kafka=KafkaSettings(rebalance_timeout_seconds=600, session_timeout_seconds=30),
            flow=FlowSettings(
                max_records=MAX_RECORDS, drain_seconds=15, publish_seconds=0, crashes_alone=CRASHES_ALONE
            ),
        )
        self._checked = dict.fromkeys(self.broker.inputs, 0)

    def __enter__(self) -> Self:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        structlog.reset_defaults()
        for process in self.processes:
            process.die()
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def start(self) -> Process:
        """A new process."""
        process = Process(len(self.processes), self.loop, self.broker, self.group, self._settings)
        self.processes.append(process)
        return process

    @property
    def alive(self) -> list[Process]:
        """Processes that run or stand still."""
        return [process for process in self.processes if process.alive]

    @property
    def running(self) -> list[tuple[Process, tuple[TopicPartition, int]]]:
        """Items that wait for their judgement, in a fixed order."""
        return [(process, item) for process in self.alive for item in sorted(process.judge.running)]

    def finish(self, process: Process, item: tuple[TopicPartition, int]) -> None:
        """Judges one item, if it still runs."""
        judged = process.judge.running.get(item)
        if judged is not None and not judged.done():
            judged.set_result(None)

    def advance(self, seconds: float) -> None:
        """Lets time pass, then checks everything."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for process in self.alive:
            if process.main.done():
                self._check_end(process)
        for process in self.processes:
            if not process.alive:
                self.group.leave_all(process)
                if (poison := process.judge.poisoned_by) is not None:
                    self.poison_crashes[poison] += 1
                    process.judge.poisoned_by = None
        self.check()

    def _check_end(self, process: Process) -> None:
        process.alive = False
        error = process.main.exception()
        if isinstance(error, StreamBroken) and any(text in str(error) for text in EXPECTED_ENDS):
            return
        if error is not None:
            raise error

    def settle(self) -> None:
        """No more faults: judges everything, with new processes in the place of dead ones, until nothing is left."""
        for process in self.alive:
            process.faults.clear()
            process.die_at = process.freeze_at = -1
            process.thaw()
        for _ in range(400):
            if not self.alive:
                self.start()
            for process, item in self.running:
                self.finish(process, item)
            self.advance(1.0)
            if not list(self._open()):
                break
        assert not list(self._open()), "records that never get their terminal record"

    def _open(self) -> Iterator[tuple[TopicPartition, int]]:
        for tp, records in self.broker.inputs.items():
            coverage = self.broker.coverage(tp)
            yield from ((tp, record.offset) for record in records if not covers(coverage, record.offset))

    def check(self) -> None:
        """The promise: see each assertion."""
        places = [tuple(map(int, value.split(b":")[:2])) for _key, value in self.broker.output]
        twice = [place for place, times in Counter(places).items() if times > 1]
        assert not twice, f"two terminal records: {twice}"
        for tp, records in self.broker.inputs.items():
            self._check_coverage(tp)
            coverage = self.broker.coverage(tp)
            valued = {record.offset for record in records if record.value is not None}
            covered = {offset for offset in valued if covers(coverage, offset)}
            published = {offset for number, offset in places if number == tp.partition and offset in valued}
            assert published == covered, f"{tp}: outcomes and offsets do not agree: {published ^ covered}"
        last: dict[tuple[int, bytes], int] = {}
        for (key, _value), (number, offset) in zip(self.broker.output, places, strict=True):
            if key is not None:
                assert last.get((number, key), -1) < offset, f"key {key!r} out of order at {number}:{offset}"
                last[number, key] = offset
        for poison, times in self.poison_crashes.items():
            assert times <= CRASHES_MOST, f"{poison} ended {times} processes"

    def _check_coverage(self, tp: TopicPartition) -> None:
        """Committed coverage never shrinks, from one commit to the next, whoever makes them."""
        commits = self.broker.committed[tp]
        for index in range(max(1, self._checked[tp]), len(commits)):
            before = decode(commits[index - 1].offset, commits[index - 1].metadata)
            after = decode(commits[index].offset, commits[index].metadata)
            assert after.low >= before.low, f"{tp}: committed offset fell from {before.low} to {after.low}"
            lost = {offset for offset in before.finished if not covers(after, offset)}
            assert not lost, f"{tp}: finished before and not any more: {lost}"
        self._checked[tp] = len(commits)


__all__ = ["CRASHES_MOST", "MAX_RECORDS", "POISON", "World", "covers"]

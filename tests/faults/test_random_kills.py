"""Random faults while work is in flight: 20 in CI; `make faults ARGS="--kills 500 --seed 7"` for long."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.brokers import Brokers
from tests.faults.feeder import MOST_AHEAD, Feeder
from tests.faults.fleet import Fleet, is_ready, is_stopped
from tests.faults.reader import Reader
from tests.rig import Member, Rig

pytestmark = pytest.mark.kafka
MEMBERS = 2
PER_SECOND = 40.0
FAULTS = ("kill", "kill", "kill", "stop", "broker")
SESSION_SECONDS = 2.0


class Storm:
    """Does faults one after another, each with work in flight, and waits for progress after most of them."""

    def __init__(self, fleet: Fleet, reader: Reader, feeder: Feeder, brokers: Brokers, chance: random.Random) -> None:
        self._fleet = fleet
        self._reader = reader
        self._feeder = feeder
        self._brokers = brokers
        self._chance = chance
        self.done: Counter[str] = Counter()
        self._busy: list[Member] = []

    def fault(self) -> None:
        """One fault, at a random moment of the work."""
        kind = self._chance.choice(FAULTS)
        self._wait_seconds(self._chance.uniform(0, 0.5))
        self._fleet.wait(self._work_is_in_flight)
        before = len(self._reader.outcomes)
        match kind:
            case "kill":
                victim = self._chance.choice(self._busy).process
                victim.send_signal(signal.SIGKILL)
                victim.wait()
            case "stop":
                self._stop_and_wake(self._chance.choice(self._busy))
            case "broker":
                number = self._chance.randint(1, 3)
                self._brokers.kill(number)
                self._wait_seconds(self._chance.uniform(0, 1.5))
                self._brokers.restart(number)
        self.done[kind] += 1
        if self._chance.random() < 0.7:  # the others are followed by the next one as soon as anything is in flight
            self._fleet.wait(lambda: len(self._reader.outcomes) > before + 20)

    def _stop_and_wake(self, member: Member) -> None:
        member.process.send_signal(signal.SIGSTOP)
        self._wait_seconds(self._chance.uniform(0.5, 2.5) * SESSION_SECONDS)
        assert is_stopped(member)
        member.process.send_signal(signal.SIGCONT)

    def _work_is_in_flight(self) -> bool:
        ahead = self._feeder.sent - len(self._reader.outcomes)
        (self._feeder.held.set if ahead > MOST_AHEAD else self._feeder.held.clear)()
        self._busy = [member for member in self._fleet.members if in_flight(member) > 0]
        return bool(self._busy)

    def _wait_seconds(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._fleet.wait(lambda: time.monotonic() > end)


def in_flight(member: Member) -> float:
    """Records that it has taken and not finished; 0 for one that has died or does not answer yet."""
    with contextlib.suppress(OSError):
        return member.metric("advet_in_flight_records") if is_ready(member) else 0
    return 0


def test_random_kills_while_work_is_in_flight(
    make_rig: Callable[..., Rig], brokers: Brokers, chance: random.Random, pytestconfig: pytest.Config
) -> None:
    """Consumers killed, consumers stopped past their session and woken, brokers killed: exactly one outcome each."""
    kills = pytestconfig.getoption("--kills", 20)
    minutes = pytestconfig.getoption("--minutes", None)
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.2") as fleet:
        for _ in range(MEMBERS):
            fleet.start(wait=False)
        with Feeder(rig.settings, PER_SECOND) as feeder:
            storm = Storm(fleet, reader, feeder, brokers, chance)
            while storm.done.total() < kills and time.monotonic() < end:
                storm.fault()
            sent = feeder.stop()
        fleet.finish(sent)
        unasked = [status for status in fleet.exits if status != -signal.SIGKILL]
        print(
            f"{dict(storm.done)} on {sent} records, {reader.commits} commits, other exits {unasked}, {reader.letters}"
        )
        assert set(reader.letters.values()) <= {"worker_crash"}  # of one that ran alone whenever its process was killed
        assert storm.done.total() == kills or minutes
        assert fleet.exits.count(-signal.SIGKILL) == storm.done["kill"]
        assert len(unasked) <= storm.done["broker"]

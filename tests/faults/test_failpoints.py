"""Each named point of the protocol, hit with each fault: every record still ends exactly once."""

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from consumer.kafka.transactions import transactional_id
from tests.faults.brokers import Brokers
from tests.faults.failpoints import POINTS, Folder, Plan
from tests.faults.fleet import Fleet, is_ready, is_stopped
from tests.faults.reader import Reader
from tests.rig import Member, Rig, submission

pytestmark = pytest.mark.kafka
IN_ACTIVATION = ("activating", "activated")
RECORDS = 120
MakeRig = Callable[..., Rig]


def events(count: int = RECORDS) -> list[dict]:
    """Thirty ads in growing revisions."""
    return [submission(n % 30, revision=n // 30) for n in range(count)]


class Scene:
    """A member with a planned fault, and what the two tell each other."""

    def __init__(self, fleet: Fleet, path: Path, plan: Plan) -> None:
        self.folder = Folder(path / "failpoints")
        self.plan = plan
        self._fleet = fleet

    def begin(self, rig: Rig, bystander: bool = False) -> tuple[Member, int]:
        """Starts members, produces and arms in the order that the point needs; returns the victim."""
        arguments = (str(self.plan), str(self.folder.path))
        if self.plan.point in IN_ACTIVATION:
            sent = len(rig.produce(events()))
            self.folder.arm()
            return self._fleet.start(*arguments, wait=False), sent
        victim = self._fleet.start(*arguments)
        if bystander:
            second = self._fleet.start()
            self._fleet.wait(lambda: is_ready(victim) and is_ready(second))
        self.folder.arm()
        sent = len(rig.produce(events()))
        if self.plan.point == "draining":
            self._fleet.wait(lambda: self.folder.hits()["committed"] > 6)
            victim.process.send_signal(signal.SIGTERM)
        return victim, sent

    def assert_hit(self) -> None:
        """The fault was done where it was planned."""
        assert self.folder.fault == self.plan
        assert self.folder.hits()[self.plan.point] >= self.plan.nth


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_of_the_consumer(point: str, tmp_path: Path, make_rig: MakeRig, chance: random.Random) -> None:
    """The process dies right there; the next one goes on."""
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.1") as fleet:
        scene = Scene(fleet, tmp_path, Plan(point, chance.randint(1, 4), "kill"))
        _, sent = scene.begin(rig)
        fleet.wait(lambda: fleet.exits)
        scene.assert_hit()
        assert fleet.exits == [-signal.SIGKILL]
        fleet.finish(sent)
        assert fleet.exits == [-signal.SIGKILL]


@pytest.mark.parametrize("point", POINTS)
def test_a_zombie_wakes_after_its_session(point: str, tmp_path: Path, make_rig: MakeRig, chance: random.Random) -> None:
    """Stopped right there until another has finished all of its work, then let go on: what it had begun is void."""
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.1") as fleet:
        scene = Scene(fleet, tmp_path, Plan(point, chance.randint(1, 2), "stop"))
        zombie, sent = scene.begin(rig, bystander=True)
        fleet.wait(lambda: is_stopped(zombie))
        scene.assert_hit()
        if len(fleet.members) == 1:
            fleet.start(wait=False)
        fleet.wait(lambda: reader.complete(sent))
        assert is_stopped(zombie)
        zombie.process.send_signal(signal.SIGCONT)
        sent += len(rig.produce(events()))
        fleet.finish(sent)
        assert fleet.exits in ([], [0])


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_of_a_broker(
    point: str, tmp_path: Path, make_rig: MakeRig, brokers: Brokers, chance: random.Random
) -> None:
    """The coordinator of the group, or of the transactions that are ending, dies at this point and comes back."""
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.1") as fleet:
        scene = Scene(fleet, tmp_path, Plan(point, chance.randint(1, 4), "tell"))
        _, sent = scene.begin(rig)
        fleet.wait(lambda: scene.folder.fault is not None)
        if point.startswith("end"):
            tp = TopicPartition(rig.settings.topics.submissions, chance.randrange(4))
            id_ = transactional_id(rig.settings.kafka.group, tp)
            (number,) = brokers.transaction_coordinators(rig.settings.kafka, [id_])
        else:
            number = brokers.group_coordinator(rig.settings.kafka)
        brokers.kill(number)
        scene.folder.go()
        brokers.restart(number)
        scene.assert_hit()
        fleet.finish(sent)

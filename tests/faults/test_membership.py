"""Members come and go, partitions are added: what moves is neither lost nor judged twice."""

import asyncio
import functools
import random
import time
from collections.abc import Callable

import pytest
from aiokafka.admin import NewPartitions

from consumer.kafka.admin import admin_client
from tests.faults.feeder import Feeder
from tests.faults.fleet import Fleet, is_ready
from tests.faults.reader import Reader
from tests.rig import Rig

pytestmark = pytest.mark.kafka
PER_SECOND = 40.0
ROUNDS = 8
MakeRig = Callable[..., Rig]


def passed(moment: float) -> bool:
    return time.monotonic() > moment


def test_members_join_and_leave_all_the_time(make_rig: MakeRig, chance: random.Random) -> None:
    """Every second or so one joins, or one leaves in good order; the first stays, so the group is never empty."""
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.2") as fleet:
        fleet.start()
        with Feeder(rig.settings, PER_SECOND) as feeder:
            for _ in range(ROUNDS):
                if len(fleet.members) < 2 or (len(fleet.members) < 4 and chance.random() < 0.5):
                    fleet.start(wait=False)
                else:
                    fleet.leave(chance.randrange(1, len(fleet.members)))
                moment = time.monotonic() + chance.uniform(0.5, 1.5)
                fleet.wait(functools.partial(passed, moment))
            before = len(reader.outcomes)
            fleet.wait(lambda: len(reader.outcomes) > before + 20)
            sent = feeder.stop()
        fleet.finish(sent)
        assert fleet.exits == []


def test_partitions_are_added_while_it_runs(make_rig: MakeRig) -> None:
    """From 2 to 5 partitions under load: the new ones are read from their beginning by both members."""
    rig = make_rig(2)
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.1") as fleet:
        fleet.start()
        fleet.start()
        with Feeder(rig.settings, PER_SECOND) as feeder:
            fleet.wait(lambda: len(reader.outcomes) > 20)
            asyncio.run(_add_partitions(rig, 5))
            fleet.wait(lambda: {partition for partition, _ in tuple(reader.outcomes)} == set(range(5)))
            fleet.wait(lambda: all(is_ready(member) for member in fleet.members))
            sent = feeder.stop()
        fleet.finish(sent)
        assert fleet.exits == []


async def _add_partitions(rig: Rig, total: int) -> None:
    async with admin_client(rig.settings.kafka) as admin:
        await admin.create_partitions({rig.settings.topics.submissions: NewPartitions(total_count=total)})

"""Three members do three times the work of one: the group's protocol is the scheduler, nothing stands in the way."""

import time
from collections.abc import Callable

import pytest

from tests.faults.fleet import Fleet, is_ready
from tests.faults.reader import Reader
from tests.rig import Rig, submission

pytestmark = pytest.mark.kafka
AD_SECONDS = 0.25
"""The engine sleeps so long for each ad, one at a time: four a second leave the processors of a small machine idle."""
PARTITIONS = 6
ADS = 500
MEASURED_ADS = 60
"""For each member."""
LEAST_SPEEDUP = 2.8


def test_three_members_are_2_8_times_as_fast_as_one(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(PARTITIONS)
    with Reader(rig.settings) as reader, Fleet(rig, reader, "serial", str(AD_SECONDS)) as fleet:
        sent = len(rig.produce(submission(n) for n in range(ADS)))
        fleet.start()
        alone = ads_per_second(fleet, reader, MEASURED_ADS)
        fleet.start()
        fleet.start()
        fleet.wait(lambda: all(is_ready(member) for member in fleet.members))
        together = ads_per_second(fleet, reader, 3 * MEASURED_ADS)
        assert reader.unfinished > 0, "there was work for all of them to the end"
        print(f"one member {alone:.1f} ads/s, three {together:.1f}: {together / alone:.2f} times")
        assert together >= LEAST_SPEEDUP * alone
        fleet.finish(sent)
        assert fleet.exits == []


def ads_per_second(fleet: Fleet, reader: Reader, ads: int) -> float:
    """Over the next `ads` that have an outcome, once every member has judged a few."""
    judged = {member.port: member.metric("advet_verdicts_total") for member in fleet.members}
    fleet.wait(lambda: all(m.metric("advet_verdicts_total") > judged[m.port] + 5 for m in fleet.members))
    first = len(reader.outcomes)
    fleet.wait(lambda: len(reader.outcomes) > first)
    first, begun = len(reader.outcomes), time.monotonic()
    fleet.wait(lambda: len(reader.outcomes) >= first + ads)
    return (len(reader.outcomes) - first) / (time.monotonic() - begun)

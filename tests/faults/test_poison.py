"""Records that kill: a bounded number of restarts, then their dead letter, while the rest goes on."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.feeder import Feeder
from tests.faults.fleet import Fleet
from tests.faults.reader import Reader
from tests.rig import Rig, submission

pytestmark = pytest.mark.kafka
MOST_RESTARTS = 4
"""One that may follow progress, two that make the partition isolate its records, one alone."""
PER_SECOND = 20.0
MakeRig = Callable[..., Rig]


@pytest.mark.parametrize("members", [1, 2])
def test_a_record_that_kills_the_whole_consumer(members: int, make_rig: MakeRig) -> None:
    """Its dead letter is `worker_crash`; records of all other keys get verdicts, other partitions meanwhile."""
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "deadly", "0.05") as fleet:
        for _ in range(members):
            fleet.start()
        with Feeder(rig.settings, PER_SECOND) as feeder:
            fleet.wait(lambda: len(reader.outcomes) > 20)
            poison = submission("poison") | {"text": {"title": "poison"}}
            (origin,) = rig.produce([poison])
            fleet.wait(lambda: fleet.exits)
            others = len(elsewhere(reader, origin))
            fleet.wait(lambda: len(elsewhere(reader, origin)) > others + 20)
            fleet.wait(lambda: origin in reader.outcomes)
            sent = feeder.stop() + 1
        fleet.finish(sent)
    assert set(fleet.exits) == {-signal.SIGKILL}
    assert 2 <= len(fleet.exits) <= MOST_RESTARTS
    assert reader.letters == {origin: "worker_crash"}


def test_several_at_once(make_rig: MakeRig) -> None:
    """Three in one partition and more elsewhere: each costs its own restarts at most."""
    rig = make_rig(2)
    with Reader(rig.settings) as reader, Fleet(rig, reader, "deadly", "0.05") as fleet:
        events = [submission(n, text={"title": "poison" if n % 10 == 5 else "ok"}) for n in range(40)]
        origins = rig.produce(events)
        poisons = {origin for n, origin in enumerate(origins) if n % 10 == 5}
        fleet.start(wait=False)
        fleet.finish(len(events))
    assert set(fleet.exits) == {-signal.SIGKILL}
    assert len(fleet.exits) <= MOST_RESTARTS * len(poisons)
    assert reader.letters == dict.fromkeys(poisons, "worker_crash")


def elsewhere(reader: Reader, origin: tuple[int, int]) -> list[tuple[int, int]]:
    """Outcomes in other partitions."""
    return [other for other in tuple(reader.outcomes) if other[0] != origin[0]]

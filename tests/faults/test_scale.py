"""Three members work at the same time: nothing in the stream makes one wait for another.

How much faster they are is measured by `benchmarks/scale.py`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, is_ready
from tests.faults.reader import Reader
from tests.rig import Rig, submission

pytestmark = pytest.mark.kafka
PARTITIONS = 6
MEMBERS = 3
ADS = 120


def test_all_members_judge_at_once(make_rig: Callable[..., Rig], tmp_path: Path) -> None:
    """While no ad may be finished, each member has as many in hand as it may hold."""
    rig = make_rig(PARTITIONS)
    hold = tmp_path / "hold"
    hold.touch()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "observed", str(tmp_path)) as fleet:
        for _ in range(MEMBERS):
            fleet.start()
        fleet.wait(lambda: all(is_ready(member) for member in fleet.members))
        sent = len(rig.produce(submission(n, text={"title": "hold", "body": "x"}) for n in range(ADS)))
        fleet.wait(
            lambda: all(m.metric("advet_in_flight_records") >= rig.settings.flow.max_records for m in fleet.members)
        )
        assert not reader.outcomes
        hold.unlink()
        fleet.finish(sent)
        assert fleet.exits == []

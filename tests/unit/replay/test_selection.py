"""Which letters, and what a run's record remembers of it."""

from datetime import UTC, datetime

import pytest

from consumer.messages import Partition, RawRecord
from consumer.replay.letters import Letter
from consumer.replay.selection import Selection
from schemas import Reason, Stage
from schemas.headers import read_dead_letter
from tests.letters import make_letter
from tests.unit.replay.test_guards import SETTINGS

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


def letter() -> Letter:
    """Of the ad s-3, advertiser a-3, written at 10:00 into partition 2."""
    made = make_letter(SETTINGS, 3, Reason.WORKER_CRASH, replay_count=1)
    stamp = round(AT.timestamp() * 1000)
    record = RawRecord(Partition(made.topic, 2), 7, stamp, made.key, made.value, tuple(made.headers))
    return Letter(record, read_dead_letter(made.headers))


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        (Selection(reasons=(Reason.WORKER_CRASH, Reason.UNKNOWN)), Selection(reasons=(Reason.UNKNOWN,))),
        (Selection(stages=(Stage.JUDGE,)), Selection(stages=(Stage.READ,))),
        (Selection(topics=("ad-dead-letters",)), Selection(topics=("ad-oom-dead-letters",))),
        (Selection(partitions=(1, 2)), Selection(partitions=(1,))),
        (Selection(since=AT), Selection(until=AT)),
        (Selection(keys=("s-3",)), Selection(keys=("s-33",))),
        (Selection(advertisers=("a-3",)), Selection(advertisers=("a-4",))),
        (Selection(models=("m-1",)), Selection(models=("m-2",))),
        (Selection(replay_counts=(0, 1)), Selection(replay_counts=(0,))),
        (Selection(), Selection(keys=("s-3",), partitions=(9,))),
    ],
)
def test_each_filter(wanted: Selection, other: Selection) -> None:
    assert wanted.matches(letter())
    assert not other.matches(letter())


def test_a_run_remembers_its_selection() -> None:
    selection = Selection(
        (Reason.WORKER_CRASH,), (Stage.JUDGE,), ("t",), (1, 2), AT, AT.replace(hour=11), ("k",), ("a",), ("m",), (0, 1)
    )
    assert Selection.from_text(selection.as_text()) == selection
    assert Selection.from_text(Selection().as_text()) == Selection()


def test_a_selection_of_a_newer_version_is_refused_rather_than_widened() -> None:
    with pytest.raises(ValueError, match="colour"):
        Selection.from_text({"colour": ("red",)})

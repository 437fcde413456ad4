"""Lag as metrics: what is shown goes away with the next look that does not show it."""

import re

from consumer.kafka.group_lag import TopicSight
from consumer.lag.export import show_group
from consumer.lag.figures import GroupLag, Rates, Run, partition_lags
from consumer.ops.metrics import GroupLagMetrics

from .sights import TOPIC, at, seen, sight


def lag(*, runs: tuple[Run, ...] = (), retention_seconds: float | None = 3600.0, end: int = 9) -> GroupLag:
    looked = sight(seen(0, end, 2, finished=3), seen(1, 4, 4), at_seconds=1000.0, owned=(0,))
    partitions = partition_lags(looked, frozenset({at(0)}), {0: ("storage",)}, {at(0): Rates(1, 3)})
    letters = (TopicSight("letters", 4, 1000),)
    return GroupLag(
        "g", TOPIC, 1000.0, "Stable", looked.group.members, partitions, 0.5, retention_seconds, letters, runs
    )


def samples(metrics: GroupLagMetrics, name: str) -> dict[str, float]:
    """Labels as they are written → value."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", metrics.exposition().decode(), re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def test_one_look_sets_everything() -> None:
    metrics = GroupLagMetrics()
    show_group(metrics, lag(runs=(Run("r1", "running", 7, 1, 2, 3),)))
    first, second = (f'group="g",partition="{number}",topic="in"' for number in (0, 1))
    assert samples(metrics, "advet_lag_records") == {first: 4, second: 0}
    assert samples(metrics, "advet_lag_offsets") == {first: 7, second: 0}
    assert samples(metrics, "advet_appended_records_total") == {first: 9, second: 4}
    assert samples(metrics, "advet_finished_records_total") == {first: 5, second: 4}
    assert samples(metrics, "advet_partition_assigned") == {first: 1, second: 0}
    assert samples(metrics, "advet_partition_paused") == {'group="g",partition="0",reason="storage",topic="in"': 1}
    assert samples(metrics, "advet_retention_seconds") == {'topic="in"': 3600}
    assert samples(metrics, "advet_group_members") == {'group="g"': 1}
    assert samples(metrics, "advet_group_state") == {'group="g",state="Stable"': 1}
    assert samples(metrics, "advet_lag_gpu_seconds") == {'group="g"': 2}
    assert samples(metrics, "advet_drain_seconds") == {'group="g"': 2}
    assert samples(metrics, "advet_dead_letter_topic_records") == {'topic="letters"': 4}
    assert samples(metrics, "advet_dead_letter_topic_oldest_seconds")['topic="letters"'] > 1e9
    assert samples(metrics, "advet_replay_letters") == {
        'run="r1",state="left"': 7,
        'run="r1",state="resubmitted"': 1,
        'run="r1",state="quarantined"': 2,
        'run="r1",state="refused"': 3,
    }


def test_what_is_over_goes_away() -> None:
    metrics = GroupLagMetrics()
    show_group(metrics, lag(runs=(Run("r1", "running", 7, 1, 2, 3),)))
    show_group(metrics, lag(retention_seconds=None))
    assert samples(metrics, "advet_replay_letters") == {}
    assert samples(metrics, "advet_retention_seconds") == {}


def test_nothing_is_shown_when_nothing_is_known() -> None:
    metrics = GroupLagMetrics()
    show_group(metrics, lag())
    metrics.clear()
    shown = [line for line in metrics.exposition().decode().splitlines() if not line.startswith("#")]
    assert {line.partition("{")[0] for line in shown} <= {"advet_lag_reads_total", "advet_lag_reads_created"}


def test_counters_follow_growth_and_never_fall() -> None:
    """Or `rate` would take a step back for a restart and add the whole offset."""
    metrics, ends = GroupLagMetrics(), []
    for end in (100, 150, 120, 130):
        show_group(metrics, lag(end=end))
        ends.append(samples(metrics, "advet_appended_records_total")['group="g",partition="0",topic="in"'])
    assert ends == [100, 150, 150, 160]


def test_unlimited_retention_is_infinite() -> None:
    metrics = GroupLagMetrics()
    show_group(metrics, lag(retention_seconds=float("inf")))
    assert samples(metrics, "advet_retention_seconds") == {'topic="in"': float("inf")}

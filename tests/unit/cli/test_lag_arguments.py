"""`advet lag`: usage, and how figures are written."""

import io
import json
import math

import pytest
from click.testing import CliRunner
from rich.console import Console

from consumer.cli.lag import lag_command
from consumer.cli.lag_render import lag_json, lag_report, seconds_text
from consumer.kafka.group_lag import TopicSight
from consumer.lag.figures import GroupLag, Rates, Run, partition_lags
from tests.unit.lag.sights import TOPIC, at, seen, sight


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (math.inf, "never"),
        (0.0, "0"),
        (0.44, "0.4s"),
        (12.3, "12s"),
        (200, "3m20s"),
        (7_500, "2h05m"),
        (100_000, "1d3h"),
    ],
)
def test_seconds(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


def lag(rates: Rates | None = None, **fields: object) -> GroupLag:
    looked = sight(
        seen(0, 12_000, 2, oldest_ms=990_000), seen(1, 9, 4), seen(2, 9, 9), seen(3, 9, 2, first=5), owned=(0, 1, 2)
    )
    partitions = partition_lags(
        looked,
        frozenset({at(0), at(1), at(2)}),
        {1: ("storage", "records")},
        {at(0): rates or Rates(1, 3)},
        frozenset({at(0)}),
    )
    given: dict = {"dead_letters": (TopicSight("letters", 4, 400_000), TopicSight("oom", 0, None))} | fields
    return GroupLag("g", TOPIC, 1000.0, "Stable", looked.group.members, partitions, 0.5, math.inf, **given)


def test_the_table_says_what_each_partition_does() -> None:
    out = io.StringIO()
    Console(file=out, width=140).print(lag_report(lag(runs=(Run("r-1", "paused", 5, 1, 2, 3),))))
    text = out.getvalue()
    assert "g on in: Stable, 1 members" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "11,998" in rows["0"]
    assert "10s" in rows["0"]
    assert "stuck" in rows["0"]
    assert "paused: storage, records" in rows["1"]
    assert "idle" in rows["2"]
    assert "3 deleted by retention" in rows["3"]
    assert "12,007" in rows["all"]
    assert "member m-1 at 10.0.0.1: partitions 0, 1, 2" in text
    assert "letters: 4 dead letters, the oldest 10m00s old" in text
    assert "replay r-1 (paused): 1 sent, 2 quarantined, 3 left where they are, 5 to look at" in text


def test_json_holds_no_infinity() -> None:
    body = lag_json(lag(Rates(3, 1), notes=("odd",)))
    assert json.loads(json.dumps(body, allow_nan=False)) == body
    assert body["total"]["drain_seconds"] is None
    assert (body["total"]["remaining"], body["total"]["offsets"]) == (12_007, 12_010)
    assert body["retention_seconds"] is None
    assert body["notes"] == ["odd"]
    [first, second, *_] = body["partitions"]
    assert (first["remaining"], first["stuck"], first["oldest_record_age_seconds"]) == (11_998, True, 10.0)
    assert (second["paused"], second["in_per_second"]) == (["storage", "records"], None)


@pytest.mark.parametrize("arguments", [["--serve", "--json"], ["--serve", "--watch"], ["--what"], ["extra"]])
def test_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(lag_command, arguments).exit_code == 2

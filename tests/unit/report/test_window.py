"""The time that is asked for: what people type, and the steps it is cut into."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import rich_click as click
from hypothesis import given
from hypothesis import strategies as st

from consumer.cli.moment import Moment
from consumer.report.window import MOST_STEPS, STEPS_SECONDS, ReportRefused, Window

UNTIL = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def moment(text: str) -> datetime:
    converted = Moment().convert(text, None, None)
    assert isinstance(converted, datetime)
    return converted


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("now", timedelta()),
        ("-2h", timedelta(hours=2)),
        ("90m", timedelta(minutes=90)),
        ("-45s", timedelta(seconds=45)),
        ("7d", timedelta(days=7)),
    ],
)
def test_relative_moments(text: str, ago: timedelta) -> None:
    before = datetime.now(UTC)
    assert before - ago <= moment(text) <= datetime.now(UTC) - ago


def test_iso_moments_keep_their_zone() -> None:
    assert moment("2026-11-23T16:00:00+08:00") == UNTIL
    assert moment("2026-11-23T08:00:00Z") == UNTIL


WRONG = [
    "",
    "yesterday",
    "2h ago",
    "+2h",
    "-2",
    "--2h",
    "-9w",
    "2026-11-23T08:00:00",
    "2026-11-23",
    "2026-13-01T00:00Z",
]


@pytest.mark.parametrize("text", WRONG)
def test_other_moments_are_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"2h.*with its zone"):
        moment(text)


@given(st.integers(1, 300 * 86_400), st.floats(0.5, 60))
def test_a_window_covers_what_was_asked_for_and_not_a_step_more(seconds: int, finest_seconds: float) -> None:
    since = UNTIL - timedelta(seconds=seconds)
    window = Window.between(since, UNTIL, finest_seconds)
    assert window.step_seconds in STEPS_SECONDS
    assert window.step_seconds >= finest_seconds
    assert window.steps <= MOST_STEPS
    assert 0 <= since.timestamp() - window.since_seconds < window.step_seconds
    moments = window.moments()
    assert (moments[-1], len(moments)) == (UNTIL, window.steps)


def test_moments_are_of_the_zone_that_is_asked_for() -> None:
    zone = timezone(timedelta(hours=8))
    window = Window.between(UNTIL - timedelta(hours=2), UNTIL, 5)
    assert window.moments(zone)[0].isoformat() == "2026-11-23T14:00:30+08:00"
    assert (window.step_seconds, window.steps) == (30, 240)


def test_too_long_a_window_and_a_reversed_one_are_refused() -> None:
    with pytest.raises(ReportRefused, match="300 days"):
        Window.between(UNTIL - timedelta(days=301), UNTIL, 5)
    with pytest.raises(ReportRefused, match="not before"):
        Window.between(UNTIL, UNTIL, 5)

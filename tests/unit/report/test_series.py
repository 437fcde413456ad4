"""Counters to amounts, buckets to quantiles: what Prometheus does, and where a report must do better."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.report.series import Line, growth, increase, keyed, merged, overall, quantile, quantiles, total

BOUNDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, math.inf)


def cumulated(observations: list[float]) -> list[tuple[float, float]]:
    return [(bound, float(sum(value <= bound for value in observations))) for bound in BOUNDS]


def test_a_counter_adds_what_it_grew_by() -> None:
    assert increase([5, 5, 8, 9], known_from=0) == [0, 3, 1]


def test_a_process_that_starts_anew_counts_from_0() -> None:
    assert increase([5, 7, 2, 3], known_from=0) == [2, 2, 1]


def test_gaps_are_gaps_and_what_happened_meanwhile_is_not_lost() -> None:
    assert increase([5, None, None, 9], known_from=0) == [None, None, 4]


def test_the_first_of_a_new_series_counts_when_its_process_was_known_before() -> None:
    """`increase()` of Prometheus loses it: one dead letter would be none."""
    assert increase([None, None, 1, 1], known_from=0) == [None, 1, 0]
    assert increase([None, None, 1, 1], known_from=2) == [None, 0, 0]
    assert increase([None, None, 1, 2], known_from=None) == [None, 0, 1]


def test_positions_that_several_report_grow_and_never_jump() -> None:
    assert growth([None, 1_000, 1_010, 1_005, 1_012]) == [0, 10, 0, 2]
    assert growth([10, None, 14]) == [None, 4]


def test_lines_are_added_by_label_and_gaps_do_not_spread() -> None:
    lines = [
        Line("a", {"reason": "x"}, [1, None, None]),
        Line("b", {"reason": "x"}, [2, 3, None]),
        Line("b", {"reason": "y"}, [7, 7, 7]),
    ]
    assert merged(keyed(lines, ("reason",))) == {("x",): [3, 3, None], ("y",): [7, 7, 7]}
    assert merged(keyed(lines, ("instance",)), max) == {("a",): [1, None, None], ("b",): [7, 7, 7]}
    assert total(line.values for line in lines) == [10, 10, 7]
    assert total([]) == []


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([(0.1, 0), (0.2, 10), (math.inf, 10)], 0.5, 0.15),
        ([(0.1, 10), (0.2, 10), (math.inf, 10)], 0.5, 0.05),
        ([(0.1, 5), (0.2, 10), (math.inf, 10)], 0.99, 0.198),
        ([(0.1, 0), (0.2, 1), (math.inf, 10)], 0.99, 0.2),
        ([(0.1, 0), (0.2, 0), (math.inf, 0)], 0.99, None),
        ([], 0.99, None),
    ],
)
def test_quantiles_are_those_of_prometheus(
    buckets: list[tuple[float, float]], share: float, expected: float | None
) -> None:
    assert quantile(buckets, share) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.floats(0.001, 4.9), min_size=2, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(observations: list[float], share: float) -> None:
    found = quantile(cumulated(observations), share)
    assert found is not None
    ranked = sorted(observations)
    true = ranked[max(0, math.ceil(share * len(ranked)) - 1)]
    lower = max((bound for bound in BOUNDS if bound < true), default=0.0)
    upper = min(bound for bound in BOUNDS if bound >= true)
    assert lower - 1e-9 <= found <= upper + 1e-9


def test_quantiles_by_step_and_over_all_of_them() -> None:
    buckets: dict[tuple[str, float], list[float | None]] = {
        ("ocr", 1.0): [10.0, 0.0, None],
        ("ocr", 2.0): [10.0, 10.0, None],
        ("ocr", math.inf): [10.0, 10.0, None],
        ("decode", 1.0): [0.0, 0.0, 0.0],
        ("decode", math.inf): [0.0, 0.0, 0.0],
    }
    assert quantiles(buckets, 0.5) == {"ocr": [0.5, 1.5, None], "decode": [None, None, None]}
    assert overall(buckets, 0.5) == {"ocr": 1.0}


def test_extrapolated_buckets_that_fall_by_a_hair_are_read() -> None:
    buckets = {("", 1.0): [10.0000001], ("", 2.0): [10.0], ("", math.inf): [10.0]}
    assert quantiles(buckets, 0.99) == {"": [pytest.approx(0.99)]}

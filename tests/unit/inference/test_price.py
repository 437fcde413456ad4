"""The price of a launch, its calibration, and its correction."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.inference.least_squares import bounded_least_squares
from consumer.inference.price import (
    Coefficients,
    Correction,
    DecodeCost,
    Load,
    PrefillCost,
    VisionCost,
    calls,
    fit,
    price,
)
from consumer.inference.work import PhaseBytes, Shape

KV, EMBEDDING = 57_344.0, 7_168.0
STOCK = Coefficients(
    vision_patches=16_384,
    prefill_tokens=8_192,
    vision=VisionCost(visual_token=EMBEDDING, call_patch=48_880, fixed=1e7),
    prefill=PrefillCost(visual_token=EMBEDDING, kept_token=KV, call_token=142_856, ad=10_000, fixed=2e7),
    decode=DecodeCost(kept_token=KV, ad=912_384, fixed=5e6),
)
KNOWN = Coefficients(
    STOCK.vision_patches,
    STOCK.prefill_tokens,
    VisionCost(visual_token=EMBEDDING),
    PrefillCost(visual_token=EMBEDDING, kept_token=KV),
    DecodeCost(kept_token=KV),
)
STANDARD = Shape(patches=(4_096,), text_tokens=200, output_tokens=96)

SHAPES = st.builds(
    Shape,
    patches=st.lists(st.integers(1, 12_000).map(lambda tokens: tokens * 4), max_size=6).map(tuple),
    text_tokens=st.integers(1, 16_384),
    output_tokens=st.integers(1, 512),
)
LAUNCHES = st.lists(SHAPES, min_size=1, max_size=12)


def test_the_standard_ad():
    assert price([STANDARD], STOCK) == PhaseBytes(
        vision=int(1024 * EMBEDDING + 4096 * 48_880 + 1e7),
        prefill=int(1024 * EMBEDDING + 1320 * KV + 1224 * 142_856 + 10_000 + 2e7),
        decode=int(1320 * KV + 912_384 + 5e6),
    )


def test_calls_bound_what_a_larger_batch_adds():
    """Four pictures fill a vision call; the fifth costs its tokens only."""
    four, five = price([STANDARD] * 4, STOCK), price([STANDARD] * 5, STOCK)
    assert four.vision == 4096 * EMBEDDING + 16_384 * 48_880 + 1e7
    assert five.vision - four.vision == 1024 * EMBEDDING
    assert five.decode - four.decode == 1320 * KV + 912_384


def test_phases_that_do_not_run_cost_nothing():
    assert Load(STOCK).bytes == PhaseBytes(0, 0, 0)
    assert price([Shape((), 100, 10)], STOCK).vision == 0


@given(st.lists(st.integers(1, 100), max_size=20), st.integers(1, 120))
def test_calls_cover_the_work_in_order_and_keep_the_limit(sizes, limit):
    cut = [sizes[call] for call in calls(sizes, limit)]
    assert [size for call in cut for size in call] == sizes
    assert all(call for call in cut)
    assert all(sum(call) <= limit or len(call) == 1 for call in cut)
    assert all(sum(call) + following[0] > limit for call, following in itertools.pairwise(cut))


@given(LAUNCHES)
def test_a_load_counts_the_calls_that_a_launch_will_make(shapes):
    load = Load(STOCK)
    for shape in shapes:
        load = load.plus(shape)
    pictures = [patches for shape in shapes for patches in shape.patches]
    prompts = [shape.prompt_tokens for shape in shapes]
    assert load.call_patches == max((sum(pictures[call]) for call in calls(pictures, 16_384)), default=0)
    assert load.call_tokens == max(sum(prompts[call]) for call in calls(prompts, 8_192))
    assert load.bytes == price(shapes, STOCK)


@given(LAUNCHES, SHAPES)
def test_one_more_ad_never_makes_a_launch_cheaper(shapes, more):
    before, after = price(shapes, STOCK), price([*shapes, more], STOCK)
    assert after.vision >= before.vision
    assert after.prefill >= before.prefill
    assert after.decode >= before.decode


def test_coefficients_survive_json():
    assert Coefficients.from_dict(json.loads(json.dumps(STOCK.to_dict()))) == STOCK
    with pytest.raises(TypeError):
        Coefficients.from_dict(STOCK.to_dict() | {"vision": {"speed": 1}})


CALIBRATION = [
    [Shape((patches,) * pictures, text, output)] * ads
    for patches, pictures, text, output, ads in [
        (16, 1, 64, 32, 1), (1024, 1, 256, 64, 1), (4096, 1, 200, 96, 1), (16_384, 1, 512, 512, 1),
        (32_768, 1, 64, 32, 1), (4096, 4, 64, 32, 1), (256, 1, 700, 256, 16), (4096, 1, 200, 96, 16),
        (64, 1, 32, 512, 64),
    ]
]  # fmt: skip


def calibrated(true, noise=lambda _: 1.0):
    def blur(index, size):
        return int(size * noise(index))

    samples = []
    for index, shapes in enumerate(CALIBRATION):
        peaks = price(shapes, true)
        samples.append(
            (shapes, PhaseBytes(blur(index, peaks.vision), blur(index, peaks.prefill), blur(index, peaks.decode)))
        )
    return samples, fit(samples, KNOWN)


UNIT = st.floats(0, 2e5)
TRUE = st.builds(
    lambda patch, token, first, row, fixed: Coefficients(
        STOCK.vision_patches,
        STOCK.prefill_tokens,
        VisionCost(EMBEDDING, patch, fixed),
        PrefillCost(EMBEDDING, KV, token, first, fixed),
        DecodeCost(KV, row, fixed),
    ),
    UNIT, UNIT, UNIT, st.floats(0, 2e6), st.floats(0, 1e8),
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(TRUE, LAUNCHES)
def test_calibration_finds_the_prices_again(true, launch):
    """Of launches never seen, within a thousandth."""
    _, found = calibrated(true)
    predicted, actual = price(launch, found), price(launch, true)
    assert predicted.vision == pytest.approx(actual.vision, rel=1e-3)
    assert predicted.prefill == pytest.approx(actual.prefill, rel=1e-3)
    assert predicted.decode == pytest.approx(actual.decode, rel=1e-3)


@settings(deadline=None, max_examples=50)
@given(TRUE, st.lists(st.floats(0.98, 1.02), min_size=len(CALIBRATION), max_size=len(CALIBRATION)))
def test_no_calibration_launch_is_underpriced_nor_much_overpriced(true, noise):
    samples, found = calibrated(true, lambda index: noise[index])
    for shapes, seen in samples:
        predicted = price(shapes, found)
        for high, low in zip(
            (predicted.vision, predicted.prefill, predicted.decode),
            (seen.vision, seen.prefill, seen.decode),
            strict=True,
        ):
            assert low <= high + 1
            assert high <= low * 1.15 + 1


def test_a_phase_that_nobody_measured_keeps_its_known_price():
    assert fit([(shapes, PhaseBytes(0, 0, 0)) for shapes in CALIBRATION], KNOWN) == KNOWN


def test_least_squares_respect_their_bounds():
    rows = [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]
    assert bounded_least_squares(rows, [3.0, 5.0, 7.0], [0.0, 0.0]) == pytest.approx([2.0, 1.0])
    assert bounded_least_squares(rows, [0.0, 1.0, 2.0], [0.0, 0.0]) == pytest.approx([8 / 14, 0.0])
    assert bounded_least_squares(rows, [3.0, 5.0, 7.0], [2.5, 0.0])[0] == 2.5


def test_unknowns_that_rows_cannot_tell_apart_do_not_share():
    found = bounded_least_squares([[1.0, 2.0], [2.0, 4.0]], [4.0, 8.0], [0.0, 0.0])
    assert sorted(x > 0 for x in found) == [False, True]


MIB = 1024 * 1024
FLAT = PhaseBytes(vision=100 * MIB, prefill=300 * MIB, decode=50 * MIB)


def scaled(peaks, ratio):
    return PhaseBytes(int(peaks.vision * ratio), int(peaks.prefill * ratio), int(peaks.decode * ratio))


def test_a_correction_follows_what_was_observed_by_phase_and_size():
    correction = Correction()
    correction.observe(FLAT, PhaseBytes(vision=150 * MIB, prefill=300 * MIB, decode=40 * MIB))
    assert correction.apply(FLAT) == PhaseBytes(150 * MIB, 300 * MIB, 50 * MIB)
    tenth = scaled(FLAT, 0.1)
    assert correction.apply(tenth) == tenth


def test_a_launch_just_beyond_a_dear_size_is_no_cheaper():
    correction, edge = Correction(), 128 * MIB
    dear = PhaseBytes(vision=edge - 1, prefill=0, decode=0)
    correction.observe(dear, PhaseBytes(vision=2 * edge, prefill=0, decode=0))
    assert correction.apply(dear).vision == 2 * edge - 2
    assert correction.apply(PhaseBytes(vision=edge, prefill=0, decode=0)).vision == 2 * edge - 2
    assert correction.apply(PhaseBytes(vision=3 * edge, prefill=0, decode=0)).vision == 3 * edge


def test_a_correction_forgets():
    correction = Correction(window=64)
    correction.observe(FLAT, scaled(FLAT, 1.5))
    for _ in range(64):
        correction.observe(FLAT, FLAT)
    assert correction.apply(FLAT) == FLAT


def test_one_odd_launch_in_many_does_not_count():
    correction = Correction()
    for _ in range(40):
        correction.observe(FLAT, scaled(FLAT, 1.0))
    correction.observe(FLAT, scaled(FLAT, 1.9))
    assert correction.apply(FLAT) == FLAT


def test_misses_raise_the_price_of_their_phase_up_to_a_bound():
    correction, seen = Correction(), []
    for _ in range(5):
        correction.miss(FLAT, "prefill")
        seen.append(correction.apply(FLAT).prefill / FLAT.prefill)
    assert seen == pytest.approx([1.25, 1.5625, 1.953, 2.0, 2.0], rel=1e-3)
    assert correction.apply(FLAT).vision == FLAT.vision
    correction.miss(FLAT, "reserve")
    assert correction.apply(FLAT).decode == FLAT.decode


PEAKS = st.builds(
    PhaseBytes, vision=st.integers(0, 1 << 40), prefill=st.integers(0, 1 << 40), decode=st.integers(0, 1 << 40)
)


@given(st.lists(st.tuples(PEAKS, PEAKS), max_size=30), PEAKS, PEAKS)
def test_corrected_prices_are_bounded_and_monotone(history, one, other):
    correction = Correction()
    for predicted, observed in history:
        correction.observe(predicted, observed)
    small, large = sorted((one.vision, other.vision))
    low, high = correction.apply(PhaseBytes(small, 0, 0)).vision, correction.apply(PhaseBytes(large, 0, 0)).vision
    assert small <= low <= high <= large * Correction.BOUND

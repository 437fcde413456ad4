"""Scores on judgements made by hand: each has one right value, worked out on paper."""

from collections import Counter

import pytest

from consumer.evaluation.baselines import always
from consumer.evaluation.bootstrap import intervals
from consumer.evaluation.items import Item, Line, Quote
from consumer.evaluation.judge import Judged, Shown
from consumer.evaluation.metrics import by_template, rule_scores, scores, summed, tally
from schemas import Decision
from tests.unit.evaluation.ads import DESIGN, ad

APPROVE, REVIEW, REJECT = Decision.APPROVE, Decision.REVIEW, Decision.REJECT
CRITICAL = frozenset({"G01"})


def scored(*pairs: tuple[Item, Judged]) -> dict[str, float]:
    return scores(summed(tally(item, judged, CRITICAL) for item, judged in pairs))


def test_a_perfect_judge_scores_one_and_approves_no_crime() -> None:
    bad = ad("bad", "最佳选择", REJECT, (("G01", "最佳"),), kind="violation")
    found = scored(
        (bad, Judged("bad", REJECT, frozenset({"G01"}), (Shown("G01", "最佳", verified=True),))),
        (ad("good", "新品"), Judged("good", APPROVE)),
        (ad("trap", "最佳食用温度", kind="trap"), Judged("trap", APPROVE)),
    )
    ones = ("accuracy", "decision_f1", "reject_recall", "macro_rule_f1", "evidence_verified", "quotes_agree")
    zeros = ("critical_false_approve", "trap_false_reject", "clean_review", "clean_false_reject")
    assert {name: found[name] for name in ones} == dict.fromkeys(ones, 1.0)
    assert {name: found[name] for name in zeros} == dict.fromkeys(zeros, 0.0)
    assert "boxes_hit" not in found  # nothing was found in a picture
    assert "review_f1" not in found  # no ad was to be reviewed and none was


def test_each_mistake_lowers_its_own_score() -> None:
    bad = ad("bad", "最佳", REJECT, (("G01", "最佳"),), kind="violation")
    clean, trap = ad("c", "新品"), ad("t", "最佳食用温度", kind="trap")
    found = scored((bad, Judged("bad", APPROVE)), (clean, Judged("c", REVIEW)), (trap, Judged("t", REJECT)))
    assert found["critical_false_approve"] == 1
    assert found["clean_review"] == 1
    assert found["clean_false_reject"] == 0
    assert found["trap_false_reject"] == 1
    assert found["accuracy"] == found["decision_f1"] == found["macro_rule_f1"] == 0


def test_decisions_weigh_the_same_however_rare_they_are() -> None:
    pairs = [(ad(f"c{n}", "x"), Judged(f"c{n}", APPROVE)) for n in range(8)]
    late = ad("r", "x", REVIEW, kind="violation")
    found = scored(*pairs, (late, Judged("r", APPROVE)))
    assert found["accuracy"] == pytest.approx(8 / 9)
    assert found["approve_f1"] == pytest.approx(16 / 17)
    assert found["review_f1"] == 0
    assert found["decision_f1"] == pytest.approx(8 / 17)


def test_rules_are_scored_one_by_one_also_those_found_for_nothing() -> None:
    bad = ad("bad", "x", REJECT, (("G01", "x"), ("G07", "x")), kind="multi")
    counts = tally(bad, Judged("bad", REJECT, frozenset({"G01", "M07"})), CRITICAL)
    assert rule_scores(counts) == {"G01": 1.0, "G07": 0.0, "M07": 0.0}
    assert scores(counts)["macro_rule_f1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("quote", "agrees"), [("最 佳", 1.0), ("最佳选择", 1.0), ("zui佳", 0.0), ("第一", 0.0), ("", 0.0)]
)
def test_a_quote_agrees_if_it_holds_the_gold_words_or_part_of_them(quote: str, agrees: float) -> None:
    bad = ad("bad", "最·佳", REJECT, (("G01", "最·佳"),), kind="violation")
    judged = Judged("bad", REJECT, frozenset({"G01"}), (Shown("G01", quote, verified=True),))
    assert scored((bad, judged))["quotes_agree"] == agrees


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        ((100, 40, 300, 80), 1.0),
        ((95, 30, 310, 90), 1.0),
        ((100, 40, 300, 120), 1.0),  # both lines together
        ((100, 200, 300, 240), 0.0),
        ((0, 0, 600, 400), 0.0),  # the whole picture points at nothing
    ],
)
def test_a_box_is_hit_when_it_covers_the_lines_and_little_else(
    box: tuple[float, float, float, float], hit: float
) -> None:
    from consumer.evaluation.items import ItemPicture

    lines = (Line("全国第", (100, 40, 300, 80), ("G01",)), Line("一品牌", (100, 82, 300, 120), ("G01",)))
    picture = ItemPicture("a.png", 600, 400, (*lines, Line("新品", (100, 200, 300, 240))), DESIGN)
    bad = ad("bad", "", REJECT, kind="violation", pictures=(picture,))
    bad = type(bad)(**{name: getattr(bad, name) for name in bad.__slots__} | {"quotes": (Quote("G01", "全国第一", 0),)})
    judged = Judged("bad", REJECT, frozenset({"G01"}), (Shown("G01", "全国第一", True, 0, box),))
    assert scored((bad, judged))["boxes_hit"] == hit


def test_baselines_decide_alike_and_find_no_rule() -> None:
    items = [ad("a", "x"), ad("b", "x", REJECT, (("G01", "x"),), kind="violation")]
    found = scored(*zip(items, always(REVIEW, items), strict=True))
    assert found["accuracy"] == 0
    assert found["clean_review"] == 1
    assert found["critical_false_approve"] == 0
    assert scored(*zip(items, always(REJECT, items), strict=True))["reject_recall"] == 1


def test_intervals_hold_the_score_repeat_and_widen_with_templates_shared() -> None:
    items = [ad(f"i{n}", "x", template=f"t{n}") for n in range(60)]
    judged = [Judged(item.id, REVIEW if number % 6 == 0 else APPROVE) for number, item in enumerate(items)]
    tallies = [tally(item, one, CRITICAL) for item, one in zip(items, judged, strict=True)]
    apart = intervals(by_template(items, tallies), seed=1)
    assert apart == intervals(by_template(items, tallies), seed=1)
    low, high = apart["clean_review"]
    assert low < 10 / 60 < high
    shared = [ad(f"i{n}", "x", template=f"t{n % 6}") for n in range(60)]  # all ten of one template fail together
    wider_low, wider_high = intervals(by_template(shared, tallies), seed=1)["clean_review"]
    assert wider_high - wider_low > 2 * (high - low)
    assert intervals({"t": Counter(clean=1)}, seed=1) == {}  # one template says nothing of others

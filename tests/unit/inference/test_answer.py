"""From the model's text to findings: the law from the pack, the evidence from the ad, nothing on the model's word."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import PermanentError
from consumer.inference import grammar, prompt
from consumer.inference.answer import ModelFindings, parse
from consumer.policy.pack import load_pack
from schemas import Box, Category, Detector, Evidence, EvidenceSource, Reason, Severity
from tests.unit.inference.words import answer, asked, found, line

PACK = load_pack()
RULES = {rule.id: rule for rule in PACK.rules}


def _parsed(text: str, built: prompt.Prompt, *, finished: bool = True) -> ModelFindings:
    return parse(text, built, PACK, finished=finished)


def _evidence(built: prompt.Prompt, *violations: dict[str, object]) -> list[Evidence]:
    return [one.evidence for one in _parsed(answer(*violations), built).violations]


def test_law_severity_and_suggestion_come_from_the_pack() -> None:
    (violation,) = _parsed(answer(found("M01", "T1", "三天见效")), asked(PACK, title="三天见效")).violations
    rule = RULES["M01"]
    assert violation.legal_basis == rule.legal_basis
    assert violation.severity is rule.severity is Severity.HIGH
    assert (violation.gist, violation.suggestion) == (rule.gist, rule.advice)
    assert violation.category == "drug_otc"
    assert violation.detector is Detector.MODEL


def test_a_quote_from_the_text_is_verified_with_the_ads_own_words() -> None:
    built = asked(PACK, title="感冒灵", body="三天 见效,\n彻底根治!")
    assert _evidence(built, found("M01", "T2", "三天见效彻底根治")) == [
        Evidence(quote="三天 见效,\n彻底根治", source=EvidenceSource.TEXT, verified=True)
    ]


def test_a_quote_from_a_picture_is_verified_with_the_box_of_its_lines() -> None:
    built = asked(
        PACK,
        line("别的", box=(0.0, 0.0, 0.1, 0.1)),
        line("三天见效", box=(0.2, 0.3, 0.4, 0.5)),
        line("彻底根治", box=(0.1, 0.5, 0.3, 0.7)),
        line("三天见效", "p1", box=(0.9, 0.9, 1.0, 1.0)),
    )
    whole, single, second = _evidence(
        built,
        found("M01", "I0", "三天见效彻底根治", 0, 0, 10, 10),
        found("M01", "I0-L3", "彻底根治"),
        found("M01", "I1", "三天见效"),
    )
    assert (whole.verified, whole.asset_id, whole.source) == (True, "p0", EvidenceSource.IMAGE)
    assert whole.bbox == Box(x0=0.1, y0=0.3, x1=0.4, y1=0.7)
    assert single.bbox == Box(x0=0.1, y0=0.5, x1=0.3, y1=0.7)
    assert second.asset_id == "p1"


def test_a_quote_at_another_place_than_named_is_verified_where_it_stands() -> None:
    built = asked(PACK, line("彻底根治"), title="三天见效")
    wrong_line, no_such_line, no_such_picture = _evidence(
        built, found("M01", "I0-L1", "三天见效"), found("M01", "T99", "彻底根治"), found("M03", "I7", "三天见效")
    )
    assert wrong_line.source is no_such_picture.source is EvidenceSource.TEXT
    assert no_such_line.asset_id == "p0"
    assert wrong_line.verified
    assert no_such_line.verified
    assert no_such_picture.verified


def test_invented_words_stay_unverified() -> None:
    built = asked(PACK, title="服用后有效率85%")
    for quote in ("有效率95%", "有效率5%", "彻底根治", "的"):
        assert _evidence(built, found("M01", "T1", quote)) == [
            Evidence(quote=quote, source=EvidenceSource.TEXT, verified=False)
        ]


def test_what_is_only_seen_keeps_the_models_box_and_is_not_verified() -> None:
    built = asked(PACK)
    seen, turned, flat, nowhere = _evidence(
        built,
        found("G03", "I1", "", 100, 200, 300, 400),
        found("G03", "I0", "", 300, 400, 100, 200),
        found("M04", "I0", "", 5, 5, 5, 900),
        found("G03", "I9", "", 1, 2, 3, 4),
    )
    box = Box(x0=0.1, y0=0.2, x1=0.3, y1=0.4)
    assert seen == Evidence(source=EvidenceSource.IMAGE, asset_id="p1", bbox=box, verified=False)
    assert turned.bbox == box
    assert (flat.asset_id, flat.bbox) == ("p0", None)
    assert nowhere == Evidence(source=EvidenceSource.IMAGE, verified=False)


def test_repetitions_count_once() -> None:
    again = found("M01", "T1", "三天见效")
    built = asked(PACK, title="三天见效")
    assert len(_parsed(answer(again, again, again | {"quote": "三天见效。"}), built).violations) == 1
    assert len(_parsed(answer(again, again | {"rule_id": "M05"}), built).violations) == 2


@pytest.mark.parametrize(
    ("said", "declared", "uncertain"),
    [
        (answer(decision="approve"), Category.DRUG_OTC, False),
        (answer(decision="reject"), Category.DRUG_OTC, True),
        (answer(decision="review"), Category.DRUG_OTC, True),
        (answer(category="drug_otc", decision="approve"), Category.FOOD, True),
        (answer(category="tobacco", decision="approve"), Category.GENERAL, True),
        (answer(category="food", decision="approve"), Category.GENERAL, False),
        (answer(category="drug_rx", decision="approve"), Category.HEALTH_FOOD, False),
        (answer(found("G01", "T1", "最佳"), category="food", decision="approve"), Category.FOOD, False),
    ],
)
def test_doubt_without_a_violation_and_undeclared_goods_are_for_a_person(
    said: str, declared: Category, uncertain: bool
) -> None:
    findings = _parsed(said, asked(PACK, category=declared, title="最佳"))
    assert findings.uncertain is uncertain
    assert not findings.cut


def test_a_decision_to_approve_does_not_take_a_violation_back() -> None:
    findings = _parsed(answer(found("M01", "T1", "三天见效"), decision="approve"), asked(PACK, title="三天见效"))
    assert findings.violations[0].evidence.verified


THREE = [
    found("M01", "T1", "三天见效"),
    found("G03", "I0", "", 1, 2, 3, 4),
    found("M03", "T1", "胜过药片]},"),
]


@given(st.integers(0, len(answer(*THREE))))
def test_of_a_cut_answer_the_complete_violations_are_kept(length: int) -> None:
    whole, built = answer(*THREE), asked(PACK, title="三天见效 胜过药片]},")
    if not length:
        return
    findings = _parsed(whole[:length], built, finished=False)
    complete = sum(whole.find(end) + len(end) <= length for end in ('效"}', "4]}", ']},"}'))
    assert findings.cut
    assert findings.uncertain == (not complete)
    assert findings.violations == _parsed(whole, built).violations[:complete]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "对不起,我不能",
        "[]",
        "{}",
        answer()[:-1],
        answer() + "}",
        answer(decision="unknown"),
        answer(category="drugs"),
        answer(found("Z99", "T1", "x")),
        answer(found("G14", "T1", "x")),  # not a rule for drugs
        answer(found("G01", "here", "x")),
        answer(found("G01", "T1", "x" * 41)),
        answer(found("G01", "T1", "x", 1, 2, 3)),
        answer(found("G01", "T1", "x") | {"severity": "low"}),
        answer(*[found("G01", "T1", "x")] * 7),
        answer(found("G01", "T1", "x")).replace('"x"', '"\\ud800"'),
    ],
)
def test_nonsense_is_a_dead_letter_that_repeats_none_of_it(text: str) -> None:
    with pytest.raises(PermanentError) as refused:
        _parsed(text, asked(PACK))
    assert refused.value.reason is Reason.MODEL_OUTPUT_INVALID
    assert len(refused.value.message) < 100
    assert "对不起" not in refused.value.message


@given(st.text() | st.text(alphabet='{}[]":,violationsTI01-L', max_size=200), st.booleans())
def test_any_text_is_findings_or_a_dead_letter(text: str, finished: bool) -> None:
    try:
        findings = _parsed(text, asked(PACK), finished=finished)
    except PermanentError as error:
        assert error.reason is Reason.MODEL_OUTPUT_INVALID  # noqa: PT017 - either end is right
    else:
        assert findings.cut
        assert not findings.violations


_FOUND = st.builds(
    found,
    st.sampled_from([rule.id for rule in prompt.model_rules(PACK, Category.DRUG_OTC)]),
    st.from_regex(rf"\A({grammar.WHERE})\Z"),
    st.text(alphabet="三天见效98%根治 ,", max_size=grammar.MAX_QUOTE_CHARS),
)


@given(st.lists(_FOUND, max_size=grammar.MAX_VIOLATIONS), st.sampled_from(["approve", "reject", "review"]))
def test_all_that_the_grammar_allows_becomes_findings_whose_verified_quotes_the_ad_says(
    violations: list[dict[str, object]], decision: str
) -> None:
    title, read = "三天见效,根治率98%", "见 效 三天"
    findings = _parsed(answer(*violations, decision=decision), asked(PACK, line(read), title=title))
    assert len(findings.violations) <= len(violations)
    assert bool(findings.violations) == bool(violations)
    for one in findings.violations:
        json.loads(one.model_dump_json())
        if one.evidence.verified:
            assert one.evidence.quote
            assert one.evidence.quote in (title if one.evidence.source is EvidenceSource.TEXT else read)

"""The decision table of the policy, row by row, and what no combination may break."""

from dataclasses import replace
from itertools import product
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.decision import OCR_UNCERTAIN, PARTLY_SEEN, SEMANTICS_UNCHECKED, decide
from consumer.engine import Findings
from schemas import Category, Decision, Detector, Evidence, EvidenceSource, MissingStatement, Severity, Violation

REGULATED = {Category.DRUG_OTC, Category.DRUG_RX, Category.MEDICAL_DEVICE, Category.HEALTH_FOOD, Category.FSMP}
MILDNESS = {Decision.REJECT: 0, Decision.REVIEW: 1, Decision.APPROVE: 2}
PAPERS = frozenset({"M12"})


def violation(severity: Severity, *, verified: bool = True) -> Violation:
    evidence = Evidence(quote="最佳", source=EvidenceSource.TEXT, verified=verified)
    return Violation(
        rule_id="G01", category="food", severity=severity, gist="x", evidence=evidence, detector=Detector.RULES
    )


def absent(rule_id: str = "D03", *, certain: bool = True) -> MissingStatement:
    return MissingStatement(rule_id=rule_id, severity=Severity.CRITICAL, gist="x", expected="y", certain=certain)


@pytest.mark.parametrize(
    ("findings", "decision"),
    [
        (Findings(violations=(violation(Severity.CRITICAL),)), Decision.REJECT),
        (Findings(violations=(violation(Severity.HIGH),)), Decision.REJECT),
        (Findings(violations=(violation(Severity.MEDIUM),)), Decision.REVIEW),
        (Findings(violations=(violation(Severity.LOW),)), Decision.REVIEW),
        (Findings(violations=(violation(Severity.UNKNOWN),)), Decision.REVIEW),
        (Findings(violations=(violation(Severity.CRITICAL, verified=False),)), Decision.REVIEW),
        (Findings(missing=(absent(),)), Decision.REJECT),
        (Findings(missing=(absent(certain=False),)), Decision.REVIEW),
        (Findings(missing=(absent("M12"),), paper_rules=PAPERS), Decision.REVIEW),
        (Findings(missing=(absent("M12"), absent()), paper_rules=PAPERS), Decision.REJECT),
        (Findings(ocr_confident=False), Decision.REVIEW),
        (Findings(degraded=(PARTLY_SEEN,)), Decision.REVIEW),
        (Findings(degraded=(PARTLY_SEEN,), violations=(violation(Severity.HIGH),)), Decision.REJECT),
    ],
)
@pytest.mark.parametrize("model_ran", [False, True])
@pytest.mark.parametrize("unchecked", ["review", "approve"])
@pytest.mark.parametrize("category", [Category.FOOD, Category.DRUG_OTC])
def test_findings_decide_whoever_found_them(
    findings: Findings,
    decision: Decision,
    model_ran: bool,
    unchecked: Literal["review", "approve"],
    category: Category,
) -> None:
    decided = decide(replace(findings, model_ran=model_ran), category, unchecked)
    assert decided.decision is decision
    assert SEMANTICS_UNCHECKED not in decided.degraded


@pytest.mark.parametrize("category", Category)
def test_silence_of_the_words_is_reviewed_where_meaning_matters(category: Category) -> None:
    decided = decide(Findings(), category, "review")
    assert decided.decision is (Decision.REVIEW if category in REGULATED else Decision.APPROVE)
    assert decided.degraded == (SEMANTICS_UNCHECKED,)


@pytest.mark.parametrize("category", Category)
def test_the_demo_setting_approves_silence_and_says_so(category: Category) -> None:
    decided = decide(Findings(), category, "approve")
    assert decided.decision is Decision.APPROVE
    assert decided.degraded == (SEMANTICS_UNCHECKED,)


@pytest.mark.parametrize("category", Category)
def test_silence_of_a_model_approves(category: Category) -> None:
    decided = decide(Findings(model_ran=True, degraded=("downscaled",)), category, "review")
    assert decided.decision is Decision.APPROVE
    assert decided.degraded == ("downscaled",)


def test_uncertain_ocr_is_named() -> None:
    assert decide(Findings(ocr_confident=False), Category.FOOD, "approve").degraded == (OCR_UNCERTAIN,)


violations = st.builds(violation, st.sampled_from(Severity), verified=st.booleans())
statements = st.builds(absent, st.sampled_from(["D03", "M12"]), certain=st.booleans())
findings = st.builds(
    Findings,
    violations=st.lists(violations, max_size=3).map(tuple),
    missing=st.lists(statements, max_size=3).map(tuple),
    model_ran=st.booleans(),
    paper_rules=st.just(PAPERS),
    ocr_confident=st.booleans(),
    degraded=st.sampled_from([(), (PARTLY_SEEN,), ("downscaled",)]),
)


@given(
    findings,
    st.lists(violations, max_size=2),
    st.lists(statements, max_size=2),
    st.sampled_from(Category),
    st.sampled_from(["review", "approve"]),
)
def test_more_findings_never_make_a_decision_milder(
    base: Findings,
    more: list[Violation],
    lacking: list[MissingStatement],
    category: Category,
    unchecked: Literal["review", "approve"],
) -> None:
    worse = replace(base, violations=(*base.violations, *more), missing=(*base.missing, *lacking))
    after = MILDNESS[decide(worse, category, unchecked).decision]
    assert after <= MILDNESS[decide(base, category, unchecked).decision]
    for weaker in (replace(worse, ocr_confident=False), replace(worse, degraded=(*worse.degraded, PARTLY_SEEN))):
        assert MILDNESS[decide(weaker, category, unchecked).decision] <= after


@given(findings, st.sampled_from(Category), st.sampled_from(["review", "approve"]))
def test_only_a_spotless_ad_is_approved(
    found: Findings, category: Category, unchecked: Literal["review", "approve"]
) -> None:
    if decide(found, category, unchecked).decision is Decision.APPROVE:
        assert not found.violations
        assert not found.missing
        assert found.ocr_confident
        assert PARTLY_SEEN not in found.degraded


def test_the_table_leaves_no_case_open() -> None:
    for category, model_ran, confident in product(Category, (False, True), (False, True)):
        decided = decide(Findings(model_ran=model_ran, ocr_confident=confident), category, "review")
        assert decided.decision in MILDNESS

"""The demo's own check can fail: lost, duplicated, wrong decision, wrong rule, wrong reason, stray."""

from datetime import UTC, datetime

from consumer.demo.ads import Expectation
from consumer.demo.check import Check, Expected, check
from schemas import (
    AdVerdict,
    DeadLetter,
    Decision,
    Detector,
    EngineFingerprint,
    Evidence,
    EvidenceSource,
    Reason,
    RecordOrigin,
    Severity,
    Stage,
    Violation,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ORIGIN = RecordOrigin(topic="ad-submissions", partition=0, offset=0)
EXPECTED = Expected(
    {
        "lawful": Expectation(Decision.APPROVE, frozenset(), (), "facts only"),
        "boast": Expectation(Decision.REJECT, frozenset({"G01"}), ("全网 最低价",), "superlative"),
    },
    {"broken": "creative_missing"},
)


def verdict(name: str, decision: Decision, *found: tuple[str, str]) -> AdVerdict:
    return AdVerdict(
        verdict_id="0" * 64,
        submission_id=name,
        revision=1,
        decision=decision,
        violations=tuple(
            Violation(
                rule_id=rule,
                category="general",
                severity=Severity.HIGH,
                gist="",
                evidence=Evidence(quote=quote, source=EvidenceSource.TEXT, verified=True),
                detector=Detector.RULES,
            )
            for rule, quote in found
        ),
        policy_version="1.0",
        engine=EngineFingerprint(name="screening", model="rules", revision="1"),
        origin=ORIGIN,
        judged_at=NOW,
    )


def letter(reason: Reason) -> DeadLetter:
    return DeadLetter(
        reason=reason,
        stage=Stage.FETCH,
        message="gone",
        error_class="PermanentError",
        origin=ORIGIN,
        group="advet",
        attempts=1,
        first_failed_at=NOW,
    )


LAWFUL = verdict("lawful", Decision.APPROVE)
BOAST = verdict("boast", Decision.REJECT, ("G01", "全网最低"))
BROKEN = letter(Reason.CREATIVE_MISSING)


def run(**seen: list[AdVerdict | DeadLetter]) -> Check:
    everything: dict[str, list[AdVerdict | DeadLetter]] = {"lawful": [LAWFUL], "boast": [BOAST], "broken": [BROKEN]}
    return check(EXPECTED, everything | seen, [], 1.5)


def test_all_as_expected() -> None:
    outcome = run()
    assert outcome.passed
    assert outcome.summary() == {
        "submitted": 3,
        "verdicts": 2,
        "dead_letters": 1,
        "by_decision": {"approve": 1, "reject": 1},
        "by_reason": {"creative_missing": 1},
        "expected": 3,
        "as_expected": 3,
        "lost": 0,
        "duplicates": 0,
        "seconds": 1.5,
    }


def test_a_submission_without_outcome_is_lost() -> None:
    outcome = run(boast=[])
    assert (outcome.passed, outcome.lost, outcome.as_expected) == (False, ("boast",), 2)


def test_two_outcomes_are_a_duplicate_even_when_both_are_right() -> None:
    outcome = run(boast=[BOAST, BOAST])
    assert (outcome.passed, outcome.duplicates, outcome.as_expected) == (False, ("boast",), 2)


def test_a_verdict_and_a_dead_letter_of_one_submission_are_a_duplicate() -> None:
    assert run(broken=[BROKEN, LAWFUL]).duplicates == ("broken",)


def test_another_decision_is_told() -> None:
    outcome = run(lawful=[verdict("lawful", Decision.REJECT, ("G01", "最"))])
    assert not outcome.passed
    assert "expected approve, got reject (G01)" in outcome.differences["lawful"]


def test_the_right_decision_for_the_wrong_reason_differs() -> None:
    outcome = run(boast=[verdict("boast", Decision.REJECT, ("G07", "吊打"))])
    assert outcome.differences["boast"] == "not found: G01; not quoted: 全网 最低价"


def test_another_reason_differs() -> None:
    outcome = run(broken=[letter(Reason.STORAGE_UNAVAILABLE)])
    assert outcome.differences["broken"].startswith("expected creative_missing, got storage_unavailable")


def test_a_verdict_where_a_dead_letter_was_due_differs_and_the_other_way_round() -> None:
    outcome = run(broken=[LAWFUL], lawful=[BROKEN])
    assert set(outcome.differences) == {"broken", "lawful"}


def test_a_stray_record_fails_the_check() -> None:
    seen: dict[str, list[AdVerdict | DeadLetter]] = {"lawful": [LAWFUL], "boast": [BOAST], "broken": [BROKEN]}
    assert not check(EXPECTED, seen, ["ad-verdicts[0]@9: key 'x' was never submitted"], 1).passed

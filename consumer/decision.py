"""The decision table: what was found → approve, review or reject. One pure function; the severest row wins.

    verified violation, critical or high                                        reject
    mandatory statement absent, OCR confident                                   reject
    any other violation; OCR not confident; approval number or certificate      review
    nothing, but the ad was seen in part only                                   review   partly_seen
    nothing, the model ran                                                      approve
    nothing, words only: drug, medical device, health food, FSMP                review   semantics_unchecked
    nothing, words only: other categories                                       approve  semantics_unchecked

Absence is never innocence: what could not be read or understood says so in `degraded`. A failure of the machinery
does not come here at all (it is a dead letter), so no error can approve an ad.
"""

from typing import Final, Literal

from consumer.engine import Findings
from consumer.values import value
from schemas import Category, Decision, Severity

PARTLY_SEEN: Final = "partly_seen"
"""Engines put it into `Findings.degraded` when text was cut, or a picture dropped or shrunk beyond reading."""
SEMANTICS_UNCHECKED: Final = "semantics_unchecked"
OCR_UNCERTAIN: Final = "ocr_uncertain"
FINDINGS_CUT: Final = "findings_cut"
"""More was found than the verdict lists; the gravest are there, so the decision is not weaker for it."""
MODEL_UNSURE: Final = "model_unsure"
"""The model asked for a person, or for a rejection, without saying what it found."""
ANSWER_CUT: Final = "answer_cut"
"""The model had more to say than `gpu.max_output_tokens`; what it had said until then counts."""

_INCOMPLETE: Final = frozenset({PARTLY_SEEN, MODEL_UNSURE, ANSWER_CUT})
_GRAVE: Final = frozenset({Severity.CRITICAL, Severity.HIGH})
_MEANING_MATTERS: Final = frozenset(
    {Category.DRUG_OTC, Category.DRUG_RX, Category.MEDICAL_DEVICE, Category.HEALTH_FOOD, Category.FSMP}
)


@value()
class Decided:
    """The decision, and why the judgement behind it is weaker than usual."""

    decision: Decision
    degraded: tuple[str, ...]


def decide(findings: Findings, category: Category, unchecked: Literal["review", "approve"]) -> Decided:
    """Applies the table. `unchecked` is what the second last row says (`policy.unchecked`)."""
    degraded = findings.degraded
    if not findings.ocr_confident:
        degraded = (*degraded, OCR_UNCERTAIN)
    found = findings.violations or findings.missing
    if found and _rejects(findings):
        return Decided(Decision.REJECT, degraded)
    if found or not findings.ocr_confident or not _INCOMPLETE.isdisjoint(degraded):
        return Decided(Decision.REVIEW, degraded)
    if findings.model_ran:
        return Decided(Decision.APPROVE, degraded)
    to_review = category in _MEANING_MATTERS and unchecked == "review"
    return Decided(Decision.REVIEW if to_review else Decision.APPROVE, (*degraded, SEMANTICS_UNCHECKED))


def _rejects(findings: Findings) -> bool:
    return any(found.evidence.verified and found.severity in _GRAVE for found in findings.violations) or any(
        statement.certain and statement.rule_id not in findings.paper_rules for statement in findings.missing
    )

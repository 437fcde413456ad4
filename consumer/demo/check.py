"""What came out, held against what the law says: lost, duplicated, different from the expectation. Pure."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumer.demo.ads import Expectation
from schemas import AdVerdict, DeadLetter

Outcome = AdVerdict | DeadLetter


@dataclass(frozen=True, slots=True)
class Expected:
    """How every submission must end: an ad with a verdict, a broken one with the reason of its dead letter."""

    ads: Mapping[str, Expectation]
    reasons: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Every submission, ads first."""
        return (*self.ads, *self.reasons)

    def difference(self, name: str, outcome: Outcome) -> str | None:
        """What is not as expected, for people; None when all is."""
        if name in self.reasons:
            return _reason_difference(self.reasons[name], outcome)
        return _verdict_difference(self.ads[name], outcome)


@dataclass(frozen=True, slots=True)
class Check:
    """The end of a demo run. `seen` holds every output by submission, in order of arrival."""

    submitted: int
    seconds: float
    seen: Mapping[str, Sequence[Outcome]]
    lost: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    """Outputs that belong to no submission of this run, or that cannot be read."""
    differences: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Every submission ended exactly once and as the law says."""
        return not (self.lost or self.duplicates or self.strays or self.differences)

    @property
    def as_expected(self) -> int:
        """Submissions that ended exactly once and as expected."""
        bad = {*self.lost, *self.duplicates, *self.differences}
        return self.submitted - len(bad)

    def summary(self) -> dict[str, Any]:
        """The JSON object of `advet demo --json`."""
        outcomes = [outcome for ended in self.seen.values() for outcome in ended]
        decisions = Counter(o.decision.value for o in outcomes if isinstance(o, AdVerdict))
        reasons = Counter(o.reason.value for o in outcomes if isinstance(o, DeadLetter))
        return {
            "submitted": self.submitted,
            "verdicts": decisions.total(),
            "dead_letters": reasons.total(),
            "by_decision": dict(sorted(decisions.items())),
            "by_reason": dict(sorted(reasons.items())),
            "expected": self.submitted,
            "as_expected": self.as_expected,
            "lost": len(self.lost),
            "duplicates": len(self.duplicates),
            "seconds": round(self.seconds, 1),
        }


def check(expected: Expected, seen: Mapping[str, Sequence[Outcome]], strays: Sequence[str], seconds: float) -> Check:
    """Compares; `strays` are outputs that belong to no submission."""
    names = expected.names
    differences = {
        name: difference
        for name in names
        if seen.get(name) and (difference := expected.difference(name, seen[name][0])) is not None
    }
    return Check(
        submitted=len(names),
        seconds=seconds,
        seen=seen,
        lost=tuple(name for name in names if not seen.get(name)),
        duplicates=tuple(name for name in names if len(seen.get(name, ())) > 1),
        strays=tuple(strays),
        differences=differences,
    )


def _reason_difference(reason: str, outcome: Outcome) -> str | None:
    if isinstance(outcome, AdVerdict):
        return f"expected the dead letter {reason}, got the verdict {outcome.decision.value}"
    if outcome.reason.value != reason:
        return f"expected {reason}, got {outcome.reason.value}: {outcome.message}"
    return None


def _verdict_difference(expectation: Expectation, outcome: Outcome) -> str | None:
    if isinstance(outcome, DeadLetter):
        return f"expected {expectation.decision.value}, got a dead letter: {outcome.reason.value}: {outcome.message}"
    found = {violation.rule_id for violation in outcome.violations}
    found |= {missing.rule_id for missing in outcome.missing_statements}
    problems = []
    if outcome.decision is not expectation.decision:
        rules = f" ({', '.join(sorted(found))})" if found else ""
        degraded = f" [{', '.join(outcome.degraded)}]" if outcome.degraded else ""
        problems.append(f"expected {expectation.decision.value}, got {outcome.decision.value}{rules}{degraded}")
    if unfound := expectation.rules - found:
        problems.append(f"not found: {', '.join(sorted(unfound))}")
    quotes = [_folded(v.evidence.quote) for v in outcome.violations if v.evidence.quote]
    unquoted = [wanted for wanted in expectation.quotes if not _quoted(_folded(wanted), quotes)]
    if unquoted:
        problems.append(f"not quoted: {', '.join(unquoted)}")
    return "; ".join(problems) or None


def _quoted(wanted: str, quotes: Sequence[str]) -> bool:
    """A longer quote shows it too; a shorter one shows the words that the rule names."""
    return any(wanted in quote or quote in wanted for quote in quotes)


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()

"""Statements the law demands and the ad does not show, in its text or in any of its pictures. Pure.

Absent from confidently read pictures is certain; absent where OCR was unsure or part of the ad was not seen, or where
OCR read something close to the wording, is not. An approval number counts when it is shown, has the form of its
category and has not expired.
Logos are for a model to look for and are never missing here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Final

from consumer.policy.pack import PolicyPack, Requirement, Rule
from consumer.screening.normalise import fold, fold_pattern
from consumer.screening.quotes import Source
from schemas import AdSubmission, Category, MissingStatement, Severity

CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
_NEAR_SHARE: Final = 0.7
"""Share of a wording's character pairs that one picture must show to count as a probable misreading of it."""
_NEAR_CHARS: Final = 6


@dataclass(frozen=True, slots=True)
class _Demand:
    rule: Rule
    requirement: Requirement
    pattern: re.Pattern[str]
    pairs: frozenset[str]

    def concerns(self, category: Category) -> bool:
        named = self.requirement.categories
        return self.rule.applies_to(category) and (not named or category in named)


class RequiredStatements:
    """A pack's mandatory statements, compiled."""

    def __init__(self, pack: PolicyPack) -> None:
        self._demands = tuple(
            _Demand(rule, demand, fold_pattern(demand.pattern), _pairs(fold(demand.wording).text))
            for rule in pack.rules
            for demand in rule.required
        )
        self._certificate_rules = tuple(rule for rule in pack.rules if rule.papers and not rule.required)

    def missing(
        self, submission: AdSubmission, sources: Sequence[Source], *, seen_whole: bool
    ) -> tuple[MissingStatement, ...]:
        """What is absent or expired, in the order of the pack, on the day of the submission in China."""
        day = _day(submission.submitted_at)
        absent = []
        for demand in self._demands:
            if not demand.concerns(submission.category):
                continue
            shown = [match for source in sources for match in demand.pattern.finditer(source.text)]
            if not shown:
                certain = seen_whole and not _nearly_shown(demand.pairs, sources)
                absent.append(_statement(demand.rule, demand.rule.gist, demand.requirement.wording, certain=certain))
            elif all(_expired(match, day) for match in shown):
                absent.append(_statement(demand.rule, "广告批准文号已过有效期", shown[0].group(), certain=True))
        return (*absent, *self._expired_certificates(submission))

    def _expired_certificates(self, submission: AdSubmission) -> Iterator[MissingStatement]:
        for rule in self._certificate_rules:
            for certificate in submission.advertiser.certificates:
                if certificate.expires_at is not None and certificate.expires_at < submission.submitted_at:
                    until = _day(certificate.expires_at)
                    expected = f"{certificate.kind} {certificate.number}(有效期至 {until.isoformat()})"
                    yield _statement(rule, rule.gist, expected, certain=True)


def _statement(rule: Rule, gist: str, expected: str, *, certain: bool) -> MissingStatement:
    return MissingStatement(
        rule_id=rule.id,
        severity=Severity(rule.severity),
        gist=gist,
        expected=expected,
        legal_basis=rule.legal_basis,
        certain=certain,
    )


def _expired(match: re.Match[str], day: date) -> bool:
    """Whether the number's last day, yymmdd, is past or no date at all. Statements without one do not expire."""
    until = match.groupdict().get("until")
    if until is None:
        return False
    try:
        return date(2000 + int(until[:2]), int(until[2:4]), int(until[4:])) < day
    except ValueError:
        return True


def _day(moment: datetime) -> date:
    """The day in China; a moment at either end of the calendar, "for ever", keeps the sender's day."""
    try:
        return moment.astimezone(CHINA).date()
    except OverflowError:
        return moment.date()


def _pairs(wording: str) -> frozenset[str]:
    characters = [char for char in wording if char.isalnum()]
    return frozenset(a + b for a, b in pairwise(characters)) if len(characters) >= _NEAR_CHARS else frozenset()


def _nearly_shown(pairs: frozenset[str], sources: Sequence[Source]) -> bool:
    """Whether OCR read most of the wording in some picture: one wrong character is more likely than an omission."""
    if not pairs:
        return False
    pictures = (source.text for source in sources if source.lines)
    return any(sum(pair in text for pair in pairs) >= _NEAR_SHARE * len(pairs) for text in pictures)

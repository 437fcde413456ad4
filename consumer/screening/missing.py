"""Statements the law demands and the ad does not show, in its text or in any of its pictures. Pure.

Absent from confidently read pictures is certain; absent where OCR was unsure or part of the ad was not seen, or where
OCR read something close to the wording, is not. An approval number counts when it is shown, has the form of its
category and has not expired. Some statements are asked for only where the ad's words call for them.
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
_MONTH_DAYS: Final = 31
_PAST: Final = "广告批准文号已过有效期"
_OTHER_KIND: Final = "广告批准文号与商品类别不符"


@dataclass(frozen=True, slots=True)
class _Demand:
    rule: Rule
    requirement: Requirement
    pattern: re.Pattern[str]
    when: re.Pattern[str] | None
    pairs: frozenset[str]

    def concerns(self, category: Category) -> bool:
        named = self.requirement.categories
        return self.rule.applies_to(category) and (not named or category in named)

    def called_for(self, sources: Sequence[Source]) -> bool:
        return self.when is None or any(self.when.search(source.text) for source in sources)

    def shown(self, sources: Sequence[Source]) -> list[re.Match[str]]:
        return [match for source in sources for match in self.pattern.finditer(source.text)]


class RequiredStatements:
    """A pack's mandatory statements, compiled."""

    def __init__(self, pack: PolicyPack) -> None:
        self._demands = tuple(
            _Demand(
                rule,
                demand,
                fold_pattern(demand.pattern),
                fold_pattern(demand.when) if demand.when else None,
                _pairs(fold(demand.wording).text),
            )
            for rule in pack.rules
            for demand in rule.required
        )
        self._concerning = {
            category: tuple(demand for demand in self._demands if demand.concerns(category)) for category in Category
        }
        self._certificate_rules = tuple(rule for rule in pack.rules if rule.papers and not rule.required)

    def missing(
        self, submission: AdSubmission, sources: Sequence[Source], *, seen_whole: bool
    ) -> tuple[MissingStatement, ...]:
        """What is absent or expired, in the order of the pack, on the day of the submission in China."""
        day = _day(submission.submitted_at)
        absent = []
        for demand in self._concerning[submission.category]:
            if not demand.called_for(sources):
                continue
            shown = demand.shown(sources)
            if not shown:
                certain = seen_whole and not _nearly_shown(demand.pairs, sources)
                gist = _OTHER_KIND if self._of_another_kind(demand, sources) else demand.rule.gist
                absent.append(_statement(demand.rule, gist, demand.requirement.wording, certain=certain))
            elif all(_expired(match, demand.requirement.valid_years, day) for match in shown):
                absent.append(_statement(demand.rule, _PAST, shown[0].group(), certain=True))
        return (*absent, *self._expired_certificates(submission))

    def _of_another_kind(self, demand: _Demand, sources: Sequence[Source]) -> bool:
        """Whether the ad shows the number of another category."""
        others = (other for other in self._demands if other.rule is demand.rule and other is not demand)
        return demand.rule.papers and any(other.shown(sources) for other in others)

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


def _expired(match: re.Match[str], valid_years: int, day: date) -> bool:
    """Whether the number's last day is past or no date at all. Statements without one do not expire."""
    parts = match.groupdict()
    try:
        if until := "".join((parts.get("until") or "").split()):
            return date(2000 + int(until[:2]), int(until[2:4]), int(until[4:])) < day
        if year := parts.get("year"):
            issued = date(int(year), int(parts["month"]), 1)
            # the day before the anniversary, counted from the month's first so that 29 February has one
            last = issued.replace(year=issued.year + valid_years) + timedelta(days=int(parts["day"]) - 2)
            return not 1 <= int(parts["day"]) <= _MONTH_DAYS or last < day
    except (ValueError, OverflowError):
        return True
    return False


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

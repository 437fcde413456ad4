"""A pack tried on its own examples: each rule must find its positives and pass its traps. Pure.

Run at the start of every consumer and by `advet policy test`. A phrase is judged as the text of an ad of the rule's
first category, on one fixed day; rules that only a model can judge have no examples here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from consumer.errors import StartRefused
from consumer.policy.pack import PolicyPack, Rule
from consumer.screening.matcher import Matcher
from consumer.screening.missing import RequiredStatements
from consumer.screening.quotes import sources_of
from schemas import AdSubmission, AdText, Category, Media
from schemas.submission import Advertiser, Placement

_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Examples with a date must not begin to fail when it passes."""


@dataclass(frozen=True, slots=True)
class Example:
    """One phrase of a rule, and whether it came out as the pack says."""

    rule_id: str
    phrase: str
    wanted: bool
    found: bool

    @property
    def holds(self) -> bool:
        """Whether a positive was found or a trap passed."""
        return self.found == self.wanted


def decided_by_words(rule: Rule) -> bool:
    """Whether screening can find the rule: its words prove it, or a statement is missing."""
    return rule.lexical or bool(rule.required)


def try_examples(pack: PolicyPack, matcher: Matcher, required: RequiredStatements) -> Iterator[Example]:
    """Every example of every rule that words decide, in the order of the pack."""
    for rule in filter(decided_by_words, pack.rules):
        for phrases, wanted in ((rule.positives, True), (rule.traps, False)):
            for phrase in phrases:
                yield Example(rule.id, phrase, wanted, _found(rule, phrase, matcher, required))


def check_examples(pack: PolicyPack, matcher: Matcher, required: RequiredStatements) -> None:
    """Raises StartRefused naming the rule and the phrase of the first example that does not hold."""
    for example in try_examples(pack, matcher, required):
        if not example.holds:
            fault = "does not find its example" if example.wanted else "finds its counter-example"
            raise StartRefused(
                f"policy pack: rule {example.rule_id} {fault} {example.phrase!r}; correct the rule's words"
            )


def _found(rule: Rule, phrase: str, matcher: Matcher, required: RequiredStatements) -> bool:
    category = next((category for category in Category if rule.applies_to(category)), Category.GENERAL)
    media = rule.placement.media[0] if rule.placement else Media.INTERNET
    ad = AdSubmission(
        submission_id=rule.id,
        revision=0,
        advertiser=Advertiser(id=rule.id),
        category=category,
        text=AdText(body=phrase),
        placement=Placement(media=media),
        submitted_at=_DAY,
    )
    sources = sources_of(ad.text, ())
    if any(hit.rule.id == rule.id for hit in matcher.hits(sources, category, media)):
        return True
    return any(one.rule_id == rule.id for one in required.missing(ad, sources, seen_whole=True))

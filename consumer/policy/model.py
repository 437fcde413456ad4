"""The law as data: a policy pack, validated whole before anything reads it (`policy.pack` reads the files).

`screening` and `inference` read it. A pack that is wrong in one place is refused whole, with the file, the rule and the
reason, so that no ad is judged by half of the law.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from consumer.policy.patterns import check_pattern, expand
from schemas import Category, LegalBasis, Media, Severity
from schemas.verdict import PolicyVersion

EVERY_CATEGORY: Final = "*"
KIND_PARTS: Final = frozenset({"lexical", "missing", "semantic", "visual", "vlm", "meta", "papers"})
MODEL_PARTS: Final = frozenset({"semantic", "visual", "vlm"})
GRAVITY: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Z]\d{2,3}$")]
Need = Literal[
    "placement.media",
    "advertiser.certificates",
    "approval_number",
    "landing_url",
    "submitted_at",
    "approved_indications",
]
"""Facts beside words and pictures that a rule asks for; the last one is not part of a submission yet."""


@dataclass(frozen=True, slots=True)
class Shorthand:
    """What the head of a pack defines for its rules; the context in which they are validated."""

    terms: Mapping[str, str]
    penalties: Mapping[str, Severity]


def _pattern(pattern: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Shorthand):
        pattern = expand(pattern, info.context.terms)
    check_pattern(pattern)
    return pattern


def _known(severity: Severity) -> Severity:
    if severity is Severity.UNKNOWN:
        raise ValueError("unknown severity: use critical, high, medium or low")
    return severity


Gravity = Annotated[Severity, AfterValidator(_known)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Basis(_Part):
    """A citation; `verified` once a person has checked it against the law's text."""

    citation: Text
    verified: bool = False


class Change(_Part):
    """One version of the pack and what it brought."""

    version: PolicyVersion
    date: date
    note: Text


class Requirement(_Part):
    """A statement that must be shown.

    A pattern that names `until` is an approval number with its last day, yymmdd; one that names `year`, `month` and
    `day` was issued then and holds for `valid_years`.
    """

    wording: Text
    pattern: Pattern
    categories: tuple[Category, ...] = ()
    """Empty: all categories of the rule."""
    when: Pattern | None = None
    """Asked for only in ads whose words match this."""
    valid_years: int = Field(default=1, ge=1, le=10)


class PlacementRule(_Part):
    """Where an ad must not run."""

    media: tuple[Media, ...] = Field(min_length=1)
    categories: tuple[Category, ...] = ()
    """Empty: all categories of the rule."""
    alone: bool = False
    """The placement itself violates, whatever the words are."""
    gates: bool = False
    """The rule's words violate in these media only."""


class Rule(_Part):
    """One rule of the law. Patterns are matched on folded text (`screening.normalise`)."""

    id: RuleId
    categories: tuple[Category | Literal["*"], ...] = Field(min_length=1)
    penalty: tuple[Text, ...] = Field(min_length=1)
    """Articles that punish the breach, of the pack's `penalties`; the gravest sets the severity."""
    severity: Severity
    kind: str
    gist: Text
    basis: tuple[Basis, ...] = Field(min_length=1, max_length=16)
    suggestion: Text
    """What the advertiser should do, in Chinese; `advice` has both languages."""
    suggestion_en: Text
    lexicon: tuple[Text, ...] = ()
    regex: tuple[Pattern, ...] = ()
    exceptions: tuple[Pattern, ...] = ()
    """Where one of these matches, the rule finds nothing."""
    doubtful: tuple[Pattern, ...] = ()
    """Words within one of these may be lawful: the finding stays, with severity low, for a person."""
    unless_shown: tuple[Pattern, ...] = ()
    """Anywhere in the ad, one of these makes the rule's words lawful."""
    special_cases: tuple[RuleId, ...] = ()
    """Rules that forbid outright what this one forbids in general: where their words are found, it is silent."""
    required: tuple[Requirement, ...] = ()
    placement: PlacementRule | None = None
    needs: tuple[Need, ...] = ()
    negation_guard: bool = False
    words_verified: bool = False
    """Whether a person has checked the lexicon and the patterns against the law."""
    positives: tuple[Text, ...] = ()
    traps: tuple[Text, ...] = ()
    prompt: Annotated[str, StringConstraints(max_length=1000)] = ""
    """The rule's card for a model: what to look for, and what does not count."""

    @model_validator(mode="before")
    @classmethod
    def _severity_of_the_penalty(cls, rule: Any, info: ValidationInfo) -> Any:
        if not isinstance(rule, dict) or not isinstance(info.context, Shorthand):
            return rule
        if "severity" in rule:
            raise ValueError("severity follows from the penalty: leave it out")
        articles, known = rule.get("penalty"), info.context.penalties
        if not isinstance(articles, list) or not articles:
            return rule  # its own field says what is wrong
        unknown = [str(article) for article in articles if article not in known]
        if unknown:
            raise ValueError(f"penalty {', '.join(unknown)} is none of the pack's penalties: {', '.join(known)}")
        return {**rule, "severity": min((known[article] for article in articles), key=GRAVITY.index)}

    @field_validator("basis", mode="before")
    @classmethod
    def _bare_citations(cls, basis: Any) -> Any:
        return (
            [{"citation": one} if isinstance(one, str) else one for one in basis] if isinstance(basis, list) else basis
        )

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        unknown = set(kind.split("+")) - KIND_PARTS
        if unknown:
            raise ValueError(f"unknown kind {'+'.join(sorted(unknown))!r}: use {', '.join(sorted(KIND_PARTS))}")
        return kind

    @model_validator(mode="after")
    def _kind_has_its_data(self) -> Self:
        if self.lexical and not (self.lexicon or self.regex):
            raise ValueError("kind 'lexical' needs a lexicon or a regex")
        if "missing" in self.parts and not (self.required or self.unless_shown or self.prompt):
            raise ValueError("kind 'missing' needs required statements")
        if self.required and "missing" not in self.parts:
            raise ValueError("required statements belong to kind 'missing'")
        if "meta" in self.parts and self.placement is None:
            raise ValueError("kind 'meta' needs a placement")
        if self.parts & MODEL_PARTS and not self.prompt:
            raise ValueError(f"kind {self.kind!r} needs a prompt card")
        return self

    @cached_property
    def parts(self) -> frozenset[str]:
        """The kind, taken apart: 'lexical+vlm' is {'lexical', 'vlm'}."""
        return frozenset(self.kind.split("+"))

    @property
    def lexical(self) -> bool:
        """Whether words alone prove a violation. The lexicons of other kinds are cues for a model, no proof."""
        return "lexical" in self.parts

    @property
    def papers(self) -> bool:
        """What is missing is an approval number or a certificate: a person looks, it is no certain violation."""
        return "papers" in self.parts

    @cached_property
    def advice(self) -> str:
        """What the advertiser should do, in Chinese and English."""
        return f"{self.suggestion} / {self.suggestion_en}"

    @cached_property
    def legal_basis(self) -> tuple[LegalBasis, ...]:
        """Citations as a verdict shows them."""
        return tuple(LegalBasis(citation=one.citation, verified=one.verified) for one in self.basis)

    def applies_to(self, category: Category) -> bool:
        """Whether ads of this category fall under the rule."""
        return EVERY_CATEGORY in self.categories or category in self.categories


class PolicyPack(_Part):
    """All rules of one jurisdiction, in the order of the files."""

    version: PolicyVersion
    jurisdiction: Text
    status: Text
    history: tuple[Change, ...] = ()
    penalties: dict[Text, Gravity] = Field(min_length=1)
    terms: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]+$")], Text] = {}
    """Parts of patterns by name; rules write {name}."""
    sound_alikes: dict[Text, tuple[Text, ...]] = {}
    """Words and the spellings that sound like them; a lexicon's words are found in these too."""
    rules: tuple[Rule, ...] = Field(min_length=1)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Of the files' bytes; set when they are read."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
        if twice:
            raise ValueError(f"duplicate rule id: {', '.join(twice)}")
        unknown = sorted({other for rule in self.rules for other in rule.special_cases} - set(ids))
        if unknown:
            raise ValueError(f"special_cases names {', '.join(unknown)}, which the pack does not have")
        if self.history and self.history[0].version != self.version:
            raise ValueError(f"history begins with {self.history[0].version}, but the version is {self.version}")
        return self

    def rules_for(self, category: Category) -> tuple[Rule, ...]:
        """The rules that ads of this category fall under."""
        return tuple(rule for rule in self.rules if rule.applies_to(category))

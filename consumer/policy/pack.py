"""The law as data: a policy pack is one JSON file, validated whole before anything reads it.

Loaded once at the start by `app`; `screening` and `inference` read it. A pack that is wrong in one place is
refused whole, with the file, the rule and the reason, so that no ad is judged by half of the law.
"""

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from consumer.errors import StartRefused
from schemas import Category, LegalBasis, Media, Severity
from schemas.verdict import PolicyVersion

SHIPPED: Final = files("consumer.policy") / "packs" / "cn" / "rules.json"
EVERY_CATEGORY: Final = "*"
KIND_PARTS: Final = frozenset({"lexical", "missing", "semantic", "visual", "vlm", "meta", "papers"})

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_ATOMS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    if _UNBOUNDED.search(_ATOMS.sub("x", pattern)):
        # every match is then short, which keeps matching linear in the length of a hostile text
        raise ValueError(f"{pattern!r} has no upper bound: write {{0,9}} or {{1,9}} instead of * or +")
    return pattern


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Requirement(_Part):
    """A statement that must be shown. `until`, if the pattern names it, is its last day as yymmdd."""

    wording: Text
    pattern: Text
    categories: tuple[Category, ...] = ()
    """Empty: all categories of the rule."""

    _pattern = field_validator("pattern")(_check_pattern)


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

    id: Annotated[str, StringConstraints(pattern=r"^[A-Z]\d{2,3}$")]
    categories: tuple[Category | Literal["*"], ...] = Field(min_length=1)
    severity: Severity
    kind: str
    gist: Text
    basis: tuple[Text, ...] = Field(min_length=1, max_length=16)
    suggestion: Text
    lexicon: tuple[Text, ...] = ()
    regex: tuple[Text, ...] = ()
    exceptions: tuple[Text, ...] = ()
    """Where one of these matches, the rule finds nothing."""
    unless_shown: tuple[Text, ...] = ()
    """Anywhere in the ad, one of these makes the rule's words lawful."""
    required: tuple[Requirement, ...] = ()
    placement: PlacementRule | None = None
    negation_guard: bool = False
    positives: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()
    prompt: str = ""
    penalty: str = ""

    _patterns = field_validator("regex", "exceptions", "unless_shown")(
        lambda patterns: tuple(map(_check_pattern, patterns))
    )

    @field_validator("severity")
    @classmethod
    def _known_severity(cls, severity: Severity) -> Severity:
        if severity is Severity.UNKNOWN:
            raise ValueError("unknown severity: use critical, high, medium or low")
        return severity

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
        if "meta" in self.parts and self.placement is None:
            raise ValueError("kind 'meta' needs a placement")
        return self

    @property
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

    @property
    def legal_basis(self) -> tuple[LegalBasis, ...]:
        """Citations; none is verified until a person has checked it."""
        return tuple(LegalBasis(citation=citation, verified=False) for citation in self.basis)

    def applies_to(self, category: Category) -> bool:
        """Whether ads of this category fall under the rule."""
        return EVERY_CATEGORY in self.categories or category in self.categories


class PolicyPack(_Part):
    """All rules of one jurisdiction, in the order of the file."""

    version: PolicyVersion
    jurisdiction: Text
    status: Text
    rules: tuple[Rule, ...] = Field(min_length=1)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Of the file's bytes; set by `load_pack`."""

    @field_validator("rules")
    @classmethod
    def _distinct_ids(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        twice = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
        if twice:
            raise ValueError(f"duplicate rule id: {', '.join(twice)}")
        return rules

    def rules_for(self, category: Category) -> tuple[Rule, ...]:
        """The rules that ads of this category fall under."""
        return tuple(rule for rule in self.rules if rule.applies_to(category))


def load_pack(path: Path | None = None) -> PolicyPack:
    """Reads and checks a pack; None is the one that ships. Raises StartRefused: file, rule, reason."""
    name = str(path or "the shipped policy pack")
    try:
        content = (path or SHIPPED).read_bytes()
    except OSError as error:
        raise StartRefused(f"{name}: cannot be read ({error.strerror}); check policy.pack") from error
    try:
        pack = PolicyPack.model_validate_json(content)
    except ValidationError as error:
        raise StartRefused(f"{name}: {_explain(error, content)}") from error
    return pack.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})


def _explain(error: ValidationError, content: bytes) -> str:
    """The first few faults, each with the id of the rule it is in."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False)[:5]:
        where = fault["loc"]
        field = ".".join(str(part) for part in where)
        if len(where) >= 2 and where[0] == "rules" and isinstance(where[1], int):
            field = f"rule {_rule_id(content, where[1])}: {'.'.join(str(part) for part in where[2:])}".rstrip(": ")
        lines.append(f"{field}: {fault['msg']}" if field else fault["msg"])
    return "; ".join(lines)


class _IdOnly(BaseModel):
    id: object = None


class _Ids(BaseModel):
    rules: Sequence[_IdOnly]


def _rule_id(content: bytes, index: int) -> str:
    """The id of a rule of a broken pack; its place in the file if it has none."""
    try:
        rule_id = _Ids.model_validate_json(content).rules[index].id
    except ValidationError:
        rule_id = None
    return str(rule_id or f"number {index + 1}")

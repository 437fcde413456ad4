"""From the model's text to findings: checked against the grammar, the pack, and what the ad really says. Pure.

The model names a rule, a place and the words; everything else about a violation (severity, law, suggestion) comes
from the pack. Its words count as verified only where the ad's text or a picture's OCR lines say them; the box is
then that of those lines. What the model merely saw stays unverified, so that a person looks.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumer.errors import PermanentError
from consumer.inference import grammar
from consumer.inference.prompt import Line, Prompt, model_rules
from consumer.inference.quoting import Bare, bare, find
from consumer.policy.model import PolicyPack, Rule
from schemas import Box, Category, Detector, Evidence, EvidenceSource, Reason, Stage, Violation

APPROVAL_NEEDED: Final = frozenset(
    {
        Category.DRUG_OTC,
        Category.DRUG_RX,
        Category.MEDICAL_DEVICE,
        Category.HEALTH_FOOD,
        Category.FSMP,
        Category.MEDICAL_SERVICE,
        Category.TOBACCO,
    }
)
"""Goods under the strictest rules: one that is declared as something else escapes them."""
MAX_EVIDENCE_CHARS: Final = 200
"""Of an ad's own words: longer than a quote, since blanks between them come with them."""
_LIST: Final = re.compile(r'"violations"\s*:\s*\[')
_BETWEEN: Final = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class ModelFindings:
    """What the model found in one ad."""

    violations: tuple[Violation, ...]
    uncertain: bool
    """It doubts the ad without naming a violation, or sees a good that is not the one declared: a person looks."""
    cut: bool
    """Its answer reached the limit of tokens; the violations it had written completely are here."""


class _Found(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule_id: str
    where: Annotated[str, Field(pattern=rf"^({grammar.WHERE})$")]
    quote: Annotated[str, Field(max_length=grammar.MAX_QUOTE_CHARS)]
    bbox: (
        Annotated[list[Annotated[int, Field(ge=0, le=grammar.BOX_SCALE)]], Field(min_length=4, max_length=4)] | None
    ) = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Category
    violations: Annotated[list[_Found], Field(max_length=grammar.MAX_VIOLATIONS)]
    decision: Literal["approve", "reject", "review"]


def parse(text: str, prompt: Prompt, pack: PolicyPack, *, finished: bool) -> ModelFindings:
    """The findings in what the model wrote about `prompt`, which was built from the same pack.

    `finished`: it ended by itself. Raises PermanentError (`model_output_invalid`) for what the grammar forbids.
    """
    try:
        if finished:
            answer = _Answer.model_validate_json(text)
            found: Sequence[_Found] = answer.violations
        else:
            answer, found = None, list(_complete(text))
        rules = {rule.id: rule for rule in model_rules(pack, prompt.category)}
        unknown = [one.rule_id for one in found if one.rule_id not in rules]
    except ValidationError as error:
        raise _invalid(f"{error.error_count()} faults against its grammar") from error
    if unknown:
        raise _invalid("a rule that the prompt does not contain")
    evidence = _Evidence(prompt)
    violations = tuple(
        dict.fromkeys(_violation(rules[one.rule_id], prompt.category, evidence.of(one)) for one in found)
    )
    if answer is None:
        return ModelFindings(violations, uncertain=not violations, cut=True)
    misdeclared = answer.category in APPROVAL_NEEDED and prompt.category not in APPROVAL_NEEDED
    doubted = answer.decision != "approve" and not violations
    return ModelFindings(violations, uncertain=misdeclared or doubted, cut=False)


def _complete(text: str) -> Iterator[_Found]:
    """The violations that stand complete in an answer that was cut."""
    start = _LIST.search(text)
    if start is None:
        if not text.startswith("{"):
            raise _invalid("it does not begin as its grammar demands")
        return
    at, decoder = start.end(), json.JSONDecoder()
    while text[at : at + 1] != "]":
        try:
            _, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return
        yield _Found.model_validate_json(text[at:end])
        between = _BETWEEN.match(text, end)
        at = between.end() if between else end


def _violation(rule: Rule, category: Category, evidence: Evidence) -> Violation:
    return Violation(
        rule_id=rule.id,
        category=category.value,
        severity=rule.severity,
        gist=rule.gist,
        evidence=evidence,
        legal_basis=rule.legal_basis,
        suggestion=rule.advice,
        detector=Detector.MODEL,
    )


def _invalid(what: str) -> PermanentError:
    return PermanentError(Reason.MODEL_OUTPUT_INVALID, Stage.JUDGE, f"the model's answer has {what}")


class _Source:
    """Lines that are read as one text, so that a quote may run over their ends."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._text = "\n".join(line.text for line in lines)
        self._starts = tuple(accumulate((len(line.text) + 1 for line in lines[:-1]), initial=0))
        self._bare: Bare = bare(self._text)

    def evidence(self, quote: str, assets: Sequence[str]) -> Evidence | None:
        """Where the quote stands, if it does."""
        span = find(quote, self._bare) if self._lines else None
        if span is None:
            return None
        start, end = span
        lines = self._lines[bisect_right(self._starts, start) - 1 : bisect_right(self._starts, end - 1)]
        picture = lines[0].picture
        return Evidence(
            quote=self._text[start:end][:MAX_EVIDENCE_CHARS],
            source=EvidenceSource.TEXT if picture is None else EvidenceSource.IMAGE,
            asset_id=None if picture is None else assets[picture],
            bbox=_around([line.box for line in lines if line.box is not None]),
            verified=True,
        )


class _Evidence:
    """The ad's words, looked up first where the model says that it read them, then everywhere."""

    def __init__(self, prompt: Prompt) -> None:
        self._assets = prompt.assets
        self._lines: Mapping[str, Line] = {line.label: line for line in prompt.lines}
        pictures = (None, *range(len(prompt.assets)))
        self._sources = {
            picture: _Source([line for line in prompt.lines if line.picture == picture]) for picture in pictures
        }

    def of(self, found: _Found) -> Evidence:
        """Verified where the ad says what is quoted; else as the model states it, as far as that can be."""
        line = self._lines.get(found.where)
        picture = int(found.where[1:].partition("-")[0]) if found.where.startswith("I") else None
        named = [_Source([line])] if line else []
        named += [self._sources[picture]] if picture in self._sources else []
        for source in (*named, *self._sources.values()):
            evidence = source.evidence(found.quote, self._assets)
            if evidence is not None:
                return evidence
        known = picture is not None and picture < len(self._assets)
        return Evidence(
            quote=found.quote or None,
            source=EvidenceSource.TEXT if picture is None else EvidenceSource.IMAGE,
            asset_id=self._assets[picture] if picture is not None and known else None,
            bbox=_scaled(found.bbox) if known and found.bbox else None,
            verified=False,
        )


def _around(boxes: Sequence[tuple[float, float, float, float]]) -> Box | None:
    if not boxes:
        return None
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in (min(lefts), min(tops), max(rights), max(bottoms)))
    return Box(x0=x0, y0=y0, x1=x1, y1=y1)


def _scaled(corners: Sequence[int]) -> Box | None:
    """The model's box in fractions; None when it has no area."""
    x0, y0, x1, y1 = (corner / grammar.BOX_SCALE for corner in corners)
    if x0 == x1 or y0 == y1:
        return None
    return Box(x0=min(x0, x1), y0=min(y0, y1), x1=max(x0, x1), y1=max(y0, y1))

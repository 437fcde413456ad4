"""What was judged, held against the gold: counted ad by ad, scored from the counts. Pure.

Counts add up, so any sample of ads is scored from the sum of theirs; that is how `bootstrap` comes to its intervals.
All scores are shares from 0 to 1; a score whose ads do not occur is left out, never 0.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from consumer.evaluation.items import Item, Quote
from consumer.evaluation.judge import Box, Judged
from consumer.screening.normalise import fold
from schemas import Decision

Tally = Counter[str]
Scores = dict[str, float]

DECISIONS: Final = (Decision.APPROVE, Decision.REVIEW, Decision.REJECT)
BOX_HIT: Final = 0.5
"""Intersection over union of the evidence's box with the gold lines' one."""


def tally(item: Item, judged: Judged, critical: frozenset[str]) -> Tally:
    """The counts of one ad; `critical` names the rules whose breach must never be approved."""
    counts: Tally = Counter({f"decision/{item.decision}/{judged.decision}": 1})
    gold = set(item.gold_rules)
    for outcome, rules in (
        ("hit", gold & judged.rules),
        ("missed", gold - judged.rules),
        ("extra", judged.rules - gold),
    ):
        counts.update(f"rule/{rule}/{outcome}" for rule in rules)
    if gold & critical:
        counts["critical"] += 1
        counts["critical_approved"] += judged.decision is Decision.APPROVE
    if item.kind in ("trap", "clean"):
        counts[item.kind] += 1
        counts[f"{item.kind}_{judged.decision}"] += 1
    counts["evidence"] += len(judged.evidence)
    counts["evidence_verified"] += sum(one.verified for one in judged.evidence)
    counts.update(_quotes(item, judged))
    return counts


def _quotes(item: Item, judged: Judged) -> Iterator[str]:
    """For each quote of a rule that was found: whether the evidence quotes it, and points at its lines."""
    for gold in item.quotes:
        same_rule = [one for one in judged.evidence if one.rule == gold.rule]
        if not same_rule:
            continue
        yield "quotes"
        wanted = _bare(gold.text)
        agreeing = [one for one in same_rule if (got := _bare(one.quote)) and (wanted in got or got in wanted)]
        if agreeing:
            yield "quotes_found"
        shown = [one.box for one in same_rule if one.box and one.picture == gold.where]
        if shown and (drawn := _boxes_of(item, gold)):
            yield "boxes"
            if any(_overlap(box, other) >= BOX_HIT for box in shown for other in drawn):
                yield "boxes_hit"


def _boxes_of(item: Item, gold: Quote) -> list[Box]:
    """The lines that hold a rule's quotes in a picture, one by one and all together: a quote may take several."""
    if not isinstance(gold.where, int):
        return []
    boxes: list[Box] = [line.box for line in item.pictures[gold.where].lines if gold.rule in line.rules]
    if not boxes:
        return []
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return [*boxes, (min(lefts), min(tops), max(rights), max(bottoms))]


def _bare(text: str) -> str:
    return "".join(char for char in fold(text).text if char.isalnum())


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(other) - both)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def summed(tallies: Iterable[Tally]) -> Tally:
    """The counts of all."""
    total: Tally = Counter()
    for one in tallies:
        total.update(one)
    return total


def by_template(items: Iterable[Item], tallies: Iterable[Tally]) -> dict[str, Tally]:
    """The counts of each template's ads."""
    grouped: dict[str, Tally] = defaultdict(Counter)
    for item, counts in zip(items, tallies, strict=True):
        grouped[item.template].update(counts)
    return grouped


def scores(counts: Tally) -> Scores:
    """All scores of some ads' counts."""
    found = dict(_decision_scores(counts))
    rules = rule_scores(counts)
    if rules:
        found["macro_rule_f1"] = sum(rules.values()) / len(rules)
    for name, (part, whole) in _SHARES.items():
        if counts[whole]:
            found[name] = counts[part] / counts[whole]
    return found


_SHARES: Final[Mapping[str, tuple[str, str]]] = {
    "critical_false_approve": ("critical_approved", "critical"),
    "trap_false_reject": ("trap_reject", "trap"),
    "trap_review": ("trap_review", "trap"),
    "clean_review": ("clean_review", "clean"),
    "clean_false_reject": ("clean_reject", "clean"),
    "evidence_verified": ("evidence_verified", "evidence"),
    "quotes_agree": ("quotes_found", "quotes"),
    "boxes_hit": ("boxes_hit", "boxes"),
}


def rule_scores(counts: Tally) -> dict[str, float]:
    """F1 of every rule that the gold names or the judge found."""
    rules = sorted({name.split("/")[1] for name, count in counts.items() if count and name.startswith("rule/")})
    return {
        rule: f1(counts[f"rule/{rule}/hit"], counts[f"rule/{rule}/extra"], counts[f"rule/{rule}/missed"])
        for rule in rules
    }


def _decision_scores(counts: Tally) -> Iterator[tuple[str, float]]:
    """Precision, recall and F1 of each decision, and their means over the decisions that occur."""
    table = {(gold, got): counts[f"decision/{gold}/{got}"] for gold in DECISIONS for got in DECISIONS}
    total = sum(table.values())
    if not total:
        return
    yield "accuracy", sum(table[one, one] for one in DECISIONS) / total
    yield "review_share", sum(table[gold, Decision.REVIEW] for gold in DECISIONS) / total
    means: dict[str, list[float]] = {"precision": [], "recall": [], "f1": []}
    for one in DECISIONS:
        right = table[one, one]
        extra = sum(table[other, one] for other in DECISIONS) - right
        missed = sum(table[one, other] for other in DECISIONS) - right
        if not right + extra + missed:
            continue
        one_scores = {
            "precision": right / (right + extra) if right + extra else 0.0,
            "recall": right / (right + missed) if right + missed else 0.0,
            "f1": f1(right, extra, missed),
        }
        for name, value in one_scores.items():
            means[name].append(value)
            yield f"{one}_{name}", value
    for name, values in means.items():
        yield f"decision_{name}", sum(values) / len(values)


def f1(right: int, extra: int, missed: int) -> float:
    """Harmonic mean of precision and recall; at least one count must not be 0."""
    return 2 * right / (2 * right + extra + missed)

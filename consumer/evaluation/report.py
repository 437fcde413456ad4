"""What an evaluation says: scores of every judge on each set and part, by perturbation and by rule, and the bars. Pure.

Sets A and B stand apart. The bars, the rules and the perturbations are all of set A. The phrases that the rules were
worked on with (`tune`) and those that nobody had seen (`held_out`) have figures of their own in the groups, too: the
second show what unseen wordings cost.
Drops are in points of decision F1, against gold text of the ads as they were before anything was done to them: what the
disguise costs and what OCR costs count together.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

from consumer.evaluation.bootstrap import Interval, intervals
from consumer.evaluation.items import Item
from consumer.evaluation.judge import Judged, Unread
from consumer.evaluation.metrics import Tally, by_template, rule_scores, scores, summed, tally

TEXT: Final = "rules on gold text"
OCR: Final = "rules on OCR"
ALWAYS_REJECT: Final = "always reject"
ALWAYS_REVIEW: Final = "always review"
EVERY_PART: Final = "all"
PARTS: Final = (EVERY_PART, "tune", "held_out")
MIDDLE: Final = 2
_SEED: Final = 8
"""Of the intervals: the same counts give the same ones."""


@dataclass(frozen=True, slots=True)
class Score:
    """A share, and between what values it would lie with other ads (95 %)."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One judge on one part of one set."""

    set: str
    part: str
    judge: str
    items: int
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class Perturbed:
    """One perturbation in one strength, judged on OCR; `text_f1` is what gold text of the same ads gives."""

    name: str
    strength: int
    items: int
    text_f1: float
    ocr_f1: Score
    drop: float


@dataclass(frozen=True, slots=True)
class RuleScore:
    """One rule by one judge."""

    judge: str
    rule: str
    f1: float
    hit: int
    extra: int
    missed: int


@dataclass(frozen=True, slots=True)
class Miss:
    """An ad that came out otherwise than its gold says."""

    item: str
    set: str
    part: str
    kind: str
    judge: str
    gold: str
    decision: str
    missed: tuple[str, ...]
    extra: tuple[str, ...]
    perturbation: str | None
    strength: int


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach; `value` None: not measured this time."""

    name: str
    value: float | None
    limit: float
    at_least: bool

    @property
    def side(self) -> str:
        """On which side of the limit the value must lie."""
        return "at least" if self.at_least else "at most"

    @property
    def passed(self) -> bool | None:
        """None: not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Report:
    """All of it; `facts` says what was judged by what."""

    facts: Mapping[str, object]
    groups: tuple[Group, ...]
    perturbed: tuple[Perturbed, ...]
    rules: tuple[RuleScore, ...]
    bars: tuple[Bar, ...]
    misses: tuple[Miss, ...]
    unread: tuple[Unread, ...] = ()
    decisions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Judge → "gold/decision" → ads of set A."""

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `json`."""
        return {
            **asdict(self),
            "bars": [{**asdict(bar), "passed": bar.passed} for bar in self.bars],
        }


@dataclass(frozen=True, slots=True)
class Counted:
    """A judge's ads with their counts, in one order."""

    items: tuple[Item, ...]
    judged: tuple[Judged, ...]
    tallies: tuple[Tally, ...]

    def where(self, wanted: Callable[[Item], bool]) -> "Counted":
        """The part whose ads are wanted."""
        kept = [row for row in zip(self.items, self.judged, self.tallies, strict=True) if wanted(row[0])]
        return Counted(*map(tuple, zip(*kept, strict=True))) if kept else Counted((), (), ())

    def scored(self) -> dict[str, Score]:
        """Every score with its interval."""
        bounds = intervals(by_template(self.items, self.tallies), _SEED)
        return {name: _score(value, bounds.get(name)) for name, value in scores(summed(self.tallies)).items()}

    @property
    def f1(self) -> float | None:
        """Decision F1; None without ads."""
        return scores(summed(self.tallies)).get("decision_f1")


def counted(items: Iterable[Item], judged: Iterable[Judged | Unread], critical: frozenset[str]) -> Counted:
    """Holds each judgement against its ad; ads without a judgement are left out."""
    by_id = {one.item_id: one for one in judged if isinstance(one, Judged)}
    kept = tuple(item for item in items if item.id in by_id)
    outcomes = tuple(by_id[item.id] for item in kept)
    return Counted(kept, outcomes, tuple(tally(*pair, critical) for pair in zip(kept, outcomes, strict=True)))


def make_report(judges: Mapping[str, Counted], unread: Sequence[Unread], facts: Mapping[str, object]) -> Report:
    """Scores everything; `judges` by their names above, OCR left out when no picture was read."""
    groups = tuple(_groups(judges))
    in_a = {name: found.where(lambda item: item.set == "A") for name, found in judges.items()}
    perturbed = tuple(_perturbed(in_a[TEXT], in_a[OCR])) if OCR in in_a else ()
    return Report(
        facts=facts,
        groups=groups,
        perturbed=perturbed,
        rules=tuple(_rules({name: in_a[name] for name in (TEXT, OCR) if name in in_a})),
        bars=_bars(in_a),
        misses=tuple(miss for name in (TEXT, OCR) if name in judges for miss in _misses(name, judges[name])),
        unread=tuple(unread),
        decisions={name: _decisions(found) for name, found in in_a.items()},
    )


def _groups(judges: Mapping[str, Counted]) -> Iterator[Group]:
    for set_name in ("A", "B"):
        for part in PARTS:
            for judge, found in judges.items():
                here = found.where(partial(_belongs, set_name, part))
                if here.items:
                    yield Group(set_name, part, judge, len(here.items), here.scored())


def _belongs(set_name: str, part: str, item: Item) -> bool:
    return item.set == set_name and part in (item.part, EVERY_PART)


def _perturbed(text: Counted, ocr: Counted) -> Iterator[Perturbed]:
    """Each perturbation and strength that occurs; unperturbed ads come first, as `none`."""
    found = sorted({(item.perturbation or "", item.strength) for item in ocr.items})
    for name, strength in found:
        same = partial(_perturbed_by, name, strength)
        here, there = ocr.where(same), text.where(same)
        drop = _drop(text, here)
        if drop is not None and there.f1 is not None:
            yield Perturbed(name or "none", strength, len(here.items), there.f1, here.scored()["decision_f1"], drop)


def _drop(text: Counted, ocr: Counted) -> float | None:
    """Decision F1 on gold text of the ads as they were before anything was done to them, less that on OCR."""
    there = {item.id for item in text.items}
    wanted = {original if (original := _original(item.id)) in there else item.id for item in ocr.items}
    before = text.where(lambda item: item.id in wanted)
    return before.f1 - ocr.f1 if before.f1 is not None and ocr.f1 is not None else None


def _original(item_id: str) -> str:
    """The ad that a perturbed one was made from."""
    return item_id.partition("~")[0]


def _perturbed_by(name: str, strength: int, item: Item) -> bool:
    return (item.perturbation or "", item.strength) == (name, strength) and bool(item.pictures)


def _bars(judges: Mapping[str, Counted]) -> tuple[Bar, ...]:
    """What the project holds itself to: words as they are written, then what disguises and OCR cost."""
    text = scores(summed(judges[TEXT].where(_as_written).tallies))

    def drop(wanted: Callable[[Item], bool]) -> float | None:
        return _drop(judges[TEXT], judges[OCR].where(wanted)) if OCR in judges else None

    return (
        Bar("decision F1 on gold text", text.get("decision_f1"), 0.97, at_least=True),
        Bar("macro rule F1 on gold text", text.get("macro_rule_f1"), 0.95, at_least=True),
        Bar("traps rejected on gold text", text.get("trap_false_reject"), 0.03, at_least=False),
        Bar("clean ads reviewed on gold text", text.get("clean_review"), 0.05, at_least=False),
        Bar("drop of decision F1 by OCR", drop(_untouched), 0.03, at_least=False),
        Bar("drop by OCR and the middle strength", drop(_disturbed), 0.08, at_least=False),
    )


def _as_written(item: Item) -> bool:
    return item.perturbation is None


def _untouched(item: Item) -> bool:
    return item.perturbation is None and bool(item.pictures)


def _disturbed(item: Item) -> bool:
    return item.strength == MIDDLE and bool(item.pictures)


def _rules(judges: Mapping[str, Counted]) -> Iterator[RuleScore]:
    for judge, found in judges.items():
        counts = summed(found.tallies)
        for rule, value in rule_scores(counts).items():
            outcomes = (counts[f"rule/{rule}/{outcome}"] for outcome in ("hit", "extra", "missed"))
            yield RuleScore(judge, rule, value, *outcomes)


def _misses(judge: str, found: Counted) -> Iterator[Miss]:
    for item, outcome in zip(found.items, found.judged, strict=True):
        gold = set(item.gold_rules)
        missed, extra = tuple(sorted(gold - outcome.rules)), tuple(sorted(outcome.rules - gold))
        if missed or extra or outcome.decision is not item.decision:
            yield Miss(
                item.id, item.set, item.part, item.kind, judge, item.decision.value, outcome.decision.value,
                missed, extra, item.perturbation, item.strength,
            )  # fmt: skip


def _decisions(found: Counted) -> dict[str, int]:
    counts = summed(found.tallies)
    return {name.removeprefix("decision/"): count for name, count in sorted(counts.items()) if name[:9] == "decision/"}


def _score(value: float, bounds: Interval | None) -> Score:
    return Score(value, *bounds) if bounds else Score(value)

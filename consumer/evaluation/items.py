"""The evaluation's items: ads with everything that is wrong with them known in advance. Data only.

`generator` makes them, `render` draws their pictures; `judge` and `metrics` read them. A set on disk is a folder with
`items.jsonl`, one item a line, and the pictures in `images/`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from consumer.evaluation.copy import GOLD_DATE
from schemas import Category, Decision, Media
from schemas.submission import Certificate

ITEMS: Final = "items.jsonl"
IMAGES: Final = "images"
SUBMITTED_AT: Final = datetime.combine(GOLD_DATE, time(8), UTC)
"""When every item was handed in: what has expired must not depend on the day of the evaluation."""

SetName = Literal["A", "B"]
"""A: words prove the violation. B: only someone who understands text and picture sees it."""
Part = Literal["tune", "held_out"]
"""Held out: written after the rules had been worked on with the rest."""
Kind = Literal["violation", "trap", "clean", "multi", "split_notice", "missing"]
Role = Literal["headline", "copy", "notice"]
Weight = Literal["regular", "bold", "serif"]
Where = Literal["text"] | int
"""The text fields, or the index of a picture."""
PixelBox = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the picture as it is on disk."""


class SetUnreadable(ValueError):
    """A folder that holds no set, or a broken one; the message says which line and what to do."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of copy on its way into a picture. `quote` is what violates `rules`."""

    text: str
    role: Role
    rules: tuple[str, ...] = ()
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Design:
    """Everything a picture is drawn from: equal designs give equal bytes."""

    layout: str
    palette: str
    weight: Weight
    product: str
    scene: str
    passages: tuple[Passage, ...]
    seed: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a picture, or a column where it runs down; `rules`: those whose quote it holds, or part of."""

    text: str
    box: PixelBox
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemPicture:
    """A picture of an item; `file` is its name in `images/`."""

    file: str
    width: int
    height: int
    lines: tuple[Line, ...]
    design: Design


@dataclass(frozen=True, slots=True)
class Quote:
    """The words that violate a rule, exactly as shown."""

    rule: str
    text: str
    where: Where


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a submission says beside words and pictures."""

    media: Media
    approval_number: str | None = None
    certificates: tuple[Certificate, ...] = ()
    submitted_at: datetime = SUBMITTED_AT


@dataclass(frozen=True, slots=True)
class Item:
    """An ad and its gold: rules, quotes, boxes and the decision of someone who sees everything."""

    id: str
    template: str
    """Names the combination of phrases; items of one template are not independent of each other."""
    set: SetName
    part: Part
    kind: Kind
    category: Category
    metadata: Metadata
    title: str
    body: str
    pictures: tuple[ItemPicture, ...]
    gold_rules: tuple[str, ...]
    quotes: tuple[Quote, ...]
    decision: Decision
    perturbation: str | None = None
    strength: int = 0
    """0 without a perturbation, else 1 to 3."""
    near: tuple[str, ...] = ()
    """For a trap: the rules it nearly breaks."""


_LINES: Final = TypeAdapter(Item)


def write_items(items: Iterable[Item], path: Path) -> int:
    """One JSON object a line; returns how many."""
    count = 0
    with path.open("wb") as file:
        for item in items:
            file.write(_LINES.dump_json(item) + b"\n")
            count += 1
    return count


def read_set(folder: Path) -> tuple[Item, ...]:
    """The items of a folder, whose pictures must be there; raises SetUnreadable."""
    path = folder / ITEMS
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SetUnreadable(f"{path}: cannot be read ({error.strerror}); name a folder that holds a set") from error
    items = []
    for number, line in enumerate(lines, 1):
        try:
            items.append(_LINES.validate_json(line))
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise SetUnreadable(f"{path}, line {number}: {where}: {fault['msg']}; generate the set anew") from error
    files = [picture.file for item in items for picture in item.pictures]
    absent = [file for file in files if not (folder / IMAGES / file).is_file()]
    if absent:
        raise SetUnreadable(f"{folder / IMAGES}: {len(absent)} pictures are missing, {absent[0]} first; generate anew")
    return tuple(items)


def stratified(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """`count` items (or all), as even as they can be over rules, categories, kinds, decisions and perturbations.

    The next one is always that whose features have been chosen least, measured by what an even share would be; those
    with a rule that none has yet come before the others. The order stays that of `items`.
    """
    if count >= len(items):
        return tuple(items)
    features = [_features(item) for item in items]
    values = [len({value for ones in dimension for value in ones}) for dimension in zip(*features, strict=True)]
    chosen: Counter[tuple[int, str]] = Counter()
    left = dict(enumerate(features))
    taken: list[int] = []

    def crowded(index: int) -> tuple[float, int]:
        shares = (
            values[dimension] * sum(chosen[dimension, one] for one in ones) / max(1, len(ones))
            for dimension, ones in enumerate(left[index])
        )
        return sum(shares), index

    while left and len(taken) < count:
        new = [index for index, found in left.items() if any(not chosen[_RULES, one] for one in found[_RULES])]
        index = min(new or left, key=crowded)
        chosen.update((dimension, one) for dimension, ones in enumerate(left.pop(index)) for one in ones)
        taken.append(index)
    return tuple(items[index] for index in sorted(taken))


_RULES: Final = 4
"""Which of the features are rules."""


def _features(item: Item) -> tuple[tuple[str, ...], ...]:
    return (
        (f"{item.set} {item.kind}",),
        (item.decision.value,),
        (item.category.value,),
        (f"{item.perturbation}.{item.strength}",),
        item.gold_rules or tuple(f"near {rule}" for rule in item.near),
    )

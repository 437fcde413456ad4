"""Generates the evaluation's ads: copy × category × layout × font, clean and disguised; the same seed, the same bytes.

Every ad of set A comes as it is and mostly once more with one perturbation, as its twin: same words, same layout. So
what a perturbation costs can be measured on pairs. `write_set` puts a set into a folder; `items.read_set` reads it.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from consumer.demo.canvas import LayoutError
from consumer.demo.layouts import PALETTES
from consumer.evaluation.assembly import Draft, Rota
from consumer.evaluation.copy import Copy, load_copy
from consumer.evaluation.gold import decision
from consumer.evaluation.grammar import Grammar
from consumer.evaluation.items import IMAGES, ITEMS, Design, Item, ItemPicture, Passage, Quote, Weight, write_items
from consumer.evaluation.layouts import LAYOUTS
from consumer.evaluation.perturbations import PICTURE, STRENGTHS, TEXT, disguise
from consumer.evaluation.render import file_name, lines_of, render
from schemas import Category

DEFAULT_COUNT: Final = 1200
TWINS_OF_FIVE: Final = 4
WEIGHTS: Final[tuple[Weight, ...]] = ("regular", "bold", "serif")
_HEADLINE_CHARS: Final = 16
_LEAD: Final = 2
"""By how many items one perturbation at one strength may lead over another."""

Carrier = Literal["text", "picture", "main in picture", "main in text"]
CARRIERS: Final[tuple[Carrier, ...]] = ("picture", "main in picture", "text", "picture", "main in text")
GOODS: Final[dict[Category, tuple[str, ...]]] = {
    Category.DRUG_OTC: ("pill_box", "spray"),
    Category.DRUG_RX: ("pill_box",),
    Category.MEDICAL_DEVICE: ("patch", "spray"),
    Category.HEALTH_FOOD: ("bottle", "jar"),
    Category.FSMP: ("tin",),
    Category.FOOD: ("cup", "jar"),
    Category.COSMETICS: ("dropper", "jar"),
    Category.ALCOHOL: ("wine",),
    Category.EDUCATION: ("book",),
    Category.FINANCE: ("chart", "coins"),
    Category.PROPERTY: ("tower",),
    Category.INFANT: ("tin",),
    Category.INTERNET: ("phone",),
}
_OTHER_GOODS: Final = ("kettle", "vacuum", "phone")


@dataclass(frozen=True, slots=True)
class _Ad:
    """A draft with its places: what stands in the text fields, and a design for every picture."""

    id: str
    draft: Draft
    text: tuple[Passage, ...]
    pictures: tuple[Design, ...]


def generate(copy: Copy, count: int, seed: int) -> Iterator[Item]:
    """`count` items in order. Raises CopyIncomplete, FontMissing."""
    dice = random.Random(seed)  # noqa: S311 - the same seed must give the same set
    grammar, rota = Grammar(copy, dice), Rota(dice)
    made = number = 0
    while made < count:
        number += 1
        ad = _placed(grammar.draft(), number, rota, dice)
        yield _item(ad)
        made += 1
        if ad.draft.set == "A" and number % 5 < TWINS_OF_FIVE and made < count:
            twin = _twin(ad, rota, dice)
            if twin:
                yield twin
                made += 1


def write_set(
    folder: Path, count: int = DEFAULT_COUNT, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> tuple[Item, ...]:
    """Generates and renders a set of the shipped copy; `progress` hears how many of how many are done."""
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    items = []
    for item in generate(load_copy(), count, seed):
        render(item, folder)
        items.append(item)
        if progress:
            progress(len(items), count)
    # last, so that a folder with items has all their pictures
    write_items(items, folder / ITEMS)
    return tuple(items)


def _placed(draft: Draft, number: int, rota: Rota, dice: random.Random) -> _Ad:
    """Gives the words their places; a layout that cannot hold them is passed over."""
    ad_id = f"{draft.set.lower()}{number:04d}"
    carriers = [one for one in CARRIERS if one != "text"] if draft.scene or draft.kind == "split_notice" else CARRIERS
    carrier = rota.pick(f"carrier {draft.kind}", list(dict.fromkeys(carriers)))
    head = Passage(draft.product.name, "headline")
    text, sheets = _distributed(draft, carrier, head, dice)
    offered = list(LAYOUTS)
    while True:
        layout = rota.pick("layout", [one for one in offered if not draft.scene or LAYOUTS[one].art])
        weight = rota.pick("weight", WEIGHTS)
        designs = tuple(
            Design(
                layout=layout,
                palette=rota.pick("palette", sorted(PALETTES)),
                weight=weight,
                product=dice.choice(GOODS.get(draft.product.category, _OTHER_GOODS)),
                scene=draft.scene,
                passages=passages,
                seed=f"{ad_id}-{index}",
            )
            for index, passages in enumerate(sheets)
        )
        try:
            for design in designs:
                lines_of(design, None, 0)
        except LayoutError:
            offered.remove(layout)
            if not any(LAYOUTS[one].art or not draft.scene for one in offered):
                raise
            continue
        return _Ad(ad_id, draft, text, designs)


def _distributed(
    draft: Draft, carrier: Carrier, head: Passage, dice: random.Random
) -> tuple[tuple[Passage, ...], list[tuple[Passage, ...]]]:
    """The text fields, and the passages of each picture."""
    mains, fillers, notices = draft.mains, draft.fillers, draft.notices
    if carrier == "text":
        return (head, *mains, *fillers, *notices), []
    if carrier == "main in text":
        text: tuple[Passage, ...] = (head, *mains)
        shown = [head, *fillers]
    else:
        text = (head, *fillers) if carrier == "main in picture" else ()
        shown = [head, *mains] if carrier == "main in picture" else [head, *mains, *fillers]
        if mains and len(mains[0].text) <= _HEADLINE_CHARS and dice.random() < 0.4:
            shown[0] = replace(mains[0], role="headline")
            shown[1] = replace(head, role="copy")
    if draft.kind == "split_notice":
        return text, _split(head, shown, notices, dice)
    if not draft.scene and dice.random() < 0.12 and notices:
        return text, [tuple(shown), (head, *notices)]
    return text, [(*shown, *notices)]


def _split(
    head: Passage, shown: Sequence[Passage], notices: Sequence[Passage], dice: random.Random
) -> list[tuple[Passage, ...]]:
    """Two or three pictures, each with its share of the notices."""
    count = min(len(notices), dice.choice((2, 2, 3)))
    shares = [tuple(notices[index::count]) for index in range(count)]
    return [(*(shown if index == 0 else (head,)), *share) for index, share in enumerate(shares)]


def _twin(ad: _Ad, rota: Rota, dice: random.Random) -> Item | None:
    """The same ad perturbed; None where only what others have had more often applies to it."""
    cells = [(name, strength) for name in (*TEXT, *PICTURE) for strength in STRENGTHS]
    allowed = rota.least("perturbation", cells) + _LEAD
    while cells:
        cell = rota.pick("perturbation", cells)
        cells.remove(cell)
        if rota.least("perturbation", [cell]) <= allowed:
            # words grow in disguise, and columns are short: what does not fit is passed over
            with contextlib.suppress(LayoutError):
                changed = _perturbed(ad, *cell, dice)
                if changed:
                    return _item(changed, *cell)
        rota.give_back("perturbation", cell)
    return None


def _perturbed(ad: _Ad, name: str, strength: int, dice: random.Random) -> _Ad | None:
    """The ad with its words changed; pictures are changed when they are laid out and painted. None: nothing to do."""
    if name in PICTURE:
        shown = [passage for design in ad.pictures for passage in design.passages]
        hidden = any(one.quote for one in ad.text) and not any(one.quote for one in shown)
        return ad if shown and not hidden else None
    kind = next(one for one in TEXT if one == name)
    worn: dict[str, Passage] = {}

    def disguised(passage: Passage) -> Passage:
        """The passage in disguise; the same words look the same wherever they stand."""
        if passage.text not in worn:
            words = _scope(passage, kind, strength, ad.draft)
            fresh = disguise(words, kind, strength, dice)
            quote = fresh if words == passage.quote else disguise(passage.quote, kind, strength, dice)
            worn[passage.text] = replace(passage, text=passage.text.replace(words, fresh, 1), quote=quote)
        return replace(worn[passage.text], role=passage.role)

    text = tuple(map(disguised, ad.text))
    pictures = tuple(replace(one, passages=tuple(map(disguised, one.passages))) for one in ad.pictures)
    changed = replace(ad, text=text, pictures=pictures)
    return None if changed == ad else changed


def _scope(passage: Passage, name: str, strength: int, draft: Draft) -> str:
    """The words of a passage that are disguised: the violating ones; traditional writing goes further."""
    if name == "traditional" and (strength == STRENGTHS[-1] or (strength > 1 and _is_main(passage, draft))):
        return passage.text
    return passage.quote


def _is_main(passage: Passage, draft: Draft) -> bool:
    return any(passage.text == main.text for main in draft.mains)


def _item(ad: _Ad, perturbation: str | None = None, strength: int = 0) -> Item:
    """The finished item with its gold. Raises LayoutError."""
    draft = ad.draft
    item_id = f"{ad.id}~{perturbation}.{strength}" if perturbation else ad.id
    pictures = []
    quotes = [Quote(rule, one.quote, "text") for one in ad.text if one.quote for rule in one.rules]
    for index, design in enumerate(ad.pictures):
        width, height, lines = lines_of(design, perturbation, strength)
        file = file_name(f"{item_id}-{index}", perturbation)
        pictures.append(ItemPicture(file, width, height, lines, design))
        quotes += [Quote(rule, one.quote, index) for one in design.passages if one.quote for rule in one.rules]
    return Item(
        id=item_id,
        template=draft.template,
        set=draft.set,
        part=draft.part,
        kind=draft.kind,
        category=draft.product.category,
        metadata=draft.metadata,
        title="".join(one.text for one in ad.text if one.role == "headline"),
        body="\n".join(one.text for one in ad.text if one.role != "headline"),
        pictures=tuple(pictures),
        gold_rules=tuple(sorted(draft.rules)),
        quotes=tuple(quotes),
        decision=decision(draft.rules),
        perturbation=perturbation,
        strength=strength,
        near=draft.near,
    )

"""Ads with their gold for the tests of scoring: small, made by hand, without the generator."""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from consumer.evaluation.items import IMAGES, Design, Item, ItemPicture, Kind, Line, Metadata, Quote
from schemas import Category, Decision, Media

DESIGN = Design("plain", "plain", "regular", "", "", (), "0")


def ad(
    name: str,
    body: str,
    decision: Decision = Decision.APPROVE,
    quotes: tuple[tuple[str, str], ...] = (),
    *,
    kind: Kind = "clean",
    pictures: tuple[ItemPicture, ...] = (),
    category: Category = Category.GENERAL,
    gold: tuple[tuple[str, int, str], ...] = (),
    **others: Any,
) -> Item:
    """`quotes`: rule and the words of the body that break it; `gold`: rule, picture and the words there."""
    fields: dict[str, Any] = {
        "template": name, "set": "A", "part": "tune", "title": "", "perturbation": None, "strength": 0, **others
    }  # fmt: skip
    return Item(
        id=name,
        kind=kind,
        category=category,
        metadata=Metadata(Media.INTERNET),
        body=body,
        pictures=pictures,
        gold_rules=tuple(sorted({rule for rule, _words in quotes} | {rule for rule, _where, _words in gold})),
        quotes=(
            *(Quote(rule, words, "text") for rule, words in quotes),
            *(Quote(rule, words, where) for rule, where, words in gold),
        ),
        decision=decision,
        **fields,
    )


def drawn(folder: Path, file: str, words: str, rules: tuple[str, ...] = ()) -> ItemPicture:
    """A picture of one line of Latin text in black on white, and where it stands."""
    image = Image.new("RGB", (600, 200), "white")
    pen = ImageDraw.Draw(image)
    face = ImageFont.load_default(48)
    pen.text((40, 70), words, fill="black", font=face)
    (folder / IMAGES).mkdir(exist_ok=True)
    image.save(folder / IMAGES / file)
    x0, y0, x1, y1 = pen.textbbox((40, 70), words, font=face)
    return ItemPicture(file, 600, 200, (Line(words, (round(x0), round(y0), round(x1), round(y1)), rules),), DESIGN)

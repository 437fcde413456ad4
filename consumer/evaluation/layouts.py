"""Where the words of a picture go: a design in, a sheet of placed lines out. Measures, draws nothing.

The same sheet gives the gold boxes (`generator`) and the picture (`render`), so that they cannot differ. Fonts and
palettes are the demo's.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

from PIL import ImageFont

from consumer.demo.canvas import LayoutError, font, mix
from consumer.demo.layouts import PALETTES
from consumer.evaluation.copy import Scene
from consumer.evaluation.items import Design, Passage, PixelBox, Weight

LEADING: Final = 1.42
SMALLEST_PX: Final = 12
SMALL_PX: Final = {1: 18, 2: 15, 3: 12}
"""Size of all type under the perturbation `small_text`."""
COLUMNS: Final = {1: (46, 1.9), 2: (34, 1.5), 3: (26, 1.2)}
"""Size of the type under `vertical`, and the distance of columns in sizes."""
TINY_NOTICE_PX: Final = 9
LABEL: Final = "广告"
_ORIGINAL_PX: Final = 100
_FACES: Final = 24
"""Open fonts, each some megabytes."""
_STARTS_NO_LINE: Final = frozenset("，。！？；：、）”》」】％｜,.!?;:)%")
_TOKENS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.%+-]*|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """Regions of a picture, in pixels."""

    width: int
    height: int
    headline: PixelBox
    copy: PixelBox
    notice: PixelBox
    art: PixelBox | None
    headline_px: int = 60
    copy_px: int = 34
    notice_px: int = 23
    centred: bool = False


LAYOUTS: Final[dict[str, Layout]] = {
    "hero": Layout(900, 900, (48, 96, 852, 300), (48, 330, 540, 650), (48, 690, 852, 872), (560, 330, 860, 650)),
    "banner": Layout(
        1200, 630, (56, 92, 780, 240), (56, 256, 780, 430), (56, 462, 1144, 606), (820, 92, 1144, 430), 58, 32, 22
    ),
    "poster": Layout(
        750, 1000, (48, 92, 702, 270), (60, 540, 690, 730), (48, 764, 702, 972), (215, 286, 535, 526), centred=True
    ),
    "editorial": Layout(
        750, 1000, (48, 110, 420, 400), (48, 424, 420, 740), (48, 776, 702, 972), (444, 150, 706, 730), 54, 30, 22
    ),
    "card": Layout(820, 960, (72, 104, 748, 230), (72, 260, 748, 560), (72, 596, 748, 920), None, 50, 34, 25),
    "feed": Layout(
        1080, 720, (440, 92, 1036, 250), (440, 266, 1036, 500), (44, 536, 1036, 700), (40, 100, 400, 500), 52, 32, 22
    ),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A line (or column) of text: where its ink begins and ends, and how it is set."""

    text: str
    at: tuple[float, float]
    """Left and top of the first character's cell."""
    size: int
    weight: Weight
    color: str
    box: PixelBox
    rules: tuple[str, ...] = ()
    down: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture, ready to draw."""

    layout: Layout
    placed: tuple[Placed, ...]
    panel: PixelBox | None
    """Behind the notices."""


Setting = Literal["plain", "small_text", "vertical"]


@lru_cache(maxsize=_FACES)
def face(weight: Weight, size_px: int) -> ImageFont.FreeTypeFont:
    """The font at a size. Raises FontMissing, which says what to install."""
    return _original(weight).font_variant(size=size_px)


@cache
def _original(weight: Weight) -> ImageFont.FreeTypeFont:
    return font(weight, _ORIGINAL_PX)


@lru_cache(maxsize=20_000)
def _advance(weight: Weight, token: str) -> float:
    """Width in sizes: measured once, so that looking for a size that fits opens no font for each one tried."""
    return _original(weight).getlength(token) / _ORIGINAL_PX


def lay_out(design: Design, setting: Setting = "plain", strength: int = 0) -> Sheet:
    """Places every passage of a design. Raises LayoutError where they do not fit, FontMissing."""
    layout, palette = LAYOUTS[design.layout], PALETTES[design.palette]
    cap = SMALL_PX[strength] if setting == "small_text" else math.inf
    by_role = {
        role: [passage for passage in design.passages if passage.role == role]
        for role in ("headline", "copy", "notice")
    }
    placed = list(_label(layout, palette.ink))
    if setting == "vertical":
        words = [*by_role["headline"], *by_role["copy"]]
        placed += _columns(words, _union(layout.headline, layout.copy), strength, design.weight, palette.ink)
    else:
        strong: Weight = "serif" if design.weight == "serif" else "bold"
        size = int(min(layout.headline_px, cap))
        placed += _block(by_role["headline"], layout.headline, size, strong, palette.ink, layout.centred)
        size = int(min(layout.copy_px, cap))
        placed += _block(by_role["copy"], layout.copy, size, design.weight, palette.ink, layout.centred)
    size = int(min(TINY_NOTICE_PX if design.scene == Scene.SMALL_NOTICE else layout.notice_px, cap))
    ink = mix("#ffffff", "#1d2939", 0.12) if design.scene == Scene.PALE_NOTICE else "#1d2939"
    notices = tuple(_block(by_role["notice"], layout.notice, size, "regular", ink, False))
    return Sheet(layout, (*placed, *notices), _around(notices, layout))


def _label(layout: Layout, ink: str) -> Iterator[Placed]:
    yield _line(LABEL, (layout.width - 100, 36), 26, "regular", ink)


def _line(
    text: str, at: tuple[float, float], size: int, weight: Weight, color: str, rules: tuple[str, ...] = ()
) -> Placed:
    x0, y0, x1, y1 = face(weight, size).getbbox(text)
    box = (math.floor(at[0] + x0), math.floor(at[1] + y0), math.ceil(at[0] + x1), math.ceil(at[1] + y1))
    return Placed(text, at, size, weight, color, box, rules)


def _block(
    passages: Sequence[Passage], region: PixelBox, size: int, weight: Weight, color: str, centred: bool
) -> Iterator[Placed]:
    """Passages one below the other, the type made smaller until they fit."""
    x0, y0, x1, y1 = region
    smallest = min(size, SMALLEST_PX)
    for px in range(size, smallest - 1, -1):
        rows = [list(_wrapped(passage, weight, px, x1 - x0)) for passage in passages]
        step, gap = px * LEADING, px * 0.4
        if sum(map(len, rows)) * step + gap * len(rows) <= y1 - y0:
            break
    else:
        raise LayoutError(f"{len(passages)} passages do not fit into {x1 - x0} x {y1 - y0} pixels: shorten the copy")
    y = float(y0)
    for row in rows:
        for text, rules in row:
            left = x0 + (x1 - x0 - face(weight, px).getlength(text)) / 2 if centred else x0
            yield _line(text, (round(left), round(y)), px, weight, color, rules)
            y += step
        y += gap


def _wrapped(passage: Passage, weight: Weight, size: int, width: float) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Lines of a passage and the rules whose quote each of them holds, or part of."""
    start = end = 0
    used = 0.0
    for token in _TOKENS.finditer(passage.text):
        advance = _advance(weight, token.group()) * size
        if used and used + advance > width and token.group() not in _STARTS_NO_LINE:
            yield _cut(passage, start, end)
            start, used = token.start(), 0.0
        used += advance
        end = token.end()
    yield _cut(passage, start, end)


def _cut(passage: Passage, start: int, end: int) -> tuple[str, tuple[str, ...]]:
    quote = passage.text.find(passage.quote) if passage.quote else -1
    holds = quote >= 0 and start < quote + len(passage.quote) and quote < end
    return passage.text[start:end].strip(), passage.rules if holds else ()


def _columns(
    passages: Sequence[Passage], region: PixelBox, strength: int, weight: Weight, color: str
) -> Iterator[Placed]:
    """Passages in columns from right to left, the type made smaller until they fit."""
    x0, y0, x1, y1 = region
    size, apart = COLUMNS[strength]
    for px in range(size, SMALLEST_PX - 1, -1):
        cells = int((y1 - y0) / (px * 1.08))
        columns = [
            _cut(passage, start, start + cells) for passage in passages for start in range(0, len(passage.text), cells)
        ]
        if len(columns) * px * apart <= x1 - x0:
            break
    else:
        raise LayoutError(f"{len(passages)} passages do not fit as columns into {x1 - x0} pixels: shorten the copy")
    for index, (text, rules) in enumerate(columns):
        if text:
            yield _column(text, (round(x1 - px * apart * index - px), y0), px, weight, color, rules)


def _column(
    text: str, at: tuple[float, float], size: int, weight: Weight, color: str, rules: tuple[str, ...]
) -> Placed:
    boxes = [_line(one, spot, size, weight, color).box for one, spot in cells(text, at, size)]
    return Placed(text, at, size, weight, color, _union(*boxes), rules, down=True)


def cells(text: str, at: tuple[float, float], size: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """The visible characters of a column and where each stands."""
    for index, character in enumerate(text):
        if not character.isspace():
            yield character, (at[0], round(at[1] + index * size * 1.08))


def _around(notices: Sequence[Placed], layout: Layout) -> PixelBox | None:
    if not notices:
        return None
    _, y0, _, y1 = _union(*(line.box for line in notices))
    return (layout.notice[0] - 20, y0 - 12, layout.notice[2] + 20, min(y1 + 14, layout.height - 4))


def _union(*boxes: PixelBox) -> PixelBox:
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )

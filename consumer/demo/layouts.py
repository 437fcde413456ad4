"""How an ad is laid out: copy and a product in, a finished canvas out. One function a layout.

Every layout reserves the bottom for the statements the law demands, so that they stay legible however
many there are.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from consumer.demo.canvas import Box, Canvas, LayoutError, Style, mix
from consumer.demo.goods import PRODUCTS

WHITE = "#ffffff"
NOTICE_PX = 24


@dataclass(frozen=True, slots=True)
class Palette:
    """Background from `top` to `bottom`, `ink` on it, `main` and `accent` for products and marks."""

    top: str
    bottom: str
    ink: str
    main: str
    accent: str


PALETTES: dict[str, Palette] = {
    "sky": Palette("#eaf4ff", "#bcdcff", "#0b2e5c", "#1f6fd6", "#ff8a3d"),
    "mint": Palette("#eafaf3", "#b9ead3", "#0a3d2c", "#12946a", "#f2a33a"),
    "teal": Palette("#0e5a66", "#0a3440", "#ffffff", "#1aa0a8", "#ffc45c"),
    "navy": Palette("#142a55", "#0a1530", "#ffffff", "#3467d6", "#f0b54a"),
    "crimson": Palette("#c9252d", "#7d0f1b", "#ffffff", "#d8383f", "#ffd25e"),
    "sunset": Palette("#ff9a56", "#e2384d", "#ffffff", "#d9352f", "#ffe07a"),
    "rose": Palette("#fff1f3", "#f8cdd6", "#5a1730", "#d9647f", "#b98a4b"),
    "cream": Palette("#fdf8ee", "#f1e3c8", "#4a331a", "#b07b36", "#8c4a2f"),
    "lilac": Palette("#f3efff", "#d3c5fb", "#2d1b69", "#7553d8", "#f07aa8"),
    "leaf": Palette("#f4faea", "#cfe8ae", "#274010", "#5f9a2a", "#e0803a"),
    "slate": Palette("#2a303c", "#11141b", "#ffffff", "#5a86c9", "#7fd8c4"),
    "wine": Palette("#faf3ee", "#e6cfc4", "#40131f", "#7a1f36", "#a8803f"),
    "sand": Palette("#f7f3ec", "#ded2bf", "#33291c", "#6d7f8f", "#b5854b"),
}


@dataclass(frozen=True, slots=True)
class Design:
    """The copy of one picture."""

    file: str
    layout: str
    palette: str
    product: str
    brand: str
    headline: tuple[str, ...]
    subtitle: str = ""
    words: str = ""
    """On the product's label."""
    points: tuple[str, ...] = ()
    badge: str = ""
    price: tuple[str, ...] = ()
    """The small line, then the big one."""
    notice: tuple[str, ...] = ()


Layout = Callable[[Design, Palette, random.Random], Canvas]


def _bubbles(canvas: Canvas, palette: Palette, dice: random.Random, height: float) -> None:
    for _ in range(7):
        radius = dice.uniform(14, 70)
        x, y = dice.uniform(0, canvas.width), dice.uniform(0, height)
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), WHITE, opacity=dice.uniform(0.05, 0.16))


def _brand(canvas: Canvas, design: Design, palette: Palette, x: float, y: float) -> None:
    """A mark and the brand at the left, the word that an ad must carry at the right."""
    canvas.rect((x, y, x + 38, y + 38), palette.accent, mix(palette.accent, "#000000", 0.15), radius=11)
    canvas.ellipse((x + 10, y + 10, x + 28, y + 28), WHITE, opacity=0.92)
    canvas.text((x + 52, y + 19), design.brand, Style(28, palette.ink, "bold", "lm"))
    right = canvas.width - 36
    canvas.outline((right - 66, y + 3, right, y + 35), palette.ink, radius=6, width=1.5)
    canvas.text((right - 33, y + 19), "广告", Style(21, palette.ink, "regular", "mm"))


def _notice(canvas: Canvas, lines: tuple[str, ...], margin: float) -> float:
    """The legal panel at the bottom; returns its top."""
    if not lines:
        return canvas.height - margin
    style = Style(NOTICE_PX, "#1d2939", leading=1.5)
    step = style.size * style.leading
    top = canvas.height - margin - len(lines) * step - 34
    canvas.rect(
        (margin, top, canvas.width - margin, canvas.height - margin), WHITE, radius=16, opacity=0.95, shadow=0.14
    )
    for row, line in enumerate(lines):
        room = canvas.width - 2 * margin - 52
        if canvas.measure(line, style) > room:
            raise LayoutError(f"the notice '{line}' is wider than {room:.0f} pixels: split it")
        canvas.text((margin + 26, top + 17 + step * (row + 0.5)), line, Style(style.size, style.color, "regular", "lm"))
    return top


def _headline(
    canvas: Canvas, design: Design, palette: Palette, at: tuple[float, float], size: float, width: float
) -> float:
    """Headline and subtitle from the left; returns the y below."""
    x, y = at
    for line in design.headline:
        style = canvas.fitted(line, Style(size, palette.ink, "bold"), width)
        canvas.text((x, y), line, style)
        y += style.size * 1.32
    if design.subtitle:
        style = canvas.fitted(design.subtitle, Style(size * 0.42, mix(palette.ink, palette.bottom, 0.10)), width)
        canvas.text((x, y + 10), design.subtitle, style)
        y += 10 + style.size * 1.5
    return y


def _points(canvas: Canvas, design: Design, palette: Palette, at: tuple[float, float], width: float) -> float:
    """Selling points with check marks; returns the y below."""
    x, y = at
    for point in design.points:
        canvas.ellipse((x, y, x + 34, y + 34), palette.accent, mix(palette.accent, "#000000", 0.12))
        canvas.line([(x + 10, y + 18), (x + 15, y + 23), (x + 25, y + 12)], WHITE, 4)
        style = canvas.fitted(point, Style(29, palette.ink, "regular", "lm"), width - 50)
        canvas.text((x + 50, y + 17), point, style)
        y += 58
    return y


def _price(canvas: Canvas, design: Design, palette: Palette, at: tuple[float, float]) -> None:
    """A price tag or a call to action."""
    if not design.price:
        return
    x, y = at
    small, big = design.price
    wide = max(canvas.measure(small, Style(24, WHITE)), canvas.measure(big, Style(50, WHITE, "bold"))) + 64
    canvas.rect((x, y, x + wide, y + 126), palette.accent, mix(palette.accent, "#000000", 0.14), radius=22, shadow=0.25)
    ink = "#3a2100" if palette.accent in {"#ffd25e", "#ffe07a", "#ffc45c", "#f0b54a", "#7fd8c4"} else WHITE
    canvas.text((x + wide / 2, y + 34), small, Style(24, ink, "regular", "mm"))
    canvas.text((x + wide / 2, y + 83), big, Style(50, ink, "bold", "mm"))


def _badge(canvas: Canvas, words: str, palette: Palette, center: tuple[float, float], radius: float) -> None:
    """A round seal."""
    if not words:
        return
    x, y = center
    canvas.ellipse(
        (x - radius, y - radius, x + radius, y + radius),
        palette.accent,
        mix(palette.accent, "#000000", 0.18),
        shadow=0.3,
    )
    canvas.ellipse((x - radius * 0.88, y - radius * 0.88, x + radius * 0.88, y + radius * 0.88), WHITE, opacity=0.94)
    style = canvas.fitted(
        words, Style(radius * 0.62, mix(palette.accent, "#000000", 0.45), "bold", "mm"), radius * 1.45
    )
    canvas.text(center, words, style)


def _product(canvas: Canvas, design: Design, palette: Palette, box: Box) -> None:
    x0, y0, x1, y1 = box
    canvas.glow(((x0 + x1) / 2, (y0 + y1) / 2), max(x1 - x0, y1 - y0) * 0.62, WHITE, 0.42)
    PRODUCTS[design.product](canvas, box, palette.main, palette.accent, design.words)


def hero(design: Design, palette: Palette, dice: random.Random) -> Canvas:
    """Square: words at the left, product at the right."""
    canvas = Canvas(1000, 1000, palette.top, palette.bottom)
    _bubbles(canvas, palette, dice, 760)
    canvas.ellipse((520, 190, 1120, 790), WHITE, palette.main, opacity=0.22)
    _brand(canvas, design, palette, 44, 40)
    top = _notice(canvas, design.notice, 32)
    below = _headline(canvas, design, palette, (48, 122), 78, 800)
    _product(canvas, design, palette, (560, below + 24, 945, min(top - 26, below + 24 + 470)))
    below = _points(canvas, design, palette, (50, below + 34), 470)
    _price(canvas, design, palette, (48, min(below + 20, top - 158)))
    _badge(canvas, design.badge, palette, (905, 178), 66)
    return canvas


def banner(design: Design, palette: Palette, dice: random.Random) -> Canvas:
    """16:9: words at the left, product on a disc at the right."""
    canvas = Canvas(1280, 720, palette.top, palette.bottom)
    canvas.polygon([(820, 0), (1280, 0), (1280, 720), (690, 720)], WHITE, palette.main, opacity=0.20)
    _bubbles(canvas, palette, dice, 520)
    _brand(canvas, design, palette, 56, 38)
    top = _notice(canvas, design.notice, 30)
    height = top - 26 - 96
    _product(canvas, design, palette, (1010 - min(height * 0.46, 220), 92, 1010 + min(height * 0.46, 220), top - 26))
    size, start = (70, 104) if design.price else (86, 118)
    below = _headline(canvas, design, palette, (58, start), size, 650)
    below = _points(canvas, design, palette, (60, below + 24), 620)
    _price(canvas, design, palette, (58, min(below + 10, top - 146)))
    _badge(canvas, design.badge, palette, (770, 330), 64)
    return canvas


def poster(design: Design, palette: Palette, dice: random.Random) -> Canvas:
    """3:4: everything on the middle axis, points as chips under the product."""
    canvas = Canvas(900, 1200, palette.top, palette.bottom)
    _bubbles(canvas, palette, dice, 900)
    canvas.ellipse((120, 380, 780, 1040), WHITE, palette.main, opacity=0.20)
    _brand(canvas, design, palette, 40, 36)
    y = 150.0
    for line in design.headline:
        style = canvas.fitted(line, Style(86, palette.ink, "bold", "ma"), 800)
        canvas.text((450, y), line, style)
        y += style.size * 1.30
    if design.subtitle:
        style = canvas.fitted(design.subtitle, Style(34, mix(palette.ink, palette.bottom, 0.08), "regular", "ma"), 780)
        canvas.text((450, y + 8), design.subtitle, style)
        y += 62
    top = _notice(canvas, design.notice, 30)
    chips = top - 92 if design.points else top
    _chips(canvas, design, palette, chips)
    side = min(460.0, chips - y - 60)
    _product(canvas, design, palette, (450 - side * 0.5, y + 32, 450 + side * 0.5, y + 32 + side))
    _badge(canvas, design.badge, palette, (768, y + 96), 72)
    _price(canvas, design, palette, (48, chips - 156))
    return canvas


def _chips(canvas: Canvas, design: Design, palette: Palette, y: float) -> None:
    style = Style(27, "#1d2939", "bold", "mm")
    if not design.points:
        return
    wide = (canvas.width - 60 - 16 * (len(design.points) - 1)) / len(design.points)
    for index, point in enumerate(design.points):
        x = 30 + index * (wide + 16)
        canvas.rect((x, y, x + wide, y + 64), WHITE, mix(WHITE, palette.main, 0.08), radius=32, shadow=0.16)
        canvas.text((x + wide / 2, y + 32), point, canvas.fitted(point, style, wide - 36))


def editorial(design: Design, palette: Palette, dice: random.Random) -> Canvas:
    """3:4 with serif type: a tall arch holds the product, words stand beside it."""
    canvas = Canvas(900, 1200, palette.top, palette.bottom)
    _brand(canvas, design, palette, 40, 36)
    top = _notice(canvas, design.notice, 30)
    arch = (470, 150, 850, top - 40)
    canvas.rect((arch[0], arch[1] + 190, arch[2], arch[3]), mix(palette.main, WHITE, 0.25), palette.main, opacity=0.75)
    canvas.ellipse(
        (arch[0], arch[1], arch[2], arch[1] + 380), mix(palette.main, WHITE, 0.42), mix(palette.main, WHITE, 0.25)
    )
    _bubbles(canvas, palette, dice, 500)
    _product(canvas, design, palette, (500, arch[1] + 130, 820, arch[3] - 50))
    y = 190.0
    for line in design.headline:
        style = canvas.fitted(line, Style(66, palette.ink, "serif"), 390)
        canvas.text((48, y), line, style)
        y += style.size * 1.42
    canvas.rect((50, y + 20, 130, y + 24), palette.accent)
    y += 52
    if design.subtitle:
        y = (
            canvas.paragraph((50, y), design.subtitle, Style(28, mix(palette.ink, palette.top, 0.2), leading=1.7), 380)
            + 16
        )
    for point in design.points:
        style = canvas.fitted(point, Style(27, palette.ink, "regular", "lm"), 360)
        canvas.rect((50, y + 12, 62, y + 24), palette.accent, radius=3)
        canvas.text((78, y + 18), point, style)
        y += 54
    _price(canvas, design, palette, (48, min(y + 24, top - 166)))
    return canvas


def card(design: Design, palette: Palette, dice: random.Random) -> Canvas:
    """Square: a plain sheet of statements, the second picture of a carousel."""
    canvas = Canvas(1000, 1000, palette.top, palette.bottom)
    _bubbles(canvas, palette, dice, 1000)
    _brand(canvas, design, palette, 44, 40)
    canvas.rect((44, 120, 956, 956), WHITE, "#f8fafc", radius=28, shadow=0.22)
    y = 168.0
    for line in design.headline:
        canvas.text((90, y), line, canvas.fitted(line, Style(52, mix(palette.main, "#000000", 0.3), "bold"), 700))
        y += 76
    canvas.rect((90, y + 8, 200, y + 14), palette.accent, radius=3)
    y += 48
    for line in design.notice:
        y = canvas.paragraph((90, y), line, Style(28, "#1d2939", leading=1.6), 820) + 18
    if y < 700:
        _product(canvas, design, palette, (620, 660, 880, 920))
    return canvas


LAYOUTS: dict[str, Layout] = {
    "hero": hero,
    "banner": banner,
    "poster": poster,
    "editorial": editorial,
    "card": card,
}


def compose(design: Design) -> Canvas:
    """Draws one picture; its file name seeds the decoration. Raises LayoutError, FontMissing."""
    dice = random.Random(design.file)  # noqa: S311 - decoration, not cryptography
    try:
        return LAYOUTS[design.layout](design, PALETTES[design.palette], dice)
    except LayoutError as error:
        raise LayoutError(f"{design.file}: {error}") from error

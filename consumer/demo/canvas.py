"""A drawing surface for ad pictures: gradients, soft shadows, vector shapes, typography that cannot overlap.

Used by `draw` alone, when the pictures are made anew; the demo itself only reads the committed files.
Coordinates are final pixels; everything is drawn at twice the size and scaled down, so edges are smooth.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont

SCALE = 2
Weight = Literal["regular", "bold", "serif"]
Box = tuple[float, float, float, float]
Point = tuple[float, float]

_PATTERNS: dict[Weight, str] = {
    "regular": "Noto Sans CJK SC:style=Regular",
    "bold": "Noto Sans CJK SC:style=Bold",
    "serif": "Noto Serif CJK SC:style=Bold",
}


class FontMissing(RuntimeError):
    """The machine lacks the fonts; the message says how to get them."""


class LayoutError(ValueError):
    """Text would overlap other text or leave the picture."""


@cache
def font(weight: Weight, size_px: int) -> ImageFont.FreeTypeFont:
    """The font at a size, found through fontconfig; raises FontMissing."""
    fc_match = shutil.which("fc-match")
    if fc_match is None:
        raise FontMissing("fc-match is not installed: apt-get install -y fontconfig fonts-noto-cjk")
    command = [fc_match, "--format=%{family}|%{file}|%{index}", _PATTERNS[weight]]
    family, path, index = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("|")
    if "CJK SC" not in family:
        raise FontMissing(f"no font for '{_PATTERNS[weight]}': apt-get install -y fonts-noto-cjk")
    return ImageFont.truetype(path, size_px, index=int(index))


def mix(one: str, other: str, share: float) -> str:
    """`one` moved towards `other` by `share` (0-1)."""
    first, second = ImageColor.getrgb(one)[:3], ImageColor.getrgb(other)[:3]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(first, second, strict=True))


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of text looks."""

    size: float
    color: str
    weight: Weight = "regular"
    anchor: str = "la"
    leading: float = 1.42


class Canvas:
    """One picture in the making."""

    def __init__(self, width: int, height: int, top: str, bottom: str) -> None:
        self.width = width
        self.height = height
        self._image = self._gradient((width * SCALE, height * SCALE), top, bottom)
        self._texts: list[tuple[Box, str]] = []

    @staticmethod
    def _gradient(size: tuple[int, int], top: str, bottom: str) -> Image.Image:
        ramp = Image.linear_gradient("L").resize(size)
        return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), ramp)

    def _mask(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        mask = Image.new("L", self._image.size, 0)
        return mask, ImageDraw.Draw(mask)

    def _fill(self, mask: Image.Image, top: str, bottom: str | None, opacity: float) -> None:
        bounds = mask.getbbox()
        if bounds is None:
            return
        x0, y0, x1, y1 = bounds
        piece = mask.crop(bounds)
        if opacity < 1:
            piece = piece.point(lambda level: round(level * opacity))
        paint = self._gradient((x1 - x0, y1 - y0), top, bottom or top)
        self._image.paste(paint, (x0, y0), piece)

    def _cast(self, mask: Image.Image, drop: float, blur: float, opacity: float) -> None:
        shadow = ImageChops.offset(mask, 0, round(drop * SCALE)).filter(ImageFilter.GaussianBlur(blur * SCALE))
        self._image.paste(Image.new("RGB", mask.size, "#101828"), (0, 0), shadow.point(lambda v: round(v * opacity)))

    def rect(
        self, box: Box, top: str, bottom: str | None = None, *, radius: float = 0, opacity: float = 1, shadow: float = 0
    ) -> None:
        """A rounded rectangle, filled from `top` to `bottom`; `shadow` is its strength (0-1)."""
        mask, pen = self._mask()
        pen.rounded_rectangle(_scaled(box), radius * SCALE, fill=255)
        if shadow:
            self._cast(mask, 10, 14, shadow)
        self._fill(mask, top, bottom, opacity)

    def outline(self, box: Box, color: str, *, radius: float = 0, width: float = 2) -> None:
        """The border of a rounded rectangle."""
        pen = ImageDraw.Draw(self._image)
        pen.rounded_rectangle(_scaled(box), radius * SCALE, outline=color, width=round(width * SCALE))

    def ellipse(self, box: Box, top: str, bottom: str | None = None, *, opacity: float = 1, shadow: float = 0) -> None:
        """An ellipse within `box`."""
        mask, pen = self._mask()
        pen.ellipse(_scaled(box), fill=255)
        if shadow:
            self._cast(mask, 10, 14, shadow)
        self._fill(mask, top, bottom, opacity)

    def polygon(
        self, points: Sequence[Point], top: str, bottom: str | None = None, *, opacity: float = 1, shadow: float = 0
    ) -> None:
        """A closed shape."""
        mask, pen = self._mask()
        pen.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=255)
        if shadow:
            self._cast(mask, 10, 14, shadow)
        self._fill(mask, top, bottom, opacity)

    def line(self, points: Sequence[Point], color: str, width: float) -> None:
        """A polyline with round joints."""
        pen = ImageDraw.Draw(self._image)
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        pen.line(scaled, fill=color, width=round(width * SCALE), joint="curve")
        reach = width * SCALE / 2
        for x, y in scaled:
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=color)

    def glow(self, center: Point, radius: float, color: str, opacity: float) -> None:
        """A soft light."""
        (x, y), mask_pen = center, self._mask()
        mask, pen = mask_pen
        inner = radius * 0.62
        pen.ellipse(_scaled((x - inner, y - inner, x + inner, y + inner)), fill=255)
        self._fill(mask.filter(ImageFilter.GaussianBlur(radius * SCALE * 0.28)), color, None, opacity)

    def measure(self, text: str, style: Style) -> float:
        """Width of a line in pixels."""
        return font(style.weight, round(style.size * SCALE)).getlength(text) / SCALE

    def text(self, at: Point, text: str, style: Style) -> Box:
        """One line; returns its box. Raises LayoutError if it would overlap text or leave the picture."""
        face = font(style.weight, round(style.size * SCALE))
        pen = ImageDraw.Draw(self._image)
        spot = (at[0] * SCALE, at[1] * SCALE)
        x0, y0, x1, y1 = (edge / SCALE for edge in pen.textbbox(spot, text, font=face, anchor=style.anchor))
        if x0 < 8 or y0 < 4 or x1 > self.width - 8 or y1 > self.height - 4:
            raise LayoutError(f"'{text}' leaves the picture: {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}")
        for (a0, b0, a1, b1), other in self._texts:
            if x0 < a1 and a0 < x1 and y0 < b1 and b0 < y1:
                raise LayoutError(f"'{text}' overlaps '{other}'")
        self._texts.append(((x0, y0, x1, y1), text))
        pen.text(spot, text, fill=style.color, font=face, anchor=style.anchor)
        return (x0, y0, x1, y1)

    def fitted(self, text: str, style: Style, width: float) -> Style:
        """`style`, made smaller until `text` fits into `width` pixels."""
        size = style.size * min(1, width / self.measure(text, style))
        return Style(size, style.color, style.weight, style.anchor, style.leading)

    def paragraph(self, at: Point, text: str, style: Style, width: float) -> float:
        """Text wrapped at `width` pixels (newlines kept), from the top; returns the y below it."""
        x, y = at
        for line in self._wrapped(text, style, width):
            self.text((x, y), line, style)
            y += style.size * style.leading
        return y

    def _wrapped(self, text: str, style: Style, width: float) -> list[str]:
        lines: list[str] = []
        for source in text.split("\n"):
            line = ""
            for character in source:
                if line and self.measure(line + character, style) > width and character not in ",。;:、)”》,.":
                    lines.append(line)
                    line = ""
                line += character
            lines.append(line)
        return lines

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)


def _scaled(box: Box) -> Box:
    x0, y0, x1, y1 = box
    return (x0 * SCALE, y0 * SCALE, x1 * SCALE, y1 * SCALE)

"""Pictures of items: the sheet of `layouts` painted, then turned, washed out or blurred. Equal items give equal bytes.

`lines_of` tells where the words end up without painting anything; `render` writes the files.
"""

import math
import random
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from consumer.demo.canvas import Canvas
from consumer.demo.goods import PRODUCTS
from consumer.demo.layouts import PALETTES
from consumer.evaluation.copy import Scene
from consumer.evaluation.items import IMAGES, Design, Item, Line, PixelBox
from consumer.evaluation.layouts import Placed, Setting, Sheet, cells, face, lay_out
from consumer.evaluation.scenes import draw_scene

DEGREES: Final = {1: 2.0, 2: 5.0, 3: 10.0}
CONTRAST: Final = {1: 0.5, 2: 0.3, 3: 0.15}
"""What is left of every difference from the picture's mean."""
BLUR: Final = {1: (0.7, 60), 2: (1.2, 35), 3: (2.0, 15)}
"""Radius in pixels, then the JPEG quality."""
_PRODUCT_SIDE: Final = 320
_PRODUCT_PALETTE: Final = ("#3f8fc9", "#e0803a")

Turn = Callable[[float, float], tuple[float, float]]


def setting_of(perturbation: str | None) -> Setting:
    """How a perturbation sets the type."""
    if perturbation == "small_text":
        return "small_text"
    return "vertical" if perturbation == "vertical" else "plain"


def file_name(stem: str, perturbation: str | None) -> str:
    """A picture's name in `images/`."""
    return f"{stem}.jpg" if perturbation == "blur_jpeg" else f"{stem}.png"


def lines_of(design: Design, perturbation: str | None, strength: int) -> tuple[int, int, tuple[Line, ...]]:
    """Width, height and lines of the finished picture. Raises LayoutError, FontMissing."""
    sheet = lay_out(design, setting_of(perturbation), strength)
    width, height = sheet.layout.width, sheet.layout.height
    if perturbation != "rotation":
        return width, height, tuple(Line(one.text, one.box, one.rules) for one in sheet.placed)
    degrees = _degrees(design, strength)
    size, turn = _turned(width, height, degrees)
    return *size, tuple(Line(one.text, _box_around(one.box, turn), one.rules) for one in sheet.placed)


def render(item: Item, folder: Path) -> None:
    """Writes the item's pictures into `folder/images`, which must exist."""
    for picture in item.pictures:
        path = folder / IMAGES / picture.file
        image = paint(picture.design, item.perturbation, item.strength)
        if item.perturbation == "blur_jpeg":
            image.save(path, quality=BLUR[item.strength][1])
        else:
            image.save(path, compress_level=1)


def paint(design: Design, perturbation: str | None, strength: int) -> Image.Image:
    """One finished picture."""
    image = _painted(lay_out(design, setting_of(perturbation), strength), design)
    if perturbation == "rotation":
        return _rotated(image, _degrees(design, strength))
    if perturbation == "contrast":
        return ImageEnhance.Contrast(image).enhance(CONTRAST[strength])
    if perturbation == "blur_jpeg":
        return image.filter(ImageFilter.GaussianBlur(BLUR[strength][0]))
    return image


def _painted(sheet: Sheet, design: Design) -> Image.Image:
    layout, palette = sheet.layout, PALETTES[design.palette]
    image = _ground(layout.width, layout.height, palette.top, palette.bottom).copy()
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((36, 34, 76, 74), 10, fill=palette.accent)
    pen.ellipse((46, 44, 66, 64), fill="#ffffff")
    if layout.art:
        _put_art(image, design, layout.art)
    if sheet.panel:
        pen.rounded_rectangle(sheet.panel, 14, fill="#ffffff")
    for line in sheet.placed:
        _write(pen, line)
    return image


@lru_cache(maxsize=16)
def _ground(width: int, height: int, top: str, bottom: str) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.composite(Image.new("RGB", ramp.size, bottom), Image.new("RGB", ramp.size, top), ramp)


def _put_art(image: Image.Image, design: Design, region: PixelBox) -> None:
    x0, y0, x1, y1 = region
    side = min(x1 - x0, y1 - y0)
    at = (x0 + (x1 - x0 - side) // 2, y0 + (y1 - y0 - side) // 2)
    if design.scene:
        image.paste(draw_scene(Scene(design.scene), side, side), at)
    else:
        tile = _product(design.product).resize((side, side), Image.Resampling.LANCZOS)
        image.paste(tile, at)


@cache
def _product(name: str) -> Image.Image:
    canvas = Canvas(_PRODUCT_SIDE, _PRODUCT_SIDE, "#ffffff", "#eef2f6")
    main, accent = _PRODUCT_PALETTE
    PRODUCTS[name](canvas, (50, 30, _PRODUCT_SIDE - 50, _PRODUCT_SIDE - 30), main, accent, "")
    return canvas.finish()


def _write(pen: ImageDraw.ImageDraw, line: Placed) -> None:
    type_face = face(line.weight, line.size)
    if line.down:
        for character, spot in cells(line.text, line.at, line.size):
            pen.text(spot, character, fill=line.color, font=type_face)
    else:
        pen.text(line.at, line.text, fill=line.color, font=type_face)


def _degrees(design: Design, strength: int) -> float:
    sign = random.Random(design.seed).choice((-1, 1))  # noqa: S311 - decoration, not cryptography
    return sign * DEGREES[strength]


def _turned(width: int, height: int, degrees: float) -> tuple[tuple[int, int], Turn]:
    """Size of the turned picture, and where a point of the straight one goes."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    new_width = math.ceil(width * abs(cosine) + height * abs(sine))
    new_height = math.ceil(width * abs(sine) + height * abs(cosine))

    def turn(x: float, y: float) -> tuple[float, float]:
        right, down = x - width / 2, y - height / 2
        return new_width / 2 + right * cosine - down * sine, new_height / 2 + right * sine + down * cosine

    return (new_width, new_height), turn


def _rotated(image: Image.Image, degrees: float) -> Image.Image:
    size, _ = _turned(image.width, image.height, degrees)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    back = (
        cosine, sine, image.width / 2 - cosine * size[0] / 2 - sine * size[1] / 2,
        -sine, cosine, image.height / 2 + sine * size[0] / 2 - cosine * size[1] / 2,
    )  # fmt: skip
    return image.transform(
        size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC, fillcolor=image.getpixel((2, 2))
    )


def _box_around(box: PixelBox, turn: Turn) -> PixelBox:
    corners = [turn(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys)))

"""What pictures show beside words, as simple drawings: white coats, flags, before and after, drinks, cigarettes.

Only someone who looks at the picture can judge them (set B). `render` pastes one into a picture's art region; nothing
here draws letters, so that every word of a picture stays in its gold.
"""

import math
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageDraw

from consumer.evaluation.copy import Scene
from consumer.evaluation.items import PixelBox

Pen = ImageDraw.ImageDraw
SCALE: Final = 2
SIDE: Final = 400
"""Scenes are drawn on a square of this side, whatever they are shown at."""
SKIN: Final = "#f0c9a4"
HAIR: Final = "#2b2320"
RED: Final = "#de2910"
YELLOW: Final = "#ffde00"


def draw_scene(scene: Scene, width: int, height: int) -> Image.Image:
    """The scene, as large as fits into the region, on a pale ground."""
    side = min(width, height)
    image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), "#eef2f6")
    SCENES[scene](ImageDraw.Draw(image))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _box(x0: float, y0: float, x1: float, y1: float) -> PixelBox:
    return (round(x0 * SCALE), round(y0 * SCALE), round(x1 * SCALE), round(y1 * SCALE))


def _path(*points: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * SCALE, y * SCALE) for x, y in points]


def _person(pen: Pen, x: float, y: float, size: float, coat: str, hair: str = HAIR) -> None:
    """Head and shoulders around (x, y), the middle of the face."""
    pen.rounded_rectangle(
        _box(x - size * 1.5, y + size * 1.15, x + size * 1.5, y + size * 4.4), size * 0.9 * SCALE, fill=coat
    )
    pen.rectangle(_box(x - size * 0.32, y + size * 0.7, x + size * 0.32, y + size * 1.35), fill=SKIN)
    pen.ellipse(_box(x - size, y - size * 1.15, x + size, y + size * 1.05), fill=SKIN)
    pen.chord(_box(x - size * 1.05, y - size * 1.35, x + size * 1.05, y + size * 0.7), 180, 360, fill=hair)
    for side in (-0.4, 0.4):
        pen.ellipse(_box(x + size * (side - 0.1), y, x + size * (side + 0.1), y + size * 0.2), fill="#222222")
    pen.arc(_box(x - size * 0.4, y + size * 0.2, x + size * 0.4, y + size * 0.7), 20, 160, "#a0522d", 3 * SCALE)


def _star(pen: Pen, x: float, y: float, radius: float, color: str, turn: float = 0) -> None:
    points = [
        (
            x + radius * (1 if corner % 2 == 0 else 0.4) * math.sin(turn + corner * math.pi / 5),
            y - radius * (1 if corner % 2 == 0 else 0.4) * math.cos(turn + corner * math.pi / 5),
        )
        for corner in range(10)
    ]
    pen.polygon(_path(*points), fill=color)


def _five_stars(pen: Pen, x: float, y: float, height: float) -> None:
    """The flag, its left top corner at (x, y)."""
    unit = height / 20
    pen.rectangle(_box(x, y, x + 30 * unit, y + height), fill=RED)
    _star(pen, x + 5 * unit, y + 5 * unit, 3 * unit, YELLOW)
    for column, row in ((10, 2), (12, 4), (12, 7), (10, 9)):
        _star(pen, x + column * unit, y + row * unit, unit, YELLOW, math.atan2(5 - column, 5 - row))


def _doctor(pen: Pen) -> None:
    _person(pen, 200, 120, 68, "#ffffff")
    pen.polygon(_path((165, 205), (200, 270), (235, 205)), fill="#8fb7d9")
    pen.line(_path((200, 270), (200, 400)), "#c8d0d8", 3 * SCALE)
    pen.arc(_box(140, 170, 260, 310), 0, 180, "#333a44", 7 * SCALE)
    pen.line(_path((200, 308), (200, 345)), "#333a44", 7 * SCALE)
    pen.ellipse(_box(184, 340, 216, 372), fill="#9aa3ad", outline="#333a44", width=4 * SCALE)
    pen.rectangle(_box(238, 300, 290, 306), fill="#c8d0d8")
    pen.rectangle(_box(258, 275, 274, 291), fill=RED)


def _patient(pen: Pen) -> None:
    pen.rectangle(_box(20, 250, 380, 380), fill="#cfe0ef")
    pen.rounded_rectangle(_box(30, 190, 150, 270), 20 * SCALE, fill="#ffffff")
    _person(pen, 200, 130, 52, "#7fa9d0")
    for x in range(140, 270, 20):
        pen.line(_path((x, 205), (x, 345)), "#ffffff", 5 * SCALE)
    pen.line(_path((330, 60), (330, 330)), "#8a949e", 6 * SCALE)
    pen.rounded_rectangle(_box(312, 60, 348, 130), 8 * SCALE, fill="#bfe6f2", outline="#8a949e", width=3 * SCALE)
    pen.line(_path((330, 130), (280, 300)), "#8a949e", 3 * SCALE)


def _flag(pen: Pen) -> None:
    pen.rectangle(_box(38, 40, 46, 380), fill="#8a7a5a")
    _five_stars(pen, 46, 60, 200)


def _emblem(pen: Pen) -> None:
    pen.ellipse(_box(50, 50, 350, 350), fill=YELLOW, outline="#c79a00", width=6 * SCALE)
    pen.ellipse(_box(90, 90, 310, 310), fill=RED)
    _star(pen, 200, 150, 34, YELLOW)
    for x, y in ((140, 175), (165, 205), (235, 205), (260, 175)):
        _star(pen, x, y, 13, YELLOW)
    pen.rectangle(_box(140, 250, 260, 272), fill=YELLOW)
    pen.polygon(_path((125, 250), (200, 222), (275, 250)), fill=YELLOW)
    pen.ellipse(_box(175, 315, 225, 365), fill=YELLOW, outline=RED, width=6 * SCALE)


def _anthem_ceremony(pen: Pen) -> None:
    pen.rectangle(_box(196, 10, 202, 330), fill="#8a949e")
    _five_stars(pen, 202, 20, 110)
    pen.rectangle(_box(0, 330, 400, 400), fill="#9fb08a")
    for x in (70, 130, 270, 330):
        _person(pen, x, 235, 24, "#3f5a3a", "#2f4a2c")
        pen.line(_path((x + 30, 285), (x + 22, 232)), "#3f5a3a", 9 * SCALE)


def _incomplete_map(pen: Pen) -> None:
    """The mainland's outline, without the islands that belong to it."""
    outline = _path(
        (40, 140), (90, 90), (150, 110), (200, 140), (240, 120), (260, 60), (310, 40), (370, 80), (350, 130),
        (300, 160), (290, 190), (330, 230), (320, 290), (270, 330), (220, 320), (180, 330), (150, 280),
        (90, 260), (60, 210),
    )  # fmt: skip
    pen.polygon(outline, fill="#f2c6a0", outline="#b0713a", width=4 * SCALE)
    _star(pen, 290, 150, 12, RED)


def _uniform(pen: Pen) -> None:
    _person(pen, 200, 140, 62, "#1f3a5f")
    pen.chord(_box(122, 30, 278, 150), 180, 360, fill="#16294a")
    pen.rounded_rectangle(_box(118, 86, 282, 104), 6 * SCALE, fill="#0b1830")
    _star(pen, 200, 62, 16, YELLOW)
    for x in (120, 240):
        pen.rectangle(_box(x, 214, x + 40, 226), fill=YELLOW)
    pen.polygon(_path((188, 215), (212, 215), (208, 330), (200, 345), (192, 330)), fill="#0b1830")


def _before_after(pen: Pen) -> None:
    for left, skin, belly in ((10, "#d9a87c", 78), (205, SKIN, 40)):
        pen.rectangle(_box(left, 20, left + 185, 380), fill="#dfe7ee" if left < 100 else "#e6f5e8")
        middle = left + 92
        pen.ellipse(_box(middle - 40, 45, middle + 40, 130), fill=skin)
        pen.chord(_box(middle - 42, 38, middle + 42, 110), 180, 360, fill=HAIR)
        pen.ellipse(_box(middle - belly, 140, middle + belly, 370), fill=skin)
        if left < 100:
            for x, y in ((-18, 88), (12, 96), (-4, 110), (22, 80), (-26, 102)):
                pen.ellipse(_box(middle + x - 5, y - 5, middle + x + 5, y + 5), fill="#b0402f")
    pen.polygon(_path((180, 190), (205, 190), (205, 175), (230, 200), (205, 225), (205, 210), (180, 210)), fill=RED)


def _product_only(pen: Pen) -> None:
    """For scenes that are in the notices, not in the drawing."""
    pen.rounded_rectangle(_box(110, 90, 290, 350), 18 * SCALE, fill="#ffffff", outline="#9fb3c8", width=4 * SCALE)
    pen.rectangle(_box(110, 160, 290, 240), fill="#3f8fc9")


def _child(pen: Pen) -> None:
    _person(pen, 180, 160, 70, "#ffb648", "#4a2f1a")
    for x in (105, 240):
        pen.ellipse(_box(x, 60, x + 36, 96), fill="#ff6f91")
    pen.line(_path((270, 300), (320, 220)), SKIN, 26 * SCALE)
    pen.rounded_rectangle(_box(295, 120, 365, 225), 10 * SCALE, fill="#ffffff", outline="#3f8fc9", width=5 * SCALE)
    pen.rectangle(_box(295, 150, 365, 185), fill="#3f8fc9")


def _glass(pen: Pen, x: float, y: float, size: float) -> None:
    pen.polygon(_path((x - size, y), (x + size, y), (x + size * 0.7, y + size * 2.2), (x - size * 0.7, y + size * 2.2)),
                fill="#e9b23a", outline="#8a949e")  # fmt: skip
    pen.ellipse(_box(x - size, y - size * 0.35, x + size, y + size * 0.35), fill="#fff4d6")


def _drinking(pen: Pen) -> None:
    _person(pen, 170, 140, 66, "#5a4a8a")
    pen.line(_path((300, 330), (300, 235), (240, 185)), "#5a4a8a", 34 * SCALE)
    _glass(pen, 228, 150, 26)
    pen.rounded_rectangle(_box(330, 190, 374, 380), 10 * SCALE, fill="#2f5a3a")
    pen.rectangle(_box(343, 140, 361, 195), fill="#2f5a3a")


def _driving_with_drink(pen: Pen) -> None:
    _person(pen, 160, 120, 54, "#5a4a8a")
    pen.ellipse(_box(90, 220, 270, 400), outline="#20242c", width=18 * SCALE)
    pen.ellipse(_box(160, 290, 200, 330), fill="#20242c")
    pen.line(_path((95, 310), (265, 310)), "#20242c", 12 * SCALE)
    pen.line(_path((0, 330), (90, 300)), "#39424e", 30 * SCALE)
    _glass(pen, 320, 200, 34)
    pen.line(_path((240, 240), (310, 240)), SKIN, 26 * SCALE)


def _smoking(pen: Pen) -> None:
    _person(pen, 170, 150, 72, "#59616b")
    pen.line(_path((196, 192), (290, 214)), "#ffffff", 13 * SCALE)
    pen.line(_path((276, 211), (294, 215)), "#e8541e", 13 * SCALE)
    for step in range(4):
        pen.arc(_box(280 + step * 12, 60 + step * 32, 340 + step * 6, 110 + step * 30), 90, 300, "#9aa3ad", 6 * SCALE)


def _window(pen: Pen, bar: str) -> None:
    pen.rounded_rectangle(_box(40, 70, 360, 330), 14 * SCALE, fill="#ffffff", outline="#6b7785", width=4 * SCALE)
    pen.rectangle(_box(42, 84, 358, 122), fill=bar)


def _fake_close(pen: Pen) -> None:
    _window(pen, "#3f8fc9")
    pen.rounded_rectangle(_box(130, 150, 270, 310), 12 * SCALE, fill="#dfe7ee")
    pen.ellipse(_box(318, 40, 382, 104), fill="#39424e")
    for one, other in (((337, 59), (363, 85)), ((363, 59), (337, 85))):
        pen.line(_path(one, other), "#ffffff", 7 * SCALE)


def _fake_system_alert(pen: Pen) -> None:
    _window(pen, "#b3261e")
    pen.polygon(_path((200, 135), (262, 240), (138, 240)), fill=YELLOW, outline="#8a6d00")
    pen.rectangle(_box(194, 168, 206, 208), fill="#222222")
    pen.ellipse(_box(193, 215, 207, 229), fill="#222222")
    for x, color in ((70, "#c8d0d8"), (215, "#3f8fc9")):
        pen.rounded_rectangle(_box(x, 268, x + 115, 308), 8 * SCALE, fill=color)


def _lingerie(pen: Pen) -> None:
    pen.ellipse(_box(155, 20, 245, 125), fill=SKIN)
    pen.chord(_box(145, 10, 255, 150), 160, 380, fill=HAIR)
    pen.polygon(_path((110, 150), (290, 150), (255, 260), (290, 400), (110, 400), (145, 260)), fill=SKIN)
    for x in (120, 208):
        pen.chord(_box(x, 160, x + 72, 250), 0, 180, fill="#b3124a")
    pen.polygon(_path((128, 330), (272, 330), (200, 398)), fill="#b3124a")


def _breastfeeding_bottle(pen: Pen) -> None:
    _person(pen, 130, 110, 56, "#e79ab0")
    pen.ellipse(_box(180, 230, 280, 330), fill=SKIN)
    pen.rounded_rectangle(_box(140, 310, 330, 400), 40 * SCALE, fill="#bfe0f2")
    pen.polygon(_path((250, 262), (350, 190), (375, 228), (270, 290)), fill="#ffffff", outline="#8a949e")
    pen.ellipse(_box(240, 262, 268, 290), fill="#e0a96d")


SCENES: Final[dict[Scene, Callable[[Pen], None]]] = {
    Scene.FLAG: _flag,
    Scene.EMBLEM: _emblem,
    Scene.ANTHEM_CEREMONY: _anthem_ceremony,
    Scene.INCOMPLETE_MAP: _incomplete_map,
    Scene.UNIFORM: _uniform,
    Scene.DOCTOR: _doctor,
    Scene.PATIENT: _patient,
    Scene.BEFORE_AFTER: _before_after,
    Scene.SMALL_NOTICE: _product_only,
    Scene.PALE_NOTICE: _product_only,
    Scene.CHILD_ENDORSER: _child,
    Scene.DRINKING: _drinking,
    Scene.DRIVING_WITH_DRINK: _driving_with_drink,
    Scene.SMOKING: _smoking,
    Scene.FAKE_CLOSE: _fake_close,
    Scene.FAKE_SYSTEM_ALERT: _fake_system_alert,
    Scene.LINGERIE: _lingerie,
    Scene.BREASTFEEDING_BOTTLE: _breastfeeding_bottle,
}

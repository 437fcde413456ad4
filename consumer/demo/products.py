"""Products drawn with vector shapes: what an ad shows. Each fills a box of the canvas, largest first.

A product is a function of canvas, box, its two colours (main, accent) and the words on its label.
"""

from collections.abc import Callable

from consumer.demo.canvas import Box, Canvas, Style, mix

Product = Callable[[Canvas, Box, str, str, str], None]
WHITE = "#ffffff"


def put_label(canvas: Canvas, center: tuple[float, float], words: str, style: Style, width: float) -> None:
    if words:
        canvas.text(center, words, canvas.fitted(words, style, width))


def pill_box(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A carton in perspective with a blister pack before it."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    front = (x0 + w * 0.10, y0 + h * 0.16, x0 + w * 0.80, y0 + h * 0.74)
    c.polygon(
        [
            (front[0], front[1]),
            (front[0] + w * 0.10, y0 + h * 0.08),
            (front[2] + w * 0.10, y0 + h * 0.08),
            (front[2], front[1]),
        ],
        mix(WHITE, main, 0.22),
        mix(WHITE, main, 0.34),
    )
    c.polygon(
        [
            (front[2], front[1]),
            (front[2] + w * 0.10, y0 + h * 0.08),
            (front[2] + w * 0.10, y0 + h * 0.66),
            (front[2], front[3]),
        ],
        mix(main, "#000000", 0.12),
        mix(main, "#000000", 0.30),
    )
    c.rect(front, WHITE, mix(WHITE, main, 0.10), shadow=0.30)
    c.rect((front[0], front[1], front[2], front[1] + h * 0.12), main, mix(main, "#000000", 0.12))
    c.rect((front[0], front[3] - h * 0.05, front[2], front[3]), accent)
    middle = (front[0] + front[2]) / 2
    put_label(c, (middle, y0 + h * 0.43), words, Style(h * 0.115, mix(main, "#000000", 0.35), "bold", "mm"), w * 0.60)
    c.rect((front[0] + w * 0.06, y0 + h * 0.53, front[2] - w * 0.06, y0 + h * 0.545), mix(WHITE, main, 0.45))
    c.rect((front[0] + w * 0.06, y0 + h * 0.58, front[2] - w * 0.24, y0 + h * 0.595), mix(WHITE, main, 0.30))
    blister(c, (x0 + w * 0.40, y0 + h * 0.68, x1, y1), main, accent, "")


def blister(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A blister pack: two rows of capsules in foil."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.rect(box, "#f4f6f9", "#c9d0da", radius=h * 0.10, shadow=0.28)
    columns, rows = 5, 2
    for row in range(rows):
        for column in range(columns):
            cx = x0 + w * (column + 0.5) / columns
            cy = y0 + h * (row + 0.5) / rows
            rx, ry = w * 0.075, h * 0.15
            c.ellipse((cx - rx * 1.12, cy - ry * 1.12, cx + rx * 1.12, cy + ry * 1.12), "#b6bfcb", "#eef1f5")
            c.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), mix(accent, WHITE, 0.35), accent)
            c.ellipse((cx - rx * 0.55, cy - ry * 0.7, cx + rx * 0.05, cy - ry * 0.15), WHITE, opacity=0.7)
    put_label(c, ((x0 + x1) / 2, y1 + h * 0.2), words, Style(h * 0.16, main, "bold", "mm"), w)


def bottle(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A supplement bottle with a ribbed cap and loose softgels."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    left, right = x0 + w * 0.20, x0 + w * 0.80
    c.rect(
        (left, y0 + h * 0.20, right, y1),
        mix(main, WHITE, 0.18),
        mix(main, "#000000", 0.22),
        radius=w * 0.10,
        shadow=0.32,
    )
    c.rect((left + w * 0.04, y0 + h * 0.22, left + w * 0.10, y1 - h * 0.06), WHITE, radius=w * 0.03, opacity=0.30)
    c.rect((left + w * 0.05, y0, right - w * 0.05, y0 + h * 0.17), WHITE, "#d9dee6", radius=w * 0.04, shadow=0.18)
    for rib in range(9):
        x = left + w * 0.09 + rib * w * 0.0525
        c.rect((x, y0 + h * 0.03, x + w * 0.012, y0 + h * 0.14), "#c3cad4")
    c.rect((left, y0 + h * 0.38, right, y0 + h * 0.82), WHITE, "#f3f5f8")
    c.rect((left, y0 + h * 0.38, right, y0 + h * 0.42), accent)
    put_label(
        c,
        ((left + right) / 2, y0 + h * 0.53),
        words,
        Style(h * 0.095, mix(main, "#000000", 0.3), "bold", "mm"),
        w * 0.50,
    )
    for row, share in enumerate((0.44, 0.36, 0.40)):
        y = y0 + h * (0.63 + row * 0.045)
        c.rect((left + w * 0.08, y, left + w * (0.08 + share), y + h * 0.015), mix(WHITE, main, 0.35), radius=2)
    for x, y in ((0.02, 0.90), (0.84, 0.87), (0.88, 0.95)):
        c.ellipse(
            (x0 + w * x, y0 + h * y, x0 + w * (x + 0.15), y0 + h * (y + 0.065)),
            mix(accent, WHITE, 0.5),
            accent,
            shadow=0.2,
        )


def dropper(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A glass serum bottle with a dropper."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    mid = (x0 + x1) / 2
    c.ellipse((mid - w * 0.36, y1 - h * 0.06, mid + w * 0.36, y1 + h * 0.02), "#000000", opacity=0.12)
    c.rect(
        (mid - w * 0.09, y0, mid + w * 0.09, y0 + h * 0.20),
        mix(accent, WHITE, 0.1),
        mix(accent, "#000000", 0.25),
        radius=w * 0.08,
    )
    c.rect(
        (mid - w * 0.15, y0 + h * 0.17, mid + w * 0.15, y0 + h * 0.31),
        mix(accent, WHITE, 0.45),
        mix(accent, "#000000", 0.1),
        radius=6,
    )
    c.rect(
        (mid - w * 0.28, y0 + h * 0.30, mid + w * 0.28, y1 - h * 0.02),
        mix(main, WHITE, 0.55),
        main,
        radius=w * 0.10,
        shadow=0.30,
    )
    c.rect(
        (mid - w * 0.24, y0 + h * 0.52, mid + w * 0.24, y1 - h * 0.05),
        mix(main, WHITE, 0.15),
        mix(main, "#000000", 0.15),
        radius=w * 0.08,
        opacity=0.6,
    )
    c.rect((mid - w * 0.22, y0 + h * 0.34, mid - w * 0.17, y1 - h * 0.09), WHITE, radius=w * 0.02, opacity=0.55)
    c.rect((mid - w * 0.21, y0 + h * 0.53, mid + w * 0.21, y0 + h * 0.78), WHITE, radius=4, opacity=0.94)
    put_label(c, (mid, y0 + h * 0.63), words, Style(h * 0.065, mix(main, "#000000", 0.55), "serif", "mm"), w * 0.36)
    c.rect((mid - w * 0.10, y0 + h * 0.705, mid + w * 0.10, y0 + h * 0.712), accent)


def jar(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A jar: honey, cream, tea. Squat: a tall box leaves room above it."""
    x0, y0, x1, y1 = box
    y0 = max(y0, y1 - (x1 - x0) * 1.2)
    w, h = x1 - x0, y1 - y0
    c.rect(
        (x0 + w * 0.06, y0 + h * 0.22, x1 - w * 0.06, y1),
        mix(main, WHITE, 0.30),
        mix(main, "#000000", 0.18),
        radius=w * 0.13,
        shadow=0.32,
    )
    c.rect(
        (x0 + w * 0.10, y0, x1 - w * 0.10, y0 + h * 0.24),
        mix(accent, WHITE, 0.25),
        mix(accent, "#000000", 0.2),
        radius=w * 0.05,
        shadow=0.2,
    )
    c.rect((x0 + w * 0.12, y0 + h * 0.30, x0 + w * 0.18, y1 - h * 0.14), WHITE, radius=w * 0.03, opacity=0.4)
    c.rect((x0 + w * 0.06, y0 + h * 0.44, x1 - w * 0.06, y0 + h * 0.82), "#fffdf7", "#f6efe0")
    c.rect((x0 + w * 0.06, y0 + h * 0.47, x1 - w * 0.06, y0 + h * 0.48), accent)
    c.rect((x0 + w * 0.06, y0 + h * 0.78, x1 - w * 0.06, y0 + h * 0.79), accent)
    put_label(
        c, ((x0 + x1) / 2, y0 + h * 0.63), words, Style(h * 0.13, mix(main, "#000000", 0.5), "serif", "mm"), w * 0.70
    )


def tin(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A tin of nutrition powder with a spoon's worth of shine."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    left, right = x0 + w * 0.14, x1 - w * 0.14
    c.ellipse((left, y1 - h * 0.12, right, y1), mix(main, "#000000", 0.35), shadow=0.32)
    c.rect((left, y0 + h * 0.08, right, y1 - h * 0.06), mix(main, WHITE, 0.12), mix(main, "#000000", 0.2), shadow=0.2)
    c.ellipse((left, y0 + h * 0.02, right, y0 + h * 0.14), "#f1f3f6", "#c7ced8")
    c.ellipse((left + w * 0.05, y0 + h * 0.04, right - w * 0.05, y0 + h * 0.12), "#dfe4ea", "#f8f9fb")
    c.rect((left + w * 0.05, y0 + h * 0.14, left + w * 0.11, y1 - h * 0.10), WHITE, opacity=0.25)
    c.ellipse((x0 + w * 0.24, y0 + h * 0.28, x1 - w * 0.24, y0 + h * 0.68), WHITE, "#f2f5f9", opacity=0.96)
    put_label(
        c, ((x0 + x1) / 2, y0 + h * 0.48), words, Style(h * 0.085, mix(main, "#000000", 0.25), "bold", "mm"), w * 0.42
    )
    c.rect((left, y0 + h * 0.75, right, y0 + h * 0.80), accent)


def patch(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A sachet with two plasters before it."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.rect(
        (x0 + w * 0.16, y0, x0 + w * 0.84, y0 + h * 0.78),
        mix(main, WHITE, 0.1),
        mix(main, "#000000", 0.22),
        radius=10,
        shadow=0.32,
    )
    c.rect((x0 + w * 0.16, y0 + h * 0.05, x0 + w * 0.84, y0 + h * 0.075), WHITE, opacity=0.35)
    c.ellipse((x0 + w * 0.28, y0 + h * 0.16, x0 + w * 0.72, y0 + h * 0.54), WHITE, opacity=0.94)
    put_label(
        c, (x0 + w * 0.5, y0 + h * 0.35), words, Style(h * 0.085, mix(main, "#000000", 0.3), "bold", "mm"), w * 0.36
    )
    for left, top in ((0.02, 0.66), (0.46, 0.74)):
        a, b = x0 + w * left, y0 + h * top
        c.rect(
            (a, b, a + w * 0.50, b + h * 0.22),
            mix(accent, WHITE, 0.55),
            mix(accent, WHITE, 0.25),
            radius=h * 0.08,
            shadow=0.25,
        )
        c.rect(
            (a + w * 0.15, b + h * 0.03, a + w * 0.35, b + h * 0.19), mix(accent, WHITE, 0.75), radius=6, opacity=0.9
        )


def monitor(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A blood pressure monitor: case, display, button, cuff."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.ellipse((x0 + w * 0.52, y0, x1, y0 + h * 0.50), mix(main, "#000000", 0.1), mix(main, "#000000", 0.4), shadow=0.3)
    c.ellipse(
        (x0 + w * 0.60, y0 + h * 0.08, x1 - w * 0.08, y0 + h * 0.40), mix(main, WHITE, 0.75), mix(main, WHITE, 0.5)
    )
    c.line(
        [(x0 + w * 0.66, y0 + h * 0.47), (x0 + w * 0.56, y0 + h * 0.56), (x0 + w * 0.44, y0 + h * 0.50)], "#5b6675", 7
    )
    c.rect((x0, y0 + h * 0.38, x0 + w * 0.80, y1), WHITE, "#dde3ea", radius=w * 0.07, shadow=0.34)
    c.rect((x0 + w * 0.06, y0 + h * 0.44, x0 + w * 0.54, y0 + h * 0.88), "#d5e6dc", "#b9d3c5", radius=10)
    for row, reading in enumerate(("118", "76")):
        c.text((x0 + w * 0.50, y0 + h * (0.55 + row * 0.20)), reading, Style(h * 0.15, "#1d3b30", "bold", "rm"))
    c.ellipse(
        (x0 + w * 0.60, y0 + h * 0.58, x0 + w * 0.74, y0 + h * 0.58 + w * 0.14),
        mix(accent, WHITE, 0.2),
        accent,
        shadow=0.2,
    )
    put_label(c, (x0 + w * 0.67, y0 + h * 0.50), words, Style(h * 0.05, "#475467", "bold", "mm"), w * 0.18)


def meter(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A handheld glucose meter with a strip."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.rect((x0 + w * 0.44, y1 - h * 0.16, x0 + w * 0.56, y1), WHITE, "#e4e8ee", radius=4, shadow=0.2)
    c.rect((x0 + w * 0.47, y1 - h * 0.05, x0 + w * 0.53, y1 - h * 0.01), "#d64545")
    c.rect(
        (x0 + w * 0.20, y0, x0 + w * 0.80, y1 - h * 0.10),
        mix(main, WHITE, 0.15),
        mix(main, "#000000", 0.2),
        radius=w * 0.18,
        shadow=0.34,
    )
    c.rect((x0 + w * 0.27, y0 + h * 0.12, x0 + w * 0.73, y0 + h * 0.48), "#e9f2ee", "#c9ddd4", radius=12)
    c.text((x0 + w * 0.50, y0 + h * 0.28), "5.6", Style(h * 0.15, "#16352a", "bold", "mm"))
    c.text((x0 + w * 0.50, y0 + h * 0.42), "mmol/L", Style(h * 0.045, "#2f5546", "regular", "mm"))
    for shift in (-0.14, 0.0, 0.14):
        cx = x0 + w * (0.5 + shift)
        c.ellipse(
            (cx - w * 0.05, y0 + h * 0.56, cx + w * 0.05, y0 + h * 0.56 + w * 0.10), mix(accent, WHITE, 0.3), accent
        )
    put_label(c, (x0 + w * 0.5, y0 + h * 0.77), words, Style(h * 0.05, WHITE, "bold", "mm"), w * 0.4)


def spray(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A nasal spray bottle."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    mid = (x0 + x1) / 2
    c.polygon(
        [(mid - w * 0.05, y0), (mid + w * 0.05, y0), (mid + w * 0.11, y0 + h * 0.26), (mid - w * 0.11, y0 + h * 0.26)],
        WHITE,
        "#d8dee7",
        shadow=0.2,
    )
    c.rect((mid - w * 0.24, y0 + h * 0.24, mid + w * 0.24, y0 + h * 0.32), WHITE, "#cfd6e0", radius=8, shadow=0.2)
    c.rect(
        (mid - w * 0.30, y0 + h * 0.34, mid + w * 0.30, y1),
        mix(main, WHITE, 0.2),
        mix(main, "#000000", 0.18),
        radius=w * 0.11,
        shadow=0.32,
    )
    c.rect((mid - w * 0.25, y0 + h * 0.38, mid - w * 0.19, y1 - h * 0.08), WHITE, radius=w * 0.03, opacity=0.35)
    c.rect((mid - w * 0.30, y0 + h * 0.50, mid + w * 0.30, y0 + h * 0.82), WHITE, "#f2f5f8")
    c.rect((mid - w * 0.30, y0 + h * 0.50, mid + w * 0.30, y0 + h * 0.53), accent)
    put_label(c, (mid, y0 + h * 0.67), words, Style(h * 0.075, mix(main, "#000000", 0.35), "bold", "mm"), w * 0.48)

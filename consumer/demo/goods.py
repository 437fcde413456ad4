"""More products: goods that are neither drug nor cosmetic, and the table of all products by name."""

from consumer.demo import products as health
from consumer.demo.canvas import Box, Canvas, Style, mix
from consumer.demo.products import WHITE, Product, put_label


def phone(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A phone showing its home screen."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    left, right = x0 + w * 0.5 - h * 0.245, x0 + w * 0.5 + h * 0.245
    c.rect((left, y0, right, y1), "#20242c", "#0c0e12", radius=h * 0.065, shadow=0.42)
    screen = (left + h * 0.018, y0 + h * 0.018, right - h * 0.018, y1 - h * 0.018)
    c.rect(screen, mix(main, WHITE, 0.25), mix(accent, "#000000", 0.15), radius=h * 0.05)
    c.glow((left + h * 0.16, y0 + h * 0.34), h * 0.15, WHITE, 0.35)
    c.glow((right - h * 0.13, y0 + h * 0.62), h * 0.14, accent, 0.8)
    c.rect(
        (x0 + w * 0.5 - h * 0.06, y0 + h * 0.035, x0 + w * 0.5 + h * 0.06, y0 + h * 0.062), "#0c0e12", radius=h * 0.02
    )
    put_label(c, (x0 + w * 0.5, y0 + h * 0.20), words, Style(h * 0.075, WHITE, "bold", "mm"), h * 0.36)
    for row in range(2):
        for column in range(4):
            a = left + h * (0.052 + column * 0.1)
            b = y0 + h * (0.73 + row * 0.105)
            tint = mix(WHITE, main, (row * 4 + column) / 12)
            c.rect((a, b, a + h * 0.078, b + h * 0.078), tint, mix(tint, accent, 0.2), radius=h * 0.02, opacity=0.92)


def chart(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A card with a net-value line that goes up and down."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.rect((x0, y0 + h * 0.06, x1, y1 - h * 0.06), WHITE, "#f4f7fb", radius=w * 0.05, shadow=0.30)
    put_label(c, (x0 + w * 0.07, y0 + h * 0.17), words, Style(h * 0.065, "#344054", "bold", "lm"), w * 0.8)
    heights = (0.62, 0.55, 0.60, 0.47, 0.53, 0.42, 0.49, 0.38, 0.43, 0.33)
    points = [(x0 + w * (0.08 + index * 0.093), y0 + h * height) for index, height in enumerate(heights)]
    for level in (0.32, 0.45, 0.58):
        c.rect((x0 + w * 0.07, y0 + h * level, x1 - w * 0.07, y0 + h * level + 1.5), "#e3e8ef")
    c.polygon([*points, (points[-1][0], y0 + h * 0.68), (points[0][0], y0 + h * 0.68)], accent, WHITE, opacity=0.25)
    c.line(points, accent, 5)
    for index in range(7):
        left = x0 + w * (0.09 + index * 0.122)
        top = y0 + h * (0.84 - 0.03 * ((index * 5) % 4))
        c.rect((left, top, left + w * 0.07, y0 + h * 0.88), mix(main, WHITE, 0.35), main, radius=4)


def coins(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """Stacks of gold coins under an arrow."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    for stack, count in enumerate((3, 5, 7, 10)):
        left = x0 + w * (0.04 + stack * 0.24)
        for coin in range(count):
            base = y1 - h * 0.06 - coin * h * 0.062
            c.ellipse((left, base - h * 0.09, left + w * 0.21, base), "#b9820f", "#8a5d05")
            c.ellipse((left, base - h * 0.105, left + w * 0.21, base - h * 0.015), "#ffe08a", "#e9b23a")
    c.line(
        [
            (x0 + w * 0.06, y0 + h * 0.52),
            (x0 + w * 0.36, y0 + h * 0.40),
            (x0 + w * 0.55, y0 + h * 0.30),
            (x0 + w * 0.80, y0 + h * 0.07),
        ],
        accent,
        12,
    )
    c.polygon([(x0 + w * 0.90, y0), (x0 + w * 0.72, y0 + h * 0.04), (x0 + w * 0.86, y0 + h * 0.15)], accent)
    put_label(c, (x0 + w * 0.28, y0 + h * 0.18), words, Style(h * 0.09, main, "bold", "mm"), w * 0.5)


def tower(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """Residential towers among trees."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    for left, top, width, shade in ((0.04, 0.30, 0.26, 0.25), (0.70, 0.22, 0.26, 0.15), (0.33, 0.0, 0.34, 0.0)):
        a, b, right = x0 + w * left, y0 + h * top, x0 + w * (left + width)
        c.rect(
            (a, b, right, y1 - h * 0.05),
            mix(main, WHITE, 0.55 - shade),
            mix(main, WHITE, 0.25 - shade),
            radius=4,
            shadow=0.22,
        )
        c.rect((a, b, right, b + h * 0.02), accent)
        columns, rows = 4, int((y1 - h * 0.12 - b) / (h * 0.055))
        for row in range(rows):
            for column in range(columns):
                p = a + (right - a) * (0.10 + column * 0.215)
                q = b + h * 0.045 + row * h * 0.055
                lit = (row * 7 + column * 3) % 5 == 0
                c.rect((p, q, p + (right - a) * 0.15, q + h * 0.03), "#ffe7a8" if lit else mix(main, "#000000", 0.35))
    for x, size in ((0.0, 0.10), (0.24, 0.13), (0.62, 0.14), (0.88, 0.12)):
        a, b = x0 + w * x, y1 - h * 0.02
        c.rect((a + w * size * 0.45, b - h * 0.05, a + w * size * 0.55, b), "#6b4f35")
        c.ellipse((a, b - h * 0.15, a + w * size, b - h * 0.03), "#7fae7a", "#4d7f52")
    put_label(c, (x0 + w * 0.5, y1 + h * 0.03), words, Style(h * 0.05, main, "serif", "mm"), w)


def cup(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A yogurt cup with its lid pulled back and berries beside it."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.polygon(
        [
            (x0 + w * 0.16, y0 + h * 0.16),
            (x0 + w * 0.84, y0 + h * 0.16),
            (x0 + w * 0.74, y1 - h * 0.04),
            (x0 + w * 0.26, y1 - h * 0.04),
        ],
        WHITE,
        mix(WHITE, main, 0.30),
        shadow=0.30,
    )
    c.ellipse((x0 + w * 0.27, y1 - h * 0.09, x0 + w * 0.73, y1), mix(WHITE, main, 0.34))
    c.ellipse((x0 + w * 0.14, y0 + h * 0.08, x0 + w * 0.86, y0 + h * 0.25), "#f7f7fa", "#d9dde5", shadow=0.15)
    c.ellipse((x0 + w * 0.19, y0 + h * 0.10, x0 + w * 0.81, y0 + h * 0.23), "#fffaf2", "#fff3e2")
    c.polygon(
        [
            (x0 + w * 0.20, y0 + h * 0.44),
            (x0 + w * 0.80, y0 + h * 0.44),
            (x0 + w * 0.765, y0 + h * 0.74),
            (x0 + w * 0.235, y0 + h * 0.74),
        ],
        mix(main, WHITE, 0.1),
        main,
    )
    put_label(c, (x0 + w * 0.5, y0 + h * 0.59), words, Style(h * 0.10, WHITE, "bold", "mm"), w * 0.44)
    for x, y in ((0.00, 0.86), (0.13, 0.90), (0.80, 0.85), (0.90, 0.91)):
        a, b, size = x0 + w * x, y0 + h * y, w * 0.13
        c.ellipse((a, b, a + size, b + size), mix(accent, WHITE, 0.35), mix(accent, "#000000", 0.25), shadow=0.2)


def kettle(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """An electric kettle."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.line(
        [
            (x0 + w * 0.74, y0 + h * 0.24),
            (x0 + w * 0.94, y0 + h * 0.30),
            (x0 + w * 0.95, y0 + h * 0.66),
            (x0 + w * 0.76, y0 + h * 0.76),
        ],
        "#2b313b",
        24,
    )
    c.polygon(
        [(x0 + w * 0.24, y0 + h * 0.26), (x0 + w * 0.04, y0 + h * 0.20), (x0 + w * 0.22, y0 + h * 0.46)],
        mix(main, WHITE, 0.3),
        mix(main, "#000000", 0.2),
    )
    c.polygon(
        [
            (x0 + w * 0.24, y0 + h * 0.17),
            (x0 + w * 0.74, y0 + h * 0.17),
            (x0 + w * 0.84, y1 - h * 0.10),
            (x0 + w * 0.14, y1 - h * 0.10),
        ],
        mix(main, WHITE, 0.45),
        mix(main, "#000000", 0.12),
        shadow=0.32,
    )
    c.rect((x0 + w * 0.25, y0 + h * 0.09, x0 + w * 0.73, y0 + h * 0.18), "#3a414d", "#1f242c", radius=14)
    c.ellipse((x0 + w * 0.44, y0 + h * 0.02, x0 + w * 0.54, y0 + h * 0.11), "#3a414d", "#1f242c")
    c.rect((x0 + w * 0.09, y1 - h * 0.11, x0 + w * 0.89, y1 - h * 0.03), "#3a414d", "#15191f", radius=12, shadow=0.3)
    c.polygon(
        [
            (x0 + w * 0.29, y0 + h * 0.22),
            (x0 + w * 0.35, y0 + h * 0.22),
            (x0 + w * 0.29, y1 - h * 0.16),
            (x0 + w * 0.22, y1 - h * 0.16),
        ],
        WHITE,
        opacity=0.35,
    )
    c.rect((x0 + w * 0.60, y0 + h * 0.34, x0 + w * 0.645, y0 + h * 0.76), WHITE, radius=8, opacity=0.35)
    c.rect((x0 + w * 0.60, y0 + h * 0.48, x0 + w * 0.645, y0 + h * 0.76), accent, radius=8, opacity=0.75)
    put_label(c, (x0 + w * 0.45, y0 + h * 0.62), words, Style(h * 0.065, WHITE, "bold", "mm"), w * 0.26)


def book(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """Two books and a pencil."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    c.rect(
        (x0 + w * 0.30, y0, x0 + w * 0.94, y0 + h * 0.82),
        mix(accent, WHITE, 0.2),
        mix(accent, "#000000", 0.2),
        radius=12,
        shadow=0.3,
    )
    c.rect(
        (x0 + w * 0.06, y0 + h * 0.16, x0 + w * 0.70, y1),
        mix(main, WHITE, 0.12),
        mix(main, "#000000", 0.22),
        radius=12,
        shadow=0.36,
    )
    c.rect((x0 + w * 0.06, y0 + h * 0.16, x0 + w * 0.12, y1), mix(main, "#000000", 0.28), radius=8)
    c.rect((x0 + w * 0.18, y0 + h * 0.30, x0 + w * 0.63, y0 + h * 0.56), WHITE, "#f4f6fa", radius=6)
    put_label(
        c, (x0 + w * 0.405, y0 + h * 0.43), words, Style(h * 0.095, mix(main, "#000000", 0.35), "bold", "mm"), w * 0.40
    )
    for row in range(3):
        c.rect(
            (x0 + w * 0.20, y0 + h * (0.66 + row * 0.07), x0 + w * (0.60 - row * 0.08), y0 + h * (0.68 + row * 0.07)),
            WHITE,
            radius=4,
            opacity=0.5,
        )
    c.polygon(
        [
            (x0 + w * 0.78, y0 + h * 0.36),
            (x0 + w * 0.85, y0 + h * 0.36),
            (x0 + w * 0.85, y0 + h * 0.90),
            (x0 + w * 0.78, y0 + h * 0.90),
        ],
        "#ffd257",
        "#f0ac1f",
        shadow=0.25,
    )
    c.polygon(
        [(x0 + w * 0.78, y0 + h * 0.90), (x0 + w * 0.85, y0 + h * 0.90), (x0 + w * 0.815, y0 + h * 0.98)], "#f3dcc0"
    )
    c.rect((x0 + w * 0.78, y0 + h * 0.31, x0 + w * 0.85, y0 + h * 0.37), "#e77f86", radius=6)


def vacuum(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A robot vacuum seen from above."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    side = min(w, h) * 0.96
    a, b = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
    c.ellipse((a, b, a + side, b + side), "#f8f9fb", "#c5ccd6", shadow=0.40)
    c.ellipse((a + side * 0.04, b + side * 0.04, a + side * 0.96, b + side * 0.96), "#ffffff", "#e4e8ee")
    c.ellipse(
        (a + side * 0.34, b + side * 0.14, a + side * 0.66, b + side * 0.46),
        mix(main, "#000000", 0.2),
        "#0f1318",
        shadow=0.3,
    )
    c.ellipse((a + side * 0.40, b + side * 0.20, a + side * 0.60, b + side * 0.40), accent, mix(accent, "#000000", 0.3))
    c.rect((a + side * 0.44, b + side * 0.56, a + side * 0.56, b + side * 0.60), mix(main, WHITE, 0.3), main, radius=9)
    put_label(c, (a + side * 0.5, b + side * 0.74), words, Style(side * 0.065, "#475467", "bold", "mm"), side * 0.5)


def wine(c: Canvas, box: Box, main: str, accent: str, words: str) -> None:
    """A wine bottle and its label."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    mid, half = (x0 + x1) / 2, min(w * 0.30, h * 0.15)
    dark = mix(main, "#000000", 0.45)
    c.ellipse((mid - half * 1.3, y1 - h * 0.03, mid + half * 1.3, y1 + h * 0.02), "#000000", opacity=0.22)
    c.polygon(
        [
            (mid - half * 0.34, y0 + h * 0.20),
            (mid + half * 0.34, y0 + h * 0.20),
            (mid + half, y0 + h * 0.42),
            (mid - half, y0 + h * 0.42),
        ],
        dark,
        main,
    )
    c.rect((mid - half * 0.34, y0, mid + half * 0.34, y0 + h * 0.24), accent, mix(accent, "#000000", 0.35), radius=5)
    c.rect((mid - half, y0 + h * 0.40, mid + half, y1), main, dark, radius=14, shadow=0.3)
    c.rect((mid - half * 0.82, y0 + h * 0.36, mid - half * 0.62, y1 - h * 0.06), WHITE, radius=6, opacity=0.16)
    c.rect((mid - half * 0.92, y0 + h * 0.52, mid + half * 0.92, y0 + h * 0.82), "#fbf6ea", "#efe4cd")
    c.outline((mid - half * 0.82, y0 + h * 0.535, mid + half * 0.82, y0 + h * 0.805), accent, width=1.5)
    put_label(c, (mid, y0 + h * 0.67), words, Style(h * 0.06, dark, "serif", "mm"), half * 1.4)


PRODUCTS: dict[str, Product] = {
    "pill_box": health.pill_box,
    "bottle": health.bottle,
    "dropper": health.dropper,
    "jar": health.jar,
    "tin": health.tin,
    "patch": health.patch,
    "monitor": health.monitor,
    "meter": health.meter,
    "spray": health.spray,
    "phone": phone,
    "chart": chart,
    "coins": coins,
    "tower": tower,
    "cup": cup,
    "kettle": kettle,
    "book": book,
    "vacuum": vacuum,
    "wine": wine,
}

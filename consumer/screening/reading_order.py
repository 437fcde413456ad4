"""Lines in the order a person reads them: rows from the top, each from the left; how many there may be. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_LINES: Final = 1000
"""Of one picture. A picture or line that reaches its bound counts as cut."""
MAX_LINE_CHARS: Final = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; `box` is x0, y0, x1, y1 as fractions of the picture."""

    text: str
    confidence: float
    box: tuple[float, float, float, float]


def in_reading_order(lines: Sequence[Line]) -> list[Line]:
    """Lines whose middles lie within the height of a row's first line share its row."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=_middle):
        if rows and _middle(line) < rows[-1][0].box[3] and _middle(rows[-1][0]) > line.box[1]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.box[0])]


def _middle(line: Line) -> float:
    return (line.box[1] + line.box[3]) / 2

"""Where the words of an ad came from: its text fields and what OCR read in each picture, ready to be searched.

Each source keeps its folded text and the way back: a range of folded text becomes evidence with the exact quote
and, in a picture, the box around the lines it was read from. Pure.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Final

from consumer.messages import OcrLine
from consumer.screening.normalise import Folded, fold
from consumer.screening.reading_order import MAX_LINE_CHARS, MAX_LINES
from schemas import AdText, Box, Evidence, EvidenceSource

MAX_TEXT_CHARS: Final = 200_000
"""Of an ad's text; what lies beyond is not judged, and the findings say so."""
MAX_PICTURE_CHARS: Final = 20_000
MAX_QUOTE_CHARS: Final = 200
READABLE_CHARS: Final = 4
"""Lines with fewer different characters are often texture that OCR took for writing (00000, OO)."""
READABLE_HAN: Final = 2
"""Two different Chinese characters are a word already (最佳, 第一), unless both are bare strokes (口一)."""
_STROKES: Final = frozenset("一二三十口日田目回工王丰")


@dataclass(frozen=True, slots=True)
class Source:
    """One text field, or one picture's lines joined by line breaks (`starts`: where each begins)."""

    folded: Folded
    asset_id: str | None = None
    lines: tuple[OcrLine, ...] = ()
    starts: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The folded text."""
        return self.folded.text

    @property
    def cut(self) -> bool:
        """Whether more may be written there than was read."""
        crowded = len(self.lines) >= MAX_LINES or any(len(line.text) >= MAX_LINE_CHARS for line in self.lines)
        return crowded or self.folded.cut

    def evidence(self, start: int, end: int) -> Evidence:
        """The evidence in `text[start:end]`, which must not be empty."""
        first, last = self.folded.span(start, end)
        quote = self.folded.original[first:last][:MAX_QUOTE_CHARS]
        if not self.lines:
            return Evidence(quote=quote, source=EvidenceSource.TEXT, verified=True)
        read_from = self.lines[bisect_right(self.starts, first) - 1 : bisect_right(self.starts, last - 1)]
        return Evidence(
            quote=quote,
            source=EvidenceSource.IMAGE,
            asset_id=self.asset_id,
            bbox=_union([line.box for line in read_from]),
            verified=True,
        )


def sources_of(text: AdText, ocr: Sequence[OcrLine]) -> tuple[Source, ...]:
    """The ad's text fields in reading order, then its pictures in the order of their lines."""
    found = []
    left = MAX_TEXT_CHARS
    for field in (text.title, text.body, text.call_to_action):
        if field:
            found.append(Source(fold(field, left)))
            left = max(0, left - len(field))
    for asset_id, group in groupby(ocr, key=lambda line: line.asset_id):
        found.append(picture_source(asset_id, tuple(group)))
    return tuple(found)


def picture_source(asset_id: str, lines: tuple[OcrLine, ...]) -> Source:
    """A picture's lines as one text, so that a phrase that runs over two lines is found."""
    starts = tuple(accumulate((len(line.text) + 1 for line in lines[:-1]), initial=0))
    return Source(fold("\n".join(line.text for line in lines), MAX_PICTURE_CHARS), asset_id, lines, starts)


def confident(ocr: Sequence[OcrLine], min_confidence: float) -> bool:
    """Whether OCR is sure of every line long enough to say something; true without pictures."""
    return all(line.confidence >= min_confidence for line in ocr if _says_something(line.text))


def _says_something(text: str) -> bool:
    characters = {char for char in text if char.isalnum()}
    han = {char for char in characters if "一" <= char <= "鿿"}
    return len(characters) >= READABLE_CHARS or (len(han) >= READABLE_HAN and not han <= _STROKES)


def _union(boxes: Sequence[tuple[float, float, float, float]]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in (min(lefts), min(tops), max(rights), max(bottoms)))
    return Box(x0=x0, y0=y0, x1=x1, y1=y1)

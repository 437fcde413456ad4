"""Ranges of a text: what overlaps, what covers, what becomes one. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from consumer.screening.normalise import SENTENCE_END

Span = tuple[int, int]


def meets(span: Span, merged: Sequence[Span]) -> bool:
    """Whether the span overlaps one of the merged, hence ordered and disjoint, spans."""
    nearest = bisect_left(merged, span[1], key=lambda other: other[0]) - 1
    return nearest >= 0 and merged[nearest][1] > span[0]


def within(span: Span, merged: Sequence[Span]) -> bool:
    """Whether one of the merged spans covers this one."""
    nearest = bisect_left(merged, span[0] + 1, key=lambda other: other[0]) - 1
    return nearest >= 0 and merged[nearest][1] >= span[1]


def mask(text: str, merged: Iterable[Span]) -> str:
    """The text with each span replaced by ends of sentences, which no pattern's gap crosses."""
    parts: list[str] = []
    done = 0
    for start, end in merged:
        parts += (text[done:start], SENTENCE_END * (end - start))
        done = end
    return "".join((*parts, text[done:]))


def merge(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap become one: the longest quote says it once."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged

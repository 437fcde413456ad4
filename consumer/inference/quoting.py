"""Whether words that a model quotes are really written in the ad, and where. Pure.

Both sides are compared without blanks and punctuation, in one form of each character. A model that copies may slip:
a long quote may differ in a few characters, but never in a number or a word of negation, which turn the meaning
round; nor may it begin or end within a number, or leave out the negation before it. What is shown as evidence is
always what the ad says, not what the model wrote.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MIN_QUOTE_CHARS: Final = 2
"""A single character stands somewhere in every ad."""
CHARS_PER_SLIP: Final = 8
MAX_SLIPS: Final = 2
MAX_PLACES: Final = 16
"""Occurrences that are looked at closely: bounds the work on repetitive text."""
_NEGATIONS: Final = frozenset("不没无未非禁勿莫别")
_NUMERALS: Final = frozenset("〇零一二两三四五六七八九十百千万亿半")
_NUMBER_SIGNS: Final = frozenset("%‰°+-±~<>=≤≥¥$€£")
"""Belong to the number beside them; between two digits every sign does (8.8, 7-8, 1:1)."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"})


@dataclass(frozen=True, slots=True)
class Bare:
    """Text without what does not matter; `text[i]` came from character `origins[i]` of the original."""

    text: str
    origins: tuple[int, ...]


def bare(text: str) -> Bare:
    """Letters, digits, and the signs of numbers, in compatibility form and lower case."""
    kept: list[tuple[str, int]] = []
    signs: list[tuple[str, int]] = []
    for index, char in enumerate(text):
        for folded in _folded(char):
            if folded.isalnum():
                kept += _of_number(signs, kept[-1][0] if kept else "", folded)
                signs.clear()
                kept.append((folded, index))
            else:
                signs.append((folded, index))
    kept += _of_number(signs, kept[-1][0] if kept else "", "")
    return Bare("".join(char for char, _ in kept), tuple(index for _, index in kept))


def find(quote: str, source: Bare) -> tuple[int, int] | None:
    """Range of the source's original that says what is quoted, or None."""
    wanted = bare(quote).text
    if len(wanted) < MIN_QUOTE_CHARS:
        return None
    ends = ((at, at + len(wanted)) for at in _occurrences(wanted, source.text))
    span = next((span for span in ends if _stands_alone(source.text, *span)), None)
    if span is None:
        span = _find_nearly(wanted, source.text)
    if span is None:
        return None
    start, end = span
    return source.origins[start], source.origins[end - 1] + 1


@lru_cache(maxsize=16_384)
def _folded(char: str) -> str:
    plain = unicodedata.normalize("NFKC", char).lower()
    return "".join(c for c in plain if not c.isspace() and unicodedata.category(c) not in _INVISIBLE)


def _of_number(signs: list[tuple[str, int]], before: str, after: str) -> list[tuple[str, int]]:
    if before.isdigit() and after.isdigit():
        return list(signs)
    if before.isdigit() or after.isdigit():
        return [sign for sign in signs if sign[0] in _NUMBER_SIGNS]
    return []


def _find_nearly(wanted: str, text: str) -> tuple[int, int] | None:
    """The place with the fewest slips. Of `slips + 1` pieces of the quote, one at least must be there unchanged."""
    slips = min(MAX_SLIPS, len(wanted) // CHARS_PER_SLIP)
    best: tuple[int, int, int] | None = None
    size = -(-len(wanted) // (slips + 1))
    for offset in range(0, len(wanted) if slips else 0, size):
        for at in _occurrences(wanted[offset : offset + size], text):
            first = max(0, at - offset - slips)
            window = text[first : at - offset + len(wanted) + slips]
            for errors, start, end in _alignments(wanted, window):
                span = first + start, first + end
                fits = errors <= slips and _unslippable(wanted) == _unslippable(window[start:end])
                if fits and _stands_alone(text, *span) and (best is None or errors < best[0]):
                    best = errors, *span
    return best[1:] if best else None


def _occurrences(piece: str, text: str) -> Iterator[int]:
    at = text.find(piece)
    for _ in range(MAX_PLACES):
        if at < 0:
            return
        yield at
        at = text.find(piece, at + 1)


def _alignments(wanted: str, window: str) -> Iterator[tuple[int, int, int]]:
    """For every end in the window: the fewest edits that make a piece of it `wanted`, and that piece's range."""
    row = [(0, start) for start in range(len(window) + 1)]
    for count, char in enumerate(wanted, start=1):
        previous, row = row, [(count, 0)]
        for index, other in enumerate(window, start=1):
            same = (previous[index - 1][0] + (char != other), previous[index - 1][1])
            dropped = (previous[index][0] + 1, previous[index][1])
            added = (row[index - 1][0] + 1, row[index - 1][1])
            row.append(min(same, dropped, added))
    for end, (errors, start) in enumerate(row):
        if end > start:
            yield errors, start, end


def _unslippable(text: str) -> list[str]:
    return [char for char in text if char in _NEGATIONS or char in _NUMERALS or not char.isalpha()]


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` says the same when it is taken out: no part of a number, not negated."""
    if start and (text[start - 1] in _NEGATIONS or _within_number(text, start)):
        return False
    return end == len(text) or not _within_number(text, end)


def _within_number(text: str, at: int) -> bool:
    """Whether a number runs on over the border before `text[at]`."""
    before, after = text[at - 1], text[at]
    if before.isdigit() and after.isdigit():
        return True
    beyond = text[at + 1 : at + 2] if before.isdigit() else text[max(0, at - 2) : at - 1]
    return (before.isdigit() or after.isdigit()) and not (before + after).isalnum() and beyond.isdigit()

"""Folding: how an ad's text is made comparable, with the way back to every original character.

Pure. `fold` undoes what hides a word without changing it for a reader: full-width forms, capitals, traditional
characters, and separators put between characters (最·佳, 顶 级). The matcher searches the folded text; quotes
are cut out of the original, so they are exact. Folded text is for matching only, never shown.

What is glued and what is not: invisible characters always go. Spaces, one line break, and up to four symbols go
between two word characters unless both are ASCII (`7-8`, `8.8`, `top brand` stay apart). Punctuation of sentences
and lists (。,!?;:、 quotes, brackets) always stays, so that 镇痛、风湿 does not become 痛风; an empty line ends a
sentence.
"""

import re
import unicodedata
from array import array
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, lru_cache
from typing import Final

from zhconv.zhconv import getdict

MAX_GLUED_SYMBOLS: Final = 4
SENTENCE_END: Final = "。"
_BLANKS: Final = frozenset("\u115f\u1160\u2800\u3164")
_SYMBOLS: Final = frozenset("·•・‧∙⋅*#\\/@&.…‥_'")
_SYMBOL_CATEGORIES: Final = frozenset({"Pc", "Pd", "Sk", "Sm", "So"})
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"})
_REGEX_SPECIAL: Final = frozenset(".^$*+?{}[]\\|()-&~#")


class Kind(Enum):
    """What folding does with a character."""

    SOLID = auto()
    SYMBOL = auto()
    SPACE = auto()
    BREAK = auto()
    INVISIBLE = auto()


@dataclass(frozen=True, slots=True)
class Folded:
    """`text[i]` came from `original[origins[i]]`. `cut`: the original was longer than the limit."""

    original: str
    text: str
    origins: "array[int]"
    cut: bool

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Range in the original of `text[start:end]`, which must not be empty."""
        return self.origins[start], self.origins[end - 1] + 1


@cache
def _simplified() -> dict[str, str]:
    return {old: new for old, new in getdict("zh-hans").items() if len(old) == len(new) == 1}


def _fold_plain(char: str) -> str:
    simplified = _simplified()
    return "".join(simplified.get(c, c) for c in unicodedata.normalize("NFKC", char).lower())


@lru_cache(maxsize=16384)
def _fold_char(char: str) -> tuple[str, Kind]:
    if char == "\n":
        return char, Kind.BREAK
    if char.isspace():
        return " ", Kind.SPACE
    folded = _fold_plain(char)
    if char in _BLANKS or folded in _BLANKS or unicodedata.category(char) in _INVISIBLE_CATEGORIES:
        return "", Kind.INVISIBLE
    if any(c.isalnum() for c in folded):
        return folded, Kind.SOLID
    if char in _SYMBOLS or folded in _SYMBOLS or unicodedata.category(char) in _SYMBOL_CATEGORIES:
        return folded[0], Kind.SYMBOL
    return folded, Kind.SOLID


def fold(text: str, limit_chars: int | None = None) -> Folded:
    """Folds at most `limit_chars` of the text; linear in its length."""
    cut = limit_chars is not None and len(text) > limit_chars
    folding = _Folding()
    for index, char in enumerate(text[:limit_chars] if cut else text):
        folding.add(char, index)
    return Folded(text, "".join(folding.out), folding.origins, cut)


class _Folding:
    """The folded text so far, and the separators seen since its last character."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.origins: array[int] = array("L")
        self._symbols: list[tuple[str, int]] = []
        self._symbol_count = 0
        self._breaks = 0
        self._space_at = -1

    def add(self, char: str, index: int) -> None:
        folded, kind = _fold_char(char)
        if kind is Kind.SOLID:
            if self._symbols or self._space_at >= 0:
                self._settle(folded[0])
            for c in folded:
                self._emit(c, index)
        elif kind is Kind.SYMBOL:
            self._symbol_count += 1
            if len(self._symbols) <= MAX_GLUED_SYMBOLS:
                self._symbols.append((folded, index))
        elif kind is not Kind.INVISIBLE:
            self._breaks += kind is Kind.BREAK
            self._space_at = index

    def _emit(self, char: str, index: int) -> None:
        self.out.append(char)
        self.origins.append(index)

    def _settle(self, following: str) -> None:
        """Drops or keeps the waiting separators, now that both neighbours are known."""
        preceding = self.out[-1] if self.out else ""
        if self._breaks > 1:
            self._emit(SENTENCE_END, self._space_at)
        elif not self._glues(preceding, following):
            if self._symbols:
                for symbol, index in self._symbols:
                    self._emit(symbol, index)
            elif following != "%" and _is_word(preceding) and _is_word(following):
                self._emit(" ", self._space_at)
        self._symbols.clear()
        self._symbol_count = self._breaks = 0
        self._space_at = -1

    def _glues(self, preceding: str, following: str) -> bool:
        if not (preceding and _is_word(preceding) and _is_word(following)):
            return False
        if self._symbol_count > MAX_GLUED_SYMBOLS or (preceding.isascii() and following.isascii()):
            return False
        beside_digit = preceding.isdigit() or following.isdigit()
        return not (beside_digit and any(symbol == "." for symbol, _ in self._symbols))


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "%"


def fold_pattern(pattern: str) -> re.Pattern[str]:
    """Compiles a pack's pattern for folded text: its characters folded the same way, its syntax untouched."""
    parts = []
    for char in pattern:
        folded = char if char.isascii() else _fold_plain(char)
        parts.append("\\" + folded if folded != char and folded in _REGEX_SPECIAL else folded)
    return re.compile("".join(parts), re.IGNORECASE)

"""Folding: how an ad's text is made comparable, with the way back to every original character.

Pure. `fold` undoes what hides a word without changing it for a reader: markup and entities, full-width forms,
capitals, traditional characters, look-alikes, and separators put between characters (最·佳, 顶 级). The matcher
searches the folded text; quotes are cut out of the original, so they are exact. Folded text is never shown.

What is glued and what is not: invisible characters and inline markup always go. Spaces, one line break, and up to
`MAX_GLUED_SYMBOLS` symbols go between two word characters unless both are ASCII (`7-8`, `8.8`, `top brand` stay apart).
Punctuation of sentences and lists (。,!?;:、 quotes, brackets) stays, so that 镇痛、风湿 does not become 痛风, and an
empty line ends a sentence; but after a character that stands alone they go too: 国,家,级, or one character a line.
"""

import html
import re
import string
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, lru_cache
from typing import Final

from zhconv.zhconv import getdict

from consumer.screening.disguises import STAND_INS

MAX_GLUED_SYMBOLS: Final = 64
SENTENCE_END: Final = "。"
_BLANKS: Final = frozenset("\u115f\u1160\u2800\u3164")
_SYMBOLS: Final = frozenset("·•・‧∙⋅*#\\/@&.…‥_'")
_SYMBOL_CATEGORIES: Final = frozenset({"Pc", "Pd", "Sk", "Sm", "So"})
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn"})
_REGEX_SPECIAL: Final = frozenset(".^$*+?{}[]\\|()-&~#")

_UNSEEN: Final = r"[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
"""Characters that show nothing; the others of their kind go later, one by one."""
_MARKUP: Final = re.compile(
    r"<!--.{0,400}?-->|<(?P<tag>/?[a-z][a-z0-9]{0,15})\b[^<>]{0,400}>|&(?:\#\d{1,7}|\#x[0-9a-f]{1,6}|[a-z]{2,31}\d{0,2});"
    rf"|{_UNSEEN}+",
    re.IGNORECASE | re.DOTALL,
)
_HIDING: Final = re.compile(rf"[<&]|{_UNSEEN}")
_BLOCKS: Final = frozenset({"p", "li", "tr", "td", "th", "ul", "ol", "table", "section", "h1", "h2", "h3", "h4"})
_LINES: Final = frozenset({"br", "div"})
_ALONE: Final = re.compile(
    r"(?<![^\W_])[㐀-鿿]"
    r"(?P<gap>[\s,.;:!?()\[\]|'\"·*\-、。…【】「」『』〈〉《》“”‘’\uff0c\uff0e\uff1b\uff1a\uff01\uff1f\uff08\uff09\uff5c]{1,8})"
    r"(?=[㐀-鿿])"
)


_PLAIN: Final = re.compile(r"[一-鿿a-zA-Z0-9,。!?;:、()，！？；：（）]+")
"""Most of any text: one character each, folded without asking for its kind."""


class Kind(Enum):
    """What folding does with a character."""

    SOLID = auto()
    SYMBOL = auto()
    SPACE = auto()
    BREAK = auto()
    INVISIBLE = auto()


Piece = tuple[str, int, int]
"""A character and the range of the original it stands for."""


@dataclass(frozen=True, slots=True)
class Folded:
    """`text[i]` came from `original[starts[i]:ends[i]]`. `cut`: the original was longer than the limit."""

    original: str
    text: str
    starts: "array[int]"
    ends: "array[int]"
    cut: bool

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Range in the original of `text[start:end]`, which must not be empty."""
        return self.starts[start], self.ends[end - 1]


@cache
def _simplified() -> dict[str, str]:
    return {old: new for old, new in getdict("zh-hans").items() if len(old) == len(new) == 1}


@cache
def _plain_folds() -> dict[int, str]:
    """Folds of the characters of `_PLAIN`."""
    every = (*map(chr, range(ord("一"), ord("鿿") + 1)), *string.ascii_uppercase, *"，！？；：（）")
    return same_for_most({ord(char): folded for char in every if (folded := _fold_plain(char)) != char})


def same_for_most(table: dict[int, str]) -> dict[int, str]:
    """A table for `str.translate` that names every common character: one it lacks costs an exception."""
    return {
        code: chr(code) for code in (*range(128), *map(ord, "。、《》“”"), *range(ord("一"), ord("鿿") + 1))
    } | table


def _fold_plain(char: str) -> str:
    simplified = _simplified()
    folded = unicodedata.normalize("NFKC", char).lower()
    return "".join(STAND_INS.get(c, c) for c in (simplified.get(c, _bare(c)) for c in folded))


def _bare(char: str) -> str:
    """A Latin letter without its accent, as in zuì; others as they are."""
    base = unicodedata.normalize("NFD", char)[0]
    return base if base.isascii() and base.isalpha() else char


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
    seen = text[:limit_chars] if cut else text
    folding = _Folding()
    shown, starts, ends = _unmarked(seen) if _HIDING.search(seen) else (seen, range(len(seen)), range(1, len(seen) + 1))
    done = 0
    for first, last in (*_alone_gaps(shown), (len(shown), len(shown))):
        while done < first:
            if run := _PLAIN.match(shown, done, first):
                folding.add_run(run.group().translate(_plain_folds()), starts[done : run.end()], ends[done : run.end()])
                done = run.end()
            else:
                folding.add(shown[done], starts[done], ends[done])
                done += 1
        done = last
    return Folded(text, "".join(folding.out), folding.starts, folding.ends, cut)


def _alone_gaps(text: str) -> Iterator[tuple[int, int]]:
    """Where punctuation follows a character that stands alone."""
    return (match.span("gap") for match in _ALONE.finditer(text))


def _unmarked(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """The characters a browser would show, and the range of the markup that each is written as."""
    parts: list[str] = []
    starts, ends = array("L"), array("L")
    done = 0
    for match in (*_MARKUP.finditer(text), None):
        first, last = match.span() if match else (len(text), len(text))
        parts.append(text[done:first])
        starts.extend(range(done, first))
        ends.extend(range(done + 1, first + 1))
        done = last
        shown = _shown_by(match) if match else ""
        parts.append(shown)
        starts.extend([first] * len(shown))
        ends.extend([last] * len(shown))
    return "".join(parts), starts, ends


def _shown_by(markup: re.Match[str]) -> str:
    """What an entity stands for; a line break for a tag that begins a line; nothing for others and for comments."""
    if tag := markup["tag"]:
        name = tag.lower().lstrip("/")
        return "\n" if name in _BLOCKS or (name in _LINES and tag[0] != "/") else ""
    return html.unescape(markup.group()) if markup.group()[0] == "&" else ""


class _Folding:
    """The folded text so far, and the separators seen since its last character."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.starts: array[int] = array("L")
        self.ends: array[int] = array("L")
        self._symbols: list[Piece] = []
        self._symbol_count = 0
        self._breaks = 0
        self._space: Piece | None = None

    def add_run(self, folded: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        """Characters that are neither separators nor invisible, folded already."""
        if self._symbols or self._space:
            self._settle(folded[0])
        self.out.append(folded)
        self.starts.extend(starts)
        self.ends.extend(ends)

    def add(self, char: str, start: int, end: int) -> None:
        folded, kind = _fold_char(char)
        if kind is Kind.SOLID:
            if self._symbols or self._space:
                self._settle(folded[0])
            self.out.append(folded)
            for _ in folded:
                self.starts.append(start)
                self.ends.append(end)
        elif kind is Kind.SYMBOL:
            self._symbol_count += 1
            if len(self._symbols) <= MAX_GLUED_SYMBOLS:
                self._symbols.append((folded, start, end))
        elif kind is not Kind.INVISIBLE:
            self._breaks += kind is Kind.BREAK
            self._space = (" ", start, end)

    def _emit(self, char: str, start: int, end: int) -> None:
        self.out.append(char)
        self.starts.append(start)
        self.ends.append(end)

    def _settle(self, following: str) -> None:
        """Drops or keeps the waiting separators, now that both neighbours are known."""
        preceding = self.out[-1][-1] if self.out else ""
        if self._breaks > 1 and self._space:
            self._emit(SENTENCE_END, *self._space[1:])
        elif not self._glues(preceding, following):
            if self._symbols:
                for symbol in self._symbols:
                    self._emit(*symbol)
            elif self._space and following != "%" and _is_word(preceding) and _is_word(following):
                self._emit(*self._space)
        self._symbols.clear()
        self._symbol_count = self._breaks = 0
        self._space = None

    def _glues(self, preceding: str, following: str) -> bool:
        if not (preceding and _is_word(preceding) and _is_word(following)):
            return False
        if self._symbol_count > MAX_GLUED_SYMBOLS or (preceding.isascii() and following.isascii()):
            return False
        beside_digit = preceding.isdigit() or following.isdigit()
        return not (beside_digit and any(symbol == "." for symbol, _, _ in self._symbols))


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "%"


def fold_pattern(pattern: str) -> re.Pattern[str]:
    """Compiles a pack's pattern for folded text: its characters folded the same way, its syntax untouched."""
    parts = []
    for char in pattern:
        folded = char if char.isascii() else _fold_plain(char)
        parts.append("\\" + folded if folded != char and folded in _REGEX_SPECIAL else folded)
    return re.compile("".join(parts), re.IGNORECASE)

"""Gives back the words of the pack that an ad writes by their sound or shape: 全额推款, quan额退款, 免费岭取. Pure.

`disguises` spells out what a single word of a lexicon may become; here whole phrases are known, those that patterns
spell included, so any of their characters may be another one. What is restored is judged beside what is written, never
instead of it: a sentence that merely sounds like a word of the pack keeps its own meaning too.

Sounds are syllables without tones, shapes classes of characters that are drawn nearly alike (`shapes.json`, measured on
glyphs). A phrase is restored if most of its characters stand there as they are, so that ordinary words that happen to
sound like another one stay what they are.
"""

import json
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick

from consumer.screening.disguises import readings
from consumer.screening.normalise import Folded, same_for_most

SHORTEST: Final = 4
"""Below it an ordinary word too often sounds like part of another: 规划以 like 规划已. With pinyin in letters, two."""
LONGEST_SYLLABLE: Final = 6
_SYMBOLS: Final = 0xE000
"""Syllables are searched as characters of the private use area, one each."""
_LATIN: Final = re.compile(r"(?<![a-z])[a-z]{2,48}(?![a-z])")
_HAN: Final = re.compile("[一-鿿]{2}")


class Restored(NamedTuple):
    """A text in other characters, and where (`spans`, in order) they are others than it is written with."""

    folded: Folded
    spans: tuple[tuple[int, int], ...]

    def touches(self, start: int, end: int) -> bool:
        """Whether something in `folded.text[start:end]` was restored."""
        return any(first < end and start < last for first, last in self.spans)


class _Stream(NamedTuple):
    """A text as sounds or shapes: `symbols[i]` stands for `text[starts[i]:ends[i]]`."""

    symbols: str
    starts: Sequence[int]
    ends: Sequence[int]


class Restorer:
    """The words of a pack by sound and by shape, compiled."""

    def __init__(self, words: Iterable[str]) -> None:
        every = sorted({word for word in words if _HAN.search(word)})
        long = [word for word in every if len(word) >= SHORTEST]
        self._syllables = _syllables()
        self._by_shape = _Words(long, _shape_symbols())
        self._by_sound = _Words(long, _sound_symbols())
        self._in_letters = _Words(every, _sound_symbols())

    def restored(self, folded: Folded) -> "Restored | None":
        """The text with every disguised word in its own characters; None if there is none."""
        text = folded.text
        found: list[tuple[int, int, str]] = []
        if not text.isascii():
            sounds = self._sounds(text)
            found += (self._by_sound if len(sounds.symbols) == len(text) else self._in_letters).found(text, sounds)
            found += self._by_shape.found(text, _as_it_is(text.translate(_shape_symbols())))
        return _rewritten(folded, found) if found else None

    def _sounds(self, text: str) -> _Stream:
        symbols = text.translate(_sound_symbols())
        runs = [(match, self._parsed(match.group())) for match in _LATIN.finditer(text)]
        if not any(parsed for _match, parsed in runs):
            return _as_it_is(symbols)
        parts: list[str] = []
        starts, ends, done = array("L"), array("L"), 0
        for match, parsed in runs:
            if not parsed:
                continue
            begin = match.start()
            parts.append(symbols[done:begin])
            starts.extend(range(done, begin))
            ends.extend(range(done + 1, begin + 1))
            for syllable in parsed:
                parts.append(self._syllables[syllable])
                starts.append(begin)
                begin += len(syllable)
                ends.append(begin)
            done = match.end()
        parts.append(symbols[done:])
        starts.extend(range(done, len(text)))
        ends.extend(range(done + 1, len(text) + 1))
        return _Stream("".join(parts), starts, ends)

    def _parsed(self, letters: str) -> list[str]:
        """The letters as syllables, long ones first; empty when they are no pinyin."""
        best: list[list[str] | None] = [[]]
        for end in range(1, len(letters) + 1):
            ways = [
                [*before, letters[start:end]]
                for start in range(max(0, end - LONGEST_SYLLABLE), end)
                if (before := best[start]) is not None and letters[start:end] in self._syllables
            ]
            best.append(min(ways, key=len) if ways else None)
        return best[-1] or []


class _Words:
    """Words as symbols, to be searched in a stream of the same symbols."""

    def __init__(self, words: Sequence[str], symbols: dict[int, str]) -> None:
        self._words = tuple(words)
        self._automaton = AhoCorasick(tuple(word.translate(symbols) for word in words))

    def found(self, text: str, stream: _Stream) -> list[tuple[int, int, str]]:
        """Disguised words with where they stand; none within a word of the pack that is written as it is."""
        found, as_written = [], []
        for index, first, last in self._automaton.find_matches_as_indexes(stream.symbols, overlapping=True):
            word, start, end = self._words[index], stream.starts[first], stream.ends[last - 1]
            if text[start:end] == word:
                as_written.append((start, end))
            elif _recognisable(text, stream, first, word) and not _cuts_letters(text, start, end):
                found.append((start, end, word))
        return [one for one in found if not any(start <= one[0] and one[1] <= end for start, end in as_written)]


def _as_it_is(symbols: str) -> _Stream:
    """A symbol for each character."""
    return _Stream(symbols, range(len(symbols)), range(1, len(symbols) + 1))


def _recognisable(text: str, stream: _Stream, first: int, word: str) -> bool:
    """Whether enough of the word is written as it is; a syllable in Latin letters is a sign of a disguise by itself."""
    exact = latin = 0
    for offset, char in enumerate(word):
        start, end = stream.starts[first + offset], stream.ends[first + offset]
        exact += text[start:end] == char
        latin += end - start > 1
    if len(word) < SHORTEST:
        return latin >= 1 and exact + latin == len(word) and exact >= 1
    return 2 * (exact + latin) >= len(word)


def _cuts_letters(text: str, start: int, end: int) -> bool:
    """Whether the span begins or ends within a run of Latin letters: no zui in suizui."""
    return _letters(text[max(0, start - 1) : start + 1]) or _letters(text[end - 1 : end + 1])


def _letters(pair: str) -> bool:
    return len(pair) == 2 and pair.isascii() and pair.isalpha()


def _rewritten(folded: Folded, found: list[tuple[int, int, str]]) -> Restored:
    """Longest words first; each stands for as much of the original as it is written with."""
    taken: list[tuple[int, int, str]] = []
    for start, end, word in sorted(found, key=lambda one: (one[0] - one[1], one[0])):
        if all(end <= other_start or other_end <= start for other_start, other_end, _word in taken):
            taken.append((start, end, word))
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    starts, ends, done = array("L"), array("L"), 0
    for start, end, word in sorted(taken):
        parts += (folded.text[done:start], word)
        starts.extend(folded.starts[done:start])
        ends.extend(folded.ends[done:start])
        spans.append((len(starts), len(starts) + len(word)))
        whole = end - start == len(word)
        for offset in range(len(word)):
            starts.append(folded.starts[start + offset if whole else start])
            ends.append(folded.ends[start + offset if whole else end - 1])
        done = end
    parts.append(folded.text[done:])
    starts.extend(folded.starts[done:])
    ends.extend(folded.ends[done:])
    return Restored(Folded(folded.original, "".join(parts), starts, ends, folded.cut), tuple(spans))


@cache
def _syllables() -> Mapping[str, str]:
    """Syllable → the character that stands for it."""
    return {syllable: chr(_SYMBOLS + number) for number, syllable in enumerate(sorted(set(readings().values())))}


@cache
def _sound_symbols() -> dict[int, str]:
    return same_for_most({ord(char): _syllables()[syllable] for char, syllable in readings().items()})


@cache
def _shape_symbols() -> dict[int, str]:
    """Every character of a class → the first of it."""
    classes: list[str] = json.loads((files(__package__ or __name__) / "shapes.json").read_text("utf-8"))
    return same_for_most({ord(char): one[0] for one in classes for char in one})

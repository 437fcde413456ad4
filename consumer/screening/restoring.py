"""Gives back the words of the pack that an ad writes by their sound or shape: 全额推款, quan额退款, 免费岭取. Pure.

`disguises` spells out what a single word of a lexicon may become; here whole phrases are known, those that patterns
spell included, so any of their characters may be another one. What is restored is judged beside what is written, never
instead of it: a sentence that merely sounds like a word of the pack keeps its own meaning too.

Sounds are syllables without tones, shapes classes of characters that are drawn nearly alike (`shapes.json`, measured on
glyphs). A phrase is restored if most of its characters stand there as they are, so that ordinary words that happen to
sound like another one stay what they are.

Short words are many and sound like many others: one is restored only if another word of the same pattern stands in the
text as it is, and counts only within a hit that goes beyond it (空军某部劣装: 空军…列装). These are the weak ones.
"""

import json
import re
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from itertools import accumulate, chain, compress, count, product
from operator import add, itemgetter
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick

from consumer.screening.disguises import readings
from consumer.screening.normalise import Folded, same_for_most
from consumer.screening.spans import Span, meets

SHORTEST: Final = 4
"""Below it an ordinary word too often sounds like part of another: 规划以 like 规划已. With pinyin in letters, two."""
PAIR: Final = 2
BEYOND: Final = 2
"""Characters that a hit must have beside weak words, as they are."""
LONGEST_SYLLABLE: Final = 6
_SYMBOLS: Final = 0xE000
"""Syllables are searched as characters of the private use area, one each."""
_LATIN: Final = re.compile(r"(?<![a-z])[a-z]{2,48}(?![a-z])")
_HAN: Final = re.compile("[一-鿿]{2}")


class _Found(NamedTuple):
    """A disguised word, and which part of the text it is."""

    start: int
    end: int
    word: str
    weak: bool


class Restored(NamedTuple):
    """A text in other characters, and where (in order) they are others than it is written with."""

    folded: Folded
    spans: tuple[Span, ...]
    weak: tuple[Span, ...]

    def shows(self, start: int, end: int) -> bool:
        """Whether a hit in `folded.text[start:end]` is owed to what was restored, and does not rest on weak words."""
        if meets((start, end), self.spans):
            return True
        met = [(first, last) for first, last in self.weak if first < end and start < last]
        return bool(met) and end - start - sum(min(end, last) - max(start, first) for first, last in met) >= BEYOND


class _Stream(NamedTuple):
    """A text as sounds or shapes: `symbols[i]` stands for `text[starts[i]:ends[i]]`."""

    symbols: str
    starts: Sequence[int]
    ends: Sequence[int]


class Restorer:
    """The words of a pack by sound and by shape, compiled; of each pattern what it spells."""

    def __init__(self, lexicon: Iterable[str], patterns: Iterable[Collection[str]] = ()) -> None:
        spelled_by: dict[str, set[int]] = defaultdict(set)
        for number, spelled in enumerate(patterns):
            for word in spelled:
                spelled_by[word].add(number)
        words = sorted({word for word in (*lexicon, *spelled_by) if _HAN.search(word)})
        long = [word for word in words if len(word) > PAIR]
        self._syllables = _syllables()
        self._by_shape = _Words(long, _shape_symbols(), SHORTEST)
        self._by_sound = _Words(long, _sound_symbols(), SHORTEST)
        self._in_letters = _Words(words, _sound_symbols(), SHORTEST)
        self._spelled_by = dict(spelled_by)
        pairs = [word for word in words if len(word) == PAIR and word in spelled_by]
        self._pairs = frozenset(pairs)
        self._pair_table = _PairTable(pairs, (_sound_symbols(), _shape_symbols()))

    def restored(self, folded: Folded) -> "Restored | None":
        """The text with every disguised word in its own characters; None if there is none."""
        text = folded.text
        if text.isascii():
            return None
        shapes, symbols = text.translate(_shape_symbols()), text.translate(_sound_symbols())
        sounds = self._sounds(text, symbols)
        found = self._by_shape.found(text, _as_it_is(shapes))
        found += (self._by_sound if len(sounds.symbols) == len(text) else self._in_letters).found(text, sounds)
        written = self._pairs.intersection(map(add, text, text[1:]))
        fits = partial(self._in_context, set[int]().union(*(self._spelled_by[word] for word in written)))
        found = [one for one in found if not one.weak or fits(one.word)]
        if written:
            found += self._pair_table.found(text, (symbols, shapes), written, fits)
        return _rewritten(folded, found) if found else None

    def _in_context(self, patterns: set[int], word: str) -> bool:
        """Whether one of the patterns that have a word in the text spells this one too."""
        return not patterns.isdisjoint(self._spelled_by.get(word, ()))

    def _sounds(self, text: str, symbols: str) -> _Stream:
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
    """Words as symbols, to be searched in a stream of the same symbols; shorter ones than `sure` are weak."""

    def __init__(self, words: Sequence[str], symbols: dict[int, str], sure: int) -> None:
        self._words = tuple(words)
        self._sure = sure
        self._automaton = AhoCorasick(tuple(word.translate(symbols) for word in words))

    def found(self, text: str, stream: _Stream) -> list[_Found]:
        """Disguised words with where they stand; none within a word of the pack that is written as it is."""
        found: list[_Found] = []
        as_written = []
        for index, first, last in self._automaton.find_matches_as_indexes(stream.symbols, overlapping=True):
            word, start, end = self._words[index], stream.starts[first], stream.ends[last - 1]
            if text[start:end] == word:
                as_written.append((start, end))
            elif _recognisable(text, stream, first, word) and not _cuts_letters(text, start, end):
                in_letters = end - start > len(word) and any(char in word for char in text[start:end])
                found.append(_Found(start, end, word, weak=len(word) < self._sure and not in_letters))
        as_written.sort()
        ends = list(accumulate((end for _start, end in as_written), max, initial=0))
        return [one for one in found if one.end > ends[bisect_right(as_written, one.start, key=itemgetter(0))]]


class _PairTable:
    """Words of two characters by one of them and the symbol of the other."""

    def __init__(self, words: Iterable[str], kinds: Iterable[dict[int, str]]) -> None:
        table: dict[str, set[str]] = defaultdict(set)
        for word, symbols in product(words, kinds):
            table[word[0] + word[1].translate(symbols)].add(word)
            table[word[0].translate(symbols) + word[1]].add(word)
        self._table = {key: tuple(sorted(spelled)) for key, spelled in table.items()}

    def found(
        self, text: str, kinds: Iterable[str], written: Collection[str], fits: Callable[[str], bool]
    ) -> Iterator[_Found]:
        """Pairs that fit, with one character in disguise; none that also stands there as it is."""
        following = text[1:]
        pairs = [two for kind in kinds for two in ((text, kind[1:]), (kind, following))]
        keys = {}
        for key in set(filter(self._table.__contains__, chain.from_iterable(map(add, *two) for two in pairs))):
            if words := [word for word in self._table[key] if word not in written and fits(word)]:
                keys[key] = words
        for first, second in pairs if keys else ():
            for at in compress(count(), map(keys.__contains__, map(add, first, second))):
                for word in keys[first[at] + second[at]]:
                    yield _Found(at, at + PAIR, word, weak=True)


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
    if len(word) == PAIR:
        return latin >= 1 and exact + latin == PAIR
    return 2 * (exact + latin) >= len(word)


def _cuts_letters(text: str, start: int, end: int) -> bool:
    """Whether the span begins or ends within a run of Latin letters: no zui in suizui."""
    return _letters(text[max(0, start - 1) : start + 1]) or _letters(text[end - 1 : end + 1])


def _letters(pair: str) -> bool:
    return len(pair) == 2 and pair.isascii() and pair.isalpha()


def _rewritten(folded: Folded, found: list[_Found]) -> Restored:
    """Longest words first; each stands for as much of the original as it is written with."""
    taken: list[_Found] = []
    occupied = bytearray(len(folded.text))
    for one in sorted(found, key=lambda one: (one.weak, one.start - one.end, one.start, one.word)):
        if occupied.find(1, one.start, one.end) < 0:
            occupied[one.start : one.end] = bytes((1,)) * (one.end - one.start)
            taken.append(one)
    parts: list[str] = []
    spans: tuple[list[Span], list[Span]] = ([], [])
    starts, ends, done = array("L"), array("L"), 0
    for start, end, word, weak in sorted(taken):
        parts += (folded.text[done:start], word)
        starts.extend(folded.starts[done:start])
        ends.extend(folded.ends[done:start])
        spans[weak].append((len(starts), len(starts) + len(word)))
        whole = end - start == len(word)
        for offset in range(len(word)):
            starts.append(folded.starts[start + offset if whole else start])
            ends.append(folded.ends[start + offset if whole else end - 1])
        done = end
    parts.append(folded.text[done:])
    starts.extend(folded.starts[done:])
    ends.extend(folded.ends[done:])
    return Restored(Folded(folded.original, "".join(parts), starts, ends, folded.cut), *map(tuple, spans))


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

"""How a word is disguised for a reader who still understands it: look-alikes, sound-alikes, pinyin. Pure.

`STAND_INS` are characters that stand for another one wherever an ad uses them (蕞 for 最, 冶 for 治); folding undoes
them. What depends on the word (弟一 for 第一) comes from the pack, and pinyin (zui佳) from the readings of GB 2312's
characters: both become further spellings of a lexicon's words, so the matcher finds them in the same pass.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Final

_MIXED_CHARS: Final = 5
"""Longer words are also written with any one character in pinyin, or all, but not every mixture."""
_ALL_PINYIN_CHARS: Final = 3
"""Shorter words in pinyin alone mean too much else: shiyong is 试用, 使用 and 适用."""

_LOOK_ALIKES: Final = {
    "最": "蕞嘬晬樶",
    "治": "冶",
    "第": "苐弚",
    "佳": "隹",
    "级": "圾岌芨",
    "药": "葯",
    "烟": "菸煙",
    "效": "効傚郊",
    "国": "囯囻圀",
    "唯": "惟",
    "无": "旡兂",
    "糖": "塘溏餹",
    "稳": "穏",
    "医": "毉",
    "酒": "氿",
    "特": "犆",
    "一": "壹弌ー",
    "零": "〇",
    "二": "贰弍",
    "三": "叁弎",
    "愈": "瘉癒",
    "着": "著",
    "氨": "胺",
    "a": "аα",
    "b": "в",
    "c": "сϲ",
    "e": "еε",
    "h": "һ",
    "i": "іι",
    "j": "ј",
    "k": "кκ",
    "m": "м",
    "n": "ν",
    "o": "оοσ",
    "p": "рρ",
    "s": "ѕ",
    "t": "тτ",
    "v": "ѵ",
    "x": "хχ",
    "y": "у",
}
STAND_INS: Final[Mapping[str, str]] = {other: char for char, others in _LOOK_ALIKES.items() for other in others}


def spellings(word: str, sound_alikes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The word itself, then the ways it is disguised."""
    yield word
    for part, others in sound_alikes.items():
        if part in word:
            yield from (word.replace(part, other) for other in others)
    yield from _in_pinyin(word)


def _in_pinyin(word: str) -> Iterator[str]:
    sounds = [readings().get(char) for char in word]
    places = [place for place, reading in enumerate(sounds) if reading]
    sizes = range(1, len(places)) if len(word) <= _MIXED_CHARS else (1,)
    for size in sizes:
        for chosen in combinations(places, size):
            yield "".join(sounds[i] or word[i] if i in chosen else word[i] for i in range(len(word)))
    if len(places) == len(word) >= _ALL_PINYIN_CHARS:
        syllables = [reading for reading in sounds if reading]
        yield from (gap.join(syllables) for gap in ("", " "))


@cache
def readings() -> Mapping[str, str]:
    """Character → its most common reading, without tone; those of one letter are left out."""
    table: dict[str, str] = json.loads((files(__package__ or __name__) / "pinyin.json").read_text("utf-8"))
    return {char: syllable for syllable, chars in table.items() for char in chars}

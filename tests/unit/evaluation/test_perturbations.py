"""Words in disguise."""

import random

import pytest

from consumer.evaluation.characters import HOMOPHONES, LOOK_ALIKES, PINYIN, TRADITIONAL
from consumer.evaluation.perturbations import disguise


def changed(words: str, name, strength: int) -> int:
    other = disguise(words, name, strength, random.Random(1))
    assert len(other) == len(words)
    return sum(a != b for a, b in zip(words, other, strict=True))


@pytest.mark.parametrize("name", ["look_alikes", "homophones"])
def test_strength_is_how_many_characters_change(name):
    words = "最佳疗效治根"
    assert [changed(words, name, strength) for strength in (1, 2)] == [1, 2]
    assert changed(words, name, 3) >= 4


def test_pinyin_is_written_without_tones():
    assert disguise("最佳", "pinyin", 3, random.Random(0)) == "zuijia"
    assert disguise("最佳", "pinyin", 1, random.Random(0)) in ("zui佳", "最jia")


def test_separators_stand_between_characters_and_never_in_numbers():
    words = "98.6%有效率"
    assert len(disguise("根治", "separators", 1, random.Random(0))) == 3
    for strength in (1, 2, 3):
        other = disguise(words, "separators", strength, random.Random(2))
        assert other.startswith("98.6%有")
        assert [one for one in other if one in words] == list(words) or "." in other[5:]
    twice = disguise("彻底根治", "separators", 2, random.Random(3))
    assert len(twice) == 7
    assert len(set(twice[1::2])) == 1
    assert len(set(disguise("彻底根治多年老毛病", "separators", 3, random.Random(3))[1::2])) > 1


def test_traditional_writing():
    assert disguise("医药疗效", "traditional", 1, random.Random(0)) == "醫藥療效"


def test_what_cannot_be_disguised_stays():
    for name in ("look_alikes", "homophones", "pinyin", "separators", "traditional"):
        assert disguise("7", name, 1, random.Random(0)) == "7"


def test_tables_change_every_character_they_list():
    assert all(one not in others for one, others in HOMOPHONES.items())
    assert all(one != other for table in (LOOK_ALIKES, TRADITIONAL) for one, other in table.items())
    assert all(len(one) == len(other) == 1 for table in (LOOK_ALIKES, TRADITIONAL) for one, other in table.items())
    assert all(syllable.isascii() and syllable.islower() for syllable in PINYIN.values())

"""Folding finds what is hidden, joins nothing that is apart, and always leads back to the original."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.screening.normalise import fold, fold_pattern


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("最·佳", "最佳"),
        ("顶 级 享 受", "顶级享受"),
        ("最*佳", "最佳"),
        ("最——佳", "最佳"),
        ("最🔥佳", "最佳"),
        ("最\u200b\ufeff佳", "最佳"),
        ("最\u0336佳\u0336", "最佳"),
        ("最\n佳", "最佳"),
        ("最\u3000佳", "最佳"),
        ("最.佳", "最佳"),
        ("頂級藥妝", "顶级药妆"),
        ("ＮＯ．１", "no.1"),
        ("Ｔｏｐ １", "top 1"),
        ("⾸选", "首选"),
        ("疗程 3 天", "疗程3天"),
        ("98.6 ％", "98.6%"),
        ("第 281231 - 00123 号", "第281231-00123号"),
    ],
)
def test_what_hides_a_word_is_undone(written: str, folded: str) -> None:
    assert fold(written).text == folded


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("镇痛、风湿", "镇痛、风湿"),
        ("止痛。风寒", "止痛。风寒"),
        ("止痛!风寒", "止痛!风寒"),
        ("止痛，风寒", "止痛,风寒"),
        ("止痛\n\n风寒", "止痛。风寒"),
        ("止痛\n \r\n风寒", "止痛。风寒"),
        ("最======佳", "最=====佳"),
        ("8.8折", "8.8折"),
        ("3.天然", "3.天然"),
        ("7-8天", "7-8天"),
        ("top brand", "top brand"),
        ("100 200", "100 200"),
        ("“最好吃”牌", "“最好吃”牌"),
    ],
)
def test_what_is_apart_stays_apart(written: str, folded: str) -> None:
    assert fold(written).text == folded


def test_an_expanded_character_leads_back_to_one() -> None:
    folded = fold("含5㎎钙")
    assert folded.text == "含5mg钙"
    assert folded.span(2, 4) == (2, 3)


@pytest.mark.parametrize(("limit", "cut"), [(3, True), (4, False), (5, False)])
def test_a_long_text_is_cut_and_says_so(limit: int, cut: bool) -> None:
    folded = fold("一二三四", limit)
    assert folded.cut is cut
    assert folded.text == "一二三四"[:limit]


HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=20)
SEPARATORS = st.text(st.sampled_from(" ·*-_~/|★🔥\u200b\u00ad\t"), max_size=4)


@given(HAN, SEPARATORS)
def test_separators_between_characters_change_nothing(words: str, separator: str) -> None:
    assert fold(separator.join(words)).text == fold(words).text


@given(st.text(max_size=60))
def test_every_folded_character_leads_back_in_order(text: str) -> None:
    folded = fold(text)
    assert len(folded.origins) == len(folded.text)
    assert list(folded.origins) == sorted(folded.origins)
    assert all(0 <= origin < len(text) for origin in folded.origins)


@given(st.text(st.characters(categories=["Lo", "Nd", "Po", "Zs", "So", "Lu"]), max_size=60))
def test_folding_a_quote_gives_the_words_it_was_found_by(text: str) -> None:
    folded = fold(text)
    for start, char in enumerate(folded.text):
        if char.isalnum():
            first, last = folded.span(start, start + 1)
            assert char in fold(text[first:last]).text


def test_patterns_are_folded_like_texts_without_breaking_their_syntax() -> None:
    pattern = fold_pattern(r"（頂級）[Ａ-Ｃ]\d{1,3}")
    assert pattern.search(fold("(顶级)b12").text)
    assert fold_pattern("最佳＋").search("最佳+")
    assert not fold_pattern("最佳＋").search("最佳佳")

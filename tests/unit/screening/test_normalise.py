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
        ("最=======佳", "最佳"),
        ("最" + "~" * 64 + "佳", "最佳"),
        ("最<b>佳</b>", "最佳"),
        ("最<!-- 无 -->佳", "最佳"),
        ('最<span style="color:red">佳</span>', "最佳"),
        ("最&nbsp;佳", "最佳"),
        ("&#26368;&#x4f73;", "最佳"),
        ("最<br/>佳", "最佳"),
        ("最&amp;佳", "最佳"),
        ("蕞佳", "最佳"),
        ("冶疗", "治疗"),
        ("苐壹", "第一"),
        ("zuì佳", "zui佳"),
        ("ТОР 1", "top 1"),
        ("国,家,级", "国家级"),
        ("国\uff0c家\uff01级", "国家级"),
        ("「最」「佳」", "“最佳”"),
        ("国\n\n家\n\n级", "国家级"),
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
        ("最" + "=" * 65 + "佳", "最" + "=" * 65 + "佳"),
        ("8.8折", "8.8折"),
        ("3.天然", "3.天然"),
        ("7-8天", "7-8天"),
        ("top brand", "top brand"),
        ("100 200", "100 200"),
        ("“最好吃”牌", "“最好吃”牌"),
        ("<p>止痛</p><p>风寒</p>", "止痛。风寒"),
        ("3 < 5 & 5 > 3", "3<5&5>3"),
        ("酸,甜的", "酸甜的"),
        ("止痛,风寒", "止痛,风寒"),
    ],
)
def test_what_is_apart_stays_apart(written: str, folded: str) -> None:
    assert fold(written).text == folded


def test_an_expanded_character_leads_back_to_one() -> None:
    folded = fold("含5㎎钙")
    assert folded.text == "含5mg钙"
    assert folded.span(2, 4) == (2, 3)


def test_a_quote_holds_the_whole_markup_of_a_character() -> None:
    folded = fold("真&#26368;<i>&#x4f73;</i>好")
    first, last = folded.span(1, 3)
    assert folded.text == "真最佳好"
    assert folded.original[first:last] == "&#26368;<i>&#x4f73;"


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
    assert len(folded.starts) == len(folded.ends) == len(folded.text)
    assert list(folded.starts) == sorted(folded.starts)
    assert all(0 <= start < end <= len(text) for start, end in zip(folded.starts, folded.ends, strict=True))


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


MIXED = st.text(st.sampled_from("最佳頂級藥妝蕞冶壹著zuiZI1９8,。!?，！（x）(y) ·-\n<&ＡA\u200b①"), max_size=40)


@given(MIXED)
def test_runs_of_plain_characters_fold_as_each_would_alone(text: str) -> None:
    """A soft hyphen after every character shows nothing, and keeps them from being taken together."""
    assert fold("\u00ad".join(text)).text == fold(text).text or "<" in text or "&" in text

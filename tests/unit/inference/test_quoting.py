"""A quote counts when the ad says it: without its punctuation and blanks, with few slips, never with another number."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.inference.quoting import bare, find


def _quoted(quote: str, text: str) -> str | None:
    span = find(quote, bare(text))
    return None if span is None else text[span[0] : span[1]]


@pytest.mark.parametrize(
    ("quote", "text", "shown"),
    [
        ("最佳", "国家级 最 · 佳!产品", "最 · 佳"),
        ("最佳产品", "最佳\n产品", "最佳\n产品"),
        ("最佳!产品。", "最佳产品", "最佳产品"),
        ("TOP1 品牌", "top1品牌", "top1品牌"),
        ("98%", "治愈率:98%,真的", "98%"),
        ("治愈率98%", "治愈率: 98 %!", "治愈率: 98 %"),
        ("8.8折", "全场８.８折起", "８.８折"),
        ("1,000元", "立减1,000元", "1,000元"),
        ("无添加", "本品无添加", "无添加"),
    ],
)
def test_what_the_ad_says_is_found_and_shown_as_the_ad_says_it(quote: str, text: str, shown: str) -> None:
    assert _quoted(quote, text) == shown


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("根治", "最佳产品"),
        ("", "最佳"),
        ("。!", "最佳。!"),
        ("佳", "最佳"),
        ("8%", "治愈率98%"),
        ("9折", "99折"),
        ("8.8折", "全场88折"),
        ("8折", "8.8折"),
        ("000元", "1,000元"),
        ("2026年", "12026年"),
        ("最加", "最佳"),
    ],
)
def test_what_the_ad_does_not_say_is_not_found(quote: str, text: str) -> None:
    assert _quoted(quote, text) is None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("本品能根治糖尿病患者请遵医嘱", "【本品能根治糖屎病患者,请遵医嘱】"),
        ("专家推荐患者信赖值得拥有", "名医专家推荐患者都信赖值得拥有!"),
        ("专家推荐患者都信赖值得拥有", "名医专家推荐患者信赖值得拥有!"),
    ],
)
def test_a_long_quote_may_slip_in_a_character(quote: str, text: str) -> None:
    shown = _quoted(quote, text)
    assert shown is not None
    assert shown in text


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("本品能治愈糖尿病患者请遵医嘱", "本品不能治愈糖尿病患者请遵医嘱"),
        ("三天见效彻底根治永不复发", "七天见效彻底根治永不复发"),
        ("连续使用28天彻底根治永不复发", "连续使用29天彻底根治永不复发"),
        ("价格仅需8.8元全国包邮到家", "价格仅需88元全国包邮到家"),
        ("能治愈", "本品不治愈"),
        ("治愈糖尿病", "不治愈糖尿病"),
    ],
)
def test_no_slip_in_a_number_or_a_negation(quote: str, text: str) -> None:
    assert _quoted(quote, text) is None


@given(st.text(alphabet="最佳8.%  不a\u200bＡ,\n", max_size=40), st.data())
def test_an_exact_copy_is_found_unless_it_is_torn_out_of_its_context(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    shown = _quoted(text[start:end], text)
    if shown is not None:
        assert bare(text[start:end]).text == bare(shown).text
    if start == 0 and end == len(text):
        assert (shown is not None) == (len(bare(text).text) >= 2)


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_found_has_the_quotes_numbers_and_negations(quote: str, text: str) -> None:
    shown = _quoted(quote, text)
    if shown is not None:
        exact = [char for char in bare(quote).text if char.isdigit() or char in "不没无未非"]
        assert [char for char in bare(shown).text if char.isdigit() or char in "不没无未非"] == exact


def test_repetitive_text_costs_little() -> None:
    source = bare("啊啊啊啊啊啊啊呀" * 6_000)
    began = time.process_time()
    assert find("啊" * 20 + "波" + "啊" * 19, source) is None
    assert time.process_time() - began < 1

"""Words in disguise inside longer phrases: what is given back, what stays, and which part of the original is quoted."""

import pytest

from consumer.policy.pack import load_pack
from consumer.policy.patterns import spelled_words
from consumer.screening.matcher import Matcher
from consumer.screening.normalise import fold, fold_pattern
from consumer.screening.quotes import Source
from consumer.screening.restoring import Restorer
from schemas import Category, Media

MATCHER = Matcher(load_pack())
RESTORER = Restorer(("全额退款", "不醉不归", "高速见效", "根治", "回报"))


def restored(text: str) -> str | None:
    found = RESTORER.restored(fold(text))
    return found.folded.text if found else None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("无效全额推款", "无效全额退款"),  # one character by its sound
        ("圈额推款也行", "全额退款也行"),  # two
        ("quan额tui款", "全额退款"),
        ("年回bao8%起", "年回报8%起"),  # two characters are enough where one is written in letters
        ("不酔不归", "不醉不归"),  # by its shape
        ("今晚不醉不旧", None),  # sounds like another word
    ],
)
def test_a_disguised_phrase_is_given_back(written: str, read: str | None) -> None:
    assert restored(written) == read


@pytest.mark.parametrize(
    "lawful", ["全额退款", "跟至家门口", "全国推广", "zuihuibaode", "suigen治", "回宝山路", "新品上市", "hello world"]
)
def test_what_is_no_disguise_stays_as_it_is(lawful: str) -> None:
    assert restored(lawful) is None


def test_shapes_are_read_as_sounds_are() -> None:
    assert Restorer(("未来地铁口",)).restored(fold("末来地铁口")) is not None


def test_the_quote_is_what_is_written() -> None:
    hits = MATCHER.hits((Source(fold("放心拍,不满意全额推款!")),), Category.DRUG_OTC, Media.INTERNET)
    quotes = [hit.source.evidence(hit.start, hit.end).quote for hit in hits if hit.rule.id == "M10"]
    assert quotes
    assert all(quote is not None and quote.endswith("全额推款") for quote in quotes)


def test_a_restored_word_breaks_no_exception_of_what_is_written() -> None:
    for lawful in ("糖尿病患者慎用", "国家级自然保护区门票", "并非没有副作用,请阅读说明书"):
        assert not MATCHER.hits((Source(fold(lawful)),), Category.FOOD, Media.INTERNET)


def test_words_of_a_pattern_are_spelled_between_its_gaps_and_across_them() -> None:
    pattern = fold_pattern("(无效|没效)[^,]{0,4}(全额)?退款(?!券)|\\d{1,3}天见效")
    close = {"无效退款", "没效退款", "无效全额退款", "没效全额退款"}
    assert spelled_words(pattern) == {"无效", "没效", "全额退款", "退款", "天见效"} | close

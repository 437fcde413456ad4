"""People who try to get around the rules: every disguise of every rule's words, and texts made to hang the search."""

import time
from collections.abc import Callable

import pytest
from zhconv import convert

from consumer.policy.pack import Rule, load_pack
from consumer.policy.patterns import needed_words
from consumer.screening.disguises import STAND_INS, spellings
from consumer.screening.matcher import Matcher, compile_patterns
from consumer.screening.normalise import fold
from consumer.screening.quotes import Source, picture_source
from schemas import Category, Media
from tests.unit.screening.ads import read

PACK = load_pack()
MATCHER = Matcher(PACK)
LEXICAL = [rule for rule in PACK.rules if rule.lexical]
SEPARATORS = [
    "·",
    " ",
    "-",
    "*",
    "_",
    "~",
    "|",
    "/",
    "★",
    "🔥",
    "\u200b",
    "\u00ad",
    "\u3000",
    "·" * 5,
    "- " * 9,
    "=" * 64,
]
HAN_WORDS = {
    rule.id: [word for word in rule.lexicon if all("一" <= c <= "鿿" for c in word) and len(word) > 1]
    for rule in LEXICAL
}


def finds(rule: Rule, source: Source) -> bool:
    category = next(category for category in Category if rule.applies_to(category))
    return any(hit.rule.id == rule.id for hit in MATCHER.hits((source,), category, Media.INTERNET))


def missed(rule: Rule, disguise: Callable[[str], str]) -> list[str]:
    written = [disguise(word) for word in HAN_WORDS[rule.id]]
    return [word for word in written if not finds(rule, Source(fold(f"本品,{word}。")))]


@pytest.mark.parametrize("rule", LEXICAL, ids=lambda rule: rule.id)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_separators_hide_no_word_of_any_rule(rule: Rule, separator: str) -> None:
    assert missed(rule, separator.join) == []


@pytest.mark.parametrize("rule", LEXICAL, ids=lambda rule: rule.id)
@pytest.mark.parametrize(
    "disguise",
    [
        lambda word: convert(word, "zh-tw"),
        lambda word: convert(word, "zh-hk"),
        lambda word: "".join(f"&#{ord(char)};" for char in word),
        lambda word: "".join(f"<b>{char}</b>" for char in word),
        "<br>".join,
        "&nbsp;".join,
        "\n".join,
        "\n\n".join,
        ",".join,
        "。".join,
        "】【".join,
        lambda word: word[0] + "\u0336" + word[1:] + "\u0336",
        lambda word: "".join({"一": "壹", "二": "贰", "三": "叁"}.get(char, char) for char in word),
        lambda word: "".join(next((o for o, c in STAND_INS.items() if c == char), char) for char in word),
    ],
    ids=[
        "tw",
        "hk",
        "entities",
        "markup",
        "br",
        "nbsp",
        "lines",
        "empty-lines",
        "comma",
        "stop",
        "brackets",
        "struck",
        "numerals",
        "alike",
    ],
)
def test_disguises_hide_no_word_of_any_rule(rule: Rule, disguise: Callable[[str], str]) -> None:
    assert missed(rule, disguise) == []


@pytest.mark.parametrize("rule", LEXICAL, ids=lambda rule: rule.id)
def test_a_word_is_found_with_any_one_character_in_pinyin(rule: Rule) -> None:
    written = [spelling for word in HAN_WORDS[rule.id] for spelling in spellings(word, {}) if not spelling.isascii()]
    assert len(written) > 2 * len(HAN_WORDS[rule.id])
    assert [word for word in written if not finds(rule, Source(fold(f"本品,{word}。")))] == []


@pytest.mark.parametrize("rule", LEXICAL, ids=lambda rule: rule.id)
def test_a_word_that_ocr_split_over_lines_is_found(rule: Rule) -> None:
    for word in HAN_WORDS[rule.id]:
        middle = len(word) // 2
        assert finds(rule, picture_source("p", read("新品", word[:middle], word[middle:], "顺丰发货"))), word


@pytest.mark.parametrize(
    "written", ["zui佳", "最jia", "zuì佳", "ZUI佳", "蕞jia", "全网弟一", "全国di一", "鼎级享受", "蕞·好", "醉佳"]
)
def test_sound_alikes_and_pinyin_are_found_and_quoted(written: str) -> None:
    hits = MATCHER.hits((Source(fold(f"本品{written},")),), Category.GENERAL, Media.INTERNET)
    quotes = [hit.source.evidence(hit.start, hit.end).quote for hit in hits]
    assert any(quote and quote in written for quote in quotes)


@pytest.mark.parametrize(
    "innocent", ["suizui佳", "zuijiang", "yongzhi", "兄弟一起来", "问鼎级别赛", "陶冶疗愈心灵的音乐"]
)
def test_disguises_are_not_seen_where_there_are_none(innocent: str) -> None:
    assert MATCHER.hits((Source(fold(innocent)),), Category.EDUCATION, Media.INTERNET) == ()


@pytest.mark.parametrize(
    "abuse", ["“全国第一”牌大米", "“国家级”商标", "本店全国最好", "追求完美的全国第一品牌", "抽奖活动销量第一名的手机"]
)
def test_exceptions_are_no_way_around_the_rule(abuse: str) -> None:
    assert MATCHER.hits((Source(fold(abuse)),), Category.GENERAL, Media.INTERNET)


@pytest.mark.parametrize(
    "doubtful", ["最低价保证", "2025年线上销量第一", "荣获年度最佳设计奖", "“最佳”系列大米", "买贵赔,保证最低价"]
)
def test_words_that_may_be_lawful_are_found_as_doubtful(doubtful: str) -> None:
    hits = MATCHER.hits((Source(fold(doubtful)),), Category.GENERAL, Media.INTERNET)
    assert hits
    assert all(hit.doubtful for hit in hits)


def test_a_doubtful_phrase_hides_no_certain_one() -> None:
    hits = MATCHER.hits((Source(fold("最低价保证。最低价")),), Category.GENERAL, Media.INTERNET)
    assert {hit.doubtful for hit in hits} == {True, False}


def test_a_pattern_is_never_skipped_where_it_matches() -> None:
    texts = [fold(phrase).text for rule in PACK.rules for phrase in (*rule.positives, *rule.traps)]
    for rule in LEXICAL:
        for pattern in compile_patterns((*rule.regex, *rule.exceptions, *rule.doubtful)):
            needs = needed_words(pattern.expression)
            for text in texts if needs else ():
                if pattern.expression.search(text):
                    assert any(word in text for word in needs), (pattern.expression.pattern, text)


def test_ten_megabytes_of_near_misses_do_not_hang() -> None:
    """Each rule's own words and phrases, cut short, over and over: a text on which every pattern keeps trying."""
    bait = "".join(phrase[:-1] for rule in PACK.rules for phrase in (*rule.positives, *rule.lexicon))
    text = (bait * (10_000_000 // len(bait) + 1))[:10_000_000]
    started = time.process_time()
    folded = fold(text, 200_000)
    assert folded.cut
    MATCHER.hits((Source(folded),), Category.DRUG_OTC, Media.INTERNET)
    assert time.process_time() - started < 20

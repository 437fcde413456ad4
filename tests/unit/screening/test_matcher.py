"""Each rule of the shipped pack finds its examples and nothing else; quotes and boxes are exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.policy.pack import Rule, load_pack
from consumer.screening.matcher import MAX_HITS_PER_RULE, Hit, Matcher
from consumer.screening.normalise import fold
from consumer.screening.quotes import Source, picture_source, sources_of
from schemas import AdText, Category, Evidence, EvidenceSource, Media
from tests.unit.screening.ads import LAWFUL, read

PACK = load_pack()
MATCHER = Matcher(PACK)
LEXICAL = [rule for rule in PACK.rules if rule.lexical]


def hits(phrase: str, category: Category = Category.GENERAL, media: Media = Media.INTERNET) -> tuple[Hit, ...]:
    return MATCHER.hits((Source(fold(phrase)),), category, media)


def quotes(phrase: str, category: Category = Category.GENERAL) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for hit in hits(phrase, category):
        found.setdefault(hit.rule.id, []).append(evidence(hit).quote)
    return found


def evidence(hit: Hit) -> Evidence:
    return hit.source.evidence(hit.start, hit.end)


def finds(rule: Rule, phrase: str) -> bool:
    category = next(category for category in Category if rule.applies_to(category))
    return any(hit.rule.id == rule.id for hit in hits(phrase, category))


@pytest.mark.parametrize("rule", LEXICAL, ids=lambda rule: rule.id)
def test_each_word_of_a_lexicon_is_found_alone(rule: Rule) -> None:
    for word in rule.lexicon:
        assert finds(rule, word), word


@given(
    word=st.sampled_from(["最佳", "顶级", "独一无二", "绝无仅有", "国家级"]),
    separator=st.text(st.sampled_from(" ·*-~/|_★\u200b\u00ad\u3000"), min_size=1, max_size=3),
    before=st.sampled_from(["", "本品", "好物,", "123 "]),
)
def test_separators_hide_no_word_and_the_quote_keeps_them(word: str, separator: str, before: str) -> None:
    written = separator.join(word)
    found = quotes(f"{before}{written}享受")
    assert found == {"G01": [written]}


def test_an_efficacy_rate_is_forbidden_not_short_of_a_source() -> None:
    phrase = "总有效率达96%,好评率达97%"
    assert quotes(phrase, Category.DRUG_OTC) == {"G05": ["好评率达97%"], "M02": ["总有效率达96%"]}
    assert quotes(phrase, Category.COSMETICS) == {"G05": ["有效率达96%", "好评率达97%"]}
    assert quotes("总有-效率达96%", Category.DRUG_OTC).keys() == {"M02"}
    fields = [Source(fold(text)) for text in ("总有效率达96%", "产品好评率达97%")]
    assert [hit.rule.id for hit in MATCHER.hits(fields, Category.DRUG_OTC, Media.INTERNET)] == ["G05", "M02"]


@pytest.mark.parametrize(
    ("phrase", "category", "found"),
    [
        ("药店不提供问诊、义诊", Category.DRUG_OTC, False),
        ("本机构不用患者、明星、专家推荐做广告", Category.MEDICAL_DEVICE, False),
        ("好转不等于治愈", Category.DRUG_RX, False),
        ("不含蔗糖、降血糖", Category.HEALTH_FOOD, True),
        ("不添加防腐剂、无副作用", Category.HEALTH_FOOD, True),
        ("三天不咳、根治鼻炎", Category.DRUG_OTC, True),
        ("不用打针、根治鼻炎", Category.DRUG_OTC, True),
    ],
)
def test_what_is_denied_is_no_claim_and_nothing_hides_behind_a_denial(
    phrase: str, category: Category, found: bool
) -> None:
    assert bool(hits(phrase, category)) is found


@pytest.mark.parametrize("phrase", ["marx理论", "overx", "vaper", "10元购", "Casino 1元"])
def test_latin_words_and_numbers_match_whole(phrase: str) -> None:
    assert hits(phrase) == ()
    assert hits(phrase, Category.DRUG_RX) == ()


@pytest.mark.parametrize("phrase", ["消炎不用于治疗疾病", "不仅治疗失眠", "无不治愈", "得不到根治?本品治愈"])
def test_a_negation_must_touch_what_it_denies(phrase: str) -> None:
    assert "G08" in quotes(phrase, Category.FOOD)


@pytest.mark.parametrize("phrase", ["本品不用于治疗疾病", "没有治疗作用", "不具有疗效", "不宣称治愈"])
def test_a_denied_claim_is_no_claim(phrase: str) -> None:
    assert quotes(phrase, Category.FOOD) == {}


def test_an_exception_does_not_cover_a_second_hit() -> None:
    assert quotes("最佳食用温度8℃,最佳选择") == {"G01": ["最佳"]}
    assert quotes("最佳食用温度" * 200 + "最佳选择")["G01"] == ["最佳"]


def test_words_that_touch_are_one_quote_and_repeats_are_told_once() -> None:
    assert quotes("保本保息,保本保息,稳赚不赔", Category.FINANCE) == {"G15": ["保本保息", "稳赚不赔"]}


def test_numbers_are_quoted_whole() -> None:
    assert quotes("总有效率 98.6 %,好", Category.DRUG_OTC)["M02"] == ["总有效率 98.6 %"]


def test_a_flood_of_hits_is_bounded() -> None:
    flood = "".join(f"最佳{number}折,国家级{number}" for number in range(500))
    assert 0 < len(hits(flood)) <= MAX_HITS_PER_RULE


@pytest.mark.parametrize(("words", "rule_id"), [("原价99元,已售百万", "G04"), ("印有国旗", "G03"), ("养生讲堂", "M13")])
def test_cues_of_rules_that_need_a_model_prove_nothing(words: str, rule_id: str) -> None:
    assert next(rule for rule in PACK.rules if rule.id == rule_id).lexicon
    assert hits(words) == ()
    assert hits(words, Category.HEALTH_FOOD) == ()


def test_a_source_or_patent_number_anywhere_in_the_ad_makes_the_claim_lawful() -> None:
    claim = AdText(title="98%的用户表示满意", body="采用国家专利技术")
    shown = read("数据来源:第三方检测", "专利号:ZL201510123456.7")
    bare = MATCHER.hits(sources_of(claim, ()), Category.GENERAL, Media.INTERNET)
    assert [hit.rule.id for hit in bare] == ["G05", "G06"]
    assert MATCHER.hits(sources_of(claim, shown), Category.GENERAL, Media.INTERNET) == ()


@pytest.mark.parametrize(
    ("category", "phrase"),
    [(Category.DRUG_RX, "处方药司美格鲁肽"), (Category.FSMP, "肿瘤全营养配方"), (Category.INFANT, "深度水解奶粉")],
)
def test_professional_media_may_carry_what_others_may_not(category: Category, phrase: str) -> None:
    assert hits(phrase, category, Media.PROFESSIONAL) == ()
    for media in (Media.INTERNET, Media.MASS, Media.MINORS):
        assert hits(phrase, category, media)


@pytest.mark.parametrize("category", LAWFUL)
def test_statements_the_law_demands_are_no_claims(category: Category) -> None:
    media = Media.PROFESSIONAL
    assert MATCHER.hits((picture_source("p", read(*LAWFUL[category])),), category, media) == ()
    joined = Source(fold("".join(LAWFUL[category])))
    assert MATCHER.hits((joined,), category, media) == ()


def test_a_phrase_over_two_lines_is_quoted_with_the_box_around_both() -> None:
    source = picture_source("p1", read("净水器", "独一", "无二的", "包邮"))
    (hit,) = MATCHER.hits((source,), Category.GENERAL, Media.INTERNET)
    found = evidence(hit)
    assert found.quote == "独一\n无二"
    assert found.source is EvidenceSource.IMAGE
    assert found.asset_id == "p1"
    assert found.bbox is not None
    assert (found.bbox.x0, found.bbox.x1) == (0.1, 0.9)
    assert (round(found.bbox.y0, 6), round(found.bbox.y1, 6)) == (0.1, 0.3)


def test_a_phrase_within_one_line_has_that_lines_box() -> None:
    source = picture_source("p1", read("净水器", "极品滤芯", "包邮"))
    (hit,) = MATCHER.hits((source,), Category.GENERAL, Media.INTERNET)
    box = evidence(hit).bbox
    assert box is not None
    assert (round(box.y0, 6), round(box.y1, 6)) == (0.1, 0.2)


def test_lines_of_different_pictures_are_not_joined() -> None:
    lines = (*read("独一", asset_id="p1"), *read("无二", asset_id="p2"))
    assert MATCHER.hits(sources_of(AdText(), lines), Category.GENERAL, Media.INTERNET) == ()


def test_title_and_body_are_not_joined() -> None:
    sources = sources_of(AdText(title="独一", body="无二"), ())
    assert MATCHER.hits(sources, Category.GENERAL, Media.INTERNET) == ()


@given(st.text(max_size=200), st.sampled_from(Category), st.sampled_from(Media))
def test_every_quote_is_cut_out_of_the_original(text: str, category: Category, media: Media) -> None:
    written = f"{text}国家级{text}治疗{text}"
    for hit in MATCHER.hits((Source(fold(written)),), category, media):
        quote = evidence(hit).quote
        assert quote
        assert quote in written

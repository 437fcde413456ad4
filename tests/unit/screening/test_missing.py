"""Mandatory statements: shown anywhere is shown; absence is certain only where reading was."""

from datetime import UTC, datetime, timedelta

import pytest

from consumer.messages import OcrLine
from consumer.policy.pack import load_pack
from consumer.screening.missing import RequiredStatements
from consumer.screening.quotes import confident, sources_of
from schemas import AdSubmission, Category, MissingStatement
from schemas.submission import Certificate
from tests.unit.screening.ads import DAY, LAWFUL, read, submission

REQUIRED = RequiredStatements(load_pack())


def missing(ad: AdSubmission, ocr: tuple[OcrLine, ...] = ()) -> dict[str, list[MissingStatement]]:
    found: dict[str, list[MissingStatement]] = {}
    for statement in REQUIRED.missing(ad, sources_of(ad.text, ocr), seen_whole=confident(ocr, 0.6)):
        found.setdefault(statement.rule_id, []).append(statement)
    return found


@pytest.mark.parametrize("category", LAWFUL)
def test_a_complete_ad_misses_nothing_in_text_or_picture(category: Category) -> None:
    words = LAWFUL[category]
    assert missing(submission(category, "\n".join(words))) == {}
    assert missing(submission(category, pictures=("p1",)), read(*words)) == {}


@pytest.mark.parametrize("category", LAWFUL)
def test_statements_may_be_spread_over_text_and_pictures(category: Category) -> None:
    first, *others = LAWFUL[category]
    lines = tuple(line for n, words in enumerate(others) for line in read(words, asset_id=f"p{n}"))
    assert missing(submission(category, first), lines) == {}


@pytest.mark.parametrize(
    ("category", "rule_ids"),
    [
        (Category.DRUG_OTC, {"M12", "D03", "D04"}),
        (Category.DRUG_RX, {"M12", "D02", "D04"}),
        (Category.MEDICAL_DEVICE, {"M12", "V01"}),
        (Category.HEALTH_FOOD, {"M12", "H02", "H04"}),
        (Category.FSMP, {"M12", "F01"}),
        (Category.MEDICAL_SERVICE, {"M12"}),
        (Category.COSMETICS, set()),
        (Category.GENERAL, set()),
    ],
)
def test_an_ad_that_shows_nothing_misses_what_its_category_demands(category: Category, rule_ids: set[str]) -> None:
    found = missing(submission(category, "新品上市"))
    assert set(found) == rule_ids
    assert all(statement.certain for statements in found.values() for statement in statements)
    assert all(statement.legal_basis and statement.expected for s in found.values() for statement in s)


def test_each_part_of_a_rule_is_asked_for() -> None:
    found = missing(submission(Category.HEALTH_FOOD, "不适宜人群:孕妇。本品不能代替药物。"))
    assert [statement.expected for statement in found["H04"]] == ["适宜人群"]
    assert "H02" not in found


def test_a_statement_wrapped_over_lines_is_shown() -> None:
    ocr = read(
        "禁忌:孕妇禁用 不良反应:尚不明确",
        "请按药品说明书或者在",
        "药师指导下购买和使用",
        "京药广审(文)第281231-",
        "00123号",
    )
    assert missing(submission(Category.DRUG_OTC, pictures=("p1",)), ocr) == {}


def test_unsure_ocr_makes_absence_uncertain() -> None:
    ocr = (*read("止咳糖浆"), *read("模糊的一行小字", asset_id="p2", confidence=0.4))
    found = missing(submission(Category.DRUG_OTC, pictures=("p1", "p2")), ocr)
    assert not any(statement.certain for statements in found.values() for statement in statements)


def test_texture_read_as_a_few_characters_is_not_unsure_ocr() -> None:
    assert confident((*read("止咳糖浆"), *read("口一", "000000", confidence=0.2)), 0.6)
    assert confident((), 0.6)


@pytest.mark.parametrize("word", ["最佳", "第一", "国家级"])
def test_a_short_word_that_ocr_is_not_sure_of_is_unsure_ocr(word: str) -> None:
    assert not confident((*read("止咳糖浆"), *read(word, confidence=0.5)), 0.6)
    assert confident((*read("止咳糖浆"), *read(word, confidence=0.7)), 0.6)


def test_a_near_miss_of_ocr_is_uncertain_but_a_misspelt_text_is_not() -> None:
    misread = "请按药品说明书或者在药帅指导下购买和使用"
    (read_so,) = missing(submission(Category.DRUG_OTC, pictures=("p1",)), read(misread))["D03"]
    (written_so,) = missing(submission(Category.DRUG_OTC, misread))["D03"]
    assert not read_so.certain
    assert written_so.certain


def test_a_number_in_the_submission_is_not_a_number_in_the_ad() -> None:
    ad = submission(Category.DRUG_OTC, "止咳糖浆", approval_number="京药广审(文)第281231-00123号")
    assert "M12" in missing(ad)


@pytest.mark.parametrize(
    ("number", "gist"),
    [
        ("京药广审(文)第260531-00123号", "广告批准文号已过有效期"),
        ("京药广审(文)第281332-00123号", "广告批准文号已过有效期"),
        ("京食健广审(文)第281231-00123号", "广告批准文号与商品类别不符"),
        ("京药广审(文)第2812-00123号", "无/错/过期广告批准文号"),
    ],
)
def test_an_expired_or_malformed_number_is_missing(number: str, gist: str) -> None:
    (statement,) = missing(submission(Category.DRUG_OTC, number))["M12"]
    assert statement.gist == gist


@pytest.mark.parametrize("number", ["京药广审(文)第260601-00123号", "京藥廣審（文）第 281231－00123 號"])
def test_a_number_holds_through_its_last_day_however_it_is_typeset(number: str) -> None:
    assert "M12" not in missing(submission(Category.DRUG_OTC, number))


def test_an_expired_certificate_is_told_and_a_valid_one_is_not() -> None:
    expired = Certificate(kind="营业执照", number="91", expires_at=DAY - timedelta(days=1))
    valid = Certificate(kind="营业执照", number="92", expires_at=DAY + timedelta(days=1))
    lasting = Certificate(kind="授权书", number="93")
    found = missing(submission(Category.GENERAL, "新品", certificates=(expired, valid, lasting)))
    assert [statement.expected for statement in found["G19"]] == ["营业执照 91(有效期至 2026-05-31)"]


@pytest.mark.parametrize("moment", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_a_time_at_the_end_of_the_calendar_is_a_time(moment: datetime) -> None:
    certificate = Certificate(kind="营业执照", number="1", expires_at=moment)
    ad = submission(Category.DRUG_OTC, "\n".join(LAWFUL[Category.DRUG_OTC]), certificates=(certificate,))
    expired = {"M12"} if moment.year > 2000 else set()
    assert set(missing(ad.model_copy(update={"submitted_at": moment}))) == expired


RISK = "投资有风险"


@pytest.mark.parametrize("words", ["新品理财,预期收益可观", "私募基金招募", "加盟热线开放", "股票策略会", "年化2.8%起"])
def test_an_investment_without_a_warning_misses_it(words: str) -> None:
    (statement,) = missing(submission(Category.FINANCE, words))["G15"]
    assert statement.expected == RISK
    assert statement.certain


@pytest.mark.parametrize(
    "warning",
    [
        "投资有风险",
        "基金有风险,投资须谨慎",
        "理财非存款,产品有风险",
        "股市有风险,入市需谨慎",
        "風險提示:市場有風險",
        "投 资 有 风 险",
    ],
)
def test_a_warning_in_text_or_picture_is_enough(warning: str) -> None:
    assert "G15" not in missing(submission(Category.FINANCE, f"理财新品。{warning}"))
    ad = submission(Category.FINANCE, "理财新品", pictures=("p1", "p2"))
    assert "G15" not in missing(ad, (*read("净值走势"), *read(warning, asset_id="p2")))


@pytest.mark.parametrize("words", ["信用卡开卡礼,分期免息", "车险报价", "手机银行转账免手续费"])
def test_what_promises_no_return_needs_no_warning(words: str) -> None:
    assert missing(submission(Category.FINANCE, words)) == {}


@pytest.mark.parametrize(
    ("number", "lawful"),
    [
        ("(京)医广[2026]第01-01-001号", True),
        ("(沪)医广〔2025〕第06-02-0321号", True),
        ("(沪)医广〔2025〕第06-01-0321号", False),
        ("(沪)医广〔2025〕第13-01-0321号", False),
        ("(沪)医广〔2025〕第12-32-0321号", False),
        ("医广〔2026〕第01-01-001号", False),
        ("京药广审(文)第281231-00123号", False),
    ],
)
def test_a_medical_service_shows_a_number_of_the_last_year(number: str, lawful: bool) -> None:
    """The ads are of 1 June 2026; a number holds until the day before its anniversary."""
    assert ("M12" not in missing(submission(Category.MEDICAL_SERVICE, number))) is lawful


@pytest.mark.parametrize("category", [c for c in LAWFUL if c is not Category.HEALTH_FOOD])
def test_a_number_of_another_category_is_told_as_such(category: Category) -> None:
    (statement,) = missing(submission(category, "京食健广审(文)第281231-00123号"))["M12"]
    assert statement.gist == "广告批准文号与商品类别不符"


def test_a_number_split_by_ocr_within_its_digits_is_shown() -> None:
    ocr = read("京药广审(文)第2812", "31-001", "23号")
    assert "M12" not in missing(submission(Category.DRUG_OTC, pictures=("p1",)), ocr)


def test_the_pieces_of_one_statement_in_two_pictures_are_not_a_statement() -> None:
    ocr = (*read("请按药品说明书或者在"), *read("药师指导下购买和使用", asset_id="p2"))
    assert "D03" in missing(submission(Category.DRUG_OTC, pictures=("p1", "p2")), ocr)


@pytest.mark.parametrize("category", LAWFUL)
def test_unsure_ocr_in_any_one_picture_never_makes_a_certain_absence(category: Category) -> None:
    ad = submission(category, pictures=("p1", "p2", "p3"))
    for unsure in range(3):
        ocr = tuple(
            line
            for number in range(3)
            for line in read("清晰的文字一行", asset_id=f"p{number}", confidence=0.3 if number == unsure else 0.99)
        )
        found = missing(ad, ocr)
        assert found
        assert not any(statement.certain for statements in found.values() for statement in statements)

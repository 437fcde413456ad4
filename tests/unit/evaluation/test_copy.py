"""The evaluation's copy: files that are wrong are refused with file, phrase and reason; what ships is enough."""

from collections import Counter
from pathlib import Path

import pytest

from consumer.evaluation.copy import (
    GOLD_DATE,
    PRODUCTS_FILE,
    Copy,
    CopyInvalid,
    CopySet,
    Part,
    Role,
    Scene,
    load_copy,
)
from consumer.evaluation.items import SUBMITTED_AT
from consumer.policy.model import PolicyPack
from consumer.policy.pack import load_pack
from schemas import Category, Media

PRODUCT = '[[product]]\ncategory = "food"\nbrand = "麦田里"\nname = "麦田里吐司"\nline = "三种配料"\n'
PHRASE = {
    "id": '"food.g01.01"',
    "set": '"A"',
    "part": '"tune"',
    "role": '"violation"',
    "categories": '["food"]',
    "rules": '["G01"]',
    "text": '"{product}，全国第一"',
    "quote": '"全国第一"',
}


@pytest.fixture(scope="module")
def pack() -> PolicyPack:
    return load_pack()


@pytest.fixture(scope="module")
def shipped(pack: PolicyPack) -> Copy:
    return load_copy(pack=pack)


def write(folder: Path, *phrases: dict[str, str | None]) -> Path:
    """A copy folder of phrases; each is PHRASE with what is given, None leaves a key out."""
    (folder / PRODUCTS_FILE).write_text(PRODUCT)
    tables = ({key: value for key, value in (PHRASE | given).items() if value is not None} for given in phrases)
    lines = ["[[phrase]]\n" + "".join(f"{key} = {value}\n" for key, value in table.items()) for table in tables]
    (folder / "food.toml").write_text("\n".join(lines))
    return folder


def test_a_phrase_is_read_and_its_slots_are_filled(tmp_path, pack):
    copy = load_copy(write(tmp_path, {"quote": '"{product}，全国第一"', "media": '"internet"'}), pack)
    (phrase,) = copy.phrases
    assert (phrase.set, phrase.part, phrase.role) == (CopySet.A, Part.TUNE, Role.VIOLATION)
    assert (phrase.categories, phrase.rules, phrase.media) == ((Category.FOOD,), ("G01",), Media.INTERNET)
    (product,) = copy.products_of(Category.FOOD)
    filled = phrase.about(product)
    assert (filled.text, filled.quote) == ("麦田里吐司，全国第一", "麦田里吐司，全国第一")
    assert copy.products_of(Category.ALCOHOL) == ()


def test_a_product_of_another_category_is_refused(tmp_path, pack):
    copy = load_copy(write(tmp_path, {"categories": '["alcohol"]'}), pack)
    with pytest.raises(CopyInvalid, match=r"food\.g01\.01: is not for food; choose alcohol"):
        copy.phrases[0].about(copy.products[0])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"quote": '"全球第一"'}, "the quote '全球第一' is not in the text"),
        ({"text": '"  "', "quote": '""'}, "the text is empty"),
        ({"text": '"{maker}，全国第一"'}, "unknown slot maker: use brand, line, product"),
        ({"rules": '["Z99"]'}, "the policy pack has no rule Z99"),
        ({"rules": '["D03"]'}, "D03 does not apply to food"),
        ({"rules": "[]"}, "a violation names its rules"),
        ({"quote": None}, "a violation needs a quote"),
        ({"categories": "[]"}, "categories are empty"),
        ({"categories": '["snacks"]'}, "categories.0: Input should be 'drug_otc'"),
        ({"set": '"C"'}, "set: Input should be 'A' or 'B'"),
        ({"part": '"test"'}, "part: Input should be 'tune' or 'held_out'"),
        ({"role": '"bad"'}, "role: Input should be 'violation', 'trap', 'clean' or 'notice'"),
        ({"scene": '"volcano"', "set": '"B"'}, "scene: Input should be 'flag'"),
        ({"scene": '"flag"'}, "a phrase with a scene belongs to set B"),
        ({"role": '"clean"', "quote": None}, "a clean breaks no rule"),
        ({"role": '"trap"', "rules": None, "quote": None}, "only a trap has it"),
        ({"role": '"clean"', "rules": None}, "only a violation has a quote"),
        ({"near": '["G02"]'}, "only a trap has it"),
        ({"role": '"notice"', "quote": None, "rules": '["G02"]'}, "a notice satisfies rules that ask for a statement"),
        ({"note": '"?"'}, "unknown key note"),
        ({"text": None}, "text: Field required"),
    ],
)
def test_a_phrase_that_cannot_be_gold_is_refused(tmp_path, pack, given, reason):
    with pytest.raises(CopyInvalid) as refused:
        load_copy(write(tmp_path, given), pack)
    assert str(refused.value).startswith("food.toml: ")
    assert reason in str(refused.value)


def test_an_id_is_given_once(tmp_path, pack):
    write(tmp_path, {})
    (tmp_path / "other.toml").write_text((tmp_path / "food.toml").read_text())
    with pytest.raises(CopyInvalid, match=r"other\.toml: food\.g01\.01: the id is taken in food\.toml"):
        load_copy(tmp_path, pack)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"phrase = [", "is not TOML"),
        (b"\xff", "is not TOML in UTF-8"),
        (b"", r"must hold \[\[phrase\]\] tables"),
        (b"phrase = 3", r"must hold \[\[phrase\]\] tables"),
        (b"phrase = [3]", "phrase number 1: must be a table"),
        (b"[[phrase]]\n[rules]", r"must hold \[\[phrase\]\] tables and nothing else"),
    ],
)
def test_a_file_that_is_no_copy_is_refused(tmp_path, pack, content, reason):
    write(tmp_path, {})
    (tmp_path / "food.toml").write_bytes(content)
    with pytest.raises(CopyInvalid, match=rf"food\.toml: .*{reason}"):
        load_copy(tmp_path, pack)


def test_a_folder_without_products_is_refused(tmp_path, pack):
    with pytest.raises(CopyInvalid, match=r"products\.toml: cannot be read"):
        load_copy(tmp_path, pack)


def test_every_rule_that_words_decide_has_its_violations_and_traps(shipped, pack):
    counted = Counter(
        (rule_id, phrase.role, phrase.part)
        for phrase in shipped.phrases
        if phrase.set is CopySet.A
        for rule_id in phrase.rules + phrase.near
    )
    for rule in pack.rules:
        absent_only = "missing" in rule.parts and not rule.lexical
        if not rule.lexical and not absent_only:
            continue
        lawful = Role.NOTICE if absent_only else Role.TRAP
        assert counted[rule.id, Role.VIOLATION, Part.TUNE] >= 10, rule.id
        assert counted[rule.id, lawful, Part.TUNE] >= 6, rule.id


def test_every_rule_that_only_a_model_can_judge_is_in_set_b(shipped, pack):
    broken = {rule_id for phrase in shipped.phrases if phrase.set is CopySet.B for rule_id in phrase.rules}
    assert {rule.id for rule in pack.rules if rule.parts <= {"semantic", "visual"}} <= broken
    violations = [one for one in shipped.phrases if one.set is CopySet.B and one.role is Role.VIOLATION]
    assert len(violations) >= 60
    assert {one.scene for one in violations} - {None} == set(Scene)


def test_every_category_has_products_and_clean_lines(shipped):
    clean = Counter(
        category for phrase in shipped.phrases if phrase.role is Role.CLEAN for category in phrase.categories
    )
    assert clean.total() >= 60
    for category in Category:
        assert len(shipped.products_of(category)) >= 3, category
        # Every ad for tobacco violates: it has no clean line.
        assert clean[category] >= (0 if category is Category.TOBACCO else 4), category


def test_texts_are_not_repeated(shipped):
    texts = Counter((phrase.text, phrase.categories, phrase.media, phrase.scene) for phrase in shipped.phrases)
    assert [text for text, times in texts.items() if times > 1] == []


def test_every_phrase_can_be_filled_for_each_product(shipped):
    for phrase in shipped.phrases:
        for category in phrase.categories:
            for product in shipped.products_of(category):
                filled = phrase.about(product)
                assert "{" not in filled.text + filled.quote
                assert filled.quote in filled.text


def test_the_gold_holds_on_the_day_on_which_items_are_submitted():
    assert SUBMITTED_AT.date() == GOLD_DATE

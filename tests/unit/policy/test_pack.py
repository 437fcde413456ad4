"""A policy pack is whole or refused, and the refusal says where and why."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from consumer.errors import StartRefused
from consumer.policy.pack import SHIPPED, load_pack
from schemas import Category, Severity

RULE: dict[str, Any] = {
    "id": "X01",
    "categories": ["food"],
    "penalty": ["58"],
    "kind": "lexical",
    "gist": "示例",
    "basis": ["《广告法》第9条"],
    "suggestion": "删去",
    "suggestion_en": "Remove it",
    "lexicon": ["最佳"],
}
PENALTIES = {"55": "critical", "57": "critical", "58": "high", "59": "medium"}


def write(path: Path, *rules: dict[str, Any], **top: Any) -> Path:
    document = {
        "version": "1.0",
        "jurisdiction": "cn",
        "status": "test",
        "penalties": PENALTIES,
        "terms": {"pct": r"\d{1,3}%"},
        "rules": list(rules),
        **top,
    }
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return path


def changed(**fields: Any) -> dict[str, Any]:
    return {**deepcopy(RULE), **fields}


def test_the_shipped_pack_covers_every_category_and_claims_nothing_checked() -> None:
    pack = load_pack()
    assert len(pack.rules) >= 45
    assert len(pack.sha256) == 64
    for category in Category:
        assert pack.rules_for(category)
    assert all(rule.legal_basis for rule in pack.rules)
    assert not any(basis.verified for rule in pack.rules for basis in rule.legal_basis)
    assert not any(rule.words_verified for rule in pack.rules)
    assert pack.history[0].version == pack.version


def test_severity_follows_the_penalty_articles() -> None:
    by_article = {"广告法55": "critical", "广告法57": "critical", "广告法58": "high", "广告法59": "medium"}
    for rule in load_pack().rules:
        expected = [by_article.get(article, "medium") for article in rule.penalty]
        assert rule.severity == min(expected, key=["critical", "high", "medium"].index), rule.id


def test_every_rule_advises_in_chinese_and_english() -> None:
    for rule in load_pack().rules:
        assert any("一" <= char <= "鿿" for char in rule.suggestion), rule.id
        assert any(word.isascii() and word.isalpha() for word in rule.suggestion_en.split()), rule.id
        assert rule.advice == f"{rule.suggestion} / {rule.suggestion_en}"


def test_rules_for_takes_every_category_and_named_ones(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "p.json", RULE, changed(id="X02", categories=["*"])))
    assert [rule.id for rule in pack.rules_for(Category.FOOD)] == ["X01", "X02"]
    assert [rule.id for rule in pack.rules_for(Category.FINANCE)] == ["X02"]
    assert pack.rules[0].severity is Severity.HIGH


def test_the_gravest_of_several_penalties_counts(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "p.json", changed(penalty=["59", "57", "58"])))
    assert pack.rules[0].severity is Severity.CRITICAL


def test_terms_are_written_out(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "p.json", changed(regex=["有效{pct}"])))
    assert pack.rules[0].regex == (r"有效(?:\d{1,3}%)",)


def test_a_citation_may_say_that_it_was_checked(tmp_path: Path) -> None:
    basis = ["第1条", {"citation": "第2条", "verified": True}]
    pack = load_pack(write(tmp_path / "p.json", changed(basis=basis)))
    assert [(one.citation, one.verified) for one in pack.rules[0].legal_basis] == [("第1条", False), ("第2条", True)]


def test_the_content_decides_the_hash(tmp_path: Path) -> None:
    one, other = write(tmp_path / "1.json", RULE), write(tmp_path / "2.json", changed(lexicon=["最好"]))
    assert load_pack(one).sha256 != load_pack(other).sha256
    assert load_pack(one) == load_pack(one)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([changed(categories=["sweets"])], "categories"),
        ([changed(regex=["最(佳"])], "not a regular expression"),
        ([changed(regex=["最.*佳"])], "no upper bound"),
        ([changed(exceptions=[r"最\d+佳"])], "no upper bound"),
        ([changed(regex=["最.{3,}佳"])], "no upper bound"),
        ([changed(regex=[r"(\d{1,9}){1,9}%"])], "ways from one place"),
        ([changed(doubtful=[r"(最佳?){0,30}好"])], "ways from one place"),
        ([changed(exceptions=[r"(?!([^。]{0,30}[^!]{0,30}))最佳"])], "looks around too widely"),
        ([changed(regex=[r"(最)佳\1"])], "refers back"),
        ([changed(regex=["有效{share}"])], "none of the pack's terms: pct"),
        ([changed(kind="lexical+magic")], "unknown kind 'magic'"),
        ([changed(severity="high")], "severity follows from the penalty"),
        ([changed(penalty=["58", "99"])], "penalty 99 is none of the pack's penalties"),
        ([changed(penalty=[])], "penalty"),
        ([changed(kind="meta")], "needs a placement"),
        ([changed(kind="missing", lexicon=[])], "needs required statements"),
        ([changed(required=[{"wording": "广告", "pattern": "广告"}])], "belong to kind 'missing'"),
        ([changed(kind="visual")], "needs a prompt card"),
        ([changed(lexicon=[])], "needs a lexicon or a regex"),
        ([changed(needs=["weather"])], "needs"),
        ([changed(surprise=1)], "surprise"),
        ([{key: value for key, value in RULE.items() if key != "gist"}], "gist: Field required"),
        ([{key: value for key, value in RULE.items() if key != "suggestion_en"}], "suggestion_en: Field required"),
    ],
)
def test_a_bad_rule_is_named_with_its_file_and_reason(tmp_path: Path, rules: list[Any], reason: str) -> None:
    path = write(tmp_path / "bad.json", changed(id="X00"), *rules)
    with pytest.raises(StartRefused) as refused:
        load_pack(path)
    message = str(refused.value)
    assert str(path) in message
    assert "rule X01" in message
    assert reason in message


def test_a_rule_without_id_is_named_by_its_place(tmp_path: Path) -> None:
    nameless = {key: value for key, value in RULE.items() if key != "id"}
    with pytest.raises(StartRefused, match="rule number 2: id: Field required"):
        load_pack(write(tmp_path / "bad.json", changed(id="X00"), nameless))


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="duplicate rule id: X01"):
        load_pack(write(tmp_path / "bad.json", RULE, RULE))


@pytest.mark.parametrize("version", ["", "1.x", "latest", "１.0", "1." * 40 + "0"])
def test_versions_are_dotted_integers(tmp_path: Path, version: str) -> None:
    with pytest.raises(StartRefused, match="version"):
        load_pack(write(tmp_path / "bad.json", RULE, version=version))


def test_history_must_tell_of_the_version(tmp_path: Path) -> None:
    history = [{"version": "0.9", "date": "2026-01-01", "note": "first"}]
    with pytest.raises(StartRefused, match=r"history begins with 0\.9, but the version is 1\.0"):
        load_pack(write(tmp_path / "bad.json", RULE, history=history))


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda _: "", lambda _: "[]", lambda _: "\x00"])
@pytest.mark.parametrize("ending", ["json", "toml"])
def test_what_is_no_pack_at_all_is_refused(tmp_path: Path, damage: Callable[[str], str], ending: str) -> None:
    whole = write(tmp_path / "whole.json", RULE).read_text("utf-8")
    path = tmp_path / f"bad.{ending}"
    path.write_text(damage(whole), "utf-8")
    with pytest.raises(StartRefused, match=rf"bad\.{ending}"):
        load_pack(path)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match=r"policy\.pack"):
        load_pack(tmp_path / "none.json")


def copy_of_shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    shutil.copytree(str(SHIPPED), folder)
    return folder


def test_a_folder_is_one_pack(tmp_path: Path) -> None:
    assert load_pack(copy_of_shipped(tmp_path)) == load_pack()


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("20-medical.toml", "kind = 'lexical+vlm'", "kind = 'magic'", "20-medical.toml: rule M01: kind"),
        ("40-foods.toml", "id = 'F01'", "id = 'M01'", "duplicate rule id: M01"),
        ("10-general.toml", "special_cases = ['M02']", "special_cases = ['M99']", "special_cases names M99"),
        ("40-foods.toml", "[[rules]]", "version = '9'\n[[rules]]", "40-foods.toml: version: belongs into pack.toml"),
        ("30-drugs-devices.toml", "[[rules]]", "[[rules", "30-drugs-devices.toml: is not TOML"),
        ("pack.toml", "'广告法58' = 'high'\n", "", "penalty 广告法58 is none of the pack's penalties"),
        ("pack.toml", "'广告法58' = 'high'", "'广告法58' = 'fatal'", "penalties"),
    ],
)
def test_a_fault_in_a_folder_names_the_file(tmp_path: Path, file: str, old: str, new: str, reason: str) -> None:
    folder = copy_of_shipped(tmp_path)
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(StartRefused) as refused:
        load_pack(folder)
    assert str(folder) in str(refused.value)
    assert reason in str(refused.value)


def test_a_folder_without_its_head_is_refused(tmp_path: Path) -> None:
    folder = copy_of_shipped(tmp_path)
    (folder / "pack.toml").unlink()
    with pytest.raises(StartRefused, match=r"cannot be read"):
        load_pack(folder)

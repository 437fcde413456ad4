"""A policy pack is whole or refused, and the refusal says where and why."""

import json
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
    "severity": "high",
    "kind": "lexical",
    "gist": "示例",
    "basis": ["《广告法》第9条"],
    "suggestion": "删去",
    "lexicon": ["最佳"],
}


def write(path: Path, *rules: dict[str, Any], **top: Any) -> Path:
    document = {"version": "1.0", "jurisdiction": "cn", "status": "test", "rules": list(rules), **top}
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return path


def changed(**fields: Any) -> dict[str, Any]:
    return {**deepcopy(RULE), **fields}


def test_the_shipped_pack_covers_every_category_and_claims_no_checked_citation() -> None:
    pack = load_pack()
    assert len(pack.rules) >= 45
    assert len(pack.sha256) == 64
    for category in Category:
        assert pack.rules_for(category)
    assert all(rule.legal_basis for rule in pack.rules)
    assert not any(basis.verified for rule in pack.rules for basis in rule.legal_basis)


def test_rules_for_takes_every_category_and_named_ones(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "p.json", RULE, changed(id="X02", categories=["*"])))
    assert [rule.id for rule in pack.rules_for(Category.FOOD)] == ["X01", "X02"]
    assert [rule.id for rule in pack.rules_for(Category.FINANCE)] == ["X02"]
    assert pack.rules[0].severity is Severity.HIGH


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
        ([changed(kind="lexical+magic")], "unknown kind 'magic'"),
        ([changed(severity="fatal")], "unknown severity"),
        ([changed(kind="meta")], "needs a placement"),
        ([changed(lexicon=[])], "needs a lexicon or a regex"),
        ([changed(surprise=1)], "surprise"),
        ([{key: value for key, value in RULE.items() if key != "gist"}], "gist: Field required"),
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


@pytest.mark.parametrize("damage", [lambda text: text[:-20], lambda _: "", lambda _: "[]", lambda _: "\x00"])
def test_what_is_no_pack_at_all_is_refused(tmp_path: Path, damage: Callable[[str], str]) -> None:
    path = tmp_path / "bad.json"
    path.write_text(damage(SHIPPED.read_text("utf-8")), "utf-8")
    with pytest.raises(StartRefused, match=r"bad\.json"):
        load_pack(path)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match=r"policy\.pack"):
        load_pack(tmp_path / "none.json")

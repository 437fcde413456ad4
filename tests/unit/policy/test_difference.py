"""Two packs are compared rule by rule and entry by entry."""

from pathlib import Path

from consumer.policy.difference import Difference, differences
from consumer.policy.pack import load_pack
from tests.unit.policy.test_pack import RULE, changed, write


def test_a_pack_does_not_differ_from_itself() -> None:
    assert list(differences(load_pack(), load_pack())) == []


def test_each_change_is_told_once(tmp_path: Path) -> None:
    old = load_pack(write(tmp_path / "old.json", RULE, changed(id="X02", gist="旧")))
    longer = changed(lexicon=["最好", "最佳"], penalty=["57"], negation_guard=True)
    new = load_pack(write(tmp_path / "new.json", longer, changed(id="X03", gist="新"), version="1.1"))
    assert set(differences(old, new)) == {
        Difference("", "version", ("1.0",), ("1.1",)),
        Difference("X01", "penalty", ("58",), ("57",)),
        Difference("X01", "severity", ("high",), ("critical",)),
        Difference("X01", "lexicon", (), ("最好",)),
        Difference("X01", "negation_guard", ("False",), ("True",)),
        Difference("X03", "rule", (), ("新",)),
        Difference("X02", "rule", ("旧",), ()),
    }


def test_an_order_alone_is_told_as_a_change_without_entries(tmp_path: Path) -> None:
    old = load_pack(write(tmp_path / "old.json", changed(lexicon=["最佳", "最好"])))
    new = load_pack(write(tmp_path / "new.json", changed(lexicon=["最好", "最佳"])))
    assert list(differences(old, new)) == [Difference("X01", "lexicon", (), ())]

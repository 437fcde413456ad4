"""The shipped pack holds on its own examples, rule by rule, and a pack that does not is refused."""

from pathlib import Path

import pytest

from consumer.errors import StartRefused
from consumer.policy.pack import PolicyPack, Rule, load_pack
from consumer.screening.examples import check_examples, decided_by_words, try_examples
from consumer.screening.matcher import Matcher
from consumer.screening.missing import RequiredStatements

PACK = load_pack()
DECIDED = [rule for rule in PACK.rules if decided_by_words(rule)]
MODEL_ONLY = [rule for rule in PACK.rules if rule.parts & {"visual", "semantic", "vlm"}]
TRIED = {rule.id: [] for rule in PACK.rules}
for example in try_examples(PACK, Matcher(PACK), RequiredStatements(PACK)):
    TRIED[example.rule_id].append(example)

EXAMPLES_MIN = 12

PACK_TOML = """
version = '1.0'
jurisdiction = 'cn'
status = 'test'
[penalties]
'58' = 'high'
[[rules]]
id = 'X01'
categories = ['*']
penalty = ['58']
kind = 'lexical'
gist = '示例'
basis = ['第1条']
suggestion = '删去'
suggestion_en = 'Remove it'
lexicon = ['最佳']
"""


@pytest.mark.parametrize("rule", DECIDED, ids=lambda rule: rule.id)
def test_each_rule_finds_its_examples_and_passes_its_traps(rule: Rule) -> None:
    assert [example.phrase for example in TRIED[rule.id] if not example.holds] == []


@pytest.mark.parametrize("rule", DECIDED, ids=lambda rule: rule.id)
def test_each_rule_that_words_decide_has_enough_examples(rule: Rule) -> None:
    assert len(set(rule.positives)) >= EXAMPLES_MIN
    assert len(set(rule.traps)) >= EXAMPLES_MIN
    assert not set(rule.positives) & set(rule.traps)


@pytest.mark.parametrize("rule", MODEL_ONLY, ids=lambda rule: rule.id)
def test_each_rule_for_a_model_has_a_card_that_says_what_does_not_count(rule: Rule) -> None:
    assert len(rule.prompt) >= 20


def pack_with(tmp_path: Path, extra: str) -> PolicyPack:
    path = tmp_path / "pack.toml"
    path.write_text(PACK_TOML + extra, "utf-8")
    return load_pack(path)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("positives = ['最佳选择', '寻常的话']", "does not find its example '寻常的话'"),
        ("traps = ['寻常的话', '最佳选择']", "finds its counter-example '最佳选择'"),
    ],
)
def test_a_pack_that_fails_its_own_examples_is_refused(tmp_path: Path, extra: str, message: str) -> None:
    pack = pack_with(tmp_path, extra)
    with pytest.raises(StartRefused, match=f"rule X01 {message}"):
        check_examples(pack, Matcher(pack), RequiredStatements(pack))


def test_the_shipped_pack_is_accepted() -> None:
    check_examples(PACK, Matcher(PACK), RequiredStatements(PACK))

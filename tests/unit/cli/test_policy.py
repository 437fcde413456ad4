"""`advet policy` as a policy author uses it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumer.cli.root import advet
from consumer.errors import StartRefused
from consumer.policy.pack import SHIPPED, load_pack
from tests.unit.policy.test_pack import RULE, changed, write


def run(*arguments: str) -> Result:
    return CliRunner().invoke(advet, ["policy", *arguments])


def test_the_shipped_pack_is_checked_shown_and_tried() -> None:
    checked = run("check", "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["version"] == load_pack().version
    tried = run("test", "--json")
    assert tried.exit_code == 0
    assert json.loads(tried.stdout)["examples"] > 900
    for command in ("check", "show", "test"):
        assert run(command).exit_code == 0


def test_a_bad_pack_is_refused_with_rule_and_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", changed(regex=["最.*佳"]))
    refused = run("check", "--json", "--policy-pack", str(path))
    assert refused.exit_code == 4
    problem = json.loads(refused.stdout)["problem"]
    assert all(part in problem for part in (str(path), "rule X01", "no upper bound"))
    assert isinstance(run("check", "--policy-pack", str(path)).exception, StartRefused)


def test_an_example_that_fails_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", changed(positives=["寻常的话"], traps=["最佳选择"]))
    failed = run("test", "--policy-pack", str(path), "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["wrong"] == [
        {"rule": "X01", "phrase": "寻常的话", "wanted": True},
        {"rule": "X01", "phrase": "最佳选择", "wanted": False},
    ]
    assert "0 of 2 examples of 1 rules hold" in run("test", "--policy-pack", str(path)).stdout


def test_rules_are_shown_by_name_and_category() -> None:
    shown = json.loads(run("show", "G17", "D01", "--json").stdout)
    assert [rule["id"] for rule in shown["rules"]] == ["G17", "D01"]
    alcohol = json.loads(run("show", "--category", "alcohol", "--json").stdout)
    assert "G13" in [rule["id"] for rule in alcohol["rules"]]
    assert "G14" not in [rule["id"] for rule in alcohol["rules"]]
    assert "《广告法》第20条" in run("show", "G17").stdout


def test_a_rule_that_is_not_there_is_a_usage_error() -> None:
    result = run("show", "Z99")
    assert result.exit_code == 2
    assert "no rule Z99" in result.stderr


@pytest.mark.parametrize("as_json", [True, False])
def test_two_packs_are_compared(tmp_path: Path, as_json: bool) -> None:
    old = write(tmp_path / "old.json", RULE)
    new = write(tmp_path / "new.json", changed(lexicon=["最佳", "最好"]))
    compared = run("diff", str(old), str(new), *(["--json"] if as_json else []))
    assert compared.exit_code == 1
    if as_json:
        (difference,) = json.loads(compared.stdout)["differences"]
        assert difference == {"rule_id": "X01", "field": "lexicon", "removed": [], "added": ["最好"]}
    else:
        assert compared.stdout == "X01 lexicon\n  + 最好\n"


def test_the_shipped_pack_is_what_diff_compares_with() -> None:
    assert run("diff", str(SHIPPED)).exit_code == 0

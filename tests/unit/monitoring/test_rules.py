"""Prometheus's own tool accepts the rules and agrees with what they are expected to do."""

import re
import subprocess

import pytest

from tests.prometheus import CONFIG, INFRA, RULES, faster, installed, rules

TESTS = sorted((INFRA / "prometheus" / "tests").glob("*.yml"))
RUNBOOK = (INFRA / "RUNBOOK.md").read_text("utf-8")
ALERTS = [rule for rule in rules() if "alert" in rule]


def promtool(*arguments: object) -> None:
    checked = subprocess.run(
        [installed("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_configuration_and_every_rule_are_accepted() -> None:
    promtool("check", "config", CONFIG)
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_is_expected(path) -> None:
    promtool("test", "rules", path)


def test_every_alert_has_a_test_that_sees_it_fire_and_one_that_sees_it_silent() -> None:
    cases = "".join(path.read_text("utf-8") for path in TESTS)
    for alert in {rule["alert"] for rule in ALERTS}:
        assert re.search(rf"alertname: {alert}\n +exp_alerts:", cases), f"{alert} never fires in a test"
        assert re.search(rf"alertname: {alert}\}}", cases), f"{alert} is never silent in a test"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(alert) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    notes = alert["annotations"]
    assert notes["summary"]
    assert notes["description"]
    page, _, anchor = notes["runbook_url"].partition("#")
    assert page == "infra/RUNBOOK.md"
    sections = {heading.lower().replace(" ", "-"): text for heading, text in sections_of(RUNBOOK)}
    assert anchor in sections
    assert f"`{alert['alert']}`" in sections[anchor], "the page does not say which alert leads to it"


def sections_of(document: str) -> list[tuple[str, str]]:
    """Headings and texts."""
    _, *sections = re.split(r"^## ", document, flags=re.MULTILINE)
    return [(section.splitlines()[0], section) for section in sections]


def test_the_runbook_names_no_alert_that_does_not_exist() -> None:
    assert set(re.findall(r"`(Advet[A-Z]\w+)`", RUNBOOK)) == {rule["alert"] for rule in ALERTS}


def test_rules_in_a_hurry_are_the_same_rules(tmp_path) -> None:
    """The incident's clock: only durations change."""
    for path in RULES:
        hurried = tmp_path / path.name
        hurried.write_text(faster(path.read_text("utf-8"), 60), "utf-8")
        promtool("check", "rules", hurried)
    assert "[5000ms]" in (tmp_path / "stuck.yml").read_text("utf-8")
    assert "vector(60) / 60" in (tmp_path / "age.yml").read_text("utf-8")

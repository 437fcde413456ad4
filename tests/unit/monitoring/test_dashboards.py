"""Dashboards are what the code says, name only what exists, and lie on the page without overlapping."""

import json
import re
import subprocess
import sys
from itertools import combinations

import pytest
import yaml

from consumer.ops.metrics import Metrics
from consumer.ops.metrics.lag import GroupLagMetrics
from tests.prometheus import DASHBOARDS, INFRA, names, panels, rules

FOREIGN = {"ALERTS", "up"}


def series() -> set[str]:
    """What `advet run` and `advet lag --serve` export, and what rules record."""
    found = set()
    for definition in (*Metrics().book.definitions, *GroupLagMetrics().book.definitions):
        parts = ("_bucket", "_sum", "_count") if definition.kind == "histogram" else ("",)
        found |= {definition.name + part for part in parts}
    return found | {rule["record"] for rule in rules() if "record" in rule} | FOREIGN


def test_files_are_what_the_code_says() -> None:
    script = [sys.executable, "infra/dev/dashboards.py", "--check"]
    checked = subprocess.run(script, cwd=INFRA.parent, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("title", "queries"), panels(), ids=lambda value: value if isinstance(value, str) else "")
def test_panels_read_only_what_exists(title, queries) -> None:
    for query in queries:
        assert names(query)
        assert names(query) <= series()


def test_rules_read_only_what_exists() -> None:
    for rule in rules():
        assert names(rule["expr"]) <= series(), rule


def test_what_is_recorded_is_read() -> None:
    read = {name for _title, queries in panels() for query in queries for name in names(query)}
    read |= {name for rule in rules() for name in names(rule["expr"])}
    assert {rule["record"] for rule in rules() if "record" in rule} <= read


def test_every_metric_is_on_a_dashboard_or_in_a_rule() -> None:
    """So that nothing is measured for nobody."""
    read = {name for _title, queries in panels() for query in queries for name in names(query)}
    read |= {name for rule in rules() for name in names(rule["expr"])}
    defined = {one.name for one in (*Metrics().book.definitions, *GroupLagMetrics().book.definitions)}
    assert {name for name in defined if not any(other.startswith(name) for other in read)} == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_a_meaning_a_place_and_a_number_of_their_own(path) -> None:
    dashboard = json.loads(path.read_text("utf-8"))
    assert dashboard["uid"] == path.stem
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    for panel in dashboard["panels"]:
        assert panel["type"] == "row" or panel["description"]


def test_variables_that_queries_use_are_defined() -> None:
    for path in DASHBOARDS:
        text = path.read_text("utf-8")
        known = {variable["name"] for variable in json.loads(text)["templating"]["list"]} | {"__rate_interval"}
        assert set(re.findall(r"\$\{?(\w+)", text)) <= known


def test_provisioning_reads_the_folder_and_the_source_that_dashboards_expect() -> None:
    provisioning = INFRA / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    [provider] = yaml.safe_load((provisioning / "dashboards" / "advet.yml").read_text("utf-8"))["providers"]
    assert provider["type"] == "file"

"""A real Prometheus with our rules, in a time of its own: everything that lasts is divided by a factor."""

import asyncio
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.local.process import LOOPBACK, Child, Program, free_ports
from tests.rig import wait_for

INFRA = Path(__file__).parents[1] / "infra"
CONFIG = INFRA / "prometheus" / "prometheus.yml"
RULES = sorted((INFRA / "prometheus" / "rules").glob("*.yml"))
DASHBOARDS = sorted((INFRA / "grafana" / "dashboards").glob("*.json"))
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
SCRAPE_SECONDS = 15
LOOKBACK_SECONDS = 300
"""After which Prometheus takes a series without new samples for gone; its default."""


def installed(program: str) -> str:
    """Path of a program of Debian's package `prometheus`; a skip without it, in CI a failure."""
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"{program} is missing: .ci/run installs it")
        pytest.skip(f"{program} is missing: apt-get install prometheus")
    return found


def rules() -> list[dict[str, Any]]:
    """Every rule."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[tuple[str, list[str]]]:
    """Title and queries of every panel, with the dashboard's name before the title."""
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            queries = [target["expr"] for target in panel.get("targets", ())]
            found.append((f"{path.stem}: {panel['title']}", queries))
    return [(title, queries) for title, queries in found if queries]


def selectors(expr: str) -> list[str]:
    """Every series that PromQL reads, with its labels: names of ours, of recording rules, and ALERTS."""
    return re.findall(r"\b(?:advet_\w+|\w+:\w+(?::\w+)?|ALERTS|up)\b(?:\{[^}]*\})?", expr)


def names(expr: str) -> set[str]:
    """The same without labels."""
    return {selector.partition("{")[0] for selector in selectors(expr)}


def faster(content: str, factor: float) -> str:
    """A rule file whose ranges, waits, intervals and age objective are divided."""

    def shorter(duration: str) -> str:
        number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", duration).groups()  # type: ignore[union-attr]
        return f"{max(1, round(float(number) * SECONDS[unit] / factor * 1000))}ms"

    document = yaml.safe_load(content)
    for group in document["groups"]:
        group["interval"] = shorter(group.get("interval", "15s"))
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = shorter(rule["for"])
            rule["expr"] = re.sub(r"(?<=\[)\w+(?=\])", lambda range_: shorter(range_[0]), rule["expr"])
            if rule.get("record") == "advet:objective_age_seconds":
                rule["expr"] = f"{rule['expr']} / {factor}"
    return yaml.safe_dump(document)


class Prometheus:
    """`with Prometheus.running(folder, factor) as prometheus`; then say what to scrape."""

    def __init__(self, folder: Path, port: int, factor: float) -> None:
        self._folder = folder
        self._port = port
        self.factor = factor
        self.started_at = time.time()

    @classmethod
    @contextmanager
    def running(cls, folder: Path, factor: float) -> Iterator["Prometheus"]:
        """Ends the process."""
        port = free_ports(1)[0]
        prometheus = cls(folder, port, factor)
        prometheus._write()
        arguments = (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            f"--query.lookback-delta={int(LOOKBACK_SECONDS / factor * 1000)}ms",
            "--log.level=warn",
        )
        child = Child.spawn(Program("prometheus", (installed("prometheus"), *arguments), folder))
        try:
            wait_for(prometheus._answers)
            yield prometheus
        finally:
            asyncio.run(child.stop(10))

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self._port}"

    def _write(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load(CONFIG.read_text("utf-8"))
        config["global"] = dict.fromkeys(config["global"], f"{int(SCRAPE_SECONDS / self.factor * 1000)}ms")
        config["rule_files"] = [f"{self._folder}/rules-*.yml"]
        for job in config["scrape_configs"]:
            name = job["job_name"]
            places = [{"files": [f"{self._folder}/targets-{name}.json"], "refresh_interval": "1s"}]
            job.clear()
            job |= {"job_name": name, "file_sd_configs": places}
            self.scrape(name, ())
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
        for path in RULES:
            (self._folder / f"rules-{path.name}").write_text(faster(path.read_text("utf-8"), self.factor), "utf-8")

    def scrape(self, job: str, ports: Sequence[int]) -> None:
        """These ports of this machine from now on."""
        targets = [{"targets": [f"{LOOPBACK}:{port}" for port in ports]}]
        written = self._folder / f"targets-{job}.new"
        written.write_text(json.dumps(targets), "utf-8")
        written.replace(self._folder / f"targets-{job}.json")

    def _answers(self) -> bool:
        try:
            return self._get("/-/ready") is None
        except (urllib.error.HTTPError, OSError):
            return False

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://{LOOPBACK}:{self._port}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 400:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error
            raise
        return json.loads(body)["data"] if path.startswith("/api") else None

    def now(self, expr: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and value of every series."""
        data = self._get("/api/v1/query", query=expr)
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def since_start(self, expr: str) -> list[float]:
        """Every value that the expression has had, of all series, without NaN; also of a series of one scrape."""
        step = SCRAPE_SECONDS / self.factor / 2
        span = {"start": str(self.started_at), "end": str(time.time()), "step": str(step)}
        data = self._get("/api/v1/query_range", query=expr, **span)
        values = (float(value) for one in data["result"] for _at, value in one["values"])
        return [value for value in values if value == value]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = self._get("/api/v1/alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def ill(self) -> dict[str, str]:
        """Rules that cannot be evaluated, and why."""
        groups = self._get("/api/v1/rules")["groups"]
        return {
            rule["name"]: rule.get("lastError", "")
            for group in groups
            for rule in group["rules"]
            if rule["health"] == "err"
        }

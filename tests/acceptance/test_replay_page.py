"""The operator's page of the README, command by command, on a demo that is kept."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO_SECONDS = 300.0
HEADING = "### Replaying dead letters"


def page() -> list[str]:
    """The commands, exactly as they stand there."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(HEADING)[1]
    [block] = re.findall(r"^```\n(.*?)^```$", section.split("\n##")[0], re.MULTILINE | re.DOTALL)
    return [line for line in block.splitlines() if line.startswith("advet ")]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a shell in which `advet demo --keep` runs beside, and ADVET_CONFIG names its settings."""
    log, temporary = tmp_path / "demo.log", tmp_path / "tmp"
    temporary.mkdir()
    bin_folder = str(Path(sys.executable).parent)
    shell = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TMPDIR": str(temporary), "COLUMNS": "200"}
    with log.open("wb") as errors:
        demo = subprocess.Popen(
            [sys.executable, "-m", "consumer", "demo", "--keep", "--json"],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=shell,
            text=True,
        )
    try:
        assert demo.stdout is not None
        assert demo.stdout.readline(), log.read_text()
        deadline = time.monotonic() + DEMO_SECONDS
        while not (named := re.search(r"dlq ls --config (\S+)", log.read_text())):
            assert time.monotonic() < deadline
            assert demo.poll() is None, log.read_text()
            time.sleep(0.05)
        yield {**shell, "ADVET_CONFIG": named[1]}
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)


def ask(environment: dict[str, str], *arguments: str) -> dict:
    """A command's answer as JSON."""
    command = [sys.executable, "-m", "consumer", "dlq", *arguments, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    answer: dict = json.loads(ran.stdout)
    return answer


def test_the_page_works_as_it_stands(environment: dict[str, str], tmp_path: Path) -> None:
    outputs = {}
    for command in page():
        ran = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
        )
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        outputs[command.split("#")[0].strip()] = ran.stdout
    assert "creative_missing" in outputs["advet dlq ls"]
    assert "by stage" in outputs["advet dlq stats --since 1h"]
    assert "Event" in outputs["advet dlq show ad-dead-letters 0 0"]
    planned = re.search(r"(\d+) letters", outputs["advet dlq replay --cause creative_missing"])
    [run] = ask(environment, "runs")["runs"]
    assert (run["status"], run["why"]) == ("done", "the picture is there now")
    assert planned is not None
    assert run["resubmitted"] == int(planned[1]) > 0
    assert run["run_id"] in outputs["advet dlq runs"]
    assert len((tmp_path / "letters.jsonl").read_text().splitlines()) >= run["resubmitted"]
    deadline = time.monotonic() + 60
    while ask(environment, "ls", "--replay-count", "1")["letters"] < run["resubmitted"]:
        assert time.monotonic() < deadline
    again = ask(environment, "replay", "--cause", "creative_missing")["plan"]
    assert again["letters"] == 0
    assert again["refused"] == {"already_replayed": run["resubmitted"], "same_judge": run["resubmitted"]}

"""A page in a real browser, cut off from everything but this machine."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

BROWSER_SECONDS = 120
VIRTUAL_MS = 20_000
"""For scripts and timers; the browser lets them pass at once."""


@dataclass(frozen=True)
class Shown:
    """What became of a page."""

    document: str
    """With all that scripts have drawn."""
    console: tuple[str, ...]
    """Errors, and refusals of the page's content security policy."""
    requests: tuple[str, ...]
    """What the page asked for; what the browser asks for by itself is not in it."""


def chromium() -> str:
    """Path of the browser; a skip without it, in CI a failure."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError("chromium is missing: .ci/run installs it")
        pytest.skip("chromium is missing: apt-get install chromium")
    return found


def show(page: Path, folder: Path) -> Shown:
    """Opens the file; `folder` is for the browser."""
    log = folder / "net.json"
    command = (
        chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
        f"--virtual-time-budget={VIRTUAL_MS}", "--dump-dom", page.as_uri(),
    )  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=BROWSER_SECONDS, check=True)
    events = (event.get("params", {}) for event in json.loads(log.read_text())["events"])
    asked = (event for event in events if "url" in event and event.get("initiator", "not an origin") != "not an origin")
    return Shown(
        ran.stdout,
        tuple(line for line in ran.stderr.splitlines() if ":CONSOLE:" in line),
        tuple(event["url"] for event in asked),
    )

"""What the tests with a real Prometheus run beside it: the lag's exporter, and a GPU judge with shortages to order."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig import Rig, wait_for

ARENA_BYTES = 1024 * 2**20
GPU = {
    "max_visual_tokens": 128,
    "min_visual_tokens": 64,
    "max_output_tokens": 64,
    "preparers": 1,
    "max_batch": 8,
    "vision_patches": 1024,
    "prefill_tokens": 512,
}
"""Small calls of a small model: its start and its launches take seconds on the arena."""


@dataclass(frozen=True, slots=True)
class Card:
    """A device whose memory a test takes away."""

    neighbour: Path
    faults: Path

    @classmethod
    def make(cls, folder: Path, environment: pytest.MonkeyPatch) -> "Card":
        """Consumers that are started with the engine `arena` from now on are on it."""
        card = cls(folder / "neighbour", folder / "faults")
        environment.setenv("ARENA_BYTES", str(ARENA_BYTES))
        environment.setenv("ARENA_NEIGHBOUR", str(card.neighbour))
        environment.setenv("ARENA_FAULTS", str(card.faults))
        return card

    def run_out(self, times: int) -> None:
        """The next launches run out of memory in the middle of their prefill."""
        self.faults.write_text("prefill 3\n" * times)

    def occupy(self, size_bytes: int) -> None:
        """So much belongs to a neighbour now."""
        self.neighbour.write_text(str(size_bytes))


@contextmanager
def lag_exporter(rig: Rig) -> Iterator[int]:
    """`advet lag --serve` on a port that it yields."""
    log = rig.folder / "lag.log"
    command = [sys.executable, "-m", "consumer", "lag", "--serve", "--config", str(rig.config), "--lag-port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        found = wait_for(lambda: re.search(r'"name": "lag", .*"port": (\d+)', log.read_text()))
        yield int(found[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()[-3000:]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def workers(pid: int, module: str) -> list[int]:
    """Processes that a consumer has started to run `module`."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            try:
                if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
            except FileNotFoundError:
                continue
    return found


@contextmanager
def half_a_replay(rig: Rig) -> Iterator[None]:
    """`advet dlq replay` that has sent one letter and waits to send the next."""
    command = [sys.executable, "-m", "consumer", "dlq", "replay", "--execute", "--reason", "half of it"]
    process = subprocess.Popen(
        [*command, "--rate", "0.02", "--config", str(rig.config)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)

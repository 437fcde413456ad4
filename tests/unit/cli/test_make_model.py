"""`advet bench make-model` where something is missing: it says what, and how to get it."""

import subprocess
import sys
from pathlib import Path

BLOCKED = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))  # as if they were not installed
from consumer.__main__ import main
main()
"""


def _run(missing: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = BLOCKED.format(missing=missing)
    return subprocess.run(
        [sys.executable, "-c", program, "bench", "make-model", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_without_torch_the_command_says_how_to_install_it(tmp_path: Path) -> None:
    ran = _run(["torch"], str(tmp_path / "model"))
    assert ran.returncode == 4
    assert ran.stderr == "advet: making a model needs torch, which is not installed here: pip install 'advet[bench]'\n"
    assert not (tmp_path / "model").exists()


def test_the_help_needs_nothing_of_it() -> None:
    ran = _run(["torch", "transformers", "safetensors", "dashscope"], "--help")
    assert ran.returncode == 0
    assert "random weights" in ran.stdout

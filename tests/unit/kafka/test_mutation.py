"""The tests of the ledger and the completion map notice every comparison that is flipped."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODULES = ("consumer/kafka/ledger.py", "consumer/kafka/completion_map.py")


def test_a_flipped_comparison_is_noticed():
    """`infra/dev/mutate_ledger.py` without arguments tries more kinds of change, and `assignment.py` as well."""
    run = subprocess.run(
        [sys.executable, "infra/dev/mutate_ledger.py", "--only", "comparison", *MODULES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    noticed = int(run.stdout.split(" mutants, ")[1].split()[0])
    assert noticed >= 15, run.stdout

"""Runs one benchmark: `make bench ARGS='NAME …'`. Without a name it lists what there is."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Runs `benchmarks/NAME.py` as a program with the remaining arguments."""
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_"))
    if not names:
        sys.exit("bench: there are no benchmarks yet")
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"bench: name one of: {', '.join(names)}   (make bench ARGS='{names[0]}')")
    sys.path.insert(0, str(ROOT))
    sys.argv = sys.argv[1:]
    runpy.run_module(f"benchmarks.{sys.argv[0]}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

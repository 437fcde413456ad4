"""Writes infra/METRICS.md from the definitions in `consumer.ops.metrics`.

`make docs` runs it; `--check` only says whether the page is what the code says, for the test.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from consumer.ops.metrics import Definition, GroupLagMetrics, Metrics

PAGE = Path(__file__).resolve().parents[1] / "METRICS.md"
OPENING = """# Metrics

Every metric that advet exports, written by `make docs` from the definitions in `consumer/ops/metrics/`. Units are base
units: seconds, bytes; `bool` is 0 or 1. A histogram has the series `_bucket`, `_sum` and `_count`. Every counter begins
at 0 when its process starts.
"""


def main() -> None:
    """Rewrites the page; with `--check` exits with 1 when it would change."""
    new = page()
    if "--check" in sys.argv[1:]:
        old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        sys.exit(0 if new == old else f"{PAGE.name} is out of date: run `make docs`")
    PAGE.write_text(new, encoding="utf-8")


def page() -> str:
    """All metrics as Markdown, a heading for each exporter."""
    return (
        OPENING
        + _section("`advet run`", Metrics().book.definitions)
        + _section("`advet lag --serve`", GroupLagMetrics().book.definitions)
    )


def _section(title: str, definitions: Sequence[Definition]) -> str:
    lines = ["", f"## {title}"]
    for part, members in groupby(definitions, lambda one: one.part):
        lines += ["", f"### {part}", "| metric | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
        lines += [_row(one) for one in members]
    return "\n".join(lines) + "\n"


def _row(one: Definition) -> str:
    labels = "; ".join(f"`{name}`: {values}" for name, values in one.labels.items()) or "–"
    cells = (f"`{one.name}`", one.kind, one.unit, labels, one.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()

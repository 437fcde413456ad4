"""Writes the Grafana dashboards under `infra/grafana/dashboards` from their description in this folder.

`make docs` runs it; `--check` only says whether the files are what the code says, for the test.
"""

import json
import sys
from pathlib import Path

from dashboards_gpu import GPU
from dashboards_model import Dashboard
from dashboards_stream import STREAM

FOLDER = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"


def main() -> None:
    """Rewrites the files; with `--check` exits with 1 when one would change or is nobody's."""
    wanted = {FOLDER / f"{dashboard.uid}.json": text(dashboard) for dashboard in (STREAM, GPU)}
    there = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv[1:]:
        sys.exit(0 if there == wanted else "the dashboards in infra/grafana are out of date: run `make docs`")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.write_text(content, encoding="utf-8")


def text(dashboard: Dashboard) -> str:
    """The file's content."""
    return json.dumps(dashboard.json(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()

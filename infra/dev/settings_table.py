"""Writes the table of settings into README.md, between its markers, from `consumer.settings`.

`make docs` runs it; `--check` only says whether the table is what the code says, for the test.
"""

import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from consumer.settings import MIB, Setting, leaves

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- settings: begin, written by `make docs` -->", "<!-- settings: end -->"


def main() -> None:
    """Rewrites the README; with `--check` exits with 1 when it would change."""
    old = README.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        sys.exit(f"{README.name} must hold each of these lines once:\n{BEGIN}\n{END}")
    before, rest = old.split(BEGIN)
    _, after = rest.split(END)
    new = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        sys.exit(0 if new == old else f"the settings table of {README.name} is out of date: run `make docs`")
    README.write_text(new, encoding="utf-8")


def table() -> str:
    """All settings as a Markdown table."""
    rows = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for setting in leaves():
        cells = (f"`{setting.name}`", _default(setting), _allowed(setting), setting.field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _default(setting: Setting) -> str:
    default = setting.field.default
    if default is None:
        return "–"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    mebibytes = f" ({default // MIB} MiB)" if setting.name.endswith("_bytes") else ""
    return f"`{default}`{mebibytes}"


def _allowed(setting: Setting) -> str:
    if get_origin(setting.field.annotation) is Literal:
        return ", ".join(f"`{option}`" for option in get_args(setting.field.annotation))
    return ", ".join(filter(None, map(_bound, setting.field.metadata)))


def _bound(constraint: object) -> str | None:
    match constraint:
        case Ge(limit):
            return f"≥ {limit:,}"
        case Gt(limit):
            return f"> {limit:,}"
        case Le(limit):
            return f"≤ {limit:,}"
        case Lt(limit):
            return f"< {limit:,}"
    return None


if __name__ == "__main__":
    main()

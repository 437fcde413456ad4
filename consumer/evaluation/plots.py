"""What a report looks like: scores by perturbation and by rule, and where decisions went. Needs matplotlib."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from consumer.evaluation.metrics import DECISIONS
from consumer.evaluation.report import OCR, TEXT, Report

_SHADES: Final = {0: "#c9d5e3", 1: "#9db4cc", 2: "#5b7fa6", 3: "#1f3a5f"}
_DPI: Final = 140

Draw = Callable[[Axes], None]


def draw(report: Report, folder: Path) -> tuple[Path, ...]:
    """Writes a PNG for everything that the report has figures for; returns the files."""
    files = []
    for name, size, paint in _plots(report):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.subplots())
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=_DPI)
    return tuple(files)


def _plots(report: Report) -> Iterator[tuple[str, tuple[float, float], Draw]]:
    if report.perturbed:
        yield "perturbations", (10, 4.2), partial(_perturbations, report)
    for judge, name in ((TEXT, "text"), (OCR, "ocr")):
        if any(one.judge == judge for one in report.rules):
            yield f"rules-{name}", (10, 3.6), partial(_rules, report, judge)
            yield f"decisions-{name}", (4.6, 4.0), partial(_decisions, report, judge)


def _perturbations(report: Report, axes: Axes) -> None:
    """Decision F1 on OCR with its interval, a bar for each strength."""
    names = list(dict.fromkeys(one.name for one in report.perturbed))
    for one in report.perturbed:
        score = one.ocr_f1
        low, high = score.low or score.value, score.high or score.value
        reach = [[max(0.0, score.value - low)], [max(0.0, high - score.value)]]
        place = names.index(one.name) + (one.strength - 2) * 0.26 if one.strength else names.index(one.name)
        label = f"strength {one.strength}" if one.strength else "as drawn"
        axes.bar(place, score.value, 0.24, yerr=reach, color=_SHADES[one.strength], ecolor="#888", label=label)
    _once_each(axes)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_ylim(0, 1.02)
    axes.set_title("Set A through OCR: decision F1, 95 % intervals by template", loc="left")


def _once_each(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(sorted(zip(labels, handles, strict=True), key=lambda pair: pair[0]))
    axes.legend(unique.values(), unique.keys(), frameon=False, ncols=4, loc="lower left")


def _rules(report: Report, judge: str, axes: Axes) -> None:
    rows = sorted((one for one in report.rules if one.judge == judge), key=lambda one: one.rule)
    axes.bar([one.rule for one in rows], [one.f1 for one in rows], color=_SHADES[2])
    axes.set_ylim(0, 1.02)
    axes.tick_params(axis="x", rotation=90)
    axes.set_title(f"Set A, {judge}: F1 of each rule", loc="left")


def _decisions(report: Report, judge: str, axes: Axes) -> None:
    """Gold decisions downwards, the judge's to the right."""
    names = [decision.value for decision in DECISIONS]
    table = [[report.decisions[judge].get(f"{gold}/{got}", 0) for got in names] for gold in names]
    axes.imshow(table, cmap="Blues")
    most = max(map(max, table))
    for row, counts in enumerate(table):
        for column, count in enumerate(counts):
            axes.text(column, row, str(count), ha="center", va="center", color="white" if count > most / 2 else "black")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("decided")
    axes.set_ylabel("gold")
    axes.set_title(f"Set A, {judge}", loc="left")

"""The report of `advet policy eval` for people: tables of scores, bars and perturbations."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from consumer.evaluation.report import EVERY_PART, Bar, Group, Report, Score

_RIGHT = (
    ("decision F1", "decision_f1"),
    ("rule F1", "macro_rule_f1"),
    ("quotes", "quotes_agree"),
    ("boxes", "boxes_hit"),
)
_WRONG = (
    ("to review", "review_share"),
    ("critical approved", "critical_false_approve"),
    ("traps rejected", "trap_false_reject"),
    ("clean reviewed", "clean_review"),
    ("clean rejected", "clean_false_reject"),
)
_WITH_INTERVAL = ("decision_f1", "macro_rule_f1")
CAUTION = "Synthetic ads: the scores show that the pipeline does what it should, not how good it is in the field."


def tables(report: Report) -> Iterator[Table | Text]:
    """Everything that is printed, top to bottom."""
    facts = report.facts
    yield Text(
        f"{facts['items']} ads of {facts['templates']} templates, {facts['pictures']} pictures, "
        f"policy {facts['policy_version']}; percent, in brackets 95 % intervals by template"
    )
    for name, title in (("A", "Set A, words decide"), ("B", "Set B, only a model can judge")):
        groups = [group for group in report.groups if group.set == name]
        if groups:
            yield _scores(f"{title}: what is right", groups, _RIGHT)
            yield _scores(f"{title}: what is wrong", groups, _WRONG)
    if report.perturbed:
        yield _perturbed(report)
    yield _bars(report.bars)
    yield Text(CAUTION, style="italic")


def _scores(title: str, groups: list[Group], shown: tuple[tuple[str, str], ...]) -> Table:
    heads = (head for head, _name in shown)
    table = Table("part", "judge", "ads", *heads, title=title, title_justify="left", box=None)
    for group in groups:
        cells = (_percent(group.scores.get(name), wide=name in _WITH_INTERVAL) for _head, name in shown)
        style = "bold" if group.part == EVERY_PART and group.judge.startswith("rules") else ""
        table.add_row(group.part.replace("_", " "), group.judge, str(group.items), *cells, style=style)
    return table


def _perturbed(report: Report) -> Table:
    table = Table(
        "done to them", "strength", "ads", "F1, gold text", "F1, OCR", "drop",
        title="Set A through OCR, by what was done to the ads", title_justify="left", box=None,
    )  # fmt: skip
    for one in report.perturbed:
        table.add_row(
            one.name, str(one.strength or "–"), str(one.items), f"{one.text_f1:.1%}",
            _percent(one.ocr_f1, wide=True), f"{one.drop * 100:.1f}",
        )  # fmt: skip
    return table


def _bars(bars: tuple[Bar, ...]) -> Table:
    table = Table("bar", "is", "must be", "", title="Bars, set A", title_justify="left", box=None)
    for bar in bars:
        is_value = "not measured" if bar.value is None else f"{bar.value:.1%}"
        word = {None: Text("–"), True: Text("ok", "green"), False: Text("missed", "bold red")}[bar.passed]
        table.add_row(bar.name, is_value, f"{bar.side} {bar.limit:.0%}", word)
    return table


def _percent(score: Score | None, *, wide: bool) -> str:
    if score is None:
        return "–"
    interval = (
        f" ({score.low:.0%}–{score.high:.0%})" if wide and score.low is not None and score.high is not None else ""
    )
    return f"{score.value:.1%}{interval}"

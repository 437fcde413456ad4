"""How verdicts and dead letters look on a terminal: for `judge`, `tail` and `demo`.

Everything from an ad is shown as plain text: markup and control characters in it have no effect.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas import AdVerdict, DeadLetter, Decision, LegalBasis, MissingStatement, Severity, Violation

DECISION_STYLES: Mapping[Decision, str] = {
    Decision.APPROVE: "bold white on green",
    Decision.REJECT: "bold white on red",
    Decision.REVIEW: "bold black on yellow",
    Decision.UNKNOWN: "bold white on magenta",
}
SEVERITY_STYLES: Mapping[Severity, str] = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.UNKNOWN: "magenta",
}
BORDER_STYLES: Mapping[Decision, str] = {
    Decision.APPROVE: "green",
    Decision.REJECT: "red",
    Decision.REVIEW: "yellow",
    Decision.UNKNOWN: "magenta",
}
QUOTE_CHARS = 60
SHORT_LAWS: Mapping[str, str] = {
    "《药品、医疗器械、保健食品、特殊医学用途配方食品广告审查管理暂行办法》": "《三品一械办法》",
    "《互联网广告管理办法》": "《互联网广告办法》",
    "《化妆品监督管理条例》": "《化妆品条例》",
    "《绝对化用语执法指南》": "《绝对化用语指南》",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the overview. `mark` says whether it ended as expected; None when nothing was expected."""

    name: str
    outcome: AdVerdict | DeadLetter
    mark: bool | None = None
    note: str = ""
    """Shown for an ad in which nothing was found: why it is lawful."""


def decision_badge(decision: Decision) -> Text:
    """The decision as a coloured label, of one width."""
    return Text(f" {decision.value.upper():^7} ", style=DECISION_STYLES[decision])


def render_verdict(verdict: AdVerdict) -> RenderableType:
    """A panel: decision, every finding with quote, place and law, and what judged."""
    title = Text.assemble(decision_badge(verdict.decision), " ", (plain(verdict.submission_id), "bold"))
    by_rule: dict[str, list[Violation]] = {}
    for violation in verdict.violations:
        by_rule.setdefault(violation.rule_id, []).append(violation)
    parts: list[RenderableType] = [_finding(violations) for violations in by_rule.values()]
    parts += [_absence(missing) for missing in verdict.missing_statements]
    if not parts:
        parts.append(Text("Nothing found that the law forbids, nothing missing that it demands."))
    return Panel(
        Group(*_spaced(parts), Text(), _footer(verdict)),
        title=title,
        title_align="left",
        border_style=BORDER_STYLES[verdict.decision],
        box=box.ROUNDED,
        padding=(1, 2, 0, 2),
    )


def render_dead_letter(key: str, letter: DeadLetter) -> RenderableType:
    """A panel: why this submission got no verdict."""
    title = Text.assemble((" NO VERDICT ", "bold white on magenta"), " ", (plain(key) or "(no key)", "bold"))
    body = Text.assemble((letter.reason.value, "bold magenta"), (f" at {letter.stage.value}", "dim"))
    origin = letter.origin
    facts = f"{origin.topic}[{origin.partition}]@{origin.offset} · attempts {letter.attempts} · {letter.error_class}"
    return Panel(
        Group(body, Text(plain(letter.message)), Text(), Text(plain(facts), style="dim")),
        title=title,
        title_align="left",
        border_style="magenta",
        box=box.ROUNDED,
        padding=(1, 2, 0, 2),
    )


def verdict_table(rows: Iterable[Row]) -> Table:
    """The overview of verdicts: decision, ad, findings with quotes, law."""
    table = _table("Verdicts")
    table.add_column("", width=1)
    table.add_column("decision", no_wrap=True, width=9)
    table.add_column("ad", overflow="fold", ratio=5, min_width=10)
    table.add_column("found", overflow="fold", ratio=7, min_width=16)
    table.add_column("law", overflow="fold", ratio=6, min_width=12, style="dim")
    for row in rows:
        if isinstance(row.outcome, AdVerdict):
            verdict = row.outcome
            table.add_row(
                _mark(row.mark),
                decision_badge(verdict.decision),
                Text(plain(row.name)),
                _summary(verdict, row.note),
                _laws(verdict),
            )
    return table


def dead_letter_table(rows: Iterable[Row]) -> Table:
    """The overview of dead letters: submission, reason, what happened."""
    table = _table("Dead letters")
    table.add_column("", width=1)
    table.add_column("submission", overflow="fold", ratio=3, min_width=12)
    table.add_column("reason", no_wrap=True, style="bold magenta")
    table.add_column("what happened", overflow="fold", ratio=6, min_width=16)
    for row in rows:
        if isinstance(row.outcome, DeadLetter):
            letter = row.outcome
            table.add_row(_mark(row.mark), Text(plain(row.name)), letter.reason.value, Text(plain(letter.message)))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_style="bold", title_justify="left", box=box.SIMPLE_HEAD, expand=True,
        header_style="bold dim", show_lines=False, pad_edge=False, padding=(0, 1),
    )  # fmt: skip


def _mark(as_expected: bool | None) -> Text:
    if as_expected is None:
        return Text()
    return Text("✓", style="green") if as_expected else Text("✗", style="bold red")


def _summary(verdict: AdVerdict, note: str) -> Text:
    """Rules with their quotes, a rule once; then what is missing."""
    quotes: dict[str, list[str]] = {}
    severities: dict[str, Severity] = {}
    for violation in verdict.violations:
        severities.setdefault(violation.rule_id, violation.severity)
        found = quotes.setdefault(violation.rule_id, [])
        quote = violation.evidence.quote
        if quote and quote not in found:
            found.append(quote)
    lines = [
        Text.assemble(
            (rule, SEVERITY_STYLES[severities[rule]]), " ", " ".join(f"“{plain(_cut(quote))}”" for quote in found)
        )
        for rule, found in quotes.items()
    ]
    lines += [
        Text.assemble((missing.rule_id, SEVERITY_STYLES[missing.severity]), " missing: ", plain(_cut(missing.expected)))
        for missing in verdict.missing_statements
    ]
    return Text("\n").join(lines) if lines else Text(plain(note) or "–", style="dim")


def _laws(verdict: AdVerdict) -> Text:
    findings: tuple[Violation | MissingStatement, ...] = (*verdict.violations, *verdict.missing_statements)
    citations = dict.fromkeys(basis.citation for finding in findings for basis in finding.legal_basis)
    return Text("\n".join(_breakable(plain(short_law(citation))) for citation in citations))


def short_law(citation: str) -> str:
    """A citation as lawyers say it, for narrow columns; the full one stands in the verdict."""
    for long, short in SHORT_LAWS.items():
        citation = citation.replace(long, short)
    return citation


def _breakable(citation: str) -> str:
    """With a space where a narrow column may break it: between a law and its articles, and between articles."""
    return citation.replace("》第", "》 第").replace("、第", "、 第")


def _finding(violations: Sequence[Violation]) -> RenderableType:
    """All findings of one rule: each quote with its place, then the law once."""
    first = violations[0]
    rows: list[tuple[str, Text]] = []
    for violation in violations:
        quote, where = violation.evidence.quote, _where(violation)
        if quote:
            rows.append(("quote", Text.assemble((f"“{plain(_cut(quote))}”", "bold"), (f"  {where}", "dim"))))
        else:
            rows.append(("where", Text(where)))
    rows += _law_rows(dict.fromkeys(basis for violation in violations for basis in violation.legal_basis))
    if first.suggestion:
        rows.append(("advice", Text(plain(first.suggestion))))
    return Group(_head(first.rule_id, first.severity, first.gist), _facts(rows))


def _absence(missing: MissingStatement) -> RenderableType:
    head = _head(missing.rule_id, missing.severity, missing.gist)
    sure = "in neither text nor pictures" if missing.certain else "not found, but not every picture was legible"
    rows = [("missing", Text(plain(missing.expected), style="bold")), ("where", Text(sure))]
    return Group(head, _facts(rows + _law_rows(missing.legal_basis)))


def _head(rule_id: str, severity: Severity, gist: str) -> Text:
    return Text.assemble((f"{plain(rule_id)} ", "bold"), (f"{severity.value} ", SEVERITY_STYLES[severity]), plain(gist))


def _law_rows(bases: Iterable[LegalBasis]) -> list[tuple[str, Text]]:
    return [
        ("law", Text.assemble(plain(basis.citation), ("" if basis.verified else " (citation unchecked)", "dim")))
        for basis in bases
    ]


def _facts(rows: list[tuple[str, Text]]) -> Table:
    grid = Table.grid(padding=(0, 1), pad_edge=False)
    grid.add_column(style="dim", width=9, justify="right")
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _where(violation: Violation) -> str:
    evidence = violation.evidence
    place = (
        evidence.source.value if evidence.asset_id is None else f"{evidence.source.value} {plain(evidence.asset_id)}"
    )
    if evidence.bbox is not None:
        corner = evidence.bbox
        place += f", {corner.x0:.0%}–{corner.x1:.0%} across, {corner.y0:.0%}–{corner.y1:.0%} down"
    return place if evidence.verified else f"{place} (quote not verified)"


def _footer(verdict: AdVerdict) -> Text:
    timing = verdict.timing
    spent_ms = timing.fetch_ms + timing.decode_ms + timing.admission_ms + timing.inference_ms
    facts = [f"policy {verdict.policy_version}", f"engine {verdict.engine.name}", f"{spent_ms} ms"]
    if verdict.degraded:
        facts.append("degraded: " + ", ".join(verdict.degraded))
    return Text(plain(" · ".join(facts)), style="dim")


def _spaced(parts: list[RenderableType]) -> Iterable[RenderableType]:
    for index, part in enumerate(parts):
        if index:
            yield Text()
        yield part


def _cut(text: str) -> str:
    return text if len(text) <= QUOTE_CHARS else text[: QUOTE_CHARS - 1] + "…"


def plain(text: str) -> str:
    """Without control characters: an ad must not be able to move the reader's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)

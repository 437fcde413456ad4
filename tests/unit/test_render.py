"""Verdicts and dead letters on wide, narrow and dumb terminals."""

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from consumer.cli.render import Row, dead_letter_table, render_dead_letter, render_verdict, short_law, verdict_table
from schemas import AdVerdict, DeadLetter, Reason, RecordOrigin, Stage
from schemas.codec import parse_verdict

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "v1"


def example(name: str) -> AdVerdict:
    return parse_verdict((EXAMPLES / f"ad_verdict.{name}.json").read_bytes())


def letter(message: str) -> DeadLetter:
    verdict = example("reject")
    return DeadLetter(
        reason=Reason.CREATIVE_MISSING,
        stage=Stage.FETCH,
        message=message,
        error_class="PermanentError",
        origin=RecordOrigin(topic="ad-submissions", partition=3, offset=77),
        group="advet",
        attempts=1,
        first_failed_at=verdict.judged_at,
    )


def drawn(renderable: RenderableType, width: int) -> str:
    """What a reader without a terminal gets."""
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False, color_system=None).print(renderable)
    return file.getvalue()


def unwrapped(text: str) -> str:
    return re.sub(r"[\s│]+", "", text)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_a_verdict_shows_decision_quote_place_and_law(width: int) -> None:
    verdict = example("reject")
    text = unwrapped(drawn(render_verdict(verdict), width))
    assert "REJECT" in text
    for violation in verdict.violations:
        assert violation.rule_id in text
        if violation.evidence.quote:
            assert violation.evidence.quote in text
        for basis in violation.legal_basis:
            assert unwrapped(basis.citation) in text
    for missing in verdict.missing_statements:
        assert unwrapped(missing.expected) in text


@pytest.mark.parametrize("width", [60, 100])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    rows = [Row("a-rather-long-name-of-an-ad", example("reject"), True), Row("b", letter("not in the store"), False)]
    for renderable in (render_verdict(example("reject")), verdict_table(rows), dead_letter_table(rows)):
        assert max(cell_len(line) for line in drawn(renderable, width).splitlines()) <= width


def test_no_escape_sequences_outside_a_terminal() -> None:
    file = io.StringIO()
    Console(file=file, width=100).print(render_verdict(example("reject")))
    assert "\x1b" not in file.getvalue()


def test_markup_and_control_characters_of_an_ad_are_only_text() -> None:
    text = drawn(render_dead_letter("[red]key[/red]", letter("[bold]gone[/bold]\x1b[2J\x07")), 100)
    assert "[red]key[/red]" in text
    assert "[bold]gone[/bold]" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_an_approved_ad_says_that_nothing_was_found() -> None:
    assert "Nothing found" in drawn(render_verdict(example("approve")), 100)


def test_the_overview_marks_what_was_not_expected_and_notes_what_is_lawful() -> None:
    rows = [
        Row("one", example("approve"), True, "最新款 is about time"),
        Row("two", example("reject"), False),
        Row("three", letter("not in the store"), None),
    ]
    text = drawn(verdict_table(rows), 100)
    assert "最新款 is about time" in text
    assert re.search(r"✗\s+REJECT\s+two", text)
    assert "three" not in text
    assert "creative_missing" in drawn(dead_letter_table(rows), 100)


def test_long_names_of_laws_are_shortened_in_narrow_columns() -> None:
    long = "《药品、医疗器械、保健食品、特殊医学用途配方食品广告审查管理暂行办法》第7条"
    assert short_law(long) == "《三品一械办法》第7条"

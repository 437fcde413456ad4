"""How wide the tables are."""

import pytest

from consumer.cli.output import PIPED_COLUMNS, screen


def test_a_pipe_is_wide_enough_for_tables_unless_somebody_said_how_wide_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert screen().width == PIPED_COLUMNS
    monkeypatch.setenv("COLUMNS", "72")
    assert screen().width == 72

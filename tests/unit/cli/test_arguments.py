"""What the commands refuse before they do anything, and what they then say."""

from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner

from consumer.cli.judge import judge_command
from consumer.cli.submit import submit_command
from schemas import Category

NOT_UTF8 = "\udcff"  # how Python hands over the byte 0xff of an argument


@pytest.mark.parametrize("command", [judge_command, submit_command])
@pytest.mark.parametrize("option", ["--title", "--body", "--approval-number"])
def test_bytes_that_are_not_utf8_are_a_usage_error(command: Command, option: str) -> None:
    ran = CliRunner().invoke(command, ["--category", "food", "--title", "x", option, NOT_UTF8])
    assert ran.exit_code == 2
    assert option in ran.output
    assert "not UTF-8" in ran.output


@pytest.mark.parametrize("command", [judge_command, submit_command])
def test_blanks_are_no_ad(command: Command) -> None:
    ran = CliRunner().invoke(command, ["--category", "food", "--title", "  ", "--body", "\n"])
    assert ran.exit_code == 2
    assert "nothing to" in ran.output


@pytest.mark.parametrize(("command", "option"), [(judge_command, "--submission"), (submit_command, "--event")])
@pytest.mark.parametrize("beside", [("--title", "x"), ("--category", "food")])
def test_a_whole_event_goes_with_nothing_else(
    command: Command, option: str, beside: tuple[str, str], tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text("{}")
    ran = CliRunner().invoke(command, [option, str(event), *beside])
    assert ran.exit_code == 2
    assert "whole event" in ran.output


@pytest.mark.parametrize("command", [judge_command, submit_command])
def test_help_shows_the_commands_own_options_before_the_settings(command: Command) -> None:
    ran = CliRunner().invoke(command, ["--help"], terminal_width=100)
    assert ran.exit_code == 0
    assert ran.output.index("--title") < ran.output.index("--storage-endpoint")
    for category in Category:
        assert category.value in ran.output


@pytest.mark.parametrize(("command", "flag"), [(judge_command, ["--image"]), (submit_command, [])])
def test_more_pictures_than_a_submission_takes_are_a_usage_error(
    command: Command, flag: list[str], tmp_path: Path
) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG")
    ran = CliRunner().invoke(command, ["--category", "food", *[*flag, str(picture)] * 17])
    assert ran.exit_code == 2
    assert "at most 16" in ran.output

"""What the runbook tells somebody to type at 3 am is accepted as it stands."""

import re
import shlex

import pytest
import rich_click as click

from consumer.cli.root import advet
from tests.prometheus import INFRA

FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXT = (INFRA / "RUNBOOK.md").read_text("utf-8")
FENCED = [line for block in FENCE.findall(TEXT) for line in block.splitlines()]
INLINE = re.findall(r"`([^`]+)`", FENCE.sub("", TEXT))
COMMANDS = sorted({line.replace("\n", " ") for line in (*FENCED, *INLINE) if line.startswith("advet ")})


def parse(words: list[str]) -> None:
    """As the command line does, without running anything. Raises UsageError."""
    command: click.Command = advet
    context = click.Context(command, info_name="advet")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"there is no {words[0]}")
        command, (name, *words) = found, words
        context = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group) and not words:
            return
    command.parse_args(context, words)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_accepted(line, work) -> None:
    (work / "corrected.json").write_text("{}")
    words = shlex.split(line)[1:]
    try:
        parse(words)
    except click.MissingParameter:
        # the bare name of a command, in the middle of a sentence
        assert not any(word.startswith("-") for word in words), line
        assert line not in FENCED


def test_the_commands_that_matter_are_there() -> None:
    for wanted in ("lag", "dlq stats", "dlq replay", "skip", "breaker reset", "doctor"):
        assert any(line.startswith(f"advet {wanted}") for line in COMMANDS), wanted

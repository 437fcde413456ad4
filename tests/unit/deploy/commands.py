"""Whether a command line that a manifest holds is one of advet's."""

from collections.abc import Sequence

import click

from consumer.cli.root import advet


def parse(arguments: Sequence[str]) -> None:
    """Goes as far as the command's own options, without running it. Raises click.UsageError."""
    command: click.Command = advet
    rest = list(arguments)
    while isinstance(command, click.Group):
        name = rest.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise click.UsageError(f"advet has no command {name}")
        command = found
    command.make_context(command.name, rest)

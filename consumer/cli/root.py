"""The command tree. Commands import their machinery when they run, so that `advet --help` stays quick."""

import importlib
import logging
from importlib.metadata import version

import rich_click as click

COMMANDS = {
    "run": "consumer.cli.run:run_command",
    "judge": "consumer.cli.judge:judge_command",
    "demo": "consumer.cli.demo:demo_command",
    "local": "consumer.cli.local:local_command",
    "submit": "consumer.cli.submit:submit_command",
    "tail": "consumer.cli.tail:tail_command",
    "topics": "consumer.cli.topics:topics_group",
    "lag": "consumer.cli.lag:lag_command",
    "dlq": "consumer.cli.dlq:dlq_group",
    "skip": "consumer.cli.operate:skip_command",
    "breaker": "consumer.cli.operate:breaker_group",
    "report": "consumer.cli.report:report_command",
    "doctor": "consumer.cli.doctor:doctor_command",
    "config": "consumer.cli.config:config_group",
    "schema": "consumer.cli.schema:schema_group",
    "policy": "consumer.cli.policy:policy_group",
    "bench": "consumer.cli.bench:bench_group",
}
"""Name of the command → where it is defined."""


class LazyCommands(click.RichGroup):
    """Imports a command's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = vars(importlib.import_module(module))[attribute]
        return command


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("advet"), prog_name="advet")
def advet() -> None:
    """The stream that vets ads: from Kafka and S3 to a verdict with the law quoted."""
    # A command that fails says why itself; `run` and `tail --follow`, which outlive a broker, configure logging.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

"""`advet doctor`: is everything there that `advet run` needs?"""

import asyncio
import json
from dataclasses import asdict

import rich_click as click
from rich.table import Table

from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.doctor import diagnose, failed
from consumer.settings import Loaded

EXIT_PREFLIGHT = 4
_MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options()
def doctor_command(loaded: Loaded, as_json: bool) -> None:
    """Check brokers, topics, group, storage, policy and this machine; change nothing.

    Exit status 4 when something is missing that `advet run` needs.
    """
    checks = asyncio.run(diagnose(loaded.settings))
    ok = not failed(checks)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    else:
        table = Table("", "what", "seen", "what to do", box=None, pad_edge=False)
        for check in checks:
            table.add_row(_MARKS[check.status], check.name, check.seen, check.advice)
        screen().print(table)
    if not ok:
        raise SystemExit(EXIT_PREFLIGHT)

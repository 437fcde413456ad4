"""`advet config show`: the settings in force and where each came from."""

import json
from typing import Any

import rich_click as click
from pydantic import SecretStr
from rich.table import Table

from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.settings import Loaded, leaves


@click.group("config")
def config_group() -> None:
    """Settings: flags > environment > TOML > defaults."""


@config_group.command("show")
@click.option("--origin", is_flag=True, help="Show where each value came from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options()
def show(loaded: Loaded, origin: bool, as_json: bool) -> None:
    """Print every setting; secrets are masked."""
    rows = [(setting, _value(loaded, setting.name)) for setting in leaves()]
    if as_json:
        values = {s.name: {"value": v, "origin": loaded.origins[s.name]} if origin else v for s, v in rows}
        click.echo(json.dumps(values, ensure_ascii=False, default=str))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "value", *(["origin"] if origin else [])):
        table.add_column(column, overflow="fold")
    for setting, value in rows:
        table.add_row(
            setting.name,
            "" if value is None else str(value),
            *([loaded.origins[setting.name]] if origin else []),
        )
    screen().print(table)


def _value(loaded: Loaded, name: str) -> Any:
    value: Any = loaded.settings
    for part in name.split("."):
        value = value.__getattribute__(part)
    if isinstance(value, SecretStr):
        return "********"
    return ",".join(value) if isinstance(value, tuple) else value

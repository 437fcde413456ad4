"""Settings as command-line flags, generated from their definitions so that no flag can be forgotten."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from consumer.settings import Setting, leaves, load


def settings_options(*groups: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds `--config` and the flags of the named settings groups (all without names).

    The command receives `loaded: consumer.settings.Loaded` in their place.
    """
    chosen = [setting for setting in leaves() if not groups or setting.name.split(".")[0] in groups]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(config: Path | None, **given: Any) -> Any:
            flags = {s.name: value for s in chosen if (value := given.pop(_parameter(s))) is not None}
            return command(loaded=load(flags, config), **given)

        for setting in reversed(chosen):
            click.option(
                setting.flag,
                _parameter(setting),
                metavar="VALUE",
                help=setting.field.description,
                show_default=_default(setting),
                panel=setting.name.split(".")[0].capitalize() if "." in setting.name else "Options",
            )(run)
        return click.option(
            "--config",
            type=click.Path(dir_okay=False, path_type=Path),
            help="TOML file with settings (environment: ADVET_CONFIG).",
        )(run)

    return decorate


def _parameter(setting: Setting) -> str:
    return "setting_" + setting.name.replace(".", "__")


def _default(setting: Setting) -> str | bool:
    default = setting.field.default
    if default is None:
        return False
    return ",".join(default) if isinstance(default, tuple) else str(default)

"""Settings as command-line flags, generated from their definitions so that no flag can be forgotten."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click
from pydantic import ValidationError

from consumer.settings import Setting, leaves, load
from schemas import Category
from schemas.codec import explain


def utf8_only(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Callback of an option with words of an ad: a shell hands over any bytes, an event takes only UTF-8."""
    try:
        (value or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("these bytes are not UTF-8: set the terminal to UTF-8", ctx, param) from error
    return value


@contextmanager
def typed_submission() -> Iterator[None]:
    """What no submission may be is a mistake of whoever typed it."""
    try:
        yield
    except ValidationError as error:
        raise click.UsageError(f"this is no submission: {explain(error)}") from None


category_option = click.option(
    "--category",
    type=click.Choice([category.value for category in Category]),
    metavar="CATEGORY",
    help=f"What the ad sells: {', '.join(category.value for category in Category)}.",
)


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
                *setting.flags,
                _parameter(setting),
                metavar="VALUE",
                help=f"{setting.field.description}{_default(setting)}",
                panel=setting.name.split(".")[0].capitalize() if "." in setting.name else "Options",
            )(run)
        click.option_panel("Options")(run)  # the command's own options come before the long list of settings
        return click.option(
            "--config",
            type=click.Path(dir_okay=False, path_type=Path),
            help="TOML file with settings (environment: ADVET_CONFIG).",
        )(run)

    return decorate


def _parameter(setting: Setting) -> str:
    return "setting_" + setting.name.replace(".", "__")


def _default(setting: Setting) -> str:
    default = setting.field.default
    if default is None:
        return ""
    return f" [default: {','.join(default) if isinstance(default, tuple) else default}]"

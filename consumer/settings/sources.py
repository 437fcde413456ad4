"""Where settings come from: flags > environment > TOML > defaults, one spelling.

`kafka.start` in TOML is `--kafka-start` on the command line and `ADVET_KAFKA__START` in the environment.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from consumer.errors import SettingsInvalid
from consumer.settings.model import Settings

ENV_PREFIX = "ADVET_"
CONFIG_VARIABLE = "ADVET_CONFIG"
TEST_PREFIX = "ADVET_TEST_"


class _Environment(Settings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="ignore")


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf: `name` as in TOML, e.g. `kafka.start`."""

    name: str
    field: FieldInfo

    @property
    def flag(self) -> str:
        """Spelling on the command line."""
        return "--" + self.name.replace(".", "-").replace("_", "-")

    @property
    def flags(self) -> tuple[str, ...]:
        """All spellings on the command line."""
        extra = self.field.json_schema_extra
        alias = extra.get("alias") if isinstance(extra, dict) else None
        return (self.flag, alias) if isinstance(alias, str) else (self.flag,)

    @property
    def variable(self) -> str:
        """Spelling in the environment."""
        return ENV_PREFIX + self.name.replace(".", "__").upper()

    @property
    def secret(self) -> bool:
        """Whether the value must never be shown."""
        return "SecretStr" in str(self.field.annotation)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with where each value came from: flag, environment, file or default."""

    settings: Settings
    origins: Mapping[str, str]


def leaves(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Setting]:
    """Every setting, in the order of the documentation."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield Setting(prefix + name, field)


def load(flags: Mapping[str, object] | None = None, config: Path | None = None) -> Loaded:
    """Reads and checks all layers. `flags` maps setting names to values; `config` is the TOML file.

    Raises SettingsInvalid naming the setting, where its value came from and what is allowed.
    """
    _refuse_unknown_variables()
    layers = {
        "flag": _nested(flags or {}),
        "environment": EnvSettingsSource(_Environment)(),
        "file": _read_file(config),
    }
    merged: dict[str, Any] = {}
    origins = {setting.name: "default" for setting in leaves()}
    for origin, layer in reversed(layers.items()):
        for name, value in _flat(layer):
            if name in origins:
                origins[name] = origin
            _put(merged, name, value)
    try:
        return Loaded(Settings.model_validate(merged), origins)
    except ValidationError as error:
        raise SettingsInvalid(_explain(error, origins)) from None


def _read_file(config: Path | None) -> dict[str, Any]:
    path = config or (Path(os.environ[CONFIG_VARIABLE]) if CONFIG_VARIABLE in os.environ else None)
    if path is None:
        return {}
    try:
        path.open().close()
        return TomlConfigSettingsSource(_Environment, toml_file=path)()
    except OSError as error:
        raise SettingsInvalid(f"cannot read the settings file {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsInvalid(f"{path} is not valid TOML: {error}") from error


def _refuse_unknown_variables() -> None:
    known = {setting.variable for setting in leaves()} | {CONFIG_VARIABLE}
    for variable in os.environ:
        name = variable.upper()
        if name.startswith(ENV_PREFIX) and not name.startswith(TEST_PREFIX) and name not in known:
            raise SettingsInvalid(f"environment variable {variable} is no setting of advet{_guess(name, known)}")


def _guess(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; `advet config show` lists them all"


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"] if not isinstance(part, int))
        if problem["type"] == "extra_forbidden":
            lines.append(f"{name} is no setting of advet{_guess(name, set(origins))}")
            continue
        message = problem["msg"].removeprefix("Value error, ")
        where = f" (from {origins[name]})" if name in origins else ""
        lines.append(f"{name}{where}: {message}" if name else message)
    return "\n".join(lines)


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in flat.items():
        _put(result, name, value)
    return result


def _put(target: dict[str, Any], name: str, value: object) -> None:
    *groups, leaf = name.split(".")
    for group in groups:
        target = target.setdefault(group, {})
    target[leaf] = value


def _flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value

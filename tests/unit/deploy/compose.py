"""infra/compose.yaml, read as Compose reads it: YAML merges, then `${NAME:-default}`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.settings import Settings, load
from tests.unit.deploy.manifests import ROOT

FILE = ROOT / "infra" / "compose.yaml"
Service = dict[str, Any]


def read(file: Path = FILE) -> dict[str, Any]:
    """The whole file, with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", file.read_text(encoding="utf-8"))
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def of_settings(service: Service, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that a service's environment makes, on top of nothing else. Raises SettingsInvalid."""
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    return load().settings

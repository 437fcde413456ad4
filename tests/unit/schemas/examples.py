"""The golden examples that ship, for tests."""

import json
from importlib.resources import files
from typing import Any

_FOLDER = files("schemas").joinpath("examples", "v1")

NAMES = sorted(entry.name.removesuffix(".json") for entry in _FOLDER.iterdir())


def text(name: str) -> str:
    return _FOLDER.joinpath(f"{name}.json").read_text(encoding="utf-8")


def document(name: str) -> Any:
    return json.loads(text(name))


def headers(name: str) -> tuple[tuple[str, bytes | None], ...]:
    """A dead letter's headers as Kafka would give them."""
    pairs = document(name)["headers"]
    return tuple((key, None if value is None else value.encode()) for key, value in pairs)

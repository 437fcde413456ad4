"""The demo's ads as data: copy, pictures and what the law says of each, read from the files beside this one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from consumer.demo.layouts import Design
from schemas import Category, Decision, Media

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
Group = Literal["clean", "violating", "trap"]


@dataclass(frozen=True, slots=True)
class Ad:
    """One well-formed ad of the demo. `pictures` are file names in `PICTURES`."""

    id: str
    category: Category
    group: Group
    media: Media
    title: str | None
    body: str | None
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the law says of an ad: the decision, the rules that must be found and quotes that must be shown."""

    decision: Decision
    rules: frozenset[str]
    quotes: tuple[str, ...]
    why: str


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / name).read_text("utf-8"))
    return content


def ads() -> tuple[Ad, ...]:
    """Every well-formed ad, in the order of the file."""
    return tuple(
        Ad(
            id=entry["id"],
            category=Category(entry["category"]),
            group=entry["group"],
            media=Media(entry.get("media", "internet")),
            title=entry.get("title"),
            body=entry.get("body"),
            pictures=tuple(picture["file"] for picture in entry.get("pictures", ())),
        )
        for entry in _read("ads.json")["ads"]
    )


def designs() -> tuple[Design, ...]:
    """The copy of every picture."""
    return tuple(_design(picture) for entry in _read("ads.json")["ads"] for picture in entry.get("pictures", ()))


def _design(picture: dict[str, Any]) -> Design:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in picture.items()
    }
    return Design(**fields)


def expectations() -> dict[str, Expectation]:
    """Ad id → what the law says."""
    return {
        name: Expectation(
            decision=Decision(entry["decision"]),
            rules=frozenset(entry.get("rules", ())),
            quotes=tuple(entry.get("quotes", ())),
            why=entry["why"],
        )
        for name, entry in _read("expected.json")["ads"].items()
    }


def broken_reasons() -> dict[str, str]:
    """Id of a broken submission → the reason its dead letter must give."""
    return {name: entry["reason"] for name, entry in _read("expected.json")["broken"].items()}

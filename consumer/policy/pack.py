"""A policy pack on disk: one file, or a folder of files that together are one pack.

A folder holds `pack.toml` (version, history, penalties, terms) and any number of further TOML files with `[[rules]]`,
read in the order of their names. A pack in one file is TOML or JSON. Loaded once at the start by `app`.
"""

import hashlib
import json
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumer.errors import StartRefused
from consumer.policy.model import EVERY_CATEGORY, Gravity, PolicyPack, Requirement, Rule, Shorthand

__all__ = ["EVERY_CATEGORY", "SHIPPED", "PolicyPack", "Requirement", "Rule", "load_pack"]

SHIPPED: Final = files("consumer.policy") / "packs" / "cn"
HEAD: Final = "pack.toml"
ERRORS_SHOWN: Final = 5


class _Head(BaseModel):
    """What rules are validated with."""

    model_config = ConfigDict(extra="ignore")

    terms: dict[str, str] = {}
    penalties: dict[str, Gravity] = Field(min_length=1)


def load_pack(path: Path | None = None) -> PolicyPack:
    """Reads and checks a pack; None is the one that ships. Raises StartRefused: file, rule, reason."""
    name = str(path or "the shipped policy pack")
    try:
        contents = _read(path or SHIPPED)
    except OSError as error:
        raise StartRefused(f"{name}: cannot be read ({error.strerror}); check policy.pack") from error
    document: dict[str, Any] = {}
    origins: list[str] = []
    for file, content in contents.items():
        part = _parse(f"{name}/{file}" if len(contents) > 1 else name, file, content)
        rules = part.pop("rules", [])
        if not isinstance(rules, list) or (document and part):
            reason = "rules must be a list of tables" if not isinstance(rules, list) else f"belongs into {HEAD}"
            raise StartRefused(f"{name}/{file}: {', '.join(part) or 'rules'}: {reason}")
        document.update(part, rules=[*document.get("rules", []), *rules])
        origins += [file] * len(rules)
    try:
        head = _Head.model_validate(document)
        pack = PolicyPack.model_validate(document, context=Shorthand(head.terms, head.penalties))
    except ValidationError as error:
        raise StartRefused(f"{name}: {_explain(error, document['rules'], origins)}") from error
    return pack.model_copy(update={"sha256": _digest(contents)})


def _read(path: Traversable) -> dict[str, bytes]:
    """File name → content, the head first."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    found = sorted(entry.name for entry in path.iterdir() if entry.name.endswith(".toml") and entry.name != HEAD)
    return {name: (path / name).read_bytes() for name in (HEAD, *found)}


def _parse(name: str, file: str, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode()
        document = json.loads(text) if file.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        form = "JSON" if file.endswith(".json") else "TOML"
        raise StartRefused(f"{name}: is not {form} in UTF-8 ({error})") from error
    if not isinstance(document, dict):
        raise StartRefused(f"{name}: is not an object with version, penalties and rules")
    return document


def _digest(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for file, content in contents.items():
        digest.update(f"{file} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _explain(error: ValidationError, rules: list[Any], origins: list[str]) -> str:
    """The first few faults, each with the rule it is in and, in a folder, that rule's file."""
    lines = []
    for fault in error.errors(include_url=False, include_context=False)[:ERRORS_SHOWN]:
        where = fault["loc"]
        field = ".".join(str(part) for part in where)
        if len(where) >= 2 and where[0] == "rules" and isinstance(where[1], int):
            rule = rules[where[1]]
            rule_id = rule.get("id") if isinstance(rule, dict) else None
            file = f"{origins[where[1]]}: " if len(set(origins)) > 1 else ""
            field = f"{file}rule {rule_id or f'number {where[1] + 1}'}: {'.'.join(map(str, where[2:]))}".rstrip(": ")
        lines.append(f"{field}: {fault['msg']}" if field else fault["msg"])
    return "; ".join(lines)

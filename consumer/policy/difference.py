"""What changed between two policy packs, rule by rule. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from consumer.policy.model import PolicyPack, Rule


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a rule, or of the pack where `rule_id` is empty. A field `rule` is a whole rule, come or gone."""

    rule_id: str
    field: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


def differences(old: PolicyPack, new: PolicyPack) -> Iterator[Difference]:
    """The pack's own fields, then the rules in the order of the new pack, then the rules that are gone."""
    head = {"rules", "sha256"}
    yield from _fields("", old.model_dump(mode="json", exclude=head), new.model_dump(mode="json", exclude=head))
    before = {rule.id: rule for rule in old.rules}
    for rule in new.rules:
        if rule.id not in before:
            yield Difference(rule.id, "rule", (), (rule.gist,))
        else:
            yield from _fields(rule.id, _plain(before[rule.id]), _plain(rule))
    kept = {rule.id for rule in new.rules}
    for rule_id, rule in before.items():
        if rule_id not in kept:
            yield Difference(rule_id, "rule", (rule.gist,), ())


def _plain(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude={"id"})


def _fields(rule_id: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for field, value in new.items():
        if old[field] != value:
            before, after = _entries(old[field]), _entries(value)
            removed = tuple(entry for entry in before if entry not in after)
            added = tuple(entry for entry in after if entry not in before)
            yield Difference(rule_id, field, removed, added)


def _entries(value: Any) -> dict[str, None]:
    """A field as a set of texts, in order."""
    if isinstance(value, list):
        entries = [_text(one) for one in value]
    elif isinstance(value, dict):
        entries = [f"{name} = {_text(one)}" for name, one in value.items()]
    else:
        entries = [] if value in (None, "") else [_text(value)]
    return dict.fromkeys(entries)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_text(one)}" for name, one in value.items() if one not in (None, []))
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)

"""FULL_TRANSITIVE compatibility of JSON Schemas: old readers read new events, and new readers old ones. Pure.

Both directions must hold, so a limit may be neither tightened nor loosened and a field neither added as
required nor removed. What remains: new optional fields, other words in annotations, and new values of an open
enum, which is one that lists `unknown`, because its readers map what they do not know to it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

OPEN_VALUE = "unknown"

_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "deprecated"})
_STRUCTURE = frozenset({"$defs", "properties", "required", "enum", "items", "additionalProperties"})
_REFERENCES_MAX = 8
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")

Schema = Mapping[str, Any]


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What keeps `new` from standing beside `old`: one line a change, with its path. Empty: compatible."""
    return list(_Comparison(old, new).compare(old, new, "$"))


class _Comparison:
    """One walk through two documents; a definition that refers to itself is entered once."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._old_root = old_root
        self._new_root = new_root
        self._open: set[tuple[str | None, str | None]] = set()

    def compare(self, old: Any, new: Any, path: str) -> Iterator[str]:
        """Differences of two schemas at the same place."""
        if not isinstance(old, Mapping) or not isinstance(new, Mapping):
            if old != new:
                yield f"{path}: changed from {_brief(old)} to {_brief(new)}"
            return
        references = (old.get("$ref"), new.get("$ref"))
        if None not in references and references in self._open:
            return
        self._open.add(references)
        try:
            yield from self._compare_resolved(_resolve(old, self._old_root), _resolve(new, self._new_root), path)
        finally:
            self._open.discard(references)

    def _compare_resolved(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        yield from self._properties(old, new, path)
        yield from _required(old, new, path)
        yield from _enum(old, new, path)
        yield from _keywords(old, new, path)
        for keyword in ("items", "additionalProperties"):
            if keyword in old or keyword in new:
                # An absent keyword allows everything, which JSON Schema also writes as true.
                yield from self.compare(old.get(keyword, True), new.get(keyword, True), f"{path}.{keyword}")
        for keyword in _LISTS:
            yield from self._branches(old.get(keyword, []), new.get(keyword, []), f"{path}.{keyword}")

    def _properties(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in after:
                yield f"{path}.{name}: removed or renamed"
            else:
                yield from self.compare(before[name], after[name], f"{path}.{name}")

    def _branches(self, old: list[Any], new: list[Any], path: str) -> Iterator[str]:
        if len(old) != len(new):
            yield f"{path}: {len(old)} alternatives became {len(new)}"
            return
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from self.compare(before, after, f"{path}[{number}]")


def _resolve(schema: Schema, root: Schema) -> Schema:
    """The schema with its reference replaced by what it refers to; keywords beside `$ref` stay."""
    for _ in range(_REFERENCES_MAX):
        target = _target(schema["$ref"], root) if "$ref" in schema else None
        if target is None:
            break  # A reference that leads out of the document stays, and is compared as it is.
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _target(reference: str, root: Schema) -> Schema | None:
    target: Any = root
    for step in reference.removeprefix("#/").split("/"):
        target = target.get(step) if isinstance(target, Mapping) else None
    return target if isinstance(target, Mapping) else None


def _required(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    known = old.get("properties", {})
    for name in sorted(after - before):
        change = "became required" if name in known else "new and required; add fields as optional"
        yield f"{path}.{name}: {change}"
    for name in sorted((before - after) & new.get("properties", {}).keys()):
        yield f"{path}.{name}: no longer required; old readers need it"


def _enum(old: Schema, new: Schema, path: str) -> Iterator[str]:
    if ("enum" in old) != ("enum" in new):
        yield f"{path}: {'lost' if 'enum' in old else 'gained'} its list of values"
        return
    before, after = old.get("enum", []), new.get("enum", [])
    for value in before:
        if value not in after:
            yield f"{path}: value {_brief(value)} removed"
    if OPEN_VALUE not in before:
        for value in after:
            if value not in before:
                yield f"{path}: value {_brief(value)} added to a closed list; old readers refuse it"


def _keywords(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """Type, limits, patterns, formats, defaults, and any keyword not known here: all must be equal."""
    skipped = _ANNOTATIONS | _STRUCTURE | set(_LISTS)
    for keyword in sorted((old.keys() | new.keys()) - skipped):
        before, after = old.get(keyword), new.get(keyword)
        if keyword not in old or keyword not in new or before != after:
            yield f"{path}: {keyword} changed from {_brief(before)} to {_brief(after)}"


def _brief(value: Any) -> str:
    if value is None:
        return "nothing"
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"

"""The compatibility checker, proved on fabricated changes: every bad one is named, every good one passes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas.compatibility import incompatibilities
from schemas.documents import MODELS, json_schema

Change = Callable[[dict[str, Any]], None]

BASE: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Order",
    "type": "object",
    "$defs": {
        "Colour": {"type": "string", "enum": ["red", "green"]},
        "State": {"type": "string", "enum": ["open", "done", "unknown"]},
        "Line": {
            "type": "object",
            "properties": {
                "sku": {"type": "string", "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 20},
                "count": {"type": "integer", "minimum": 1, "maximum": 99},
                "parts": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            },
            "required": ["sku"],
        },
    },
    "properties": {
        "id": {"type": "string", "description": "Words."},
        "colour": {"$ref": "#/$defs/Colour"},
        "state": {"$ref": "#/$defs/State"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "maxItems": 5, "default": []},
        "note": {"anyOf": [{"type": "string", "maxLength": 10}, {"type": "null"}], "default": None},
        "at": {"type": "string", "format": "date-time"},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 9}},
        "kind": {"const": "order"},
    },
    "required": ["id", "at"],
}


def changed(change: Change) -> dict[str, Any]:
    schema = copy.deepcopy(BASE)
    change(schema)
    return schema


def at(path: str, **values: Any) -> Change:
    """Sets keywords of the schema at `path`; an Ellipsis removes the keyword."""

    def change(schema: dict[str, Any]) -> None:
        node: Any = schema
        for step in path.split("/") if path else ():
            node = node[int(step)] if isinstance(node, list) else node[step]
        for keyword, value in values.items():
            name = keyword.replace("_", "$") if keyword == "_ref" else keyword
            if value is ...:
                del node[name]
            else:
                node[name] = value

    return change


def rename(schema: dict[str, Any]) -> None:
    schema["properties"]["remark"] = schema["properties"].pop("note")


def add_required(schema: dict[str, Any]) -> None:
    schema["properties"]["extra"] = {"type": "string"}
    schema["required"].append("extra")


LINE, NOTE = "$defs/Line/properties", "properties/note/anyOf"

BAD: dict[str, tuple[Change, str]] = {
    "field removed": (at("properties", note=...), "$.note: removed"),
    "required field removed": (at("properties", at=...), "$.at: removed"),
    "field renamed": (rename, "$.note: removed or renamed"),
    "field retyped": (at("properties/id", type="integer"), "$.id: type changed from 'string' to 'integer'"),
    "type widened": (at("properties/id", type=["string", "null"]), "$.id: type changed"),
    "type dropped": (at("properties/id", type=...), "$.id: type changed from 'string' to nothing"),
    "new required field": (add_required, "$.extra: new and required"),
    "optional became required": (at("", required=["id", "at", "note"]), "$.note: became required"),
    "required became optional": (at("", required=["id"]), "$.at: no longer required"),
    "nested field removed": (at(LINE, count=...), "$.lines.items.count: removed"),
    "nested field required": (at("$defs/Line", required=["sku", "count"]), "$.lines.items.count: became required"),
    "nested field retyped": (at(f"{LINE}/count", type="string"), "$.lines.items.count: type changed"),
    "minimum raised": (at(f"{LINE}/count", minimum=2), "minimum changed from 1 to 2"),
    "minimum lowered": (at(f"{LINE}/count", minimum=0), "minimum changed from 1 to 0"),
    "maximum dropped": (at(f"{LINE}/count", maximum=...), "maximum changed from 99 to nothing"),
    "exclusive limit added": (at(f"{LINE}/count", exclusiveMaximum=50), "exclusiveMaximum changed"),
    "length tightened": (at(f"{LINE}/sku", maxLength=10), "maxLength changed from 20 to 10"),
    "length loosened": (at(f"{LINE}/sku", maxLength=30), "maxLength changed from 20 to 30"),
    "length added": (at("properties/id", maxLength=30), "$.id: maxLength changed from nothing to 30"),
    "items limited more": (at("properties/lines", maxItems=4), "$.lines: maxItems changed"),
    "unique items": (at("properties/lines", uniqueItems=True), "$.lines: uniqueItems changed"),
    "pattern changed": (at(f"{LINE}/sku", pattern="^[A-Z]+$"), "pattern changed"),
    "pattern added": (at("properties/id", pattern="."), "$.id: pattern changed from nothing"),
    "format changed": (at("properties/at", format="date"), "$.at: format changed"),
    "format dropped": (at("properties/at", format=...), "$.at: format changed"),
    "closed enum narrowed": (at("$defs/Colour", enum=["red"]), "$.colour: value 'green' removed"),
    "closed enum widened": (at("$defs/Colour", enum=["red", "green", "blue"]), "'blue' added to a closed list"),
    "open enum narrowed": (at("$defs/State", enum=["open", "unknown"]), "$.state: value 'done' removed"),
    "enum lost unknown": (at("$defs/State", enum=["open", "done"]), "$.state: value 'unknown' removed"),
    "closed enum opened": (at("$defs/Colour", enum=["red", "green", "unknown"]), "'unknown' added to a closed list"),
    "enum dropped": (at("$defs/Colour", enum=...), "$.colour: lost its list of values"),
    "enum added": (at("properties/id", enum=["a"]), "$.id: gained its list of values"),
    "const changed": (at("properties/kind", const="invoice"), "$.kind: const changed"),
    "default changed": (at("properties/note", default="x"), "$.note: default changed"),
    "default dropped": (at("properties/lines", default=...), "$.lines: default changed"),
    "no longer nullable": (at("properties/note", anyOf=[{"type": "string"}]), "$.note.anyOf: 2 alternatives became 1"),
    "alternative added": (
        at("properties/note", anyOf=[{"type": "string", "maxLength": 10}, {"type": "null"}, {"type": "integer"}]),
        "$.note.anyOf: 2 alternatives became 3",
    ),
    "alternative retyped": (at(f"{NOTE}/0", type="integer"), "$.note.anyOf[0]: type changed"),
    "alternative tightened": (at(f"{NOTE}/0", maxLength=5), "$.note.anyOf[0]: maxLength changed"),
    "became nullable": (
        at("properties/id", type=..., anyOf=[{"type": "string"}, {"type": "null"}]),
        "$.id.anyOf: 0 alternatives became 2",
    ),
    "reference to another shape": (at("properties/colour", _ref="#/$defs/State"), "$.colour: value 'red' removed"),
    "item type changed": (at("properties/lines", items={"type": "string"}), "$.lines.items: type changed"),
    "map's values tightened": (
        at("properties/labels/additionalProperties", maxLength=3),
        "$.labels.additionalProperties: maxLength changed",
    ),
    "map's values freed": (at("properties/labels", additionalProperties=...), "$.labels.additionalProperties: changed"),
    "unknown fields forbidden": (at("", additionalProperties=False), "$.additionalProperties: changed from True"),
    "a keyword not known here": (at("", unevaluatedProperties=False), "$: unevaluatedProperties changed"),
    "reference out of the document": (at("properties/colour", _ref="other.json"), "$.colour: $ref changed"),
}


@pytest.mark.parametrize(("change", "says"), BAD.values(), ids=BAD)
def test_bad_changes_are_named(change: Change, says: str) -> None:
    found = incompatibilities(BASE, changed(change))
    assert any(says in line for line in found), found


def add_optional(schema: dict[str, Any]) -> None:
    schema["properties"]["extra"] = {"type": "string", "default": "none", "maxLength": 3}
    schema["$defs"]["Line"]["properties"]["extra"] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}


def rename_definition(schema: dict[str, Any]) -> None:
    schema["$defs"]["Paint"] = schema["$defs"].pop("Colour")
    schema["properties"]["colour"] = {"$ref": "#/$defs/Paint"}


def inline_definition(schema: dict[str, Any]) -> None:
    schema["properties"]["colour"] = schema["$defs"]["Colour"]


GOOD: dict[str, Change] = {
    "nothing": lambda schema: None,
    "optional fields added": add_optional,
    "description": at("properties/id", description="Other words."),
    "title": at("", title="Purchase"),
    "examples": at("properties/id", examples=["a"]),
    "deprecated": at("properties/note", deprecated=True),
    "open enum widened": at("$defs/State", enum=["open", "paused", "done", "unknown"]),
    "enum reordered": at("$defs/Colour", enum=["green", "red"]),
    "required reordered": at("", required=["at", "id"]),
    "definition renamed": rename_definition,
    "definition inlined": inline_definition,
    "unused definition": at("$defs", Unused={"type": "string"}),
}


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD)
def test_allowed_changes_pass(change: Change) -> None:
    assert incompatibilities(BASE, changed(change)) == []


@pytest.mark.parametrize("name", MODELS)
def test_every_field_of_a_real_model_is_guarded(name: str) -> None:
    """Dropping any one property anywhere in the schema is noticed."""
    schema = json_schema(name)
    places = [schema, *schema.get("$defs", {}).values()]
    fields = [(i, field) for i, place in enumerate(places) for field in place.get("properties", {})]
    assert len(fields) > 10
    for index, field in fields:
        broken = copy.deepcopy(schema)
        place = [broken, *broken.get("$defs", {}).values()][index]
        del place["properties"][field]
        assert any(f".{field}: removed" in line for line in incompatibilities(schema, broken)), field

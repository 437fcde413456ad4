"""What is committed is what the models say, and every golden example holds."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from consumer.settings import TopicSettings
from schemas import DeadLetter, Decision
from schemas.codec import (
    encode,
    parse_consumer_report,
    parse_letter_replay,
    parse_replay_run,
    parse_submission,
    parse_verdict,
)
from schemas.compatibility import incompatibilities
from schemas.documents import MODELS, exported, json_schema, published, render
from schemas.headers import FACTS, read_dead_letter
from schemas.submission import WireModel

from .examples import NAMES, document, headers, text

PACKAGE = files("schemas")
READERS: dict[str, Callable[[bytes], WireModel]] = {
    "ad_submission": parse_submission,
    "ad_verdict": parse_verdict,
    "letter_replay": parse_letter_replay,
    "replay_run": parse_replay_run,
    "consumer_report": parse_consumer_report,
}


def read(name: str) -> WireModel:
    """An example as its model, through the same reader that production uses."""
    if name.startswith("dead_letter."):
        return read_dead_letter(headers(name))
    return READERS[name.partition(".")[0]](text(name).encode())


@pytest.mark.parametrize("name", MODELS)
def test_the_committed_schema_is_the_generated_one(name: str) -> None:
    committed = PACKAGE.joinpath("json", "v1", f"{name}.schema.json").read_text(encoding="utf-8")
    assert committed == render(json_schema(name)), "run `advet schema export --out schemas`"


@pytest.mark.parametrize("name", MODELS)
def test_schemas_are_valid_draft_2020_12(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(name))


@pytest.mark.parametrize(("path", "old"), published().items(), ids=list(published()))
def test_models_are_compatible_with_every_published_version(path: str, old: tuple[str, dict[str, Any]]) -> None:
    name, schema = old
    assert incompatibilities(schema, json_schema(name)) == []


def test_there_is_an_example_of_every_kind() -> None:
    decisions = {document(name)["decision"] for name in NAMES if name.startswith("ad_verdict.")}
    assert decisions == set(Decision) - {Decision.UNKNOWN}
    submissions = [document(name) for name in NAMES if name.startswith("ad_submission.")]
    assert {("text" in s, "creatives" in s) for s in submissions} == {(True, True), (True, False), (False, True)}
    letters = [read(name) for name in NAMES if name.startswith("dead_letter.")]
    assert {isinstance(letter, DeadLetter) and letter.oom is not None for letter in letters} == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_examples_validate_and_survive_reencoding(name: str) -> None:
    model = read(name)
    encoded = json.loads(encode(model))
    validator = jsonschema.Draft202012Validator(json_schema(name.partition(".")[0]))
    validator.validate(encoded)
    assert type(model).model_validate_json(encode(model)) == model
    if not name.startswith("dead_letter."):
        validator.validate(document(name))
        assert lost(document(name), encoded) == []


@pytest.mark.parametrize(
    "name",
    ["ad_submission.full", "ad_verdict.reject", "letter_replay.resubmitted", "replay_run.done", "consumer_report.gpu"],
)
def test_the_full_examples_use_every_field(name: str) -> None:
    """So that a golden example guards every name on the wire."""
    defs = json_schema(name.partition(".")[0])
    named = {field for schema in [defs, *defs["$defs"].values()] for field in schema.get("properties", {})}
    assert named - keys(document(name)) == set()


def lost(before: Any, after: Any, path: str = "$") -> list[str]:
    """Paths of `before` that `after` lacks or holds differently; defaults may appear."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [line for key in before for line in lost(before[key], after.get(key, "absent"), f"{path}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [line for i, pair in enumerate(zip(before, after, strict=True)) for line in lost(*pair, f"{path}[{i}]")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_the_schemas_refuse_what_the_models_refuse() -> None:
    validator = jsonschema.Draft202012Validator(json_schema("ad_submission"))
    good = document("ad_submission.full")
    for change in ({"category": "weapons"}, {"revision": -1}, {"submission_id": ""}, {"advertiser": {}}):
        assert not validator.is_valid({**good, **change})


ASYNCAPI = yaml.safe_load(PACKAGE.joinpath("asyncapi.yaml").read_text(encoding="utf-8"))


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [reference for value in node.values() for reference in references(value)]
    return [reference for value in node for reference in references(value)] if isinstance(node, list) else []


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    found = references(ASYNCAPI)
    assert len(found) > 20
    for reference in found:
        if not reference.startswith("#/"):
            assert PACKAGE.joinpath(reference).is_file(), reference
            continue
        node = ASYNCAPI
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_the_asyncapi_document_names_the_topics_and_headers_that_the_code_uses() -> None:
    addresses = {channel["address"] for channel in ASYNCAPI["channels"].values()}
    assert set(TopicSettings().model_dump().values()) <= addresses
    assert {"ad-replays", "ad-quarantine", "ad-consumers", "ad-backfill"} <= addresses
    assert set(ASYNCAPI["components"]["schemas"]["deadLetterHeaders"]["properties"]) == FACTS


def test_the_export_holds_every_document() -> None:
    assert set(exported()) == {
        "asyncapi.yaml",
        *(f"json/v1/{name}.schema.json" for name in MODELS),
        *(f"examples/v1/{name}.json" for name in NAMES),
    }


def test_schemas_import_nothing_heavy() -> None:
    """A reader of verdicts must not need the consumer."""
    script = (
        "import sys, pkgutil, importlib, schemas\n"
        "for m in pkgutil.iter_modules(schemas.__path__): importlib.import_module('schemas.' + m.name)\n"
        "print(sorted({'consumer', 'torch', 'aiokafka', 'boto3', 'yaml'} & {m.split('.')[0] for m in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"

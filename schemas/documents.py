"""The published documents: JSON Schemas generated from the models, golden examples, the AsyncAPI document.

They are committed inside this package, so that a reader in any language finds them in the wheel. A test keeps
the committed JSON Schemas equal to the generated ones; `advet schema export --out schemas` writes them anew.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from schemas import strict_json
from schemas.consumer_report import ConsumerReport
from schemas.dead_letter import DeadLetter
from schemas.replay import LetterReplay, ReplayRun
from schemas.submission import AdSubmission, WireModel
from schemas.verdict import AdVerdict

VERSION = "v1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"

MODELS: Mapping[str, type[WireModel]] = MappingProxyType(
    {
        "ad_submission": AdSubmission,
        "ad_verdict": AdVerdict,
        "dead_letter": DeadLetter,
        "letter_replay": LetterReplay,
        "replay_run": ReplayRun,
        "consumer_report": ConsumerReport,
    }
)

Schema = dict[str, Any]


class SchemaUnreadable(ValueError):
    """A file that should hold a JSON Schema does not; the message names it."""


def json_schema(name: str) -> Schema:
    """The JSON Schema (draft 2020-12) of one of MODELS, as generated now.

    It describes what readers accept: fields with a default are optional, unknown fields are ignored.
    """
    generated = MODELS[name].model_json_schema(mode="validation")
    urn = f"urn:advet:schema:{name.replace('_', '-')}:{VERSION}"
    return {"$schema": DIALECT, "$id": urn, **generated}


def render(document: Schema) -> str:
    """Stable text of a JSON document: sorted keys, two spaces, a newline at the end."""
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def exported() -> dict[str, str]:
    """Every published document by its path below the export folder: schemas as generated, the rest as is."""
    documents = {f"json/{VERSION}/{name}{SUFFIX}": render(json_schema(name)) for name in MODELS}
    package = files("schemas")
    documents["asyncapi.yaml"] = package.joinpath("asyncapi.yaml").read_text(encoding="utf-8")
    for example in sorted(package.joinpath("examples", VERSION).iterdir(), key=lambda entry: entry.name):
        documents[f"examples/{VERSION}/{example.name}"] = example.read_text(encoding="utf-8")
    return documents


def published(folder: Path | None = None) -> dict[str, tuple[str, Schema]]:
    """Every JSON Schema below `folder` (default: the versions that ship), as path → (model name, schema).

    Raises SchemaUnreadable for a file that holds no JSON object.
    """
    root = folder if folder is not None else Path(str(files("schemas").joinpath("json")))
    return {
        str(path.relative_to(root)): (path.name.removesuffix(SUFFIX), _read(path))
        for path in sorted(root.rglob(f"*{SUFFIX}"))
    }


def _read(path: Path) -> Schema:
    try:
        schema = strict_json.loads(path.read_bytes())
    except (OSError, strict_json.NotStrictJson) as error:
        raise SchemaUnreadable(f"{path.name}: {error}") from error
    if not isinstance(schema, dict):
        raise SchemaUnreadable(f"{path.name}: not a JSON object")
    return schema

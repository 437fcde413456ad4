"""Writes tests/data/schemas: what Kubernetes, KEDA, the Prometheus operator and Compose accept, from pinned releases.

Run by hand when a version below moves; needs Go, whose module archives hold all of them. Descriptions go, objects
become closed, so that a misspelt field is an error: the API server would drop it without a word.
"""

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).resolve().parents[2] / "tests" / "data" / "schemas"
KUBERNETES = ("k8s.io/kubernetes", "v1.34.2")
KEDA = ("github.com/kedacore/keda/v2", "v2.21.0")
OPERATOR = ("github.com/prometheus-operator/prometheus-operator", "v0.85.0")
COMPOSE = ("github.com/compose-spec/compose-go/v2", "v2.16.2")
KINDS = {
    "ConfigMap", "Deployment", "Job", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "PriorityClass",
    "ServiceAccount",
}  # fmt: skip
KEDA_RESOURCES = ("scaledobjects", "triggerauthentications")
SCALERS = ("kafka", "prometheus")
KEPT = {
    "$ref", "additionalProperties", "allOf", "anyOf", "enum", "items", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "oneOf", "pattern", "properties", "required", "type",
}  # fmt: skip
INT_OR_STRING = {"type": ["integer", "string"]}
QUANTITY = {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|Ki|Mi|Gi|Ti|M|G|T)?$"}
Schema = dict[str, Any]


class Archive:
    """The archive of one Go module."""

    def __init__(self, module: str, version: str) -> None:
        command = ["go", "mod", "download", "-json", f"{module}@{version}"]
        facts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        self._zip = zipfile.ZipFile(facts["Zip"])
        self._prefix = f"{module}@{version}/"
        self.origin = f"{module} {version}"

    def read(self, path: str) -> str:
        """The text of a file of the module."""
        return self._zip.read(self._prefix + path).decode()


def closed(schema: Any) -> Any:
    """The schema without prose and extensions, its objects closed."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    kept = {key: value for key, value in schema.items() if key in KEPT}
    properties = kept.pop("properties", None)
    result = {key: value if key in ("required", "enum") else closed(value) for key, value in kept.items()}
    if properties:
        result["properties"] = {name: closed(value) for name, value in properties.items()}
        result.setdefault("additionalProperties", False)
    return result


def references(schema: Any) -> Iterator[str]:
    """Names of definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(target := schema.get("$ref"), str):
            yield target.rpartition("/")[2]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def kubernetes() -> Schema:
    """The kinds that our manifests use and all that they are made of."""
    archive = Archive(*KUBERNETES)
    definitions = json.loads(archive.read("api/openapi-spec/swagger.json"))["definitions"]
    kinds, wanted = {}, []
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            if kind["kind"] in KINDS and kind["version"] == "v1":
                kinds["/".join(filter(None, (kind["group"], "v1", kind["kind"])))] = {"$ref": f"#/definitions/{name}"}
                wanted.append(name)
    found: Schema = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = QUANTITY if name.endswith(".resource.Quantity") else closed(definitions[name])
            wanted += references(found[name])
    return {"$comment": f"{archive.origin}, Apache-2.0, trimmed", "kinds": kinds, "definitions": found}


def custom(archive: Archive, paths: list[str]) -> Schema:
    """Kinds that custom resource definitions describe."""
    kinds = {}
    for path in paths:
        spec = yaml.safe_load(archive.read(path))["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            schema["properties"].pop("status", None)
            schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
            kinds[f"{spec['group']}/{version['name']}/{spec['names']['kind']}"] = schema
    return {"$comment": f"{archive.origin}, Apache-2.0, trimmed", "kinds": kinds}


def keda() -> Schema:
    """ScaledObject and TriggerAuthentication, and the parameters of each scaler: to the former they are any strings."""
    archive = Archive(*KEDA)
    schema = custom(archive, [f"config/crd/bases/keda.sh_{name}.yaml" for name in KEDA_RESOURCES])
    schema["scalers"] = {}
    for scaler in SCALERS:
        source = archive.read(f"pkg/scalers/{scaler}_scaler.go")
        tags = re.findall(r'`keda:"name=(\w+),\s*order=([^,"]+)', source)
        schema["scalers"][scaler] = sorted(name for name, order in tags if "triggerMetadata" in order)
    return schema


def operator() -> Schema:
    """PodMonitor."""
    return custom(Archive(*OPERATOR), ["example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"])


def compose() -> Schema:
    """The Compose specification's own schema, which is closed as it is, without prose."""

    def trimmed(part: Any) -> Any:
        if isinstance(part, dict):
            prose = ("description", "title", "deprecated")
            return {k: trimmed(v) for k, v in part.items() if not (k in prose and not isinstance(v, dict))}
        return [trimmed(item) for item in part] if isinstance(part, list) else part

    archive = Archive(*COMPOSE)
    schema: Schema = trimmed(json.loads(archive.read("schema/compose-spec.json")))
    return {"$comment": f"{archive.origin}, Apache-2.0, trimmed", **schema}


def main() -> None:
    """Writes all files."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, schema in {
        "kubernetes": kubernetes(), "keda": keda(), "monitoring": operator(), "compose": compose()
    }.items():  # fmt: skip
        text = json.dumps(schema, indent=1, sort_keys=True)
        (TARGET / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

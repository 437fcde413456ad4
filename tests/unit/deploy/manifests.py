"""Manifests as the API server would see them: rendered by the real Kustomize, held against their kinds' schemas."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[3]
K8S = ROOT / "infra" / "k8s"
SCHEMAS = ROOT / "tests" / "data" / "schemas"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
INSTALL_SECONDS = 300
Manifest = dict[str, Any]


class KustomizeMissing(Exception):
    """Neither kustomize, nor a kubectl that holds it, nor Go to build it with."""


@cache
def kustomize() -> tuple[str, ...]:
    """The command that renders a folder; built once with Go and kept in .cache when it is not installed."""
    if found := shutil.which("kustomize"):
        return found, "build"
    if kubectl := shutil.which("kubectl"):
        shown = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=False).stdout
        if re.search(r"Kustomize Version: v5\.", shown):
            return kubectl, "kustomize"
    kept = ROOT / ".cache" / "kustomize" / "kustomize"
    if not kept.exists():
        go = shutil.which("go")
        if go is None:
            raise KustomizeMissing("manifests are rendered by kustomize 5: install it, kubectl 1.27 or newer, or Go")
        target = ["env", f"GOBIN={kept.parent}", go, "install", KUSTOMIZE]
        subprocess.run(target, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    return str(kept), "build"


def rendered(folder: Path) -> list[Manifest]:
    """All objects of a kustomization."""
    done = subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, check=True, timeout=60)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@cache
def _schemas() -> Mapping[str, Draft7Validator]:
    found = {}
    for name in ("kubernetes", "keda", "monitoring"):
        content = json.loads((SCHEMAS / f"{name}.json").read_text())
        for kind, schema in content["kinds"].items():
            found[kind] = Draft7Validator({"definitions": content.get("definitions", {}), **schema})
    return found


@cache
def scaler_parameters() -> Mapping[str, frozenset[str]]:
    """What KEDA's scalers know; to the ScaledObject's schema their parameters are any strings."""
    content = json.loads((SCHEMAS / "keda.json").read_text())
    return {name: frozenset(parameters) for name, parameters in content["scalers"].items()}


def problems(manifest: Manifest) -> list[str]:
    """Why the API server, or KEDA, would refuse the object or drop a part of it; empty when neither would."""
    kind = f"{manifest['apiVersion']}/{manifest['kind']}"
    if kind not in _schemas():
        return [f"{kind}: no schema in tests/data/schemas; add the kind to infra/dev/manifest_schemas.py"]
    found = [f"{kind} {error.json_path}: {error.message}" for error in _schemas()[kind].iter_errors(manifest)]
    if manifest["kind"] == "ScaledObject" and not found:
        for trigger in manifest["spec"]["triggers"]:
            unknown = set(trigger["metadata"]) - scaler_parameters().get(trigger["type"], frozenset())
            found += [f"{kind}: the scaler {trigger['type']} knows no {name}" for name in sorted(unknown)]
    return found


def one(manifests: list[Manifest], kind: str, name: str = "advet") -> Manifest:
    """The only object of that kind and name."""
    [manifest] = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return manifest


def pod_templates(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Templates of all pods that the objects make."""
    for manifest in manifests:
        if "template" in manifest.get("spec", {}):
            yield manifest["spec"]["template"]


def settings_file(manifests: list[Manifest]) -> str:
    """The TOML that the pods mount."""
    [content] = [m["data"]["advet.toml"] for m in manifests if m["kind"] == "ConfigMap"]
    return str(content)

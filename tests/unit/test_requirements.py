"""The locks hold what pyproject.toml asks for, every line with a hash, and no address of an index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    "base": (),
    "screening": ("screening", "tracing"),
    "demo": ("screening", "demo"),
    "dev": ("screening", "demo", "plots", "report", "tracing", "dev"),
    "test": ("screening", "demo", "plots", "report", "tracing", "dev", "gpu", "bench"),
    "gpu": ("screening", "tracing", "gpu"),
}


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for package, version in re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([\w.+!-]+)", lock(name), re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(Version(version))
    return found


def wanted(name: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"]]
    for extra in EXTRAS[name]:
        lines += PROJECT["optional-dependencies"][extra]
    return [requirement for line in lines if (requirement := Requirement(line)).name != PROJECT["name"]]


@pytest.mark.parametrize("name", EXTRAS)
def test_lock_satisfies_the_project(name: str) -> None:
    locked = pins(name)
    for requirement in wanted(name):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"requirements/{name}.txt lacks {requirement.name}: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize("name", [*EXTRAS, "bench", "build", "gpu-stack"])
def test_lock_is_hashed_and_names_no_index(name: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock(name))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock(name)
    assert not re.search(r"^-(i|f|-index-url|-extra-index-url|-find-links)\b", lock(name), re.MULTILINE)


@pytest.mark.parametrize("name", ["base", "screening", "demo", "dev", "gpu"])
def test_narrower_locks_hold_the_pins_that_are_tested(name: str) -> None:
    tested = pins("test")
    assert all(versions <= tested[package] for package, versions in pins(name).items())

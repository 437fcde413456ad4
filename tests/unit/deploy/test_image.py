"""The Dockerfile, as far as it can be tried without Docker: its sources, its promises, and the wheel that it builds.

The image itself was never built here.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from consumer.settings import load
from tests.unit.deploy.manifests import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STATEMENTS = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()

EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a container that shows nothing it is not asked to


def statements(name: str) -> list[str]:
    """Arguments of the instructions of that name, in order."""
    return [line.partition(" ")[2].strip() for line in STATEMENTS if line.startswith(f"{name} ")]


def sent(path: str) -> bool:
    """Whether .dockerignore lets the top of a path into the build."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    return any(fnmatch.fnmatch(path.split("/")[0], line[1:]) for line in lines if line.startswith("!"))


def test_what_it_copies_is_there_and_is_sent() -> None:
    copied = [word for line in statements("COPY") if "--from" not in line for word in line.split()[:-1]]
    for extra in ("screening", "gpu"):
        for source in copied:
            path = source.replace("${EXTRA}", extra)
            assert (ROOT / path).exists()
            assert sent(path), path


def test_every_install_is_locked() -> None:
    installs = [step for line in statements("RUN") for step in line.split("&&") if "pip install" in step]
    assert len(installs) == 3
    assert all("--require-hashes" in step or "--no-deps dist/" in step for step in installs)


def test_it_runs_as_nobody_in_particular_under_tini() -> None:
    assert statements("USER") == ["10001:10001"]
    assert statements("ENTRYPOINT") == ['["tini", "--", "advet"]']
    assert STATEMENTS.index("USER 10001:10001") < STATEMENTS.index('CMD ["run"]')


def test_its_environment_is_settings_of_advet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which listen where a probe from outside can reach them; the operator's port stays on loopback, always."""
    for name in [name for name in os.environ if name.startswith("ADVET_")]:
        monkeypatch.delenv(name)
    variables = dict(word.split("=", 1) for line in statements("ENV") for word in line.split())
    for name, value in variables.items():
        if name.startswith("ADVET_"):
            monkeypatch.setenv(name, value)
    settings = load().settings
    assert (settings.http.host, settings.lag.host) == (EVERYWHERE, EVERYWHERE)
    assert statements("EXPOSE") == [f"{settings.http.port} {settings.lag.port}"]


def test_no_weights_and_no_secrets() -> None:
    assert not re.search(r"safetensors|huggingface|hf_|/models", DOCKERFILE)
    assert not re.search(r"^(ARG|ENV)\b.*(KEY|PASSWORD|TOKEN|SECRET)", DOCKERFILE, re.MULTILINE)


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    """Built by the Dockerfile's own command from the files that are sent, it holds every file of both packages."""
    context = tmp_path / "context"
    context.mkdir()
    for source in ("pyproject.toml", "README.md", "LICENSE"):
        assert sent(source)
        shutil.copy(ROOT / source, context)
    for source in ("consumer", "schemas"):
        assert sent(source)
        shutil.copytree(ROOT / source, context / source, ignore=shutil.ignore_patterns("__pycache__", "*.py[co]"))
    [command] = [step.strip() for line in statements("RUN") for step in line.split("&&") if "hatchling" in step]
    hatchling = [str(Path(sys.executable).parent / "hatchling"), *command.split()[1:]]
    subprocess.run(hatchling, cwd=context, check=True, capture_output=True, timeout=60)
    [wheel] = (context / "dist").glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(context)) for name in ("consumer", "schemas") for path in (context / name).rglob("*")
    }
    assert held == {path for path in wanted if (context / path).is_file()}

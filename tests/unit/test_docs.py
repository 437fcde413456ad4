"""The documents say what the code does: settings, commands, flags, metrics, reasons, names, layers and links."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rich_click as click
from pydantic import BaseModel

from consumer.cli.root import advet
from consumer.ops.metrics import GroupLagMetrics, Metrics
from consumer.settings import Settings
from schemas import Reason

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
RUNBOOK = "infra/RUNBOOK.md"
DOCUMENTS = (*READMES, RUNBOOK, "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(name: str) -> list[str]:
    """Lines of fenced blocks and inline code."""
    text = text_of(name)
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()]
    return fenced + INLINE.findall(FENCE.sub("", text))


def commands_of(name: str) -> list[list[str]]:
    """Words of every advet command line, without the comment behind it."""
    lines = (line.split("#")[0].split() for line in code_of(name))
    return [words[1:] for words in lines if words[:1] == ["advet"] and len(words) > 1]


def metrics_exported() -> set[str]:
    return {one.name for book in (Metrics().book, GroupLagMetrics().book) for one in book.definitions}


def test_settings_table_is_what_the_code_says() -> None:
    script = [sys.executable, "infra/dev/settings_table.py", "--check"]
    checked = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_and_their_flags_exist(name: str) -> None:
    for words in commands_of(name):
        command: click.Command = advet
        context = click.Context(command)
        path = ["advet"]
        for word in words:
            if word.startswith("-"):
                known = {flag for parameter in command.params for flag in parameter.opts} | {"--help", "-h"}
                assert word.split("=")[0] in known, f"{' '.join(path)} has no flag {word}"
            elif isinstance(command, click.Group):
                found = command.get_command(context, word)
                assert found is not None, f"there is no {' '.join(path)} {word}"
                command = found
                path.append(word)


@pytest.mark.parametrize("name", READMES)
def test_every_reason_has_its_row(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", text_of(name), re.MULTILINE)
    assert {reason.value for reason in Reason} - {"unknown"} <= set(rows)


def metrics_named(name: str) -> set[str]:
    return {re.sub(r"\{.*", "", code) for code in code_of(name) if re.match(r"advet_\w+(\{[\w,]+\})?$", code)}


def test_metrics_page_is_what_the_code_says() -> None:
    script = [sys.executable, "infra/dev/metrics_page.py", "--check"]
    checked = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert metrics_named("infra/METRICS.md") == metrics_exported()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_metrics_named_exist(name: str) -> None:
    assert metrics_named(name) <= metrics_exported()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_settings_named_exist(name: str) -> None:
    groups = {group: type(value).model_fields for group, value in Settings() if isinstance(value, BaseModel)}
    for code in code_of(name):
        group, dot, setting = re.sub(r"[ =].*", "", code).partition(".")
        if dot and group in groups and re.fullmatch("[a-z_]+", setting) and setting not in {"py", "toml"}:
            assert setting in groups[group], f"there is no setting {code}"


@pytest.mark.parametrize("name", [*READMES, RUNBOOK])
def test_names_of_log_lines_reasons_and_fields_exist(name: str) -> None:
    sources = [
        path.read_text(encoding="utf-8") for top in ("consumer", "schemas") for path in (ROOT / top).rglob("*.py")
    ]
    known = set(re.findall(r"[a-z_0-9]+", "\n".join(sources)))
    named = {code for code in INLINE.findall(FENCE.sub("", text_of(name))) if re.fullmatch("[a-z]+(_[a-z]+)+", code)}
    assert {word for word in named if not word.startswith("advet_")} <= known


def test_runbook_sections_say_what_it_means_where_to_look_and_what_to_do() -> None:
    _, *sections = re.split(r"^## ", text_of(RUNBOOK), flags=re.MULTILINE)
    assert sections
    for section in sections:
        parts = re.findall(r"^\*\*(Means|Look at|Do)\.\*\*", section, re.MULTILINE)
        assert parts == ["Means", "Look at", "Do"], section.splitlines()[0]


def test_runbook_opens_with_a_way_to_every_section() -> None:
    opening, *sections = re.split(r"^## ", text_of(RUNBOOK), flags=re.MULTILINE)
    for section in sections:
        assert f"[{section.splitlines()[0]}](#" in opening


def test_layers_are_drawn_as_they_are_enforced() -> None:
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layered] = [contract for contract in contracts if contract["type"] == "layers"]
    enforced = [name.strip(" ()") for layer in layered["layers"] for name in layer.split("|")]
    [drawing] = [block for block in FENCE.findall(text_of("ARCHITECTURE.md")) if "\nschemas  " in block]
    rows = [re.split(r" {2,}", line)[0] for line in drawing.splitlines()[:-1]]
    assert [name for row in rows for name in re.split(r" · |, ", row)] == enforced


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = {words[1] for code in code_of(name) if (words := code.split())[:1] == ["make"] and len(words) > 1}
    assert {target for target in named if re.fullmatch("[a-z-]+", target)} <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text_of(name)):
        path, _, heading = target.partition("#")
        if not path.startswith("http"):
            here = ROOT / name
            document = here.parent / path if path else here
            assert document.exists(), target
            if heading:
                assert heading in anchors(document), target


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_both_readmes_have_the_same_shape() -> None:
    english, chinese = (re.findall(r"^(#+) ", FENCE.sub("", text_of(name)), re.MULTILINE) for name in READMES)
    assert english == chinese
    assert sorted(commands_of(READMES[0])) == sorted(commands_of(READMES[1]))

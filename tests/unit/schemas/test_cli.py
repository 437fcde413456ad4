"""`advet schema`: what it writes, what it says, and its exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumer.cli.schema import schema_group
from schemas.documents import exported

from .examples import NAMES, document, text


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(schema_group, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh export."""
    assert run("export", "--out", tmp_path / "out").exit_code == 0
    return tmp_path / "out"


def test_export_prints_names_and_writes_nothing() -> None:
    result = run("export")
    assert result.exit_code == 0
    assert result.stdout.split() == list(exported())


def test_export_writes_every_document(folder: Path) -> None:
    written = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert written == exported()


def test_export_as_json(tmp_path: Path) -> None:
    out = json.loads(run("export", "--json", "--out", tmp_path).stdout)
    assert out == {"out": str(tmp_path), "documents": list(exported())}


def test_export_into_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "json").write_text("in the way")
    result = run("export", "--out", tmp_path)
    assert result.exit_code == 1
    assert "cannot write" in result.stderr


def test_the_installed_models_are_in_order() -> None:
    result = run("check")
    assert (result.exit_code, result.stdout.count("ok   ")) == (0, 6)


def test_an_own_export_is_compatible(folder: Path) -> None:
    result = json.loads(run("check", "--against", folder, "--json").stdout)
    assert result["ok"]
    assert {row["name"] for row in result["checks"]} == {n for n in exported() if n.endswith(".schema.json")}


def test_an_incompatible_published_version_fails(folder: Path) -> None:
    path = folder / "json/v1/ad_verdict.schema.json"
    schema = json.loads(path.read_text())
    schema["properties"]["score"] = {"type": "number"}
    path.write_text(json.dumps(schema))
    result = run("check", "--against", folder)
    assert result.exit_code == 1
    assert "bad  json/v1/ad_verdict.schema.json: $.score: removed or renamed" in result.stdout


def test_a_schema_without_a_model_fails(folder: Path) -> None:
    (folder / "json/v1/dead_letter.schema.json").rename(folder / "json/v1/other.schema.json")
    result = run("check", "--against", folder)
    assert result.exit_code == 1
    assert "there is no model other" in result.stdout


def test_examples_are_good_files(folder: Path) -> None:
    result = run("check", "--json", *[folder / f"examples/v1/{name}.json" for name in NAMES])
    assert result.exit_code == 0
    kinds = [row["kind"] for row in json.loads(result.stdout)["checks"]]
    assert kinds == [name.partition(".")[0].removeprefix("ad_").replace("_", " ") for name in NAMES]


def test_structured_events_are_opened(tmp_path: Path) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "com.advet.verdict.v1"}
    path = tmp_path / "e.json"
    path.write_text(json.dumps({**event, "data": document("ad_verdict.approve")}))
    assert f"ok   {path} (verdict)" in run("check", path).stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "Input should be an object"),
        (b"{}", "submission_id: Field required"),
        (b'{"verdict_id": "x"}', "verdict_id: String should match pattern"),
        (b'{"specversion": "9", "data": {}}', "id is missing"),
        (b'{"headers": 5}', "headers must be a list"),
        (b'{"headers": [["a", 5]]}', "headers must be a list"),
        (b'{"headers": [["ce_id", "1"]]}', "no dead-letter headers"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: bytes, says: str) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(text("ad_submission.full"))
    bad.write_bytes(content)
    result = run("check", good, bad)
    assert result.exit_code == 1
    assert f"ok   {good} (submission)" in result.stdout
    assert f"bad  {bad}: " in result.stdout
    assert says in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["check", "absent.json"], ["check", "--against", "absent"], ["check", "--what"], ["export", "extra"], ["nope"]],
)
def test_usage_errors_exit_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_against_with_files_or_without_schemas_is_a_usage_error(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run("check", "--against", empty).exit_code == 2
    assert run("check", "--against", folder, folder / "asyncapi.yaml").exit_code == 2


def test_an_unreadable_schema_is_named(folder: Path) -> None:
    path = folder / "json/v1/ad_verdict.schema.json"
    for content, says in (("[]", "not a JSON object"), ("{", "not valid JSON")):
        path.write_text(content)
        result = run("check", "--against", folder)
        assert result.exit_code == 1
        assert f"ad_verdict.schema.json: {says}" in result.stderr

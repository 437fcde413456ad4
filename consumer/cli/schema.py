"""`advet schema`: the published documents, and checks of models and event files against them."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import rich_click as click

from schemas import codec, documents, strict_json
from schemas.cloudevents import CONTENT_TYPE, STRUCTURED_TYPE, VERDICT_TYPE, EventInvalid, read_event
from schemas.compatibility import incompatibilities
from schemas.foreign_letters import LetterUnreadable
from schemas.headers import read_dead_letter


@click.group("schema")
def schema_group() -> None:
    """Events on the wire: JSON Schemas, examples, AsyncAPI, and checks against them."""


@schema_group.command("export")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to; made if needed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export(out: Path | None, as_json: bool) -> None:
    """Write the JSON Schemas, examples and AsyncAPI document to a folder, or print their names."""
    exported = documents.exported()
    if out is not None:
        for name, content in exported.items():
            _write(out / name, content)
    if as_json:
        click.echo(json.dumps({"out": None if out is None else str(out), "documents": list(exported)}))
        return
    for name in exported:
        click.echo(name if out is None else str(out / name))


@schema_group.command("check")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with JSON Schemas to compare the models with, instead of the versions that ship.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(files: tuple[Path, ...], against: Path | None, as_json: bool) -> None:
    """Check event files, or without FILE the installed models against every published version.

    A file holds the value of one record: a submission or a verdict, bare or in a structured CloudEvents
    envelope; a record of the replays or consumers topic; or a dead letter as in the examples. Exit code 1 says
    that something is wrong.
    """
    if files and against is not None:
        raise click.UsageError("--against compares the models; give it without FILE")
    rows = [_check_file(file) for file in files] if files else list(_check_models(against))
    failed = any(problem for _, _, problem in rows)
    if as_json:
        checks = [{"name": name, "kind": kind, "problem": problem} for name, kind, problem in rows]
        click.echo(json.dumps({"ok": not failed, "checks": checks}, ensure_ascii=False))
    else:
        for name, kind, problem in rows:
            click.echo(f"bad  {name}: {problem}" if problem else f"ok   {name} ({kind})")
    if failed:
        raise SystemExit(1)


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


_MARKS: Mapping[str, str] = MappingProxyType(
    {"headers": "dead letter", "letter": "letter replay", "scope": "replay run", "reported_at": "consumer report"}
)
"""A field that only one kind of document has."""
_PARSERS: Mapping[str, Callable[[bytes], object]] = MappingProxyType(
    {
        "event": codec.parse_submission,
        "submission": codec.parse_submission,
        "verdict": codec.parse_verdict,
        "letter replay": codec.parse_letter_replay,
        "replay run": codec.parse_replay_run,
        "consumer report": codec.parse_consumer_report,
    }
)

Row = tuple[str, str, str | None]
"""What was checked, its kind, and what is wrong with it."""


def _check_models(against: Path | None) -> Iterator[Row]:
    try:
        published = documents.published(against)
    except documents.SchemaUnreadable as error:
        raise click.ClickException(str(error)) from error
    if not published:
        raise click.UsageError(f"no *{documents.SUFFIX} below {against}; `advet schema export --out DIR` writes them")
    for path, (name, schema) in published.items():
        if name not in documents.MODELS:
            yield path, "schema", f"there is no model {name}; known: {', '.join(documents.MODELS)}"
            continue
        current = documents.json_schema(name)
        problems = incompatibilities(schema, current)
        if not problems and against is None and schema["$id"] == current["$id"] and schema != current:
            problems = ["the models changed since it was written; run `advet schema export --out schemas`"]
        yield path, "schema", "; ".join(problems) or None


def _check_file(path: Path) -> Row:
    kind = "event"
    try:
        value = path.read_bytes()
        document = strict_json.loads(value)
        kind = _kind(document)
        if kind == "dead letter":
            _check_letter(document)
            return str(path), kind, None
        data = value
        if isinstance(document, dict) and "specversion" in document:
            data = read_event(value, ((CONTENT_TYPE, STRUCTURED_TYPE.encode()),)).data
        _PARSERS[kind](data)
    except OSError as error:
        return str(path), kind, f"cannot be read: {error.strerror}"
    except (strict_json.NotStrictJson, codec.EventMalformed, EventInvalid, LetterUnreadable) as error:
        return str(path), kind, str(error)
    return str(path), kind, None


def _kind(document: object) -> str:
    if not isinstance(document, dict):
        return "submission"
    for field, kind in _MARKS.items():
        if field in document:
            return kind
    return "verdict" if "verdict_id" in document or document.get("type") == VERDICT_TYPE else "submission"


def _check_letter(document: object) -> None:
    headers = document["headers"] if isinstance(document, dict) else None
    if not isinstance(headers, list):
        raise LetterUnreadable("headers must be a list of [name, value] pairs")
    pairs: list[tuple[str, bytes | None]] = []
    for entry in headers:
        match entry:
            case [str(name), str(text)]:
                pairs.append((name, text.encode()))
            case [str(name), None]:
                pairs.append((name, None))
            case _:
                raise LetterUnreadable("headers must be a list of [name, value] pairs of text; value may be null")
    read_dead_letter(pairs)

"""How dead letters, plans and runs look on a terminal, and as JSON."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.cli.render import plain, render_dead_letter
from consumer.replay.guards import WORDS
from consumer.replay.letters import Letter, Unreadable
from consumer.replay.look import Numbers
from consumer.replay.plan import Plan
from schemas.cloudevents import rfc3339
from schemas.headers import FACTS
from schemas.replay import LetterReplay, ReplayRun, RunStatus

BAR_CHARS = 30
EVENT_CHARS = 20_000
_STATUS_STYLES: Mapping[RunStatus, str] = {
    RunStatus.RUNNING: "cyan",
    RunStatus.PAUSED: "yellow",
    RunStatus.DONE: "green",
    RunStatus.CANCELLED: "magenta",
    RunStatus.FENCED: "yellow",
    RunStatus.UNKNOWN: "dim",
}


def histogram(title: str, counts: Mapping[str, int]) -> RenderableType:
    """Bars, the longest first."""
    table = Table(title=title, title_style="bold", title_justify="left", box=None, show_header=False, pad_edge=False)
    table.add_column(style="magenta", no_wrap=True)
    table.add_column(justify="right")
    table.add_column(style="cyan", no_wrap=True)
    most = max(counts.values(), default=1)
    for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        table.add_row(plain(name), f"{count:,}", "█" * max(1, round(BAR_CHARS * count / most)))
    return table


def letter_table(found: Iterable[Letter | Unreadable]) -> Table:
    """One line a letter."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold dim")
    for column in ("topic", "at", "written", "reason", "stage", "replays", "key"):
        table.add_column(column, no_wrap=column != "key", overflow="fold")
    for entry in found:
        record = entry.record
        row = [record.partition.topic, f"{record.partition.number} {record.offset}", _written(entry)]
        if isinstance(entry, Letter):
            facts = entry.facts
            row += [facts.reason.value, facts.stage.value, str(facts.replay_count), plain(entry.key)]
        else:
            row += ["no dead letter", "", "", plain(entry.why)]
        table.add_row(*(Text(cell) for cell in row))
    return table


def letter_panels(letter: Letter, replay: LetterReplay | None) -> RenderableType:
    """Everything about one letter: facts, memory, headers, event, pictures, what became of it."""
    parts: list[RenderableType] = [render_dead_letter(letter.key, letter.facts)]
    facts = letter.facts.model_dump(mode="json", exclude_none=True, exclude={"message", "oom", "origin"})
    parts.append(_pairs("Facts", {name: str(value) for name, value in facts.items()}))
    if letter.facts.oom is not None:
        parts.append(_pairs("GPU memory", {k: f"{v:,}" if isinstance(v, int) else v for k, v in letter.facts.oom}))
    own = {name: _text(value) for name, value in letter.record.headers if name not in FACTS}
    if own:
        parts.append(_pairs("Headers of the original", own))
    if pictures := creatives(letter):
        parts.append(_pairs("Pictures", pictures))
    if replay is not None:
        done = f"{replay.result.value} by {replay.who} in run {replay.run_id}: {replay.why}"
        parts.append(_pairs("Replayed", {replay.replayed_at.isoformat(timespec="seconds"): done}))
    parts.append(Panel(Text(_event(letter)), title="Event", title_align="left", border_style="dim"))
    return Group(*parts)


def creatives(letter: Letter) -> dict[str, str]:
    """asset_id → where the picture lies; empty when the event cannot be read."""
    try:
        event = json.loads(letter.record.value or b"")
        return {str(c["asset_id"]): f"s3://{c['bucket']}/{c['key']}" for c in event.get("creatives", ())}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def plan_report(plan: Plan, max_letters: int | None) -> RenderableType:
    """What would go, what it costs, what stays and why."""
    parts: list[RenderableType] = []
    if plan.go:
        parts += [histogram("Would be handed in again, by why they had failed", _named(plan.go)), Text()]
    if plan.quarantine:
        parts += [histogram("Would go to the quarantine", _named(plan.quarantine)), Text()]
    if plan.refused:
        parts.append(Text("Stay where they are", style="bold"))
        parts += [
            Text(f"{count:>8,}  {refusal.value}: {WORDS[refusal]}") for refusal, count in plan.refused.most_common()
        ]
        parts.append(Text())
    sent = plan.letters if max_letters is None else min(plan.letters, max_letters)
    seconds = "no running consumer says how long an ad takes"
    if plan.ad_seconds is not None:
        seconds = f"{plan.ad_seconds * sent:,.1f} GPU-seconds"
    dearest = f", the dearest needs {plan.largest_price_bytes:,} bytes of memory" if plan.largest_price_bytes else ""
    limit = "" if sent == plan.letters else f" (--max {max_letters})"
    parts.append(Text(f"{sent:,} letters{limit}, {plan.value_bytes:,} bytes{dearest}; {seconds}."))
    return Group(*parts)


def plan_json(plan: Plan, max_letters: int | None) -> dict[str, Any]:
    """A plan as JSON."""
    return {
        "letters": plan.letters if max_letters is None else min(plan.letters, max_letters),
        "matching": plan.letters,
        "by_reason": _named(plan.go),
        "quarantine": plan.quarantine.total(),
        "refused": {refusal.value: count for refusal, count in plan.refused.items()},
        "value_bytes": plan.value_bytes,
        "largest_price_bytes": plan.largest_price_bytes,
        "gpu_seconds": plan.gpu_seconds,
        "looked_at": plan.looked_at,
        "scope": [stretch.model_dump() for stretch in plan.scope],
    }


def run_table(runs: Sequence[ReplayRun]) -> Table:
    """One line a run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold dim")
    for column in ("run", "status", "last seen", "sent", "quarantined", "left", "who", "why"):
        table.add_column(column, overflow="fold", no_wrap=column in ("run", "status"))  # an id is there to be copied
    for run in runs:
        numbers = (f"{run.resubmitted:,}", f"{run.quarantined:,}", f"{sum(run.refused.values()):,}")
        status = Text(run.status.value, style=_STATUS_STYLES[run.status])
        seen = run.updated_at.astimezone(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        table.add_row(Text(run.run_id), status, seen, *numbers, Text(plain(run.who)), Text(plain(run.why)))
    return table


def letter_json(found: Letter | Unreadable) -> dict[str, Any]:
    """A letter as JSON, without its value."""
    record = found.record
    body: dict[str, Any] = {
        "letter": record.origin.model_dump(),
        "written_at": _written(found),
        "key": (record.key or b"").decode("utf-8", "replace"),
        "value_bytes": len(record.value or b""),
    }
    if isinstance(found, Letter):
        return body | {"dead_letter": found.facts.model_dump(mode="json", exclude_none=True)}
    return body | {"unreadable": found.why}


def exported(found: Letter | Unreadable) -> dict[str, Any]:
    """A whole record; a key or value that is no UTF-8 is under `key_base64` or `value_base64`."""
    record = found.record
    headers = [{"name": name, **_bytes("value", value)} for name, value in record.headers]
    return {
        "letter": record.origin.model_dump(),
        "timestamp_ms": record.timestamp_ms,
        **_bytes("key", record.key),
        "headers": headers,
        **_bytes("value", record.value),
    }


def numbers_json(numbers: Numbers) -> dict[str, Any]:
    """The numbers of `stats`."""
    return {
        "letters": numbers.letters,
        "unreadable": numbers.unreadable,
        "value_bytes": numbers.value_bytes,
        "oldest": None if numbers.oldest is None else rfc3339(numbers.oldest),
        "newest": None if numbers.newest is None else rfc3339(numbers.newest),
        "by_reason": dict(numbers.by_reason),
        "by_stage": dict(numbers.by_stage),
        "by_partition": dict(numbers.by_partition),
        "by_model": dict(numbers.by_model),
        "by_replay_count": dict(numbers.by_replay_count),
    }


def _written(found: Letter | Unreadable) -> str:
    at = found.record.recorded_at
    return "" if at is None else rfc3339(at.replace(microsecond=0))


def _named(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(name): count for name, count in counts.items()}


def _pairs(title: str, pairs: Mapping[str, str]) -> RenderableType:
    grid = Table(title=title, title_style="bold", title_justify="left", box=None, show_header=False, pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(Text(plain(name)), Text(plain(value)))
    return grid


def _event(letter: Letter) -> str:
    if letter.facts.claim is not None:
        claim = letter.facts.claim
        return f"kept in s3://{claim.bucket}/{claim.key}, sha256 {claim.sha256}"
    value = letter.record.value or b""
    try:
        text = json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = value.decode("utf-8", "replace")
    lines = (plain(line) for line in text[:EVENT_CHARS].splitlines())
    return "\n".join(lines) + ("\n…" if len(text) > EVENT_CHARS else "")


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


def _bytes(name: str, content: bytes | None) -> dict[str, str | None]:
    if content is None:
        return {name: None}
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content).decode()}

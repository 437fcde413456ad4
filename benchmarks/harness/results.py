"""From runs to a table and a JSON document: medians with their spread, ratios to the hand-written loop."""

import json
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from benchmarks.harness.contender import LOOP, ROOT
from benchmarks.harness.drain import Drained
from benchmarks.harness.paced import Paced
from benchmarks.harness.usage import machine

Run = TypeVar("Run", Drained, Paced)
Numbers = dict[str, float | None]


def origin(benchmark: str) -> dict[str, object]:
    """The command, the time, the commit and the machine of a run of `benchmarks.NAME`: how its document begins."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "command": shlex.join(["python", "-m", f"benchmarks.{benchmark}", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": machine(),
    }


def write(benchmark: str, document: Mapping[str, object], out: Path | None) -> Path:
    """Writes a document to `out`, by default today's file in benchmarks/results; returns where."""
    out = out or ROOT / "benchmarks" / "results" / f"{benchmark}-{datetime.now(UTC):%Y-%m-%d}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return out


def spread(values: Iterable[float | None]) -> Numbers:
    """Median, least and greatest; None where nothing was measured."""
    known = [value for value in values if value is not None]
    if not known:
        return {"median": None, "min": None, "max": None}
    return {"median": statistics.median(known), "min": min(known), "max": max(known)}


def summary(runs: Sequence[Run], fields: Sequence[str]) -> dict[str, dict[str, Numbers]]:
    """Contender → field → spread, in the order in which contenders first ran."""
    names = dict.fromkeys(run.contender for run in runs)
    return {
        name: {field: spread(getattr(run, field) for run in runs if run.contender == name) for field in fields}
        for name in names
    }


def ratios(runs: Sequence[Drained]) -> dict[str, Numbers]:
    """Throughput over the loop's of the same round, so that a busy minute weighs on both."""
    loop = {run.round: run.events_per_second for run in runs if run.contender == LOOP}
    names = dict.fromkeys(run.contender for run in runs)
    return {
        name: spread(
            run.events_per_second / loop[run.round] for run in runs if run.contender == name and run.round in loop
        )
        for name in names
    }


DRAINED = (
    "events_per_second",
    "cpu_ms_per_event",
    "broker_cpu_ms_per_event",
    "peak_rss_mib",
    "stall_ms",
    "strangers_share",
)
PACED = (
    "p50_ms", "p99_ms", "cpu_ms_per_event", "contender_share", "broker_share", "peak_rss_mib",
    "transactions_per_partition_second", "idle_transactions", "stall_ms", "strangers_share",
)  # fmt: skip


def drained_table(path: str, runs: Sequence[Drained]) -> Table:
    """Throughput of one path."""
    what = {
        "null": "event of 1 KB → parse → null judgement → record → commit",
        "full": "event → object from S3 → header → null judgement → record → commit",
    }[path]
    table = Table(title=f"{path} path: {what}", title_justify="left")
    for name in (
        "contender",
        "× loop",
        "events/s",
        "CPU ms/event",
        "broker ms/event",
        "peak RSS MiB",
        "stall ms",
        "lost",
        "double",
    ):
        table.add_column(name, justify="left" if name == "contender" else "right")
    over = ratios(runs)
    for name, numbers in summary(runs, DRAINED).items():
        own = [run for run in runs if run.contender == name]
        table.add_row(
            name,
            _shown(over[name], "{:.2f}"),
            _shown(numbers["events_per_second"], "{:,.0f}"),
            _shown(numbers["cpu_ms_per_event"], "{:.3f}"),
            _shown(numbers["broker_cpu_ms_per_event"], "{:.3f}"),
            _shown(numbers["peak_rss_mib"], "{:.0f}"),
            _shown(numbers["stall_ms"], "{:.0f}"),
            str(sum(run.lost for run in own)),
            str(sum(run.duplicates for run in own)),
        )
    return table


def paced_table(runs: Sequence[Paced]) -> Table:
    """Latency and cost at a fixed rate."""
    table = Table(title=f"null path at {runs[0].rate:g} events/s", title_justify="left")
    columns = (
        "contender", "p50 ms", "p99 ms", "CPU ms/event", "broker CPU %", "peak RSS MiB", "tx/s a partition",
        "tx idle", "stall ms", "lost", "double",
    )  # fmt: skip
    for name in columns:
        table.add_column(name, justify="left" if name == "contender" else "right")
    for name, numbers in summary(runs, PACED).items():
        own = [run for run in runs if run.contender == name]
        table.add_row(
            name,
            _shown(numbers["p50_ms"], "{:.0f}"),
            _shown(numbers["p99_ms"], "{:.0f}"),
            _shown(numbers["cpu_ms_per_event"], "{:.2f}"),
            _shown(numbers["broker_share"], "{:.0f}", lambda share: share * 100),
            _shown(numbers["peak_rss_mib"], "{:.0f}"),
            _shown(numbers["transactions_per_partition_second"], "{:.1f}"),
            _shown(numbers["idle_transactions"], "{:.0f}"),
            _shown(numbers["stall_ms"], "{:.0f}"),
            str(sum(run.lost for run in own)),
            str(sum(run.duplicates for run in own)),
        )
    return table


def _shown(numbers: Numbers, form: str, scale: Callable[[float], float] = float) -> str:
    median, least, most = numbers["median"], numbers["min"], numbers["max"]
    if median is None or least is None or most is None:
        return "–"
    shown = form.format(scale(median))
    return shown if least == most else f"{shown} ({form.format(scale(least))}…{form.format(scale(most))})"


def versions(names: Sequence[str]) -> dict[str, str]:
    """Of packages of this environment."""
    return {name: version(name) for name in names}

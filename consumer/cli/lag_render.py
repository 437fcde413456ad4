"""How lag looks on a terminal, and as JSON."""

import math
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumer.cli.render import plain
from consumer.errors import AdvetError
from consumer.lag.figures import GroupLag, PartitionLag, Rates, drain_seconds, gpu_seconds
from schemas.cloudevents import rfc3339

COLUMNS = ("partition", "left", "oldest", "in/s", "out/s", "done in", "GPU time", "state")


def lag_report(lag: GroupLag) -> RenderableType:
    """The table of partitions, and what is said about the group."""
    at = datetime.fromtimestamp(lag.at_seconds, UTC).astimezone()
    head = f"{lag.group} on {lag.topic}: {lag.state}, {len(lag.members)} members, at {at:%H:%M:%S}"
    table = Table(title=head, title_style="bold", title_justify="left", box=box.SIMPLE_HEAD, header_style="bold dim",
                  pad_edge=False, show_footer=len(lag.partitions) > 1)  # fmt: skip
    total = (
        "all",
        f"{lag.remaining:,}",
        seconds_text(lag.age_seconds(lag.at_seconds)),
        *_rates(lag.rates),
        seconds_text(lag.drain_seconds),
        seconds_text(lag.gpu_seconds),
        "",
    )
    for column, footer in zip(COLUMNS, total, strict=True):
        table.add_column(
            column, footer, justify="left" if column in ("partition", "state") else "right", no_wrap=column != "state"
        )
    for one in lag.partitions:
        table.add_row(
            str(one.partition.number),
            f"{one.remaining:,}",
            seconds_text(one.age_seconds(lag.at_seconds)),
            *_rates(one.rates),
            seconds_text(drain_seconds(one.remaining, one.rates)),
            seconds_text(gpu_seconds(one.remaining, lag.ad_seconds)),
            _state(one),
        )
    parts: list[RenderableType] = [table]
    for member in lag.members:
        numbers = ", ".join(str(p.number) for p in member.partitions) or "none"
        where = f" at {plain(member.host)}" if member.host else ""
        parts.append(Text(f"member {plain(member.member)}{where}: partitions {numbers}", style="dim"))
    for topic in lag.dead_letters:
        age = None if topic.oldest_ms is None else lag.at_seconds - topic.oldest_ms / 1000
        oldest = "" if age is None else f", the oldest {seconds_text(age)} old"
        parts.append(Text(f"{topic.topic}: {topic.records:,} dead letters{oldest}"))
    parts += [
        Text(
            f"replay {plain(run.run_id)} ({run.status}): {run.resubmitted:,} sent, {run.quarantined:,} quarantined, "
            f"{run.refused:,} left where they are, {run.left:,} to look at"
        )
        for run in lag.runs
    ]
    return Group(*parts)


def unknown_report(error: AdvetError) -> RenderableType:
    """Instead of figures that are not known any more."""
    return Text(f"Nothing is known at {datetime.now(UTC).astimezone():%H:%M:%S}: {error}", style="red")


def lag_json(lag: GroupLag) -> dict[str, Any]:
    """Everything as JSON. `drain_seconds` and `retention_seconds` are null when they are infinite or not known."""
    return {
        "group": lag.group,
        "topic": lag.topic,
        "at": rfc3339(datetime.fromtimestamp(lag.at_seconds, UTC)),
        "state": lag.state,
        "members": [
            {"member": m.member, "host": m.host, "partitions": [p.number for p in m.partitions]} for m in lag.members
        ],
        "total": {
            "remaining": lag.remaining,
            "offsets": sum(p.offsets for p in lag.partitions),
            "oldest_record_age_seconds": lag.age_seconds(lag.at_seconds),
            **_rates_json(lag.rates),
            "drain_seconds": _finite(lag.drain_seconds),
            "gpu_seconds": lag.gpu_seconds,
        },
        "partitions": [_partition_json(one, lag) for one in lag.partitions],
        "retention_seconds": _finite(lag.retention_seconds),
        "dead_letters": [
            {
                "topic": topic.topic,
                "records": topic.records,
                "oldest_seconds": None if topic.oldest_ms is None else lag.at_seconds - topic.oldest_ms / 1000,
            }
            for topic in lag.dead_letters
        ],
        "replays": [
            {
                "run": run.run_id,
                "status": run.status,
                "resubmitted": run.resubmitted,
                "quarantined": run.quarantined,
                "refused": run.refused,
                "left": run.left,
            }
            for run in lag.runs
        ],
        "notes": list(lag.notes),
    }


def _partition_json(one: PartitionLag, lag: GroupLag) -> dict[str, Any]:
    return {
        "partition": one.partition.number,
        "remaining": one.remaining,
        "offsets": one.offsets,
        "end": one.appended_total,
        "finished": one.finished_total,
        "oldest_record_age_seconds": one.age_seconds(lag.at_seconds),
        **_rates_json(one.rates),
        "drain_seconds": _finite(drain_seconds(one.remaining, one.rates)),
        "gpu_seconds": gpu_seconds(one.remaining, lag.ad_seconds),
        "assigned": one.assigned,
        "paused": list(one.paused),
        "stuck": one.stuck,
        "committed": one.committed,
        "lost": one.lost,
    }


def _state(one: PartitionLag) -> Text:
    if one.lost:
        return Text(f"{one.lost:,} deleted by retention", style="red")
    if one.stuck:
        return Text("stuck" + (f" ({', '.join(map(plain, one.paused))})" if one.paused else ""), style="red")
    if one.paused:
        return Text("paused: " + ", ".join(map(plain, one.paused)), style="yellow")
    if not one.assigned:
        return Text("no consumer", style="yellow" if one.remaining else "dim")
    return Text("working" if one.remaining else "idle", style="green")


def seconds_text(seconds: float | None) -> str:
    """Short: 0.4s, 12s, 3m20s, 2h05m, 3d4h; – when not known, never when infinite."""
    if seconds is None:
        return "–"
    if math.isinf(seconds):
        return "never"
    if seconds < 60:
        return "0" if seconds == 0 else f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    whole = int(seconds)
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3_600}h"


def _rates(rates: Rates | None) -> tuple[str, str]:
    return ("–", "–") if rates is None else (f"{rates.appended:,.1f}", f"{rates.finished:,.1f}")


def _rates_json(rates: Rates | None) -> dict[str, float | None]:
    return {
        "in_per_second": None if rates is None else rates.appended,
        "out_per_second": None if rates is None else rates.finished,
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value

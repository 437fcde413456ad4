"""What a report shows: which metrics make which picture, and what each picture is for. No I/O but the source's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from consumer.report.reader import PARTITION, Reader
from consumer.report.series import Origin, Source, Table, Value, merged, total
from consumer.report.window import Window

Unit = Literal["seconds", "bytes", "count", "rate"]
STAGES = ("queue", "fetch", "decode", "ocr", "admission", "inference", "publish")
NO_DATA = "No data in this time."
LOST, OOMS = " workers lost", "out of memory on the card"
MOST_SERIES = 10
CARD = {"free": "free (lowest)", "reserved": "reserved by advet", "others": "other processes", "total": "total"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. Without series it says so."""

    name: str
    title: str
    unit: Unit
    series: Mapping[str, Sequence[Value]]
    meaning: str
    bars: bool = False
    """Amounts of a step, stacked; otherwise lines."""
    logarithmic: bool = False
    absent: str = NO_DATA


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a report is made of."""

    window: Window
    origin: Origin
    panels: Sequence[Panel]
    ends: Mapping[str, float]
    """Of the backlog's pictures, the value at the end: their steps show the highest."""
    consumers: int
    """How many processes judged, or could have."""
    p99_seconds: Mapping[str, float] = field(default_factory=dict)
    """Over the whole time, by stage; `all` is from hand-in to outcome."""
    p50_seconds: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Panel:
        return next(panel for panel in self.panels if panel.name == name)

    @property
    def known_seconds(self) -> int:
        """How much of the window is known."""
        return sum(self.origin.covered) * self.window.step_seconds

    @property
    def missing(self) -> list[str]:
        """Titles of the pictures that nobody had data for."""
        return [panel.title for panel in self.panels if not panel.series and panel.absent == NO_DATA]


def picture(source: Source) -> Picture:
    """Reads everything. Raises ReportRefused when there is nothing."""
    read = Reader(source)
    stages = read.times("advet_stage_seconds", "stage")
    whole = read.times("advet_terminal_age_seconds", None)
    panels = (
        *_backlog(read),
        _throughput(read),
        Panel(
            "total_seconds", "Hand-in to outcome", "seconds",
            _known({"median": whole.p50.get("", []), "99 %": whole.p99.get("", [])}),
            "From the submission's Kafka timestamp to its committed verdict or dead letter.",
        ),
        Panel(
            "stage_p99_seconds", "Stages, slowest 1 %", "seconds", _known(_in_order(stages.p99)),
            "99 % of the ads spent less time than this in the stage.", logarithmic=True,
        ),
        Panel(
            "stage_p50_seconds", "Stages, median", "seconds", _known(_in_order(stages.p50)),
            "Half of the ads spent less time than this in the stage.", logarithmic=True,
        ),
        *_outcomes(read),
        *_memory(read),
        *_troubles(read),
    )  # fmt: skip
    return Picture(
        source.window,
        read.origin,
        panels,
        _ends(read),
        len(source.counters("advet_records_total")),
        p99_seconds={**stages.p99_overall, **_renamed(whole.p99_overall)},
        p50_seconds={**stages.p50_overall, **_renamed(whole.p50_overall)},
    )


def _renamed(overall_seconds: Mapping[str, float]) -> dict[str, float]:
    return {name or "all": value for name, value in overall_seconds.items()}


def _backlog(read: Reader) -> Iterable[Panel]:
    ages = read.highest("advet_oldest_record_age_seconds", "group", "topic")
    absent = "No process reported the lag in this time (advet lag --serve, or a consumer that owns partitions)."
    yield Panel(
        "age_seconds", "Age of the oldest unfinished ad", "seconds", _known(_named(ages)),
        "Now minus the timestamp of the oldest record without verdict or dead letter.", absent=absent,
    )  # fmt: skip
    series = {}
    for name, words in (("advet_lag_records", "really remaining"), ("advet_lag_offsets", "as Kafka tools show it")):
        partitions = read.highest(name, *PARTITION)
        if partitions:
            series[words] = total(partitions.values())
    yield Panel(
        "lag_records", "Ads still to judge", "count", _known(series),
        "All partitions. Kafka's tools count what is finished above the lowest unfinished record as well.",
        absent=absent,
    )  # fmt: skip


def _ends(read: Reader) -> dict[str, float]:
    ages = read.ends("advet_oldest_record_age_seconds")
    remaining = read.ends("advet_lag_records")
    ends = {"age_seconds": max(ages, default=None), "lag_records": sum(remaining) if remaining else None}
    return {name: value for name, value in ends.items() if value is not None}


def _throughput(read: Reader) -> Panel:
    came, left = read.positions("advet_appended_records_total"), read.positions("advet_finished_records_total")
    series = {"in": came, "out": left}
    meaning = "Records appended to the input topic, and records finished."
    if not _known(series):
        series = {
            "in": total(read.amounts("advet_records_total").values()),
            "out": total(
                values
                for name in ("advet_verdicts_total", "advet_dead_letters_total", "advet_withdrawals_total")
                for values in read.amounts(name).values()
            ),
        }
        meaning = "Records read by the consumers, and their outcomes; what nobody read is not in it."
    per_second = {name: read.per_second(values) for name, values in series.items()}
    return Panel("rate", "In and out", "rate", _known(per_second), meaning)


def _outcomes(read: Reader) -> Iterable[Panel]:
    yield Panel(
        "verdicts", "Verdicts", "count", _happened(_named(read.amounts("advet_verdicts_total", "decision"))),
        "What was decided, in each step.", bars=True, absent="No verdict in this time.",
    )  # fmt: skip
    yield Panel(
        "dead_letters", "Dead letters", "count",
        _top(_happened(_named(read.amounts("advet_dead_letters_total", "reason")))),
        "Ads that got no verdict, by reason.", bars=True, absent="No dead letter in this time.",
    )  # fmt: skip


def _memory(read: Reader) -> Iterable[Panel]:
    resident = read.highest("process_resident_memory_bytes", "instance")
    flight = total(read.highest("advet_in_flight_bytes", "instance").values())
    series = {f"process {instance}": values for (instance,), values in resident.items()} | {"ads in flight": flight}
    yield Panel(
        "memory_bytes", "Memory of the consumers", "bytes", _known(_top(series)),
        "Resident bytes of each process (without its decoders and OCR), and bytes held by ads in flight.",
    )  # fmt: skip
    kinds = {
        words: total(
            (read.lowest if kind == "free" else read.highest)("advet_gpu_memory_bytes", "instance", kind=kind).values()
        )
        for kind, words in CARD.items()
    }
    kinds["may be taken (lowest)"] = total(read.lowest("advet_gpu_budget_bytes", "instance").values())
    some = any(kinds["total"])
    yield Panel(
        "card_bytes", "Memory of the cards", "bytes", _known(kinds) if some else {},
        "CUDA memory by holder, over all consumers with a card.", absent="No consumer with a card in this time.",
    )  # fmt: skip


def _troubles(read: Reader) -> Iterable[Panel]:
    by_reason = _table_sum(read.highest("advet_partition_paused", *PARTITION, "reason"), place=3)
    if not by_reason:
        by_reason = {"partitions": total(read.highest("advet_paused_partitions", "instance").values())}
    yield Panel(
        "paused", "Paused partitions", "count", _happened(by_reason),
        "Partitions that were not read, by reason; the highest number within each step.",
        absent="No partition was paused." if _known(by_reason) else NO_DATA,
    )  # fmt: skip
    events = {
        "rebalances": total(read.amounts("advet_rebalances_total").values()),
        "rejoins": total(read.amounts("advet_rejoins_total").values()),
    }
    lost = read.amounts("advet_worker_crashes_total", "pool")
    crashes = {f"{pool}{LOST}": values for (pool,), values in lost.items()}
    ooms = {OOMS: total(read.amounts("advet_gpu_ooms_total").values())}
    yield Panel(
        "events", "Rebalances and crashes", "count", _happened(events | crashes | ooms),
        "How often the group moved partitions, and what was lost and started anew.", bars=True,
        absent="Nothing of it happened in this time.",
    )  # fmt: skip
    stall = read.highest("advet_event_loop_stall_seconds", "instance")
    yield Panel(
        "stall_seconds", "Longest stall of the event loop", "seconds", _known(_top(_named(stall))),
        "While it stalls, a consumer reads, publishes and answers nothing.",
    )  # fmt: skip


def _named(table: Table) -> dict[str, Sequence[Value]]:
    return {" ".join(filter(None, key)) or "all": values for key, values in sorted(table.items())}


def _happened(series: Mapping[str, Sequence[Value]]) -> dict[str, Sequence[Value]]:
    return {name: values for name, values in series.items() if any(values)}


def _known(series: Mapping[str, Sequence[Value]]) -> dict[str, Sequence[Value]]:
    return {name: values for name, values in series.items() if any(value is not None for value in values)}


def _in_order(series: Mapping[str, Sequence[Value]]) -> dict[str, Sequence[Value]]:
    """Stages in the order in which an ad meets them."""
    order = {stage: number for number, stage in enumerate(STAGES)}
    return dict(sorted(series.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _table_sum(table: Table, place: int) -> dict[str, Sequence[Value]]:
    """One series for each value of one label."""
    return _named(merged(((key[place],), values) for key, values in table.items()))


def _top(series: Mapping[str, Sequence[Value]]) -> dict[str, Sequence[Value]]:
    """The largest by themselves, the rest as one."""
    if len(series) <= MOST_SERIES:
        return dict(series)
    ranked = sorted(series.items(), key=lambda item: -sum(filter(None, item[1])))
    kept = dict(ranked[: MOST_SERIES - 1])
    return kept | {f"{len(series) - len(kept)} others": total(values for _, values in ranked[MOST_SERIES - 1 :])}

"""A report in words: what stands on top of the page, and on stdout. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from consumer.report.panels import LOST, OOMS, Picture
from consumer.report.series import Value

STALL_SECONDS = 0.1
"""Longer ones are marked."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure. `look` marks what somebody should look at."""

    title: str
    figure: str
    detail: str = ""
    look: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A sentence, the figures, and where they come from."""

    sentence: str
    facts: Sequence[Fact]
    notes: Sequence[str]


def summarise(picture: Picture, zone: tzinfo) -> Summary:
    """In times of `zone`."""
    facts = [fact for make in (_age, _lag) if (fact := make(picture, zone)) is not None]
    facts += [_verdicts(picture), _letters(picture), *_times(picture), *_troubles(picture, zone)]
    return Summary(_sentence(picture), facts, _notes(picture, zone))


def seconds(value: float) -> str:
    """As a person would say it."""
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    minutes, hours, days = value / 60, value / 3600, value / 86_400
    return f"{minutes:.0f} min" if minutes < 120 else f"{hours:.3g} h" if hours < 72 else f"{days:.3g} d"


def size(value: float) -> str:
    """Bytes, in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} GiB"


def count(value: float) -> str:
    """A whole number."""
    return f"{round(value):,}"


def _sentence(picture: Picture) -> str:
    parts = []
    age = picture.ends.get("age_seconds")
    if age is not None:
        parts.append(f"oldest unfinished ad {seconds(age)}" if age else "no unfinished ad")
    span = seconds(picture.known_seconds)
    if picture.consumers:
        parts.append(f"{count(_sum(picture, 'dead_letters'))} dead letters in {span}")
    p99 = picture.p99_seconds.get("all")
    if p99 is not None:
        parts.append(f"p99 {seconds(p99)} from hand-in to outcome")
    elif (judged := _sum(picture, "verdicts")) or picture.consumers:
        parts.append(f"{count(judged)} verdicts")
    sentence = ", ".join(parts) or f"nothing but samples of the lag in {span}"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _age(picture: Picture, zone: tzinfo) -> Fact | None:
    age = picture.ends.get("age_seconds")
    if age is None:
        return None
    return Fact("Oldest unfinished ad", seconds(age), f"at most {_peak(picture, 'age_seconds', seconds, zone)}")


def _lag(picture: Picture, zone: tzinfo) -> Fact | None:
    lag = picture.ends.get("lag_records")
    if lag is None:
        return None
    only = "really remaining"
    return Fact("Ads still to judge", count(lag), f"at most {_peak(picture, 'lag_records', count, zone, only)}")


def _verdicts(picture: Picture) -> Fact:
    decisions = {name: sum(filter(None, values)) for name, values in picture["verdicts"].series.items()}
    mix = " · ".join(f"{count(number)} {name}" for name, number in sorted(decisions.items(), key=lambda item: -item[1]))
    return Fact("Verdicts", _figure(picture, sum(decisions.values())), mix)


def _letters(picture: Picture) -> Fact:
    reasons = {name: sum(filter(None, values)) for name, values in picture["dead_letters"].series.items()}
    ranked = sorted(reasons.items(), key=lambda item: -item[1])
    mix = " · ".join(f"{count(number)} {name}" for name, number in ranked[:3])
    more = f" · {len(ranked) - 3} more reasons" if len(ranked) > 3 else ""
    return Fact("Dead letters", _figure(picture, sum(reasons.values())), mix + more, look=bool(reasons))


def _times(picture: Picture) -> list[Fact]:
    facts = []
    if "all" in picture.p99_seconds:
        whole = picture.p99_seconds["all"]
        facts.append(Fact("Hand-in to outcome, p99", seconds(whole), f"median {seconds(picture.p50_seconds['all'])}"))
    stages = {name: value for name, value in picture.p99_seconds.items() if name != "all"}
    if stages:
        slowest = max(stages, key=lambda name: stages[name])
        detail = f"{slowest}, median {seconds(picture.p50_seconds[slowest])}"
        facts.append(Fact("Slowest stage, p99", seconds(stages[slowest]), detail))
    return facts


def _troubles(picture: Picture, zone: tzinfo) -> list[Fact]:
    events = {name: sum(filter(None, values)) for name, values in picture["events"].series.items()}
    moved = sum(number for name, number in events.items() if name in ("rebalances", "rejoins"))
    lost = {name.removesuffix(LOST): number for name, number in events.items() if name.endswith(LOST)}
    ooms = events.get(OOMS, 0)
    facts = [
        Fact(
            "Workers lost", _figure(picture, sum(lost.values())),
            " · ".join(f"{count(number)} {pool}" for pool, number in lost.items()) or "no crash, no time limit",
            look=bool(lost),
        ),
        Fact("Rebalances", _figure(picture, moved), "partitions given to a consumer, or a group joined anew"),
    ]  # fmt: skip
    if ooms or picture["card_bytes"].series:
        facts.append(Fact("Out of memory on the card", count(ooms), "launches that were cut down", look=bool(ooms)))
    if picture.consumers:
        facts.append(_paused(picture))
    if picture["stall_seconds"].series:
        longest = _most(picture["stall_seconds"].series.values())
        peak = _peak(picture, "stall_seconds", seconds, zone)
        facts.append(Fact("Longest stall of the loop", seconds(longest), peak, look=longest > STALL_SECONDS))
    memory = {name: values for name, values in picture["memory_bytes"].series.items() if name.startswith("process ")}
    if memory:
        facts.append(Fact("Memory of a consumer", size(_most(memory.values())), "resident, highest of all"))
    card = picture["card_bytes"].series.get("free (lowest)")
    if card is not None:
        facts.append(Fact("Card, lowest free", size(min(value for value in card if value is not None)), "all cards"))
    return facts


def _paused(picture: Picture) -> Fact:
    series = picture["paused"].series
    steps = [any(values[number] for values in series.values()) for number in range(picture.window.steps)]
    known = sum(picture.origin.covered) or 1
    reasons = ", ".join(name for name, values in series.items() if any(values))
    return Fact("Time with a paused partition", f"{sum(steps) / known * 100:.0f} %", reasons or "none was")


def _notes(picture: Picture, zone: tzinfo) -> list[str]:
    covered = picture.origin.covered
    notes = list(picture.origin.notes)
    moments = picture.window.moments(zone)
    first = covered.index(True)
    last = len(covered) - 1 - covered[::-1].index(True)
    step_seconds = picture.window.step_seconds
    if (len(covered) - 1 - last) * step_seconds >= 60:
        notes.append(
            f"Nothing is known after {_clock(picture, moments[last].timestamp(), zone)}: no process was there."
        )
    gap_seconds = covered[first : last + 1].count(False) * step_seconds
    if gap_seconds >= 60:
        notes.append(f"In between, {seconds(gap_seconds)} without any process: gaps in the pictures.")
    if not picture.consumers:
        notes.append("No consumer was there, only what reports the lag.")
    if picture.missing:
        notes.append(f"Without data: {'; '.join(picture.missing)}.")
    return notes


def _figure(picture: Picture, number: float) -> str:
    return count(number) if picture.consumers else "not known"


def _sum(picture: Picture, panel: str) -> float:
    return sum(sum(filter(None, values)) for values in picture[panel].series.values())


def _most(all_values: Iterable[Sequence[Value]]) -> float:
    return max(value for values in all_values for value in values if value is not None)


def _peak(picture: Picture, panel: str, words: Callable[[float], str], zone: tzinfo, only: str | None = None) -> str:
    """The highest value, and when it was."""
    series = picture[panel].series
    found = [
        (value, -number)
        for name, values in series.items()
        if only in (None, name)
        for number, value in enumerate(values)
        if value is not None
    ]
    value, number = max(found)
    return f"{words(value)}, at {_clock(picture, picture.window.moments(zone)[-number].timestamp(), zone)}"


def _clock(picture: Picture, moment_seconds: float, zone: tzinfo) -> str:
    """With the day when the window has more than one."""
    form = "%H:%M:%S" if picture.window.seconds <= 43_200 else "%m-%d %H:%M"
    return datetime.fromtimestamp(moment_seconds, zone).strftime(form)

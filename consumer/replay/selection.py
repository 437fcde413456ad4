"""Which letters: every option of `advet dlq` that filters. Pure; a run's own record keeps it as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from consumer.replay.letters import Letter
from schemas import Reason, Stage
from schemas.cloudevents import rfc3339


@dataclass(frozen=True, slots=True)
class Selection:
    """Several values of one option: any of them; several options: all of them. Empty: every letter."""

    reasons: tuple[Reason, ...] = ()
    stages: tuple[Stage, ...] = ()
    topics: tuple[str, ...] = ()
    """Topics of dead letters to look at; empty: both."""
    partitions: tuple[int, ...] = ()
    since: datetime | None = None
    """Time at which the letter was written, first moment that counts."""
    until: datetime | None = None
    keys: tuple[str, ...] = ()
    advertisers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    replay_counts: tuple[int, ...] = ()

    def matches(self, letter: Letter) -> bool:
        """Whether the letter is wanted; reads its value only when an advertiser is asked for."""
        facts, record = letter.facts, letter.record
        return (
            _any(facts.reason, self.reasons)
            and _any(facts.stage, self.stages)
            and _any(record.partition.topic, self.topics)
            and _any(record.partition.number, self.partitions)
            and self._in_time(record.timestamp_ms)
            and _any(letter.key, self.keys)
            and _any(facts.engine, self.models)
            and _any(facts.replay_count, self.replay_counts)
            and (not self.advertisers or letter.ad.advertiser in self.advertisers)
        )

    def _in_time(self, timestamp_ms: int) -> bool:
        moment = timestamp_ms / 1000
        if self.since is not None and moment < self.since.timestamp():
            return False
        return self.until is None or moment < self.until.timestamp()

    def as_text(self) -> dict[str, tuple[str, ...]]:
        """Option → values, without options that were not given; `from_text` reads it."""
        values: dict[str, tuple[str, ...]] = {
            "cause": self.reasons,
            "stage": self.stages,
            "topic": self.topics,
            "partition": tuple(map(str, self.partitions)),
            "since": (rfc3339(self.since),) if self.since else (),
            "until": (rfc3339(self.until),) if self.until else (),
            "key": self.keys,
            "advertiser": self.advertisers,
            "model": self.models,
            "replay-count": tuple(map(str, self.replay_counts)),
        }
        return {name: tuple(map(str, given)) for name, given in values.items() if given}

    @classmethod
    def from_text(cls, text: Mapping[str, tuple[str, ...]]) -> Self:
        """The selection of a run's record; raises ValueError when another version wrote what this one cannot read."""
        unknown = set(text) - set(_OPTIONS)
        if unknown:
            raise ValueError(f"it selects by {', '.join(sorted(unknown))}, which this version does not know")
        return cls(
            reasons=tuple(Reason(value) for value in text.get("cause", ())),
            stages=tuple(Stage(value) for value in text.get("stage", ())),
            topics=text.get("topic", ()),
            partitions=tuple(int(value) for value in text.get("partition", ())),
            since=_moment(text.get("since", ())),
            until=_moment(text.get("until", ())),
            keys=text.get("key", ()),
            advertisers=text.get("advertiser", ()),
            models=text.get("model", ()),
            replay_counts=tuple(int(value) for value in text.get("replay-count", ())),
        )


_OPTIONS = ("cause", "stage", "topic", "partition", "since", "until", "key", "advertiser", "model", "replay-count")


def _any(value: object, wanted: tuple[object, ...]) -> bool:
    return not wanted or value in wanted


def _moment(values: tuple[str, ...]) -> datetime | None:
    return datetime.fromisoformat(values[0]).astimezone(UTC) if values else None

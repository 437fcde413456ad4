"""A dead letter as an operator sees it: the record, the facts of its failure, and whose ad it was. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from consumer.messages import RawRecord
from schemas import DeadLetter, RecordOrigin
from schemas.cloudevents import EventInvalid, read_event
from schemas.foreign_letters import LetterUnreadable
from schemas.headers import read_dead_letter


@dataclass(frozen=True, slots=True)
class Ad:
    """What of a submission can be read without insisting that it is valid; None: not there."""

    submission_id: str | None = None
    revision: int | None = None
    advertiser: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of a topic of dead letters."""

    record: RawRecord
    facts: DeadLetter

    @property
    def origin(self) -> RecordOrigin:
        """Where the letter itself lies; `facts.origin` is the record that failed."""
        return self.record.origin

    @property
    def key(self) -> str:
        """The original's key, for people."""
        return (self.record.key or b"").decode("utf-8", "replace")

    @property
    def claimed(self) -> bool:
        """Whether its value lies in object storage."""
        return self.facts.claim is not None

    @property
    def ad(self) -> Ad:
        """Whose ad; reads the value each time."""
        return read_ad(self.record)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of such a topic that is no dead letter; `why` is for people."""

    record: RawRecord
    why: str


def read_letters(records: Iterable[RawRecord]) -> Iterator[Letter | Unreadable]:
    """Each record as a letter."""
    for record in records:
        try:
            yield Letter(record, read_dead_letter(record.headers))
        except LetterUnreadable as error:
            yield Unreadable(record, str(error))


def read_ad(record: RawRecord) -> Ad:
    """The submission's id, revision and advertiser; the key stands in for an id that cannot be read."""
    content = _json(record)
    advertiser = content.get("advertiser")
    identity, revision = content.get("submission_id"), content.get("revision")
    who = advertiser.get("id") if isinstance(advertiser, dict) else None
    by_key = record.key.decode("utf-8", "replace") if record.key else None
    return Ad(
        identity if isinstance(identity, str) else by_key,
        revision if isinstance(revision, int) and not isinstance(revision, bool) and revision >= 0 else None,
        who if isinstance(who, str) else None,
    )


def _json(record: RawRecord) -> dict[str, Any]:
    try:
        content = json.loads(read_event(record.value or b"", record.headers).data)
    except (EventInvalid, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}

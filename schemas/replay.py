"""The audit log of replays, topic `ad-replays`: what became of each letter, and each run's own record.

One partition, compacted. The key of a letter's record is `topic-partition-offset` of the letter; that of a run is
`run/<id>`. A letter that has a record was replayed: it is never replayed again, by whatever run.
"""

import re
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from schemas.dead_letter import Fact, Message, Reason
from schemas.submission import Identifier, Sha256, WireModel
from schemas.verdict import OpenEnum, RecordOrigin

RUN_KEY_PREFIX = "run/"
REPLAY_OF, ORIGINAL_TIMESTAMP, TRACE_LINK = "advet-replay-of", "advet-original-timestamp", "advet-trace-link"
REPLAYED_MODEL, REPLAYED_POLICY = "advet-replayed-model", "advet-replayed-policy"
"""Headers of a record that was handed in again, beside `advet-replay-count` and `advet-run-id`."""
SCOPE_MAX = 10_000

RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_LETTER_KEY = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249})-(?P<partition>\d{1,10})-(?P<offset>\d{1,19})")


class ReplayResult(OpenEnum):
    """What happened to a letter."""

    RESUBMITTED = "resubmitted"
    QUARANTINED = "quarantined"
    JUDGED = "judged"
    UNKNOWN = "unknown"


class LetterReplay(WireModel):
    """One letter that was taken off the dead letters, and the proof that it went as it was."""

    letter: RecordOrigin
    run_id: RunId
    result: ReplayResult
    target: str = Field(description="Topic it went to.", min_length=1, max_length=249)
    origin: RecordOrigin = Field(description="The record that had failed.")
    reason: Reason
    replay_count: int = Field(ge=0, description="How often the ad has been replayed, this time included.")
    value_bytes: int = Field(ge=0)
    value_sha256: Sha256 = Field(description="Of the bytes that were sent, which are the original's.")
    who: Fact
    why: Message
    replayed_at: AwareDatetime


class RunStatus(OpenEnum):
    """Where a run stands."""

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FENCED = "fenced"
    UNKNOWN = "unknown"


class Stretch(WireModel):
    """Offsets `begin` ≤ offset < `end` of one partition of dead letters."""

    topic: str = Field(min_length=1, max_length=249)
    partition: int = Field(ge=0)
    begin: int = Field(ge=0)
    end: int = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.begin > self.end:
            raise ValueError("begin lies behind end")
        return self


class ReplayRun(WireModel):
    """A run's own record; written anew with every batch, in the same transaction."""

    run_id: RunId
    status: RunStatus
    who: Fact
    why: Message
    group: Identifier = Field(description="Consumer group that holds the reading position.")
    selection: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Which letters: option → values.")
    scope: tuple[Stretch, ...] = Field(default=(), max_length=SCOPE_MAX)
    force: bool = False
    fits: bool = False
    max_letters: int | None = Field(default=None, ge=1)
    resubmitted: int = Field(default=0, ge=0)
    quarantined: int = Field(default=0, ge=0)
    refused: dict[str, int] = Field(default_factory=dict, description="Cause → letters left where they are.")
    value_bytes: int = Field(default=0, ge=0, description="Of all values that were sent.")
    started_at: AwareDatetime
    updated_at: AwareDatetime
    note: Message = ""


def letter_key(letter: RecordOrigin) -> bytes:
    """Key of a letter's record."""
    return f"{letter.topic}-{letter.partition}-{letter.offset}".encode()


def run_key(run_id: str) -> bytes:
    """Key of a run's own record."""
    return f"{RUN_KEY_PREFIX}{run_id}".encode()


def read_letter_key(key: bytes) -> RecordOrigin | None:
    """The letter that a key names; None for anything else."""
    match = _LETTER_KEY.fullmatch(key.decode("utf-8", "replace"))
    if match is None:
        return None
    return RecordOrigin(topic=match["topic"], partition=int(match["partition"]), offset=int(match["offset"]))

"""Whether a letter may be handed in again, and why not. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from consumer.messages import RawRecord
from consumer.replay.capacity import Devices
from consumer.replay.index import Judged, fingerprint
from consumer.replay.letters import Ad, Letter
from consumer.replay.records import resubmission
from consumer.settings import TopicSettings
from schemas.replay import REPLAYED_MODEL, REPLAYED_POLICY

REPLAYS_MAX = 2
RUN_ID_CHARS = 24
ROOM_BYTES = 256
"""What a record batch adds to a record's key, value and headers, with room to spare."""


class Refusal(StrEnum):
    """Why a letter stays where it is; `QUARANTINE` moves it to the quarantine."""

    ALREADY_REPLAYED = "already_replayed"
    QUARANTINE = "too_many_replays"
    JUDGED = "judged"
    SAME_JUDGE = "same_judge"
    NO_VALUE = "no_value"
    TOO_LARGE = "too_large"
    CLAIM_LOST = "claim_lost"
    DOES_NOT_FIT = "does_not_fit"
    UNREADABLE = "unreadable"


WORDS = {
    Refusal.ALREADY_REPLAYED: "a run has taken this letter before",
    Refusal.QUARANTINE: f"replayed {REPLAYS_MAX} times already: goes to the quarantine",
    Refusal.JUDGED: "this revision or a newer one has its verdict",
    Refusal.SAME_JUDGE: "failed again on the same model and policy; --force sends it all the same",
    Refusal.NO_VALUE: "there is nothing to send: the record has no value",
    Refusal.TOO_LARGE: "with the headers of a replay it is larger than kafka.max_record_bytes",
    Refusal.CLAIM_LOST: "its value is no longer in object storage, or is not what it was",
    Refusal.DOES_NOT_FIT: "needs more memory than any running consumer has free",
    Refusal.UNREADABLE: "its headers are not those of a dead letter",
}


@dataclass(frozen=True, slots=True)
class Guards:
    """Everything that is known before a letter is looked at. `devices` None: prices do not matter (no --fits)."""

    replayed: Callable[[RawRecord], bool]
    largest_bytes: int
    """Of a record of the input topic."""
    force: bool = False
    devices: Devices | None = None

    def refuse(self, letter: Letter) -> Refusal | None:
        """The first guard that stops the letter, all but `judged`; None: it may go."""
        facts = letter.facts
        if self.replayed(letter.record):
            return Refusal.ALREADY_REPLAYED
        if facts.replay_count >= REPLAYS_MAX:
            return Refusal.QUARANTINE
        if letter.record.value is None and not letter.claimed:
            return Refusal.NO_VALUE
        if self.too_large(letter, letter.record.value or b""):
            return Refusal.TOO_LARGE
        if not self.force and same_judge(letter):
            return Refusal.SAME_JUDGE
        if self.devices is not None and not self.devices.fits(facts.oom):
            return Refusal.DOES_NOT_FIT
        return None

    def too_large(self, letter: Letter, value: bytes) -> bool:
        """Whether the input topic would refuse what a replay makes of the letter."""
        if letter.record.size_bytes + len(value) + ROOM_BYTES <= self.largest_bytes:
            return False
        sent = resubmission(letter, value, "0" * RUN_ID_CHARS, TopicSettings())
        return sent.size_bytes + ROOM_BYTES > self.largest_bytes


def judged(ad: Ad, verdicts: Judged) -> bool:
    """Whether the ad needs no replay any more; an ad whose id or revision cannot be read does."""
    if ad.submission_id is None or ad.revision is None:
        return False
    return verdicts.covers(fingerprint(ad.submission_id), ad.revision)


def same_judge(letter: Letter) -> bool:
    """Whether the ad failed before the last replay on the same model and policy as after it."""
    headers = dict(letter.record.headers)
    before = tuple((headers.get(name) or b"").decode("utf-8", "replace") for name in (REPLAYED_MODEL, REPLAYED_POLICY))
    return (
        letter.facts.replay_count > 0 and all(before) and before == (letter.facts.engine, letter.facts.policy_version)
    )

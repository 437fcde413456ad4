"""`input = "oom_dead_letters"`: a consumer on a bigger GPU takes what a smaller one's memory refused.

It reads the letters as they are, in a group of its own. Verdicts link back to the record that had failed; what fails
here as well goes to the quarantine, never back to the input; and the audit log of replays learns of both, in the
same transaction.
"""

import hashlib
from datetime import UTC, datetime

from consumer.kafka.items import Work
from consumer.messages import RawRecord, Terminal
from consumer.settings import Settings
from schemas import DeadLetter
from schemas.codec import encode
from schemas.foreign_letters import LetterUnreadable
from schemas.headers import read_dead_letter
from schemas.replay import LetterReplay, ReplayResult, letter_key


def as_read(settings: Settings) -> Settings:
    """The settings of a consumer, with the topics that it really reads and writes."""
    if settings.input == "submissions":
        return settings
    topics = settings.topics
    roles = {
        "submissions": topics.oom_dead_letters,
        "oom_dead_letters": topics.quarantine,
        "dead_letters": topics.quarantine,
    }
    return settings.model_copy(update={"topics": topics.model_copy(update=roles)})


class SecondChance:
    """`Work` that adds the audit to what another `Work` makes of a letter."""

    def __init__(self, work: Work, settings: Settings) -> None:
        self._work = work
        self._settings = settings
        self.open = work.open
        self.prefer = work.prefer
        self.committed = work.committed
        self.close = work.close
        self.pauses = work.pauses
        self.room = work.room

    async def process(self, record: RawRecord) -> Terminal | None:
        """The outcome with its audit."""
        terminal = await self._work.process(record)
        return None if terminal is None else self._audited(record, terminal)

    async def crashed(self, record: RawRecord, crashes: int) -> Terminal:
        """The letter for the quarantine, with its audit."""
        return self._audited(record, await self._work.crashed(record, crashes))

    async def skipped(self, record: RawRecord, reason: str) -> Terminal:
        """The letter for the quarantine, with its audit."""
        return self._audited(record, await self._work.skipped(record, reason))

    def _audited(self, record: RawRecord, terminal: Terminal) -> Terminal:
        try:
            letter = read_dead_letter(record.headers)
        except LetterUnreadable:
            return terminal  # a plain submission in this topic: nothing was replayed
        audit = Terminal(
            self._settings.topics.replays, letter_key(record.origin), encode(self._entry(record, letter, terminal)), ()
        )
        return Terminal(terminal.topic, terminal.key, terminal.value, terminal.headers, (audit,))

    def _entry(self, record: RawRecord, letter: DeadLetter, terminal: Terminal) -> LetterReplay:
        judged = terminal.topic == self._settings.topics.verdicts
        value = record.value or b""
        return LetterReplay(
            letter=record.origin,
            run_id="consumer",
            result=ReplayResult.JUDGED if judged else ReplayResult.QUARANTINED,
            target=terminal.topic,
            origin=letter.origin,
            reason=letter.reason,
            replay_count=letter.replay_count + 1,
            value_bytes=len(value),
            value_sha256=hashlib.sha256(value).hexdigest(),
            who=self._settings.kafka.group,
            why=f"read from {record.partition.topic}",
            replayed_at=datetime.now(UTC),
        )

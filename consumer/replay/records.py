"""The records that a replay writes: the ad as it was, the letter in quarantine, the audit. Pure.

The resubmitted record has the original's key, value and headers. What is added says where it comes from:

    advet-replay-count          how often, this time included
    advet-run-id                by which run
    advet-replay-of             topic-partition-offset of the record that failed
    advet-original-timestamp    Kafka timestamp of that record; the new one is fresh, or the age alert would fire
    advet-trace-link            traceparent of the failure
    advet-replayed-model        who had failed on it, for the guard against loops
    advet-replayed-policy       and under which policy
"""

import hashlib
from datetime import UTC, datetime

from consumer.messages import Headers, Terminal
from consumer.replay.letters import Letter
from consumer.settings import TopicSettings
from schemas.cloudevents import rfc3339
from schemas.codec import encode
from schemas.headers import FACTS, REPLAY_COUNT, RUN_ID
from schemas.replay import (
    ORIGINAL_TIMESTAMP,
    REPLAY_OF,
    REPLAYED_MODEL,
    REPLAYED_POLICY,
    TRACE_LINK,
    LetterReplay,
    ReplayResult,
    ReplayRun,
    letter_key,
    run_key,
)

_REPLACED = FACTS | {REPLAY_OF, TRACE_LINK, REPLAYED_MODEL, REPLAYED_POLICY}
"""Header names of an earlier failure or replay; the first replay's original timestamp stays."""


def resubmission(letter: Letter, value: bytes, run_id: str, topics: TopicSettings) -> Terminal:
    """The record for the input topic. `value` is the letter's own, or what its claim kept."""
    kept: Headers = tuple((name, content) for name, content in letter.record.headers if name not in _REPLACED)
    facts, failed = letter.facts, letter.facts.origin
    recorded = facts.recorded_at or letter.record.recorded_at  # an older letter says only when it was written itself
    added = {
        REPLAY_COUNT: str(facts.replay_count + 1),
        RUN_ID: run_id,
        REPLAY_OF: letter_key(failed).decode(),
        ORIGINAL_TIMESTAMP: rfc3339(recorded) if recorded is not None else None,
        TRACE_LINK: facts.traceparent,
        REPLAYED_MODEL: facts.engine,
        REPLAYED_POLICY: facts.policy_version,
    }
    if any(name == ORIGINAL_TIMESTAMP for name, _ in kept):
        del added[ORIGINAL_TIMESTAMP]
    headers = kept + tuple((name, text.encode()) for name, text in added.items() if text is not None)
    return Terminal(topics.submissions, letter.record.key, value, headers)


def quarantined(letter: Letter, topics: TopicSettings) -> Terminal:
    """The letter as it is, for the quarantine."""
    return Terminal(topics.quarantine, letter.record.key, letter.record.value, letter.record.headers)


def audit(letter: Letter, sent: Terminal, run: ReplayRun, topics: TopicSettings) -> Terminal:
    """The record that proves what became of a letter; `sent` travels in the same transaction."""
    value = sent.value or b""
    again = sent.topic == topics.submissions
    entry = LetterReplay(
        letter=letter.origin,
        run_id=run.run_id,
        result=ReplayResult.RESUBMITTED if again else ReplayResult.QUARANTINED,
        target=sent.topic,
        origin=letter.facts.origin,
        reason=letter.facts.reason,
        replay_count=letter.facts.replay_count + again,
        value_bytes=len(value),
        value_sha256=hashlib.sha256(value).hexdigest(),
        who=run.who,
        why=run.why,
        replayed_at=datetime.now(UTC),
    )
    return Terminal(topics.replays, letter_key(letter.origin), encode(entry), ())


def run_record(run: ReplayRun, topics: TopicSettings) -> Terminal:
    """The run's own record."""
    return Terminal(topics.replays, run_key(run.run_id), encode(run), ())

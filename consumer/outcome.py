"""The terminal record of a submission: a verdict, or a dead letter with the original bytes. Pure."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from consumer.decision import Decided
from consumer.engine import Findings, Prepared
from consumer.errors import PermanentError
from consumer.messages import Headers, Incoming, Picture, RawRecord, Terminal
from consumer.settings import TopicSettings
from schemas import OOM_REASONS, AdVerdict, DeadLetter, EngineFingerprint, JudgedAsset, RecordOrigin, Timing
from schemas.codec import encode
from schemas.foreign_letters import LetterUnreadable
from schemas.headers import REASON, dead_letter_headers, read_dead_letter, verdict_headers
from schemas.replay import REPLAY_OF, read_letter_key
from schemas.tracing import valid_traceparent

_IDENTITY = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Judge:
    """Who judges, and under what rules; part of the verdict's identity."""

    engine: EngineFingerprint
    policy_version: str
    unchecked: str

    @functools.cached_property
    def as_json(self) -> tuple[str, str, str]:
        """Its parts; the same for every verdict of a process, and dearer than the rest of an id."""
        return _json(self.engine.model_dump(mode="json")), _json(self.policy_version), _json(self.unchecked)


@dataclass(slots=True)
class Trial:
    """What has happened to one record so far, over all its attempts."""

    record: RawRecord
    attempts: int = 1
    first_failed_at: datetime | None = None
    creatives: dict[str, str] = field(default_factory=dict)
    """asset_id → sha256 of the bytes seen."""

    def failed(self) -> None:
        """Notes the time of the first failure."""
        if self.first_failed_at is None:
            self.first_failed_at = datetime.now(UTC)


def make_verdict(
    incoming: Incoming, prepared: Prepared, findings: Findings, decided: Decided, judge: Judge, timing: Timing
) -> AdVerdict:
    """The verdict of a judged submission."""
    return AdVerdict(
        verdict_id=verdict_id(incoming, prepared, findings.visual_tokens, judge),
        submission_id=incoming.submission.submission_id,
        revision=incoming.submission.revision,
        decision=decided.decision,
        violations=findings.violations,
        missing_statements=findings.missing,
        assets=tuple([_judged(picture, findings) for picture in prepared.pictures]),
        degraded=decided.degraded,
        policy_version=judge.policy_version,
        engine=judge.engine,
        timing=timing,
        gpu=findings.gpu,
        origin=incoming.record.origin,
        replay_of=_replay_of(incoming.record.headers),
        judged_at=datetime.now(UTC),
    )


def _judged(picture: Picture, findings: Findings) -> JudgedAsset:
    return JudgedAsset(
        asset_id=picture.asset_id,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
        visual_tokens=findings.visual_tokens.get(picture.asset_id, 0),
        downscaled=picture.asset_id in findings.downscaled,
    )


def verdict_id(incoming: Incoming, prepared: Prepared, visual_tokens: Mapping[str, int], judge: Judge) -> str:
    """Hash of everything that decides the judgement: the same judgement has the same id."""
    engine, policy, unchecked = judge.as_json
    creatives, tokens = "[]", "{}"
    if prepared.pictures:
        creatives = _json([[picture.asset_id, picture.sha256] for picture in prepared.pictures])
    if visual_tokens:
        tokens = _json(dict(visual_tokens))
    identity = (
        f'{{"creatives":{creatives},"engine":{engine},"event":"{incoming.event_sha256}","policy":{policy},'
        f'"unchecked":{unchecked},"visual_tokens":{tokens}}}'
    )
    return hashlib.sha256(identity.encode()).hexdigest()


def _json(content: object) -> str:
    """Keys in order, no spaces."""
    return _IDENTITY.encode(content)


def verdict_record(verdict: AdVerdict, incoming: Incoming, topics: TopicSettings) -> Terminal:
    """The record on the verdicts topic."""
    return Terminal(
        topics.verdicts,
        verdict.submission_id.encode(),
        encode(verdict),
        verdict_headers(verdict, incoming.submission.category, incoming.traceparent),
    )


def dead_letter(trial: Trial, error: PermanentError, judge: Judge | None, group: str) -> DeadLetter:
    """The facts of a failure; `judge` None: no engine was involved."""
    headers = {name: value for name, value in trial.record.headers if value is not None}
    cause = error.__cause__ or error
    return DeadLetter(
        reason=error.reason,
        stage=error.stage,
        message=error.message,
        error_class=type(cause).__name__,
        origin=trial.record.origin,
        group=group,
        attempts=trial.attempts,
        first_failed_at=trial.first_failed_at,
        recorded_at=trial.record.recorded_at,
        engine=judge.engine.model if judge else None,
        policy_version=judge.policy_version if judge else None,
        replay_count=_count(headers.get("advet-replay-count")),
        run_id=_text(headers.get("advet-run-id")),
        traceparent=valid_traceparent(_text(headers.get("traceparent")) or ""),
        creatives=trial.creatives,
        oom=error.oom,
    )


def dead_letter_record(
    record: RawRecord, letter: DeadLetter, topics: TopicSettings, *, value: bytes | None = None
) -> Terminal:
    """The record on one of the dead-letter topics: key, value and headers of the original, then the facts.

    `value` stands in for the original's where that has been kept elsewhere.
    """
    topic = topics.oom_dead_letters if letter.reason in OOM_REASONS else topics.dead_letters
    content = record.value if value is None else value
    return Terminal(topic, record.key, content, dead_letter_headers(letter, record.headers))


def _replay_of(headers: Headers) -> RecordOrigin | None:
    """The record that this one replays: a replay says so, and so does a dead letter that is read as input."""
    named = None
    for name, value in headers:
        if name == REASON:
            try:
                return read_dead_letter(headers).origin
            except LetterUnreadable:
                return None
        if name == REPLAY_OF and value is not None:
            named = read_letter_key(value)
    return named


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if value else None


def _count(value: bytes | None) -> int:
    return int(value) if value and value.isdigit() and len(value) < 6 else 0

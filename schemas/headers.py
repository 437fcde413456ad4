"""Headers of the output records: facts of a dead letter, filters of a verdict. Pure.

A dead letter keeps the original's headers, untouched and in order; its facts follow in two families, the
standard `__dlq.errors.*` (KIP-1191) and `advet-*`. A letter that fails again after a replay replaces its old
facts, so headers stay bounded. How letters of other systems are read is in `foreign_letters`.
"""

import json
from collections.abc import Sequence

from pydantic import ValidationError

from schemas.cloudevents import SOURCE, VERDICT_TYPE, event_headers, rfc3339
from schemas.dead_letter import DeadLetter, Reason, Stage
from schemas.foreign_letters import LetterFields, LetterUnreadable, decimal, foreign_fields, text
from schemas.submission import Category
from schemas.verdict import AdVerdict

Headers = Sequence[tuple[str, bytes | None]]

DLQ = "__dlq.errors."
TOPIC, PARTITION, OFFSET = f"{DLQ}topic", f"{DLQ}partition", f"{DLQ}offset"
GROUP, DELIVERY_COUNT, MESSAGE = f"{DLQ}group", f"{DLQ}delivery.count", f"{DLQ}message"
REASON, STAGE, ERROR_CLASS = "advet-reason", "advet-stage", "advet-error-class"
FIRST_FAILED_AT, ATTEMPTS, MODEL = "advet-first-failed-at", "advet-attempts", "advet-model"
POLICY_VERSION, REPLAY_COUNT, RUN_ID = "advet-policy-version", "advet-replay-count", "advet-run-id"
TRACEPARENT, CREATIVES = "advet-traceparent", "advet-creatives"
OOM, CLAIM, RECORDED_AT = "advet-oom", "advet-claim", "advet-recorded-at"

FACTS = frozenset(
    {TOPIC, PARTITION, OFFSET, GROUP, DELIVERY_COUNT, MESSAGE, REASON, STAGE, ERROR_CLASS, FIRST_FAILED_AT}
    | {ATTEMPTS, MODEL, POLICY_VERSION, REPLAY_COUNT, RUN_ID, TRACEPARENT, CREATIVES, OOM, CLAIM, RECORDED_AT}
)
"""Every header name a dead letter of advet may add."""


def verdict_headers(
    verdict: AdVerdict, category: Category, traceparent: str | None = None
) -> tuple[tuple[str, bytes], ...]:
    """Headers of a verdict's record: CloudEvents binary mode, and `decision` and `category` to filter by."""
    envelope = event_headers(
        VERDICT_TYPE, SOURCE, verdict.verdict_id, verdict.judged_at, verdict.submission_id, traceparent
    )
    return (*envelope, ("decision", verdict.decision.encode()), ("category", category.encode()))


def dead_letter_headers(letter: DeadLetter, original: Headers) -> tuple[tuple[str, bytes | None], ...]:
    """The original's headers, untouched and in order, then the facts of `letter`; old facts are replaced."""
    kept = tuple((name, value) for name, value in original if name not in FACTS)
    return kept + tuple((name, fact.encode()) for name, fact in _facts(letter).items() if fact is not None)


def read_dead_letter(headers: Headers) -> DeadLetter:
    """The facts of a dead letter of advet, Spring, Connect, Streams or a share group (KIP-1191).

    Letters of others have the reason `unknown`. Raises LetterUnreadable when no family is complete.
    """
    latest = {name: value for name, value in headers if value is not None}
    fields = _own_fields(latest) if REASON in latest else foreign_fields(latest)
    try:
        return DeadLetter.model_validate(fields)
    except ValidationError as error:
        names = sorted({".".join(map(str, detail["loc"])) for detail in error.errors()})
        raise LetterUnreadable(f"the dead letter's headers do not give a valid {', '.join(names)}") from None


def _facts(letter: DeadLetter) -> dict[str, str | None]:
    failed_at = letter.first_failed_at
    return {
        TOPIC: letter.origin.topic,
        PARTITION: str(letter.origin.partition),
        OFFSET: str(letter.origin.offset),
        GROUP: letter.group,
        DELIVERY_COUNT: str(letter.attempts),
        MESSAGE: letter.message,
        REASON: letter.reason.value,
        STAGE: letter.stage.value,
        ERROR_CLASS: letter.error_class,
        FIRST_FAILED_AT: rfc3339(failed_at) if failed_at else None,
        RECORDED_AT: rfc3339(letter.recorded_at) if letter.recorded_at else None,
        ATTEMPTS: str(letter.attempts),
        MODEL: letter.engine,
        POLICY_VERSION: letter.policy_version,
        REPLAY_COUNT: str(letter.replay_count),
        RUN_ID: letter.run_id,
        TRACEPARENT: letter.traceparent,
        CREATIVES: _compact(letter.creatives) if letter.creatives else None,
        OOM: letter.oom.model_dump_json(exclude_none=True) if letter.oom else None,
        CLAIM: letter.claim.model_dump_json() if letter.claim else None,
    }


def _own_fields(latest: dict[str, bytes]) -> LetterFields:
    texts = {name: text(latest, name) for name in FACTS & latest.keys()}
    return {
        "reason": Reason(texts[REASON]),
        "stage": Stage(texts.get(STAGE, Stage.UNKNOWN)),
        "message": texts.get(MESSAGE, ""),
        "error_class": texts.get(ERROR_CLASS, ""),
        "origin": {
            "topic": texts.get(TOPIC),
            "partition": decimal(latest, PARTITION),
            "offset": decimal(latest, OFFSET),
        },
        "group": texts.get(GROUP, ""),
        "attempts": decimal(latest, ATTEMPTS),
        "first_failed_at": texts.get(FIRST_FAILED_AT),
        "recorded_at": texts.get(RECORDED_AT),
        "engine": texts.get(MODEL),
        "policy_version": texts.get(POLICY_VERSION),
        "replay_count": decimal(latest, REPLAY_COUNT) if REPLAY_COUNT in latest else 0,
        "run_id": texts.get(RUN_ID),
        "traceparent": texts.get(TRACEPARENT),
        "creatives": _parsed(texts, CREATIVES) or {},
        "oom": _parsed(texts, OOM),
        "claim": _parsed(texts, CLAIM),
    }


def _parsed(texts: dict[str, str], name: str) -> object:
    if name not in texts:
        return None
    try:
        parsed: object = json.loads(texts[name])
    except (ValueError, RecursionError) as error:
        raise LetterUnreadable(f"header {name} is not JSON") from error
    return parsed


def _compact(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

"""Dead letters: the original record untouched, the facts of its failure in headers."""

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

from schemas.submission import CREATIVES_MAX, Identifier, Sha256, WireModel
from schemas.verdict import OpenEnum, RecordOrigin

MESSAGE_CHARS_MAX = 1024
FACT_CHARS_MAX = 256

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _tidy(limit: int) -> BeforeValidator:
    """Cuts to `limit` characters, drops control and direction marks: a long name must not lose a letter."""

    def tidy(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = _UNPRINTABLE.sub(" ", value)
        return text if len(text) <= limit else text[: limit - 1] + "…"

    return BeforeValidator(tidy)


Message = Annotated[str, _tidy(MESSAGE_CHARS_MAX), Field(max_length=MESSAGE_CHARS_MAX)]
Fact = Annotated[str, _tidy(FACT_CHARS_MAX), Field(max_length=FACT_CHARS_MAX)]


class Reason(OpenEnum):
    """Why a submission got no verdict. Stable codes; the list is closed for writers."""

    SUBMISSION_INVALID = "submission_invalid"
    CREATIVE_MISSING = "creative_missing"
    CREATIVE_FORBIDDEN = "creative_forbidden"
    CREATIVE_CHANGED = "creative_changed"
    CREATIVE_TOO_LARGE = "creative_too_large"
    CREATIVE_UNSUPPORTED = "creative_unsupported"
    CREATIVE_UNDECODABLE = "creative_undecodable"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    OOM_NEVER_FITS = "oom_never_fits"
    OOM_EXHAUSTED = "oom_exhausted"
    MODEL_OUTPUT_INVALID = "model_output_invalid"
    INFERENCE_TIMEOUT = "inference_timeout"
    WORKER_CRASH = "worker_crash"
    INTERNAL_ERROR = "internal_error"
    SKIPPED_BY_OPERATOR = "skipped_by_operator"
    UNKNOWN = "unknown"


OOM_REASONS = frozenset({Reason.OOM_NEVER_FITS, Reason.OOM_EXHAUSTED})


class Stage(OpenEnum):
    """The step of the pipeline that gave up."""

    READ = "read"
    FETCH = "fetch"
    GATE = "gate"
    PRICE = "price"
    DECODE = "decode"
    OCR = "ocr"
    ADMIT = "admit"
    JUDGE = "judge"
    PUBLISH = "publish"
    UNKNOWN = "unknown"


class OomFacts(WireModel):
    """What GPU memory looked like when the ad was refused. All sizes in bytes."""

    predicted_bytes: int = Field(ge=0)
    requested_bytes: int | None = Field(default=None, ge=0)
    free_bytes: int = Field(ge=0)
    total_bytes: int = Field(ge=0)
    reserved_bytes: int = Field(ge=0)
    allocated_bytes: int = Field(ge=0)
    other_processes_bytes: int = Field(ge=0)
    visual_tokens: int = Field(ge=0)
    text_tokens: int = Field(ge=0)
    batch: int = Field(ge=0)
    device: Fact
    rung: Fact


class Claim(WireModel):
    """Where the original value lies when it did not fit into the dead letter's record."""

    bucket: Identifier
    key: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    sha256: Sha256


class DeadLetter(WireModel):
    """The headers of a dead letter as one record. Its Kafka value is the original record's value."""

    reason: Reason
    stage: Stage
    message: Message = Field(description="For people. No stack trace, no secret, no path.")
    error_class: Fact
    origin: RecordOrigin
    group: Fact = Field(description="Consumer group that gave up.")
    attempts: int = Field(ge=1)
    first_failed_at: AwareDatetime | None = Field(
        default=None, description="advet always says; letters of other systems may not."
    )
    recorded_at: AwareDatetime | None = Field(default=None, description="Kafka timestamp of the original record.")
    engine: Fact | None = None
    policy_version: Fact | None = None
    replay_count: int = Field(default=0, ge=0)
    run_id: Fact | None = None
    traceparent: Fact | None = None
    creatives: dict[Identifier, Sha256] = Field(
        default_factory=dict, max_length=CREATIVES_MAX, description="asset_id → sha256 of the bytes seen."
    )
    oom: OomFacts | None = None
    claim: Claim | None = Field(default=None, description="Present when the record's own value is empty for its size.")

"""Dead letters: the original record untouched, the facts of its failure in headers."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.submission import Sha256, WireModel
from schemas.verdict import OpenEnum, RecordOrigin


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


class Stage(StrEnum):
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
    device: str
    rung: str


class DeadLetter(WireModel):
    """The headers of a dead letter as one record. Its Kafka value is the original record's value."""

    reason: Reason
    stage: Stage
    message: str = Field(max_length=1024, description="For people. No stack trace, no secret, no path.")
    error_class: str
    origin: RecordOrigin
    group: str
    attempts: int = Field(ge=1)
    first_failed_at: AwareDatetime
    engine: str | None = None
    policy_version: str | None = None
    replay_count: int = Field(default=0, ge=0)
    run_id: str | None = None
    traceparent: str | None = None
    creatives: dict[str, Sha256] = Field(default_factory=dict, description="asset_id → sha256 of the bytes seen.")
    oom: OomFacts | None = None

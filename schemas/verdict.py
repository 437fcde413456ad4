"""The judgement of one submission: the value of a record on the verdicts topic."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.submission import Identifier, Sha256, WireModel

PolicyVersion = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]


class OpenEnum(StrEnum):
    """An enum of the output records: readers map values of newer writers to `unknown`."""

    @classmethod
    def _missing_(cls, value: object) -> "OpenEnum | None":
        return cls("unknown") if isinstance(value, str) and value != "unknown" else None


class Decision(OpenEnum):
    """What the ad may do: run, not run, or wait for a person."""

    APPROVE = "approve"
    REJECT = "reject"
    REVIEW = "review"
    UNKNOWN = "unknown"


class Severity(OpenEnum):
    """How grave a breach is; follows the penalty the law sets."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"


class EvidenceSource(OpenEnum):
    """Where the evidence was found."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    UNKNOWN = "unknown"


class Detector(OpenEnum):
    """What found it."""

    RULES = "rules"
    MODEL = "model"
    UNKNOWN = "unknown"


class Box(WireModel):
    """Corners as fractions of the picture's width and height, origin top left."""

    x0: float = Field(ge=0, le=1)
    y0: float = Field(ge=0, le=1)
    x1: float = Field(ge=0, le=1)
    y1: float = Field(ge=0, le=1)


class Evidence(WireModel):
    """`verified`: the quote was found, to the letter, in the ad's text or in what OCR read."""

    quote: str | None = None
    source: EvidenceSource
    asset_id: str | None = None
    bbox: Box | None = None
    t_ms: int | None = Field(default=None, ge=0)
    verified: bool


class LegalBasis(WireModel):
    """`verified`: a person has checked the citation against the law's text."""

    citation: str
    verified: bool = False


class Violation(WireModel):
    rule_id: Identifier
    category: str
    severity: Severity
    gist: str
    evidence: Evidence
    legal_basis: tuple[LegalBasis, ...] = ()
    suggestion: str | None = None
    detector: Detector


class MissingStatement(WireModel):
    """A statement the law demands for this category and neither text nor any picture shows."""

    rule_id: Identifier
    severity: Severity
    gist: str
    expected: str = Field(description="The wording, or the pattern of it, that was looked for.")
    legal_basis: tuple[LegalBasis, ...] = ()
    certain: bool = Field(description="False when OCR was not confident enough to say it is absent.")


class JudgedAsset(WireModel):
    asset_id: Identifier
    sha256: Sha256
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    visual_tokens: int = Field(default=0, ge=0)
    downscaled: bool = False


class EngineFingerprint(WireModel):
    """What judged: two verdicts with the same fingerprint were made by the same machinery."""

    name: str
    model: str
    revision: str
    prompt_hash: str | None = None
    precision: str | None = None


class Timing(WireModel):
    queued_ms: int = Field(default=0, ge=0)
    fetch_ms: int = Field(default=0, ge=0)
    decode_ms: int = Field(default=0, ge=0)
    admission_ms: int = Field(default=0, ge=0)
    inference_ms: int = Field(default=0, ge=0)


class GpuUse(WireModel):
    predicted_bytes: int = Field(ge=0)
    peak_bytes: int = Field(ge=0)


class RecordOrigin(WireModel):
    """Coordinates of the input record."""

    topic: str = Field(min_length=1, max_length=249)
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class AdVerdict(WireModel):
    """Key of the record: `submission_id`. The same `verdict_id` twice is the same judgement."""

    verdict_id: Sha256
    submission_id: Identifier
    revision: int = Field(ge=0)
    decision: Decision
    violations: tuple[Violation, ...] = ()
    missing_statements: tuple[MissingStatement, ...] = ()
    confidence: float | None = Field(default=None, ge=0, le=1, description="Only when calibrated.")
    assets: tuple[JudgedAsset, ...] = ()
    degraded: tuple[str, ...] = Field(default=(), description="Why the judgement is weaker than usual.")
    policy_version: PolicyVersion
    engine: EngineFingerprint
    timing: Timing = Timing()
    gpu: GpuUse | None = None
    origin: RecordOrigin
    replay_of: RecordOrigin | None = None
    judged_at: AwareDatetime

    @property
    def precedence(self) -> tuple[int, tuple[int, ...], datetime]:
        """The highest of a submission's verdicts is the current one, whatever their order in the topic."""
        numbers = [int(part) for part in self.policy_version.split(".")]
        while numbers and numbers[-1] == 0:  # 1.0 and 1 are the same version
            numbers.pop()
        return self.revision, tuple(numbers), self.judged_at

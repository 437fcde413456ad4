"""An ad handed in for review: the value of a record on the submissions topic."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


TEXT_BYTES_MAX = 1024 * 1024
CREATIVES_MAX = 16


class WireModel(BaseModel):
    """Readers ignore fields they do not know, so that newer writers stay readable."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Category(StrEnum):
    """What the ad sells. Closed: another value is `submission_invalid`, never a guess."""

    DRUG_OTC = "drug_otc"
    DRUG_RX = "drug_rx"
    MEDICAL_DEVICE = "medical_device"
    HEALTH_FOOD = "health_food"
    FSMP = "fsmp"
    FOOD = "food"
    COSMETICS = "cosmetics"
    ALCOHOL = "alcohol"
    EDUCATION = "education"
    FINANCE = "finance"
    PROPERTY = "property"
    INFANT = "infant"
    TOBACCO = "tobacco"
    MEDICAL_SERVICE = "medical_service"
    INTERNET = "internet"
    GENERAL = "general"


class Media(StrEnum):
    """Where the ad will run; prescription drugs and formula depend on it."""

    PROFESSIONAL = "professional"
    MASS = "mass"
    INTERNET = "internet"
    MINORS = "minors"


class CreativeKind(StrEnum):
    """What a creative is. Video is accepted on the wire and refused with a reason."""

    IMAGE = "image"
    VIDEO = "video"


class Certificate(WireModel):
    kind: Identifier
    number: Identifier
    expires_at: AwareDatetime | None = None


class Advertiser(WireModel):
    id: Identifier
    name: str | None = Field(default=None, max_length=512)
    industry: str | None = Field(default=None, max_length=256)
    certificates: tuple[Certificate, ...] = Field(default=(), max_length=64)


class AdText(WireModel):
    """The ad's words; the three parts together are at most 1 MiB of UTF-8."""

    title: str | None = None
    body: str | None = None
    call_to_action: str | None = None
    language: str | None = Field(default=None, max_length=35, description="BCP 47 tag.")

    @model_validator(mode="after")
    def _bounded(self) -> "AdText":
        size_bytes = sum(len(part.encode()) for part in (self.title, self.body, self.call_to_action) if part)
        if size_bytes > TEXT_BYTES_MAX:
            raise ValueError(f"title, body and call_to_action together exceed {TEXT_BYTES_MAX} bytes of UTF-8")
        return self


class CreativeRef(WireModel):
    """One picture or video in object storage. `version_id`, `etag` and `sha256` pin the bytes to judge."""

    asset_id: Identifier
    kind: CreativeKind
    bucket: Annotated[str, StringConstraints(min_length=3, max_length=63)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    version_id: str | None = Field(default=None, max_length=1024)
    etag: str | None = Field(default=None, max_length=128)
    sha256: Sha256 | None = None
    size: int | None = Field(default=None, ge=0)
    mime: str | None = Field(default=None, max_length=128)


class Placement(WireModel):
    media: Media = Media.INTERNET


class AdSubmission(WireModel):
    """Key of the record: `submission_id`. Text, creatives, or both must be there."""

    submission_id: Identifier
    revision: int = Field(ge=0, le=2**53)
    advertiser: Advertiser
    category: Category
    text: AdText = AdText()
    creatives: tuple[CreativeRef, ...] = Field(default=(), max_length=CREATIVES_MAX)
    landing_url: str | None = Field(default=None, max_length=4096, description="Recorded, never fetched.")
    approval_number: str | None = Field(default=None, max_length=256)
    placement: Placement = Placement()
    submitted_at: AwareDatetime

    @model_validator(mode="after")
    def _something_to_judge(self) -> "AdSubmission":
        if not self.creatives and not any((self.text.title, self.text.body, self.text.call_to_action)):
            raise ValueError("neither text nor creatives: there is nothing to judge")
        ids = [creative.asset_id for creative in self.creatives]
        if len(ids) != len(set(ids)):
            raise ValueError("asset_id must be unique within a submission")
        return self

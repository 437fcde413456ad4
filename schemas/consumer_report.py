"""What one running consumer owns and can take: the value of a record on the topic `ad-consumers`.

Key `group/member`, one partition, compacted; written every few seconds, a tombstone on leave. A report that is
older than a few of its own intervals is that of a consumer that died.
"""

from pydantic import AwareDatetime, Field

from schemas.dead_letter import Fact
from schemas.submission import Identifier, WireModel
from schemas.verdict import EngineFingerprint


class AdPrice(WireModel):
    """Bytes of device memory at the peak of judging one ad alone: a sum of three."""

    fixed_bytes: float = Field(ge=0)
    visual_token_bytes: float = Field(ge=0, description="For each visual token.")
    text_token_bytes: float = Field(ge=0, description="For each token of text.")
    ad_seconds: float | None = Field(default=None, ge=0, description="Mean measured device time of an ad.")


class DeviceCapacity(WireModel):
    """The memory of the device that judges."""

    device: Fact
    total_bytes: int = Field(ge=0)
    free_bytes: int = Field(ge=0, description="What could be promised to one more ad now.")
    price: AdPrice


class HeldPartition(WireModel):
    """A partition that the consumer owns."""

    number: int = Field(ge=0)
    paused: tuple[Fact, ...] = Field(default=(), description="Why nothing is read of it now; empty while it is read.")


class ConsumerReport(WireModel):
    """Key of the record: `group/member`."""

    group: Identifier
    member: Identifier
    input: str = Field(min_length=1, max_length=249, description="Topic it reads.")
    engine: EngineFingerprint
    policy_version: Fact
    capacity: DeviceCapacity | None = Field(default=None, description="Absent for a judge without a device.")
    partitions: tuple[HeldPartition, ...] = Field(default=(), description="Of its input, owned now.")
    ad_seconds: float | None = Field(
        default=None, ge=0, description="Mean time of the judge for an ad; on its device where it has one."
    )
    started_at: AwareDatetime
    reported_at: AwareDatetime
    interval_seconds: float = Field(gt=0, description="Until the next report.")


def report_key(group: str, member: str) -> bytes:
    """Key of a consumer's report."""
    return f"{group}/{member}".encode()

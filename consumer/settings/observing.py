"""Settings of what shows how it goes: nothing here changes what becomes of an ad."""

from pydantic import Field

from consumer.settings.group import MIB, Group


class SampleSettings(Group):
    """The consumer's own record of its metrics, for `advet report`."""

    step_seconds: float = Field(5, ge=1, le=300, description="Between two samples of the metrics.")
    keep_seconds: float = Field(21_600, ge=60, le=604_800, description="Age at which samples are dropped.")
    max_bytes: int = Field(
        16 * MIB, ge=MIB, le=1024 * MIB, description="Memory of all samples; the older ones get coarser to stay below."
    )

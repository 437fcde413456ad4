"""Settings of what shows how it goes: nothing here changes what becomes of an ad."""

from pydantic import Field

from consumer.settings.group import MIB, Group


class TracingSettings(Group):
    """Traces from submission to verdict, for a collector that speaks OTLP; needs the extra `tracing`."""

    endpoint: str | None = Field(
        None, pattern=r"^https?://[^\s?#]+$", description="Of the collector, like http://127.0.0.1:4318; unset: none."
    )
    ratio: float = Field(
        0.1, ge=0, le=1, description="Part of the submissions that are traced; a traceparent decides for itself."
    )
    service: str = Field("advet", min_length=1, description="service.name of the spans.")


class SampleSettings(Group):
    """The consumer's own record of its metrics, for `advet report`."""

    step_seconds: float = Field(5, ge=1, le=300, description="Between two samples of the metrics.")
    keep_seconds: float = Field(21_600, ge=60, le=604_800, description="Age at which samples are dropped.")
    max_bytes: int = Field(
        16 * MIB, ge=MIB, le=1024 * MIB, description="Memory of all samples; the older ones get coarser to stay below."
    )


class LagSettings(Group):
    """`advet lag`: how often it looks, and where it exports what it sees."""

    host: str = Field("127.0.0.1", description="Address that advet lag --serve listens on.")
    port: int = Field(9466, ge=0, le=65535, description="Of advet lag --serve; 0 takes a free port and logs it.")
    interval_seconds: float = Field(5, ge=0.5, le=300, description="Between two looks at Kafka.")
    stuck_seconds: float = Field(
        60, ge=1, le=86_400, description="Without progress for so long, a partition with something to do is stuck."
    )

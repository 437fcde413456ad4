"""Every setting: name, unit, range, default, meaning. Nothing changes after the start."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import NoDecode

from consumer.settings.group import MIB, Group
from consumer.settings.observing import LagSettings, SampleSettings, TracingSettings

DEAD_LETTER_ROOM_BYTES = 64 * 1024
"""For the headers that a dead letter adds to a record of the input's largest size."""

LONGEST_PICTURE = 200
"""Longer over shorter side."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _start(value: str) -> str:
    if value not in ("earliest", "latest"):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise ValueError(f"{value!r} is neither earliest, latest nor a time like 2026-11-22T08:00:00+08:00")
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A list in TOML; comma-separated in the environment and on the command line."""


class KafkaSettings(Group):
    """Connection and group membership."""

    bootstrap: str = Field("127.0.0.1:9092", description="Brokers, host:port separated by commas.")
    group: str = Field("advet", min_length=1, description="Consumer group.")
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="Transport security."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "PLAIN", description="SASL mechanism."
    )
    username: str | None = Field(None, description="SASL user name.")
    password: SecretStr | None = Field(None, description="SASL password.")
    oauth_token_file: Path | None = Field(
        None, description="File holding a bearer token, read anew for every connection (OAUTHBEARER)."
    )
    ca_file: Path | None = Field(None, description="CA certificates (PEM) that sign the brokers' certificates.")
    cert_file: Path | None = Field(None, description="Client certificate (PEM).")
    key_file: Path | None = Field(None, description="Client key (PEM).")
    start: Annotated[str, AfterValidator(_start)] = Field(
        "earliest",
        description="Where a group without commits begins: earliest, latest, or an ISO 8601 time.",
    )
    session_timeout_seconds: float = Field(30, ge=1, le=1800, description="Silence after which a member is evicted.")
    rebalance_timeout_seconds: float = Field(30, ge=1, le=3600, description="Time members have to rejoin.")
    request_timeout_seconds: float = Field(5, ge=1, le=300, description="One request to a broker.")
    max_record_bytes: int = Field(
        MIB,
        ge=1024,
        le=64 * MIB,
        description="Largest record of the input topic; dead letters get 64 KiB more.",
    )

    @property
    def largest_output_bytes(self) -> int:
        """Largest record that is written: a dead letter is the input's record and its facts."""
        return max(self.max_record_bytes, MIB) + DEAD_LETTER_ROOM_BYTES

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.security.startswith("sasl"):
            if self.mechanism == "OAUTHBEARER":
                if self.oauth_token_file is None:
                    raise ValueError("kafka.oauth_token_file is needed with mechanism OAUTHBEARER")
            elif self.username is None or self.password is None:
                raise ValueError(f"kafka.username and kafka.password are needed with mechanism {self.mechanism}")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("kafka.cert_file and kafka.key_file go together")
        return self


class TopicSettings(Group):
    """Names of the topics."""

    submissions: str = Field("ad-submissions", description="Input.")
    verdicts: str = Field("ad-verdicts", description="Verdicts.")
    oom_dead_letters: str = Field("ad-oom-dead-letters", description="What GPU memory refused.")
    dead_letters: str = Field("ad-dead-letters", description="Every other dead letter.")
    quarantine: str = Field("ad-quarantine", description="Dead letters that are not replayed any more.")
    replays: str = Field("ad-replays", description="Who replayed what, why and when; compacted.")
    consumers: str = Field("ad-consumers", description="What running consumers can take; compacted.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = list(self.model_dump().values())
        if len(set(names)) != len(names):
            raise ValueError("topic names must differ, or advet would read its own output")
        return self


class StorageSettings(Group):
    """S3-compatible storage of the creatives."""

    endpoint: str | None = Field(None, description="Base URL; empty means the provider's own.")
    region: str = Field("us-east-1", description="Region used for signing.")
    access_key: str | None = Field(None, description="Empty: the SDK's own chain (roles, profiles).")
    secret_key: SecretStr | None = Field(None, description="Goes with storage.access_key.")
    buckets: Names = Field(
        ("ad-creatives",), min_length=1, description="Buckets that submissions may name; others are refused."
    )
    claims_bucket: str | None = Field(
        None, description="Keeps values of dead letters that their topic refuses; empty: the first of storage.buckets."
    )
    max_object_bytes: int = Field(32 * MIB, ge=1, le=1024 * MIB, description="Largest creative.")
    concurrency: int = Field(16, ge=1, le=256, description="Downloads at a time.")
    attempts: int = Field(4, ge=1, le=20, description="Tries of one download, with growing pauses and jitter.")
    connect_timeout_seconds: float = Field(3, gt=0, le=60, description="To open a connection.")
    read_timeout_seconds: float = Field(5, gt=0, le=300, description="Between two pieces of a body.")
    probe_seconds: float = Field(2, gt=0, le=300, description="Pause between probes while storage is out.")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("storage.access_key and storage.secret_key go together")
        return self


class CreativeSettings(Group):
    """Header gate and decoder."""

    max_pixels: int = Field(12_845_056, ge=1, le=200_000_000, description="Pixels of one frame.")
    max_aspect: float = Field(200, ge=1, le=1000, description="Longer side over shorter side.")
    max_frames: int = Field(1000, ge=1, le=100_000, description="Frames of an animation; the first is judged.")
    decoders: int = Field(2, ge=1, le=64, description="Decoder processes.")
    decode_seconds: float = Field(10, gt=0, le=120, description="One picture, then its process is killed.")
    decode_memory_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, le=16384 * MIB, description="Address space of one decoder."
    )


class OcrSettings(Group):
    """Text recognition, in processes of its own."""

    workers: int = Field(1, ge=1, le=64, description="OCR processes.")
    threads: int = Field(2, ge=1, le=64, description="Threads of one OCR process.")
    seconds: float = Field(
        30, gt=0, le=300, description="One look at a picture, then its process is killed; a long page takes up to six."
    )
    start_seconds: float = Field(60, gt=0, le=600, description="Loading the models.")
    memory_bytes: int = Field(4096 * MIB, ge=1024 * MIB, le=65536 * MIB, description="Address space of one process.")
    max_side: int = Field(
        2000,
        ge=320,
        le=10000,
        description="Longer side of one look; larger pictures are scaled down, long pages read in tiles.",
    )
    min_confidence: float = Field(0.6, ge=0, le=1, description="Below it a line cannot prove that nothing is missing.")


class FlowSettings(Group):
    """Backpressure: what may be in flight, and when partitions resume."""

    max_records: int = Field(64, ge=1, le=4096, description="Records judged at a time; as many again may await commit.")
    max_bytes: int = Field(256 * MIB, ge=MIB, description="Bytes in flight: records, downloads and pixels.")
    resume_ratio: float = Field(0.5, gt=0, lt=1, description="Paused partitions resume below this share of a bound.")
    drain_seconds: float = Field(20, gt=0, le=600, description="To finish what is in flight on shutdown or revoke.")
    max_attempts: int = Field(3, ge=1, le=10, description="Tries of an item that fails without a known reason.")
    crashes_alone: int = Field(
        1, ge=1, le=10, description="Processes that may end while an item runs alone, before it is a dead letter."
    )
    commit_seconds: float = Field(0.25, gt=0, le=60, description="Between two commits of offsets (at_least_once).")
    publish_seconds: float = Field(
        0.125,
        ge=0,
        le=10,
        description="Between two transactions of a partition under load (exactly_once); less once max_records wait.",
    )


class BreakerSettings(Group):
    """When failures of the machinery stop the stream."""

    failures: int = Field(10, ge=1, le=1000, description="Failed items, among breaker.window, that open the breaker.")
    window: int = Field(50, ge=1, le=10_000, description="Latest items that are looked at.")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.failures > self.window:
            raise ValueError("breaker.failures must not exceed breaker.window, or the breaker could never open")
        return self


class EngineSettings(Group):
    """Which judge."""

    name: Literal["auto", "screening", "gpu"] = Field(
        "auto", description="auto takes the GPU judge where gpu.model and a GPU are there, else screening."
    )


class GpuSettings(Group):
    """The GPU judge: which model on which card, and how much of the card it may take."""

    model: str | None = Field(None, min_length=1, description="Folder or hub id of a Qwen2-VL model.")
    revision: str | None = Field(None, description="Revision on the hub; empty: the latest.")
    device: Literal["cuda", "cpu"] = Field("cuda", description="cpu is for trying a small model without a GPU.")
    index: int = Field(0, ge=0, le=63, description="Number of the card.", json_schema_extra={"alias": "--gpu"})
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="Precision; auto: bfloat16 on a GPU, float32 on a CPU."
    )
    max_share: float = Field(0.8, ge=0.05, le=1, description="Share of the card's memory that advet may take.")
    max_batch: int = Field(64, ge=1, le=120, description="Ads in one launch; free memory may allow fewer.")
    waiting: int = Field(
        64, ge=1, le=4096, description="Prepared ads that wait for the GPU while a launch runs (bounded by flow, too)."
    )
    max_passes: int = Field(
        16, ge=1, le=1000, description="Launches that may pass over a waiting ad which did not fit into them."
    )
    max_visual_tokens: int = Field(
        12_288, ge=64, le=16_384, description="Visual tokens of one ad; pictures shrink to it."
    )
    min_visual_tokens: int = Field(
        256, ge=4, le=16_384, description="An ad that does not even fit with so few is an OOM dead letter."
    )
    max_output_tokens: int = Field(512, ge=64, le=2048, description="Tokens of one answer.")
    vision_patches: int = Field(16_384, ge=1024, le=1_048_576, description="Patches in one call of the vision tower.")
    prefill_tokens: int = Field(8_192, ge=512, le=262_144, description="Tokens in one prefill call.")
    preparers: int = Field(2, ge=1, le=64, description="Processes that tokenise and resize.")
    prepare_seconds: float = Field(30, gt=0, le=300, description="One ad, then its preparing process is killed.")
    start_seconds: float = Field(600, gt=0, le=7200, description="Loading the weights, warm-up and calibration.")
    launch_seconds: float = Field(300, gt=0, le=3600, description="One launch, then the GPU's process is killed.")

    @model_validator(mode="after")
    def _floor_below_ceiling(self) -> Self:
        if self.min_visual_tokens > self.max_visual_tokens:
            raise ValueError("gpu.min_visual_tokens must not exceed gpu.max_visual_tokens")
        return self


class PolicySettings(Group):
    """The law, and what silence of the rules means."""

    pack: Path | None = Field(None, description="Policy pack, a file or a folder; empty: the one that ships.")
    unchecked: Literal["review", "approve"] = Field(
        "review", description="Drug, device, health food and FSMP ads that only words were checked of."
    )


class HttpSettings(Group):
    """Probes and metrics."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(9464, ge=0, le=65535, description="0 takes a free port and logs it.")


class AdminSettings(Group):
    """Local port for operators: `advet skip` and `advet breaker reset`."""

    port: int = Field(9465, ge=0, le=65535, description="On 127.0.0.1 only; 0 takes a free port and logs it.")


class LogSettings(Group):
    """Logs on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line shown.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal.")


class Settings(Group):
    """All of them."""

    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once", description="at_least_once is for brokers without transactions."
    )
    input: Literal["submissions", "oom_dead_letters"] = Field(
        "submissions",
        description="What advet run reads; oom_dead_letters is for a bigger GPU, in a kafka.group of its own.",
    )
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    storage: StorageSettings = StorageSettings()
    creatives: CreativeSettings = CreativeSettings()
    ocr: OcrSettings = OcrSettings()
    flow: FlowSettings = FlowSettings()
    breaker: BreakerSettings = BreakerSettings()
    engine: EngineSettings = EngineSettings()
    gpu: GpuSettings = GpuSettings()
    policy: PolicySettings = PolicySettings()
    http: HttpSettings = HttpSettings()
    admin: AdminSettings = AdminSettings()
    samples: SampleSettings = SampleSettings()
    lag: LagSettings = LagSettings()
    tracing: TracingSettings = TracingSettings()
    logs: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _gpu_has_a_model(self) -> Self:
        if self.engine.name == "gpu" and self.gpu.model is None:
            raise ValueError(
                "engine.name = gpu needs gpu.model: a folder or hub id of a Qwen2-VL model "
                "(`advet bench make-model` writes one with random weights)"
            )
        return self

    @model_validator(mode="after")
    def _gpu_takes_the_aspect(self) -> Self:
        if self.gpu.model is not None and self.creatives.max_aspect > LONGEST_PICTURE:
            raise ValueError(
                f"creatives.max_aspect must not exceed {LONGEST_PICTURE}: Qwen2-VL takes no longer pictures"
            )
        return self

    @model_validator(mode="after")
    def _drain_fits(self) -> Self:
        limit_seconds = min(self.kafka.session_timeout_seconds, self.kafka.rebalance_timeout_seconds)
        if self.flow.drain_seconds >= limit_seconds:
            raise ValueError(
                f"flow.drain_seconds ({self.flow.drain_seconds:g}) must be below kafka.session_timeout_seconds "
                f"and kafka.rebalance_timeout_seconds ({limit_seconds:g}): a revoke drains without heartbeats"
            )
        return self

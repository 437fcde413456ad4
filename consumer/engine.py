"""The engine port: what every judge (screening, GPU, remote) offers to the pipeline.

An engine says what it can take now, prices an ad from its headers alone, and judges prepared ads, one call a
submission. Batching, memory and processes behind it are its own affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumer.messages import HeaderFacts, OcrLine, Picture
from consumer.values import value
from schemas import AdSubmission, EngineFingerprint, GpuUse, MissingStatement, OomFacts, Violation


@value()
class Capacity:
    """What the engine can take now. `reason` names the pause when `items` or `bytes` is 0."""

    items: int
    bytes: int
    reason: str


@value()
class AdFacts:
    """All that is known of an ad before decoding."""

    text_chars: int
    headers: tuple[HeaderFacts, ...]


@value()
class Price:
    """Predicted peak bytes on the engine's device while this ad is judged."""

    bytes: int
    visual_tokens: int = 0
    needs_pixels: bool = True
    """False: the headers are enough for this ad; nothing is decoded, and `Picture.pixels` are empty."""


@dataclass(frozen=True, slots=True)
class NeverFits:
    """No amount of waiting makes room for this ad on this device."""

    facts: OomFacts
    message: str


@value()
class Prepared:
    """A submission ready to be judged; every engine reads the same text, pixels and OCR lines."""

    submission: AdSubmission
    pictures: tuple[Picture, ...]
    ocr: tuple[OcrLine, ...]
    price: Price


@value()
class Findings:
    """What an engine found. Deciding is not its business (`decision`)."""

    violations: tuple[Violation, ...] = ()
    missing: tuple[MissingStatement, ...] = ()
    model_ran: bool = False
    """Whether meaning and pictures were judged, or only words."""
    paper_rules: frozenset[str] = frozenset()
    """Rules of `missing` that ask for an approval number or certificate: a person looks, never a rejection."""
    ocr_confident: bool = True
    """Whether OCR is sure of what it read; true without pictures."""
    degraded: tuple[str, ...] = ()
    visual_tokens: dict[str, int] = field(default_factory=dict)
    """asset_id → tokens the model read."""
    downscaled: frozenset[str] = frozenset()
    """asset_ids of pictures that were made smaller than the model would have taken them."""
    gpu: GpuUse | None = None
    """Bytes of the launch that the ad was part of."""
    admission_seconds: float = 0.0
    """Of the time in `judge`, what was spent waiting for memory."""


class Engine(Protocol):
    """Lifecycle: `start`, any number of concurrent `judge` calls, `close`."""

    @property
    def fingerprint(self) -> EngineFingerprint:
        """What judges; stable between `start` and `close`."""
        ...

    @property
    def policy_version(self) -> str:
        """Version of the policy pack that is applied."""
        ...

    async def start(self) -> None:
        """Loads and warms up; raises StartRefused when it never can."""
        ...

    def capacity(self) -> Capacity:
        """What can be taken now; cheap, called before every poll."""
        ...

    def quote(self, facts: AdFacts) -> Price | NeverFits:
        """Prices an ad before decoding; pure and cheap."""
        ...

    async def judge(self, prepared: Prepared) -> Findings:
        """Judges one ad; raises TransientError or PermanentError."""
        ...

    async def close(self) -> None:
        """Ends every process it started; idempotent."""
        ...


class TextReader(Protocol):
    """OCR as a preparation step; runs in processes of its own."""

    @property
    def crashes(self) -> int:
        """Processes lost since the start."""
        ...

    @property
    def waiting(self) -> int:
        """Calls that wait for a process."""
        ...

    async def start(self) -> None:
        """Loads the models; raises StartRefused or WorkerCrashed."""
        ...

    async def close(self) -> None:
        """Ends every process it started; idempotent."""
        ...

    async def read(self, pictures: Sequence[Picture]) -> tuple[OcrLine, ...]:
        """The lines of all pictures, in reading order within each."""
        ...

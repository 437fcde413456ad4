"""What the parts of the GPU judge hand to each other: frozen values in the model's units. No I/O, no torch."""

from dataclasses import dataclass
from typing import Final, Literal

PATCHES_PER_TOKEN: Final = 4
"""The vision tower merges 2 × 2 patches into one visual token."""

Phase = Literal["reserve", "vision", "prefill", "decode"]
"""Where a launch can run out of memory; `reserve` comes before anything is launched."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one ad asks of the model; the only thing a price depends on."""

    patches: tuple[int, ...]
    """Vision patches of each picture (grid height × grid width), after resizing."""
    text_tokens: int
    """Tokens of the ad's own part of the prompt, without the shared prefix and without visual tokens."""
    output_tokens: int
    """Most tokens the answer may have."""

    @property
    def visual_tokens(self) -> int:
        """Tokens the language model reads of all pictures."""
        return sum(self.patches) // PATCHES_PER_TOKEN

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the ad's own prompt, pictures included; these are kept as K/V until the answer is complete."""
        return self.text_tokens + self.visual_tokens


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One look at a device's memory, in bytes."""

    total: int
    free: int
    """As the driver says: other processes have been subtracted."""
    reserved: int
    """Held by our allocator, in use or cached."""
    allocated: int
    """In use by tensors."""
    inactive_split: int
    """Cached, but cut into pieces between tensors in use."""
    context: int
    """Held by our process outside the allocator: the CUDA context and loaded kernels."""

    @property
    def others(self) -> int:
        """Held by other processes."""
        return max(0, self.total - self.free - self.reserved - self.context)


@dataclass(frozen=True, slots=True)
class PhaseBytes:
    """Bytes beyond weights and shared prefix at the peak of each phase of one launch."""

    vision: int
    prefill: int
    decode: int

    @property
    def peak(self) -> int:
        """The largest of the three."""
        return max(self.vision, self.prefill, self.decode)

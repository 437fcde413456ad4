"""How many bytes a launch may take: arithmetic on readings of a device's memory. Pure.

Readings are taken between launches, when what our allocator has in use is the weights and the shared prefix.
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from consumer.inference.work import MemoryReading, Shape
from schemas import OomFacts

MIB: Final = 1024 * 1024
HEADROOM_SHARE: Final = 0.05
HEADROOM_FLOOR_BYTES: Final = 256 * MIB
_FORGET_SECONDS: Final = 60.0
"""By then a single byte has grown beyond every device."""


def headroom(reading: MemoryReading, drop_bytes: int = 0) -> int:
    """Bytes to leave free: a share of what is free beyond the weights, and what neighbours took of late.

    The second part is at most half of what is free, or one neighbour's start would stop the stream.
    """
    beyond = _beyond_weights(reading)
    return max(math.ceil(beyond * HEADROOM_SHARE), HEADROOM_FLOOR_BYTES) + min(drop_bytes, beyond // 2)


def available(reading: MemoryReading, max_share: float, drop_bytes: int = 0) -> int:
    """Bytes that a launch may take now, never below 0.

    Cached memory of our own counts as free where it is in one piece. `max_share` caps what we hold of the card
    altogether: context, weights and launch.
    """
    free = _beyond_weights(reading) - reading.inactive_split - headroom(reading, drop_bytes)
    own = int(reading.total * max_share) - reading.context - reading.allocated - reading.inactive_split
    return max(0, min(free, own))


def most_available(reading: MemoryReading, max_share: float) -> int:
    """Bytes that a launch could take if every other process left; what costs more never fits this device."""
    alone = replace(
        reading,
        free=max(0, reading.total - reading.context - reading.allocated),
        reserved=reading.allocated,
        inactive_split=0,
    )
    return available(alone, max_share)


def oom_facts(
    shape: Shape,
    predicted_bytes: int,
    memory: MemoryReading,
    device: str,
    rung: str,
    requested: int | None = None,
    batch: int = 0,
) -> OomFacts:
    """What a dead letter says of memory."""
    return OomFacts(
        predicted_bytes=predicted_bytes,
        requested_bytes=requested,
        free_bytes=memory.free,
        total_bytes=memory.total,
        reserved_bytes=memory.reserved,
        allocated_bytes=memory.allocated,
        other_processes_bytes=memory.others,
        visual_tokens=shape.visual_tokens,
        text_tokens=shape.text_tokens,
        batch=batch,
        device=device,
        rung=rung,
    )


def _beyond_weights(reading: MemoryReading) -> int:
    return reading.free + reading.reserved - reading.allocated


@dataclass(frozen=True, slots=True)
class _Drop:
    at_seconds: float
    size_bytes: int


class FreeDrops:
    """What other processes took while launches ran: the part of the headroom that is learned.

    Bounded in number and in age, so that a neighbour that came to stay is forgotten as a drop.
    """

    def __init__(self, window: int = 256, keep_seconds: float = 60.0) -> None:
        self._drops: deque[_Drop] = deque(maxlen=window)
        self._keep_seconds = keep_seconds

    def observe(self, before: MemoryReading, after: MemoryReading, now_seconds: float) -> None:
        """Notes the readings around one launch."""
        self._drops.append(_Drop(now_seconds, max(0, after.others - before.others)))

    def p99(self, now_seconds: float) -> int:
        """Bytes that 99 of 100 launches stay below; of fewer than 100 launches the largest drop but one."""
        while self._drops and now_seconds - self._drops[0].at_seconds > self._keep_seconds:
            self._drops.popleft()
        sizes = sorted(drop.size_bytes for drop in self._drops)
        return sizes[int(0.99 * (len(sizes) - 1))] if sizes else 0


class Ceiling:
    """A bound on launches after one could not even be reserved: the reading promised what was not there.

    Half of what was refused may be tried at once, as much again a second later, then twice that, and so on.
    """

    def __init__(self) -> None:
        self._refused_bytes: int | None = None
        self._at_seconds = 0.0

    def refuse(self, reserve_bytes: int, now_seconds: float) -> None:
        """A launch of so many bytes could not be reserved."""
        self._refused_bytes = max(1, reserve_bytes)
        self._at_seconds = now_seconds

    def bound(self, available_bytes: int, now_seconds: float) -> int:
        """`available_bytes`, or less."""
        if self._refused_bytes is None:
            return available_bytes
        seconds = min(now_seconds - self._at_seconds, _FORGET_SECONDS)
        return min(available_bytes, int(self._refused_bytes * 2 ** (seconds - 1)))

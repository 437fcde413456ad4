"""What a container must be given so that advet's own limits come first: computed from its settings and constants."""

import math

from consumer import heartbeat
from consumer.creatives import decoder
from consumer.kafka import member, transactions
from consumer.lag import export
from consumer.settings import MIB, Settings
from schemas.submission import CREATIVES_MAX

GIB = 1024 * MIB
CONSUMER_BYTES = 512 * MIB
"""The consumer's own process, libraries and all; tests/acceptance/test_compose.py measures it."""
GPU_BYTES = 22 * GIB
"""The process that holds the card: torch, the CUDA context, weights of 7B in bfloat16 on their way. Assumed."""
PREPARER_BYTES = 1536 * MIB
"""A process that tokenises and resizes: transformers and the pixels of an ad."""
CLOSING_SECONDS = 1
"""The HTTP port waits as long for answers under way."""
ROOM_SECONDS = 60
"""At the start, for what comes before and after the processes: topics, transactions, the store."""


def grace_seconds(settings: Settings) -> int:
    """From SIGTERM to the end, at the slowest, in tens of seconds.

    A launch that outlasts `flow.drain_seconds` is not waited for: the next owner judges its ads. So
    `gpu.launch_seconds` is not in it.
    """
    flush_seconds = transactions.PUBLISH_SECONDS + transactions.STOP_SECONDS + heartbeat.LEAVE_SECONDS
    leave_seconds = 3 * member.STOP_SECONDS + export.LEAVE_SECONDS + CLOSING_SECONDS
    return math.ceil((settings.flow.drain_seconds + flush_seconds + leave_seconds) / 10) * 10


def start_seconds(settings: Settings) -> float:
    """Until `/startupz` answers, at the slowest: engine, decoders and OCR start side by side."""
    slowest = max(settings.ocr.start_seconds, decoder.START_SECONDS)
    if settings.engine.name == "gpu":
        slowest = max(slowest, 2 * settings.gpu.start_seconds)  # once to come up, once to open the model
    return slowest + ROOM_SECONDS


def memory_bytes(settings: Settings) -> int:
    """All processes at their own limits, in whole GiB. `flow.max_bytes` can be passed by what one ad needs."""
    creatives, ocr = settings.creatives, settings.ocr
    one_ad = CREATIVES_MAX * (settings.storage.max_object_bytes + 3 * creatives.max_pixels)
    needed = (
        creatives.decoders * creatives.decode_memory_bytes
        + ocr.workers * ocr.memory_bytes
        + settings.flow.max_bytes
        + one_ad
        + CONSUMER_BYTES
    )
    if settings.engine.name == "gpu":
        needed += GPU_BYTES + settings.gpu.preparers * PREPARER_BYTES
    return math.ceil(needed / GIB) * GIB


def in_bytes(quantity: str) -> int:
    """A quantity of Kubernetes (8Gi) or of Compose (8g)."""
    for unit, size in {"Gi": GIB, "Mi": MIB, "g": GIB, "m": MIB}.items():
        if quantity.endswith(unit):
            return int(quantity.removesuffix(unit)) * size
    raise ValueError(f"{quantity!r} has no unit that is used here")

"""The worker as the consumer runs it: a process of its own, asked over its socket."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from consumer.inference.gpu.payload import Item
from consumer.inference.gpu_process import GpuProcess, Judged, Launchable, Opening, OutOfMemory
from consumer.inference.work import Shape
from consumer.messages import MemoryFile
from consumer.settings import GpuSettings


def settings(folder: Path, **changes: object) -> GpuSettings:
    """A small model on the CPU, with calls small enough that a few ads need several."""
    values = {
        "device": "cpu",
        "vision_patches": 1024,
        "prefill_tokens": 512,
        "start_seconds": 120,
        "launch_seconds": 60,
    }
    return GpuSettings(model=str(folder), **(values | changes))


def shape_of(item: Item) -> Shape:
    """What a price depends on."""
    patches = tuple(height * width for height, width in item.grids)
    return Shape(patches, len(item.ids) - sum(patches) // 4, item.max_output)


async def launch(process: GpuProcess, items: Sequence[Item], reserve_bytes: int = 0) -> Judged | OutOfMemory:
    """One launch of ads."""
    with ExitStack() as held:
        batch = []
        for item in items:
            payload = MemoryFile.of("ad", item.ids.numpy().tobytes() + item.patches.numpy().tobytes())
            held.callback(payload.close)
            batch.append(Launchable(shape_of(item), item.grids, len(item.ids), item.grammar, payload))
        return await process.launch(batch, reserve_bytes)


__all__ = ["GpuProcess", "Judged", "Opening", "OutOfMemory", "launch", "settings", "shape_of"]

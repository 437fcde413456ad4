"""What the worker asks of the device it runs on: memory readings, peaks, and giving memory back."""

import gc
from pathlib import Path
from typing import Final, Protocol

import torch

from consumer.inference.gpu.nvml import Nvml
from consumer.inference.work import MemoryReading, Phase

_MEMINFO: Final = Path("/proc/meminfo")
_STATUS: Final = Path("/proc/self/status")
_CONTEXT_GUESS_BYTES: Final = 512 * 2**20
_CONTEXT_LIMIT_BYTES: Final = 4 * 2**30
"""What grew by more while the context was made was a neighbour's."""


class Device(Protocol):
    """Where the model lives."""

    @property
    def torch_device(self) -> torch.device:
        """As torch names it."""
        ...

    @property
    def name(self) -> str:
        """As its maker names it."""
        ...

    def reading(self) -> MemoryReading:
        """The memory now."""
        ...

    def allocated(self) -> int:
        """Bytes in use by tensors now; 0 where nobody counts."""
        ...

    def begin(self, phase: Phase) -> None:
        """A phase of a launch begins, and with it a new maximum for `peak`."""
        ...

    def peak(self) -> int:
        """Most bytes in use by tensors since the phase began; 0 where nobody counts."""
        ...

    def synchronize(self) -> None:
        """Waits for everything that was launched."""
        ...

    def release(self) -> None:
        """Gives back what is cached and not in use."""
        ...


class CpuDevice:
    """This machine's memory, for trying a small model without a GPU; nothing counts its tensors."""

    torch_device = torch.device("cpu")
    name = "cpu"

    def reading(self) -> MemoryReading:
        """The kernel's estimate of what can be had, and this process's resident memory as the context."""
        memory = _kilobytes(_MEMINFO)
        return MemoryReading(
            total=memory["MemTotal"],
            free=memory["MemAvailable"],
            reserved=0,
            allocated=0,
            inactive_split=0,
            context=_kilobytes(_STATUS)["VmRSS"],
        )

    def allocated(self) -> int:
        """Not counted."""
        return 0

    def begin(self, phase: Phase) -> None:
        """Nothing to reset."""

    def peak(self) -> int:
        """Not counted."""
        return 0

    def synchronize(self) -> None:
        """Everything has already happened."""

    def release(self) -> None:
        """Ends reference cycles; the rest is the C library's."""
        gc.collect()


def _kilobytes(file: Path) -> dict[str, int]:
    """The lines `Name: 123 kB`, in bytes."""
    lines = (line.split() for line in file.read_text(encoding="ascii").splitlines() if line.endswith(" kB"))
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}


class CudaDevice:
    """One card, of which torch may take `max_share`."""

    def __init__(self, index: int, max_share: float) -> None:
        self.torch_device = torch.device("cuda", index)
        torch.cuda.set_device(self.torch_device)
        self._nvml = Nvml(str(torch.cuda.get_device_properties(self.torch_device).uuid))
        before = self._nvml.used()
        torch.zeros(1, device=self.torch_device)  # creates the context
        after = self._nvml.used()
        grown = after - before if before is not None and after is not None else 0
        self._context_at_start = grown if 0 < grown < _CONTEXT_LIMIT_BYTES else _CONTEXT_GUESS_BYTES
        torch.cuda.set_per_process_memory_fraction(max_share, self.torch_device)
        self.name: str = torch.cuda.get_device_name(self.torch_device)

    def reading(self) -> MemoryReading:
        """One look at driver and allocator."""
        free, total = torch.cuda.mem_get_info(self.torch_device)
        stats = torch.cuda.memory_stats(self.torch_device)
        return MemoryReading(
            total=total,
            free=free,
            reserved=stats["reserved_bytes.all.current"],
            allocated=stats["allocated_bytes.all.current"],
            inactive_split=stats["inactive_split_bytes.all.current"],
            context=self._context(stats["reserved_bytes.all.current"]),
        )

    def _context(self, reserved_bytes: int) -> int:
        """Of this process's memory what the allocator does not hold; without accounts, what the start took."""
        own = self._nvml.own()
        return own - reserved_bytes if own is not None and own > reserved_bytes else self._context_at_start

    def allocated(self) -> int:
        """Bytes in use by tensors."""
        return int(torch.cuda.memory_allocated(self.torch_device))

    def begin(self, phase: Phase) -> None:
        """Starts a new maximum."""
        torch.cuda.reset_peak_memory_stats(self.torch_device)

    def peak(self) -> int:
        """Most bytes in use by tensors since then."""
        return int(torch.cuda.max_memory_allocated(self.torch_device))

    def synchronize(self) -> None:
        """Waits for the card."""
        torch.cuda.synchronize(self.torch_device)

    def release(self) -> None:
        """Returns cached blocks to the driver."""
        gc.collect()
        torch.cuda.empty_cache()

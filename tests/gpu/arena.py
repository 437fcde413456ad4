"""A device of N bytes for tests: counts every live CPU tensor, refuses what does not fit, fails where it is told to.

Everything around it is the real worker. Configured by the environment, so that it reaches the worker's process:
ARENA_BYTES, ARENA_NEIGHBOUR (a file with the bytes another process holds) and ARENA_FAULTS (a file of lines
`phase allocations`: the next launch that gets there runs out of memory at that allocation of that phase; the line
is then used up).
"""

import gc
import os
import weakref
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from consumer.inference.work import MemoryReading, Phase


class _Counter(TorchDispatchMode):  # type: ignore[misc] # checked without torch
    """Sees each operation's results; a storage counts from its first sight until it is gone."""

    def __init__(self, arena: "ArenaDevice") -> None:
        super().__init__()
        self._arena = arena
        self._storages = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = {_place(tensor) for tensor in _tensors((args, kwargs))}  # what is mapped from a file is no device's
        results = func(*args, **kwargs)
        for result in _tensors(results):
            if _place(result) not in given:
                self._count(result.untyped_storage())
        return results

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._storages:
            return
        size = storage.nbytes()
        self._storages.add(storage)
        weakref.finalize(storage, self._arena.freed, size)
        self._arena.took(size)


def _tensors(tree):
    return [leaf for leaf in tree_iter(tree) if isinstance(leaf, torch.Tensor) and leaf.device.type == "cpu"]


def _place(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class ArenaDevice:
    """As `consumer.inference.gpu.device.Device`."""

    name = "arena"
    torch_device = torch.device("cpu")

    def __init__(self, limit_bytes: int, neighbour: Path, faults: Path) -> None:
        self._limit = limit_bytes
        self._neighbour = neighbour
        self._faults = faults
        self._live = 0
        self._most = 0
        self._until_fault: int | None = None
        self._counter = _Counter(self)
        self._counter.__enter__()

    @classmethod
    def from_environment(cls) -> "ArenaDevice":
        """See the module."""
        return cls(
            int(os.environ["ARENA_BYTES"]),
            Path(os.environ["ARENA_NEIGHBOUR"]),
            Path(os.environ["ARENA_FAULTS"]),
        )

    def close(self) -> None:
        """Stops counting; for a test that has the arena in its own process."""
        self._counter.__exit__(None, None, None)

    def took(self, size: int) -> None:
        """A tensor is born; raises as CUDA's allocator does."""
        self._live += size
        self._most = max(self._most, self._live)
        if self._until_fault is not None:
            self._until_fault -= 1
            if self._until_fault < 0:
                self._until_fault = None
                self._refuse(size)
        if self._live + self._others() > self._limit:
            self._refuse(size)

    def freed(self, size: int) -> None:
        """A tensor is gone."""
        self._live -= size

    def _refuse(self, size: int) -> None:
        raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB. Arena is full.")

    def _others(self) -> int:
        text = self._neighbour.read_text() if self._neighbour.exists() else ""
        return int(text or 0)

    def reading(self) -> MemoryReading:
        """Nothing is cached: reserved is what is in use."""
        free = max(0, self._limit - self._live - self._others())
        return MemoryReading(self._limit, free, self._live, self._live, 0, 0)

    def allocated(self) -> int:
        """Bytes of live tensors."""
        return self._live

    def begin(self, phase: Phase) -> None:
        """Arms the first fault that waits for this phase."""
        self._most = self._live
        lines = self._faults.read_text().splitlines() if self._faults.exists() else []
        for index, line in enumerate(lines):
            name, allocations = line.split()
            if name == phase:
                self._until_fault = int(allocations)
                self._faults.write_text("\n".join(lines[:index] + lines[index + 1 :]))
                break

    def peak(self) -> int:
        """Most bytes since the phase began."""
        return self._most

    def synchronize(self) -> None:
        """A fault that the phase was too short for is forgotten."""
        self._until_fault = None

    def release(self) -> None:
        """Ends reference cycles."""
        gc.collect()

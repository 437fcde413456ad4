"""Out of memory, told apart from every other error of a device, and turned into a value without its text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import torch

T = TypeVar("T")

_UNITS: Final = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_REQUEST: Final = re.compile(r"Tried to allocate ([\d.]+) (bytes|KiB|MiB|GiB)")
_NOT_STICKY: Final = re.compile(r"CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED")
"""What the driver and its libraries say when they get no memory for a kernel or a workspace of their own."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """There was not enough memory."""

    requested: int | None
    """Bytes of the allocation that failed, as far as torch says (rounded to hundredths of its unit)."""


def catching(work: Callable[[], T]) -> T | Shortage:
    """What `work` returns, or a shortage; every other error is raised. The error and its frames are gone on return."""
    try:
        return work()
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not _NOT_STICKY.search(str(error)):
            raise
        return Shortage(_requested(str(error)))


def _requested(text: str) -> int | None:
    found = _REQUEST.search(text)
    return int(float(found[1]) * _UNITS[found[2]]) if found else None

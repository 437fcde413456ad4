"""What the driver's own accounts say of a card, through the library that comes with the driver.

torch cannot tell how much of a card its own context and kernels hold: the runtime's free and total count everybody.
"""

import contextlib
import ctypes
import os
from typing import Final

_LIBRARY: Final = "libnvidia-ml.so.1"
_MOST_PROCESSES: Final = 256
_UNKNOWN_BYTES: Final = 2**64 - 1
"""What the driver says where accounts are not kept."""


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class Nvml:
    """One card by its UUID. Everything is None where the driver does not say."""

    def __init__(self, uuid: str) -> None:
        self._library: ctypes.CDLL | None = None
        self._card = ctypes.c_void_p()
        with contextlib.suppress(OSError, AttributeError):  # no such library, or one without these functions
            library = ctypes.CDLL(_LIBRARY)
            name = uuid if uuid.startswith("GPU-") else f"GPU-{uuid}"
            if (
                library.nvmlInit_v2() == 0
                and library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(self._card)) == 0
            ):
                self._library = library

    def used(self) -> int | None:
        """Bytes of the card in use, by anybody."""
        memory = _Memory()
        if self._library is None or self._library.nvmlDeviceGetMemoryInfo(self._card, ctypes.byref(memory)) != 0:
            return None
        return int(memory.used)

    def own(self) -> int | None:
        """Bytes in use by this process; a container often sees process numbers that are not its own."""
        if self._library is None:
            return None
        count, processes = ctypes.c_uint(_MOST_PROCESSES), (_Process * _MOST_PROCESSES)()
        with contextlib.suppress(AttributeError):
            if self._library.nvmlDeviceGetComputeRunningProcesses_v3(self._card, ctypes.byref(count), processes) == 0:
                for process in processes[: count.value]:
                    if process.pid == os.getpid() and process.used != _UNKNOWN_BYTES:
                        return int(process.used)
        return None

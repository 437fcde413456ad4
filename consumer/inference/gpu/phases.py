"""What a launch says of itself: which phase it is in, how long each took and how much memory it needed at most."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from consumer.inference.gpu.device import Device
from consumer.inference.work import Phase, PhaseBytes


class Phases:
    """One launch. `current` outlives an error, so that an out-of-memory can be told by its phase."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._base = device.allocated()
        self._peaks: dict[Phase, int] = {}
        self.seconds: dict[Phase, float] = {}
        self.current: Phase = "reserve"

    @contextmanager
    def enter(self, phase: Phase) -> Iterator[None]:
        """Runs a phase to its end on the device."""
        self.current = phase
        self._device.begin(phase)
        started = time.perf_counter()
        yield
        self._device.synchronize()
        self.seconds[phase] = time.perf_counter() - started
        self._peaks[phase] = max(0, self._device.peak() - self._base)

    @property
    def peaks(self) -> PhaseBytes:
        """Bytes beyond what was in use when the launch began."""
        return PhaseBytes(
            vision=self._peaks.get("vision", 0),
            prefill=self._peaks.get("prefill", 0),
            decode=self._peaks.get("decode", 0),
        )

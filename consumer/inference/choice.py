"""Which judge a machine gets: looks for a card and for what is installed, without importing any of it."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumer.errors import StartRefused
from consumer.settings import EngineSettings, GpuSettings

MODULES: Final = ("torch", "transformers", "qwen_vl_utils", "llguidance")
_DEVICES: Final = Path("/dev")


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether the GPU judges, and why; the reason is logged at the start."""

    gpu: bool
    why: str


def choose(engine: EngineSettings, gpu: GpuSettings) -> Choice:
    """Raises StartRefused when the GPU judge is asked for and cannot be had."""
    if engine.name == "screening":
        return Choice(gpu=False, why="asked for")
    obstacle = _obstacle(gpu)
    if engine.name == "gpu" and obstacle:
        raise StartRefused(f"engine.name = gpu: {obstacle}")
    return Choice(gpu=not obstacle, why=obstacle or f"gpu.model is set and gpu.device is {gpu.device}")


def _obstacle(gpu: GpuSettings) -> str:
    """What stands in the way of the GPU judge; empty: nothing."""
    if gpu.model is None:
        return "gpu.model is not set"
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed: pip install 'advet[screening,gpu]'"
    if gpu.device == "cuda" and not any(_DEVICES.glob("nvidia[0-9]*")):
        return "there is no NVIDIA card on this machine (gpu.device = cpu runs a small model without one)"
    return ""

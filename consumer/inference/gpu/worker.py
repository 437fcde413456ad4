"""The worker's loop: `open` loads, warms up and calibrates; `sample` reads the memory; `run` launches a batch.

    python -m consumer.inference.gpu.worker FD ARGS_JSON

Running out of memory is an answer. Every other error of the device ends the process: its context is lost with it,
and the consumer starts another.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")  # read when torch is imported
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from consumer.inference.gpu.calibration import Calibration
from consumer.inference.gpu.decoding import Generated, Grammars
from consumer.inference.gpu.device import CpuDevice, CudaDevice, Device
from consumer.inference.gpu.model import Model, ModelRefused, load_model
from consumer.inference.gpu.oom import Shortage, catching
from consumer.inference.gpu.payload import Item, read_ids, read_item
from consumer.inference.gpu.phases import Phases
from consumer.inference.gpu.runner import CallLimits, Runner
from consumer.inference.memory import headroom
from consumer.workers.channel import Answer, Request, serve

DTYPES: Final = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True, slots=True)
class Args:
    """The worker's second argument, as JSON."""

    model: str
    revision: str | None
    device: Literal["cuda", "cpu"]
    index: int
    dtype: Literal["auto", "bfloat16", "float32"]
    max_share: float
    vision_patches: int
    prefill_tokens: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises TypeError for a missing or unknown name."""
        return cls(**json.loads(text))

    @property
    def precision(self) -> Literal["bfloat16", "float32"]:
        """What `auto` means here."""
        if self.dtype == "auto":
            return "bfloat16" if self.device == "cuda" else "float32"
        return self.dtype


def device_for(args: Args) -> Device:
    """Raises ModelRefused when torch cannot use the card."""
    if args.device == "cpu":
        return CpuDevice()
    if not torch.cuda.is_available():
        raise ModelRefused("torch finds no usable NVIDIA card; check the driver, or set gpu.device to cpu")
    if args.index >= torch.cuda.device_count():
        raise ModelRefused(f"there is no card {args.index}; torch sees {torch.cuda.device_count()}")
    return CudaDevice(args.index, args.max_share)


class GpuWorker:
    """Answers `open`, then any number of `sample` and `run`."""

    def __init__(self, args: Args, make_device: Callable[[Args], Device]) -> None:
        self._args = args
        self._make_device = make_device
        self._device: Device | None = None
        self._model: Model | None = None
        self._runner: Runner | None = None

    def handle(self, request: Request, fds: Sequence[int]) -> Answer:
        """One request; see the module. Raises for a request that no consumer of this version sends."""
        match request["op"]:
            case "open":
                return self._open(request["grammars"], request["prefix"], fds[0])
            case "sample":
                return {"memory": self._memory()}
            case "run":
                return self._run(request["reserve"], request["items"], fds)
        raise ValueError(f"unknown op {request['op']}")

    @property
    def _opened(self) -> tuple[Device, Model, Runner]:
        if self._device is None or self._model is None or self._runner is None:
            raise ValueError("the first request must be open")
        return self._device, self._model, self._runner

    def _open(self, grammars: dict[str, Any], prefix_tokens: int, prefix_fd: int) -> Answer:
        steps = _Steps()
        try:
            device = self._device = self._make_device(self._args)
            steps.done("device")
            precision = self._args.precision
            reading = device.reading()
            room_bytes = int(reading.total * self._args.max_share) - reading.context
            model = self._model = load_model(
                self._args.model, self._args.revision, device.torch_device, DTYPES[precision], room_bytes
            )
            steps.done("weights")
            compiled = Grammars(model, grammars)
            steps.done("grammars")
        except ModelRefused as refusal:
            return {"refused": str(refusal)}
        limits = CallLimits(self._args.vision_patches, self._args.prefill_tokens)
        runner = self._runner = Runner(model, compiled, limits)
        runner.set_prefix(read_ids(prefix_fd, prefix_tokens))
        calibration = Calibration(runner, model, device, limits, next(iter(grammars)))
        calibration.warm_up()
        steps.done("warm_up")
        coefficients = calibration.coefficients(self._args.max_share)
        steps.done("calibration")
        return {
            "model": model.name,
            "revision": model.revision,
            "precision": precision,
            "device": device.name,
            "coefficients": coefficients.to_dict(),
            "memory": self._memory(),
            "phases": steps.seconds,
        }

    def _run(self, reserve_bytes: int, raw_items: list[dict[str, Any]], fds: Sequence[int]) -> Answer:
        device, model, _ = self._opened
        values = model.vision.embedding.shape[1]
        items = [
            read_item(fd, raw["grammar"], raw["tokens"], raw["grids"], raw["max_output"], values)
            for raw, fd in zip(raw_items, fds[:-1], strict=True)
        ]
        phases = Phases(device)
        outcome = self._launch(items, reserve_bytes, phases)
        if isinstance(outcome, Shortage):
            device.release()  # only here: until its handler is left, the error holds the launch's tensors
            return {
                "outcome": "oom",
                "phase": phases.current,
                "requested": outcome.requested,
                "memory": self._memory(),
            }
        out_bytes = _write(fds[-1], outcome)
        return {
            "outcome": "done",
            "out_bytes": out_bytes,
            "peaks": asdict(phases.peaks),
            "seconds": dict(phases.seconds),
            "memory": self._memory(),
        }

    def _memory(self) -> dict[str, int]:
        """A reading; what is cached goes back to the driver first when others would find less than the headroom."""
        device = self._opened[0]
        reading = device.reading()
        if reading.reserved > reading.allocated and reading.free < headroom(reading):
            device.release()
            reading = device.reading()
        return asdict(reading)

    def _launch(self, items: Sequence[Item], reserve_bytes: int, phases: Phases) -> list[Generated] | Shortage:
        device, _, runner = self._opened

        def launch() -> list[Generated]:
            with phases.enter("reserve"):
                torch.empty(reserve_bytes, dtype=torch.uint8, device=device.torch_device)  # freed, it stays cached
            return runner.run(items, phases)

        return catching(launch)


class _Steps:
    """Names and seconds of the start-up's steps."""

    def __init__(self) -> None:
        self.seconds: list[tuple[str, float]] = []
        self._since = time.perf_counter()

    def done(self, name: str) -> None:
        """The step that ends now."""
        now = time.perf_counter()
        self.seconds.append((name, round(now - self._since, 3)))
        self._since = now


def _write(fd: int, answers: Sequence[Generated]) -> int:
    told = [{"text": one.text, "tokens": len(one.ids), "finished": one.finished} for one in answers]
    content = json.dumps(told, ensure_ascii=False).encode()
    os.truncate(fd, 0)
    return os.pwrite(fd, content, 0)


def main(make_device: Callable[[Args], Device] = device_for) -> None:
    """Serves until the consumer is gone. The test suite brings a device of its own."""
    args = Args.parse(sys.argv[2])
    if args.device == "cpu":
        torch.set_num_threads(1)  # a small model's operations are shorter than the hand-over between threads
    serve(int(sys.argv[1]), GpuWorker(args, make_device).handle)


if __name__ == "__main__":
    main()

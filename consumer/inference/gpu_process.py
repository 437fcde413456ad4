"""The consumer's side of the process that holds the GPU: opens it, looks at its memory, launches batches on it.

One process at a time, one request at a time. After its death `start` starts the next one, which has to be told
prompt and grammars again. What a launch said of memory is a value; only the death of the process is an error.
"""

import asyncio
import json
from array import array
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import structlog

from consumer.errors import StartRefused, WorkerCrashed
from consumer.inference.price import Coefficients
from consumer.inference.work import MemoryReading, Phase, PhaseBytes, Shape
from consumer.messages import MemoryFile
from consumer.settings import GpuSettings
from consumer.workers.channel import Answer, Request
from consumer.workers.pool import Worker, WorkerSpec, WorkersUnavailable

log = structlog.get_logger(__name__)

MODULE: Final = "consumer.inference.gpu.worker"
SAMPLE_SECONDS: Final = 30.0
"""A look at the memory of a card takes microseconds; a driver that does not answer has lost the card."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What each process is told before it can judge."""

    prefix: "array[int]"
    """Token ids of the shared prompt, 32-bit."""
    grammars: Mapping[str, Mapping[str, Any]]
    """JSON schemas of answers, by name."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a process that is ready says of itself."""

    model: str
    revision: str
    precision: str
    device: str
    coefficients: Coefficients
    memory: MemoryReading
    phases: tuple[tuple[str, float], ...]
    """Steps of the start-up, with their seconds."""


@dataclass(frozen=True, slots=True)
class Launchable:
    """An ad as the GPU's process takes it. `payload`: int32 token ids, then uint8 patches."""

    shape: Shape
    grids: tuple[tuple[int, int], ...]
    tokens: int
    """Token ids in `payload`."""
    grammar: str
    payload: MemoryFile


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The text that the model wrote. `finished`: it ended by itself, not by the limit of tokens."""

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A launch that went through; answers in the order of the batch."""

    answers: tuple[ModelAnswer, ...]
    peaks: PhaseBytes
    seconds: Mapping[str, float]
    memory: MemoryReading


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """A launch that did not; everything it held has been given back."""

    phase: Phase
    requested: int | None
    memory: MemoryReading


class GpuProcess:
    """`start`, any number of `sample` and `launch` (each waits for those before it), `close`."""

    def __init__(self, settings: GpuSettings, module: str = MODULE) -> None:
        self._settings = settings
        self._spec = WorkerSpec(
            name="gpu", module=module, args=(_arguments(settings),), start_seconds=settings.start_seconds
        )
        self._worker: Worker | None = None
        self._turn = asyncio.Lock()
        self.crashes = 0
        """Processes lost since the start."""

    @property
    def pid(self) -> int | None:
        """Process id while one runs."""
        return self._worker.pid if self._worker else None

    async def start(self, opening: Opening) -> Opened:
        """Starts a process and opens it. Raises StartRefused when none ever could, WorkersUnavailable otherwise."""
        await self._discard()
        try:
            self._worker = await Worker.spawn(self._spec)
            await self._worker.ready(self._spec.start_seconds)
            with ExitStack() as held:
                prefix = _memory_file(held, "prefix", opening.prefix.tobytes())
                request: Request = {"op": "open", "grammars": opening.grammars, "prefix": len(opening.prefix)}
                answer = await self._worker.call(request, [prefix.fd], self._spec.start_seconds)
        except WorkersUnavailable:
            await self._discard()
            raise
        except WorkerCrashed as error:
            await self._discard()
            raise WorkersUnavailable(f"the GPU's process did not start: {error}") from error
        except BaseException:
            await self._discard()
            raise
        if "refused" in answer:
            await self._discard()
            raise StartRefused(f"the GPU judge cannot start: {answer['refused']}")
        return _opened(answer)

    async def sample(self) -> MemoryReading:
        """The memory of the device now; raises WorkerCrashed."""
        return _reading((await self._call({"op": "sample"}, [], SAMPLE_SECONDS))["memory"])

    async def launch(self, batch: Sequence[Launchable], reserve_bytes: int) -> Judged | OutOfMemory:
        """Judges a batch; raises WorkerCrashed when the process died of it or overran `gpu.launch_seconds`."""
        with ExitStack() as held:
            out = _memory_file(held, "answers", b"")
            request: Request = {
                "op": "run",
                "reserve": reserve_bytes,
                "items": [
                    {
                        "grammar": item.grammar,
                        "tokens": item.tokens,
                        "grids": item.grids,
                        "max_output": item.shape.output_tokens,
                    }
                    for item in batch
                ],
            }
            fds = [*(item.payload.fd for item in batch), out.fd]
            answer = await self._call(request, fds, self._settings.launch_seconds)
            memory = _reading(answer["memory"])
            if answer["outcome"] == "oom":
                return OutOfMemory(answer["phase"], answer["requested"], memory)
            out.size_bytes = answer["out_bytes"]
            answers = tuple(ModelAnswer(**one) for one in json.loads(out.read()))
        return Judged(answers, PhaseBytes(**answer["peaks"]), answer["seconds"], memory)

    async def close(self) -> None:
        """Ends the process; idempotent."""
        await self._discard()

    async def _call(self, request: Request, fds: Sequence[int], timeout_seconds: float) -> Answer:
        async with self._turn:
            worker = self._worker
            if worker is None:
                raise WorkersUnavailable("the GPU's process is not running")
            try:
                return await worker.call(request, fds, timeout_seconds)
            except WorkerCrashed as error:
                self.crashes += 1
                log.warning("worker_lost", worker=self._spec.name, error=str(error))
                await self._discard()
                raise
            except BaseException:
                await self._discard()  # its late answer would go to the next caller
                raise

    async def _discard(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.reap()


def _arguments(settings: GpuSettings) -> str:
    names = {"model", "revision", "device", "index", "dtype", "max_share", "vision_patches", "prefill_tokens"}
    return json.dumps(settings.model_dump(include=names))


def _memory_file(held: ExitStack, label: str, content: bytes) -> MemoryFile:
    file = MemoryFile.of(label, content)
    held.callback(file.close)
    return file


def _reading(raw: Mapping[str, int]) -> MemoryReading:
    return MemoryReading(**raw)


def _opened(answer: Answer) -> Opened:
    return Opened(
        model=answer["model"],
        revision=answer["revision"],
        precision=answer["precision"],
        device=answer["device"],
        coefficients=Coefficients.from_dict(answer["coefficients"]),
        memory=_reading(answer["memory"]),
        phases=tuple((name, seconds) for name, seconds in answer["phases"]),
    )

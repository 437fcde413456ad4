"""The consumer's side of the preparing processes: prompt and pictures in, token ids and patches out.

They need torch's libraries and a tokenizer, and work beside the GPU's process, so that it never waits for resizing.
"""

from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from consumer.errors import PermanentError, StartRefused, WorkerCrashed
from consumer.inference.gpu_process import Launchable
from consumer.inference.prompt import Prompt
from consumer.inference.sizes import Share
from consumer.inference.work import Shape
from consumer.messages import MemoryFile, Picture
from consumer.settings import GpuSettings
from consumer.workers.channel import Answer, Request
from consumer.workers.pool import Pooled, WorkerSpec, WorkersUnavailable
from schemas import Reason, Stage

MODULE: Final = "consumer.inference.preparer"
START_SECONDS: Final = 120.0
"""Importing torch from a cold disk takes most of it."""
_TRIES: Final = 2
"""A process that dies of an ad twice would do so for ever."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An ad for the GPU; whoever got it closes `launchable.payload`."""

    launchable: Launchable
    cut: bool
    """Whether words of the ad were left out."""


class Preparing(Pooled):
    """`start`, `prefix`, any number of concurrent `prepare`, `close`."""

    def __init__(self, settings: GpuSettings) -> None:
        self._settings = settings
        arguments = settings.model_dump_json(include={"model", "revision"})
        spec = WorkerSpec("preparer", MODULE, (arguments,), START_SECONDS, requests_per_worker=10_000)
        super().__init__(spec, settings.preparers)

    async def start(self) -> None:
        """Loads the tokenizer in every process; raises StartRefused."""
        try:
            await super().start()
        except WorkerCrashed as error:
            raise StartRefused(f"the preparing processes of the GPU judge did not start: {error}") from error

    async def prefix(self, text: str) -> "array[int]":
        """Token ids of the shared prompt; raises StartRefused when the model's folder cannot be used."""
        with ExitStack() as held:
            words, out = _file(held, "prompt", text.encode()), _file(held, "tokens", b"")
            answer = await self._pool.call({"op": "prefix"}, [words.fd, out.fd], START_SECONDS)
            if "refused" in answer:
                raise StartRefused(f"the GPU judge cannot start: {answer['refused']}")
            out.size_bytes = 4 * answer["tokens"]
            ids = array("i")
            ids.frombytes(out.read())
        return ids

    async def prepare(self, prompt: Prompt, pictures: Sequence[Picture], shares: Sequence[Share]) -> Ready:
        """Raises PermanentError when the ad ends the process twice, WorkersUnavailable when there is none."""
        with ExitStack() as held:
            words = _file(held, "prompt", prompt.text.encode())
            payload = _file(held, "payload", b"")
            request: Request = {
                "op": "prepare",
                "pictures": [
                    {"width": picture.width, "height": picture.height, "max_pixels": share.max_pixels}
                    for picture, share in zip(pictures, shares, strict=True)
                ],
            }
            fds = [words.fd, *(picture.pixels.fd for picture in pictures), payload.fd]
            answer = await self._ask(request, fds)
            grids = tuple((height, width) for height, width in answer["grids"])
            patches = tuple(height * width for height, width in grids)
            payload.size_bytes = answer["payload_bytes"]
            shape = Shape(patches, answer["tokens"] - sum(patches) // 4, self._settings.max_output_tokens)
            held.pop_all()
        words.close()
        return Ready(Launchable(shape, grids, answer["tokens"], prompt.grammar, payload), cut=answer["cut"])

    async def _ask(self, request: Request, fds: Sequence[int]) -> Answer:
        for crashes in range(1, _TRIES + 1):
            try:
                return await self._pool.call(request, fds, self._settings.prepare_seconds)
            except WorkersUnavailable:
                raise
            except WorkerCrashed as error:
                if crashes == _TRIES:
                    raise PermanentError(
                        Reason.WORKER_CRASH, Stage.PRICE, "preparing this ad for the model ended its process twice"
                    ) from error
        raise AssertionError("the last crash raises")


def _file(held: ExitStack, label: str, content: bytes) -> MemoryFile:
    file = MemoryFile.of(label, content)
    held.callback(file.close)
    return file

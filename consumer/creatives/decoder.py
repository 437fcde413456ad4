"""From bytes to pixels in sandboxed processes: `inspect` before the header gate, `decode` after the price.

A hostile file costs one process. What is wrong with the file becomes a PermanentError here; what is wrong
with this machine (no process can be started, shutdown) stays a TransientError.
"""

from collections.abc import Sequence

from consumer.creatives.header_gate import refusal
from consumer.creatives.plain_headers import HEAD_BYTES, plain_header
from consumer.errors import PermanentError, WorkerCrashed
from consumer.messages import Blob, HeaderFacts, MemoryFile, Picture
from consumer.settings import CreativeSettings
from consumer.workers.channel import Answer, Request
from consumer.workers.pool import Pooled, WorkerSpec, WorkersUnavailable, WorkerTimeout
from schemas import Reason, Stage

START_SECONDS = 30.0
_CRASHES_PER_FILE = 2
"""A decoder that dies on a file twice, the second time freshly started, died of the file."""


class Decoder(Pooled):
    """`start`, any number of concurrent `inspect` and `decode` calls, `close`."""

    def __init__(self, settings: CreativeSettings) -> None:
        self._settings = settings
        spec = WorkerSpec(
            name="decode",
            module="consumer.creatives.decode_worker",
            args=(str(settings.decode_memory_bytes), str(settings.max_pixels)),
            start_seconds=START_SECONDS,
        )
        super().__init__(spec, settings.decoders)

    async def inspect(self, blob: Blob) -> HeaderFacts:
        """What the header says, past the header gate and without decoding.

        Raises PermanentError: `creative_unsupported`, `creative_too_large`, or `creative_undecodable` for a
        header that cannot be read.
        """
        facts = _plain(blob) or await self._inspected(blob)
        refused = refusal(facts, self._settings)
        if refused is not None:
            raise refused
        return facts

    async def _inspected(self, blob: Blob) -> HeaderFacts:
        request: Request = {"op": "inspect", "max_frames": self._settings.max_frames}
        answer = await self._ask(request, [blob.content.fd], Stage.GATE, blob.asset_id)
        size = answer["width"], answer["height"]
        return HeaderFacts(blob.asset_id, answer["content_type"], blob.content.size_bytes, *size, answer["frames"])

    async def decode(self, blob: Blob, facts: HeaderFacts) -> Picture:
        """The first frame, upright, 8-bit RGB, of the size that `facts` says. The caller closes its pixels.

        Raises PermanentError `creative_undecodable` for damaged content and for one that takes too long, needs
        too much memory or kills its decoder twice.
        """
        pixels = MemoryFile.zeros("pixels", facts.pixels * 3)
        request: Request = {"op": "decode", "width": facts.width, "height": facts.height}
        try:
            await self._ask(request, [blob.content.fd, pixels.fd], Stage.DECODE, blob.asset_id)
        except BaseException:
            pixels.close()
            raise
        return Picture(blob.asset_id, blob.sha256, facts.width, facts.height, pixels, facts.frames)

    async def _ask(self, request: Request, fds: Sequence[int], stage: Stage, asset_id: str) -> Answer:
        for crashes in range(1, _CRASHES_PER_FILE + 1):
            try:
                answer = await self._pool.call(request, fds, self._settings.decode_seconds)
            except WorkersUnavailable:
                raise
            except WorkerTimeout as error:
                limit = f"took longer than {self._settings.decode_seconds:g} s to decode"
                raise _undecodable(stage, asset_id, limit) from error
            except WorkerCrashed as error:
                if crashes == _CRASHES_PER_FILE:
                    raise _undecodable(stage, asset_id, "ended its decoder process twice") from error
            else:
                if "reason" in answer:
                    raise PermanentError(Reason(answer["reason"]), stage, f"creative {asset_id} {answer['message']}")
                return answer
        raise AssertionError("the last crash raises")


def _plain(blob: Blob) -> HeaderFacts | None:
    plain = plain_header(blob.content.head(HEAD_BYTES), blob.content.size_bytes)
    return None if plain is None else HeaderFacts(blob.asset_id, plain[0], blob.content.size_bytes, *plain[1:], 1)


def _undecodable(stage: Stage, asset_id: str, what: str) -> PermanentError:
    return PermanentError(Reason.CREATIVE_UNDECODABLE, stage, f"creative {asset_id} {what}")

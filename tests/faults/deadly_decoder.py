"""The decoder process, except that it dies as on a parser's fault when a file says `MARK` in its comment.

`python -m tests.faults.deadly_decoder`, with the arguments of `consumer.creatives.decode_worker`.
"""

import os
import signal
from collections.abc import Sequence

from consumer.creatives import decode_worker
from consumer.creatives.decoder import START_SECONDS, Decoder
from consumer.settings import CreativeSettings
from consumer.workers.channel import Answer, Request
from consumer.workers.pool import WorkerPool, WorkerSpec

MARK = b"this file kills its decoder"
_LOOK_BYTES = 65536


class DeadlyDecoder(Decoder):
    """`Decoder` over such processes."""

    def __init__(self, settings: CreativeSettings) -> None:
        super().__init__(settings)
        arguments = (str(settings.decode_memory_bytes), str(settings.max_pixels))
        spec = WorkerSpec("decode", "tests.faults.deadly_decoder", arguments, START_SECONDS)
        self._pool = WorkerPool(spec, settings.decoders)


def main() -> None:
    """Serves as the real one does, and dies in the middle of a request."""
    answer = decode_worker.answer

    def deadly(request: Request, fds: Sequence[int], max_pixels: int) -> Answer:
        if request["op"] == "decode" and MARK in os.pread(fds[0], _LOOK_BYTES, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer(request, fds, max_pixels)

    decode_worker.answer = deadly
    decode_worker.main()


if __name__ == "__main__":
    main()

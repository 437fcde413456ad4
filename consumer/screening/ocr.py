"""OCR as a preparation step: the lines every engine reads, from processes of their own.

Stands between decoding and admission. A picture costs at most one process and `ocr.seconds`, for a long page
`ocr.seconds` a tile (`tiles`).
"""

import importlib.util
import json
from collections.abc import Sequence

from consumer.errors import PermanentError, StartRefused, WorkerCrashed
from consumer.messages import MemoryFile, OcrLine, Picture
from consumer.screening.tiles import scale_of, tiles_of
from consumer.settings import OcrSettings
from consumer.workers.channel import Answer, Request
from consumer.workers.pool import Pooled, WorkerSpec, WorkersUnavailable, WorkerTimeout
from schemas import Reason, Stage

_TRIES = 2
"""OCR that dies of a picture twice, or overruns twice, would do so for ever."""


class OcrReader(Pooled):
    """Implements `engine.TextReader`. `start`, any number of concurrent `read`, `close`."""

    def __init__(self, settings: OcrSettings) -> None:
        self._settings = settings
        spec = WorkerSpec(
            name="ocr",
            module="consumer.screening.ocr_worker",
            args=(str(settings.memory_bytes), str(settings.threads), str(settings.max_side)),
            start_seconds=settings.start_seconds,
            requests_per_worker=500,
        )
        super().__init__(spec, settings.workers)

    async def start(self) -> None:
        """Loads the models in every process; raises StartRefused if OCR is not installed or cannot start."""
        missing = [name for name in ("rapidocr", "onnxruntime", "cv2") if importlib.util.find_spec(name) is None]
        if missing:
            raise StartRefused(f"text recognition needs {', '.join(missing)}: pip install 'advet[screening]'")
        try:
            await super().start()
        except WorkerCrashed as error:
            raise StartRefused(
                f"text recognition did not start ({error}); see ocr.start_seconds and ocr.memory_bytes"
            ) from error

    async def read(self, pictures: Sequence[Picture]) -> tuple[OcrLine, ...]:
        """The lines of all pictures, in reading order within each; one picture after the other.

        Raises PermanentError `creative_undecodable` when a picture needs too much memory, or twice takes too
        long or ends its process.
        """
        return tuple([line for picture in pictures for line in await self._lines(picture)])

    async def _lines(self, picture: Picture) -> list[OcrLine]:
        request: Request = {"width": picture.width, "height": picture.height}
        scale = scale_of(picture.width, picture.height, self._settings.max_side)
        looks = len(tiles_of(round(picture.width * scale), round(picture.height * scale), self._settings.max_side))
        lines = MemoryFile("ocr-lines")
        try:
            answer = await self._ask(request, [picture.pixels.fd, lines.fd], picture.asset_id, looks)
            if "failure" in answer:
                raise _unreadable(picture.asset_id, answer["failure"])
            lines.size_bytes = answer["size_bytes"]
            rows = json.loads(lines.read())
        finally:
            lines.close()
        return [
            OcrLine(picture.asset_id, text, confidence, (x0, y0, x1, y1)) for text, confidence, x0, y0, x1, y1 in rows
        ]

    async def _ask(self, request: Request, fds: Sequence[int], asset_id: str, looks: int) -> Answer:
        limit_seconds = self._settings.seconds * looks
        for crashes in range(1, _TRIES + 1):
            try:
                return await self._pool.call(request, fds, limit_seconds)
            except WorkersUnavailable:
                raise
            except WorkerCrashed as error:
                if crashes == _TRIES:
                    slow = isinstance(error, WorkerTimeout)
                    what = f"took longer than {limit_seconds:g} s" if slow else "ended its process"
                    raise _unreadable(asset_id, f"twice it {what}") from error
        raise AssertionError("the last crash raises")


def _unreadable(asset_id: str, what: str) -> PermanentError:
    return PermanentError(
        Reason.CREATIVE_UNDECODABLE, Stage.OCR, f"text recognition failed on creative {asset_id}: {what}"
    )

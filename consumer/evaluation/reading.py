"""What OCR reads in a picture, kept by the picture's hash: a set is read once, and scored anew in seconds.

The name of an entry is a hash over the picture's bytes and over all that decides what is read: settings, models and
the code of the OCR process. Entries are small JSON files in the user's cache folder, the oldest removed beyond
`MAX_ENTRIES`. OCR starts with the first picture that is not known yet.
"""

import asyncio
import contextlib
import hashlib
import io
import os
from collections.abc import AsyncIterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from PIL import Image
from pydantic import TypeAdapter, ValidationError

from consumer.messages import MemoryFile, OcrLine, Picture
from consumer.screening.ocr import OcrReader
from consumer.settings import OcrSettings

MAX_ENTRIES: Final = 20_000
"""Some kilobytes each."""
Row = tuple[str, float, float, float, float, float]
"""Text, confidence and box of a line."""
_ROWS: Final = TypeAdapter(list[Row])
_READS: Final = ("ocr_worker.py", "reading_order.py", "tiles.py")


class PictureReader:
    """The real OCR behind a cache. `opened` gives one."""

    def __init__(self, settings: OcrSettings, cache: Path) -> None:
        self.concurrency: Final = settings.workers
        self._reader = OcrReader(settings)
        self._cache = cache
        self._starting = asyncio.Lock()
        self._started = False
        self._identity = _identity(settings)
        self.read_anew = 0
        """Pictures that were not in the cache."""

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, settings: OcrSettings, cache: Path) -> AsyncIterator["PictureReader"]:
        """Ends the OCR processes and bounds the cache on the way out."""
        await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
        reader = cls(settings, cache)
        try:
            yield reader
        finally:
            await reader._reader.close()
            _bound(cache)

    async def read(self, file: Path, asset_id: str) -> tuple[OcrLine, ...]:
        """The picture's lines in reading order.

        Raises OSError when it is no picture, PermanentError when OCR fails on it, StartRefused when OCR does not start.
        """
        content = await asyncio.to_thread(file.read_bytes)
        entry = self._cache / f"{hashlib.sha256(self._identity + content).hexdigest()}.json"
        rows = _known(entry)
        if rows is None:
            rows = await self._read_anew(content)
            _remember(entry, rows)
        return tuple(OcrLine(asset_id, text, confidence, (x0, y0, x1, y1)) for text, confidence, x0, y0, x1, y1 in rows)

    async def _read_anew(self, content: bytes) -> list[Row]:
        async with self._starting:
            if not self._started:
                await self._reader.start()
                self._started = True
        with Image.open(io.BytesIO(content)) as image:
            pixels = MemoryFile.of("pixels", image.convert("RGB").tobytes())
            picture = Picture("", "", image.width, image.height, pixels)
        try:
            lines = await self._reader.read([picture])
        finally:
            pixels.close()
        self.read_anew += 1
        return [(line.text, line.confidence, *line.box) for line in lines]


def _known(entry: Path) -> list[Row] | None:
    try:
        return _ROWS.validate_json(entry.read_bytes())
    except (FileNotFoundError, ValidationError):  # one that is damaged is read anew
        return None


def _remember(entry: Path, rows: list[Row]) -> None:
    """Whole or not at all: another evaluation may look for it now."""
    part = entry.with_suffix(f".{os.getpid()}")
    part.write_bytes(_ROWS.dump_json(rows))
    part.replace(entry)


def _identity(settings: OcrSettings) -> bytes:
    """All that decides what is read, but the picture."""
    digest = hashlib.sha256(f"{version('rapidocr')} {settings.max_side}\n".encode())
    for name in _READS:
        digest.update((files("consumer.screening") / name).read_bytes())
    return digest.digest()


def _bound(cache: Path) -> None:
    entries = sorted(cache.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for entry in entries[: max(0, len(entries) - MAX_ENTRIES)]:
        entry.unlink(missing_ok=True)

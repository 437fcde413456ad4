"""Creatives that are files on this machine, for `advet judge`: the same checks without a store."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from consumer.errors import PermanentError
from consumer.messages import Blob, MemoryFile
from schemas import CreativeRef, Reason, Stage


class LocalFiles:
    """`files` maps asset ids to paths."""

    def __init__(self, files: Mapping[str, Path], max_object_bytes: int) -> None:
        self._files = files
        self._max_object_bytes = max_object_bytes

    async def fetch(self, ref: CreativeRef, reserve: Callable[[int], Awaitable[None]]) -> Blob:
        """Raises PermanentError: missing, too large, or not the bytes that the submission pinned."""
        path = self._files.get(ref.asset_id)
        if path is None or not path.is_file():
            raise PermanentError(Reason.CREATIVE_MISSING, Stage.FETCH, f"creative {ref.asset_id} is no file here")
        size_bytes = path.stat().st_size
        if size_bytes > self._max_object_bytes:
            raise PermanentError(
                Reason.CREATIVE_TOO_LARGE,
                Stage.FETCH,
                f"creative {ref.asset_id} has {size_bytes} bytes, more than {self._max_object_bytes}",
            )
        await reserve(size_bytes)
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if ref.sha256 not in (None, sha256):
            raise PermanentError(
                Reason.CREATIVE_CHANGED,
                Stage.FETCH,
                f"creative {ref.asset_id} has another sha256 than submitted",
            )
        return Blob(ref.asset_id, MemoryFile.of("creative", content), sha256)

    async def probe(self, bucket: str, key: str | None) -> bool:
        """Files are never out."""
        return True

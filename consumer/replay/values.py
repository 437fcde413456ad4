"""The bytes to send: a letter's own value, or what its claim kept in object storage."""

from types import TracebackType
from typing import Self

from consumer.creatives.store import S3Store
from consumer.replay.letters import Letter
from consumer.settings import StorageSettings
from schemas import CreativeKind, CreativeRef


class Values:
    """`async with Values(settings.storage) as values`; talks to the store only when a letter has a claim."""

    def __init__(self, settings: StorageSettings) -> None:
        bucket = settings.claims_bucket or settings.buckets[0]
        self._store = S3Store(settings.model_copy(update={"buckets": (*settings.buckets, bucket)}))
        self._started = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.close()

    async def of(self, letter: Letter) -> bytes:
        """Proved by the claim's sha256. Raises PermanentError when it is gone or another, or StorageUnavailable."""
        claim = letter.facts.claim
        if claim is None:
            return letter.record.value or b""
        if not self._started:
            await self._store.start()
            self._started = True
        ref = CreativeRef(
            asset_id="claim", kind=CreativeKind.IMAGE, bucket=claim.bucket, key=claim.key, sha256=claim.sha256
        )
        blob = await self._store.fetch(ref, _unlimited)
        try:
            return blob.content.read()
        finally:
            blob.content.close()


async def _unlimited(size_bytes: int) -> None:
    """One value at a time, and storage.max_object_bytes limits it."""

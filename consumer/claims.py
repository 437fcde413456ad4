"""The claim check: a dead letter that its topic would refuse leaves its value in object storage."""

import asyncio
import hashlib
from typing import Protocol

import structlog

from consumer.errors import PermanentError, StorageUnavailable, StreamBroken
from consumer.messages import RawRecord, Terminal
from consumer.ops.metrics import Metrics
from consumer.outcome import dead_letter_record
from consumer.settings import Settings
from schemas import DeadLetter
from schemas.dead_letter import Claim

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
RECORD_ROOM_BYTES = 1024
"""What a record batch adds to its key, value and headers, with room to spare."""


class ObjectWriter(Protocol):
    """The part of the store that keeps values."""

    async def put(self, bucket: str, key: str, content: bytes, content_type: str) -> None:
        """Raises StorageUnavailable, or PermanentError when the store refuses."""


class Claims:
    """Writes values to `storage.claims_bucket`."""

    def __init__(self, settings: Settings, store: ObjectWriter, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._bucket = settings.storage.claims_bucket or settings.storage.buckets[0]
        self._largest_bytes = settings.kafka.largest_output_bytes - RECORD_ROOM_BYTES

    async def fit(self, record: RawRecord, letter: DeadLetter) -> Terminal:
        """The letter's record; without its value, which is kept first, where it would be too large.

        Waits through outages. Raises StreamBroken when the store refuses to keep the value: nothing may be lost.
        """
        terminal = dead_letter_record(record, letter, self._settings.topics)
        if terminal.size_bytes <= self._largest_bytes or record.value is None:
            return terminal
        claim = Claim(
            bucket=self._bucket,
            key=f"claims/{self._settings.kafka.group}/{record.partition.topic}/{record.partition.number}/{record.offset}",
            sha256=hashlib.sha256(record.value).hexdigest(),
        )
        await self._keep(claim, record.value)
        self._metrics.claims.inc()
        kept = letter.model_copy(update={"claim": claim})
        return dead_letter_record(record, kept, self._settings.topics, value=b"")

    async def _keep(self, claim: Claim, value: bytes) -> None:
        while True:
            try:
                await self._store.put(claim.bucket, claim.key, value, "application/octet-stream")
            except StorageUnavailable as error:
                log.warning("claim_retry", key=claim.key, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            except PermanentError as error:
                raise StreamBroken(
                    f"a dead letter is too large for its topic, and {error.message}: set storage.claims_bucket to a "
                    "bucket that advet may write to"
                ) from error
            else:
                return

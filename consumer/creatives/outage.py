"""Tells an outage of the object store, which pauses, from one bad object, which becomes a dead letter."""

import asyncio
from typing import Protocol

import structlog

from consumer.ops.metrics import Metrics
from schemas import CreativeRef

log = structlog.get_logger(__name__)


class Probe(Protocol):
    """The part of the store that answers whether it serves at all."""

    async def probe(self, bucket: str, key: str | None) -> bool:
        """Whether the store serves `key` (any answer about it counts), or answers for the bucket without one."""
        ...


class StorageWatch:
    """Uses the object that was served last as the witness: while it can be read, the store is up."""

    def __init__(self, store: Probe, probe_seconds: float, metrics: Metrics) -> None:
        self._store = store
        self._probe_seconds = probe_seconds
        self._metrics = metrics
        self._witness: dict[str, str] = {}
        self._waiting = 0

    @property
    def out(self) -> bool:
        """Whether an outage is being waited through."""
        return self._waiting > 0

    def served(self, ref: CreativeRef) -> None:
        """Notes an object that was read."""
        self._witness[ref.bucket] = ref.key

    async def wait_until_up(self, bucket: str) -> bool:
        """After an object could not be read: True at once when the store serves others, so the object is at fault.

        Otherwise waits until the store is back, which may take as long as the outage, and returns False.
        """
        if await self._up(bucket):
            return True
        self._waiting += 1
        self._metrics.storage_out.set(1)
        log.warning("storage_out", bucket=bucket)
        try:
            while True:
                await asyncio.sleep(self._probe_seconds)
                if await self._up(bucket):
                    break
        finally:
            self._waiting -= 1
            self._metrics.storage_out.set(int(self.out))
        log.info("storage_back", bucket=bucket)
        return False

    async def _up(self, bucket: str) -> bool:
        return await self._store.probe(bucket, self._witness.get(bucket))

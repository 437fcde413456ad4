"""A client that keeps sending submissions while other things happen."""

import asyncio
import json
import threading
from types import TracebackType

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from consumer.settings import Settings
from tests.rig import submission

KEYS = 40
MOST_AHEAD = 150


class Feeder:
    """`with Feeder(settings, per_second) as feeder`: growing revisions of `KEYS` ads, until `stop`."""

    def __init__(self, settings: Settings, per_second: float) -> None:
        self._settings = settings
        self._pause_seconds = 1 / per_second
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._feed()), name="feeder", daemon=True)
        self._failure: BaseException | None = None
        self.sent = 0
        """Acknowledged by the brokers."""
        self.held = threading.Event()
        """Set: sends nothing for now, as the consumers are too far behind."""

    def __enter__(self) -> "Feeder":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> int:
        """Ends it; returns how many records there are."""
        self._stopping.set()
        self._thread.join(60)
        if self._failure is not None:
            raise self._failure
        return self.sent

    async def _feed(self) -> None:
        try:
            async with AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka.bootstrap,
                enable_idempotence=True,
                request_timeout_ms=5000,
                metadata_max_age_ms=1000,
            ) as producer:
                number = 0
                while not self._stopping.is_set():
                    if not self.held.is_set():
                        await self._send(producer, number)
                        number += 1
                    await asyncio.sleep(self._pause_seconds)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self._failure = error

    async def _send(self, producer: AIOKafkaProducer, number: int) -> None:
        event = submission(number % KEYS, revision=number // KEYS)
        value = json.dumps(event, ensure_ascii=False).encode()
        while True:
            try:
                await producer.send_and_wait(self._settings.topics.submissions, value, event["submission_id"].encode())
            except KafkaError:
                await asyncio.sleep(self._pause_seconds)  # sent again: what arrived twice is two inputs
            else:
                self.sent += 1
                return

"""Puts single events onto a topic, for `advet submit` and the demo; the stream itself publishes elsewhere."""

from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from consumer.errors import StreamBroken
from consumer.kafka.connection import client_options
from consumer.settings import KafkaSettings


class EventWriter:
    """`async with EventWriter(settings) as writer`; any number of concurrent `send`s."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        # acks=all without idempotence: delivery is at least once, and some brokers know no producer ids
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=False,
            max_request_size=2 * self._settings.max_record_bytes,
        )
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise StreamBroken(
                f"no broker answers at {self._settings.bootstrap} ({type(error).__name__}): check kafka.bootstrap, "
                "or start one with `advet local`"
            ) from error
        self._producer = producer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
    ) -> None:
        """Returns once all replicas have the record; raises StreamBroken."""
        if self._producer is None:
            raise StreamBroken("the writer is closed")
        try:
            await self._producer.send_and_wait(topic, value, key=key, headers=list(headers))
        except KafkaError as error:
            raise StreamBroken(f"the broker did not take the event for {topic}: {error}") from error

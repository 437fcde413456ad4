"""An admin client for a `with` block, whose failure to connect says why."""

import contextlib
from collections.abc import AsyncIterator

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from consumer.errors import StartRefused
from consumer.kafka.connection import client_options
from consumer.kafka.probe import Unreachable, addresses, ask_broker
from consumer.settings import KafkaSettings


@contextlib.asynccontextmanager
async def admin_client(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client; raises StartRefused that names the step at which connecting fails."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        try:
            await admin.start()
        except KafkaError as error:
            raise StartRefused(await _why(settings, error)) from error
        yield admin
    finally:
        await admin.close()


async def _why(settings: KafkaSettings, error: KafkaError) -> str:
    reasons = []
    for host, port in addresses(settings.bootstrap):
        try:
            await ask_broker(host, port, settings)
        except Unreachable as reason:
            reasons.append(f"{host}:{port}: {reason.seen}; {reason.advice}")
    return "cannot reach Kafka: " + ("; ".join(reasons) or str(error))

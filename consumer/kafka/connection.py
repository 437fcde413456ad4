"""How every Kafka client of advet connects: one dict of aiokafka arguments for consumer, producer and admin."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from consumer.errors import StartRefused, StreamBroken
from consumer.messages import Partition
from consumer.settings import KafkaSettings

CLIENT_ID = "advet"
BATCH_BYTES = 256 * 1024
"""Of one request's records for a partition: with aiokafka's 16 KiB, 500 verdicts are several round trips."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's, which can be stopped at any time."""

    async def stop(self) -> None:
        """Leaves the group and disconnects.

        aiokafka awaits fetches that it has cancelled: one that waits to be tried again ends its `stop` half way, with a
        cancellation that whoever called it takes for his own.
        """
        this = asyncio.current_task()
        cancelled = this.cancelling() if this else 0
        try:
            await super().stop()
        except asyncio.CancelledError:
            if this and this.cancelling() > cancelled:
                raise
            for fetch in self._fetcher._pending_tasks:
                fetch.cancel()
            await self._client.close()


@dataclass(frozen=True, slots=True)
class Clients:
    """What the stream connects with; a simulated broker brings its own three."""

    consumer: Callable[..., Any] = Consumer
    producer: Callable[..., Any] = AIOKafkaProducer
    admin: Callable[..., Any] = AIOKafkaAdminClient


AIOKAFKA = Clients()


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Brokers, request timeout, TLS and SASL, as keyword arguments of any aiokafka client.

    Call it inside the event loop, once per client. Raises StartRefused when a certificate, key or token file
    cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "client_id": CLIENT_ID,
        "request_timeout_ms": round(settings.request_timeout_seconds * 1000),
        "security_protocol": settings.security.upper(),
    }
    if settings.security.endswith("ssl"):
        options["ssl_context"] = _tls(settings)
    if settings.security.startswith("sasl"):
        options["sasl_mechanism"] = settings.mechanism
        if settings.oauth_token_file is not None and settings.mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = TokenFile(settings.oauth_token_file)
        elif settings.password is not None:
            options["sasl_plain_username"] = settings.username
            options["sasl_plain_password"] = settings.password.get_secret_value()
    return options


@asynccontextmanager
async def independent_consumer(settings: KafkaSettings, *topics: str, **more: Any) -> AsyncIterator[Consumer]:
    """A consumer of no group that reads what is committed, from the beginning; `more` are aiokafka's arguments.

    Raises StreamBroken for a topic that does not exist, and for what Kafka refuses until the block is left.
    """
    consumer = Consumer(
        *topics,
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        **more,
    )
    try:
        await consumer.start()
        yield consumer
    except UnknownTopicOrPartitionError as error:
        missing = ", ".join(topics) or "one of the topics"
        raise StreamBroken(f"{missing}: no such topic at {settings.bootstrap}; run `advet topics apply`") from error
    except KafkaError as error:
        raise StreamBroken(cannot_read(settings, error)) from error
    finally:
        await consumer.stop()


def cannot_read(settings: KafkaSettings, error: Exception) -> str:
    """What to tell a person whose reading has failed."""
    return (
        f"cannot read from {settings.bootstrap} ({type(error).__name__}): check kafka.bootstrap and this user's "
        "rights, or start a broker with `advet local`"
    )


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """A bearer token in a file that someone else renews; read anew for every connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._read()
        except OSError as error:
            raise _unusable("kafka.oauth_token_file", path, error) from error

    async def token(self) -> str:
        """The token as it is now. An OSError while the file is being replaced makes aiokafka connect again."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        token = self._path.read_bytes().decode("ascii", errors="replace").strip()
        if not token:
            raise OSError(errno.ENODATA, "it is empty")
        return token


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise _unusable("kafka.ca_file", settings.ca_file, error) from error
    if settings.cert_file is not None and settings.key_file is not None:
        try:
            # An empty password makes an encrypted key an error here; without it OpenSSL would ask the terminal.
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            both = f"{settings.cert_file} with {settings.key_file}"
            raise _unusable("kafka.cert_file and kafka.key_file", both, error) from error
    return context


def _unusable(setting: str, path: Path | str | None, error: Exception) -> StartRefused:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StartRefused(
        f"{setting}: cannot use {path}: {cause}. Check the path, that this user may read it, and that it is what "
        "the setting asks for (a bearer token; certificates and keys as PEM, the key without passphrase)"
    )


def topic_partition(partition: Partition) -> TopicPartition:
    """A partition as aiokafka names it."""
    return TopicPartition(partition.topic, partition.number)

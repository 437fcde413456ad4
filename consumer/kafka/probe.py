"""Asks one broker directly, so that the cause of a failure stays visible.

aiokafka's clients turn every cause into "Unable to bootstrap"; here one connection goes through name lookup, TCP,
TLS, SASL and a metadata request, and the step that fails is named. Used by `doctor` and by `local` to see when a
broker is ready.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from consumer.errors import AdvetError
from consumer.kafka.connection import client_options
from consumer.settings import KafkaSettings

PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a broker says about its cluster."""

    cluster_id: str | None
    brokers: int
    controller: int


class Unreachable(AdvetError):
    """A broker cannot be used. `advice` says what to do."""

    def __init__(self, seen: str, advice: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.advice = advice


def addresses(bootstrap: str) -> list[tuple[str, int]]:
    """Splits `host:port,host:port`; raises Unreachable on anything else."""
    found = []
    for part in filter(None, (text.strip() for text in bootstrap.split(","))):
        host, _, port = part.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise Unreachable(f"{part!r} is not host:port", "set kafka.bootstrap to host:port, separated by commas")
        found.append((host.strip("[]"), int(port)))
    if not found:
        raise Unreachable("kafka.bootstrap is empty", "set kafka.bootstrap to host:port, separated by commas")
    return found


async def ask_broker(host: str, port: int, settings: KafkaSettings) -> ClusterFacts:
    """Connects as the settings say and asks for the cluster; raises Unreachable, or StartRefused for bad files."""
    options: dict[str, Any] = client_options(settings)
    del options["bootstrap_servers"]
    options["request_timeout_ms"] = min(options["request_timeout_ms"], round(PROBE_SECONDS * 1000))
    connection = AIOKafkaConnection(host, port, **options)
    with _translated(settings):
        async with asyncio.timeout(PROBE_SECONDS):
            try:
                await connection.connect()
                answer = await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    facts = answer.to_object()
    return ClusterFacts(facts.get("cluster_id"), len(facts["brokers"]), facts["controller_id"])


async def cluster_facts(host: str, port: int) -> ClusterFacts | None:
    """The cluster behind a plaintext port, or None while nothing there speaks Kafka."""
    try:
        return await ask_broker(host, port, KafkaSettings(bootstrap=f"{host}:{port}", request_timeout_seconds=2))
    except Unreachable:
        return None


@contextlib.contextmanager
def _translated(settings: KafkaSettings) -> Iterator[None]:
    """aiokafka's and the system's errors → Unreachable with what to do; the most telling ones first."""
    try:
        yield
    except SaslAuthenticationFailed as error:
        raise Unreachable(
            f"the broker rejects the credentials ({error})",
            "check kafka.username and kafka.password"
            if settings.mechanism != "OAUTHBEARER"
            else "check the token in kafka.oauth_token_file and its expiry",
        ) from error
    except UnsupportedSaslMechanismError as error:
        raise Unreachable(
            f"the broker does not offer {settings.mechanism} ({error})",
            "set kafka.mechanism to one that it offers",
        ) from error
    except IllegalSaslStateError as error:
        raise Unreachable(
            "this port does not use SASL", "set kafka.security to plaintext or ssl, or use the SASL port"
        ) from error
    except socket.gaierror as error:
        raise Unreachable(
            f"the name does not resolve ({error.strerror})",
            "check the host name in kafka.bootstrap and the DNS",
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"TLS fails: {error.verify_message}",
            "set kafka.ca_file to the CA that signed the broker's certificate; the host in kafka.bootstrap must be "
            "a name of the certificate",
        ) from error
    except ssl.SSLError as error:
        raise Unreachable(
            f"TLS fails: {error.reason or error}",
            "check that this port speaks TLS; set kafka.cert_file and kafka.key_file if it asks for a certificate",
        ) from error
    except ConnectionRefusedError as error:
        raise Unreachable(
            "connection refused: nothing listens there",
            "start the broker, or correct the port in kafka.bootstrap",
        ) from error
    except TimeoutError as error:
        raise Unreachable(
            f"no answer within {PROBE_SECONDS:g} s",
            "check firewalls and that the port speaks Kafka; a TLS port needs kafka.security = ssl or sasl_ssl",
        ) from error
    except (OSError, KafkaError) as error:
        raise Unreachable(
            f"the connection breaks ({type(error).__name__}: {error})",
            f"check that the port speaks {settings.security}; kafka.security must be what the listener uses",
        ) from error

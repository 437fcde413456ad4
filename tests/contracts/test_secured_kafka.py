"""TLS and SASL on a real Apache Kafka: every client gets in with the right settings, `doctor` names what is wrong."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import SecretStr

from consumer.doctor import check_brokers
from consumer.errors import StartRefused
from consumer.kafka.admin import admin_client
from consumer.kafka.connection import client_options
from consumer.kafka.topics import apply, make_plan
from consumer.local.apache_kafka import KafkaCluster, Listener
from consumer.local.process import free_ports
from consumer.settings import KafkaSettings, Settings
from tests.conftest import started

pytestmark = pytest.mark.kafka

LOGIN = "org.apache.kafka.common.security"
PASSWORD = "right-pass-of-app"


@dataclass(frozen=True)
class Secured:
    """Ports of one node and the CA that signed its certificate."""

    plain: int
    sasl: int
    tls: int
    ca: Path


def openssl(folder: Path, *arguments: str) -> None:
    """Runs openssl in the folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def make_certificates(folder: Path) -> None:
    """A CA, and a certificate for 127.0.0.1 signed by it: ca.pem and broker.pem (key, certificate)."""
    openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    openssl(
        folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "broker.csr",
        "-subj", "/CN=broker",
    )  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        folder, "x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "cert.pem", "-days", "2", "-extfile", "names",
    )  # fmt: skip
    (folder / "broker.pem").write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One node with a plaintext, a SASL and a TLS listener."""
    folder = tmp_path_factory.mktemp("secured")
    make_certificates(folder)
    sasl, tls = free_ports(2)
    properties = {
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl.plain.sasl.jaas.config": (
            f'{LOGIN}.plain.PlainLoginModule required user_app="{PASSWORD}";'
        ),
        "listener.name.sasl.scram-sha-256.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
        "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
        "listener.name.tls.ssl.keystore.type": "PEM",
        "listener.name.tls.ssl.keystore.location": str(folder / "broker.pem"),
    }
    users = [f"--add-scram=SCRAM-SHA-{size}=[name=app,password={PASSWORD}]" for size in (256, 512)]
    cluster = started(
        lambda: KafkaCluster.start(
            folder / "kafka",
            properties=properties,
            listeners=[Listener("SASL", "SASL_PLAINTEXT", sasl), Listener("TLS", "SSL", tls)],
            format_arguments=users,
        )
    )
    yield Secured(cluster.nodes[0].port, sasl, tls, folder / "ca.pem")
    cluster.kill_all()


def with_sasl(port: int, mechanism: Any, password: str = PASSWORD) -> KafkaSettings:
    """SASL without TLS."""
    return KafkaSettings(
        bootstrap=f"127.0.0.1:{port}", security="sasl_plaintext", mechanism=mechanism, username="app",
        password=SecretStr(password),
    )  # fmt: skip


async def all_clients_work(settings: KafkaSettings) -> None:
    """Admin, producer and consumer, each with the same options."""
    whole = Settings(kafka=settings)
    async with admin_client(settings) as admin:
        await apply(admin, await make_plan(admin, whole, 1))
    topic = whole.topics.submissions
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        sent = await producer.send_and_wait(topic, settings.model_dump_json().encode())
    consumer = AIOKafkaConsumer(topic, auto_offset_reset="earliest", **client_options(settings))
    async with consumer, asyncio.timeout(20):
        while (await consumer.getone()).offset != sent.offset:
            pass


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl(secured: Secured, mechanism: str) -> None:
    """The right password works everywhere; a wrong one is named as such, which aiokafka's clients do not do."""
    asyncio.run(all_clients_work(with_sasl(secured.sasl, mechanism)))
    (check,) = asyncio.run(check_brokers(with_sasl(secured.sasl, mechanism, "wrong")))
    assert check.status == "fail"
    assert "rejects the credentials" in check.seen
    assert "kafka.password" in check.advice
    assert PASSWORD not in check.seen


def test_wrong_password_is_said_by_commands_too(secured: Secured) -> None:
    """Not "unable to bootstrap"."""

    async def body() -> None:
        async with admin_client(with_sasl(secured.sasl, "PLAIN", "wrong")):
            raise AssertionError("connected with a wrong password")

    with pytest.raises(StartRefused, match="rejects the credentials"):
        asyncio.run(body())


def test_tls(secured: Secured) -> None:
    """The CA in kafka.ca_file is enough."""
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{secured.tls}", security="ssl", ca_file=secured.ca)
    asyncio.run(all_clients_work(settings))


def one_failure(settings: KafkaSettings) -> str:
    """What doctor sees and advises, of the only broker."""
    (check,) = asyncio.run(check_brokers(settings))
    assert check.status == "fail"
    return f"{check.seen} / {check.advice}"


def test_doctor_tells_causes_apart(secured: Secured, tmp_path: Path) -> None:
    """Each wrong setting leads to the setting that is wrong."""
    tls = f"127.0.0.1:{secured.tls}"
    assert "kafka.ca_file" in one_failure(KafkaSettings(bootstrap=tls, security="ssl"))
    name = one_failure(KafkaSettings(bootstrap=f"localhost:{secured.tls}", security="ssl", ca_file=secured.ca))
    assert "must be a name of the certificate" in name
    not_tls = KafkaSettings(bootstrap=f"127.0.0.1:{secured.plain}", security="ssl", ca_file=secured.ca)
    assert "kafka.security" in one_failure(not_tls)
    assert "kafka.security" in one_failure(KafkaSettings(bootstrap=tls))
    assert "kafka.security" in one_failure(KafkaSettings(bootstrap=f"127.0.0.1:{secured.sasl}"))
    assert "does not use SASL" in one_failure(with_sasl(secured.plain, "PLAIN"))
    assert "refused" in one_failure(KafkaSettings(bootstrap="127.0.0.1:1"))
    assert "does not resolve" in one_failure(KafkaSettings(bootstrap="nosuch.invalid:9092"))
    assert "host:port" in one_failure(KafkaSettings(bootstrap="9092"))
    token = tmp_path / "token"
    token.write_text("abc")
    bearer = KafkaSettings(
        bootstrap=f"127.0.0.1:{secured.sasl}",
        security="sasl_plaintext",
        mechanism="OAUTHBEARER",
        oauth_token_file=token,
    )
    assert "does not offer OAUTHBEARER" in one_failure(bearer)
    token.unlink()
    assert f"cannot use {token}: No such file" in one_failure(bearer)


def test_one_dead_address_beside_a_live_one_is_a_warning(secured: Secured) -> None:
    """The cluster can be used; the list should be corrected."""
    checks = asyncio.run(check_brokers(KafkaSettings(bootstrap=f"127.0.0.1:{secured.plain},127.0.0.1:1")))
    assert [check.status for check in checks] == ["ok", "warn"]

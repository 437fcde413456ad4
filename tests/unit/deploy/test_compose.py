"""infra/compose.yaml is valid, stays on this machine, and runs commands and settings that advet has.

Docker was never started on it; tests/acceptance/test_compose.py runs its commands without.
"""

import copy
import json
import os
from typing import Any

import pytest
from jsonschema.validators import validator_for

from consumer.local.kafka_install import KAFKA_VERSION
from consumer.settings import Settings
from tests.unit.deploy.commands import parse
from tests.unit.deploy.compose import FILE, Service, of_settings, read
from tests.unit.deploy.manifests import ROOT, SCHEMAS

OURS = ("topics", "advet", "advet-gpu", "advet-lag")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> dict[str, Service]:
    """All of them, and an environment without settings of advet."""
    for name in [name for name in os.environ if name.startswith("ADVET_")]:
        monkeypatch.delenv(name)
    found: dict[str, Service] = read()["services"]
    return found


def refusals(content: dict[str, Any]) -> list[str]:
    """What the Compose specification's schema says against it."""
    schema = json.loads((SCHEMAS / "compose.json").read_text())
    return [error.message for error in validator_for(schema)(schema).iter_errors(content)]


def test_it_is_valid() -> None:
    assert refusals(read()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"mem_limits": "1g"},
        {"healthcheck": {"test": "true", "retires": 3}},
        {"depends_on": {"kafka": {"condition": "healthy"}}},
        {"ports": "127.0.0.1:9464:9464"},
    ],
)
def test_a_broken_one_fails(change: dict[str, Any]) -> None:
    content = copy.deepcopy(read())
    content["services"]["advet"] |= change
    assert refusals(content) != []


def test_every_port_is_on_loopback_and_no_two_meet(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    taken: list[int] = []
    for port in ports:
        first, _, last = port.split(":")[1].partition("-")
        taken += range(int(first), int(last or first) + 1)
    assert len(taken) == len(set(taken))


def test_every_service_has_a_limit_of_memory_and_a_healthcheck(services: dict[str, Service]) -> None:
    assert all("mem_limit" in service and "healthcheck" in service for service in services.values())
    assert [name for name, service in services.items() if service["healthcheck"].get("disable")] == ["topics"]


def test_what_runs_once_is_waited_for(services: dict[str, Service]) -> None:
    """`up --wait` takes the end of a container for a failure unless one that stays depends on it."""
    once = {name for name, service in services.items() if service.get("restart") == "no"}
    waited = [
        {
            name
            for name, on in service.get("depends_on", {}).items()
            if on["condition"] == "service_completed_successfully"
        }
        for service in services.values()
        if "profiles" not in service
    ]
    assert once == {"topics"} == set().union(*waited)


def test_our_containers_are_confined(services: dict[str, Service]) -> None:
    for name in OURS:
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_advet_accepts_command_and_settings(
    name: str, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse(services[name]["command"])
    settings = of_settings(services[name], monkeypatch)
    assert settings.kafka.bootstrap in services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert settings.storage.endpoint == "http://storage:8333"
    assert settings.storage.secret_key is not None
    assert settings.storage.secret_key.get_secret_value() == services["storage"]["environment"]["AWS_SECRET_ACCESS_KEY"]


def test_the_store_has_the_bucket_and_the_ports(services: dict[str, Service]) -> None:
    command = services["storage"]["command"]
    assert f"-bucket={','.join(Settings().storage.buckets)}" in command
    assert "-s3.port=8333" in command


def test_ports_are_those_of_the_settings(services: dict[str, Service]) -> None:
    """The scrape configuration names them as well."""
    settings = Settings()
    assert services["advet"]["ports"][0].endswith(f":{settings.http.port}")
    assert services["advet-lag"]["ports"] == [f"127.0.0.1:{settings.lag.port}:{settings.lag.port}"]
    scraped = (ROOT / "infra" / "prometheus" / "prometheus.yml").read_text()
    assert f"port: {settings.http.port}" in scraped
    assert f"advet-lag:{settings.lag.port}" in scraped


def test_what_it_mounts_is_there(services: dict[str, Service]) -> None:
    """The model is the user's own."""
    sources = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    files = {source for source in sources if source.startswith(".")}
    assert {source for source in files if not (FILE.parent / source).exists()} == {"./model"}
    assert {source for source in sources if not source.startswith(".")} == set(read()["volumes"])


def test_the_broker_is_the_one_that_is_tested(services: dict[str, Service]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_a_topics_partition_for_every_consumer(services: dict[str, Service]) -> None:
    """README says how many may run; the ports that are published are enough for them."""
    partitions = int(services["topics"]["command"][-1])
    first, last = services["advet"]["ports"][0].split(":")[1].split("-")
    assert int(last) - int(first) + 1 >= partitions

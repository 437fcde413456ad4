"""Grace periods, memory and start times in the manifests follow from the settings beside them, and may not drift."""

from pathlib import Path

import pytest

from consumer.settings import Settings, load
from tests.unit.deploy import bounds
from tests.unit.deploy.compose import of_settings, read
from tests.unit.deploy.manifests import K8S, Manifest, one


@pytest.fixture
def settings(overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the overlay's consumers run with; credentials do not matter here."""
    monkeypatch.setenv("ADVET_KAFKA__USERNAME", "any")
    monkeypatch.setenv("ADVET_KAFKA__PASSWORD", "any")
    folder = "base" if overlay == "screening" else f"overlays/{overlay}"
    return load(config=K8S / folder / "advet.toml").settings


@pytest.fixture
def pod(manifests: list[Manifest]) -> Manifest:
    """The consumer's."""
    spec: Manifest = one(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def test_a_pod_may_take_as_long_as_its_shutdown(settings: Settings, pod: Manifest) -> None:
    assert pod["terminationGracePeriodSeconds"] == bounds.grace_seconds(settings)


def test_a_pod_may_take_as_much_memory_as_its_processes(settings: Settings, pod: Manifest) -> None:
    [container] = pod["containers"]
    assert bounds.in_bytes(container["resources"]["limits"]["memory"]) == bounds.memory_bytes(settings)


def test_a_pod_may_start_as_slowly_as_its_parts(settings: Settings, manifests: list[Manifest], pod: Manifest) -> None:
    [container] = pod["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == bounds.start_seconds(settings)
    deployment = one(manifests, "Deployment")["spec"]
    assert (
        deployment.get("progressDeadlineSeconds", 600) > bounds.start_seconds(settings) + deployment["minReadySeconds"]
    )


def test_a_silent_pod_is_killed_after_the_group_has_given_it_up(settings: Settings, pod: Manifest) -> None:
    """Killed sooner, a long stall would cost a start besides."""
    [container] = pod["containers"]
    probe = container["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= settings.kafka.session_timeout_seconds


@pytest.mark.parametrize("service", ["advet", "advet-gpu"])
def test_the_compose_file_gives_as_much(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = read()["services"][service]
    settings = of_settings(consumer, monkeypatch)
    assert bounds.in_bytes(consumer["mem_limit"]) == bounds.memory_bytes(settings)
    assert consumer["stop_grace_period"] == f"{bounds.grace_seconds(settings)}s"
    needed = int(consumer["healthcheck"]["start_period"].removesuffix("s"))
    assert needed == bounds.start_seconds(settings)

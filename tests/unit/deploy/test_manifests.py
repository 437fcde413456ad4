"""infra/k8s: what every overlay renders to is valid, confined, and runs commands and settings that advet has.

Nothing here was ever applied to a cluster.
"""

import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.ops.metrics import GroupLagMetrics
from consumer.settings import Settings, leaves, load
from tests.unit.deploy.commands import parse
from tests.unit.deploy.conftest import OVERLAYS
from tests.unit.deploy.manifests import K8S, Manifest, one, pod_templates, problems, rendered, settings_file

OPTIONAL = ("pod-monitor", "topics")
CLUSTER_WIDE = {"Namespace", "PriorityClass"}


def test_the_overlays_that_are_tested_are_all_there_are() -> None:
    assert {folder.name for folder in (K8S / "overlays").iterdir()} == set(OVERLAYS)


def test_every_object_is_valid(manifests: list[Manifest]) -> None:
    assert [problem for manifest in manifests for problem in problems(manifest)] == []


def test_every_object_is_in_the_overlays_namespace(overlay: str, manifests: list[Manifest]) -> None:
    [namespace] = [m["metadata"]["name"] for m in manifests if m["kind"] == "Namespace"]
    found = {m["metadata"].get("namespace") for m in manifests if m["kind"] not in CLUSTER_WIDE}
    assert found == {namespace}
    assert namespace == ("advet-backfill" if overlay == "backfill" else "advet")


def test_optional_components_are_valid_with_every_overlay(
    overlay: str, manifests: list[Manifest], tmp_path: Path
) -> None:
    """As if their lines in the overlay had no `#`."""
    folder = tmp_path / "with-everything"
    folder.mkdir()
    near = os.path.relpath(K8S, folder)
    listed = "".join(f"  - {near}/components/{name}\n" for name in OPTIONAL)
    namespace = one(manifests, "Deployment")["metadata"]["namespace"]
    (folder / "kustomization.yaml").write_text(
        f"namespace: {namespace}\nresources:\n  - {near}/overlays/{overlay}\ncomponents:\n{listed}"
    )
    everything = rendered(folder)
    assert {m["kind"] for m in everything} - {m["kind"] for m in manifests} == {"PodMonitor", "Job"}
    assert [problem for manifest in everything for problem in problems(manifest)] == []
    [job] = [m for m in everything if m["kind"] == "Job"]
    partitions = int(job["spec"]["template"]["spec"]["containers"][0]["args"][-1])
    assert one(everything, "ScaledObject")["spec"]["maxReplicaCount"] <= partitions
    kafka = one(everything, "ScaledObject")["spec"]["triggers"][1]["metadata"]
    assert int(kafka["activationLagThreshold"]) >= partitions


@pytest.fixture
def environment(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the consumer's container has of advet: its variables, and the settings file where ADVET_CONFIG says."""
    for name in [name for name in os.environ if name.startswith("ADVET_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "advet.toml"
    file.write_text(settings_file(manifests))
    for variable in one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]:
        if variable["name"] == "ADVET_CONFIG":
            assert variable["value"] == "/etc/advet/advet.toml"
        monkeypatch.setenv(variable["name"], variable.get("value", "from-a-secret"))
    monkeypatch.setenv("ADVET_CONFIG", str(file))
    return file


def test_advet_accepts_the_settings(overlay: str, environment: Path) -> None:
    """All names and values; secrets come by reference only."""
    settings = load().settings
    assert settings.kafka.security == "sasl_ssl"
    assert settings.engine.name == ("gpu" if overlay == "gpu" else "screening")
    assert (settings.topics.submissions == "ad-backfill") == (overlay == "backfill")
    secret = {setting.name.rpartition(".")[2] for setting in leaves() if setting.secret}
    assert not re.search(rf"^({'|'.join(secret)})\b", environment.read_text(), re.MULTILINE)


def test_keda_looks_at_the_group_and_topic_of_the_settings(manifests: list[Manifest], environment: Path) -> None:
    settings = load().settings
    scaled = one(manifests, "ScaledObject")["spec"]
    ours, kafka = (trigger["metadata"] for trigger in scaled["triggers"])
    assert ours["query"] == f'max(advet_lag_gpu_seconds{{group="{settings.kafka.group}"}})'
    assert b"# TYPE advet_lag_gpu_seconds gauge" in GroupLagMetrics().exposition()
    assert ours["ignoreNullValues"] == "false"
    assert kafka["bootstrapServers"] == settings.kafka.bootstrap
    assert (kafka["consumerGroup"], kafka["topic"]) == (settings.kafka.group, settings.topics.submissions)
    assert kafka["offsetResetPolicy"] == settings.kafka.start
    assert (kafka["excludePersistentLag"], kafka["allowIdleConsumers"]) == ("false", "false")
    assert scaled["scaleTargetRef"]["name"] == one(manifests, "Deployment")["metadata"]["name"]
    assert "replicas" not in one(manifests, "Deployment")["spec"]


def test_no_pod_has_rights_or_a_writable_root(manifests: list[Manifest]) -> None:
    templates = list(pod_templates(manifests))
    assert len(templates) == 2
    for template in templates:
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert writable == {"/tmp"}
    assert not [m for m in manifests if m["kind"] in {"Role", "RoleBinding", "ClusterRoleBinding", "Secret"}]
    assert one(manifests, "ServiceAccount")["automountServiceAccountToken"] is False


def test_service_links_are_off(manifests: list[Manifest]) -> None:
    """A Service named advet would set ADVET_PORT in every pod of its namespace, and advet refuses unknown settings."""
    assert all(template["spec"]["enableServiceLinks"] is False for template in pod_templates(manifests))


def test_commands_are_advets_own(manifests: list[Manifest]) -> None:
    """With their options; the image's entry point is `advet`."""
    for template in pod_templates(manifests):
        for container in template["spec"]["containers"]:
            assert "command" not in container
            parse(container["args"])


def test_probes_ask_what_they_are_for(manifests: list[Manifest]) -> None:
    paths = {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for name, expected in {"advet": paths, "advet-lag": {"livenessProbe": "/livez"}}.items():
        [container] = one(manifests, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        probes = {probe: content["httpGet"] for probe, content in container.items() if probe.endswith("Probe")}
        assert {probe: content["path"] for probe, content in probes.items()} == expected
        assert {content["port"] for content in probes.values()} == {container["ports"][0]["name"]}


def test_ports_are_those_of_the_settings(manifests: list[Manifest]) -> None:
    settings = Settings()
    by_name = {
        template["metadata"]["labels"]["app.kubernetes.io/name"]: template for template in pod_templates(manifests)
    }
    ports = {name: template["spec"]["containers"][0]["ports"][0]["containerPort"] for name, template in by_name.items()}
    assert ports == {"advet": settings.http.port, "advet-lag": settings.lag.port}
    [ingress] = one(manifests, "NetworkPolicy")["spec"]["ingress"]
    assert {port["port"] for port in ingress["ports"]} == set(ports.values())
    assert settings.admin.port not in ports.values()


def test_traffic_is_closed_but_for_what_is_named(manifests: list[Manifest]) -> None:
    """A rule without peers, or without ports, would open everything."""
    spec = one(manifests, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] and rule["ports"] for rule in spec["ingress"])
    assert all(rule["to"] and rule["ports"] for rule in spec["egress"])
    label = spec["podSelector"]["matchLabels"].items()
    assert all(label <= template["metadata"]["labels"].items() for template in pod_templates(manifests))


def test_selectors_meet_the_pods(manifests: list[Manifest]) -> None:
    deployments = [m for m in manifests if m["kind"] == "Deployment"]
    for deployment in deployments:
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    chosen = one(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items()
    met = [d["metadata"]["name"] for d in deployments if chosen <= d["spec"]["template"]["metadata"]["labels"].items()]
    assert met == ["advet"]


def test_a_gpu_pod_has_one_card_and_mounted_weights(renderer: None) -> None:
    pod = one(rendered(K8S / "overlays" / "gpu"), "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts["models"] == {"name": "models", "mountPath": "/models", "readOnly": True}
    assert {"name": "models", "persistentVolumeClaim": {"claimName": "advet-models", "readOnly": True}} in pod[
        "volumes"
    ]


def _misspell(kind: str, path: list[str | int], name: str) -> Callable[[list[Manifest]], Manifest]:
    def change(manifests: list[Manifest]) -> Manifest:
        manifest = copy.deepcopy(one(manifests, kind))
        part: Any = manifest
        for step in path:
            part = part[step]
        part[name] = "x"
        return manifest

    return change


BROKEN = {
    "a field that does not exist": _misspell("Deployment", ["spec", "template", "spec"], "terminationGracePeriod"),
    "a string where a number belongs": _misspell("Deployment", ["spec"], "minReadySeconds"),
    "a misspelt probe": _misspell("Deployment", ["spec", "template", "spec", "containers", 0], "livenessprobe"),
    "a policy that closes nothing": _misspell("NetworkPolicy", ["spec"], "egres"),
    "a budget of the old kind": _misspell("PodDisruptionBudget", ["spec"], "maxUnavailables"),
    "a parameter that no scaler has": _misspell(
        "ScaledObject", ["spec", "triggers", 1, "metadata"], "excludePersistantLag"
    ),
    "an unknown way to fall back": _misspell("ScaledObject", ["spec", "fallback"], "behavior"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_manifest_fails(broken: str, renderer: None) -> None:
    manifests = rendered(K8S / "overlays" / "screening")
    manifest = BROKEN[broken](manifests)
    assert len(problems(manifest)) == 1, problems(manifest)


def test_an_unknown_kind_fails() -> None:
    assert problems({"apiVersion": "apps/v1beta1", "kind": "Deployment"}) != []

"""The files of ``deploy/kubernetes``: Kubernetes' schema accepts them, and Lading their options."""

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lading.service.api.admin.operations import is_own_name
from lading.service.config import load_all
from tests.support.servers.programs import program

FOLDER: Final = Path(__file__).parents[3] / "deploy" / "kubernetes"
VERSIONS: Final = ("1.29", "1.37")
"""Of Kubernetes: the oldest and the newest that the files are validated against."""


def resources(text: str) -> list[dict[str, Any]]:
    return [resource for resource in yaml.safe_load_all(text) if resource]


def files() -> list[dict[str, Any]]:
    """The resources of all files, as they lie there."""
    return [one for path in sorted(FOLDER.glob("*.yaml")) for one in resources(path.read_text(encoding="utf-8"))]


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in files() if one["kind"] == kind}


@pytest.mark.long_form
@pytest.mark.parametrize("version", VERSIONS)
def test_kustomize_builds_what_the_schema_accepts(version: str) -> None:
    validation = pytest.importorskip("kubernetes_validate")
    command = [program("kubectl", "kubernetes-client"), "kustomize", str(FOLDER)]
    built = resources(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(built) > 8
    for resource in built:
        validation.validate(resource, version, strict=True)


@pytest.mark.parametrize("component", ["service", "worker"])
def test_the_options_of_a_pod_exist(component: str) -> None:
    (container,) = named("Deployment")[component]["spec"]["template"]["spec"]["containers"]
    environ = named("ConfigMap")["lading"]["data"] | {one["name"]: one["value"] for one in container["env"]}
    settings, _ = load_all(None, environ)
    assert container["args"] == ["serve" if component == "service" else "worker"]
    assert settings.worker.enabled == (component == "worker")
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports["admin"] == settings.admin.port
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
    assert {probe["port"] for probe in probes} <= set(ports)
    template = named("Deployment")[component]["spec"]["template"]["spec"]
    grace = settings.service.drain_delay + settings.service.shutdown_timeout
    assert template["terminationGracePeriodSeconds"] > grace


def test_every_file_is_in_use_and_workers_cannot_reach_the_cluster() -> None:
    text = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")
    assert [path.name for path in FOLDER.glob("*.yaml") if path.name not in text] == ["kustomization.yaml"]
    (policy,) = named("NetworkPolicy").values()
    blocks = [to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(blocks[0]["except"])


def test_tools_reach_the_admin_listener_by_name_and_strangers_do_not_reach_it() -> None:
    settings, _ = load_all(None, named("ConfigMap")["lading"]["data"])
    namespace = named("Namespace")["lading"]["metadata"]["name"]
    (name,) = [name for name, service in named("Service").items() if service["spec"]["ports"][0]["name"] == "admin"]
    for host in (f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"):
        assert is_own_name(f"{host}:{settings.admin.port}", settings.admin.hosts)
    (policy,) = named("NetworkPolicy").values()
    for rule in policy["spec"]["ingress"]:
        assert ("from" in rule) == ({"port": settings.admin.port} in rule["ports"])

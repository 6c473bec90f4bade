"""dfmc's own short-lived pods on the bed: run for real, with the cluster's names, and gone without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bed_tools import BedTools, wait_until

pytestmark = [pytest.mark.e2e]

NAMESPACE = "bed-probes"
LABELS = {"app.kubernetes.io/managed-by": "dfmc", "dfmc.io/purpose": "probe"}


@pytest.fixture
def namespace(tools: BedTools) -> Any:
    tools.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield NAMESPACE
    tools.remove_namespaces(NAMESPACE)


def probe(name: str, script: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "probe", "image": "busybox:latest", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def ended(tools: BedTools, name: str) -> dict[str, Any]:
    def status() -> dict[str, Any] | None:
        text = tools.kubectl("-n", NAMESPACE, "get", "pod", name, "-o", "json")
        found: dict[str, Any] = json.loads(text)["status"]
        return found if found.get("phase") in ("Succeeded", "Failed") else None

    found: dict[str, Any] = wait_until(f"the end of {name}", status)
    return found


def test_probes_see_names_and_ports_as_a_pod_does(tools: BedTools, namespace: str) -> None:
    origin = tools.state.plan.origin_port
    tools.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "nobody", "namespace": namespace},
            "spec": {"ports": [{"port": 80}], "selector": {"app": "nobody"}},
        },
        probe("names", "nslookup nobody && nslookup nothing.bed-probes.svc.cluster.local; exit $?"),
        probe("ports", f"nc -vz -w 5 127.0.0.1 {origin} && nc -vz -w 5 nobody 80"),
        probe("node", "nsenter -t 1 -m -- true", hostPID=True),
    )
    names, ports, node = (ended(tools, name) for name in ("names", "ports", "node"))
    assert (names["phase"], names["containerStatuses"][0]["state"]["terminated"]["exitCode"]) == ("Failed", 1)
    said = tools.kubectl("-n", namespace, "logs", "names")
    assert f"Name:\tnobody.{namespace}.svc.cluster.local" in said
    assert "NXDOMAIN" in said
    assert ports["phase"] == "Failed"
    said = tools.kubectl("-n", namespace, "logs", "ports")
    assert f"127.0.0.1 (127.0.0.1:{origin}) open" in said
    assert "Connection refused" in said
    assert node["containerStatuses"][0]["state"]["terminated"]["reason"] == "StartError"
    tools.kubectl("-n", namespace, "delete", "pod", "names", "ports", "node", "--timeout=30s")
    assert tools.pods(namespace) == []

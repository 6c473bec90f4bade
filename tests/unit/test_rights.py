"""The one table of rights: what preflight asks for is what `dfmc rbac` prints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfmc.engine.chart_objects import chart_objects, release_objects
from dfmc.engine.preflight import needs_of
from dfmc.errors import DfmcError
from dfmc.output.roles import roles_yaml
from dfmc.planning.rights import ObjectKind, object_kind, plural, verify_rights
from dfmc.planning.roles import Subject, needs_of_commands, role_objects
from dfmc.planning.steps import Kind
from dfmc.state import AccessNeed, ReleaseState
from observed_worlds import fresh, plan
from topologies import entry, topology

FILE = topology()
OBJECTS = (ObjectKind("", "configmaps", "cluster-b"), ObjectKind("networking.k8s.io", "ingresses", "cluster-b"))


@pytest.mark.parametrize("name", ["a", "b"])
def test_whatever_a_first_up_asks_for_is_printed_but_the_namespace_that_is_printed_itself(name: str) -> None:
    cluster = FILE.cluster(name)
    asked = set(needs_of(FILE, cluster, plan(FILE, fresh(FILE)), OBJECTS))
    printed = set(needs_of_commands(FILE, cluster, OBJECTS, down=False))
    assert asked - printed == {AccessNeed("create", "", "namespaces")}
    assert printed - asked == set()


def test_a_member_needs_no_credentials_no_lock_and_no_way_to_the_manager() -> None:
    needs = needs_of_commands(FILE, FILE.cluster("b"), OBJECTS, down=True)
    resources = {need.resource for need in needs}
    assert not resources & {"pods/portforward"}
    assert {need.namespace for need in needs} == {"cluster-b", "kube-system", None}
    assert AccessNeed("update", "coordination.k8s.io", "leases", "cluster-b") not in needs


def test_nodes_are_listed_only_where_the_runtime_is_to_be_found_out() -> None:
    auto = needs_of_commands(FILE, FILE.cluster("b"), (), down=False)
    told = topology(clusters=[entry("a"), entry("b", runtime={"type": "docker"})])
    assert AccessNeed("list", "", "nodes") in auto
    assert AccessNeed("list", "", "nodes") not in needs_of_commands(told, told.cluster("b"), (), down=False)


def test_only_a_member_that_is_bridged_needs_rights_for_slices() -> None:
    def asked(address: str, name: str = "b") -> set[str]:
        expose = {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952}
        file = topology(
            manager={"cluster": "a", "expose": expose, "address": address},
            clusters=[entry("a"), entry("b", context="other", scopes={"idc": "b"})],
        )
        return {str(need) for need in needs_of_commands(file, file.cluster(name), OBJECTS, down=True)}

    slices = {f"{verb} endpointslices.discovery.k8s.io in namespace cluster-b" for verb in ("list", "create", "patch")}
    assert asked("192.0.2.10") >= slices | {"delete services in namespace cluster-b"}
    assert not asked("dragonfly.example.com") & slices
    assert not asked("192.0.2.10", "a") & slices


def test_down_adds_deletions() -> None:
    without = set(needs_of_commands(FILE, FILE.central, OBJECTS, down=False))
    added = set(needs_of_commands(FILE, FILE.central, OBJECTS, down=True)) - without
    assert AccessNeed("delete", "", "persistentvolumeclaims", "cluster-a") in added
    assert AccessNeed("delete", "", "namespaces", "cluster-a", name="cluster-a") in added


def test_verify_adds_the_way_to_counters_and_proxies_and_short_lived_pods() -> None:
    needs = verify_rights(FILE.cluster("b"))
    assert {need.namespace for need in needs} == {"cluster-b"}
    assert {(need.verb, need.resource) for need in needs} >= {
        ("get", "pods/proxy"),
        ("create", "pods/portforward"),
        ("create", "pods"),
        ("delete", "pods"),
        ("get", "pods/log"),
    }


def test_roles_say_the_same_as_the_needs() -> None:
    needs = needs_of_commands(FILE, FILE.central, OBJECTS, down=True)
    text = roles_yaml([(FILE.central, role_objects(FILE, FILE.central, needs, Subject("User", "ci")))])
    documents = list(yaml.safe_load_all(text))
    assert text.startswith("# cluster a: kubectl --context kind-kind apply -f -\n")
    allowed = {
        AccessNeed(verb, group, resource, one["metadata"].get("namespace"), (rule.get("resourceNames") or [""])[0])
        for one in documents
        if one["kind"] in ("Role", "ClusterRole")
        for rule in one["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == set(needs)
    bindings = [one for one in documents if one["kind"].endswith("Binding")]
    assert {one["subjects"][0]["name"] for one in bindings} == {"ci"}
    assert documents[0] == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cluster-a"}}


def test_a_right_is_told_in_words() -> None:
    assert str(AccessNeed("get", "", "namespaces", "x", name="x")) == "get namespaces x"
    assert str(AccessNeed("list", "apps", "deployments", "x")) == "list deployments.apps in namespace x"


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Ingress", "ingresses"),
        ("NetworkPolicy", "networkpolicies"),
        ("ConfigMap", "configmaps"),
        ("Endpoints", "endpoints"),
    ],
)
def test_resources_are_named_as_kubernetes_names_them(kind: str, resource: str) -> None:
    assert plural(kind) == resource


def test_the_kinds_of_a_release_come_from_its_manifest() -> None:
    manifest = """\
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: x}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: x}
---
apiVersion: v1
kind: Service
metadata: {name: x, namespace: elsewhere}
"""
    release = ReleaseState("r", "n", 1, "deployed", "dragonfly", "1.7.4", "", {}, {}, manifest=manifest)
    assert release_objects(release) == (
        ObjectKind("policy", "poddisruptionbudgets", "n"),
        ObjectKind("rbac.authorization.k8s.io", "clusterroles", None),
        ObjectKind("", "services", "elsewhere"),
    )
    assert object_kind("v1", "Namespace", "n").namespace is None


def test_steps_that_only_look_need_nothing_to_be_asked() -> None:
    assert Kind.READY not in {step.kind for step in plan(FILE, fresh(FILE)).mutations}


class Template:
    """A helm that renders one object per cluster, and fails for whoever switches ``client.metrics.enable``."""

    def __init__(self) -> None:
        self.rendered: list[str] = []

    async def template(self, *, namespace: str, values: Mapping[str, Any], **rest: Any) -> str:
        self.rendered.append(namespace)
        if values["client"].get("metrics", {}).get("enable") is False:
            raise DfmcError("helm template failed")
        assert "canary" not in str(values)
        return f"apiVersion: v1\nkind: Service\nmetadata: {{name: x, namespace: {namespace}}}\n"


def test_helm_renders_once_for_all_clusters_with_the_same_switches() -> None:
    spoilt = entry("d", values={"client": {"metrics": {"enable": False}}})
    file = topology(clusters=[entry("a"), entry("b"), entry("c", nodeSelector={"x": "y"}), spoilt])
    helm = Template()
    found = asyncio.run(chart_objects(file, file.clusters, Path("/nowhere"), helm))  # type: ignore[arg-type]
    assert sorted(helm.rendered) == ["cluster-a", "cluster-b", "cluster-d"]
    assert found["c"] == (ObjectKind("", "services", "cluster-c"),)
    assert isinstance(found["d"], DfmcError)
    assert found["d"].where == "d"

"""What dfmc and its helm do in a Kubernetes cluster, as rights. Pure.

One table for two readers: preflight asks the API server about the rows that a plan's steps need, and ``dfmc rbac``
prints all of them as roles. A user who may install but not update Secrets gets exit 0 from helm and a release that
blocks every later run (observed on helm 3.21 and 4.2), so a missing right is found by asking, not by trying.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dfmc.planning.exposure import is_bridged, is_elsewhere
from dfmc.planning.steps import Kind
from dfmc.state import AccessNeed
from dfmc.topology.model import ClusterSpec, Topology

PORT_FORWARD = "port-forward"
CLUSTER_IDENTITY = "kube-system"
UP_KINDS = frozenset({Kind.CREDENTIALS, Kind.EXPOSE, Kind.BRIDGE, Kind.RELEASE, Kind.MANAGER, Kind.RECORD, Kind.SCALE})
DOWN_KINDS = frozenset({Kind.UNINSTALL, Kind.UNEXPOSE, Kind.UNBRIDGE, Kind.VOLUMES, Kind.FORGET, Kind.DISCARD})
# Kinds of steps that helm does.
_HELM = frozenset({Kind.RELEASE, Kind.SCALE, Kind.UNINSTALL})


@dataclass(frozen=True, order=True)
class ObjectKind:
    """A kind of objects as RBAC names it.

    Attributes:
        group: API group; empty for the core group.
        resource: Plural, in small letters.
        namespace: Where the release has objects of it; None for kinds that live in none.
    """

    group: str
    resource: str
    namespace: str | None


# What every chart makes, for when nothing better is known.
_USUAL = (
    ("", ("configmaps", "secrets", "services", "serviceaccounts")),
    ("apps", ("deployments", "statefulsets", "daemonsets")),
)
_CLUSTER_WIDE = frozenset(
    {
        *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace"),
        *("PersistentVolume", "PriorityClass", "RuntimeClass", "StorageClass"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
    }
)
# What `down` looks for in a namespace before it deletes it.
CONTENT = (
    ("", "Pod"),
    ("", "Service"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "PersistentVolumeClaim"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
    ("coordination.k8s.io", "Lease"),
    ("networking.k8s.io", "Ingress"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
)


def usual_objects(namespace: str) -> tuple[ObjectKind, ...]:
    """Return the kinds that every chart makes in its namespace."""
    return tuple(ObjectKind(group, resource, namespace) for group, resources in _USUAL for resource in resources)


def object_kind(api_version: str, kind: str, namespace: str) -> ObjectKind:
    """Return a manifest's kind as RBAC names it; the plural by the rule that Kubernetes' own kinds follow."""
    group = api_version.rpartition("/")[0]
    return ObjectKind(group, plural(kind), None if kind in _CLUSTER_WIDE else namespace)


def plural(kind: str) -> str:
    """Return the resource of a kind (apimachinery's ``UnsafeGuessKindToResource``)."""
    word = kind.lower()
    if word.endswith("endpoints"):
        return word
    if word.endswith("s"):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def rights(
    topology: Topology, cluster: ClusterSpec, kinds: AbstractSet[Kind], objects: Iterable[ObjectKind] = ()
) -> tuple[AccessNeed, ...]:
    """Return what must be allowed in one cluster, each once.

    Args:
        topology: The file.
        cluster: The entry.
        kinds: Kinds of the steps for it that write; none for a run that only looks.
        objects: Kinds of the chart's objects; none: the usual ones.
    """
    found = tuple(objects) or usual_objects(cluster.namespace)
    rows = [*_looking(cluster, found)]
    if may_be_bridged(topology, cluster):
        rows += _needs(("list",), "discovery.k8s.io", "endpointslices", cluster.namespace)
    if kinds & _HELM:
        rows += _helm(cluster, kinds, found)
    for kind in sorted(kinds):
        rows += _step(cluster, kind)
    return tuple(dict.fromkeys(rows))


def may_be_bridged(topology: Topology, cluster: ClusterSpec) -> bool:
    """Whether the file alone says that the entry may need bridges."""
    return is_bridged(topology) and is_elsewhere(topology, cluster)


def lock_rights(topology: Topology) -> tuple[AccessNeed, ...]:
    """Return what a run that writes anywhere needs in the central cluster: the lock."""
    return tuple(_needs(("get", "create", "update"), "coordination.k8s.io", "leases", topology.central.namespace))


def manager_rights(topology: Topology) -> tuple[AccessNeed, ...]:
    """Return what asking the manager needs in the central cluster: the way to it, unless the file gives a URL."""
    if topology.manager.access != PORT_FORWARD:
        return ()
    # create: since Kubernetes 1.35 a forwarded port asks for it as well.
    return tuple(_needs(("get", "create"), "", "pods/portforward", topology.central.namespace))


def verify_rights(cluster: ClusterSpec) -> tuple[AccessNeed, ...]:
    """Return what ``verify`` needs beside what a look needs: counters, the clients' proxies, short-lived pods."""
    namespace = cluster.namespace
    return (
        AccessNeed("get", "", "pods/proxy", namespace),
        *_needs(("get", "create"), "", "pods/portforward", namespace),
        *_needs(("get", "list", "create", "delete"), "", "pods", namespace),
        AccessNeed("get", "", "pods/log", namespace),
    )


def _looking(cluster: ClusterSpec, objects: Iterable[ObjectKind]) -> Iterator[AccessNeed]:
    """Every run: whose Kubernetes cluster it is, the release, what of it is gone or not ready, and why."""
    namespace = cluster.namespace
    yield AccessNeed("get", "", "namespaces", CLUSTER_IDENTITY, name=CLUSTER_IDENTITY)
    yield AccessNeed("get", "", "namespaces", namespace, name=namespace)
    if cluster.runtime.type == "auto":
        yield AccessNeed("list", "", "nodes")
    yield from _needs(("get", "list"), "", "secrets", namespace)
    for resource in ("pods", "configmaps", "events"):
        yield AccessNeed("list", "", resource, namespace)
    for resource in ("deployments", "statefulsets", "daemonsets"):
        yield AccessNeed("list", "apps", resource, namespace)
    for one in sorted(objects, key=str):
        yield AccessNeed("list", one.group, one.resource, one.namespace)


def _helm(cluster: ClusterSpec, kinds: AbstractSet[Kind], objects: Iterable[ObjectKind]) -> Iterator[AccessNeed]:
    # helm's records: one Secret a revision; old ones are pruned.
    yield from _needs(("get", "list", "create", "update", "delete"), "", "secrets", cluster.namespace)
    # delete: of what a newer chart makes no longer, and of what only a new object can change.
    writing = bool(kinds & {Kind.RELEASE, Kind.SCALE})
    verbs = ("get", "create", "patch", "delete") if writing else ("get", "delete")
    for one in sorted(objects, key=str):
        yield from _needs(verbs, one.group, one.resource, one.namespace)
    if writing:
        # A pod that cannot start with old settings makes room for the new ones (engine/wait.py).
        yield AccessNeed("delete", "", "pods", cluster.namespace)
        # The last words of a container that ends again and again.
        yield AccessNeed("get", "", "pods/log", cluster.namespace)


def _step(cluster: ClusterSpec, kind: Kind) -> Iterator[AccessNeed]:
    namespace = cluster.namespace
    match kind:
        case Kind.NAMESPACE:
            yield AccessNeed("create", "", "namespaces")
        case Kind.EXPOSE:
            yield from _needs(("get", "create", "patch"), "", "services", namespace)
        case Kind.BRIDGE:
            yield from _needs(("get", "create", "patch"), "", "services", namespace)
            # delete: of one of the other address family.
            yield from _needs(("list", "create", "patch", "delete"), "discovery.k8s.io", "endpointslices", namespace)
        case Kind.CREDENTIALS:
            yield from _needs(("get", "create", "update"), "", "secrets", namespace)
        case Kind.MANAGER:
            yield from _needs(("get", "update"), "", "secrets", namespace)
        case Kind.UNBRIDGE:
            yield from _needs(("list", "delete"), "", "services", namespace)
        case Kind.UNEXPOSE:
            yield from _needs(("get", "delete"), "", "services", namespace)
        case Kind.VOLUMES:
            yield from _needs(("list", "delete"), "", "persistentvolumeclaims", namespace)
        case Kind.FORGET:
            yield from _needs(("get", "delete"), "", "secrets", namespace)
        case Kind.DISCARD:
            for group, content in CONTENT:
                yield AccessNeed("list", group, plural(content), namespace)
            yield AccessNeed("delete", "", "namespaces", namespace, name=namespace)
        case _:
            return


def _needs(verbs: Iterable[str], group: str, resource: str, namespace: str | None) -> Iterator[AccessNeed]:
    return (AccessNeed(verb, group, resource, namespace) for verb in verbs)

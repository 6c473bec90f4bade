"""Rights as RBAC objects: what an administrator applies before dfmc runs as somebody else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dfmc.planning.rights import (
    CLUSTER_IDENTITY,
    DOWN_KINDS,
    UP_KINDS,
    ObjectKind,
    lock_rights,
    manager_rights,
    may_be_bridged,
    rights,
)
from dfmc.planning.steps import Kind
from dfmc.state import AccessNeed
from dfmc.topology.model import ClusterSpec, Topology

_API = "rbac.authorization.k8s.io/v1"
_CENTRAL_ONLY = frozenset({Kind.CREDENTIALS, Kind.EXPOSE, Kind.MANAGER, Kind.SCALE, Kind.UNEXPOSE, Kind.FORGET})


@dataclass(frozen=True)
class Subject:
    """Who gets the roles.

    Attributes:
        kind: User, Group or ServiceAccount.
        namespace: Of a ServiceAccount; else empty.
    """

    kind: str
    name: str
    namespace: str = ""

    def as_object(self) -> dict[str, str]:
        """Return it as it stands in a binding."""
        if self.namespace:
            return {"kind": self.kind, "name": self.name, "namespace": self.namespace}
        return {"apiGroup": "rbac.authorization.k8s.io", "kind": self.kind, "name": self.name}


def needs_of_commands(
    topology: Topology, cluster: ClusterSpec, objects: Iterable[ObjectKind], *, down: bool
) -> tuple[AccessNeed, ...]:
    """Return every right that ``up``, ``plan`` and ``status`` need in a cluster; with ``down``, that one's too.

    Not the right to create the namespace: a Role cannot stand in one that is not there.
    """
    is_central = cluster.name == topology.manager.cluster
    kinds = UP_KINDS | DOWN_KINDS if down else UP_KINDS
    if not is_central:
        kinds -= _CENTRAL_ONLY
    if topology.manager.expose.type == "ClusterIP":
        kinds -= {Kind.EXPOSE, Kind.UNEXPOSE}
    if is_central or not may_be_bridged(topology, cluster):
        kinds -= {Kind.BRIDGE, Kind.UNBRIDGE}
    needs = [*rights(topology, cluster, kinds, objects)]
    if is_central:
        needs += [*lock_rights(topology), *manager_rights(topology)]
    return tuple(dict.fromkeys(needs))


def role_objects(
    topology: Topology, cluster: ClusterSpec, needs: Sequence[AccessNeed], subject: Subject | None
) -> tuple[dict[str, Any], ...]:
    """Return what to apply for an entry: its namespace, roles, and bindings where a subject is given.

    Args:
        topology: The file.
        cluster: The entry.
        needs: From needs_of_commands.
        subject: Who gets the roles; None prints no binding.
    """
    name = f"dfmc-{topology.metadata.name}-{cluster.name}"
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}},
    ]
    for namespace in dict.fromkeys(need.namespace for need in needs):
        rules = _rules([need for need in needs if need.namespace == namespace])
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        role = "Role" if namespace else "ClusterRole"
        found.append({"apiVersion": _API, "kind": role, "metadata": metadata, "rules": rules})
        if subject:
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name}
            body = {"roleRef": reference, "subjects": [subject.as_object()]}
            found.append({"apiVersion": _API, "kind": f"{role}Binding", "metadata": metadata, **body})
    return tuple(sorted(found, key=lambda one: (one["kind"] != "Namespace", _is_identity(one))))


def _is_identity(one: dict[str, Any]) -> bool:
    return bool(one["metadata"].get("namespace") == CLUSTER_IDENTITY)


def _rules(needs: Iterable[AccessNeed]) -> list[dict[str, Any]]:
    """Return rules, resources of equal verbs in one."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for need in needs:
        verbs.setdefault((need.group, need.resource, need.name), []).append(need.verb)
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, resource, name), of_resource in verbs.items():
        alike.setdefault((group, name, tuple(sorted(of_resource))), []).append(resource)
    rules = []
    for (group, name, of_rule), resources in alike.items():
        rule: dict[str, Any] = {"apiGroups": [group], "resources": resources}
        if name:
            rule["resourceNames"] = [name]
        rules.append({**rule, "verbs": list(of_rule)})
    return rules

"""Kinds and the REST paths they live at.

The kinds in KNOWN are fixed by the Kubernetes API itself; every other kind is looked up in the API server's
``APIResourceList`` of its group and version (Kubernetes API concepts, "Discovery API").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A kind as the API server serves it.

    Attributes:
        api_version: ``v1`` or ``group/version``.
        kind: E.g. ``Secret``.
        plural: The path segment and the name RBAC knows, e.g. ``secrets``.
        namespaced: Whether its objects live in namespaces.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """Return the path of the collection, or of one object when a name is given."""
        parts = [group_version_path(self.api_version)]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


def group_version_path(api_version: str) -> str:
    """Return where an API version is served: ``/api/v1`` or ``/apis/GROUP/VERSION``."""
    prefix = "/apis" if "/" in api_version else "/api"
    return f"{prefix}/{quote(api_version)}"


SECRET = Resource("v1", "Secret", "secrets")
POD = Resource("v1", "Pod", "pods")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
EVENT = Resource("v1", "Event", "events")
NODE = Resource("v1", "Node", "nodes", namespaced=False)
NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
STATEFUL_SET = Resource("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SET = Resource("apps/v1", "DaemonSet", "daemonsets")
ACCESS_REVIEW = Resource(
    "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)
RULES_REVIEW = Resource(
    "authorization.k8s.io/v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False
)

KNOWN: Mapping[tuple[str, str], Resource] = {
    (resource.api_version, resource.kind): resource
    for resource in (
        SECRET,
        POD,
        CONFIG_MAP,
        EVENT,
        NODE,
        NAMESPACE,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        ACCESS_REVIEW,
        RULES_REVIEW,
        Resource("v1", "Service", "services"),
        Resource("v1", "ServiceAccount", "serviceaccounts"),
        Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        Resource("apps/v1", "ReplicaSet", "replicasets"),
        Resource("batch/v1", "Job", "jobs"),
        Resource("coordination.k8s.io/v1", "Lease", "leases"),
        Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        Resource("networking.k8s.io/v1", "Ingress", "ingresses"),
        Resource("rbac.authorization.k8s.io/v1", "Role", "roles"),
        Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
        Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
        Resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
        Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
    )
}


def served_resources(api_version: str, resource_list: Mapping[str, Any]) -> dict[str, Resource]:
    """Return the resources of an ``APIResourceList`` by kind, subresources such as ``pods/log`` left out."""
    found: dict[str, Resource] = {}
    for entry in resource_list.get("resources") or ():
        plural, kind = str(entry.get("name", "")), str(entry.get("kind", ""))
        if plural and kind and "/" not in plural:
            found.setdefault(kind, Resource(api_version, kind, plural, bool(entry.get("namespaced"))))
    return found


def label_selector(labels: Mapping[str, str] | None) -> str:
    """Return labels as an equality selector, keys in order."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))

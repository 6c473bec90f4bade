"""What the engine may ask of the outside world.

The engine and its tests know only these; helm.py, kube.py, manager.py and chart.py implement them. Every call takes
at most its deadline, raises only DfmcError subclasses, and names neither secrets nor whole remote bodies in them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dfmc.state import (
    AccessNeed,
    ClusterRecord,
    EditedConfigMap,
    KubernetesFacts,
    PodRun,
    PodState,
    ReleaseState,
    SchedulerRecord,
    ScopesRecord,
    SeedPeerRecord,
    WorkloadState,
)

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class ChartArchive:
    """A chart on disk, its digest checked.

    Attributes:
        path: Absolute path of the .tgz or chart directory.
        sha256: Of the archive; of a directory: over its files' names and contents.
        name: From Chart.yaml.
        version: From Chart.yaml.
        app_version: From Chart.yaml.
        warning: Why the digest is weaker than it could be; empty when it was pinned or built in.
    """

    path: Path
    sha256: str
    name: str
    version: str
    app_version: str
    warning: str = ""


class ChartSource(Protocol):
    """Fetches the chart once; everything later uses the checked file."""

    async def fetch(
        self, *, repository: str | None, path: str | None, name: str, version: str, sha256: str | None
    ) -> ChartArchive:
        """Return the chart, from the cache where its digest is known.

        Raises:
            IntegrityError: The digest differs from the pinned, built-in or index one.
            UnreachableError: The repository does not answer.
            PreflightError: No such chart or version; not a chart; name or version inside differ.
        """
        ...


class HelmClient(Protocol):
    """One helm binary, used for one Kubernetes context."""

    async def version(self) -> str:
        """Return the binary's version without ``v``, e.g. ``3.19.4``; PreflightError when missing or unsupported."""
        ...

    async def upgrade(
        self,
        *,
        release: str,
        namespace: str,
        chart: Path,
        values: Mapping[str, Any],
        labels: Mapping[str, str],
        description: str,
    ) -> None:
        """Run ``helm upgrade --install`` without --wait; values go as JSON on stdin.

        helm's exit 0 proves nothing: the caller reads the release back through KubeClient.release.

        Raises:
            DfmcError: helm failed; ``why`` is its stderr, masked.
        """
        ...

    async def uninstall(self, *, release: str, namespace: str) -> None:
        """Run ``helm uninstall``; an absent release is no error."""
        ...

    async def template(self, *, release: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> str:
        """Return the rendered manifests as one YAML text; no cluster is contacted."""
        ...

    async def show_values(self, chart: Path) -> JsonObject:
        """Return the chart's default values."""
        ...


class KubeClient(Protocol):
    """One context of a kubeconfig."""

    async def facts(self, *, node_selector: Mapping[str, str]) -> KubernetesFacts:
        """Return what stands behind the context; also the proof that it answers."""
        ...

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> JsonObject | None:
        """Return the object, or None when it (or its namespace) does not exist."""
        ...

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> Sequence[JsonObject]:
        """Return all objects of the kind that carry the labels."""
        ...

    async def create(self, obj: JsonObject) -> JsonObject | None:
        """Create the object; None when one of that name exists already (409)."""
        ...

    async def apply(self, obj: JsonObject, *, force: bool = False) -> JsonObject:
        """Server-side apply with field manager ``dfmc``; ConflictError when another manager owns a field.

        With ``force`` the field changes hands instead.
        """
        ...

    async def replace(self, obj: JsonObject) -> JsonObject | None:
        """Replace by resourceVersion; None when somebody else was faster (409) or it is gone (404)."""
        ...

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        """Delete; False when it was not there, or another one of that name where a uid is given."""
        ...

    async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
        """Return those needs that a SelfSubjectAccessReview refuses."""
        ...

    async def unserved(self, kinds: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Return those of the kinds, as ``(apiVersion, kind)``, that the API server does not know."""
        ...

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        """Return the last revision of a helm release from its Secret; None when there is none."""
        ...

    async def release_places(
        self, labels: Mapping[str, str], namespace: str | None = None
    ) -> Sequence[tuple[str, str]]:
        """Return namespace and name of every helm release whose records carry the labels; None: in all namespaces."""
        ...

    async def missing(self, release: ReleaseState) -> Sequence[str]:
        """Return the objects of the release's manifest that are gone, as ``Service dragonfly-manager``."""
        ...

    async def edited(self, release: ReleaseState) -> Sequence[EditedConfigMap]:
        """Return the ConfigMaps of the release that do not say what its manifest says."""
        ...

    async def unlock_release(self, name: str, namespace: str, revision: int) -> bool:
        """Rewrite a pending revision to ``failed`` (label and payload), so that helm upgrades it again.

        Only for whoever holds the topology's lock, with no helm at work. Returns False when the revision was not
        pending any more, or somebody else moved first.
        """
        ...

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        """Return Deployments, StatefulSets and DaemonSets that helm installed for the release."""
        ...

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        """Return the pods of the release's workloads, with the reasons of what is not ready."""
        ...

    async def last_words(self, pod: str, namespace: str, container: str) -> str:
        """Return the last lines that a container wrote before it ended last; empty where there are none."""
        ...

    async def pod_get(self, namespace: str, pod: str, port: int, path: str) -> str:
        """Return what a pod answers to one GET, made by the API server (its pod proxy), as text.

        Args:
            namespace: The pod's.
            pod: Its name.
            port: Where it listens.
            path: Path and query below its root, such as ``metrics``.

        Raises:
            UnreachableError: The pod (or the API server) does not answer, or answers 5xx or too much.
            AuthError: No permission for ``get pods/proxy``.
            DfmcError: The pod answers with another status; says which.
        """
        ...

    async def run_pod(self, pod: JsonObject, *, timeout: float) -> PodRun:
        """Create a pod, wait until it has ended, read its output, delete it whatever happens.

        Args:
            pod: The manifest, with one container. ``metadata.name`` is the beginning of a name of its own; the labels
                that mark dfmc's probes, ``restartPolicy: Never`` and a deadline are added.
            timeout: Seconds from creation to end.

        Raises:
            NotReadyError: It cannot be scheduled or started (at once, with its own reason), was removed or refused by
                its node, or has not ended in time.
            AuthError: No permission, or an admission policy refuses it.
            UnreachableError: The API server does not answer.
        """
        ...

    def port_forward(self, namespace: str, pod: str, port: int) -> AbstractAsyncContextManager[int]:
        """Listen on a free loopback port that leads to the pod's port; yields the local port number."""
        ...

    def follow_pod(
        self, namespace: str, choose: Callable[[], Awaitable[str]], port: int, *, local_port: int = 0
    ) -> AbstractAsyncContextManager[int]:
        """Listen on a loopback port whose connections lead to the pod that ``choose`` names when they come.

        Yields the local port number; PreflightError when ``local_port`` cannot be had, 0 finds a free one.
        """
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


class ManagerClient(Protocol):
    """The manager's REST API, signed in once."""

    async def is_answering(self) -> bool:
        """True when an authorised request succeeds; never raises for a manager that is still starting."""
        ...

    async def sign_in(self, *candidates: str) -> int:
        """Sign in as root with the first password that works and return its index.

        Raises:
            AuthError: None worked within the window in which the manager may answer 401 to a right password.
            UnreachableError: The manager does not answer.
        """
        ...

    async def resume(self, jwt_key: str, password: str) -> bool:
        """Go on as root with a token signed with the manager's own key; False when it does not take that.

        Args:
            jwt_key: The manager's ``auth.jwt.key``.
            password: Root's, for signing in again once the token has expired.
        """
        ...

    async def takes_password(self, password: str) -> bool:
        """Try one sign-in as root, and forget it: whether the manager takes the password.

        False may also mean that somebody signed in within the last seconds (the manager's cache).
        """
        ...

    async def takes_key(self, jwt_key: str) -> bool:
        """Whether the manager takes a token of root's that is signed with this key."""
        ...

    async def clock_ahead(self) -> float | None:
        """Return by how many seconds the manager's clock is ahead of ours; None where it does not say."""
        ...

    async def reset_root_password(self, old: str, new: str) -> None:
        """Replace root's password; must come before any authorised call of the run (30 s cache, 500 otherwise)."""
        ...

    async def clusters(self) -> Sequence[ClusterRecord]:
        """Return every record, ordered by id."""
        ...

    async def cluster_by_name(self, name: str) -> ClusterRecord | None:
        """Return the record of that exact name."""
        ...

    async def create_cluster(self, *, name: str, bio: str, scopes: ScopesRecord) -> ClusterRecord:
        """Create, or adopt what an earlier or lost request created under this name."""
        ...

    async def update_cluster(
        self, record: ClusterRecord, *, name: str, bio: str, scopes: ScopesRecord
    ) -> ClusterRecord:
        """Read, merge, PATCH with is_default, read back."""
        ...

    async def schedulers(self) -> Sequence[SchedulerRecord]:
        """Return every scheduler row of every cluster."""
        ...

    async def seed_peers(self) -> Sequence[SeedPeerRecord]:
        """Return every seed peer row; empty with clients of chart 1.4.5 and later."""
        ...

    async def delete_cluster(self, record: ClusterRecord) -> bool:
        """Delete a record and see it gone; False when it was not there.

        NotReadyError while it has scheduler rows, active or not. Its seed peer rows stay behind: delete them before.
        """
        ...

    async def delete_scheduler(self, scheduler: SchedulerRecord) -> bool:
        """Delete a scheduler's row and see it gone; False when it was not there."""
        ...

    async def delete_seed_peer(self, seed_peer: SeedPeerRecord) -> bool:
        """Delete a seed peer's row and see it gone; False when it was not there."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...

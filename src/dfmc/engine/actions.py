"""One function per kind of step. Each is idempotent: it looks again, does what is still to do, and reads it back.

Here are the table of them and the short ones; the others stand by subject in *_actions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dfmc.engine import credentials
from dfmc.engine.bridge_actions import BridgeActions
from dfmc.engine.check_actions import CheckActions
from dfmc.engine.execute import Action, Done
from dfmc.engine.manager_actions import ManagerActions
from dfmc.engine.release_actions import ReleaseActions
from dfmc.engine.run_state import RunState
from dfmc.engine.session import Session
from dfmc.errors import ConflictError
from dfmc.planning.adoption import adopted_credentials
from dfmc.planning.credentials import plan_credentials
from dfmc.planning.exposure import selects_beyond, services
from dfmc.planning.ownership import TOPOLOGY_LABEL
from dfmc.planning.steps import Kind, Step
from dfmc.topology.model import ClusterSpec

Say = Callable[[str], None]


class Actions:
    """The actions of one run of ``up``."""

    def __init__(self, run: RunState) -> None:
        self.run = run
        self._releases = ReleaseActions(run)
        self._manager = ManagerActions(run)
        self._checks = CheckActions(run)
        self._bridges = BridgeActions(run)

    def table(self) -> Mapping[Kind, Action]:
        """Return the action of each kind; those that write make sure first that the lock is still ours."""
        writing: Mapping[Kind, Action] = {
            Kind.NAMESPACE: self.namespace,
            Kind.CREDENTIALS: self.credentials,
            Kind.EXPOSE: self.expose,
            Kind.RELEASE: self._releases.release,
            Kind.SCALE: self._releases.release,
            Kind.RECORD: self._manager.record,
            Kind.UNBRIDGE: self._bridges.unbridge,
        }
        # The manager's action and the bridge's ask for the lock themselves, when they come to write.
        waiting = {
            Kind.MANAGER: self._manager.manager,
            Kind.BRIDGE: self._bridges.bridge,
            Kind.READY: self._checks.ready,
            Kind.PROOF: self._checks.proof,
        }
        return {kind: guarded(self.run, action) for kind, action in writing.items()} | waiting

    async def namespace(self, step: Step, say: Say) -> Done:
        """Create the entry's namespace."""
        cluster = self.run.topology.cluster(step.cluster)
        return await ensure_namespace(self.run.session, cluster)

    async def credentials(self, step: Step, say: Say) -> Done:
        """Write the credentials' Secret before anything uses it."""
        central = self.run.topology.central
        kube = self.run.session.kube_of(central)
        adopted = adopted_credentials(self.run.topology, self.run.observed, self.run.session.options.consent)
        plan = plan_credentials(self.run.topology, self.run.stored, self.run.session.given, adopted)
        self.run.stored = await credentials.write(
            self.run.topology, kube, self.run.stored, plan, self.run.session.redactor
        )
        made = f"{len(plan.generate)} generated" if plan.generate else "updated"
        return Done(f"Secret {central.namespace}/dfmc-{central.release} written ({made})")

    async def expose(self, step: Step, say: Say) -> Done:
        """Apply dfmc's own Services."""
        kube = self.run.session.kube_of(self.run.topology.central)
        wanted = services(self.run.topology, self.run.credentials.uid)
        for service in wanted:
            applied = await kube.apply(service, force=self.run.session.options.consent.adopt)
            if extra := selects_beyond(applied, service):
                raise _selected_by_others(self.run.topology.central, service["metadata"]["name"], extra)
        return Done(f"Services {', '.join(service['metadata']['name'] for service in wanted)}")


def _selected_by_others(central: ClusterSpec, service: str, extra: Mapping[str, str]) -> ConflictError:
    labels = ", ".join(f"{key}={value}" for key, value in extra.items())
    return ConflictError(
        f"Service {service} leads to no pod of the chart's",
        where=central.name,
        why=f"somebody has added {labels} to its selector",
        left="everything else of it is as dfmc wants it",
        next_step=f"kubectl --context {central.context} -n {central.namespace} delete service {service}; then run dfmc "
        "up again, which makes it anew",
    )


def guarded(run: RunState, action: Action) -> Action:
    """Return the action preceded by the question whether the lock is still ours."""

    async def verified(step: Step, say: Say) -> Done:
        await run.lock.verify()
        return await action(step, say)

    return verified


async def ensure_namespace(session: Session, cluster: ClusterSpec) -> Done:
    """Create the entry's namespace if it is not there."""
    metadata = {
        "name": cluster.namespace,
        "labels": {"app.kubernetes.io/managed-by": "dfmc"},
        "annotations": {TOPOLOGY_LABEL: session.topology.metadata.name},  # `down` deletes none but its own
    }
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    created = await session.kube_of(cluster).create(body)
    return Done(f"namespace {cluster.namespace}" + (" created" if created else " is there"), changed=bool(created))

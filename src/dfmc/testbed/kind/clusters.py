"""One kind cluster: made, finished, started again, looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dfmc.testbed.kind import commands
from dfmc.testbed.kind.layout import KindLayout
from dfmc.testbed.kind.plan import KindCluster, kind_config
from dfmc.testbed.kind.programs import ProgramError, Programs
from dfmc.testbed.layout import write_if_changed

Containers = Mapping[str, Mapping[str, str]]
"""Of each kind cluster on the engine, its nodes' containers with their state (``running``, ``exited``, ...)."""

_CONTROL_PLANE_SECONDS = 300
_NODES_SECONDS = 300
# kind pulls its node image first where it is not there, which takes as long as the network wants.
_CREATE_SECONDS = 1800.0
_DELETE_SECONDS = 300.0


async def find_containers(programs: Programs) -> Containers:
    """Return what kind clusters the engine has, whoever made them."""
    found: dict[str, dict[str, str]] = {}
    for row in (await programs.run(commands.list_nodes())).splitlines():
        cluster, name, state = row.split("\t")
        found.setdefault(cluster, {})[name] = state
    return found


async def ensure_cluster(
    plan: KindCluster,
    is_new: bool,
    node_image: str,
    containers: Containers,
    layout: KindLayout,
    programs: Programs,
    report: Callable[[str], None],
) -> None:
    """Create the cluster, or start what stopped of it; then wait until all its nodes are ready.

    Args:
        plan: The cluster.
        is_new: Whether to create it; what is left of an interrupted creation is deleted first.
        node_image: See KindRequest.
        containers: What the engine had before.
        layout: The bed's files.
        programs: Run kind and docker.
        report: Told what begins.

    Raises:
        ProgramError: kind or docker failed.
        NotReadyError: It took too long.
    """
    kubeconfig = layout.cluster_kubeconfig(plan.name)
    if is_new:
        if plan.name in containers:
            report(f"deleting what an interrupted run left of kind cluster {plan.name}")
            await programs.run(commands.delete_cluster(plan.name, kubeconfig), deadline=_DELETE_SECONDS)
        await _create(plan, node_image, layout, programs, report)
    else:
        stopped = [node for node, state in containers.get(plan.name, {}).items() if state != "running"]
        if stopped:
            report(f"starting {', '.join(stopped)}")
            await programs.run(commands.start_nodes(stopped))
        if stopped or not kubeconfig.exists():  # a container that starts may get another port on the host
            await programs.run(commands.export_kubeconfig(plan.name, kubeconfig))
    await programs.run(
        commands.wait_for_nodes(plan.control_plane, _NODES_SECONDS),
        deadline=_NODES_SECONDS + 30.0,
        what=f"the nodes of kind cluster {plan.name} are not all ready",
        left="the cluster stays as it is",
        next_step=f"docker exec {plan.control_plane} kubectl --kubeconfig /etc/kubernetes/admin.conf describe nodes",
    )


async def _create(
    plan: KindCluster, node_image: str, layout: KindLayout, programs: Programs, report: Callable[[str], None]
) -> None:
    config, kubeconfig = layout.config(plan.name), layout.cluster_kubeconfig(plan.name)
    write_if_changed(config, kind_config(plan))
    kubeconfig.unlink(missing_ok=True)
    workers = len(plan.workers)
    report(f"creating kind cluster {plan.name}: a control plane and {workers} workers (about a minute)")
    await programs.run(
        commands.create_cluster(plan.name, config, kubeconfig, node_image, _CONTROL_PLANE_SECONDS),
        deadline=_CREATE_SECONDS,
        what=f"kind cannot create cluster {plan.name}",
        left="kind has taken away what it had begun; clusters made before stay",
        next_step="where its node image cannot be pulled, name one with --node-image (or DFMC_KIND_NODE_IMAGE)",
    )


async def node_faults(plan: KindCluster, containers: Containers, programs: Programs) -> tuple[str, ...]:
    """Return the nodes that do not run, or run and are not ready; all of them where their API does not answer."""
    states = containers.get(plan.name, {})
    stopped = {node for node in plan.nodes if states.get(node) != "running"}
    if plan.control_plane not in stopped:
        try:
            answer = await programs.run(commands.node_states(plan.control_plane))
        except ProgramError:
            return plan.nodes
        ready = {name for name, _, state in (row.partition("\t") for row in answer.splitlines()) if state == "True"}
        stopped |= set(plan.nodes) - ready
    return tuple(node for node in plan.nodes if node in stopped)

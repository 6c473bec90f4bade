"""The kind bed as a whole: bring it up, look at it, take it down."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfmc.errors import ConflictError, PreflightError
from dfmc.testbed.chart_repository import package_chart, standin_versions
from dfmc.testbed.given_chart import chart_to_use
from dfmc.testbed.kind import commands
from dfmc.testbed.kind.addresses import Exposed, exposed
from dfmc.testbed.kind.clusters import Containers, ensure_cluster, find_containers, node_faults
from dfmc.testbed.kind.kubeconfigs import merged_kubeconfig, servers
from dfmc.testbed.kind.layout import Choices, KindLayout, KindRequest, StoredKind
from dfmc.testbed.kind.plan import KindCluster, plan_clusters
from dfmc.testbed.kind.programs import ProgramError, Programs
from dfmc.testbed.layout import write_if_changed
from dfmc.testbed.locking import locked
from dfmc.testbed.topology_copy import (
    ChartSource,
    chart_version,
    check_stand_in,
    cluster_needs,
    dump_topology,
    localised,
    parse_topology,
    topology_source,
)

Report = Callable[[str], None]

_DELETE_SECONDS = 300.0
_INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_NEEDED = 512
_MANY_NODES = 3


@dataclass(frozen=True)
class KindBed:
    """A kind bed that stands."""

    contexts: tuple[str, ...]
    kubeconfig: Path
    topology: Path


def up(request: KindRequest, report: Report) -> KindBed:
    """Bring the bed up, or go on where an earlier run stopped. Safe to run again at any time.

    Args:
        request: What to bring about.
        report: Told one line before each step that takes longer than a moment.

    Raises:
        TopologyError: The topology file is not usable.
        PreflightError: Docker or kind is missing, a port is taken, or a cluster's nodes would have to change.
        ConflictError: Somebody else's kind cluster has a name that the bed needs.
        ProgramError: kind or docker failed.
        NotReadyError: Nodes did not become ready in time; running `up` again goes on.
    """
    layout = KindLayout(request.directory.absolute())
    programs = Programs()
    programs.require("docker", "kind")
    with locked(layout.directory, report):
        stored = StoredKind.read(layout)
        choices = request.choices(stored.choices if stored else None)
        text, origin, directory = topology_source(choices.topology)
        topology = localised(parse_topology(text, origin), ChartSource(), directory)
        if choices.chart == "stand-in":
            check_stand_in(chart_version(topology), standin_versions())
        wanted = exposed(topology)
        for note in wanted.notes:
            report(note)
        state = asyncio.run(_bring_up(choices, stored, layout, wanted, programs, report))
        chart = _chart_source(choices, topology, layout, report)
        copied = localised(_addressed(wanted, state), chart, directory)
        write_if_changed(layout.topology, dump_topology(copied), mode=0o600)
        return KindBed(tuple(plan.context for plan in state.plans), layout.kubeconfig, layout.topology)


def find(directory: Path) -> KindBed | None:
    """Return the bed in ``directory`` as its last `up` left it, or None; nothing is contacted."""
    layout = KindLayout(directory.absolute())
    stored = StoredKind.read(layout)
    if stored is None:
        return None
    return KindBed(tuple(plan.context for plan in stored.plans), layout.kubeconfig, layout.topology)


def env(bed: KindBed) -> dict[str, str]:
    """Return the variables with which dfmc, helm and kubectl work on the bed."""
    return {"KUBECONFIG": str(bed.kubeconfig), "DFMC_FILE": str(bed.topology)}


def status(directory: Path) -> dict[str, Any]:
    """Return what runs of the bed in ``directory``, as plain data for tables and JSON.

    Keys: ``directory``, ``exists``, ``running`` (everything is), ``network``, ``topology``,
    ``kubeconfig`` and ``clusters`` (``context``, ``name``, ``server``, ``ready``, ``stopped``: nodes that do not run or
    are not ready, ``nodes``).

    Raises:
        PreflightError: Docker is not there or does not answer.
    """
    layout = KindLayout(directory.absolute())
    stored = StoredKind.read(layout)
    if stored is None:
        return {"directory": str(layout.directory), "exists": False, "running": False, "clusters": []}
    urls = servers(layout.kubeconfig.read_text()) if layout.kubeconfig.exists() else {}
    clusters = []
    for plan, faults in asyncio.run(_faults(stored, Programs())):
        made = stored.find(plan.name)
        clusters.append(
            {
                "context": plan.context,
                "name": plan.name,
                "server": urls.get(plan.context, ""),
                "ready": not faults and made is not None and made.made,
                "stopped": list(faults),
                "nodes": list(plan.nodes),
            }
        )
    return {
        "directory": str(layout.directory),
        "exists": True,
        "running": all(cluster["ready"] for cluster in clusters),
        "network": stored.network,
        "topology": str(layout.topology),
        "kubeconfig": str(layout.kubeconfig),
        "clusters": clusters,
    }


def down(directory: Path, report: Report) -> bool:
    """Delete the bed's kind clusters, its Docker network if the bed made it, and the directory.

    Returns:
        Whether there was a bed.

    Raises:
        PreflightError: Docker or kind is missing; nothing has been deleted.
        ProgramError: A cluster could not be deleted; the directory stays, for another try.
    """
    layout = KindLayout(directory.absolute())
    if not layout.directory.is_dir():
        return False
    with locked(layout.directory, report):
        stored = StoredKind.read(layout)
        if stored is None:
            if any(layout.directory.iterdir()):
                raise PreflightError(
                    "this directory is no kind bed",
                    where=str(layout.directory),
                    why="it holds no kind.json",
                    next_step="name the bed's directory or --provider, or remove it by hand",
                )
        else:
            programs = Programs()
            programs.require("docker", "kind")
            report(f"deleting {_named(stored.plans)}")
            asyncio.run(_take_down(stored, layout, programs, report))
        shutil.rmtree(layout.directory)
    return True


async def _bring_up(
    choices: Choices,
    stored: StoredKind | None,
    layout: KindLayout,
    wanted: Exposed,
    programs: Programs,
    report: Report,
) -> StoredKind:
    await programs.engine()
    network = programs.network
    if stored is None:
        has_network = bool((await programs.run(commands.find_network(network))).strip())
        state = StoredKind(choices, network, not has_network)
    elif stored.network != network:
        raise PreflightError(
            f"the bed's nodes are on the Docker network {stored.network}, and {network} is asked for",
            next_step="dfmc testbed down --provider kind, then up again; or unset KIND_EXPERIMENTAL_DOCKER_NETWORK",
        )
    else:
        state = replace(stored, choices=choices)
    plans = plan_clusters(cluster_needs(wanted.topology), wanted.console(choices.console_port), state.plans)
    containers = await find_containers(programs)
    state = state.only({plan.name for plan in plans} | containers.keys())
    new = [plan for plan in plans if not _stands(plan, state, containers)]
    _check_console_port(new)
    if sum(len(plan.nodes) for plan in (*state.plans, *new)) > _MANY_NODES:
        _check_inotify(report)
    for plan in new:  # before the first cluster: `down` must know what to remove after an interruption
        state = state.with_cluster(plan, made=False)
    layout.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    state.write(layout)
    for plan in state.plans:
        # One after another: kind's own waiting for a control plane times out on machines that start two at a time.
        await ensure_cluster(plan, plan in new, choices.node_image, containers, layout, programs, report)
        state = state.with_cluster(plan, made=True)
        state.write(layout)
    written = [(plan, layout.cluster_kubeconfig(plan.name).read_text()) for plan in state.plans]
    write_if_changed(layout.kubeconfig, merged_kubeconfig(written), mode=0o600)
    await _check_address(wanted, state, programs)
    return state


def _stands(plan: KindCluster, state: StoredKind, containers: Containers) -> bool:
    """Tell whether a planned cluster is there and is the bed's own.

    Raises:
        ConflictError: It is there and is not.
        PreflightError: It is, and has other nodes.
    """
    known = state.find(plan.name)
    if known is None:
        if plan.name in containers:
            raise ConflictError(
                f"there is a kind cluster {plan.name} that is not this bed's",
                where=plan.context,
                left="it was left alone",
                next_step=f"kind delete cluster --name {plan.name}, or give the entry another context",
            )
        return False
    if not (known.made and plan.name in containers):
        return False
    if not known.plan.covers(plan):
        raise PreflightError(
            f"the kind cluster {plan.name} has other nodes or ports than are asked for",
            where=plan.context,
            why="kind cannot change the nodes of a cluster that is there",
            next_step="dfmc testbed down --provider kind, then up again",
        )
    return True


def _check_console_port(new: list[KindCluster]) -> None:
    for plan in new:
        if plan.mapping is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", plan.mapping.host_port))
            except OSError as error:
                raise PreflightError(
                    f"port {plan.mapping.host_port} of 127.0.0.1, for the manager's console, cannot be had",
                    why=error.strerror or str(error),
                    next_step="another one with --console-port N, or none with --console-port 0",
                ) from error


def _check_inotify(report: Report) -> None:
    """Say what otherwise shows as a kubelet that dies for no visible reason."""
    try:
        limit = int(_INOTIFY_LIMIT.read_text())
    except (OSError, ValueError):
        return  # no Linux, or the engine is elsewhere
    if limit < _INOTIFY_NEEDED:
        report(
            f"fs.inotify.max_user_instances is {limit}, which is too few for several nodes: "
            "sudo sysctl fs.inotify.max_user_instances=8192"
        )


async def _check_address(wanted: Exposed, state: StoredKind, programs: Programs) -> None:
    """Prove that nodes of members elsewhere find the manager's node by the name that they are told."""
    if not wanted.elsewhere:
        return
    host = _manager_host(wanted, state)
    for plan in state.plans:
        if plan.context in wanted.elsewhere:
            await programs.run(
                commands.resolve_name(plan.control_plane, host),
                what=f"nodes of {plan.name} do not find {host}",
                left="the clusters stay as they are",
                next_step=f"docker network inspect {state.network}",
            )


def _manager_host(wanted: Exposed, state: StoredKind) -> str:
    central = next(plan for plan in state.plans if plan.context == wanted.central)
    return f"{central.control_plane}.{state.network}"


def _addressed(wanted: Exposed, state: StoredKind) -> Mapping[str, Any]:
    return wanted.with_address(_manager_host(wanted, state)) if wanted.elsewhere else wanted.topology


def _chart_source(choices: Choices, topology: Mapping[str, Any], layout: KindLayout, report: Report) -> ChartSource:
    if choices.chart == "official":
        return ChartSource()
    if choices.chart == "stand-in":
        package = package_chart(chart_version(topology))
        layout.chart.mkdir(parents=True, exist_ok=True)
        archive = layout.chart / package.filename
        archive.write_bytes(package.content)
        return ChartSource(path=str(archive))
    chart, filled_in = chart_to_use(choices.chart, layout.chart)
    if filled_in:
        report(f"{choices.chart} lacks its subcharts {', '.join(filled_in)}: using the bed's own in their place")
    return ChartSource(path=str(chart))


async def _faults(stored: StoredKind, programs: Programs) -> list[tuple[KindCluster, tuple[str, ...]]]:
    await programs.engine()
    containers = await find_containers(programs)
    found = await asyncio.gather(*(node_faults(plan, containers, programs) for plan in stored.plans))
    return list(zip(stored.plans, found, strict=True))


async def _take_down(stored: StoredKind, layout: KindLayout, programs: Programs, report: Report) -> None:
    await programs.engine()
    for plan in stored.plans:
        line = commands.delete_cluster(plan.name, layout.cluster_kubeconfig(plan.name))
        left = "the bed's directory stays; run this again"
        await programs.run(line, deadline=_DELETE_SECONDS, what=f"{plan.name} cannot be deleted", left=left)
    if not stored.owns_network or not (await programs.run(commands.find_network(stored.network))).strip():
        return
    users = (await programs.run(commands.network_users(stored.network))).strip()
    if users == "0":
        try:
            await programs.run(commands.remove_network(stored.network))
        except ProgramError as error:  # somebody joined in this very moment; it is theirs now
            report(f"the Docker network {stored.network} stays: {error.why}")
    else:
        report(f"the Docker network {stored.network} stays: others use it")


def _named(plans: tuple[KindCluster, ...]) -> str:
    return f"kind cluster{'s' if len(plans) > 1 else ''} {', '.join(plan.name for plan in plans)}"

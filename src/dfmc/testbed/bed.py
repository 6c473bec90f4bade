"""The kwok bed as a whole: bring it up, look at it, take it down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dfmc.errors import NotReadyError, PreflightError
from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.binaries import (
    ALWAYS,
    BinaryCache,
    Report,
    default_directory,
    ensure,
    ensure_database_template,
    ensure_system_programs,
)
from dfmc.testbed.block_claims import block_claims
from dfmc.testbed.chart_repository import INDEX_FILE, package_chart, repository_index, standin_versions
from dfmc.testbed.client_choice import client_programs
from dfmc.testbed.cluster_objects import ensure_objects, wait_for_nodes
from dfmc.testbed.control_plane import COMPONENTS, ControlPlane, block_is_free
from dfmc.testbed.given_chart import chart_to_use
from dfmc.testbed.health import supervisor_health
from dfmc.testbed.kubeconfigs import Credentials, merged_kubeconfig
from dfmc.testbed.layout import (
    BedLayout,
    BedRequest,
    BedState,
    StoredBed,
    cluster_layouts,
    first_block,
    write_if_changed,
)
from dfmc.testbed.locking import locked
from dfmc.testbed.many_clusters import beginners_topology, with_reachable_manager
from dfmc.testbed.plan import BedPlan, ClusterNeed, ClusterPlan, grow
from dfmc.testbed.processes import end_processes, has_argument, works_in
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

_SUPERVISOR_SECONDS = 60.0
_SUPERVISOR_START_SECONDS = 20.0


def up(request: BedRequest, report: Report) -> BedState:
    """Bring the bed up, or bring what stands up to date with the request.

    Safe to run again at any time: what is there stays, what is missing is added, what died is started.

    Args:
        request: What to bring about.
        report: Told one line before each step that takes longer than a moment.

    Raises:
        TopologyError: The topology file is not usable.
        PreflightError: Programs are missing and cannot be made or installed here.
        NotReadyError: Something did not become ready in time; running `up` again goes on.
        ConflictError: The bed's ports are taken by another program.
    """
    layout = BedLayout(request.directory.absolute())
    layout.check_socket_paths()
    text, origin, directory = topology_source(request.topology, beginners_topology(request.clusters))
    topology = parse_topology(text, origin)
    if request.chart == "stand-in":
        check_stand_in(chart_version(topology), standin_versions())
    local = localised(topology, ChartSource(), directory)
    cache = BinaryCache((request.cache or default_directory()).absolute())
    programs = _programs(cache, request.helm, report)
    with locked(layout.directory, report):
        stored = StoredBed.read(layout)
        programs.update(client_programs(request, stored, cache))
        layout.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        plan = _with_blocks(layout.directory, stored.plan if stored else None, cluster_needs(local))
        bed = StoredBed(plan=plan, cache=cache.directory, helm=request.helm, programs=programs)
        if stored is None:
            bed.write(layout)  # before the first cluster: `down` must know what to remove after an interruption
        source = _chart_source(request, plan, layout, report)
        _link_programs(layout, cache, request.helm)
        pointed = with_reachable_manager(
            localised(topology, source, directory), lambda context: plan.cluster(context).block.node_address(1)
        )
        write_if_changed(layout.topology, dump_topology(pointed), mode=0o600)
        _bring_up_clusters(plan, layout, cache, bed.clients, report)
        bed.write(layout)
        _ensure_supervisor(layout, plan, report)
        return bed.state(layout)


def find(directory: Path) -> BedState | None:
    """Return the bed in ``directory`` as its last `up` left it, or None; nothing is contacted."""
    layout = BedLayout(directory.absolute())
    stored = StoredBed.read(layout)
    return stored.state(layout) if stored else None


def env(state: BedState) -> dict[str, str]:
    """Return the variables with which dfmc, helm and kubectl work on the bed.

    ``PATH`` is this process's own with the bed's ``kubectl`` and the ``helm`` that was asked for first; ``DFMC_HELM``
    names that helm, too. ``DFMC_VERIFY_URL`` is the bed's origin of blobs: ``/v2/<name>/blobs/sha256:<64 hex digits>``
    is a blob of 8 MiB, or of ``?size=`` bytes.
    """
    programs = BedLayout(state.directory).bin
    return {
        "KUBECONFIG": str(state.kubeconfig),
        "DFMC_FILE": str(state.topology),
        "DFMC_HELM": str(programs / "helm"),
        "DFMC_VERIFY_URL": state.origin_url,
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", "/usr/bin:/bin")]),
    }


def status(directory: Path) -> dict[str, Any]:
    """Return what runs of the bed in ``directory``, as plain data for tables and JSON.

    Keys: ``directory``, ``exists``, ``running`` (everything is), ``supervisor`` (``pid``, ``ready``) and ``clusters``
    (``context``, ``server``, ``ready``, ``stopped``, ``nodes``, ``auditLog``).
    """
    layout = BedLayout(directory.absolute())
    stored = StoredBed.read(layout)
    if stored is None:
        return {
            "directory": str(layout.directory),
            "exists": False,
            "running": False,
            "supervisor": None,
            "clusters": [],
        }
    health = supervisor_health(stored.plan.repository_port, layout.directory)
    clusters = []
    for plan, files in cluster_layouts(layout, stored.plan):
        control = ControlPlane(plan, files, BinaryCache(stored.cache))
        made = control.exists()
        clusters.append(
            {
                "context": plan.context,
                "server": f"https://127.0.0.1:{plan.block.ports.api_server}",
                "ready": made and control.api.ready(),
                "stopped": control.stopped_components() if made else list(COMPONENTS),
                "nodes": [node.name for node in plan.nodes],
                "auditLog": str(files.audit_log),
            }
        )
    supervised = health is not None and set(health["clusters"]) == {plan.name for plan in stored.plan.clusters}
    return {
        "directory": str(layout.directory),
        "exists": True,
        "running": supervised and all(c["ready"] and not c["stopped"] for c in clusters),
        "supervisor": {"pid": health["pid"] if health else None, "ready": supervised},
        "repository": f"http://127.0.0.1:{stored.plan.repository_port}",
        "clients": "real" if stored.clients else "simulated",
        "topology": str(layout.topology),
        "kubeconfig": str(layout.kubeconfig),
        "clusters": clusters,
    }


def down(directory: Path, report: Report) -> bool:
    """Stop every process of the bed in ``directory`` and remove the directory; the program cache stays.

    Returns:
        Whether there was a bed.
    """
    layout = BedLayout(directory.absolute())
    if not layout.directory.is_dir():
        return False
    with locked(layout.directory, report):
        stored = StoredBed.read(layout)
        if stored is None and any(layout.directory.iterdir()):
            raise PreflightError(
                "this directory is no test bed",
                where=str(layout.directory),
                why="it holds no bed.json",
                next_step="name the bed's directory, or remove it by hand",
            )
        report("stopping the bed")
        end_processes(_supervisor_pids(layout), signal.SIGTERM, seconds=15.0)
        if stored is not None:
            with ThreadPoolExecutor(max_workers=8) as pool:
                controls = [
                    ControlPlane(p, f, BinaryCache(stored.cache)) for p, f in cluster_layouts(layout, stored.plan)
                ]
                list(pool.map(ControlPlane.delete, controls))
        end_processes(_orphans(layout), signal.SIGKILL, seconds=5.0)
        shutil.rmtree(layout.directory)
    return True


def _with_blocks(directory: Path, plan: BedPlan | None, needs: Sequence[ClusterNeed]) -> BedPlan:
    with block_claims() as claims:

        def is_free(block: AddressBlock) -> bool:
            return claims.is_free(block.index, directory) and block_is_free(block)

        grown = grow(plan, needs, first_block(directory), is_free)
        claims.keep(directory, [cluster.index for cluster in grown.clusters])
        return grown


def _programs(cache: BinaryCache, helm: int, report: Report) -> dict[str, str]:
    ensure([*ALWAYS, *(["helm4"] if helm == 4 else [])], cache, report)
    system = ensure_system_programs(report)
    template = ensure_database_template(cache, system, report)
    return {**{name: str(path) for name, path in system.items()}, "database-template": str(template)}


def _chart_source(request: BedRequest, plan: BedPlan, layout: BedLayout, report: Report) -> ChartSource:
    if request.chart == "official":
        return ChartSource()
    if isinstance(request.chart, Path):
        chart, filled_in = chart_to_use(request.chart, layout.completed_chart)
        if filled_in:
            report(f"the chart has no {' and no '.join(filled_in)} subchart; the bed's stand-ins take their place")
        return ChartSource(path=str(chart))
    _write_charts(layout.repository)
    return ChartSource(repository=f"http://127.0.0.1:{plan.repository_port}")


def _link_programs(layout: BedLayout, cache: BinaryCache, helm: int) -> None:
    layout.bin.mkdir(exist_ok=True)
    for name, program in (("kubectl", "kubectl"), ("helm", "helm" if helm == 3 else "helm4")):
        link, target = layout.bin / name, cache.path(program)
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def _write_charts(directory: Path) -> None:
    packages = [package_chart(version) for version in standin_versions()]
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        file = directory / package.filename
        if not (file.exists() and file.read_bytes() == package.content):
            file.write_bytes(package.content)
    write_if_changed(directory / INDEX_FILE, repository_index(packages))


def _bring_up_clusters(plan: BedPlan, layout: BedLayout, cache: BinaryCache, clients: bool, report: Report) -> None:
    def one(pair: tuple[ClusterPlan, Any]) -> None:
        cluster, files = pair
        control = ControlPlane(cluster, files, cache)
        control.ensure(report)
        api = control.api
        if ensure_objects(api, cluster, clients):
            wait_for_nodes(api, cluster)

    pairs = cluster_layouts(layout, plan)
    # The controllers of one cluster saturate a core while it starts; more than four at once only time out.
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(one, pairs))
    credentials = [(cluster, Credentials.read(files.kwok / "pki")) for cluster, files in pairs]
    write_if_changed(layout.kubeconfig, merged_kubeconfig(credentials), mode=0o600)


def _ensure_supervisor(layout: BedLayout, plan: BedPlan, report: Report) -> None:
    wanted = {cluster.name for cluster in plan.clusters}
    health = supervisor_health(plan.repository_port, layout.directory)
    if health is not None and wanted == set(health["clusters"]):
        return
    if health is None:
        report("starting the bed's supervisor")
        _start_supervisor(layout)
    begun = time.monotonic()
    while time.monotonic() < begun + _SUPERVISOR_SECONDS:
        health = supervisor_health(plan.repository_port, layout.directory)
        if health is not None and wanted == set(health["clusters"]):
            return
        if time.monotonic() > begun + _SUPERVISOR_START_SECONDS and not _supervisor_pids(layout):
            break
        time.sleep(0.05)
    raise NotReadyError(
        "the bed's supervisor did not become ready",
        where=str(layout.supervisor_log),
        why="\n".join(layout.supervisor_log.read_text(errors="replace").splitlines()[-5:]),
        next_step="dfmc testbed up (tries again), or dfmc testbed down",
    )


def _start_supervisor(layout: BedLayout) -> None:
    # One that hangs, so that it neither answers nor lets go of the port, makes way for the new one.
    end_processes(_supervisor_pids(layout), signal.SIGTERM, seconds=10.0)
    # `setsid --fork` returns at once: the supervisor is nobody's child, so its end leaves no zombie in a caller
    # that lives on (a test run), and no signal to the caller's group reaches it.
    argv = ["setsid", "--fork", sys.executable, "-m", "dfmc.testbed.supervisor", str(layout.state)]
    with layout.supervisor_log.open("ab") as log:
        subprocess.run(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=30, check=True)


def _supervisor_pids(layout: BedLayout) -> list[int]:
    try:
        pid = int(layout.supervisor_pid.read_text())
    except (FileNotFoundError, ValueError):
        return []
    # The number may be another program's by now.
    return [pid] if has_argument(pid, str(layout.state)) else []


def _orphans(layout: BedLayout) -> list[int]:
    """Return pod processes that outlived their supervisor, which their parent-death signal should have prevented."""
    found = []
    for file in layout.directory.glob("clusters/*/pods/*/pid"):
        pid = int(file.read_text())
        if works_in(pid, file.parent):
            found.append(pid)
    return found

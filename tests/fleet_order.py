"""What must hold of a fleet: its file, releases, live ConfigMaps and the manager's rows, held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from dfmc.planning.ownership import TOPOLOGY_LABEL, record_bio
from dfmc.state import ReleaseState
from dfmc.topology.model import ClusterSpec
from fleet_kube import read_yaml
from fleet_world import Fleet


def releases_of(fleet: Fleet) -> dict[tuple[str, str, str], ReleaseState]:
    """Return the newest revision of every release of this topology's, by context, namespace and name."""
    found = {}
    for context, kube in fleet.of.items():
        for (kind, namespace, _), obj in list(kube.objects.items()):
            labels = obj["metadata"].get("labels") or {}
            if kind == "Secret" and labels.get("owner") == "helm" and labels.get(TOPOLOGY_LABEL) == "fleet":
                live = kube.live(labels["name"], namespace or "")
                assert live is not None
                found[context, namespace or "", labels["name"]] = live
    return found


def live_ids(fleet: Fleet, context: str, namespace: str) -> dict[str, int]:
    """Return the scheduler cluster ids that the live ConfigMaps of a namespace name, by ConfigMap."""
    found = {}
    for (kind, place, name), obj in fleet.of[context].objects.items():
        if kind != "ConfigMap" or place != namespace:
            continue
        for text in (obj.get("data") or {}).values():
            content = read_yaml(text) if text.startswith("manager:") else None
            sections = (content.get("manager"), content.get("host")) if isinstance(content, dict) else ()
            for section in sections:
                if isinstance(section, dict) and "schedulerClusterID" in section:
                    found[name] = section["schedulerClusterID"]
    return found


def disorder(fleet: Fleet, *, pruned: bool = True, whole: bool = True, among: list[str] | None = None) -> list[str]:
    """Return what is wrong with the world by the file: empty after an ``up`` that succeeded.

    Args:
        pruned: Also what is left of clusters that are not in the file.
        whole: Also what nobody but the whole fleet can have wrong: two releases with one id.
        among: Clusters to look at; None: all of them.
    """
    fleet.settle()
    topology, wrong, releases = fleet.loaded.topology, list[str](), releases_of(fleet)
    rows = list(fleet.manager_rows.database.scheduler_clusters.values())
    for cluster in topology.clusters if among is None else [topology.cluster(name) for name in among]:
        wrong += _disorder_of(fleet, cluster, rows, releases)
    running = [release for place, release in releases.items() if not fleet.of[place[0]].is_gone]
    ids = Counter(scheduler_cluster_id(release) for release in running)
    wrong += [f"{count} releases have id {number}" for number, count in ids.items() if whole and count > 1]
    if pruned:
        places = {(one.context, one.namespace, one.release) for one in topology.clusters}
        visible = {one.context for one in topology.clusters}
        wrong += [f"stray release {place}" for place in releases.keys() - places if place[0] in visible]
        names = {one.name for one in topology.clusters}
        left = [row["name"] for row in rows if row["bio"] == record_bio("fleet", fleet.uid)]
        wrong += [f"orphaned record {name}" for name in left if name not in names]
    return wrong


def _disorder_of(
    fleet: Fleet,
    cluster: ClusterSpec,
    rows: list[dict[str, Any]],
    releases: Mapping[tuple[str, str, str], ReleaseState],
) -> list[str]:
    name, place = cluster.name, (cluster.context, cluster.namespace)
    own = [row for row in rows if row["name"].casefold() == name.casefold()]
    release = releases.get((*place, cluster.release))
    if len(own) != 1 or release is None:
        return [f"{name}: {len(own)} records, release {release and release.status}"]
    row, wrong = own[0], []
    scopes = {key: value for key, value in (row["scopes"] or {}).items() if value}
    wanted = {key: value for key, value in cluster.scopes.model_dump(mode="json").items() if value}
    seen = {
        "bio": (row["bio"], record_bio("fleet", fleet.uid)),
        "scopes": (scopes, wanted),
        "status": (release.status, "deployed"),
        "chart": (release.chart_version, fleet.loaded.topology.chart.version),
        "id in values": (scheduler_cluster_id(release), row["id"]),
        "ids in ConfigMaps": (set(live_ids(fleet, *place).values()), {row["id"]}),
        "components with an id": (len(live_ids(fleet, *place)), 3),
    }
    kube = fleet.of[cluster.context]
    pods = {
        (pod.name, pod.ip): pod
        for (namespace, _), pod in kube.running.items()
        if namespace == cluster.namespace and pod.component == "scheduler"
    }
    active = {
        (one["host_name"], one["ip"])
        for one in fleet.manager_rows.database.schedulers.values()
        if one["scheduler_cluster_id"] == row["id"] and one["state"] == "active"
    }
    seen["active schedulers"] = (active, set(pods))
    seen["scheduler pods"] = (len(pods), cluster.replicas.scheduler or 3)
    seen["ids that pods have read"] = ({pod.scheduler_cluster_id for pod in pods.values()}, {row["id"]})
    wrong += [f"{name}: {what} is {is_now}, not {must}" for what, (is_now, must) in seen.items() if is_now != must]
    history = [one["metadata"]["labels"]["status"] for one in kube.records(cluster.release, cluster.namespace)]
    if history.count("deployed") != 1 or any(status.startswith("pending") for status in history):
        wrong.append(f"{name}: revisions are {history}")
    return wrong


def scheduler_cluster_id(release: ReleaseState) -> int:
    """Return the id that a release's values give its schedulers."""
    number: int = release.values["scheduler"]["config"]["manager"]["schedulerClusterID"]
    return number

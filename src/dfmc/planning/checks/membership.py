"""Checks against the silent fallback: everything is ready, and peers are in another cluster all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dfmc.errors import DfmcError
from dfmc.matching.contest import BudgetSpentError
from dfmc.matching.formula import Host
from dfmc.matching.hostnames import PatternTooLargeError
from dfmc.matching.searcher import Says
from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import Check, Finding, finding_of
from dfmc.planning.destinations import searcher_at
from dfmc.planning.peers import peers_of
from dfmc.planning.proof import active_rows, scheduler_findings, wiring_findings
from dfmc.planning.records import expected_record
from dfmc.topology.model import ClusterSpec
from dfmc.values.context import host_of, membership_of
from dfmc.values.layouts import layout_of

GROUP = "membership"
_ID = re.compile(r"schedulerclusterid|clusterid", re.IGNORECASE)
_HOSTS_AT_MOST = 200


def wiring(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find live configuration that says something else than the manager's record and the file."""
    if facts.seen(cluster).release is None or expected_record(facts.topology, cluster, facts.observed) is None:
        return
    try:
        found = wiring_findings(facts.topology, cluster, facts.observed)
    except DfmcError as error:
        yield finding_of(error, cluster.name)
        return
    for one in found:
        config_map, _, key = one.key.partition("/")
        yield Finding(
            cluster.name,
            f"{key} is {one.seen}, and must be {one.expected}",
            _consequence(facts, one.key, one.seen),
            f"dfmc up {facts.file} -c {cluster.name} (or put ConfigMap {config_map} back and restart its pods)",
            f"ConfigMap {cluster.namespace}/{config_map}",
        )


def _consequence(facts: Facts, key: str, seen: str) -> str:
    manager = facts.observed.manager
    if manager is None or not _ID.search(key):
        return ""
    other = next((record for record in manager.records if str(record.scheduler_cluster_id) == seen), None)
    if other is None:
        return "no record has that id" if seen.isdigit() else "without an id the manager goes by scopes"
    return f"that is {other.name}: whoever reads it joins {other.name}, and nothing looks unhealthy"


def own_schedulers(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find a cluster whose schedulers are not exactly the manager's active ones under its id."""
    manager, seen = facts.observed.manager, facts.seen(cluster)
    record = expected_record(facts.topology, cluster, facts.observed)
    if manager is None or record is None or seen.release is None:
        return
    ids = record.registration
    fallback = ""
    if not active_rows(ids, seen.pods, manager.schedulers) and membership_of(facts.topology, cluster) == "scopes":
        host = Host(idc=host_of(cluster).idc or "", location=host_of(cluster).location or "")
        joined = searcher_at(facts.topology, facts.observed).answer(Says(host)).record
        fallback = f"; its peers go to {joined.name}, silently" if joined else ""
    for one in scheduler_findings(cluster.name, ids, seen.pods, manager.schedulers):
        yield Finding(
            cluster.name,
            f"{one.key}: {one.expected} expected, {one.seen} seen",
            "a scheduler that has just started is shown after half a minute" + fallback,
            f"kubectl --context {cluster.context} -n {cluster.namespace} get pods -l component=scheduler -o wide",
            one.key.removeprefix("manager's "),
        )


def peers_by_scopes(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find peers of a cluster that the manager, by its own formula, sends to another one."""
    record = expected_record(facts.topology, cluster, facts.observed)
    if record is None or membership_of(facts.topology, cluster) != "scopes":
        return
    release, said = facts.seen(cluster).release, host_of(cluster)
    if release is None:
        return
    lost: dict[str, list[str]] = {}
    # Clients that do not run yet have nowhere to go; match --live tells of every node.
    peers = peers_of(cluster, layout_of(release.chart_version), release.values, None, facts.seen(cluster).pods)
    searcher = searcher_at(facts.topology, facts.observed)
    for peer in peers[:_HOSTS_AT_MOST]:
        try:
            joined = searcher.answer(peer.says).record
        except (PatternTooLargeError, BudgetSpentError) as error:
            yield Finding(cluster.name, "the scopes of the records cannot be compared", str(error))
            return
        if joined is not None and joined.id != record.scheduler_cluster_id:
            lost.setdefault(joined.name, []).append(f"{peer.kind} {peer.name}")
    for other, names in sorted(lost.items()):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield Finding(
            cluster.name,
            f"{len(names)} of its peers join {other}: {', '.join(names[:3])}{more}",
            f"by the manager's formula the record {other} fits idc {said.idc or '(none)'}, location "
            f"{said.location or '(none)'} and their addresses better than {record.name}",
            f"dfmc match {facts.file} --live -c {cluster.name}; then change scopes or host in the file",
            f"record {record.name} (id {record.id})",
        )


def counted(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find clients that download through somebody else's schedulers: their own have never heard of them."""
    here = facts.of(cluster).counted
    if here is None or not here.is_older or not here.received or here.registered:
        return
    others = [
        f"{entry.name} has registered {there.registered}"
        for entry in facts.entries
        if entry != cluster and (there := facts.of(entry).counted) and there.registered
    ]
    at = f"kubectl --context {cluster.context} -n {cluster.namespace}"
    yield Finding(
        cluster.name,
        f"its {here.clients} clients have fetched {here.received} bytes, and its schedulers have registered none",
        "; ".join(["their running configuration may hold another cluster's id", *others]),
        f"dfmc verify {facts.file} -c {cluster.name}; {at} rollout restart daemonset",
        "register_peer_total of its schedulers",
    )


CHECKS = (
    Check(
        "DF371",
        "every component's live configuration carries its own cluster's ids and addresses",
        GROUP,
        "A client with another cluster's id is ready, pulls fine, and moves its bytes through that other cluster; "
        "charts give a member that lacks the key id 1. The ConfigMaps that the pods read are compared with the "
        "manager's records and the file.",
        "`dfmc up` writes the right values; whoever edited a ConfigMap by hand puts it back and restarts the pods.",
        needs=(Need.RELEASE, Need.INSTALLED, Need.MANAGER),
        of_cluster=wiring,
    ),
    Check(
        "DF372",
        "a cluster's active schedulers are its own pods, all of them",
        GROUP,
        "Peers that are found by scopes go to the next best cluster when their own has no active scheduler; nothing "
        "tells them. A scheduler under a wrong id serves peers of another cluster.",
        "Look at the scheduler's pod and its log.",
        needs=(Need.RELEASE, Need.INSTALLED, Need.MANAGER),
        of_cluster=own_schedulers,
    ),
    Check(
        "DF373",
        "peers that are found by scopes belong to their own cluster by the manager's formula",
        GROUP,
        "No cluster is excluded for not matching: every record with an active scheduler is a candidate, and the best "
        "score wins. What the records say now, and the addresses that the peers have now, decide.",
        "`dfmc match --live` shows who goes where, and the scores; change scopes or host.",
        needs=(Need.RELEASE, Need.INSTALLED, Need.MANAGER),
        of_cluster=peers_by_scopes,
    ),
    Check(
        "DF374",
        "what a cluster's clients fetch is registered with its own schedulers",
        GROUP,
        "A client reads its configuration once. One that was started with another cluster's id goes on with it, "
        "whatever its ConfigMap says by now; only the schedulers' counters show it. Looked at where the clients and "
        "schedulers tell their counters, and the schedulers run for longer than the clients.",
        "Restart the clients; `dfmc verify` proves the way of the bytes.",
        needs=(Need.RELEASE, Need.INSTALLED, Need.COUNTERS),
        of_cluster=counted,
    ),
)

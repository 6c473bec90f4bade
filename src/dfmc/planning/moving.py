"""Who changes cluster by a plan: the manager's answers to every peer before it and after it. Pure.

Before: the records and releases as they are. After: the records with what the plan's steps write, every cluster that
the plan proves with an active scheduler, and peers that say what the plan's values say. A scope that grows takes peers
of other clusters, so all of them are asked about, whoever changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from dfmc.matching.contest import MAX_SCORES, BudgetSpentError
from dfmc.matching.examples import address_in, hostname_found_by
from dfmc.matching.formula import Candidate, Host
from dfmc.matching.hostnames import PatternTooLargeError
from dfmc.matching.networks import parse_network
from dfmc.matching.records import candidates_at, scopes_of
from dfmc.matching.searcher import Answer, Says, Searcher
from dfmc.matching.versions import generation_of
from dfmc.planning.destinations import Destination, running_version, searcher_at
from dfmc.planning.moves import Expiry, Move, Moves
from dfmc.planning.peers import Object, Peer, peers_of
from dfmc.planning.records import expected_record
from dfmc.planning.steps import Kind, Plan, Step
from dfmc.state import ClusterRecord, Observed, PodState
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.context import host_of, membership_of
from dfmc.values.layouts import Layout, layout_of
from dfmc.values.manager_versions import manager_version
from dfmc.values.merge import get_path

# A scheduler's own idc and location decide nothing for peers.
_SAID = re.compile(r"^(?!scheduler\.).*\.config\.host\.(idc|location|ip|hostname|advertiseIP|schedulerClusterID)$")
_MOST_EXAMPLES = 4


@dataclass(frozen=True)
class SeenPeers:
    """What was read of one installed cluster for this.

    Attributes:
        nodes: Of its nodeSelector; None where they may not be listed.
        pods: Of its release.
        trouble: Why neither could be read; empty where they were.
    """

    nodes: tuple[Object, ...] | None = None
    pods: tuple[PodState, ...] = ()
    trouble: str = ""


def changed_by(plan: Plan) -> tuple[str, ...]:
    """Return the clusters whose record or whose peers' words a plan changes so that peers may go elsewhere."""
    return tuple(dict.fromkeys(step.cluster for step in plan.mutations if not step.conditional and _matters(step)))


def _matters(step: Step) -> bool:
    if step.kind is Kind.DEREGISTER:
        return True
    if step.kind is Kind.RECORD:
        return any(change.path == "record" or change.path.startswith("scopes.") for change in step.changes)
    return step.kind is Kind.RELEASE and any(_SAID.search(change.path) for change in step.changes)


def moves_by(topology: Topology, observed: Observed, plan: Plan, seen: Mapping[str, SeenPeers]) -> Moves | None:
    """Return who changes cluster by a plan; None where it changes nothing that decides, or no manager answers.

    Args:
        topology: The file.
        observed: What the plan was made from.
        plan: For all clusters or for some.
        seen: Peers by cluster; those of an entry that is not in it are not known, and examples stand for them.
    """
    changed = changed_by(plan)
    if not changed or observed.manager is None:
        return None
    foretelling = _Foretelling(topology, observed, plan, seen)
    by_id = tuple(name for name in changed if name in foretelling.names and foretelling.membership_after(name) == "id")
    try:
        moves, trouble = tuple(foretelling.moves()), foretelling.unknown
    except (BudgetSpentError, PatternTooLargeError) as error:
        moves, trouble = (), dict.fromkeys(changed, f"the records cannot be compared: {error}")
    return Moves(changed, moves, foretelling.expiry(), tuple(trouble.items()), by_id)


class _Foretelling:
    def __init__(self, topology: Topology, observed: Observed, plan: Plan, seen: Mapping[str, SeenPeers]) -> None:
        self.topology, self.observed, self.plan, self.seen = topology, observed, plan, seen
        self.names = {cluster.name for cluster in topology.clusters}
        self.before = searcher_at(topology, observed, most_scores=MAX_SCORES)
        self.homes_after: dict[str, int] = {}
        central = plan.step(f"{Kind.RELEASE}:{topology.manager.cluster}")
        is_new = central is not None and central.mutates
        version = manager_version(topology) if is_new else running_version(topology, observed)
        self.after = Searcher(self._records_after(), generation_of(version), MAX_SCORES)
        self._by_id = {record.id: record for record in self.after.records}
        self.unknown: dict[str, str] = {}

    def _record(self, name: str) -> ClusterRecord | None:
        return expected_record(self.topology, self.topology.cluster(name), self.observed)

    # --- records after ----------------------------------------------------------------------------------------

    def _records_after(self) -> list[Candidate]:
        assert self.observed.manager is not None  # noqa: S101 - the caller has asked
        removed = {step.cluster for step in self.plan.steps if step.kind is Kind.DEREGISTER}
        records = {one.id: one for one in candidates_at(self.observed.manager) if one.name not in removed}
        following = max(records, default=0) + 1
        for cluster in self.topology.clusters:
            row = self._record(cluster.name)
            step = self.plan.step(f"{Kind.RECORD}:{cluster.name}")
            is_proven = self.plan.step(f"{Kind.PROOF}:{cluster.name}") is not None
            number = row.scheduler_cluster_id if row else following
            if step is not None and step.mutates and not step.conditional:
                known = records.get(number, Candidate(number, cluster.name, is_active=False))
                records[number] = replace(known, name=cluster.name, scopes=scopes_of(cluster))
                following += row is None
            if number in records:
                self.homes_after[cluster.name] = number
                if is_proven:
                    records[number] = replace(records[number], is_active=True)
        return list(records.values())

    # --- peers ------------------------------------------------------------------------------------------------

    def _values_after(self, name: str) -> tuple[Layout, Mapping[str, Any]] | None:
        """Return a release's layout and values after the plan; None for one that will not be there."""
        step = self.plan.step(f"{Kind.RELEASE}:{name}")
        if step is not None and step.values is not None:
            return layout_of(self.topology.chart.version), step.values
        return self._values_before(name)

    def _values_before(self, name: str) -> tuple[Layout, Mapping[str, Any]] | None:
        release = self.observed.clusters[name].release
        return (layout_of(release.chart_version), release.values) if release else None

    def _known(self, symbol: Pending) -> int:
        """Return the id that a record will have; -1 for none."""
        name = symbol.key.partition(":")[2].partition("/")[0]
        return self.homes_after.get(name, -1)

    def membership_after(self, name: str) -> str:
        """Return how an entry's peers will find it."""
        return membership_of(self.topology, self.topology.cluster(name))

    def _peers(
        self, cluster: ClusterSpec, values: tuple[Layout, Mapping[str, Any]] | None
    ) -> dict[tuple[str, str, str], Peer]:
        seen = self.seen.get(cluster.name)
        if values is None or seen is None or seen.trouble:
            return {}
        peers = peers_of(cluster, values[0], values[1], seen.nodes, seen.pods, self._known)
        return {peer.key: peer for peer in peers}

    def _examples(self, cluster: ClusterSpec) -> tuple[Peer, ...]:
        """Return made-up peers of an entry: one for each network and pattern of its scopes, old and new."""
        if self.membership_after(cluster.name) == "id":
            return ()
        row, said = self._record(cluster.name), host_of(cluster)
        old = row.scopes if row else cluster.scopes
        networks = map(parse_network, dict.fromkeys((*cluster.scopes.cidrs, *old.cidrs)))
        addresses = [address_in(network) for network in networks if network is not None]
        names = [hostname_found_by(pattern) for pattern in dict.fromkeys((*cluster.scopes.hostnames, *old.hostnames))]
        found = []
        for ip, name in product(_some(addresses), _some(names)):
            host = Host(ip, name, said.idc or "", said.location or "")
            words = [f"at {ip}"] if ip else []
            words += [f"named {name}"] if name else []
            words += [f"that says {key} {value}" for key in ("idc", "location") if (value := getattr(host, key))]
            found.append(Peer(cluster.name, "sample", f"a host {' '.join(words) or 'that says nothing'}", Says(host)))
        return tuple(found[:_MOST_EXAMPLES])

    # --- who moves --------------------------------------------------------------------------------------------

    def moves(self) -> Iterator[Move]:
        """Yield who changes cluster, in the file's order; fills ``unknown``."""
        for cluster in self.topology.clusters:
            now, later = self._values_before(cluster.name), self._values_after(cluster.name)
            if later is None and self.observed.clusters[cluster.name].facts is not None:
                continue  # looked at, not installed, and not to be
            seen = self.seen.get(cluster.name)
            if seen is None or seen.trouble:
                examples = self._examples(cluster)
                if examples:
                    why = seen.trouble if seen else "it was not looked at"
                    self.unknown[cluster.name] = f"{why}; examples from its scopes stand for them"
                yield from self._grouped(cluster, [(one, one) for one in examples])
                continue
            before, after = self._peers(cluster, now), self._peers(cluster, later)
            yield from self._grouped(cluster, [(before.get(key), peer) for key, peer in after.items()])

    def _grouped(self, cluster: ClusterSpec, peers: Sequence[tuple[Peer | None, Peer]]) -> Iterator[Move]:
        groups: dict[tuple[int | None, int | None], list[tuple[Peer, Answer, Answer]]] = {}
        for was, peer in peers:
            source = self.before.answer(was.says) if was else Answer(None, "id")
            target = self.after.answer(peer.says)
            if not self._is_worth_telling(cluster.name, was, source, target):
                continue
            groups.setdefault((_of(source), _of(target)), []).append((peer, source, target))
        for group in groups.values():
            yield self._move(cluster, group)

    def _is_worth_telling(self, name: str, was: Peer | None, source: Answer, target: Answer) -> bool:
        if was is None:  # a peer that is not there yet moves nowhere; that it does not come home is news
            return target.by == "scopes" and _of(target) != self.homes_after.get(name)
        return _of(source) != _of(target) and "scopes" in (source.by, target.by)

    def _move(self, cluster: ClusterSpec, group: Sequence[tuple[Peer, Answer, Answer]]) -> Move:
        peer, source, target = group[0]
        number = self.homes_after.get(cluster.name)
        home = self._by_id.get(number) if number is not None else None
        own = self.after.score(peer.says.host, home) if home else None
        is_example = peer.kind == "sample"
        return Move(
            cluster=cluster.name,
            source=source.name,
            target=target.name,
            is_home=home is not None and target.record == home,
            peers=tuple(one.name if is_example else f"{one.kind} {one.name}" for one, _, _ in group),
            is_example=is_example,
            why=Destination(peer, target, own).why,
        )

    # --- when -------------------------------------------------------------------------------------------------

    def expiry(self) -> Expiry:
        """Return how long peers go on with what they were told, by the values that will hold."""
        central = self._values_after(self.topology.manager.cluster)
        cache = get_path(central[1], "manager.config.cache", {}) if central else {}
        found = [one for cluster in self.topology.clusters if (one := self._values_after(cluster.name)) is not None]
        is_rust = layout_of(self.topology.chart.version).components["client"].is_rust
        standard = Expiry() if is_rust else Expiry(client="10m", seed_peer="10m")
        return Expiry(
            redis=str(get_path(cache, "redis.ttl", standard.redis)),
            local=str(get_path(cache, "local.ttl", standard.local)),
            client=_interval(found, "client", standard.client),
            seed_peer=_interval(found, "seed_peer", standard.seed_peer),
        )


def _interval(found: Sequence[tuple[Layout, Mapping[str, Any]]], part: Any, standard: str) -> str:  # noqa: ANN401
    """Return the interval that a user's values set for a component, the standard one where none does."""
    for layout, values in found:
        component = layout.components[part]
        key = "dynconfig" if component.is_rust else "scheduler.manager"
        told = get_path(values, f"{component.key}.config.{key}.refreshInterval")
        if told:
            return str(told)
    return standard


def _some(found: Sequence[str | None]) -> list[str]:
    return [one for one in found if one is not None][:_MOST_EXAMPLES] or [""]


def _of(answer: Answer) -> int | None:
    return answer.record.id if answer.record else None

"""Where every peer goes: a table of clusters and strays, and JSON whose form is fixed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from dfmc.engine.live_match import LiveMatch
from dfmc.matching.formula import Candidate, Ranked
from dfmc.output.documents import Document, error_document
from dfmc.output.tables import Cell, aligned
from dfmc.output.text import line, one_line
from dfmc.planning.destinations import ClusterDestinations, Destination
from dfmc.topology.model import API_VERSION

_DIGITS = 6
# More strays of one cluster with the same destination for the same reason are one line.
_LINES_OF_GROUP = 10
_NAMES_OF_GROUP = 3


def live_lines(match: LiveMatch, file: str) -> list[Text]:
    """Return one line for each cluster whose peers all go home, one for each stray peer, and what takes part.

    Args:
        match: What the manager would answer.
        file: The topology's name, for the sentences.
    """
    rows = [row for cluster in match.clusters for row in _rows(match, cluster)]
    lines = [_manager(match), line(""), *aligned(("CLUSTER", "PEER", "JOINS", "WHY"), rows)]
    remarks = [remark for cluster in match.clusters for remark in _remarks(cluster)]
    if match.foreign:
        what = f"records that {file} does not know take part: {', '.join(match.foreign)}"
        remarks.append(line(("⚠ ", "yellow"), one_line(what)))
    if remarks:
        lines += [line(""), *remarks]
    count = sum(len(cluster.destinations) for cluster in match.clusters)
    lines.append(line(""))
    if match.strays:
        typed = shlex.quote(file)
        again = f"dfmc plan {typed} shows what differs from the file, dfmc doctor {typed} looks for other causes"
        lines.append(line(("next     ", "dim"), again))
    elif not any(cluster.error for cluster in match.clusters):
        lines.append(line(("✓ ", "green"), f"all {count} peers go home" if count else "there are no peers"))
    return lines


def _manager(match: LiveMatch) -> Text:
    there = [f"{record.name} (id {record.id})" for record in match.searcher.records if not record.is_active]
    silent = f"; without an active scheduler: {', '.join(there)}" if there else ""
    formula = f"formula of {match.searcher.generation.versions}" + (f", here {match.version}" if match.version else "")
    return line(("manager  ", "dim"), one_line(f"{_count(len(match.searcher.records), 'record')}, {formula}{silent}"))


def _rows(match: LiveMatch, cluster: ClusterDestinations) -> Iterator[list[Cell]]:
    name = (cluster.cluster, "bold")
    if cluster.error:
        yield [name, ("-", ""), ("?", "bold red"), (one_line(str(cluster.error)), "")]
        return
    home = [one for one in cluster.destinations if one.is_home]
    if home or not cluster.destinations:
        why = f"by {cluster.membership}" if home else cluster.note or "no node takes a client, and no seed peer runs"
        if home and len(home) < len(cluster.destinations):
            why = ""
        yield [name, (_counted(home), ""), (cluster.cluster if home else "-", "green" if home else ""), (why, "")]
    for group in _groups(cluster.strays):
        for peer in _named(group):
            joins = (
                match.entries.get(group[0].answer.record.id, group[0].answer.name) if group[0].answer.record else "none"
            )
            yield [name, (peer, ""), (joins, "bold red"), (one_line(group[0].why), "")]


def _groups(strays: Sequence[Destination]) -> list[list[Destination]]:
    """Return strays that share where they go and why, in the order of the first of each."""
    found: dict[tuple[str, str], list[Destination]] = {}
    for stray in strays:
        found.setdefault((stray.answer.name, stray.why), []).append(stray)
    return list(found.values())


def _named(group: Sequence[Destination]) -> list[str]:
    if len(group) <= _LINES_OF_GROUP:
        return [f"{one.peer.kind} {one.peer.name}{_said(one)}" for one in group]
    names = ", ".join(one.peer.name for one in group[:_NAMES_OF_GROUP])
    return [f"{_counted(group)}: {names} and {len(group) - _NAMES_OF_GROUP} more"]


def _said(one: Destination) -> str:
    """Return what the peer says, where scopes decide about it."""
    if one.answer.by == "id":
        return ""
    host = one.peer.says.host
    parts = [host.ip, *(f"{key} {value}" for key in ("idc", "location") if (value := getattr(host, key)))]
    said = ", ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _counted(found: Sequence[Destination]) -> str:
    counts = {kind: sum(one.peer.kind == kind for one in found) for kind in ("node", "seed peer")}
    return ", ".join(_count(number, kind) for kind, number in counts.items() if number) or "none"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _remarks(cluster: ClusterDestinations) -> Iterator[Text]:
    name = (f"{cluster.cluster}: ", "bold")
    if cluster.error:
        if cluster.error.next_step:
            yield line(("✗ ", "red"), name, one_line(cluster.error.next_step))
        return
    if cluster.note and cluster.destinations:
        yield line(("· ", "dim"), name, one_line(cluster.note))
    if cluster.record is None:
        yield line(("⚠ ", "yellow"), name, "the manager has no record of it")
    elif cluster.schedulers == 0:
        what = "its record has no active scheduler: peers by scopes go elsewhere, those by id find nobody who answers"
        yield line(("⚠ ", "yellow"), name, what)


# --- JSON ------------------------------------------------------------------------------------------------------


def live_document(match: LiveMatch) -> Document:
    """Return the JSON form of ``match --live``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "LiveMatch",
        "topology": match.topology,
        "managerVersion": match.version,
        "formula": match.searcher.generation.versions,
        "strays": match.strays,
        "records": [_record(match, record) for record in match.searcher.records],
        "clusters": [_cluster(match, cluster) for cluster in match.clusters],
    }


def _record(match: LiveMatch, record: Candidate) -> Mapping[str, Any]:
    scopes = record.scopes
    return {
        "id": record.id,
        "name": record.name,
        "cluster": match.entries.get(record.id),
        "isDefault": record.is_default,
        "activeSchedulers": match.schedulers.get(record.id, 0),
        "takesPeersByScopes": record.is_active,
        "scopes": {
            "idc": scopes.idc,
            "location": scopes.location,
            "cidrs": list(scopes.cidrs),
            "hostnames": list(scopes.hostnames),
        },
    }


def _cluster(match: LiveMatch, cluster: ClusterDestinations) -> Mapping[str, Any]:
    return {
        "name": cluster.cluster,
        "recordID": cluster.record.id if cluster.record else None,
        "activeSchedulers": cluster.schedulers,
        "strays": len(cluster.strays),
        "peers": [_peer(match, one) for one in cluster.destinations],
        "note": cluster.note,
        "error": error_document(cluster.error) if cluster.error else None,
    }


def _peer(match: LiveMatch, one: Destination) -> Mapping[str, Any]:
    host, record = one.peer.says.host, one.answer.record
    return {
        "kind": "seedPeer" if one.peer.kind == "seed peer" else "node",
        "name": one.peer.name,
        "ip": host.ip,
        "hostname": host.hostname,
        "idc": host.idc,
        "location": host.location,
        "schedulerClusterID": one.peer.says.cluster_id,
        "by": one.answer.by,
        "home": one.is_home,
        "joins": record.name if record else None,
        "joinsID": record.id if record else None,
        "joinsCluster": match.entries.get(record.id) if record else None,
        "why": one.why,
        "score": _score(one.answer.winner),
        "homeScore": _score(one.home) if one.answer.by == "scopes" else None,
    }


def _score(ranked: Ranked | None) -> Mapping[str, Any] | None:
    if ranked is None:
        return None
    terms = {name: round(value, _DIGITS) for name, value in ranked.terms.as_dict().items()}
    return {"score": round(ranked.score, _DIGITS), "terms": terms}

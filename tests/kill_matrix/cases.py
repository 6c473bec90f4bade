"""One case after the other: strike a run, look at what is left, run once more, look again, and clear up."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from bed_tools import ManagerRest
from bed_world import NODE_PORT
from dfmc.clients.manager_token import own_token
from dfmc.errors import DfmcError
from kill_matrix.bed import MatrixBed, Run
from kill_matrix.oracles import NAMES, converged, credentials, let_the_lock_lapse, settled, struck_as_told, traces
from kill_matrix.positions import FAULTS, KILLS, Blow, Case, is_by_the_clock

# What a blow may cost beyond an undisturbed run: the longest deadline that it can meet, and five seconds.
LONGEST_SECONDS = {
    Blow.KILL_BEFORE: 60.0,
    Blow.KILL_AFTER: 60.0,
    Blow.SERVER_ERROR: 90.0,
    Blow.TOO_MANY: 90.0,
    Blow.HANG: 150.0,
    Blow.DROP: 90.0,
}


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes:
        case: The case.
        problems: What went wrong; none: dfmc kept its promise.
        seconds: Of the struck run, of the next one, and of everything.
        code: Of the struck run.
        text: What both said, when something went wrong.
    """

    case: Case
    problems: tuple[str, ...]
    seconds: tuple[float, float, float]
    code: int
    text: str = ""


def cases_of(positions: Iterable[str], blows: Sequence[Blow]) -> list[Case]:
    """Return every case of a run's positions: those of members first, which cost less."""
    wanted = [position for position in positions if not is_by_the_clock(position)]
    made = [
        case
        for position in wanted
        for blow in blows
        if blow in KILLS or not (case_is_of_helm(position) and blow in FAULTS)
        for case in [Case(position, blow)]
    ]
    return sorted(made, key=lambda case: not case.is_of_member)


def case_is_of_helm(position: str) -> bool:
    """Whether a position is a helm process: requests can be answered with an error, processes cannot."""
    return Case(position, Blow.KILL_BEFORE).is_of_helm


def reference(bed: MatrixBed) -> list[str]:
    """Return the positions of an `up` that nothing disturbs, on an empty world; leaves it up.

    Raises:
        DfmcError: It failed: there is nothing to compare with.
    """
    run = bed.dfmc("up", str(bed.world.topology))
    if run.code != 0:
        raise DfmcError("the undisturbed run failed", why=run.text)
    return list(dict.fromkeys(run.positions))


def prepare(bed: MatrixBed, case: Case) -> None:
    """Bring the world to where the case's position comes: nothing at all, or the central cluster alone.

    Namespaces stay, as an administrator may have made them, but for the cases of their making: deleting one takes
    longer than all the rest.
    """
    settled(bed)
    if not case.is_of_member:
        _take_down(bed)
    elif not credentials(bed):
        _checked(bed.dfmc("up", "-c", "a", str(bed.world.topology)), "the central cluster cannot be brought up")
    else:
        _remove_members(bed)
    names = [f"cluster-{name}" for name in NAMES]
    there = {one["metadata"]["name"] for one in bed.world.tools.objects("namespaces")}
    if " namespaces/" in f" {case.position}":
        wanted = names[1:] if case.is_of_member else names
        bed.world.tools.kubectl("delete", "namespace", "--ignore-not-found", "--timeout=60s", *wanted)
        return
    for name in names:
        if name not in there:
            bed.world.tools.kubectl("create", "namespace", name)


def _take_down(bed: MatrixBed) -> None:
    _checked(bed.dfmc("down", str(bed.world.topology), "--yes", "--delete-data"), "the world cannot be cleared")
    bed.world.tools.kubectl("-n", "cluster-a", "delete", "leases", "--all")


def _checked(run: Run, what: str) -> None:
    if run.code != 0:
        raise DfmcError(what, why=run.text)


def _remove_members(bed: MatrixBed) -> None:
    """Take the members away behind dfmc's back, which is faster than in good order."""
    world = bed.world
    for namespace in ("cluster-b", "cluster-c"):
        world.tools.helm("uninstall", "dragonfly", "--namespace", namespace, "--ignore-not-found", "--wait")
        world.tools.kubectl("-n", namespace, "delete", "persistentvolumeclaims", "--all", "--timeout=60s")
    # A sign-in right after dfmc's own is refused; the key is good for a token at any time.
    key = world.credential("jwt-key")
    api = ManagerRest(f"http://{world.node_address}:{NODE_PORT}", own_token(key, 1, int(time.time())))
    members = [row for row in api.get("/api/v1/clusters?per_page=100") if row["name"] in ("b", "c")]
    for kind, key in (("schedulers", "scheduler_cluster_id"), ("seed-peers", "seed_peer_cluster_id")):
        for row in api.get(f"/api/v1/{kind}?per_page=1000") or []:
            if row[key] != 1:
                api.request("DELETE", f"/api/v1/{kind}/{row['id']}")
    for row in members:
        status, answer = api.request("DELETE", f"/api/v1/clusters/{row['id']}")
        if status != HTTPStatus.OK:
            raise DfmcError(f"record {row['name']} cannot be deleted", why=f"{status}: {answer}")


def judge(bed: MatrixBed, case: Case) -> Verdict:
    """Try one case on a world that `prepare` has made."""
    begun = time.monotonic()
    topology = str(bed.world.topology)
    try:
        first = bed.dfmc("up", topology, case=case)
    except subprocess.TimeoutExpired as error:
        return Verdict(case, ("it hangs",), (error.timeout, 0.0, error.timeout), 0, _said(error))
    problems = struck_as_told(bed, case, first)
    if first.seconds > LONGEST_SECONDS[case.blow]:
        problems.append(f"it took {first.seconds:.0f} s to end")
    kept = credentials(bed)
    with contextlib.suppress(AssertionError):  # nobody holds it any more
        let_the_lock_lapse(bed)
    try:
        again = bed.dfmc("up", topology)
    except subprocess.TimeoutExpired as error:
        problems += ["the next run hangs"]
        took = (first.seconds, error.timeout, time.monotonic() - begun)
        return Verdict(case, tuple(problems), took, first.code, first.text + _said(error))
    problems += converged(bed, again, kept)
    problems += traces(again)
    took = (first.seconds, again.seconds, time.monotonic() - begun)
    text = f"{first.text}\n--- again ---\n{again.text}" if problems else ""
    return Verdict(case, tuple(dict.fromkeys(problems)), took, first.code, text)


def _said(error: subprocess.TimeoutExpired) -> str:
    # Its streams are bytes whatever they were opened as, or nothing.
    parts = [part for part in (error.stdout, error.stderr) if isinstance(part, bytes)]
    return b"".join(parts).decode(errors="replace")

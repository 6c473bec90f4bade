"""What must hold after the run that follows a blow."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from bed_tools import wait_until
from dfmc.testbed.database import manager_database
from kill_matrix.bed import MatrixBed, Run
from kill_matrix.positions import KILLS, Case

NAMES = ("a", "b", "c")
END_SECONDS = 5.0
# A run that was failed, not killed: it got through, or says by its code whose fault it was.
FAILURE_CODES = (0, 1, 5, 7, 8, 9, 10, 12)


def credentials(bed: MatrixBed) -> dict[str, str]:
    """Return what the credentials' Secret holds; nothing where there is none."""
    world = bed.world
    found = world.tools.kubectl(
        "-n", "cluster-a", "get", "secret", "dfmc-dragonfly", "--ignore-not-found", "-o", "json"
    )
    data: dict[str, str] = json.loads(found)["data"] if found.strip() else {}
    return data


def lease(bed: MatrixBed) -> dict[str, Any]:
    """Return the spec of the topology's Lease; empty where there is none."""
    found = bed.world.tools.kubectl("-n", "cluster-a", "get", "lease", "dfmc-guide", "--ignore-not-found", "-o", "json")
    spec: dict[str, Any] = json.loads(found)["spec"] if found.strip() else {}
    return spec


def struck_as_told(bed: MatrixBed, case: Case, run: Run) -> list[str]:
    """Return what is wrong with the run that was struck."""
    if not run.struck:
        return [f"the position was never reached; the run ended with {run.code}"]
    problems = traces(run)
    if case.blow in KILLS:
        if run.code != -9:
            problems.append(f"it ended with {run.code} instead of being killed")
        try:
            wait_until("the end of every process", lambda: not bed.processes(), END_SECONDS)
        except AssertionError:
            problems.append(f"processes are left: {bed.processes()}")
    else:
        if run.code not in FAILURE_CODES:
            problems.append(f"it ended with {run.code}")
        if run.code not in (0, 1) and "next" not in run.text:
            problems.append("it does not say what to do next")
        if processes := bed.processes():
            problems.append(f"processes are left: {processes}")
        if (holder := lease(bed).get("holderIdentity")) and not case.position.endswith("given back"):
            problems.append(f"the lock is still held by {holder}")
    return problems


def traces(run: Run) -> list[str]:
    """Return the traceback in an output, if there is one, and the code of a bug."""
    problems = []
    if "Traceback" in run.text:
        problems.append("a traceback")
    if run.code == 70:
        problems.append("it ended with 70, a bug")
    return problems


def converged(bed: MatrixBed, again: Run, kept: dict[str, str]) -> list[str]:
    """Return what one more run has not put right.

    Args:
        bed: The bed.
        again: That run.
        kept: The credentials as they were left by the run that was struck.
    """
    problems = traces(again)
    if again.code != 0:
        return [*problems, f"the next run ended with {again.code}"]
    if deleted := [position for position in again.positions if re.match("DELETE|helm uninstall", position)]:
        problems.append(f"the next run has deleted something: {', '.join(deleted)}")
    problems += [problem for name in NAMES for problem in _release(bed, name)]
    problems += _records(bed)
    now = credentials(bed)
    if changed := [
        key for key, value in kept.items() if key in now and now[key] != value and "password-set" not in key
    ]:
        problems.append(f"credentials have changed: {', '.join(changed)}")
    if lost := [key for key in kept if key not in now and "previous" not in key]:
        problems.append(f"credentials are lost: {', '.join(lost)}")
    if holder := lease(bed).get("holderIdentity"):
        problems.append(f"the lock is still held by {holder}")
    if processes := bed.processes():
        problems.append(f"processes are left: {processes}")
    planned = bed.dfmc("plan", "--detailed-exitcode", str(bed.world.topology))
    if planned.code != 0:
        problems.append(f"there is still something to do: plan ended with {planned.code}\n{planned.text}")
    return problems


def _release(bed: MatrixBed, name: str) -> list[str]:
    secrets = bed.world.tools.objects("secrets", "-n", f"cluster-{name}", "-l", "owner=helm")
    statuses = [item["metadata"]["labels"]["status"] for item in secrets]
    if statuses.count("deployed") == 1 and not [one for one in statuses if "ing" in one]:
        return []
    return [f"{name}: helm's revisions are {', '.join(statuses) or 'none'}"]


def _records(bed: MatrixBed) -> list[str]:
    database = manager_database(bed.world.bed, bed.world.tools.context, "cluster-a")
    problems = []
    rows = database.query("SELECT name, is_default FROM scheduler_cluster WHERE is_del = 0 ORDER BY name")
    seen = [(row["name"], row["is_default"]) for row in rows]
    if seen != [("a", "1"), ("b", "0"), ("c", "0")]:
        problems.append(f"the manager's records are {seen}")
    for table, where in (
        ("seed_peer_cluster", " WHERE is_del = 0"),
        ("seed_peer_cluster_scheduler_cluster", ""),
    ):
        (count,) = database.query(f"SELECT COUNT(*) AS n FROM {table}{where}")  # noqa: S608 - names of our own
        if count["n"] != str(len(NAMES)):
            problems.append(f"{table} has {count['n']} rows")
    return problems


def let_the_lock_lapse(bed: MatrixBed) -> None:
    """Shorten a dead holder's lease, which the next run would watch for 15 s; it is taken over all the same."""
    if lease(bed).get("holderIdentity"):
        patch = json.dumps({"spec": {"leaseDurationSeconds": 1}})
        bed.world.tools.kubectl("-n", "cluster-a", "patch", "lease", "dfmc-guide", "--type", "merge", "-p", patch)


def settled(bed: MatrixBed) -> None:
    """Wait until no process is left of a run."""
    deadline = time.monotonic() + END_SECONDS
    while bed.processes() and time.monotonic() < deadline:
        time.sleep(0.1)

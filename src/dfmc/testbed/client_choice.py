"""Whether a bed's clients and seed clients are real: as asked for, as it was made, or as their program is there."""

from __future__ import annotations

from dfmc.errors import PreflightError
from dfmc.testbed.binaries import DATA_PLANE, BinaryCache
from dfmc.testbed.layout import BedRequest, StoredBed


def client_programs(request: BedRequest, stored: StoredBed | None, cache: BinaryCache) -> dict[str, str]:
    """Return the programs of clients and seed clients by name; empty where the bed simulates them.

    A bed keeps the clients it was made with: pods that kwok called ready would stay so, and none would take them over.

    Args:
        request: What `up` was asked for.
        stored: The bed as it stands; None for a new one.
        cache: Where programs lie.

    Raises:
        PreflightError: The bed has other clients than asked for, or the program of real ones is not there.
    """
    if stored is not None and request.clients not in ("auto", "real" if stored.clients else "simulated"):
        raise PreflightError(
            f"the bed was made with {'real' if stored.clients else 'simulated'} clients, and keeps them",
            where=str(request.directory),
            next_step="dfmc testbed down, then up again",
        )
    wanted = stored.clients if stored is not None else request.clients == "real"
    there = all(cache.is_current(program) for program in DATA_PLANE)
    if wanted and not there:
        raise PreflightError(
            "the program of Dragonfly's client is not there",
            where=str(cache.bin),
            why="it is built from the Rust crate dragonfly-client, which takes 20 to 45 minutes",
            next_step="dfmc testbed binaries --client, or `testbed up --clients simulated`",
        )
    if not there or (stored is None and request.clients == "simulated") or (stored is not None and not stored.clients):
        return {}
    return {program.name: str(cache.path(program.name)) for program in DATA_PLANE}

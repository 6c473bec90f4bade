"""The way to the manager's console for a person: an address that works on this machine, and root's password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dfmc.engine.credentials import read_stored
from dfmc.engine.manager_access import PORT_FORWARD
from dfmc.engine.session import Session
from dfmc.errors import NotReadyError
from dfmc.planning.credentials import ROOT_PASSWORD, secret_name
from dfmc.planning.exposure import REST_PORT


@asynccontextmanager
async def console_address(session: Session) -> AsyncIterator[str]:
    """Yield the console's URL: the file's own, or a port-forward to a ready manager pod that lasts as long.

    Raises:
        NotReadyError: No manager pod is ready.
    """
    topology = session.topology
    if topology.manager.access != PORT_FORWARD:
        yield topology.manager.access
        return
    kube = session.kube_of(topology.central)
    pod = await session.manager.ready_pod()
    async with kube.port_forward(topology.central.namespace, pod, REST_PORT) as port:
        yield f"http://127.0.0.1:{port}"


async def root_password(session: Session) -> str:
    """Return the password of the manager's user root.

    Raises:
        NotReadyError: dfmc has not written it yet.
    """
    topology = session.topology
    stored = await read_stored(topology, session.kube_of(topology.central), session.redactor)
    password = stored.values.get(ROOT_PASSWORD) if stored else None
    if password is None:
        raise NotReadyError(
            "there is no password yet",
            where=topology.central.name,
            why=f"Secret {topology.central.namespace}/{secret_name(topology)} is not there",
            next_step="dfmc up",
        )
    return password

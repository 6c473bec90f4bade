"""The manager's database, for tests that must know what the manager wrote down itself."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dfmc.errors import DfmcError, UnreachableError
from dfmc.testbed.addressing import to_loopback
from dfmc.testbed.binaries import BinaryCache
from dfmc.testbed.binaries.system import find_program
from dfmc.testbed.control_plane import ControlPlane
from dfmc.testbed.layout import BedState
from dfmc.testbed.roles import role_of
from dfmc.testbed.supervisor.programs import MYSQL_PORT

_QUERY_SECONDS = 20
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0"}


@dataclass(frozen=True)
class ManagerDatabase:
    """The MySQL process behind a namespace's pod.

    Attributes:
        host: Loopback address it listens on.
        port: TCP port.
        socket: Its unix socket, on which the user who started the bed is root without a password.
        name: Database of the manager.
    """

    host: str
    port: int
    socket: Path
    name: str

    def query(self, sql: str) -> list[dict[str, str | None]]:
        """Run one statement as root; return its rows by column name, NULL as None.

        Raises:
            UnreachableError: The process does not answer.
            DfmcError: It refused the statement.
        """
        argv = [
            str(find_program("mariadb") or "mariadb"),
            "--no-defaults",
            f"--socket={self.socket}",
            f"--database={self.name}",
            "--batch",
            "--execute",
            sql,
        ]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_QUERY_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise UnreachableError("the manager's database does not answer", where=str(self.socket)) from error
        if done.returncode != 0:
            where, why = str(self.socket), done.stderr.strip()
            raise DfmcError("the manager's database refused a statement", where=where, why=why)
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        if not lines:
            return []
        return [dict(zip(lines[0], map(_value, row), strict=True)) for row in lines[1:]]


def manager_database(state: BedState, context: str, namespace: str, name: str = "manager") -> ManagerDatabase:
    """Return the database behind the MySQL pod of a namespace.

    Args:
        state: A running bed.
        context: Kubeconfig context of the manager's cluster.
        namespace: Where the manager's release is.
        name: The database's name.

    Raises:
        DfmcError: There is no such pod, or it has no address yet.
    """
    plan, files = state.plan.cluster(context), state.cluster_layout(context)
    pods, _ = ControlPlane(plan, files, BinaryCache(state.cache)).api.list(f"/api/v1/namespaces/{namespace}/pods")
    for pod in pods:
        address = (pod.get("status") or {}).get("podIP")
        if role_of(pod["metadata"].get("labels"), clients=False) == "mysql" and address:
            socket = files.process_socket(pod["metadata"]["uid"])
            return ManagerDatabase(to_loopback(address), MYSQL_PORT, socket, name)
    raise DfmcError("no MySQL pod of the bed is there", where=f"{context}/{namespace}")


def _value(text: str) -> str | None:
    if text == "NULL":
        return None
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)

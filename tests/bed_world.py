"""One bed with one topology on it, driven through the command line as a user drives it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bed_tools import BedTools, ManagerRest
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.database import manager_database
from dfmc.testbed.faults import Authority, HttpProxy, redirected
from dfmc.testbed.layout import BedRequest, BedState

SECONDS = 300.0
NODE_PORT = 30950
# What a run without changes may still send: its lock, and questions about its own rights.
QUIET_RESOURCES = ("leases", "selfsubjectaccessreviews", "selfsubjectrulesreviews")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Everything it printed."""
        return self.stdout + self.stderr


@dataclass
class World:
    """A bed, the topology file in use (a copy of the bed's), and the environment of the commands."""

    tools: BedTools
    state_home: Path
    secrets: dict[str, str]
    api: ManagerRest | None = None
    first: Ended = field(default_factory=lambda: Ended(0, "", ""))

    @property
    def bed(self) -> BedState:
        """The bed."""
        return self.tools.state

    def __post_init__(self) -> None:
        self.topology = self.state_home / "topology.yaml"
        self.topology.write_bytes(self.bed.topology.read_bytes())

    def grow(self) -> None:
        """Give the bed the nodes that the topology file asks for by now."""
        request = BedRequest(topology=self.topology, directory=self.bed.directory, helm=self.bed.helm)
        self.tools = BedTools(kwok_bed.up(request, lambda line: None))

    @property
    def environment(self) -> dict[str, str]:
        """What the commands see."""
        extra = {"XDG_STATE_HOME": str(self.state_home), "NO_COLOR": "1", "CI": "true"}
        extra |= {"DFMC_STATUS_TIMEOUT": "2m"}  # two busy cores answer late
        return {**self.tools.environment, **self.secrets, **extra}

    def dfmc(self, *arguments: str, code: int | None = 0, **environ: str) -> Ended:
        """Run dfmc; ``code`` is the exit code it must have, None takes any."""
        done = subprocess.run(
            [sys.executable, "-m", "dfmc", *arguments],
            env={**self.environment, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        ended = Ended(done.returncode, done.stdout, done.stderr)
        assert code is None or ended.code == code, f"dfmc {arguments} ended with {ended.code}:\n{ended.text}"
        return ended

    def edit(self, change: Any) -> None:
        """Change the topology file: ``change`` gets its content and alters it in place."""
        document = yaml.safe_load(self.topology.read_text())
        change(document)
        self.topology.write_text(yaml.safe_dump(document, sort_keys=False))

    def entry(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Return an entry of ``clusters`` in a document."""
        found: dict[str, Any] = next(item for item in document["clusters"] if item["name"] == name)
        return found

    def revisions(self, namespace: str) -> list[str]:
        """Return the names of helm's release Secrets, one per revision."""
        secrets = self.tools.objects("secrets", "-n", namespace, "-l", "owner=helm")
        return sorted(item["metadata"]["name"] for item in secrets)

    def credential(self, key: str) -> str:
        """Return a credential as dfmc keeps it."""
        template = f'{{{{index .data "{key}" | base64decode}}}}'
        name = "dfmc-dragonfly"
        return self.tools.kubectl("-n", "cluster-a", "get", "secret", name, "-o", f"go-template={template}")

    @property
    def node_address(self) -> str:
        """Where this bed's node ports answer; 127.0.0.1 belongs to whichever bed came first."""
        return self.tools.node_address()

    def manager(self) -> ManagerRest:
        """Return the manager's REST API, signed in with root's password, once for all.

        A sign-in is refused within seconds of another one, right or wrong: the manager's cache (v2.2 to v2.5.1).
        """
        if self.api is None:
            api = ManagerRest(f"http://{self.node_address}:{NODE_PORT}")
            wanted = {"name": "root", "password": self.credential("root-password")}
            for _ in range(4):
                status, answer = api.request("POST", "/api/v1/users/signin", wanted)
                if status == 200:
                    break
                time.sleep(8)
            assert status == 200, answer
            api.token = answer["token"]
            self.api = api
        return self.api

    def active_schedulers(self, api: ManagerRest) -> dict[int, list[str]]:
        """Return host names of active schedulers by scheduler cluster id."""
        found: dict[int, list[str]] = {}
        for row in api.get("/api/v1/schedulers?per_page=1000&state=active"):
            found.setdefault(row["scheduler_cluster_id"], []).append(row["host_name"])
        return found

    def writes_since(self, mark: int) -> list[dict[str, Any]]:
        """Return audit events of mutating requests after ``mark``, without what a quiet run may send."""
        verbs = ("create", "update", "patch", "delete", "deletecollection")
        return [
            event
            for event in self.tools.writes()[mark:]
            if event["verb"] in verbs
            and event.get("objectRef", {}).get("resource") not in QUIET_RESOURCES
            and event.get("objectRef", {}).get("subresource") != "portforward"
        ]

    def audit_mark(self) -> int:
        """Return how many audit events there are now; the log is flushed within a moment of each request."""
        time.sleep(0.5)
        return len(self.tools.writes())

    def manager_audit(self) -> list[tuple[str, str, str]]:
        """Return the manager's own log of REST calls: id, method and path, oldest first."""
        database = manager_database(self.bed, self.tools.context, "cluster-a")
        rows = database.query("SELECT id, operation, path FROM audit ORDER BY id")
        return [(str(row["id"]), str(row["operation"]), str(row["path"])) for row in rows]

    def config_map(self, namespace: str, name: str) -> dict[str, Any]:
        """Return a ConfigMap."""
        text = self.tools.kubectl("-n", namespace, "get", "configmap", name, "-o", "json")
        found: dict[str, Any] = json.loads(text)
        return found

    def replace_config(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Overwrite a ConfigMap's data as somebody with kubectl would."""
        patch = json.dumps({"data": data})
        self.tools.kubectl("-n", namespace, "patch", "configmap", name, "--type", "merge", "-p", patch)


@contextmanager
def through_a_proxy(world: World, directory: Path) -> Iterator[tuple[HttpProxy, str]]:
    """A proxy in front of the bed's API server, and a kubeconfig that leads through it."""
    state, context = world.bed, world.tools.context
    authority = Authority(state.cluster_layout(context).kwok / "pki")
    target = ("127.0.0.1", state.plan.cluster(context).block.ports.api_server)
    tls = authority.server_context(directory / "tls")
    with HttpProxy(target, tls=tls, target_tls=authority.client_context()) as proxy:
        yield proxy, str(redirected(state.kubeconfig, {context: proxy.url}, directory / "kubeconfig"))

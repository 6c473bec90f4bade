"""What end-to-end tests do with a bed: run programs in its environment, ask the manager, read the audit log."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfmc.testbed import bed
from dfmc.testbed.addressing import to_loopback
from dfmc.testbed.binaries import BinaryCache, ensure
from dfmc.testbed.layout import BedState

WAIT_SECONDS = 60.0

# The parts of the bed itself; everything else in an audit log was written by what a test ran.
BED_AGENTS = ("dfmc-testbed", "kwok", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def wait_until(what: str, holds: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Return the first true answer of ``holds``, or fail naming what never came and the last answer.

    A connection that is refused or broken off is an answer of "not yet": what is asked may be starting.
    """
    deadline = time.monotonic() + seconds
    answer: Any = None
    trouble: Exception | None = None
    while time.monotonic() < deadline:
        try:
            answer = holds()
        except (OSError, http.client.HTTPException) as error:
            trouble, answer = error, None
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s; last seen: {answer!r} {trouble or ''}")


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class BedTools:
    """Programs and questions, all of one bed."""

    state: BedState

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, pointed at the bed."""
        return {**os.environ, **bed.env(self.state)}

    @property
    def context(self) -> str:
        """The bed's first context."""
        return self.state.contexts[0]

    def run(self, *argv: str, stdin: str = "", check: bool = True, seconds: float = 120.0) -> str:
        """Run a program in the bed's environment; return its standard output."""
        done = subprocess.run(
            argv, env=self.environment, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert not check or done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str, context: str = "", stdin: str = "", check: bool = True) -> str:
        """Run kubectl on a context of the bed."""
        return self.run("kubectl", "--context", context or self.context, *arguments, stdin=stdin, check=check)

    def objects(self, *arguments: str, context: str = "") -> list[dict[str, Any]]:
        """Return what ``kubectl get ARGUMENTS`` lists."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", *arguments, "-o", "json", context=context))[
            "items"
        ]
        return items

    def apply(self, *objects: dict[str, Any], context: str = "") -> None:
        """Create or change objects."""
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "-f", "-", context=context, stdin=body)

    def helm(self, *arguments: str, context: str = "", values: dict[str, Any] | None = None, major: int = 3) -> str:
        """Run helm on a context of the bed, values on standard input."""
        if major == 4:
            ensure(["helm4"], BinaryCache(self.state.cache), lambda line: None)
        program = str(BinaryCache(self.state.cache).path("helm" if major == 3 else "helm4"))
        given = [] if values is None else ["--values", "-"]
        home = str(self.state.directory / "helm-home")
        settings = [f"HELM_{kind}_HOME={home}/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")]
        argv = ("env", *settings, program, "--kube-context", context or self.context, *arguments, *given)
        return self.run(*argv, stdin=json.dumps(values or {}))

    def install(
        self,
        namespace: str,
        values: dict[str, Any],
        *,
        version: str = "1.7.4",
        context: str = "",
        wait: bool = True,
        major: int = 3,
    ) -> None:
        """Install or upgrade the bed's chart as release ``dragonfly``."""
        waiting = ["--wait", "--timeout", "90s"] if wait else []
        self.helm(
            "upgrade",
            "--install",
            "--create-namespace",
            "--namespace",
            namespace,
            "dragonfly",
            "dragonfly",
            "--repo",
            self.state.repository_url,
            "--version",
            version,
            *waiting,
            context=context,
            values=values,
            major=major,
        )

    def remove_namespaces(self, *namespaces: str, context: str = "") -> None:
        """Delete namespaces with everything in them, and wait until they are gone."""
        for namespace in namespaces:
            # Workloads first: the namespace controller looks again only after half a pod's grace period.
            kinds = "deployments,statefulsets,daemonsets,pods"
            arguments = ("-n", namespace, "--all", "--ignore-not-found", "--timeout=60s")
            self.kubectl("delete", kinds, *arguments, context=context)
        self.kubectl("delete", "namespace", "--ignore-not-found", "--timeout=60s", *namespaces, context=context)

    def pods(self, namespace: str, selector: str = "", context: str = "") -> list[dict[str, Any]]:
        """Return pods of a namespace."""
        return self.objects("pods", "-n", namespace, *(["-l", selector] if selector else []), context=context)

    def node_address(self, context: str = "") -> str:
        """Return where node ports of this bed answer; 127.0.0.1 belongs to whichever bed came first."""
        addresses = self.objects("nodes", context=context)[0]["status"]["addresses"]
        return to_loopback(next(item["address"] for item in addresses if item["type"] == "InternalIP"))

    def pod_processes(self) -> list[int]:
        """Return the process ids of all real pods."""
        return [int(file.read_text()) for file in self.state.directory.glob("clusters/*/pods/*/pid")]

    def writes(self, context: str = "") -> list[dict[str, Any]]:
        """Return the audit events of everything that is no part of the bed, oldest first."""
        lines = self.state.audit_log(context or self.context).read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if not event.get("userAgent", "").startswith(BED_AGENTS)]


@dataclass
class ManagerRest:
    """The manager's REST API through a URL."""

    url: str
    token: str = ""

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and decoded body."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def sign_in(self, name: str = "root", password: str = "dragonfly") -> None:  # noqa: S107
        """Sign in; a second sign-in within half a minute is refused by the manager's cache, so call it once."""
        status, answer = self.request("POST", "/api/v1/users/signin", {"name": name, "password": password})
        assert status == 200, (status, answer)
        self.token = answer["token"]

    def get(self, path: str) -> Any:
        """Return the decoded answer of an authorised read."""
        status, answer = self.request("GET", path)
        assert status == 200, (status, answer)
        return answer


def node_port_service(namespace: str, node_port: int) -> dict[str, Any]:
    """Return the guide's Service that exposes the manager's REST API."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "manager-rest", "namespace": namespace},
        "spec": {
            "type": "NodePort",
            "ports": [{"name": "http", "port": 8080, "nodePort": node_port}],
            "selector": {"app": "dragonfly", "component": "manager"},
        },
    }


def central_values(selector: dict[str, str]) -> dict[str, Any]:
    """Return values of a central release of layout 1.7.4 on selected nodes."""
    components = ("manager", "scheduler", "seedClient", "client")
    values: dict[str, Any] = {component: {"nodeSelector": selector} for component in components}
    for component in ("manager", "scheduler", "seedClient"):
        values[component]["replicas"] = 1
    values["manager"]["enable"] = True
    return {**values, "redis": {"replica": {"replicaCount": 0}}}


def member_values(selector: dict[str, str], cluster_id: int, host: str, redis: str) -> dict[str, Any]:
    """Return values of a member release of layout 1.7.4.

    Args:
        selector: Labels of its nodes.
        cluster_id: Id of its scheduler cluster.
        host: Where its pods find the manager, on the usual ports.
        redis: ``host:port``.
    """
    values = central_values(selector)
    values["manager"] = {"enable": False}
    values["scheduler"]["config"] = {"manager": {"schedulerClusterID": cluster_id}}
    return {
        **values,
        "mysql": {"enable": False},
        "redis": {"enable": False},
        "externalManager": {"enable": True, "host": host, "restPort": 8080, "grpcPort": 65003},
        "externalRedis": {"addrs": [redis], "password": "dragonfly"},
    }


def state_times(directory: Path) -> dict[str, int]:
    """Return the modification times of the bed's own files, to see that nothing was written."""
    names = ("bed.json", "kubeconfig", "topology.yaml", "supervisor.pid", "charts/index.yaml")
    return {name: (directory / name).stat().st_mtime_ns for name in names}

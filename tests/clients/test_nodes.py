"""Pulls on nodes: the script with stand-ins of crictl, ctr and docker, the pod it runs in, and kind's containers."""

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dfmc.clients.nodes import SCRIPT, KindNodes, ShortPodNodes, node_access
from dfmc.clients.pull_protocols import NodeAccess
from dfmc.errors import AuthError, DfmcError, NotReadyError, UsageError
from dfmc.state import NodePull, PodRun
from fakes import FakeKube

IMAGE = "registry.example:5000/big:1.0"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "dragonfly-client-x", "namespace": "cluster-a"},
    "spec": {
        "nodeName": "worker-1",
        "initContainers": [{"name": "wait-for-scheduler", "image": "mirror.example/busybox:1"}],
        "containers": [{"name": "client", "image": "dragonflyoss/client:v1.4.0"}],
        "imagePullSecrets": [{"name": "mirror"}],
    },
}

# Keeps its images in a file; each call is a line of another one.
TOOL = """#!/bin/sh
name=$(basename "$0"); here=$(dirname "$0"); echo "$name $*" >> "$here/calls"
touch "$here/images"
case "$name $*" in
  "crictl inspecti -q "*) grep -Fxq "$3" "$here/images" ;;
  "ctr -n k8s.io images ls -q") cat "$here/images" ;;
  "docker image inspect "*|"podman image inspect "*) grep -Fxq "$3" "$here/images" ;;
  *pull*) [ -e "$here/broken" ] && { echo "E1124 rpc error: not found" >&2; exit 1; }
          for last; do :; done; echo "$last" >> "$here/images" ;;
  *"rmi "*|*"images rm "*) [ -e "$here/stuck" ] && exit 1; : > "$here/images" ;;
esac
"""


def node(folder: Path, *tools: str) -> Path:
    for tool in tools:
        (folder / tool).write_text(TOOL)
        (folder / tool).chmod(0o755)
    return folder


def run_script(folder: Path, tool: str = "", image: str = IMAGE) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(
        ["sh", "-c", SCRIPT, "sh", image, tool], env=environment, text=True, capture_output=True, timeout=60
    )


@pytest.mark.parametrize(
    ("tools", "tool", "pulls"),
    [
        (("crictl", "ctr"), "", f"crictl pull {IMAGE}"),
        (("crictl", "ctr"), "ctr", f"ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d {IMAGE}"),
        (("docker",), "docker", f"docker pull --quiet {IMAGE}"),
        (("podman",), "podman", f"podman pull --quiet {IMAGE}"),
    ],
)
def test_the_image_is_pulled_by_the_nodes_own_tool_and_removed(
    tmp_path: Path, tools: tuple[str, ...], tool: str, pulls: str
) -> None:
    ended = run_script(node(tmp_path, *tools), tool)
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"dfmc-milliseconds=\d+\n", ended.stdout)
    assert pulls in (tmp_path / "calls").read_text().splitlines()
    assert (tmp_path / "images").read_text() == ""


def test_an_image_that_is_there_is_neither_pulled_nor_removed(tmp_path: Path) -> None:
    (node(tmp_path, "crictl") / "images").write_text(IMAGE + "\n")
    assert run_script(tmp_path).stdout == "dfmc-present=yes\n"
    assert (tmp_path / "images").read_text() == IMAGE + "\n"


def test_a_failed_pull_tells_the_tools_own_words(tmp_path: Path) -> None:
    (node(tmp_path, "crictl") / "broken").touch()
    ended = run_script(tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "E1124 rpc error: not found\n")


def test_an_image_that_stays_is_told(tmp_path: Path) -> None:
    (node(tmp_path, "crictl") / "stuck").touch()
    assert run_script(tmp_path).stdout.splitlines()[-1] == "dfmc-kept=yes"


def test_a_hostile_image_name_is_an_argument_and_nothing_else(tmp_path: Path) -> None:
    image = '$(touch hurt)"; touch hurt; `touch hurt`'
    run_script(node(tmp_path, "crictl"), image=image)
    assert f"crictl pull {image}" in (tmp_path / "calls").read_text().splitlines()
    assert not list(tmp_path.glob("**/hurt"))


class OnePod(FakeKube):
    def __init__(self, output: str, exit_code: int = 0) -> None:
        super().__init__()
        self.made: list[dict[str, Any]] = []
        self.objects["Pod", "cluster-a", "dragonfly-client-x"] = POD

        def run(pod: dict[str, Any]) -> PodRun:
            self.made.append(pod)
            return PodRun(exit_code, output, "worker-1", "Completed")

        self.on_run = run


def pull(access: NodeAccess, image: str = IMAGE) -> NodePull:
    return asyncio.run(
        access.pull(
            namespace="cluster-a", client="dragonfly-client-x", node="worker-1", image=image, tool="", timeout=60
        )
    )


def test_the_pod_enters_its_node_with_what_the_node_has() -> None:
    kube = OnePod("dfmc-milliseconds=1700\n")
    assert pull(ShortPodNodes(kube)) == NodePull(1.7)
    spec = kube.made[0]["spec"]
    container = spec["containers"][0]
    assert (spec["nodeName"], spec["hostPID"], spec["automountServiceAccountToken"]) == ("worker-1", True, False)
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert (container["image"], container["imagePullPolicy"]) == ("mirror.example/busybox:1", "IfNotPresent")
    assert container["securityContext"] == {"privileged": True}
    assert container["command"][:8] == ["nsenter", "-t", "1", "-m", "--", "sh", "-c", SCRIPT]
    assert container["command"][8:] == ["sh", IMAGE, ""]
    assert spec["imagePullSecrets"] == [{"name": "mirror"}]


def test_what_the_node_says_is_the_result() -> None:
    assert pull(ShortPodNodes(OnePod("dfmc-present=yes\n"))) == NodePull(0.0, was_present=True)
    assert pull(ShortPodNodes(OnePod("dfmc-milliseconds=5\ndfmc-kept=yes\n"))) == NodePull(0.005, is_kept=True)
    with pytest.raises(DfmcError, match="not found"):
        pull(ShortPodNodes(OnePod("rpc error: not found\n", exit_code=1)))
    with pytest.raises(DfmcError, match="exit code 0"):
        pull(ShortPodNodes(OnePod("")))


def test_secrets_in_the_runtimes_words_are_masked() -> None:
    access = ShortPodNodes(OnePod("password=sesame refused\n", exit_code=1), lambda text: text.replace("sesame", "***"))
    with pytest.raises(DfmcError) as caught:
        pull(access)
    assert "sesame" not in str(caught.value)


def test_a_client_that_is_gone_is_not_ready() -> None:
    kube = FakeKube()
    with pytest.raises(NotReadyError, match="not there any more"):
        pull(ShortPodNodes(kube))


@pytest.mark.parametrize("image", ["", "-rf", "--all", "a b", "a;b", "$(x)", "x\ny"])
def test_what_is_no_reference_is_refused_before_anything_runs(image: str) -> None:
    kube = OnePod("")
    with pytest.raises(UsageError):
        pull(ShortPodNodes(kube), image)
    assert kube.made == []


# `docker` that has one running container, the node; `docker exec` runs its command here.
DOCKER = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/docker-calls"
case "$1" in
  container) for last; do :; done; [ "$last" = worker-1 ] && echo true || exit 1 ;;
  exec) shift 2; exec "$@" ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    node(tmp_path, "crictl")
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def kind_node(provider: str = "kind://docker/kind/worker-1") -> OnePod:
    kube = OnePod("dfmc-milliseconds=9\n")
    kube.objects["Node", None, "worker-1"] = {
        "kind": "Node",
        "metadata": {"name": "worker-1"},
        "spec": {"providerID": provider},
    }
    return kube


def test_in_kind_the_nodes_container_is_entered_and_no_pod_made(docker: Path) -> None:
    kube = kind_node()
    access = node_access(kube, str)
    assert isinstance(access, KindNodes)
    assert pull(access).was_present is False
    assert kube.made == []
    assert f"crictl pull {IMAGE}" in (docker / "calls").read_text()
    inspected, entered = (docker / "docker-calls").read_text().splitlines()[:2]
    assert inspected == "container inspect --format {{.State.Running}} worker-1"
    assert entered.startswith("exec worker-1 sh -c")


@pytest.mark.parametrize("provider", ["", "aws:///eu-1/i-123", "kind://podman/kind/worker-1"])
def test_other_nodes_are_entered_by_a_pod(docker: Path, provider: str) -> None:
    kube = kind_node(provider)
    assert pull(node_access(kube, str)) == NodePull(0.009)
    assert len(kube.made) == 1


def test_a_kind_node_of_another_machine_is_entered_by_a_pod(docker: Path) -> None:
    (docker / "docker").write_text("#!/bin/sh\nexit 1\n")
    kube = kind_node()
    assert pull(node_access(kube, str)) == NodePull(0.009)
    assert len(kube.made) == 1


def test_who_may_not_read_nodes_enters_them_by_a_pod(docker: Path) -> None:
    kube = kind_node()
    kube.fail["get Node worker-1"] = AuthError("not allowed to get nodes worker-1")
    assert pull(node_access(kube, str)) == NodePull(0.009)


def test_without_docker_there_are_pods_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(node_access(FakeKube(), str), ShortPodNodes)

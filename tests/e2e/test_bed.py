"""The embedded bed: real where it says so, quick and idle the second time, healing, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bed_tools import (
    BedTools,
    ManagerRest,
    central_values,
    free_port,
    member_values,
    node_port_service,
    state_times,
    wait_until,
)
from dfmc.errors import PreflightError
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.addressing import to_loopback
from dfmc.testbed.database import manager_database
from dfmc.testbed.layout import BedRequest, BedState
from dfmc.testbed.processes import is_alive, started_from
from recorded_exchanges import Replay, exchanges, expected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SERVICE = "dragonfly-manager.bed-a.svc.cluster.local"
REDIS = "dragonfly-redis-master.bed-a.svc.cluster.local:6379"
NODE_PORT = 31950
CONTRACT_PORT = 31951


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def central(tools: BedTools) -> Iterator[BedTools]:
    """A central release in namespace bed-a, its REST API on a node port."""
    tools.install("bed-a", central_values({"cluster": "a"}))
    tools.apply(node_port_service("bed-a", NODE_PORT))
    yield tools
    tools.remove_namespaces("bed-a", "bed-b")


@pytest.fixture(scope="module")
def rest(central: BedTools) -> ManagerRest:
    """The central manager, signed in."""
    api = ManagerRest(f"http://{central.node_address()}:{NODE_PORT}")
    wait_until("the node port", lambda: _answers(api.url))
    api.sign_in()
    return api


def test_nodes_look_like_the_guides(tools: BedTools) -> None:
    nodes = {node["metadata"]["name"]: node for node in tools.objects("nodes")}
    labels = {name: node["metadata"]["labels"].get("cluster") for name, node in nodes.items()}
    assert labels == {
        "kind-control-plane": None,
        "kind-worker": "a",
        "kind-worker2": "a",
        "kind-worker3": "b",
        "kind-worker4": "b",
    }
    assert [taint["key"] for taint in nodes["kind-control-plane"]["spec"]["taints"]] == [
        "node-role.kubernetes.io/control-plane"
    ]
    info = nodes["kind-worker"]["status"]["nodeInfo"]
    assert (info["kubeletVersion"], info["containerRuntimeVersion"]) == ("v1.34.4", "containerd://2.1.0")
    addresses = [a["address"] for a in nodes["kind-worker"]["status"]["addresses"] if a["type"] == "InternalIP"]
    assert addresses[0].startswith("10.")


def test_files_are_private_and_point_at_the_bed(bed: BedState) -> None:
    assert bed.kubeconfig.stat().st_mode & 0o777 == 0o600
    topology = yaml.safe_load(bed.topology.read_text())
    assert topology["chart"]["repository"] == bed.repository_url
    assert "sha256" not in topology["chart"]
    environment = kwok_bed.env(bed)
    assert environment["KUBECONFIG"] == str(bed.kubeconfig)
    assert environment["DFMC_FILE"] == str(bed.topology)


def test_status_says_that_everything_runs(bed: BedState) -> None:
    status = kwok_bed.status(bed.directory)
    assert status["running"] is True
    assert [(c["context"], c["ready"], c["stopped"]) for c in status["clusters"]] == [("kind-kind", True, [])]


def test_a_real_manager_answers_on_the_node_port(rest: ManagerRest) -> None:
    assert [cluster["id"] for cluster in rest.get("/api/v1/clusters")] == [1]


def test_the_scheduler_registers_with_the_pods_own_address(central: BedTools, rest: ManagerRest) -> None:
    (pod,) = central.pods("bed-a", "component=scheduler")

    def active() -> list[dict[str, Any]]:
        return [s for s in rest.get("/api/v1/schedulers") if s["state"] == "active"]

    (scheduler,) = wait_until("an active scheduler", active)
    assert (scheduler["ip"], scheduler["scheduler_cluster_id"]) == (pod["status"]["podIP"], 1)


def test_port_forward_logs_and_service_proxy_reach_the_manager(central: BedTools) -> None:
    local = free_port()
    argv = ["kubectl", "-n", "bed-a", "port-forward", "deploy/dragonfly-manager", f"{local}:8080"]
    with subprocess.Popen(argv, env=central.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as forward:
        try:
            wait_until("the port-forward", lambda: _answers(f"http://127.0.0.1:{local}"))
        finally:
            forward.terminate()
    path = "/api/v1/namespaces/bed-a/services/dragonfly-manager:8080/proxy/healthy"
    assert central.kubectl("get", "--raw", path).strip('"\n') == "OK"
    assert "INFO" in central.kubectl("-n", "bed-a", "logs", "deploy/dragonfly-manager")


def test_a_wrong_id_shows_in_the_real_managers_records(central: BedTools, rest: ManagerRest) -> None:
    central.install("bed-b", member_values({"cluster": "b"}, 77, SERVICE, REDIS))

    def wrong() -> list[dict[str, Any]]:
        return [s for s in rest.get("/api/v1/schedulers") if s["scheduler_cluster_id"] == 77]

    assert wait_until("the scheduler of cluster 77", wrong)[0]["host_name"] == "dragonfly-scheduler-0"


@pytest.mark.parametrize(
    "host", ["{cluster_ip}", "dragonfly-manager.elsewhere.svc.cluster.local", "dragonfly-manager.bed-a.svc"]
)
def test_a_host_that_nslookup_refuses_hangs_in_init(central: BedTools, host: str) -> None:
    service = next(
        s for s in central.objects("services", "-n", "bed-a") if s["metadata"]["name"] == "dragonfly-manager"
    )
    named = host.format(cluster_ip=service["spec"]["clusterIP"])
    try:
        central.install("bed-c", member_values({"cluster": "b"}, 2, named, REDIS), wait=False)
        pod = wait_until("the scheduler's pod", lambda: _with_init_status(central.pods("bed-c", "component=scheduler")))
        time.sleep(1.5)
        (pod,) = central.pods("bed-c", "component=scheduler")
        assert pod["status"]["phase"] == "Pending"
        assert "running" in pod["status"]["initContainerStatuses"][0]["state"]
        assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    finally:
        central.remove_namespaces("bed-c")


def test_a_real_manager_answers_every_recorded_exchange(tools: BedTools) -> None:
    """The recordings that the simulated manager is held against: a manager alone, on an empty database."""
    values = central_values({"cluster": "b"})
    for component in ("scheduler", "seedClient", "client"):
        values[component]["enable"] = False
    tools.install("bed-c", values)
    try:
        tools.apply(node_port_service("bed-c", CONTRACT_PORT))
        nodes = tools.objects("nodes", "-l", "cluster=b")
        address = next(a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP")
        url = f"http://{to_loopback(address)}:{CONTRACT_PORT}"
        wait_until("the node port", lambda: _answers(url))
        replies = Replay(url, time.sleep).run("2.5.1")
    finally:
        tools.remove_namespaces("bed-c")
    wrong = {one["name"]: replies[one["name"]] for one in exchanges("2.5.1") if replies[one["name"]] != expected(one)}
    assert wrong == {}


def test_the_managers_database_can_be_read(central: BedTools) -> None:
    database = manager_database(central.state, "kind-kind", "bed-a")
    assert database.query("SELECT id, name FROM scheduler_cluster") == [{"id": "1", "name": "cluster-1"}]


def test_a_second_up_writes_nothing(central: BedTools) -> None:
    state = central.state
    log = state.audit_log("kind-kind")
    before = [line for line in log.read_text().splitlines() if "dfmc-testbed" in line]
    times = state_times(state.directory)
    lines: list[str] = []
    again = kwok_bed.up(BedRequest(directory=state.directory), lines.append)
    assert (again, lines) == (state, [])
    assert state_times(state.directory) == times
    assert [line for line in log.read_text().splitlines() if "dfmc-testbed" in line] == before


def test_a_killed_supervisor_leaves_no_process_and_up_heals(central: BedTools, rest: ManagerRest) -> None:
    status, created = rest.request("POST", "/api/v1/clusters", _record("survivor"))
    assert status == 200, created
    processes = central.pod_processes()
    assert len(processes) >= 4
    supervisor = kwok_bed.status(central.state.directory)["supervisor"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    wait_until("the end of every pod's process", lambda: not any(is_alive(pid) for pid in processes), 5.0)

    kwok_bed.up(BedRequest(directory=central.state.directory), silent)

    assert kwok_bed.status(central.state.directory)["running"] is True
    wait_until("the manager", lambda: _answers(rest.url))
    names = wait_until("the clusters", lambda: _names(rest))
    assert "survivor" in names
    (pod,) = central.pods("bed-a", "component=manager")
    assert pod["status"]["containerStatuses"][0]["restartCount"] >= 1
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] in (1, 137)


def test_a_dead_control_plane_component_is_started_again(central: BedTools) -> None:
    (pid_file,) = central.state.directory.glob("kwok/clusters/*/pids/kube-scheduler.pid")
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    wait_until("the component's end", lambda: not is_alive(int(pid_file.read_text())), 5.0)
    assert kwok_bed.status(central.state.directory)["clusters"][0]["stopped"] == ["kube-scheduler"]
    kwok_bed.up(BedRequest(directory=central.state.directory), silent)
    assert kwok_bed.status(central.state.directory)["running"] is True


def test_everything_comes_back_after_a_reboot(central: BedTools, rest: ManagerRest) -> None:
    directory = central.state.directory
    pods = {pod["metadata"]["uid"] for pod in central.pods("bed-a")}
    supervisor = kwok_bed.status(directory)["supervisor"]["pid"]
    programs = [*started_from(directory), supervisor]
    for pid in programs:
        os.kill(pid, signal.SIGKILL)
    wait_until("the end of every program", lambda: not any(is_alive(pid) for pid in programs), 5.0)
    # After a reboot the recorded numbers belong to other programs: here, to this test.
    for file in directory.glob("kwok/clusters/*/pids/*.pid"):
        file.write_text(str(os.getpid()))
    (directory / "supervisor.pid").write_text(str(os.getpid()))

    kwok_bed.up(BedRequest(directory=directory), silent)

    assert kwok_bed.status(directory)["running"] is True
    assert {pod["metadata"]["uid"] for pod in central.pods("bed-a")} == pods
    wait_until("the manager", lambda: _answers(rest.url))
    assert "cluster-1" in wait_until("the clusters", lambda: _names(rest))
    # kwok takes its nodes over at once: a simulated pod goes, and another becomes ready.
    central.kubectl("-n", "bed-a", "delete", "pod", "-l", "component=client", "--timeout=20s")
    central.kubectl("-n", "bed-a", "rollout", "status", "daemonset/dragonfly-client", "--timeout=20s")


def test_data_outlives_the_release_and_dies_with_the_claim(central: BedTools) -> None:
    values = {**central_values({"cluster": "b"}), "seedClient": {"enable": False}, "client": {"enable": False}}
    central.install("bed-d", values)
    try:
        database = manager_database(central.state, "kind-kind", "bed-d")
        database.query("UPDATE scheduler_cluster SET bio = 'kept' WHERE id = 1")
        central.helm("uninstall", "dragonfly", "--namespace", "bed-d", "--wait")
        wait_until("the pods' end", lambda: not central.pods("bed-d"))
        central.install("bed-d", values)
        database = manager_database(central.state, "kind-kind", "bed-d")
        assert database.query("SELECT bio FROM scheduler_cluster WHERE id = 1") == [{"bio": "kept"}]
    finally:
        central.remove_namespaces("bed-d")
    volumes = central.state.cluster_layout("kind-kind").volumes
    wait_until("the removal of the volumes", lambda: not list(volumes.glob("bed-d_*")))


def test_a_crashing_process_backs_off_as_a_kubelet_says_it(central: BedTools) -> None:
    values = central_values({"cluster": "b"})
    values["manager"]["config"] = {"auth": {"jwt": {"key": ""}}}
    try:
        central.install("bed-e", values, wait=False)

        def backing_off() -> dict[str, Any] | None:
            for pod in central.pods("bed-e", "component=manager"):
                for status in pod["status"].get("containerStatuses") or []:
                    if status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff":
                        return dict(status)
            return None

        status = wait_until("a CrashLoopBackOff", backing_off)
        assert status["lastState"]["terminated"]["exitCode"] != 0
        assert status["restartCount"] >= 1
        assert "jwt" in central.kubectl("-n", "bed-e", "logs", "deploy/dragonfly-manager", "--previous")
    finally:
        central.remove_namespaces("bed-e")


TWO_CONTEXTS: dict[str, Any] = {
    "apiVersion": "dfmc.io/v1alpha1",
    "kind": "Topology",
    "metadata": {"name": "two"},
    "chart": {"repository": "https://example.invalid/charts", "version": "1.7.4", "sha256": "0" * 64},
    "manager": {"cluster": "a"},
    "clusters": [
        {"name": "a", "context": "east", "namespace": "a"},
        {"name": "b", "context": "west", "namespace": "b", "nodeSelector": {"zone": "w1"}},
    ],
}


def test_a_bed_of_two_clusters_grows_and_goes_without_a_trace(tmp_path: Path) -> None:
    file, directory = tmp_path / "two.yaml", tmp_path / "kwok"
    file.write_text(yaml.safe_dump(TWO_CONTEXTS))
    request = BedRequest(topology=file, directory=directory, clients="simulated")
    try:
        tools = BedTools(kwok_bed.up(request, silent))
        assert tools.state.contexts == ("east", "west")
        tools.install("a", central_values({}), context="east")
        tools.apply(node_port_service("a", NODE_PORT), context="east")
        _assert_clusters_are_apart(tools)

        grown = {**TWO_CONTEXTS, "clusters": [*TWO_CONTEXTS["clusters"], dict(TWO_CONTEXTS["clusters"][1])]}
        grown["clusters"][2].update(name="c", nodeSelector={"zone": "w2"})
        file.write_text(yaml.safe_dump(grown))
        tools = BedTools(kwok_bed.up(request, silent))
        zones = [node["metadata"]["labels"].get("zone") for node in tools.objects("nodes", context="west")]
        assert sorted(zones, key=str) == [None, "w1", "w1", "w2", "w2"]
        processes = [*started_from(directory), *tools.pod_processes()]
        assert len(processes) > 10
    finally:
        assert kwok_bed.down(directory, silent) is True
    assert [path.name for path in tmp_path.iterdir()] == ["two.yaml"]
    assert not [pid for pid in processes if is_alive(pid)]
    assert not list(Path("/tmp").glob("hostpath*"))  # noqa: S108
    assert kwok_bed.down(directory, silent) is False


def _assert_clusters_are_apart(tools: BedTools) -> None:
    """A node port of the one cluster can be reached from the other; its pods and Services cannot."""
    node = tools.objects("nodes", context="east")[0]["status"]["addresses"][0]["address"]
    (pod,) = tools.pods("a", "component=manager", context="east")
    bridge = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "bridge", "namespace": "default"},
        "spec": {"ports": [{"name": "rest", "port": 8080}]},
    }

    def endpoints(address: str, port: int) -> dict[str, Any]:
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "bridge",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "bridge"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"name": "rest", "port": port}],
        }

    tools.apply(bridge, endpoints(node, NODE_PORT), context="west")
    service = next(s for s in tools.objects("services", context="west") if s["metadata"]["name"] == "bridge")
    url = f"http://{service['spec']['clusterIP']}:8080"
    wait_until("the bridge to the other cluster's node port", lambda: _answers(url))
    tools.apply(endpoints(pod["status"]["podIP"], 8080), context="west")
    wait_until("the end of the bridge", lambda: not _answers(url))


def test_an_interrupted_up_goes_on(tmp_path: Path) -> None:
    directory = tmp_path / "kwok"
    argv = [sys.executable, "-m", "dfmc.testbed", "--directory", str(directory), "up"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True) as first:
        wait_until("the first cluster's creation", lambda: list(directory.glob("kwok/clusters/*/pki")), 120.0)
        os.killpg(first.pid, signal.SIGKILL)
    try:
        kwok_bed.up(BedRequest(directory=directory), silent)
        assert kwok_bed.status(directory)["running"] is True
    finally:
        kwok_bed.down(directory, silent)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_no_bed_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(PreflightError, match="no test bed"):
        kwok_bed.down(tmp_path, silent)
    assert (tmp_path / "precious").exists()


def _answers(url: str) -> bool:
    try:
        return ManagerRest(url).request("GET", "/healthy")[0] == 200
    except OSError:
        return False


def _names(rest: ManagerRest) -> list[str]:
    try:
        return [cluster["name"] for cluster in rest.get("/api/v1/clusters")]
    except OSError:
        return []


def _with_init_status(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pod for pod in pods if pod["status"].get("initContainerStatuses")]


def _record(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 40},
        "seed_peer_cluster_config": {"load_limit": 300},
        "peer_cluster_config": {"load_limit": 50},
    }

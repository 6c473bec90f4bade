"""What goes wrong in Kubernetes clusters and with helm, planted on the real parts; the fixture's run puts it right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from bed_tools import wait_until
from dfmc.testbed.binaries import BinaryCache, ensure
from dfmc.testbed.faults import Authority, Fault, FaultPlan, HttpProxy, Kind, is_mutation
from kill_matrix.bed import MatrixBed
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

CLOSED = "https://127.0.0.1:1"


def with_context(bed: MatrixBed, name: str, server: str) -> dict[str, str]:
    """Return an environment whose kubeconfig has one more context, to this server, with the bed's credentials."""
    original = Path(bed.world.secrets["KUBECONFIG"])
    document = yaml.safe_load(original.read_text())
    context = next(one for one in document["contexts"] if one["name"] == bed.world.tools.context)["context"]
    cluster = next(one for one in document["clusters"] if one["name"] == context["cluster"])["cluster"]
    document["clusters"].append({"name": name, "cluster": {**cluster, "server": server}})
    document["contexts"].append({"name": name, "context": {**context, "cluster": name}})
    file = bed.world.state_home / f"kubeconfig-{name}"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document))
    return {"KUBECONFIG": str(file)}


def move(bed: MatrixBed, name: str, context: str) -> None:
    """Have an entry of the file name another context."""
    bed.world.edit(lambda document: bed.world.entry(name, document).update(context=context))


def uninstall(bed: MatrixBed, name: str) -> None:
    """Take a member's release away behind dfmc's back."""
    bed.world.tools.helm("uninstall", "dragonfly", "--namespace", f"cluster-{name}", "--wait")


def statuses(bed: MatrixBed, name: str) -> list[str]:
    """Return helm's words for a release's revisions."""
    secrets = bed.world.tools.objects("secrets", "-n", f"cluster-{name}", "-l", "owner=helm")
    return [item["metadata"]["labels"]["status"] for item in secrets]


@scenario("M1", "U1", real=True)
def test_a_member_out_of_reach_fails_alone_and_another_one_is_installed_meanwhile(struck: MatrixBed) -> None:
    bed = struck
    uninstall(bed, "c")
    before = {name: bed.world.revisions(f"cluster-{name}") for name in "ab"}
    move(bed, "b", "elsewhere")
    environment = with_context(bed, "elsewhere", CLOSED)
    ended = bed.world.dfmc("up", str(bed.world.topology), code=9, **environment)
    assert "elsewhere" in ended.text
    assert statuses(bed, "c") == ["deployed"]
    assert {name: bed.world.revisions(f"cluster-{name}") for name in "ab"} == before


class Slow(FaultPlan):
    """Lets everything pass, after a while."""

    def request(self, method: str, path: str, body: bytes = b"") -> Fault | None:
        time.sleep(0.4)
        return super().request(method, path, body)


@scenario("M7", real=True)
def test_a_slow_member_keeps_nobody_waiting(struck: MatrixBed, tmp_path: Path) -> None:
    bed, world = struck, struck.world
    uninstall(bed, "b")
    uninstall(bed, "c")
    state, context = world.bed, world.tools.context
    authority = Authority(state.cluster_layout(context).kwok / "pki")
    target = ("127.0.0.1", state.plan.cluster(context).block.ports.api_server)
    tls = authority.server_context(tmp_path / "tls")
    with HttpProxy(target, Slow(), tls=tls, target_tls=authority.client_context()) as proxy:
        move(bed, "b", "slow")
        ended = world.dfmc("-v", "up", str(world.topology), code=0, **with_context(bed, "slow", proxy.url))
    lines = ended.stderr.splitlines()
    proven = {name: i for i, line in enumerate(lines) for name in "abc" if f"{name}: proof: ok" in line}
    assert set(proven) == {"a", "b", "c"}, ended.text
    assert proven["b"] > max(proven["a"], proven["c"])


@scenario("M8", real=True)
def test_a_member_whose_context_leads_to_the_central_release_is_refused(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    server = yaml.safe_load(Path(world.secrets["KUBECONFIG"]).read_text())["clusters"][-1]["cluster"]["server"]
    environment = with_context(bed, "another-name", server)

    def mislead(document: dict[str, Any]) -> None:
        world.entry("b", document).update(context="another-name", namespace="cluster-a")

    world.edit(mislead)
    mark = world.audit_mark()
    ended = world.dfmc("up", str(world.topology), code=None, **environment)
    assert ended.code in (4, 7, 9), ended.text
    assert "b" in ended.stderr
    assert "the same Kubernetes cluster" in ended.text
    assert world.writes_since(mark) == []


@scenario("P10", real=True)
def test_an_object_of_nobodys_in_the_charts_way_is_named_and_left_alone(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    uninstall(bed, "b")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "dragonfly-scheduler", "namespace": "cluster-b"},
        "spec": {"ports": [{"port": 1}], "selector": {"somebody": "else"}},
    }
    world.tools.apply(service)
    ended = world.dfmc("up", str(world.topology), code=9)
    assert "dragonfly-scheduler" in ended.stderr
    left = world.tools.kubectl("-n", "cluster-b", "get", "service", "dragonfly-scheduler", "-o", "json")
    assert json.loads(left)["spec"]["selector"] == {"somebody": "else"}
    world.tools.kubectl("-n", "cluster-b", "delete", "service", "dragonfly-scheduler")


@scenario("P12", real=True)
def test_a_quota_that_rejects_an_object_is_told_in_its_own_words(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    uninstall(bed, "b")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": "cluster-b"},
        "spec": {"hard": {"services": "0"}},
    }
    world.tools.apply(quota)
    used = ("-n", "cluster-b", "get", "resourcequota", "none", "-o", "jsonpath={.status.hard.services}")
    wait_until("the quota", lambda: world.tools.kubectl(*used) == "0")
    try:
        ended = world.dfmc("up", str(world.topology), code=9)
    finally:
        world.tools.kubectl("-n", "cluster-b", "delete", "resourcequota", "none")
    assert "quota" in ended.stderr
    assert not [status for status in statuses(bed, "b") if status.startswith("pending")]


@scenario("P11", real=True)
def test_a_namespace_that_is_being_deleted_is_named_and_nothing_is_put_into_it(struck: MatrixBed) -> None:
    world = struck.world
    finalizers = '{"metadata":{"finalizers":["example.com/wait"]}}'
    world.tools.kubectl("patch", "namespace", "cluster-c", "--type", "merge", "-p", finalizers)
    holder = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "holder", "namespace": "cluster-c"}}
    holder["metadata"]["finalizers"] = ["example.com/wait"]  # type: ignore[index]
    world.tools.apply(holder)
    world.tools.kubectl("delete", "namespace", "cluster-c", "--wait=false")
    gone = ("-n", "cluster-c", "get", "statefulsets", "-o", "name")
    wait_until("the end of the workloads", lambda: not world.tools.kubectl(*gone).strip(), 120)
    ended = world.dfmc("up", "--timeout", "10s", str(world.topology), code=9)
    assert "being deleted" in ended.text
    free = ("--type", "merge", "-p", '{"metadata":{"finalizers":null}}')
    world.tools.kubectl("-n", "cluster-c", "patch", "configmap", "holder", *free)
    world.tools.kubectl("patch", "namespace", "cluster-c", *free, check=False)
    there = ("get", "namespace", "cluster-c", "--ignore-not-found", "-o", "name")
    wait_until("the end of the namespace", lambda: not world.tools.kubectl(*there).strip(), 60)


@scenario("X2", real=True)
def test_another_topology_in_the_same_place_writes_nothing(struck: MatrixBed) -> None:
    world = struck.world
    world.edit(lambda document: document["metadata"].update(name="another"))
    mark = world.audit_mark()
    ended = world.dfmc("up", str(world.topology), code=7)
    assert "guide" in ended.stderr
    assert world.writes_since(mark) == []


@scenario("V5", real=True)
@pytest.mark.parametrize("broken", ["bm9uc2Vuc2U=", ""])
def test_a_release_record_that_cannot_be_read_is_never_guessed_at(struck: MatrixBed, broken: str) -> None:
    world = struck.world
    name = world.revisions("cluster-b")[-1]
    kept = json.loads(world.tools.kubectl("-n", "cluster-b", "get", "secret", name, "-o", "json"))["data"]["release"]

    def put(value: str) -> None:
        patch = json.dumps({"data": {"release": value}})
        world.tools.kubectl("-n", "cluster-b", "patch", "secret", name, "--type", "merge", "-p", patch)

    put(broken)
    try:
        mark = world.audit_mark()
        ended = world.dfmc("up", str(world.topology), code=None)
        assert ended.code in (9, 12), ended.text
        assert name in ended.stderr
        assert not [one for one in world.writes_since(mark) if one["objectRef"].get("namespace") == "cluster-b"]
    finally:
        put(kept)


@scenario("U14", real=True)
def test_an_old_revision_that_is_pending_bothers_nobody(struck: MatrixBed) -> None:
    world = struck.world
    world.edit(lambda document: world.entry("b", document).update(pprofPort=18077))
    world.dfmc("up", str(world.topology))
    old = world.revisions("cluster-b")[0]
    world.tools.kubectl("-n", "cluster-b", "label", "--overwrite", "secret", old, "status=pending-upgrade")
    assert "nothing to do" in world.dfmc("up", str(world.topology)).stdout
    world.dfmc("status", str(world.topology))
    world.tools.kubectl("-n", "cluster-b", "label", "--overwrite", "secret", old, "status=superseded")


@scenario("U12", "N13", "C3", real=True)
def test_helm_3_and_helm_4_take_turns_and_see_the_same_drift(struck: MatrixBed, tmp_path: Path) -> None:
    world = struck.world
    cache = BinaryCache(world.bed.cache)
    ensure(["helm", "helm4"], cache, lambda line: None)
    (tmp_path / "dragonfly").mkdir()
    (tmp_path / "dragonfly" / "Chart.yaml").write_text("apiVersion: v2\nname: dragonfly\nversion: 9.9.9\n")
    for turn, helm in enumerate(("helm4", "helm", "helm4")):
        port = 18080 + turn
        world.edit(lambda document, port=port: world.entry("b", document).update(pprofPort=port))
        done = subprocess.run(
            [sys.executable, "-m", "dfmc", "up", str(world.topology)],
            env={**world.environment, "DFMC_HELM": str(cache.path(helm))},
            cwd=tmp_path,  # where a directory is called like the chart
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    name = "dragonfly-scheduler"
    before = world.config_map("cluster-b", name)["data"]
    world.replace_config("cluster-b", name, {"scheduler.yaml": before["scheduler.yaml"] + "\nmore: 1\n"})
    plans = [world.dfmc("plan", str(world.topology), DFMC_HELM=str(cache.path(one))) for one in ("helm", "helm4")]
    assert plans[0].stdout == plans[1].stdout
    assert f"ConfigMap {name}" in plans[0].stdout


@scenario("N12", real=True)
def test_a_field_that_somebody_else_owns_is_a_conflict_for_helm_4_and_named(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    cache = BinaryCache(world.bed.cache)
    ensure(["helm4"], cache, lambda line: None)
    uninstall(bed, "b")  # what helm 3 has made, helm 4 goes on with in helm 3's way
    world.dfmc("up", str(world.topology), DFMC_HELM=str(cache.path("helm4")))
    world.tools.kubectl("-n", "cluster-b", "scale", "statefulset", "dragonfly-scheduler", "--replicas=3")
    world.edit(lambda document: world.entry("b", document).update(replicas={"scheduler": 2}))
    ended = world.dfmc("up", str(world.topology), code=9, DFMC_HELM=str(cache.path("helm4")))
    assert "replicas" in ended.stderr
    assert "conflict" in ended.stderr


@scenario("U11", real=True)
def test_an_older_chart_is_refused_by_name(struck: MatrixBed) -> None:
    world = struck.world
    world.edit(lambda document: document["chart"].update(version="1.1.1"))
    mark = world.audit_mark()
    ended = world.dfmc("up", str(world.topology), code=None)
    assert ended.code not in (0, 70), ended.text
    assert "downgrade" in ended.text
    assert world.writes_since(mark) == []


def of_member_b(method: str, path: str) -> bool:
    """Whether a request changes something in b's namespace."""
    return is_mutation(method, path) and "/namespaces/cluster-b/" in path


@scenario("K4", "K5", "C5", real=True)
def test_a_helm_that_hangs_is_out_of_the_terminals_reach_and_ends_with_the_second_ctrl_c(
    struck: MatrixBed, tmp_path: Path
) -> None:
    bed, world = struck, struck.world
    uninstall(bed, "b")
    bed.plan.begin()
    bed.plan.arm(Fault(Kind.HANG, times=None, matches=of_member_b))
    poison = {"HELM_PLUGINS": str(tmp_path), "HELM_REPOSITORY_CONFIG": str(tmp_path / "repositories.yaml")}
    process = subprocess.Popen(
        [sys.executable, "-m", "dfmc", "up", str(world.topology)],
        env={**world.environment, **poison},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until("a helm that hangs", lambda: bed.plan.struck, 60)
        (helm,) = [pid for pid in bed.processes() if pid != process.pid]
        assert os.getsid(helm) == helm  # what a terminal sends to dfmc's group does not reach it
        assert os.getpgid(process.pid) != os.getpgid(helm)
        environment = Path(f"/proc/{helm}/environ").read_text().split("\0")
        names = {entry.partition("=")[0] for entry in environment}
        assert not names & set(poison)
        assert "HELM_NO_PLUGINS=1" in environment
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        said, _ = process.communicate(timeout=30)
        assert time.monotonic() - begun < 4
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (130, -signal.SIGINT), said  # a shell says 130 to both
    wait_until("the end of helm", lambda: not bed.processes(), 5)
    assert "Traceback" not in said


NO_EGRESS = """\
import ipaddress, sys

def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host in (None, "", "localhost", b"localhost"):
        return
    try:
        is_near = ipaddress.ip_address(host if isinstance(host, str) else host.decode()).is_loopback
    except ValueError:
        is_near = False
    if not is_near:
        open(LOG, "a").write(f"{event} {host}\\n")
        raise OSError(101, "Network is unreachable")

sys.addaudithook(watch)
"""


@scenario("C8", real=True)
def test_with_the_chart_as_a_file_nothing_but_the_clusters_is_asked(struck: MatrixBed, tmp_path: Path) -> None:
    bed, world = struck, struck.world
    uninstall(bed, "b")
    archive = world.bed.directory / "charts" / "dragonfly-1.7.4.tgz"
    assert archive.is_file()
    world.edit(lambda document: document.update(chart={"path": str(archive), "version": "1.7.4"}))
    log = tmp_path / "asked"
    (tmp_path / "sitecustomize.py").write_text(f"LOG = {str(log)!r}\n{NO_EGRESS}")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "HTTPS_PROXY": "http://127.0.0.1:1",  # for helm: whatever is not this machine fails
        "HTTP_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    world.dfmc("up", str(world.topology), code=0, **environment)
    assert not log.exists(), log.read_text()
    assert statuses(bed, "b") == ["deployed"]

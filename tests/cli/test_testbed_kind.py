"""``dfmc testbed --provider kind``: every command line that kind and docker get, and what users are told."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from command_line import Dfmc
from kind_programs import ENGINE, KindPrograms

TWO = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: two}
chart: {path: charts/dragonfly-1.7.4.tgz, version: 1.7.4}
manager:
  cluster: a
  expose: {type: NodePort}
clusters:
- {name: a, context: eu, namespace: dragonfly}
- {name: b, context: us, namespace: dragonfly, scopes: {idc: us}}
"""
LIST = ["docker", "ps", "--all", "--filter", "label=io.x-k8s.kind.cluster", "--format"]
LIST_ROW = '{{.Label "io.x-k8s.kind.cluster"}}\t{{.Names}}\t{{.State}}'
ADMIN = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KindPrograms:
    """Both programs, alone on PATH."""
    directory = tmp_path / "programs"
    directory.mkdir()
    made = KindPrograms(directory)
    made.install()
    monkeypatch.setenv("PATH", str(directory))
    for name in ("KIND_EXPERIMENTAL_DOCKER_NETWORK", "KIND_EXPERIMENTAL_PROVIDER", "DFMC_KIND_NODE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DFMC_TEST_CHART", raising=False)
    return made


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    """Where the bed lies."""
    return tmp_path / "state" / "dfmc" / "testbed" / "kind"


@pytest.fixture
def port() -> Iterator[str]:
    """A console port that stays free: bound, so that nobody else is given it, and not listened at."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield str(holder.getsockname()[1])


@pytest.fixture
def up(dfmc: Dfmc, port: str) -> Dfmc:
    """``up`` with a console port that is free on this machine."""
    return lambda *arguments: dfmc("testbed", "up", "--provider", "kind", "--console-port", port, *arguments)


def test_up_makes_the_guide_s_cluster_as_its_users_would(up: Dfmc, programs: KindPrograms, bed: Path) -> None:
    ended = up()
    assert (ended.code, ended.out) == (0, "")
    cluster = bed / "clusters"
    wait = [*ADMIN, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=300s"]
    create = ["kind", "create", "cluster", "--name", "kind", "--config", str(cluster / "kind.yaml")]
    assert programs.calls() == [
        ["docker", "info", "--format", "{{json .}}"],
        ["docker", "network", "ls", "--filter", "name=^kind$", "--format", "{{.Name}}"],
        [*LIST, LIST_ROW],
        [*create, "--kubeconfig", str(cluster / "kind.kubeconfig"), "--wait", "300s"],
        ["docker", "exec", "kind-control-plane", *wait],
    ]
    assert ended.err.splitlines()[-3:] == [
        "creating kind cluster kind: a control plane and 4 workers (about a minute)",
        "bed up: context kind-kind",
        'next  eval "$(dfmc testbed env --provider kind)"; dfmc images --load kind && dfmc up',
    ]
    config = yaml.safe_load((cluster / "kind.yaml").read_text())
    assert len(config["nodes"]) == 5
    kubeconfig = yaml.safe_load((bed / "kubeconfig").read_text())
    assert kubeconfig["contexts"][0]["name"] == "kind-kind"
    assert (bed / "kubeconfig").stat().st_mode & 0o077 == 0


def test_a_second_up_only_looks(up: Dfmc, programs: KindPrograms) -> None:
    up()
    programs.forget()
    assert up().code == 0
    assert [call[:3] for call in programs.calls()] == [
        ["docker", "info", "--format"],
        ["docker", "ps", "--all"],
        ["docker", "exec", "kind-control-plane"],
    ]


def test_up_without_options_goes_on_with_those_of_the_last_time(
    up: Dfmc, dfmc: Dfmc, programs: KindPrograms, bed: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "topology.yaml").write_text(TWO)
    programs.change(names=["eu-control-plane.kind"])
    up("topology.yaml", "--chart", "stand-in", "--node-image", "node:1")
    copy = (bed / "topology.yaml").read_text()
    programs.change(clusters={"eu": programs.world["clusters"]["eu"]})  # somebody deleted the other one
    programs.forget()
    monkeypatch.chdir(bed)
    assert dfmc("testbed", "up", "--provider", "kind").code == 0
    (create,) = programs.calls("kind create")
    assert create[create.index("--name") + 1] == "us"
    assert create[create.index("--image") + 1] == "node:1"
    assert (bed / "topology.yaml").read_text() == copy


@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_node_image_is_handed_to_kind(
    up: Dfmc, programs: KindPrograms, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("DFMC_KIND_NODE_IMAGE", "dfmc/kind-node:v1.34.4")
        up()
    else:
        up("--node-image", "dfmc/kind-node:v1.34.4")
    (create,) = programs.calls("kind create")
    assert create[create.index("--image") + 1] == "dfmc/kind-node:v1.34.4"


def test_two_contexts_are_two_clusters_and_members_elsewhere_get_a_name(
    up: Dfmc, programs: KindPrograms, bed: Path, workplace: Path
) -> None:
    (workplace / "topology.yaml").write_text(TWO)
    programs.change(names=["eu-control-plane.kind"])
    ended = up("topology.yaml")
    assert ended.code == 0, ended.err
    assert [call[4] for call in programs.calls("kind create")] == ["eu", "us"]
    (asked,) = programs.calls("docker exec us-control-plane getent")
    assert asked[2:] == ["us-control-plane", "getent", "ahostsv4", "eu-control-plane.kind"]
    copy = yaml.safe_load((bed / "topology.yaml").read_text())
    assert copy["manager"]["address"] == "eu-control-plane.kind"
    assert copy["manager"]["expose"] == {
        **{"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952}
    }
    assert copy["chart"]["path"] == str(workplace / "charts" / "dragonfly-1.7.4.tgz")
    assert [entry["context"] for entry in copy["clusters"]] == ["eu", "us"]
    kubeconfig = yaml.safe_load((bed / "kubeconfig").read_text())
    assert [entry["name"] for entry in kubeconfig["contexts"]] == ["eu", "us"]


def test_the_copy_passes_validate(up: Dfmc, dfmc: Dfmc, programs: KindPrograms, bed: Path, workplace: Path) -> None:
    (workplace / "topology.yaml").write_text(TWO)
    programs.change(names=["eu-control-plane.kind"])
    assert up("topology.yaml").code == 0
    ended = dfmc("validate", str(bed / "topology.yaml"), "-o", "json")
    rules = {finding["rule"] for finding in json.loads(ended.out)["diagnostics"]}
    assert ended.code == 0
    assert not rules & {"DF204", "DF205", "DF206"}


def test_a_name_that_members_cannot_resolve_fails_before_dragonfly_would_hang(
    up: Dfmc, programs: KindPrograms, workplace: Path
) -> None:
    (workplace / "topology.yaml").write_text(TWO)
    ended = up("topology.yaml")
    assert ended.code == 1
    assert "nodes of us do not find eu-control-plane.kind" in ended.err


def test_down_deletes_clusters_network_and_directory(up: Dfmc, dfmc: Dfmc, programs: KindPrograms, bed: Path) -> None:
    up()
    programs.forget()
    ended = dfmc("testbed", "down", "--provider", "kind")
    assert (ended.code, ended.err) == (0, f"deleting kind cluster kind\n{bed}: bed deleted\n")
    delete = ["kind", "delete", "cluster", "--name", "kind", "--kubeconfig", str(bed / "clusters" / "kind.kubeconfig")]
    assert programs.calls() == [
        ["docker", "info", "--format", "{{json .}}"],
        delete,
        ["docker", "network", "ls", "--filter", "name=^kind$", "--format", "{{.Name}}"],
        ["docker", "network", "inspect", "--format", "{{len .Containers}}", "kind"],
        ["docker", "network", "rm", "kind"],
    ]
    assert not bed.exists()
    assert (programs.world["clusters"], programs.world["networks"]) == ({}, ["bridge"])
    assert dfmc("testbed", "down", "--provider", "kind").err == f"{bed}: there is no bed\n"


def test_a_network_of_others_stays(up: Dfmc, dfmc: Dfmc, programs: KindPrograms) -> None:
    programs.change(networks=["bridge", "kind"])
    up()
    assert dfmc("testbed", "down", "--provider", "kind").code == 0
    assert programs.calls("docker network rm") == []
    assert programs.world["networks"] == ["bridge", "kind"]


def test_a_network_that_others_joined_stays_too(up: Dfmc, dfmc: Dfmc, programs: KindPrograms) -> None:
    up()
    programs.change(strangers=1)
    ended = dfmc("testbed", "down", "--provider", "kind")
    assert ended.code == 0
    assert "the Docker network kind stays: others use it" in ended.err
    assert programs.calls("docker network rm") == []


def test_somebody_else_s_cluster_is_a_conflict_and_left_alone(
    up: Dfmc, dfmc: Dfmc, programs: KindPrograms, bed: Path
) -> None:
    programs.change(clusters={"kind": {"kind-control-plane": "running"}})
    ended = up()
    assert ended.code == 7
    assert "there is a kind cluster kind that is not this bed's" in ended.err
    assert "kind delete cluster --name kind" in ended.err
    dfmc("testbed", "down", "--provider", "kind")
    assert programs.calls("kind") == []


def test_a_failed_creation_is_told_in_kind_s_words_and_gone_on_from(up: Dfmc, programs: KindPrograms) -> None:
    programs.fail("kind create", 'Creating cluster "kind" ...\nERROR: failed to pull image "kindest/node:v1.34.4"\n')
    ended = up()
    assert ended.code == 1
    assert "kind cannot create cluster kind" in ended.err
    assert 'failed to pull image "kindest/node:v1.34.4"' in ended.err
    assert "--node-image" in ended.err
    assert up().code == 0
    assert len(programs.calls("kind create")) == 2


def test_what_an_interrupted_creation_left_is_deleted_first(up: Dfmc, programs: KindPrograms) -> None:
    programs.fail("kind create", "ERROR: out of space\n")
    up()
    programs.change(clusters={"kind": {"kind-control-plane": "running"}})
    programs.forget()
    assert up().code == 0
    assert [call[1] for call in programs.calls("kind")] == ["delete", "create"]


def test_nodes_that_stopped_are_started(up: Dfmc, dfmc: Dfmc, programs: KindPrograms) -> None:
    up()
    nodes = programs.world["clusters"]["kind"]
    programs.change(clusters={"kind": nodes | {"kind-worker": "exited", "kind-worker3": "exited"}})
    ended = dfmc("testbed", "status", "--provider", "kind")
    assert ended.code == 1
    assert "kind-worker, kind-worker3" in ended.out
    programs.forget()
    assert up().code == 0
    assert programs.calls("docker start") == [["docker", "start", "kind-worker", "kind-worker3"]]
    assert [call[1] for call in programs.calls("kind")] == ["export"]


def test_other_nodes_than_there_are_cannot_be_had_and_nothing_is_touched(
    up: Dfmc, programs: KindPrograms, workplace: Path
) -> None:
    up("topology.yaml")
    text = (workplace / "topology.yaml").read_text()
    (workplace / "topology.yaml").write_text(text.replace("nodeSelector: {cluster: b}", "nodeSelector: {cluster: c}"))
    programs.forget()
    ended = up("topology.yaml")
    assert ended.code == 4
    assert "kind cannot change the nodes" in ended.err
    assert programs.calls("kind") == []


def test_status_shows_nodes_and_is_0_while_all_are_ready(up: Dfmc, dfmc: Dfmc, programs: KindPrograms) -> None:
    up()
    ended = dfmc("testbed", "status", "--provider", "kind")
    assert ended.code == 0
    assert ended.out.splitlines()[:2] == [
        "CONTEXT    STATE  SERVER                  NODES  STOPPED",
        "kind-kind  ready  https://127.0.0.1:6443  5      -",
    ]
    assert "network     kind\n" in ended.out
    programs.change(unready=["kind-worker2"])
    ended = dfmc("testbed", "status", "--provider", "kind", "-o", "json")
    document = json.loads(ended.out)
    assert ended.code == 1
    assert (document["kind"], document["provider"], document["running"]) == ("TestbedStatus", "kind", False)
    assert document["clusters"][0]["stopped"] == ["kind-worker2"]


def test_status_without_a_bed_is_1_and_names_the_way_to_one(dfmc: Dfmc, programs: KindPrograms) -> None:
    ended = dfmc("testbed", "status", "--provider", "kind")
    assert ended.code == 1
    assert "dfmc testbed up --provider kind" in ended.err


def test_env_names_the_bed_s_files(up: Dfmc, dfmc: Dfmc, programs: KindPrograms, bed: Path) -> None:
    assert dfmc("testbed", "env", "--provider", "kind").code == 4
    up()
    ended = dfmc("testbed", "env", "--provider", "kind")
    words = [shlex.split(line)[1] for line in ended.out.splitlines()]
    assert words == [f"KUBECONFIG={bed / 'kubeconfig'}", f"DFMC_FILE={bed / 'topology.yaml'}"]


@pytest.mark.parametrize(("missing", "line"), [("docker", "apt-get install docker.io"), ("kind", "go install")])
def test_a_missing_program_is_4_with_the_line_to_type(
    up: Dfmc, programs: KindPrograms, missing: str, line: str
) -> None:
    (programs.directory / missing).unlink()
    ended = up()
    assert ended.code == 4
    assert f"{missing} is not on PATH" in ended.err
    assert line in ended.err
    assert programs.calls("kind create") == []


@pytest.mark.parametrize(
    ("why", "line"),
    [
        ("permission denied while trying to connect to the Docker daemon socket", "usermod -aG docker"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "systemctl start docker"),
    ],
)
def test_an_engine_that_does_not_answer_is_4(up: Dfmc, programs: KindPrograms, why: str, line: str) -> None:
    programs.change(engine={"ServerErrors": [why]})
    ended = up()
    assert ended.code == 4
    assert why in ended.err
    assert line in ended.err


def test_a_taken_console_port_is_found_before_kind_begins(dfmc: Dfmc, programs: KindPrograms) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        ended = dfmc("testbed", "up", "--provider", "kind", "--console-port", port)
        assert ended.code == 4
        assert f"port {port} of 127.0.0.1" in ended.err
        assert "--console-port" in ended.err
        assert programs.calls("kind") == []


def test_another_engine_than_docker_is_refused(
    up: Dfmc, programs: KindPrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    ended = up()
    assert ended.code == 4
    assert "KIND_EXPERIMENTAL_PROVIDER is podman" in ended.err


def test_the_stand_in_chart_is_put_beside_the_copy(up: Dfmc, programs: KindPrograms, bed: Path) -> None:
    assert up("--chart", "stand-in").code == 0
    chart = yaml.safe_load((bed / "topology.yaml").read_text())["chart"]
    assert chart["path"] == str(bed / "chart" / "dragonfly-1.7.4.tgz")
    assert Path(chart["path"]).read_bytes()[:2] == b"\x1f\x8b"


def test_ctrl_c_ends_kind_and_the_next_run_goes_on(up: Dfmc, programs: KindPrograms, bed: Path, port: str) -> None:
    programs.change(hang=["kind create"])
    command = [sys.executable, "-m", "dfmc", "testbed", "up", "--provider", "kind", "--console-port", port]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ), text=True) as process:
        deadline = time.monotonic() + 60
        while not programs.calls("kind create") and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "dfmc testbed up --provider kind again" in errors
    programs.change(hang=[], clusters={"kind": {"kind-control-plane": "running"}})
    assert up().code == 0
    assert programs.world["engine"] == ENGINE
    assert json.loads((bed / "kind.json").read_text())["clusters"][0]["made"] is True

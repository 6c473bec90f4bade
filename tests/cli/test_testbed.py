from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from command_line import Dfmc
from dfmc.testbed.layout import BedRequest

STATUS: dict[str, Any] = {
    "directory": "/bed",
    "exists": True,
    "running": True,
    "supervisor": {"pid": 42, "ready": True},
    "repository": "http://127.0.0.1:8879",
    "clients": "simulated",
    "topology": "/bed/topology.yaml",
    "kubeconfig": "/bed/kubeconfig",
    "clusters": [
        {
            "context": "kind-kind",
            "server": "https://127.0.0.1:6443",
            "ready": True,
            "stopped": [],
            "nodes": ["n1", "n2"],
            "auditLog": "/bed/audit.log",
        }
    ],
}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[BedRequest]:
    """Puts a bed that comes up at once in the place of the real one; returns what was asked of it."""
    asked: list[BedRequest] = []

    def up(request: BedRequest, report: Callable[[str], None]) -> Any:
        asked.append(request)
        report("starting kind-kind (about 10 s)")
        return SimpleNamespace(contexts=("kind-kind",))

    monkeypatch.setattr("dfmc.testbed.bed.up", up)
    return asked


def test_up_hands_its_options_to_the_bed_and_says_what_to_type_next(dfmc: Dfmc, requests: list[BedRequest]) -> None:
    ended = dfmc("testbed", "up", "topology.yaml", "--helm", "4", "--chart", "official", "--clients", "real")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.splitlines() == [
        "starting kind-kind (about 10 s)",
        "bed up: context kind-kind",
        'next  eval "$(dfmc testbed env)"; dfmc up',
    ]
    (request,) = requests
    assert (request.topology, request.chart, request.helm) == (Path("topology.yaml"), "official", 4)
    assert request.clients == "real"


def test_up_takes_the_guide_s_topology_and_the_stand_in_chart_by_default(
    dfmc: Dfmc, requests: list[BedRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    dfmc("testbed", "up")
    monkeypatch.setenv("DFMC_TEST_CHART", "charts/dragonfly-1.7.4.tgz")
    dfmc("testbed", "up", "--directory", "my bed", "--provider", "kwok")
    assert (requests[0].topology, requests[0].chart, requests[0].helm) == (None, "stand-in", 3)
    assert requests[0].clients == "auto"
    assert (requests[1].chart, requests[1].directory) == (Path("charts/dragonfly-1.7.4.tgz"), Path("my bed"))


def test_clusters_is_for_a_bed_without_a_file(dfmc: Dfmc, requests: list[BedRequest]) -> None:
    dfmc("testbed", "up", "--clusters", "4")
    assert (requests[0].topology, requests[0].clusters) == (None, 4)
    for arguments in (("topology.yaml",), ("--provider", "kind")):
        ended = dfmc("testbed", "up", "--clusters", "4", *arguments)
        assert ended.code == 64
        assert "--clusters is for a bed of --provider kwok without a topology file" in ended.err
    assert dfmc("testbed", "up", "--clusters", "9").code == 64
    assert len(requests) == 1


def test_up_logs_what_it_reports(dfmc: Dfmc, requests: list[BedRequest], tmp_path: Path) -> None:
    dfmc("testbed", "up")
    (log,) = (tmp_path / "state" / "dfmc" / "log").glob("*-testbed-up.log")
    assert "starting kind-kind" in log.read_text()


def test_status_is_0_while_everything_runs(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfmc.testbed.bed.status", lambda directory: STATUS)
    ended = dfmc("testbed", "status")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[:2] == [
        "CONTEXT    STATE  SERVER                  NODES  STOPPED",
        "kind-kind  ready  https://127.0.0.1:6443  2      -",
    ]
    assert "supervisor  process 42\n" in ended.out
    assert "clients     simulated\n" in ended.out
    document = json.loads(dfmc("testbed", "status", "-o", "json").out)
    assert (document["kind"], document["running"], document["supervisor"]["pid"]) == ("TestbedStatus", True, 42)


def test_status_is_1_when_something_does_not_run(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = STATUS["clusters"][0] | {"ready": False, "stopped": ["etcd"]}
    broken = STATUS | {"running": False, "clusters": [cluster], "supervisor": {"pid": None, "ready": False}}
    monkeypatch.setattr("dfmc.testbed.bed.status", lambda directory: broken)
    ended = dfmc("testbed", "status")
    assert ended.code == 1
    assert "not ready" in ended.out
    assert "etcd" in ended.out
    assert ended.err == "✗ something of the bed does not run\n  next dfmc testbed up\n"


def test_without_a_bed_status_is_1_and_env_4(dfmc: Dfmc, tmp_path: Path) -> None:
    directory = tmp_path / "nothing"
    ended = dfmc("testbed", "status", "--directory", str(directory))
    assert (ended.code, ended.out) == (1, "")
    assert f"there is no bed in {directory}" in ended.err
    ended = dfmc("testbed", "env", "--directory", str(directory))
    assert (ended.code, ended.out) == (4, "")
    ended = dfmc("testbed", "down", "--directory", str(directory))
    assert (ended.code, ended.err) == (0, f"{directory}: there is no bed\n")


def test_env_prints_exports_that_a_shell_reads_back(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"KUBECONFIG": "/my bed/kubeconfig", "DFMC_FILE": "/my bed/it's.yaml"}
    monkeypatch.setattr("dfmc.testbed.bed.find", lambda directory: object())
    monkeypatch.setattr("dfmc.testbed.bed.env", lambda state: variables)
    ended = dfmc("testbed", "env")
    assert (ended.code, ended.err) == (0, "")
    words = [shlex.split(line) for line in ended.out.splitlines()]
    assert words == [["export", f"{name}={value}"] for name, value in variables.items()]


@pytest.mark.parametrize("client", [True, False])
def test_the_client_is_built_when_it_is_asked_for_and_never_else(
    dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, client: bool
) -> None:
    made: list[str] = []
    monkeypatch.setattr("dfmc.testbed.binaries.ensure", lambda names, cache, report: made.append("programs"))
    monkeypatch.setattr("dfmc.testbed.binaries.ensure_system_programs", lambda report: {})
    monkeypatch.setattr("dfmc.testbed.binaries.ensure_database_template", lambda *given: None)
    monkeypatch.setattr("dfmc.testbed.binaries.ensure_client", lambda cache, report: made.append("client"))
    ended = dfmc("testbed", "binaries", *(["--client"] if client else []))
    assert ended.code == 0
    assert made == ["programs", "client"] if client else ["programs"]


def test_each_part_has_a_help_that_ends_with_an_example(dfmc: Dfmc) -> None:
    for part in ("up", "down", "status", "env", "binaries"):
        assert "dfmc testbed" in dfmc("testbed", part, "--help").out.rstrip().splitlines()[-1]

"""Files and processes of a bed: private, written at once or not at all, ended by their id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from dfmc.errors import PreflightError
from dfmc.testbed import bed
from dfmc.testbed.given_chart import chart_to_use
from dfmc.testbed.health import supervisor_health
from dfmc.testbed.kubeconfigs import Credentials, merged_kubeconfig
from dfmc.testbed.layout import BedLayout, StoredBed, default_directory, first_block, write_if_changed
from dfmc.testbed.plan import BedPlan, ClusterPlan, NodePlan
from dfmc.testbed.processes import end_processes, has_argument, is_alive, runs_program, started_from, works_in
from dfmc.testbed.supervisor.repository_server import serve_repository

PLAN = BedPlan((ClusterPlan("kind-kind", 3, (NodePlan("kind-worker", 1, {"cluster": "a"}),)),))


def test_an_unchanged_file_keeps_its_time(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "file"
    assert write_if_changed(file, "text", mode=0o600)
    before = file.stat()
    assert not write_if_changed(file, "text", mode=0o600)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert file.stat().st_mode & 0o777 == 0o600
    assert write_if_changed(file, "other", mode=0o600)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_file_with_too_wide_rights_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    file.chmod(0o644)
    assert write_if_changed(file, "text", mode=0o600)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_bed_is_found_by_its_state_file(tmp_path: Path) -> None:
    layout = BedLayout(tmp_path)
    assert bed.find(tmp_path) is None
    assert bed.status(tmp_path)["exists"] is False
    stored = StoredBed(plan=PLAN, cache=tmp_path / "cache", helm=4, programs={"setpriv": "/usr/bin/setpriv"})
    stored.write(layout)
    assert StoredBed.read(layout) == stored
    found = bed.find(tmp_path)
    assert found is not None
    assert (found.plan, found.helm, found.repository_url) == (PLAN, 4, "http://127.0.0.1:21036")
    assert layout.state.stat().st_mode & 0o777 == 0o600
    environment = bed.env(found)
    assert environment["PATH"].startswith(f"{tmp_path / 'bin'}{os.pathsep}")
    assert environment["DFMC_HELM"] == str(tmp_path / "bin" / "helm")


def test_a_stopped_bed_says_what_does_not_run(tmp_path: Path) -> None:
    StoredBed(plan=PLAN, cache=tmp_path, helm=3, programs={}).write(BedLayout(tmp_path))
    status = bed.status(tmp_path)
    assert (status["exists"], status["running"]) == (True, False)
    assert "etcd" in status["clusters"][0]["stopped"]


def test_a_directory_too_deep_for_sockets_is_refused() -> None:
    BedLayout(Path("/short")).check_socket_paths()
    with pytest.raises(PreflightError, match="too long a path"):
        BedLayout(Path("/" + "x" * 90)).check_socket_paths()


def test_the_bed_lies_under_xdg_state_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_directory() == Path("/state/dfmc/testbed/kwok")


def test_beds_look_for_addresses_at_different_places() -> None:
    assert len({first_block(Path(f"/bed/{number}")) % 62 for number in range(50)}) > 20


def test_a_kubeconfig_names_the_topologys_contexts() -> None:
    credentials = Credentials(b"ca", b"certificate", b"key")
    other = ClusterPlan("east", 4, ())
    config = yaml.safe_load(merged_kubeconfig([(PLAN.clusters[0], credentials), (other, credentials)]))
    assert config["current-context"] == "kind-kind"
    assert [context["name"] for context in config["contexts"]] == ["kind-kind", "east"]
    assert config["clusters"][1]["cluster"]["server"] == "https://127.0.0.1:21042"


def sleeper(directory: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60", *arguments], cwd=directory)


def test_processes_are_told_apart_by_what_they_run(tmp_path: Path) -> None:
    with sleeper(tmp_path) as process:
        try:
            deadline = time.monotonic() + 5
            while not has_argument(process.pid, "60"):  # the kernel fills it in a moment after the start
                assert time.monotonic() < deadline
            assert runs_program(process.pid, Path(os.readlink(f"/proc/{process.pid}/exe")).name)
            assert not runs_program(process.pid, "etcd")
            assert not has_argument(process.pid, "6")
            assert works_in(process.pid, tmp_path)
        finally:
            end_processes([process.pid], signal.SIGTERM, seconds=5.0)
        assert not is_alive(process.pid)
    assert not runs_program(None, "sleep")
    assert not has_argument(process.pid, "60")
    assert not works_in(process.pid, tmp_path)


def test_only_what_was_started_from_a_directory_belongs_to_it(tmp_path: Path) -> None:
    link = tmp_path / "bin" / "sleep"
    link.parent.mkdir()
    link.symlink_to("/bin/sleep")
    # An editor with one of the bed's files open is none of the bed's processes.
    bystander = [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path / "topology.yaml")]
    with subprocess.Popen([link, "60"]) as ours, subprocess.Popen(bystander) as other:
        try:
            deadline = time.monotonic() + 5
            while started_from(tmp_path) != [ours.pid]:
                assert time.monotonic() < deadline
            end_processes(started_from(tmp_path), signal.SIGKILL, seconds=5.0)
            assert is_alive(other.pid)
        finally:
            end_processes([ours.pid, other.pid], signal.SIGKILL, seconds=5.0)


def test_a_process_that_ignores_the_first_signal_is_killed() -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end_processes([process.pid], signal.SIGTERM, seconds=0.5)
        assert process.wait(5) == -signal.SIGKILL


def test_the_repository_is_served_and_health_says_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "index.yaml").write_text("entries: {}\n")
    health = {"pid": 1, "directory": str(tmp_path), "clusters": ["c3"]}
    server = serve_repository(0, tmp_path, lambda: health)
    port = server.server_port
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.yaml", timeout=5) as answer:
            assert answer.read() == b"entries: {}\n"
        for path in ("/", "/../secret", "/none.tgz"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5)
            refused.value.close()
            assert refused.value.code == 404
        assert supervisor_health(port, tmp_path) == health
        assert supervisor_health(port, tmp_path / "other") is None
    finally:
        server.shutdown()
        server.server_close()
    assert supervisor_health(port, tmp_path) is None


def chart(directory: Path, *dependencies: str) -> Path:
    directory.mkdir()
    listed = [{"name": name, "version": "1.0.0"} for name in dependencies]
    (directory / "Chart.yaml").write_text(json.dumps({"name": "dragonfly", "version": "1.7.4", "dependencies": listed}))
    return directory


def test_a_complete_chart_is_used_as_it_is(tmp_path: Path) -> None:
    plain = chart(tmp_path / "plain")
    assert chart_to_use(plain, tmp_path / "copy") == (plain, ())
    packaged = chart(tmp_path / "packaged", "mysql")
    (packaged / "charts").mkdir()
    (packaged / "charts" / "mysql-11.1.20.tgz").touch()
    assert chart_to_use(packaged, tmp_path / "copy") == (packaged, ())
    archive = tmp_path / "dragonfly-1.7.4.tgz"
    archive.touch()
    assert chart_to_use(archive, tmp_path / "copy") == (archive, ())
    assert not (tmp_path / "copy").exists()


def test_a_source_tree_gets_stand_ins_for_its_subcharts(tmp_path: Path) -> None:
    given = chart(tmp_path / "given", "mysql", "redis")
    used, filled_in = chart_to_use(given, tmp_path / "copy")
    assert (used, filled_in) == (tmp_path / "copy", ("mysql", "redis"))
    assert (used / "charts" / "redis" / "Chart.yaml").exists()
    assert not (given / "charts").exists()
    (used / "left-over.yaml").touch()
    before = (used / "Chart.yaml").stat().st_mtime_ns
    chart_to_use(given, tmp_path / "copy")
    assert (used / "Chart.yaml").stat().st_mtime_ns == before
    assert not (used / "left-over.yaml").exists()


def test_charts_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="no such chart"):
        chart_to_use(tmp_path / "none", tmp_path / "copy")
    with pytest.raises(PreflightError, match=r"no Chart\.yaml"):
        chart_to_use(tmp_path, tmp_path / "copy")
    with pytest.raises(PreflightError, match="no elasticsearch"):
        chart_to_use(chart(tmp_path / "given", "elasticsearch"), tmp_path / "copy")

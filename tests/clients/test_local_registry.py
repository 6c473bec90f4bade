"""A registry beside kind's nodes: started by docker, used, removed whatever happens."""

import asyncio
import os
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from dfmc.clients.local_registry import IMAGE_VARIABLE, NAME, registry_beside
from dfmc.errors import PreflightError
from dfmc.state import LocalRegistry

# Knows the container worker-1 on the network `kind`, and the registry's own once it was run.
DOCKER = """#!/bin/sh
here=$(dirname "$0"); echo "$*" >> "$here/calls"
for last; do :; done
case "$1" in
  run) [ -e "$here/broken" ] && {{ echo "Unable to find image" >&2; exit 125; }}; echo verify > "$here/there" ;;
  rm) rm -f "$here/there" ;;
  container) case "$4 $last" in
    *" worker-1") echo '{{"kind": {{}}}}' ;;
    *Labels*) cat "$here/there" 2>/dev/null || exit 1 ;;
    *" dfmc-verify-registry")
      echo '{{"Ports": {{"5000/tcp": [{{"HostPort": "{port}"}}]}},'
      echo ' "Networks": {{"kind": {{"IPAddress": "172.18.0.9"}}}}}}' ;;
    *) exit 1 ;;
  esac ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> Path:
    httpserver.expect_request("/v2/").respond_with_data("{}")
    (tmp_path / "docker").write_text(DOCKER.format(port=httpserver.port))
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(IMAGE_VARIABLE, raising=False)
    return tmp_path


def use(node: str, failure: Exception | None = None) -> LocalRegistry | None:
    async def run() -> LocalRegistry | None:
        async with registry_beside(node) as registry:
            if failure:
                raise failure
            return registry

    return asyncio.run(run())


def calls(folder: Path, verb: str) -> list[str]:
    return [line for line in (folder / "calls").read_text().splitlines() if line.startswith(verb)]


def test_a_registry_runs_on_the_nodes_network_and_is_removed(docker: Path, httpserver: HTTPServer) -> None:
    found = use("worker-1")
    assert found == LocalRegistry(f"{NAME}:5000", "172.18.0.9:5000", f"http://127.0.0.1:{httpserver.port}")
    assert calls(docker, "run") == [
        f"run --detach --name {NAME} --label dfmc.io/purpose=verify --network kind --publish 127.0.0.1::5000 registry:2"
    ]
    assert calls(docker, "rm") == [f"rm --force --volumes {NAME}"]


def test_its_image_can_be_named(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMAGE_VARIABLE, "mirror.example/registry:3")
    use("worker-1")
    assert calls(docker, "run")[0].endswith(" mirror.example/registry:3")


def test_it_is_removed_after_a_failure_too(docker: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        use("worker-1", ZeroDivisionError())
    assert not (docker / "there").exists()


def test_another_node_has_none(docker: Path) -> None:
    assert use("ip-10-0-0-1") is None
    assert calls(docker, "run") == calls(docker, "rm") == []


def test_without_docker_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert use("worker-1") is None


def test_what_a_killed_run_left_is_replaced(docker: Path) -> None:
    (docker / "there").write_text("verify\n")
    assert use("worker-1") is not None
    assert len(calls(docker, "rm")) == 2


def test_somebody_elses_container_of_that_name_is_left_alone(docker: Path) -> None:
    (docker / "there").write_text("\n")
    with pytest.raises(PreflightError, match="not dfmc's"):
        use("worker-1")
    assert calls(docker, "rm") == []


def test_an_image_that_is_not_to_be_had_is_told(docker: Path) -> None:
    (docker / "broken").touch()
    with pytest.raises(PreflightError, match="Unable to find image") as caught:
        use("worker-1")
    assert "docker pull registry:2" in caught.value.next_step

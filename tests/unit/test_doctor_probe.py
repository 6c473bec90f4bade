"""The script of the probe pod, run by this machine's shell with stand-ins for nslookup and nc."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dfmc.planning.checks.facts import Endpoint
from dfmc.planning.checks.reachability import endpoints_of, probe_pod, reached_by, wait_image
from doctor_world import healthy, manifest
from topologies import entry, topology

NSLOOKUP = """\
#!/bin/sh
case "$1" in nowhere*) echo "** server can't find $1: NXDOMAIN"; exit 1;; esac
echo "Name: $1"
"""
NC = """\
#!/bin/sh
[ "$1 $2 $3" = "-vz -w 3" ] || exit 2
case "$5" in
  1) echo "nc: $4 (10.0.0.1:$5): Connection refused" >&2; exit 1;;
  2) printf 'nc:\\n  timed\\tout\\n' >&2; exit 1;;
esac
case "$4" in nowhere*) echo "nc: bad address '$4'" >&2; exit 1;; esac
echo "$4 (10.0.0.1:$5) open" >&2
"""


def answered(tmp_path: Path, *endpoints: Endpoint) -> str:
    file = topology()
    pod = probe_pod(file, file.cluster("b"), endpoints, (), exists=True)
    for name, text in (("nslookup", NSLOOKUP), ("nc", NC)):
        program = tmp_path / name
        program.write_text(text)
        program.chmod(0o755)
    command = pod["spec"]["containers"][0]["command"]
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ.get('PATH', '/bin:/usr/bin')}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_script_tells_one_line_an_endpoint(tmp_path: Path) -> None:
    endpoints = (
        Endpoint("grpc", "manager.example.com", 65003),
        Endpoint("rest", "manager.example.com", 1),
        Endpoint("redis", "nowhere.example.com", 6379),
        Endpoint("redis", "10.9.9.9", 2),
    )
    output = answered(tmp_path, *endpoints)
    assert len(output.splitlines()) == 4
    grpc, rest, redis, bare = reached_by(endpoints, output)
    assert (grpc.resolves, grpc.connects, grpc.said) == (True, True, "")
    assert (rest.resolves, rest.connects) == (True, False)
    assert rest.said == "nc: manager.example.com (10.0.0.1:1): Connection refused"
    assert (redis.resolves, redis.connects, redis.said) == (False, False, "nc: bad address 'nowhere.example.com'")
    assert (bare.resolves, bare.connects, bare.said) == (None, False, "nc: timed out")


def test_nothing_in_an_address_is_read_as_shell(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hostile = Endpoint("redis", f"$(touch {mark});`touch {mark}`", 6379)
    assert len(answered(tmp_path, hostile).splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize("output", ["", "sh: nc: not found\n", "dfmc-doctor: x ok ok\ndfmc-doctor:\n", "\x00\xff"])
def test_an_output_that_says_nothing_of_an_endpoint_is_no_success(output: str) -> None:
    (reached,) = reached_by((Endpoint("grpc", "m.example.com", 1),), output)
    assert (reached.resolves, reached.connects) == (False, False)
    assert "ended before" in reached.said


def test_the_pod_goes_where_the_clusters_pods_go() -> None:
    toleration = {"key": "gpu", "operator": "Exists"}
    images = {"registry": "mirror.example.com", "pullSecrets": ["mirror"]}
    file = topology(clusters=[entry("a"), entry("b", tolerations=[toleration], images=images)])
    endpoints = (Endpoint("grpc", "m.example.com", 1),)
    pod = probe_pod(file, file.cluster("b"), endpoints, (), exists=True)
    assert pod["metadata"]["namespace"] == "cluster-b"
    assert (pod["spec"]["nodeSelector"], pod["spec"]["tolerations"]) == ({"cluster": "b"}, [toleration])
    assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}]
    assert pod["spec"]["containers"][0]["image"] == "mirror.example.com/busybox:latest"
    before = probe_pod(file, file.cluster("b"), endpoints, (), exists=False)
    assert before["metadata"]["namespace"] == "default"
    assert "imagePullSecrets" not in before["spec"]
    assert wait_image(file.cluster("b"), manifest()) == "registry.example.com/busybox:1"


def names(cluster: str, **changes: object) -> list[str]:
    facts = healthy(topology(**changes))
    return [one.name for one in endpoints_of(facts.topology, facts.topology.cluster(cluster), facts.observed)]


def test_endpoints_are_what_the_file_gives_a_clusters_pods() -> None:
    assert names("a") == ["grpc", "rest", "redis", "database"]
    assert names("b") == ["grpc", "rest", "redis"]
    assert names("b", clusters=[entry("a"), entry("b", redis="none")]) == ["grpc", "rest"]


def test_rest_is_needed_by_old_charts_only() -> None:
    for version, is_needed in (("1.6.9", True), ("1.6.10", False)):
        facts = healthy(topology(chart={"repository": "https://charts.example/", "version": version}))
        found = endpoints_of(facts.topology, facts.topology.cluster("b"), facts.observed)
        assert [one.is_needed for one in found if one.name == "rest"] == [is_needed]


def test_before_the_installation_only_what_is_outside_can_be_asked() -> None:
    external = {"type": "external", "addresses": ["redis.example.com:6380"]}
    facts = healthy(topology(manager={"cluster": "a", "redis": external}))
    central = replace(facts.observed.clusters["a"], release=None)
    observed = replace(facts.observed, clusters={**facts.observed.clusters, "a": central})
    (redis,) = endpoints_of(facts.topology, facts.topology.cluster("b"), observed)
    assert (redis.address, redis.is_there) == ("redis.example.com:6380", True)

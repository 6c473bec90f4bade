"""The copy of the topology file: it points at the bed and at nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dfmc.errors import PreflightError, TopologyError
from dfmc.testbed.topology_copy import (
    GUIDE_TOPOLOGY,
    ChartSource,
    check_stand_in,
    cluster_needs,
    dump_topology,
    localised,
    parse_topology,
)

HERE = Path("/somewhere")
REPOSITORY = ChartSource(repository="http://127.0.0.1:21006")


def topology(**parts: Any) -> dict[str, Any]:
    return {"clusters": [{"name": "a", "context": "east", "namespace": "a"}], **parts}


def test_the_chart_comes_from_the_bed_and_its_digest_goes() -> None:
    chart = {"repository": "https://example.test", "name": "dragonfly", "version": "1.7.4", "sha256": "0" * 64}
    copy = localised(topology(chart=chart), REPOSITORY, HERE)
    assert copy["chart"] == {"name": "dragonfly", "version": "1.7.4", "repository": "http://127.0.0.1:21006"}


def test_a_real_chart_replaces_the_repository_by_a_path() -> None:
    chart = {"repository": "https://example.test", "version": "1.6.0"}
    copy = localised(topology(chart=chart), ChartSource(path="/charts/dragonfly"), HERE)
    assert copy["chart"] == {"version": "1.6.0", "path": "/charts/dragonfly"}


def test_the_official_chart_stays_as_the_file_says_it() -> None:
    chart = {"repository": "https://example.test", "version": "1.7.4", "sha256": "0" * 64}
    assert localised(topology(chart=chart), ChartSource(), HERE)["chart"] == chart


def test_one_context_name_in_two_kubeconfigs_is_two_clusters() -> None:
    clusters = [
        {"name": "a", "context": "admin", "kubeconfig": "a.yaml"},
        {"name": "b", "context": "admin", "kubeconfig": "b.yaml"},
        {"name": "c", "context": "admin", "kubeconfig": "a.yaml"},
        {"name": "d", "context": "admin-2"},
    ]
    copy = localised(topology(clusters=clusters), REPOSITORY, HERE)
    assert [entry["context"] for entry in copy["clusters"]] == ["admin", "admin-2", "admin", "admin-2-2"]
    assert not any("kubeconfig" in entry for entry in copy["clusters"])


def test_a_context_that_defaults_name_is_each_entrys_own() -> None:
    clusters = [{"name": "a"}, {"name": "b", "context": "other"}]
    copy = localised(topology(defaults={"context": "ours"}, clusters=clusters), REPOSITORY, HERE)
    assert [entry["context"] for entry in copy["clusters"]] == ["ours", "other"]
    assert [need.context for need in cluster_needs(copy)] == ["ours", "other"]


def test_a_default_kubeconfig_is_dropped_too() -> None:
    copy = localised(topology(defaults={"kubeconfig": "x.yaml", "release": "dragonfly"}), REPOSITORY, HERE)
    assert copy["defaults"] == {"release": "dragonfly"}


def test_relative_credential_files_stay_right() -> None:
    manager = {"cluster": "a", "rootPassword": {"file": "secrets/root"}, "redis": {"password": {"file": "/etc/redis"}}}
    copy = localised(topology(manager=manager), REPOSITORY, HERE)
    assert copy["manager"]["rootPassword"] == {"file": "/somewhere/secrets/root"}
    assert copy["manager"]["redis"]["password"] == {"file": "/etc/redis"}


def test_the_original_is_left_alone() -> None:
    original = topology(chart={"version": "1.7.4", "sha256": "0" * 64})
    localised(original, REPOSITORY, HERE)
    assert original["chart"] == {"version": "1.7.4", "sha256": "0" * 64}


def test_needs_merge_defaults_and_keep_the_files_order() -> None:
    clusters = [
        {"name": "b", "context": "two", "nodeSelector": {"cluster": "b"}},
        {"name": "a", "context": "one"},
        {"name": "c", "context": "two", "nodeSelector": {"cluster": "c", "disk": 1}},
    ]
    needs = cluster_needs(topology(clusters=clusters, defaults={"nodeSelector": {"disk": "ssd"}}))
    assert [(need.context, need.selectors) for need in needs] == [
        ("two", ({"disk": "ssd", "cluster": "b"}, {"disk": "1", "cluster": "c"})),
        ("one", ({"disk": "ssd"},)),
    ]


def test_the_dumped_copy_reads_back_equal() -> None:
    copy = localised(GUIDE_TOPOLOGY, REPOSITORY, HERE)
    assert yaml.safe_load(dump_topology(copy)) == copy


@pytest.mark.parametrize("text", ["clusters: []", "clusters: x", "a: 1", "clusters: [1]", "- a"])
def test_a_file_without_clusters_is_refused(text: str) -> None:
    with pytest.raises(TopologyError):
        parse_topology(text, "file.yaml")


def test_broken_yaml_is_refused_with_its_place() -> None:
    with pytest.raises(TopologyError, match=r"file\.yaml:3:1: not valid YAML"):
        parse_topology("clusters:\n  - {", "file.yaml")


def test_a_version_without_a_stand_in_is_refused_with_those_there_are() -> None:
    check_stand_in("1.7.4", ("1.1.1", "1.7.4"))
    with pytest.raises(PreflightError, match=r"1\.5\.0"):
        check_stand_in("1.5.0", ("1.1.1", "1.7.4"))

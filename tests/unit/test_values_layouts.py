from typing import Any

import pytest

from dfmc.errors import TopologyError
from dfmc.values.layouts import breakpoints, layout_name, layout_of, parse_version


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0.5.60", None),
        ("0.5.61", "L1"),
        ("1.1.11", "L1"),
        ("1.1.12", "L2"),
        ("1.1.37", "L2"),
        ("1.1.38", "L3"),
        ("1.1.65", "L3"),
        ("1.1.66", "M1"),
        ("1.4.4", "M1"),
        ("1.4.5", "M2"),
        ("1.7.4", "M2"),
        ("1.7.5", "M3"),
        ("2.0.0", "M3"),
    ],
)
def test_every_breakpoint_starts_a_layout_and_the_version_before_has_the_older_one(version: str, name: str) -> None:
    assert layout_name(version) == name
    if parse_version(version) >= (1, 0, 0):
        assert layout_of(version).name == name


@pytest.mark.parametrize("version", ["0.5.0", "0.5.61", "0.10.9", "0.99.0"])
def test_versions_that_are_too_old_are_refused_with_a_sentence_that_names_those_that_work(version: str) -> None:
    with pytest.raises(TopologyError) as refused:
        layout_of(version)
    assert version in refused.value.what
    assert "1.0.0 and newer" in refused.value.what
    assert refused.value.exit_code == 3


# Each of these changes once within a layout: the last version with the old, the first with the new.
CHANGES: list[tuple[str, str, str, Any, Any]] = [
    ("1.0.2", "1.0.3", "wiring.scheduler.database.redis.addrs", None, "redis_addresses"),
    ("1.1.69", "1.1.70", "manager_addresses.client.config.manager.addrs", "manager_urls", None),
    ("1.2.17", "1.2.18", "wiring.client.manager.addrs", "manager_urls", None),
    ("1.2.17", "1.2.18", "wiring.client.manager.addr", None, "manager_url"),
    ("1.2.17", "1.2.18", "wiring.seed_peer.manager.addr", None, "manager_url"),
    ("1.3.0", "1.3.1", "runtimes", ("containerd", "cri-o"), ("containerd", "cri-o", "docker", "podman")),
    ("1.3.23", "1.3.24", "restart", (), ("containerd", "cri-o", "docker", "podman")),
    ("1.3.39", "1.3.40", "logs", "verbose", "levels"),
    ("1.1.66", "1.1.67", "redis_service", "redis-master", "redis-headless"),
    ("1.1.67", "1.1.68", "redis_service", "redis-headless", "redis-master"),
    ("1.1.67", "1.1.68", "redis_values", {"redis.architecture": "standalone"}, {}),
    # From one layout to the next.
    ("1.1.11", "1.1.12", "unused", (), ("client", "seedClient")),
    ("1.1.37", "1.1.38", "images", "strings", "maps"),
    ("1.1.65", "1.1.66", "runtime", "injection", "dfinit"),
    ("1.1.65", "1.1.66", "unused", ("client", "seedClient"), ()),
    ("1.4.4", "1.4.5", "ids.client.config.host.schedulerClusterID", None, "peer_cluster_id"),
    ("1.4.4", "1.4.5", "ids.seedClient.config.seedPeer.clusterID", "seed_peer_cluster_id", None),
    ("1.4.4", "1.4.5", "wiring.seed_peer.seedPeer.clusterID", "seed_peer_cluster_id", None),
    ("1.4.4", "1.4.5", "membership", ("scopes",), ("id", "scopes")),
]


@pytest.mark.parametrize(("last", "first", "path", "before", "after"), CHANGES)
def test_what_changes_changes_at_its_version_and_not_before(
    last: str, first: str, path: str, before: Any, after: Any
) -> None:
    def at(version: str) -> Any:
        layout, (field, *rest) = layout_of(version), path.split(".")
        found = getattr(layout, field)
        if field == "wiring":
            found, rest = found[rest[0]], rest[1:]
        return found.get(".".join(rest)) if rest else found

    assert (at(last), at(first)) == (before, after)


@pytest.mark.parametrize(
    ("version", "kinds", "fields"),
    [
        ("1.1.65", ["jaeger"], ["endpoint"]),
        ("1.3.30", ["jaeger"], ["endpoint"]),
        ("1.3.31", ["otlp"], ["endpoint"]),
        ("1.3.34", ["otlp"], ["endpoint", "headers"]),
        ("1.3.37", ["otlp"], ["endpoint", "headers", "protocol"]),
        ("1.4.3", ["otlp"], ["endpoint", "headers", "path", "protocol"]),
        ("1.7.8", ["otlp"], ["endpoint", "headers", "path", "protocol"]),
    ],
)
def test_what_charts_take_of_tracing_grew(version: str, kinds: list[str], fields: list[str]) -> None:
    tracing = layout_of(version).tracing
    assert [*tracing] == kinds
    assert sorted(tracing[kinds[0]].fields) == fields


def test_layouts_share_nothing_that_could_be_changed_in_one_and_seen_in_another() -> None:
    one, other = layout_of("1.7.3"), layout_of("1.7.4")
    assert one == other
    assert one.wiring is not other.wiring


def test_versions_compare_as_numbers_and_ignore_what_follows() -> None:
    assert parse_version("1.10.0") > parse_version("1.9.12")
    assert parse_version("1.7.4-rc.1+build") == (1, 7, 4)
    with pytest.raises(TopologyError, match="no chart version"):
        parse_version("latest")


def test_the_table_is_in_order() -> None:
    firsts = [row.first for row in breakpoints()]
    assert firsts == sorted(firsts)

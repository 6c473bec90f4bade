"""Values files from one chart version to another: nothing is lost without a word, and the result always fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfmc.errors import TopologyError, UsageError
from dfmc.values import migrate as module
from dfmc.values.conversions import CHANGES, VALUES
from dfmc.values.files import load_values_file
from dfmc.values.key_facts import known_versions, stages
from dfmc.values.keys import has_key, unknown_keys
from dfmc.values.layouts import data, parse_version
from dfmc.values.merge import nest
from dfmc.values.migrate import Migration, guess_version, migrate
from shared_material import shared_material

PUBLISHED = ("1.1.1", "1.1.37", "1.1.60", "1.1.66", "1.4.4", "1.4.5", "1.6.27", "1.7.4", "1.7.8")
L1, L3, M1, M2 = "1.1.1", "1.1.60", "1.4.4", "1.7.4"


def moved(values: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return dict(migrate(nest(values), source, target).values)


def notes(migration: Migration, kind: str) -> dict[str, str]:
    return {".".join(note.path): note.message for note in migration.notes if note.kind == kind}


def guide_file(name: str) -> dict[str, Any]:
    path = shared_material() / "guide" / f"charts-config-cluster-{name}.yaml"
    return dict(load_values_file(path).values)


def default_values(version: str) -> dict[str, Any]:
    path = shared_material() / "charts" / "default-values" / f"dragonfly-{version}.yaml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


GHCR = {
    "hostNamespace": "ghcr.io",
    "serverAddr": "https://ghcr.io",
    "capabilities": ["pull", "resolve"],
    "skipVerify": True,
}
DFINIT = {"enable": True, "config": {"containerRuntime": {"containerd": {"registries": [GHCR]}}}}
SEARCHED = ("registry.fedoraproject.org", "registry.access.redhat.com", "docker.io")
GO_LOGS = {"server": {"logLevel": "debug"}, "pprofPort": 18066}
CLIENT_LOGS = {"log": {"level": "debug"}}
ON_A = {"nodeSelector": {"cluster": "a"}, "metrics": {"enable": True}}
GUIDE_A: dict[str, Any] = {
    "scheduler": {
        "image": {"repository": "dragonflyoss/scheduler", "tag": "latest"},
        "replicas": 1,
        "config": GO_LOGS,
        **ON_A,
    },
    "seedClient": {"replicas": 1, "config": CLIENT_LOGS, **ON_A},
    "client": {"dfinit": DFINIT, "config": CLIENT_LOGS, **ON_A},
    "manager": {
        "image": {"repository": "dragonflyoss/manager", "tag": "latest"},
        "replicas": 1,
        "config": GO_LOGS,
        **ON_A,
    },
}
GUIDE_B: dict[str, Any] = {
    "scheduler": {
        "image": {"repository": "dragonflyoss/scheduler", "tag": "latest"},
        "nodeSelector": {"cluster": "b"},
        "replicas": 1,
        "config": {"manager": {"schedulerClusterID": 2}},
    },
    "seedClient": {
        "nodeSelector": {"cluster": "b"},
        "replicas": 1,
        "config": {"seedPeer": {"enable": True}, "host": {"schedulerClusterID": 2}},
    },
    "client": {
        "dfinit": DFINIT,
        "nodeSelector": {"cluster": "b"},
        "config": {"host": {"idc": "cluster-2", "schedulerClusterID": 2}},
    },
    "manager": {"enable": False},
    "externalManager": {
        "host": "dragonfly-manager.cluster-a.svc.cluster.local",
        "restPort": 8080,
        "grpcPort": 65003,
    },
    "redis": {"enable": False},
    "externalRedis": {
        "addrs": ["dragonfly-redis-master.cluster-a.svc.cluster.local:6379"],
        "password": "dragonfly",
    },
    "mysql": {"enable": False},
}


@pytest.mark.shared
def test_guide_file_a_for_1_7_4() -> None:
    migration = migrate(guide_file("a"), L1, M2)
    assert migration.values == GUIDE_A
    profiles = "left out: the client's profiles are at {}.config.stats.server.port (4004)"
    assert notes(migration, "lost") == {
        "jaeger": "left out: the chart brings no Jaeger; run an OTLP receiver and give its address as config.tracing "
        "of manager, scheduler, seedClient and client",
        "dfdaemon.config.pprofPort": profiles.format("client"),
        "seedPeer.config.pprofPort": profiles.format("seedClient"),
    }


@pytest.mark.shared
def test_guide_file_b_for_1_7_4_says_the_cluster_id_in_every_component() -> None:
    migration = migrate(guide_file("b"), L1, M2)
    assert migration.values == GUIDE_B
    assert set(notes(migration, "lost")) == {"jaeger"}
    assert set(notes(migration, "added")) == {"client.config.host.schedulerClusterID"}
    dropped = notes(migration, "dropped")
    assert "no chart reads it" in dropped["externalManager.enable"]
    assert "no chart reads it" in dropped["scheduler.config.manager.addr"]
    assert dropped["dfdaemon.config.scheduler.manager.netAddrs"] == "left out: externalManager says the same"


@pytest.mark.shared
def test_guide_files_for_1_7_8_write_the_switches_out() -> None:
    switches = {"manager.enable": True, "mysql.enable": True, "redis.enable": True}
    a = migrate(guide_file("a"), L1, "1.7.8")
    expected = {**GUIDE_A, "manager": {**GUIDE_A["manager"], "enable": True}}
    assert a.values == {**expected, "mysql": {"enable": True}, "redis": {"enable": True}}
    assert set(notes(a, "added")) == set(switches)
    assert migrate(guide_file("b"), L1, "1.7.8").values == GUIDE_B


@pytest.mark.shared
@pytest.mark.parametrize("name", ["a", "b"])
def test_guide_files_are_taken_for_a_chart_with_their_keys(name: str) -> None:
    guess = guess_version(guide_file(name))
    assert guess.reason.startswith("charts 1.0.0 to 1.1.37 have all of its keys; 1.1.38 does not have ")
    assert guess.reason.endswith("(layout L1)")
    assert migrate(guide_file(name), guess.version, M2).values == {"a": GUIDE_A, "b": GUIDE_B}[name]


@pytest.mark.shared
@pytest.mark.parametrize("target", PUBLISHED)
@pytest.mark.parametrize("source", PUBLISHED)
def test_default_values_of_every_chart_fit_every_other_afterwards(source: str, target: str) -> None:
    defaults = default_values(source)
    migration = migrate(defaults, source, target)
    assert unknown_keys(migration.values, target) == ()
    assert migration.values["manager"]["enable"] is defaults["manager"]["enable"]
    if source == target and parse_version(source) <= parse_version(known_versions()[1]):
        assert migration.values == defaults
        assert migration.notes == ()


@pytest.mark.shared
@pytest.mark.parametrize("version", PUBLISHED)
def test_a_charts_own_default_values_are_recognised(version: str) -> None:
    defaults = default_values(version)
    guessed = guess_version(defaults).version
    assert len(unknown_keys(defaults, guessed)) <= len(unknown_keys(defaults, version))


@pytest.mark.parametrize(
    ("source", "target", "before", "after"),
    [
        (L1, M2, {"manager.image": "ghcr.io/me/manager"},
         {"manager.image": {"registry": "ghcr.io", "repository": "me/manager"}}),
        (L1, L3, {"dfdaemon.image": "me/d", "dfdaemon.tag": "v1"},
         {"dfdaemon.image": {"repository": "me/d", "tag": "v1"}}),
        (L1, M2, {"scheduler.image": "me/s@sha256", "scheduler.tag": "ab"},
         {"scheduler.image": {"repository": "me/s", "digest": "sha256:ab"}}),
        (L1, M2, {"manager.pullSecrets": [{"name": "x"}]}, {"manager.image.pullSecrets": [{"name": "x"}]}),
        (L1, M2, {"seedPeer.image": "r.example/dragonflyoss/dfdaemon"}, {"seedClient.image.registry": "r.example"}),
        (L1, M2, {"manager.initContainer.image": "busybox", "manager.initContainer.tag": "1"},
         {"manager.initContainer.image": {"repository": "busybox", "tag": "1"}}),
        (L1, L3, {"containerRuntime.initContainerImage": "r.example/openssl"},
         {"containerRuntime.initContainer.image": {"registry": "r.example", "repository": "openssl"}}),
        (L1, M2, {"dfdaemon.config.proxy.registryMirror.url": "https://x"},
         {"client.config.proxy.registryMirror.addr": "https://x"}),
        (L1, M2, {"dfdaemon.config.upload.rateLimit": "1024Mi"}, {"client.config.upload.bandwidthLimit": "1024MiB"}),
        (L1, M2, {"dfdaemon.config.proxy.proxies": [{"regx": "blobs/.*", "useHTTPS": True}]},
         {"client.config.proxy.rules": [{"regex": "blobs/.*", "useTLS": True}]}),
        (L1, M2, {"dfdaemon.config.console": True}, {"client.config.console": True}),
        (L1, M2, {"seedPeer.persistence.size": "9Gi"}, {"seedClient.persistence.size": "9Gi"}),
        (L1, M2, {"seedPeer.config.storage.diskGCThresholdPercent": 80},
         {"seedClient.config.gc.policy.distHighThresholdPercent": 80}),
        (L1, M2, {"containerRuntime.crio": {"enable": True, "registries": ["https://ghcr.io"]}},
         {"client.dfinit.enable": True, "client.dfinit.config.containerRuntime": {
             "containerd": None,
             "crio": {"configPath": "/etc/containers/registries.conf",
                      "unqualifiedSearchRegistries": list(SEARCHED),
                      "registries": [{"prefix": "ghcr.io", "location": "ghcr.io"}]}}}),
        (L1, M2, {"containerRuntime.docker": {"enable": True, "restart": True}},
         {"client.dfinit.enable": True, "client.dfinit.restartContainerRuntime": True,
          "client.dfinit.config.containerRuntime": {
              "containerd": None, "docker": {"configPath": "/etc/docker/daemon.json"}}}),
        (L1, M2, {"containerRuntime.containerd": {"enable": False, "registries": ["https://x"]}},
         {"client.dfinit.enable": False}),
        (L1, M2, {"containerRuntime.containerd": {"enable": True, "configPathDir": "/etc/k3s"}},
         {"client.dfinit.enable": True,
          "client.dfinit.config.containerRuntime.containerd.configPath": "/etc/k3s/config.toml"}),
        (L1, M2, {"seedPeer.config.scheduler.manager.seedPeer.clusterID": 3},
         {"seedClient.config.host.schedulerClusterID": 3, "client.config.host.schedulerClusterID": 3}),
        (L1, M2, {"seedPeer.config.scheduler.manager.seedPeer.clusterID": 3,
                  "scheduler.config.manager.schedulerClusterID": 4},
         {"scheduler.config.manager.schedulerClusterID": 4, "seedClient.config.host.schedulerClusterID": 4,
          "client.config.host.schedulerClusterID": 4}),
        (L1, M1, {"seedPeer.config.scheduler.manager.seedPeer.clusterID": 3},
         {"seedClient.config.seedPeer.clusterID": 3}),
        (L1, M2, {"dfdaemon.config.scheduler.manager.netAddrs": [{"type": "tcp", "addr": "m.example:7000"}]},
         {"externalManager": {"host": "m.example", "grpcPort": 7000}}),
        ("1.2.0", M2, {"client.config.manager.addrs": ["http://m.example:65003"]},
         {"externalManager": {"host": "m.example", "grpcPort": 65003}}),
        (M2, M1, {"client.config.manager.addr": "http://m.example:65003"},
         {"externalManager": {"host": "m.example", "grpcPort": 65003}}),
        ("1.3.0", M2, {"client.config.verbose": True, "manager.config.verbose": False},
         {"client.config.console": True, "manager.config.server.logLevel": "info"}),
        ("1.6.8", M2, {"client.config.download.rateLimit": "20GiB"},
         {"client.config.download.bandwidthLimit": "20GiB"}),
        (M2, "1.6.8", {"client.config.download.bandwidthLimit": "20GiB"},
         {"client.config.download.rateLimit": "20GiB"}),
        (M2, L1, {"client.nodeSelector": {"a": "b"}, "seedClient.config.log.level": "debug"},
         {"dfdaemon.nodeSelector": {"a": "b"}, "seedPeer.config.verbose": True}),
        (M2, L3, {"client.nodeSelector": {"a": "b"}},
         {"client.nodeSelector": {"a": "b"}, "client.enable": True, "dfdaemon.enable": False,
          "seedClient.enable": True, "seedPeer.enable": False}),
        (M2, L1, {"client.dfinit": DFINIT},
         {"containerRuntime.containerd": {"enable": True, "registries": ["https://ghcr.io"]}}),
        (M2, L1, {"manager.image": {"registry": "r.example", "tag": "v1", "digest": "sha256:ab"}},
         {"manager.image": "r.example/dragonflyoss/manager@sha256", "manager.tag": "ab"}),
        (L3, M2, {"client.enable": True, "client.replicas": 1, "dfdaemon.tolerations": [1]}, {"client.enable": True}),
        (L3, M2, {"client.enable": False, "client.nodeSelector": {"x": "y"}, "dfdaemon.nodeSelector": {"a": "b"}},
         {"client.nodeSelector": {"a": "b"}}),
        (L3, M2, {"dfdaemon.enable": False}, {"client.enable": False}),
        (L1, M2, {"dfdaemon.resources": None}, {"client.resources": None}),
        (L1, M2, {"mysql.primary.persistence.size": "1Gi"}, {"mysql.primary.persistence.size": "1Gi"}),
    ],
)  # fmt: skip
def test_what_moved_is_where_the_target_reads_it(
    source: str, target: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert unknown_keys(nest(before), source) == () or "replicas" in str(before)
    assert moved(before, source, target) == nest(after)
    assert unknown_keys(nest(after), target) == ()


@pytest.mark.parametrize(
    ("source", "target", "path", "value", "words"),
    [
        (L1, M2, "dfdaemon.config.jaeger", "http://x", "is no OTLP address; set client.config.tracing"),
        (L1, M2, "manager.config.jaeger", "http://x", "is no OTLP address; set manager.config.tracing"),
        (L1, M2, "dfdaemon.image", "me/own", "name your copy of the client's"),
        (L1, M2, "trainer.enable", True, "the trainer is no part of the chart any more"),
        (L1, M2, "manager.config.objectStorage.enable", True, "chart 1.7.4 has no key manager.config.objectStorage"),
        (L1, M2, "dfdaemon.config.proxy.proxies", [{"regx": "x", "direct": True}], "nothing like a rule's direct"),
        (L1, M2, "scheduler.replcas", 2, "did you mean scheduler.replicas? (nor did chart 1.1.1 have it)"),
        (L1, M2, "dfdaemon.config.download.totalRateLimit", "fast", "the client reads sizes like 512MiB"),
        (M2, M1, "client.config.host.schedulerClusterID", 2, "client.config.host.idc: give the scope's"),
        (M2, L1, "manager.config.server.logLevel", "warn", "the chart knows verbose or not"),
        (M2, L1, "client.dfinit", {"enable": True, "config": {"containerRuntime": {"containerd": None, "podman": {}}}},
         "the chart cannot configure podman"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over_is_told_with_the_reason(
    source: str, target: str, path: str, value: Any, words: str
) -> None:
    migration = migrate(nest({path: value}), source, target)
    (message,) = [m for key, m in notes(migration, "lost").items() if path.startswith(key) or key.startswith(path)]
    assert words in message


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"manager.tag": "v2.1.0"}, "chart 1.7.4 is made for a version of its own"),
        ({"seedPeer.config.scheduler.manager.seedPeer.clusterID": 3}, "is the scheduler cluster's id now"),
        (
            {"dfdaemon.config.scheduler.manager.netAddrs": [{"addr": "a:1"}, {"addr": "b:1"}], "manager.enable": False},
            "of several addresses the first one is carried over",
        ),
        (
            {"dfdaemon.config.scheduler.manager.netAddrs": [{"addr": "a:1"}]},
            "counts only with manager.enable: false",
        ),
    ],
)
def test_what_may_not_mean_the_same_is_pointed_to(before: dict[str, Any], words: str) -> None:
    (message,) = notes(migrate(nest(before), L1, M2), "check").values()
    assert words in message


def test_two_answers_to_one_question_are_not_mixed() -> None:
    before = {
        "externalManager": {"host": "other.example"},
        "dfdaemon": {"config": {"scheduler": {"manager": {"netAddrs": [{"addr": "m.example:65003"}]}}}},
        "manager": {"enable": False, "config": {"verbose": True, "server": {"logLevel": "warn"}}},
    }
    migration = migrate(before, L1, M2)
    assert migration.values["externalManager"] == {"host": "other.example"}
    assert migration.values["manager"]["config"] == {"server": {"logLevel": "warn"}}
    assert set(notes(migration, "lost")) >= {
        "dfdaemon.config.scheduler.manager.netAddrs",
        "manager.config.verbose",
    }


@pytest.mark.parametrize(
    ("values", "version"),
    [
        ({"client": {"nodeSelector": {"a": "b"}}}, "1.1.66"),
        ({"client": {"config": {"host": {"schedulerClusterID": 2}}}}, "1.4.5"),
        ({"seedClient": {"config": {"seedPeer": {"clusterID": 2}}}}, "1.1.66"),
        ({"dfdaemon": {"image": {"tag": "x"}}}, "1.1.38"),
        ({"containerRuntime": {"crio": {"enable": True}}}, "1.0.0"),
        ({"scheduler": {"replicas": 2}}, "1.0.0"),
        ({}, "1.0.0"),
    ],
)
def test_the_source_is_guessed_from_the_keys(values: dict[str, Any], version: str) -> None:
    assert guess_version(values).version == version


def test_versions_that_nothing_is_known_of_are_refused() -> None:
    with pytest.raises(UsageError, match=r"charts older than 1\.0\.0 are not known"):
        migrate({}, "0.9.0", M2)
    with pytest.raises(UsageError, match=r"charts older than 1\.0\.0"):
        migrate({}, M2, "0.9.0")
    with pytest.raises(TopologyError, match=r"1\.7 is no chart version"):
        migrate({}, M2, "1.7")


def test_the_argument_is_not_changed() -> None:
    before = {"dfdaemon": {"config": {"host": {"idc": "x"}}}}
    migrate(before, L1, M2)
    assert before == {"dfdaemon": {"config": {"host": {"idc": "x"}}}}


# --- the table -------------------------------------------------------------------------------------------------


def table_paths() -> list[tuple[str, str, str]]:
    """Each old and new path of the table with the row's version."""
    found = []
    for row in module._rows():
        for names in module._applications(row):
            for old, new in row.get("moves", {}).items():
                found.append((row["since"], old.format(**names), new.format(**names)))
            leaving = [*row.get("moot", {}), *row.get("gone", {})]
            found += [(row["since"], old.format(**names), "") for old in leaving]
    return found


def test_every_path_of_the_table_is_a_key_of_some_chart() -> None:
    newest = parse_version(known_versions()[1])
    versions = [".".join(map(str, version)) for version in stages()]
    unknown = []
    for since, old, new in table_paths():
        if parse_version(since) > newest:
            continue
        unknown += [path for path in (old, new) if path and not any(has_key(path, version) for version in versions)]
    assert unknown == []


def test_the_table_names_only_conversions_that_exist() -> None:
    rows = module._rows()
    assert {row["convert"] for row in rows if "convert" in row} == set(CHANGES)
    assert {row["how"] for row in rows if "how" in row} == set(VALUES)
    known = {"since", "back", "only", "of", "pairs", "at", "moves", "how", "moot", "gone", "convert", "default"}
    assert all(set(row) <= {*known, "repositories"} for row in rows)
    sinces = [parse_version(row["since"]) for row in rows]
    assert sinces == sorted(sinces)


# --- any values ------------------------------------------------------------------------------------------------

PATHS = sorted(
    {path for _, *pair in table_paths() for path in pair if path}
    | set(data()["dead"])
    | {"manager.image", "manager.tag", "dfdaemon.image", "client.image", "containerRuntime.containerd.enable",
       "containerRuntime.containerd.registries", "client.dfinit.enable", "client.enable", "seedClient.enable",
       "dfdaemon.config.scheduler.manager.netAddrs", "client.config.manager.addr", "externalManager.host",
       "seedClient.config.host.schedulerClusterID", "client.config.host.schedulerClusterID", "bogus.key"}
)  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "debug", "x.example:1", "1Mi", "a/b@sha256"])
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["enable", "a.b", "addr", "regx", "tag", "registries"]), inner, max_size=2)
    ),
    max_leaves=4,
)
versions = st.sampled_from([*PUBLISHED, "1.1.12", "1.2.18", "1.3.31", "1.4.13", "1.8.5"])


@settings(max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(PATHS), trees, max_size=6), versions, versions)
def test_whatever_the_file_says_the_result_fits_and_every_key_has_a_note(
    flat: dict[str, Any], source: str, target: str
) -> None:
    values = nest(flat)
    migration = migrate(values, source, target)
    assert unknown_keys(migration.values, target) == ()
    told = {note.path for note in migration.notes}
    for path in _leaf_paths(values):
        stays = _at(migration.values, path) == _at(values, path)
        assert stays or any(path[: len(place)] == place or place[: len(path)] == path for place in told), path


def _leaf_paths(tree: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(tree, dict) and tree:
        return [leaf for key, value in tree.items() for leaf in _leaf_paths(value, (*path, key))]
    return [path] if path else []


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return "nothing there"
        tree = tree[key]
    return tree


def test_values_files_are_read_as_strictly_as_topologies(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    for text, words in {
        "a: 1\na: 2\n": "the key is given twice",
        "- a\n": "a values file is a mapping",
        "apiVersion: dfmc.io/v1alpha1\nkind: Topology\n": "this is no values file",
        "a: [\n": "not YAML",
    }.items():
        file.write_text(text)
        with pytest.raises(TopologyError) as caught:
            load_values_file(file)
        assert words in str(caught.value)
    file.write_text("")
    assert load_values_file(file).values == {}


@pytest.mark.parametrize(
    ("text", "has"), [("a: b # c\n", True), ("# c\na: b\n", True), ("a: b#c\n", False), ("a: '# c'\n", False)]
)
def test_comments_are_noticed(tmp_path: Path, text: str, has: bool) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text)
    assert load_values_file(file).has_comments is has

from typing import Any

import pytest
import yaml

from dfmc.values.key_facts import has_facts, newest_known
from dfmc.values.keys import has_key, has_key_exactly, unknown_keys, unknown_keys_of
from dfmc.values.merge import nest
from shared_material import shared_material

# The versions whose default values lie beside the checkout.
KNOWN = ("1.1.1", "1.1.37", "1.1.60", "1.1.66", "1.4.4", "1.4.5", "1.6.27", "1.7.4", "1.7.8")


def messages(values: dict[str, Any], version: str) -> list[str]:
    return [f"{'.'.join(problem.path)}: {problem.message}" for problem in unknown_keys(values, version)]


@pytest.mark.parametrize(
    "path",
    [
        "scheduler.config.manager.schedulerClusterID",
        "client.config.tracing.endpoint",
        "client.dfinit.config.containerRuntime.crio.registries",
        "client.affinity.nodeAffinity",
        "client.resources.limits.nvidia",
        "client.nodeSelector.anything",
        "client.updateStrategy.rollingUpdate.maxUnavailable",
        "manager.podAnnotations.prometheus",
        "mysql.primary.persistence.size",
        "redis.master.nodeSelector.x",
        "externalRedis.tls.caCert",
        "scheduler.config.storage.anything",
        "seedClient.persistence.storageClass",
        "global.imageRegistry",
    ],
)
def test_what_the_chart_reads_or_leaves_open_is_known(path: str) -> None:
    assert has_key(path, "1.7.4")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("schedular.replicas", "chart 1.7.4 has no key schedular; did you mean scheduler?"),
        ("client.config.host.schedulerClusterId", "did you mean client.config.host.schedulerClusterID?"),
        ("client.config.manager.caCert", "chart 1.7.4 has no key client.config.manager.caCert"),
        ("seedPeer.replicas", "it is seedClient there"),
        ("dfdaemon.config.host.idc", "it is client there"),
        ("containerRuntime.containerd.enable", "it is client.dfinit there"),
        ("manager.tag", "it is manager.image.tag there"),
        ("scheduler.config.verbose", "it is scheduler.config.server.logLevel there"),
        ("scheduler.config.manager.addr", "has no key scheduler.config.manager.addr"),
        ("seedClient.config.seedPeer.clusterID", "it is seedClient.config.host.schedulerClusterID there"),
        ("client.config.gc.policy.diskThreshold", "it is client.config.gc.policy.distThreshold there"),
    ],
)
def test_a_key_the_chart_lacks_is_named_with_what_was_probably_meant(path: str, message: str) -> None:
    found = messages(nest({path: 1}), "1.7.4")
    assert len(found) == 1
    assert message in found[0]


def test_a_new_key_on_an_old_chart_is_pointed_back() -> None:
    (found,) = messages({"seedClient": {"replicas": 1}}, "1.1.1")
    assert "it is seedPeer there" in found


def test_a_missing_branch_is_reported_once() -> None:
    assert len(messages({"bogus": {"a": {"b": 1, "c": 2}, "d": 3}}, "1.7.4")) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scheduler": {"image": "mine/scheduler"}}, "wants a map here, not a single value"),
        ({"scheduler": {"replicas": {"count": 1}}}, "wants a single value here, not a map"),
        ({"scheduler": {"tolerations": {"key": "x"}}}, "wants a list here, not a map"),
        ({"client": {"nodeSelector": ["x"]}}, "wants a map here, not a list"),
        ({"client": "off"}, "wants a map here, not a single value"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(values: dict[str, Any], message: str) -> None:
    (found,) = messages(values, "1.7.4")
    assert message in found


def test_null_may_stand_anywhere_it_takes_a_default_away() -> None:
    assert messages({"scheduler": {"image": None, "tolerations": None, "replicas": None}}, "1.7.4") == []


@pytest.mark.parametrize(
    ("path", "before", "since"),
    [
        ("externalRedis.tls", "1.7.2", "1.7.3"),
        ("manager.service.clusterIP", "1.6.7", "1.6.8"),
        ("seedClient.persistence.hostPath", "1.6.20", "1.6.21"),
        ("injector.enable", "1.6.15", "1.6.16"),
        ("manager.maxProcs", "1.1.9", "1.1.10"),
        ("trainer.enable", "1.0.6", "1.0.7"),
        ("client.enable", "1.1.11", "1.1.12"),
        ("client.dfinit.enable", "1.1.34", "1.1.35"),
        ("global.imageRegistry", "1.1.37", "1.1.38"),
        ("client.dfinit.restartContainerRuntime", "1.3.23", "1.3.24"),
        ("manager.config.server.logLevel", "1.3.39", "1.3.40"),
        ("client.config.host.schedulerClusterID", "1.4.4", "1.4.5"),
    ],
)
def test_keys_are_known_from_the_version_that_brought_them(path: str, before: str, since: str) -> None:
    assert not has_key_exactly(path, before)
    assert has_key_exactly(path, since)
    assert has_key_exactly(path, "1.7.4") != path.startswith("trainer")


def test_a_version_newer_than_all_known_is_judged_by_the_newest() -> None:
    assert has_key("client.dfinit.enable", "9.9.9")
    assert not has_key("dfdaemon.enable", "9.9.9")


def test_facts_end_at_the_newest_known_and_have_a_gap() -> None:
    assert newest_known() == "1.7.8"
    known = {version: has_facts(version) for version in ("0.9.9", "1.0.0", "1.7.4", "1.7.5", "1.7.7", "1.7.8", "1.7.9")}
    assert known == {
        "0.9.9": False,
        "1.0.0": True,
        "1.7.4": True,
        "1.7.5": False,
        "1.7.7": False,
        "1.7.8": True,
        "1.7.9": False,
    }


@pytest.mark.parametrize("path", ["client.config.manager.addr", "scheduler.service.type", "client.sysctlInit.enable"])
def test_between_two_known_versions_the_keys_of_both_may_be_there(path: str) -> None:
    assert has_key(path, "1.7.6")
    assert has_key(path, "1.7.4") != has_key(path, "1.7.8")


DEFAULTS: dict[str, Any] = {
    "scheduler": {"replicas": 3, "image": {"tag": "v1"}, "tolerations": [], "nodeSelector": {}},
    "client": {"config": {"tracing": {"protocol": ""}, "verbose": None}, "podAnnotations": {"a.b/c": "d"}},
    "redis": {"auth": {"password": "x"}},
    "odd.key": {"inner.key": 1},
}


@pytest.mark.parametrize(
    "values",
    [
        DEFAULTS,
        {"scheduler": {"nodeSelector": {"anything": "goes"}, "image": None}},
        {"redis": {"master": {"persistence": {"size": "1Gi"}}}},
        {"client": {"config": {"tracing": {"endpoint": "x:1"}, "verbose": {"what": "ever"}}}},
        {"client": {"podAnnotations": {"other": "x"}}},
    ],
)
def test_a_charts_own_defaults_tell_its_keys(values: dict[str, Any]) -> None:
    assert unknown_keys_of(values, DEFAULTS, "9.0.0") == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedular": 1}, "chart 9.0.0 has no key schedular; did you mean scheduler?"),
        ({"scheduler": {"tag": "v1"}}, "chart 9.0.0 has no key scheduler.tag; it is scheduler.image.tag there"),
        ({"scheduler": {"image": "x"}}, "chart 9.0.0 wants a map here, not a single value"),
        ({"client": {"config": {"gc": {"policy": {"diskThreshold": 1}}}}}, "chart 9.0.0 has no key client.config.gc"),
        ({"odd.key": {"inner": 1}}, "has no key odd.key.inner"),
        ({"odd": {"key": 1}}, "has no key odd"),
    ],
)
def test_what_they_lack_is_named(values: dict[str, Any], message: str) -> None:
    (problem,) = unknown_keys_of(values, DEFAULTS, "9.0.0")
    assert message in problem.message


@pytest.mark.shared
@pytest.mark.parametrize("version", ["1.7.4", "1.7.8"])
def test_facts_and_the_charts_own_defaults_agree(version: str) -> None:
    """Each finds in the other layouts' defaults what the other finds, but for keys that no default value shows."""
    folder = shared_material() / "charts" / "default-values"
    read = {name: yaml.safe_load((folder / f"dragonfly-{name}.yaml").read_text()) for name in KNOWN}
    for values in read.values():
        by_facts = {problem.path for problem in unknown_keys(values, version)}
        by_defaults = {problem.path for problem in unknown_keys_of(values, read[version], version)}
        assert by_facts <= by_defaults
        hidden = {path for path in by_defaults - by_facts if not has_key(".".join(path), version)}
        assert not hidden


@pytest.mark.shared
@pytest.mark.parametrize("version", KNOWN)
def test_every_default_of_the_real_chart_is_a_known_key(version: str) -> None:
    path = shared_material() / "charts" / "default-values" / f"dragonfly-{version}.yaml"
    defaults = yaml.safe_load(path.read_text())
    assert messages(defaults, version) == []


@pytest.mark.shared
def test_the_facts_have_no_key_that_the_real_defaults_and_templates_lack() -> None:
    """Teeth for the facts: default values of one layout are full of keys that another does not have."""
    folder = shared_material() / "charts" / "default-values"
    old = yaml.safe_load((folder / "dragonfly-1.1.1.yaml").read_text())
    assert {message.split(":")[0] for message in messages(old, "1.7.4")} >= {
        "containerRuntime",
        "seedPeer",
        "dfdaemon",
        "jaeger",
        "trainer",
        "triton",
        "scheduler.image",
        "scheduler.tag",
        "manager.config.verbose",
    }

from typing import Any

import pytest
import yaml

from dfmc.values.keys import has_key, has_key_exactly, unknown_keys
from dfmc.values.merge import nest
from shared_material import shared_material

# Of the versions whose default values lie beside the checkout, those that the facts cover.
KNOWN = ("1.1.1", "1.1.37", "1.1.60", "1.1.66", "1.4.4", "1.4.5", "1.6.27", "1.7.4")


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
    ],
)
def test_keys_are_known_from_the_version_that_brought_them(path: str, before: str, since: str) -> None:
    assert not has_key_exactly(path, before)
    assert has_key_exactly(path, since)
    assert has_key_exactly(path, "1.7.4") != path.startswith("trainer")


def test_a_version_newer_than_all_known_is_judged_by_the_newest() -> None:
    assert has_key("client.dfinit.enable", "9.9.9")
    assert not has_key("dfdaemon.enable", "9.9.9")


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

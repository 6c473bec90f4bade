"""Lints about addresses, credentials, images and resources."""

from __future__ import annotations

import pytest

from dfmc.linting.loading import inspect_whole

HEAD = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: x}
chart: {version: VERSION}
manager: {cluster: a, MANAGER}
DEFAULTS
clusters:
- {name: a, context: one, namespace: cluster-a, nodeSelector: {c: a}A}
- {name: b, context: CONTEXT, namespace: cluster-b, nodeSelector: {c: b}B}
"""
REACHABLE = "expose: {type: LoadBalancer}, address: dragonfly.example.com"


def told(
    manager: str = REACHABLE,
    *,
    a: str = "",
    b: str = "",
    context: str = "two",
    version: str = "1.7.4",
    defaults: str = "",
) -> list[str]:
    text = HEAD.replace("MANAGER", manager).replace("CONTEXT", context).replace("VERSION", version)
    text = text.replace("A}\n", f"{a and ', '}{a}}}\n").replace("B}\n", f"{b and ', '}{b}}}\n")
    found = inspect_whole(text.replace("DEFAULTS\n", defaults and f"{defaults}\n"), "t.yaml").inspection.problems
    return [f"{d.path} {d.rule}" for d in found]


def test_nothing_is_wrong_with_the_file_these_tests_start_from() -> None:
    assert told() == []
    assert told("", context="one") == []


@pytest.mark.parametrize(
    "address",
    [
        "dragonfly-manager.cluster-a.svc.cluster.local",
        "dragonfly-manager.cluster-a.svc.cluster.local.",
        "Dragonfly-Manager.cluster-a.SVC.Cluster.Local",
        "dragonfly-manager.cluster-a.svc",
        "dragonfly-manager.cluster-a",
        "dragonfly-manager",
        "localhost",
        "127.0.0.1",
    ],
)
def test_address_that_means_something_else_elsewhere(address: str) -> None:
    manager = f"expose: {{type: LoadBalancer}}, address: {address}"
    assert "manager.address DF204" in told(manager)
    assert "manager.address DF204" not in told(manager, context="one")


@pytest.mark.parametrize("address", ["dragonfly.example.com", "manager.svc.example.com", "a.b"])
def test_address_that_may_resolve_anywhere(address: str) -> None:
    assert told(f"expose: {{type: LoadBalancer}}, address: {address}") == []


def test_domain_of_the_cluster_is_what_the_values_say() -> None:
    manager = "expose: {type: LoadBalancer}, address: m.cluster-a.svc.k8s.example"
    assert told(manager) == []
    assert told(manager, a="values: {clusterDomain: k8s.example}") == ["manager.address DF204"]


def test_address_of_redis_for_members_elsewhere() -> None:
    redis = f"{REACHABLE}, redis: {{addresses: ['redis.example.com:6379', 'redis-master.cluster-a.svc:6379']}}"
    assert told(redis) == ["manager.redis.addresses[1] DF204"]
    assert told(redis, context="one") == []


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::1", "[2001:db8::1]"])
def test_address_that_is_no_name_is_bridged(address: str) -> None:
    assert told(f"expose: {{type: LoadBalancer}}, address: '{address}'") == []


@pytest.mark.parametrize("address", ["0.0.0.0", "169.254.10.1", "224.0.0.1", "fe80::1", "[ff02::1]", "::"])  # noqa: S104
def test_address_that_leads_to_no_other_machine(address: str) -> None:
    assert told(f"expose: {{type: LoadBalancer}}, address: '{address}'") == ["manager.address DF205"]
    assert told(f"address: '{address}'", context="one") == []


def test_member_elsewhere_needs_a_way_to_the_manager() -> None:
    assert told("expose: {type: ClusterIP}") == ["manager.expose DF206"]
    assert told("access: port-forward") == ["manager DF206"]
    assert told("expose: {type: NodePort}") == ["manager.expose DF206"]
    assert told("expose: {type: LoadBalancer}") == []
    assert told("expose: {type: ClusterIP}", context="one") == []
    assert told("access: port-forward", context="one, kubeconfig: other") == ["manager DF206"]


def secrets(value: str, key: str = "externalRedis: {sentinelPassword: %s}") -> list[str]:
    return [line.rpartition(" ")[2] for line in told(b=f"values: {{{key % value}}}")]


@pytest.mark.parametrize(
    "value", ["'Ab #cd'", "'a b'", "'a:'", "'päss'", "'12345678'", "12345678", "'1e10'", "'true'", "'Null'"]
)
def test_password_that_the_templates_would_change(value: str) -> None:
    assert secrets(value) == ["DF207"]


@pytest.mark.parametrize("value", ["Ab-cd_19", "''", "null", "x1e10"])
def test_password_that_arrives_as_it_stands(value: str) -> None:
    assert secrets(value) == []


def test_password_that_everybody_knows() -> None:
    assert secrets("dragonfly") == ["DF208"]
    assert secrets("dragonfly-root") == ["DF208"]
    assert secrets("ZHJhZ29uZmx5Cg==", "manager: {config: {auth: {jwt: {key: %s}}}}") == ["DF014", "DF208"]
    assert secrets("dragonfly", "redis: {auth: {password: %s}}") == ["DF014", "DF208"]


def test_no_finding_holds_the_password() -> None:
    text = (
        HEAD.replace("MANAGER", REACHABLE).replace("CONTEXT", "two").replace("VERSION", "1.7.4").replace("DEFAULTS", "")
    )
    text = text.replace("A}\n", "}\n").replace("B}\n", ", values: {externalRedis: {sentinelPassword: 's3cret #x'}}}\n")
    problems = inspect_whole(text, "t.yaml").inspection.problems
    assert problems
    assert not any("s3cret" in str(problem) for problem in problems)


def test_keys_that_only_sound_like_passwords() -> None:
    assert secrets("dragonfly", "redis: {auth: {existingSecretPasswordKey: %s}}") == []
    assert secrets("true", "redis: {auth: {usePasswordFiles: %s}}") == []


@pytest.mark.parametrize(
    ("more", "places"),
    [
        ({"b": "images: {scheduler: {tag: latest}}"}, ["clusters[1].images.scheduler.tag"]),
        ({"b": "images: {seedPeer: {tag: latest}, dfinit: {tag: latest}}"},
         ["clusters[1].images.seedPeer.tag", "clusters[1].images.dfinit.tag"]),
        ({"defaults": "defaults: {images: {client: {tag: latest}}}"}, ["defaults.images.client.tag"]),
        ({"b": "values: {client: {image: {tag: latest}}}"}, ["clusters[1].values.client.image.tag"]),
        ({"b": "values: {client: {extraContainers: [{image: 'x:latest'}]}}"}, None),
        ({"b": "images: {scheduler: {tag: v2.5.1}}"}, []),
        ({"b": "images: {scheduler: {tag: latest, digest: 'sha256:0'}}"}, []),
        ({"b": "values: {client: {image: {tag: latest, digest: 'sha256:0'}}}"}, []),
        ({"b": "labels: {tag: latest}"}, []),
    ],
)  # fmt: skip
def test_images_that_follow_latest(more: dict[str, str], places: list[str] | None) -> None:
    found = [line.partition(" ")[0] for line in told(**more) if line.endswith("DF209")]
    assert found == (["clusters[1].values.client.extraContainers[0].image"] if places is None else places)


def requests(version: str = "1.7.8", **more: str) -> list[str]:
    return [line.partition(" ")[0] for line in told(version=version, **more) if line.endswith("DF210")]


def test_seed_peers_of_newest_charts_want_eight_cpus() -> None:
    assert requests() == ["clusters[0]", "clusters[1]"]
    assert requests("1.7.7") == []
    small = "resources: {seedPeer: {requests: {cpu: '1', memory: 2Gi}}}"
    assert requests(defaults=f"defaults: {{{small}}}") == []
    assert requests(a=small) == ["clusters[1]"]


@pytest.mark.parametrize(
    "said",
    [
        "replicas: {seedPeer: 0}",
        "resources: {seedPeer: {requests: {cpu: 500m}}}",
        "resources: {seedPeer: {requests: null}}",
        "values: {seedClient: {resources: {requests: {cpu: 1}}}}",
        "values: {seedClient: {resources: null}}",
        "values: {seedClient: {replicas: 0}}",
        "values: {seedClient: {enable: false}}",
    ],
)
def test_seed_peers_whose_requests_are_said(said: str) -> None:
    assert requests(b=said) == ["clusters[0]"]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("resources: {seedPeer: {limits: {cpu: 1}}}", "clusters[1].resources.seedPeer"),
        ("resources: {seedPeer: {requests: {memory: 1Gi}}}", "clusters[1].resources.seedPeer"),
        ("values: {seedClient: {resources: {limits: {cpu: 1}}}}", "clusters[1]"),
        ("values: {seedClient: 1}", "clusters[1]"),
    ],
)
def test_seed_peers_whose_requests_stay_the_charts(said: str, place: str) -> None:
    assert requests(b=said) == ["clusters[0]", place]

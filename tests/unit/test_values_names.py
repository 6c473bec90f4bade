import pytest

from dfmc.values.names import central_endpoint, central_redis, component_name, fullname
from values_cases import CURRENT, guide


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("dragonfly", "dragonfly"),
        ("my-dragonfly-2", "my-dragonfly-2"),
        ("p2p", "p2p-dragonfly"),
        ("d" * 53, f"{'d' * 53}-dragonfly"),
        ("e" * 53 + "dragonfly" + "x" * 3, "e" * 53 + "dragonflyx"),
    ],
)
def test_the_stem_of_names_is_the_release_or_release_and_chart_within_63_characters(
    release: str, expected: str
) -> None:
    assert fullname(release) == expected


def test_a_stem_cut_at_a_dash_loses_the_dash() -> None:
    release = "r" * 52
    assert fullname(release, "abcdefghi-j") == f"{release}-abcdefghi"


def test_components_are_named_after_their_label() -> None:
    assert component_name("p2p", "seed-client") == "p2p-dragonfly-seed-client"


def test_the_central_manager_and_redis_are_the_charts_services() -> None:
    wanted = guide(CURRENT, a={"release": "p2p", "namespace": "centre"})
    endpoint = central_endpoint(wanted)
    assert endpoint.host == "p2p-dragonfly-manager.centre.svc.cluster.local"
    assert (endpoint.rest_port, endpoint.grpc_port) == (8080, 65003)
    assert central_redis(wanted) == ("p2p-redis-master.centre.svc.cluster.local:6379",)


def test_another_cluster_domain_is_taken_from_the_values_or_given() -> None:
    wanted = guide(CURRENT, a={"values": {"clusterDomain": "k8s.example"}})
    assert central_endpoint(wanted).host == "dragonfly-manager.cluster-a.svc.k8s.example"
    assert central_redis(wanted) == ("dragonfly-redis-master.cluster-a.svc.k8s.example:6379",)
    assert central_endpoint(wanted, "other").host == "dragonfly-manager.cluster-a.svc.other"


def test_an_external_redis_is_reached_at_the_files_addresses() -> None:
    wanted = guide(CURRENT, manager={"cluster": "a", "redis": {"addresses": ["one:1", "two:2"]}})
    assert central_redis(wanted) == ("one:1", "two:2")

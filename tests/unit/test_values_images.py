import pytest

from dfmc.values.images import split_repository
from dfmc.values.merge import get_path
from values_cases import CURRENT, LEGACY, NEWEST, VERSIONS, guide, rendered


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("dragonflyoss/manager", (None, "dragonflyoss/manager")),
        ("busybox", (None, "busybox")),
        ("ghcr.io/dragonflyoss/manager", ("ghcr.io", "dragonflyoss/manager")),
        ("localhost/manager", ("localhost", "manager")),
        ("registry:5000/a/b", ("registry:5000", "a/b")),
    ],
)
def test_the_first_part_is_a_registry_when_it_looks_like_a_host(
    repository: str, expected: tuple[str | None, str]
) -> None:
    assert split_repository(repository) == expected


@pytest.mark.parametrize("version", [LEGACY, "1.1.37"])
def test_layouts_up_to_l2_get_strings(version: str) -> None:
    images = {"manager": {"repository": "mine/manager", "tag": "v1", "pullPolicy": "Never"}}
    manager = rendered(guide(version, a={"images": images}), "a")["manager"]
    assert [manager[key] for key in ("image", "tag", "pullPolicy")] == ["mine/manager", "v1", "Never"]


def test_the_current_layout_gets_maps_with_the_registry_apart() -> None:
    images = {"manager": {"repository": "ghcr.io/mine/manager", "tag": "v1"}, "dfinit": {"tag": "v2"}}
    values = rendered(guide(CURRENT, a={"images": images}), "a")
    assert values["manager"]["image"] == {"registry": "ghcr.io", "repository": "mine/manager", "tag": "v1"}
    assert values["client"]["dfinit"]["image"] == {"tag": "v2"}


def test_a_digest_pins_the_image_in_both_forms() -> None:
    digest = "sha256:" + "ab" * 32
    images = {"scheduler": {"digest": digest}}
    legacy = rendered(guide(LEGACY, a={"images": images}), "a")["scheduler"]
    assert f"{legacy['image']}:{legacy['tag']}" == f"dragonflyoss/scheduler@{digest}"
    assert rendered(guide(CURRENT, a={"images": images}), "a")["scheduler"]["image"] == {"digest": digest}


def test_a_registry_goes_in_front_of_every_image_of_the_legacy_chart() -> None:
    images = {"registry": "r.example/m", "manager": {"repository": "ghcr.io/x/manager"}}
    values = rendered(guide(LEGACY, a={"images": images, "tracing": {"type": "jaeger"}}), "a")
    expected = {
        "manager.image": "r.example/m/x/manager",
        "scheduler.image": "r.example/m/dragonflyoss/scheduler",
        "seedPeer.image": "r.example/m/dragonflyoss/dfdaemon",
        "dfdaemon.image": "r.example/m/dragonflyoss/dfdaemon",
        "dfdaemon.initContainer.image": "r.example/m/busybox",
        "manager.initContainer.image": "r.example/m/busybox",
        "containerRuntime.initContainerImage": "r.example/m/dragonflyoss/openssl",
        "jaeger.allInOne.image": "r.example/m/jaegertracing/all-in-one",
        "mysql.image.registry": "r.example/m",
        "redis.image.registry": "r.example/m",
    }
    assert {path: get_path(values, path) for path in expected} == expected


def test_a_registry_overrides_all_of_the_current_chart_and_the_databases() -> None:
    values = rendered(guide(CURRENT, a={"images": {"registry": "r.example"}}), "a")
    paths = ("global.imageRegistry", "mysql.image.registry", "redis.image.registry")
    assert [get_path(values, path) for path in paths] == ["r.example"] * 3


def test_a_registry_reaches_the_jaeger_of_charts_that_have_a_common_registry_too() -> None:
    images = {"registry": "r.example/m", "seedPeer": {"repository": "ghcr.io/x/dfdaemon"}}
    values = rendered(guide("1.1.60", a={"images": images, "tracing": {"type": "jaeger"}}), "a")
    paths = ("global.imageRegistry", "jaeger.allInOne.image", "mysql.image.registry")
    assert [get_path(values, path) for path in paths] == [
        "r.example/m",
        "r.example/m/jaegertracing/all-in-one",
        "r.example/m",
    ]
    assert values["seedPeer"]["image"] == {"registry": "ghcr.io", "repository": "x/dfdaemon"}
    assert "initContainerImage" not in values["containerRuntime"]
    assert "allInOne" not in rendered(guide("1.1.60", a={"images": images}), "a")["jaeger"]


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (LEGACY, "pullSecrets"),
        ("1.1.37", "pullSecrets"),
        ("1.1.38", "image.pullSecrets"),
        ("1.1.66", "image.pullSecrets"),
        (CURRENT, "image.pullSecrets"),
        (NEWEST, "image.pullSecrets"),
    ],
)
def test_pull_secrets_reach_every_pod_in_the_form_it_takes(version: str, path: str) -> None:
    wanted = guide(version, a={"images": {"pullSecrets": ["one", "two"]}}, b={"images": {"pullSecrets": ["one"]}})
    values = rendered(wanted, "a")
    assert get_path(values, f"manager.{path}") == [{"name": "one"}, {"name": "two"}]
    assert get_path(values, f"scheduler.{path}") == [{"name": "one"}, {"name": "two"}]
    assert get_path(values, "mysql.image.pullSecrets") == ["one", "two"]
    assert "image" not in rendered(wanted, "b")["mysql"]


def test_databases_come_from_the_repository_that_still_has_them() -> None:
    for version in VERSIONS:
        values = rendered(guide(version), "a")
        for name in ("mysql", "redis"):
            assert get_path(values, f"{name}.image.repository") == f"bitnamilegacy/{name}"

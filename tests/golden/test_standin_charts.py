"""The stand-in charts against what the real charts render, object by object, and against their default values.

The reference lies beside the checkout (see `shared_material`).
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_renderer import Object, Renderer, by_key, normalised
from dfmc.testbed.chart_repository import standin_versions
from dfmc.testbed.chart_values import default_values
from helm_binary import helm_binary
from shared_material import shared_material

SUBCHARTS = {"mysql", "redis", "jaeger"}

CENTRAL_174 = {
    component: {"replicas": 1, "nodeSelector": {"cluster": "a"}} for component in ("manager", "scheduler", "seedClient")
} | {"client": {"nodeSelector": {"cluster": "a"}, "dfinit": {"enable": True}}}

MEMBER_174: dict[str, Any] = {
    "manager": {"enable": False, "metrics": {"enable": False}},
    "externalManager": {"host": "dragonfly-manager.cluster-a.svc.cluster.local"},
    "redis": {"enable": False},
    "externalRedis": {
        "addrs": ["dragonfly-redis-master.cluster-a.svc.cluster.local:6379"],
        "password": "dragonfly",
    },
    "mysql": {"enable": False},
    "scheduler": {
        "replicas": 1,
        "nodeSelector": {"cluster": "b"},
        "config": {"manager": {"schedulerClusterID": 2}},
    },
    "seedClient": {
        "replicas": 1,
        "nodeSelector": {"cluster": "b"},
        "config": {"host": {"schedulerClusterID": 2, "idc": "cluster-2"}},
    },
    "client": {
        "nodeSelector": {"cluster": "b"},
        "dfinit": {"enable": True},
        "config": {"host": {"schedulerClusterID": 2, "idc": "cluster-2"}},
    },
}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(helm_binary(), tmp_path_factory.mktemp("charts"))


def of_subchart(item: Object) -> bool:
    return item["metadata"].get("labels", {}).get("app.kubernetes.io/name") in SUBCHARTS


def differences(real: Any, ours: Any, path: str = "") -> Iterator[str]:
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in sorted({*real, *ours}, key=str):
            if key not in ours:
                yield f"{path}.{key}: missing, the real chart has {real[key]!r}"
            elif key not in real:
                yield f"{path}.{key}: {ours[key]!r} is not in the real chart"
            else:
                yield from differences(real[key], ours[key], f"{path}.{key}")
    elif real != ours:
        yield f"{path}: {ours!r}, the real chart has {real!r}"


WITHOUT_JAEGER = {"jaeger": {"enable": False}}  # as the references were made

REFERENCES: dict[str, tuple[str, str, Sequence[Path | Mapping[str, Any]]]] = {
    "legacy-1.1.1-central": ("1.1.1", "cluster-a", [Path("charts-config-cluster-a.yaml"), WITHOUT_JAEGER]),
    "legacy-1.1.1-member": ("1.1.1", "cluster-b", [Path("charts-config-cluster-b.yaml"), WITHOUT_JAEGER]),
    "current-1.7.4-central": ("1.7.4", "cluster-a", [CENTRAL_174]),
    "current-1.7.4-member": ("1.7.4", "cluster-b", [MEMBER_174]),
}


@pytest.mark.helm
@pytest.mark.shared
@pytest.mark.parametrize("reference", REFERENCES)
def test_the_standin_renders_the_real_charts_objects_and_no_others(helm: Renderer, reference: str) -> None:
    shared = shared_material()
    version, namespace, values = REFERENCES[reference]
    sources = [shared / "guide" / source if isinstance(source, Path) else source for source in values]
    ours = helm.objects(version, *sources, namespace=namespace)
    real = by_key((shared / "charts" / "rendered" / f"{reference}.yaml").read_text())
    assert len(real) > 5
    ours = {key: item for key, item in ours.items() if not of_subchart(item)}
    assert sorted(ours) == sorted(real)
    found = [line for key in real for line in differences(normalised(real[key]), normalised(ours[key]), "/".join(key))]
    assert not found, "\n".join(found)


WITHOUT_REFERENCE = {"1.4.2"}


@pytest.mark.shared
@pytest.mark.parametrize("version", sorted({*standin_versions()} - WITHOUT_REFERENCE))
def test_the_default_values_are_the_real_charts_but_for_alert_rules(version: str) -> None:
    folder = shared_material() / "charts" / "default-values"
    real = yaml.safe_load((folder / f"dragonfly-{version}.yaml").read_text())
    for component in real.values():
        if isinstance(component, dict) and "prometheusRule" in component.get("metrics", {}):
            component["metrics"]["prometheusRule"]["rules"] = []
    ours = yaml.safe_load(default_values(files("dfmc.testbed") / "charts", version))
    found = [*differences(real, ours)]
    assert not found, "\n".join(found)


@pytest.mark.shared
def test_every_chart_of_the_reference_has_a_standin() -> None:
    folder = shared_material() / "charts" / "default-values"
    published = {path.stem.removeprefix("dragonfly-") for path in folder.glob("dragonfly-*.yaml")}
    assert published == {*standin_versions()} - WITHOUT_REFERENCE


GUIDE_FILES = ["charts-config-cluster-a.yaml", "charts-config-cluster-b.yaml"]


@pytest.mark.helm
@pytest.mark.shared
@pytest.mark.parametrize("file", GUIDE_FILES)
@pytest.mark.parametrize("version", [version for version in standin_versions() if version not in ("1.1.1", "1.1.37")])
def test_the_guides_files_fail_where_images_are_maps_as_they_do_in_life(
    helm: Renderer, version: str, file: str
) -> None:
    error = helm.template(version, shared_material() / "guide" / file, expect_failure=True)
    assert "can't evaluate field pullSecrets" in error


@pytest.mark.helm
@pytest.mark.shared
@pytest.mark.parametrize("file", GUIDE_FILES)
def test_the_guides_files_do_as_they_are_up_to_1_1_37(helm: Renderer, file: str) -> None:
    objects = helm.objects("1.1.37", shared_material() / "guide" / file)
    assert ("StatefulSet", "dragonfly-seed-peer") in objects
    assert ("StatefulSet", "dragonfly-seed-client") not in objects

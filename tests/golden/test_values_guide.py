"""The guide's two topologies: their values, key by key, and against the guide's own files.

The files in values/ are what the last change was looked at and found right with; DFMC_UPDATE_GOLDEN=1 rewrites them.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfmc.state import Registration
from dfmc.symbols import Pending, SecretRef, Symbol, resolve
from dfmc.topology.model import Topology
from dfmc.values.check import check_values
from shared_material import shared_material
from topologies import entry, topology
from values_cases import rendered

FOLDER = Path(__file__).parent / "values"
HEADER = "# Rewritten by DFMC_UPDATE_GOLDEN=1 pytest tests/golden/test_values_guide.py; look at every change.\n"
# Listed in the guide, read by no chart.
DEAD = {"scheduler.config.manager.addr", "externalManager.enable"}

_LATEST: dict[str, Any] = {
    "manager": {"repository": "dragonflyoss/manager", "tag": "latest"},
    "scheduler": {"repository": "dragonflyoss/scheduler", "tag": "latest"},
    "seedPeer": {"repository": "dragonflyoss/dfdaemon", "tag": "latest"},
    "client": {"repository": "dragonflyoss/dfdaemon", "tag": "latest"},
}
_ONE_EACH = {"manager": 1, "scheduler": 1, "seedPeer": 1}


def guide_legacy() -> Topology:
    shared = {
        "images": _LATEST,
        "replicas": _ONE_EACH,
        "tracing": {"type": "jaeger"},
        "runtime": {"type": "containerd", "injectConfigPath": True, "registries": ["https://ghcr.io"]},
    }
    debugged = {"metrics": True, "logLevel": "debug", "pprofPort": 18066}
    return topology(
        chart={"repository": "https://charts.example/", "version": "1.1.1"},
        manager={"cluster": "a", "redisPassword": {"env": "DFMC_REDIS_PASSWORD"}},
        clusters=[entry("a", **shared, **debugged), entry("b", **shared, scopes={"idc": "cluster-2"})],
    )


def guide_on(version: str) -> Topology:
    shared = {"replicas": _ONE_EACH, "runtime": {"type": "containerd", "registries": ["https://ghcr.io"]}}
    return topology(
        chart={"repository": "https://charts.example/", "version": version},
        clusters=[entry("a", **shared), entry("b", **shared, scopes={"idc": "cluster-2"})],
    )


TOPOLOGIES = {"guide": guide_on("1.7.4"), "guide-legacy": guide_legacy()}
# The other layouts.
TOPOLOGIES |= {f"guide-{version}": guide_on(version) for version in ("1.1.37", "1.1.60", "1.1.66", "1.4.4", "1.7.8")}


def told(symbol: Symbol) -> str:
    return f"<{'secret' if isinstance(symbol, SecretRef) else 'pending'} {symbol.key}>"


@pytest.mark.parametrize("cluster", ["a", "b"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_guides_values_are_those_that_were_looked_at(name: str, cluster: str) -> None:
    values = resolve(rendered(TOPOLOGIES[name], cluster), told)
    path = FOLDER / f"{name}-{cluster}.yaml"
    if os.environ.get("DFMC_UPDATE_GOLDEN") == "1":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(HEADER + yaml.safe_dump(values, sort_keys=False))
    assert values == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_guides_topologies_are_without_problems(name: str) -> None:
    assert check_values(TOPOLOGIES[name]) == ()


@pytest.mark.shared
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_the_legacy_values_hold_everything_of_the_guides_own_file(cluster: str) -> None:
    file = yaml.safe_load((shared_material() / "guide" / f"charts-config-cluster-{cluster}.yaml").read_text())
    # The guide runs with the chart's public password; the file takes it from DFMC_REDIS_PASSWORD.
    ids = Registration(1, 1) if cluster == "a" else Registration(2, 2)
    values = rendered(TOPOLOGIES["guide-legacy"], cluster, registration=ids)
    values = resolve(values, lambda symbol: "dragonfly")
    wanted = dict(leaves(file))
    assert len(wanted) > 20
    found = dict(leaves(values))
    for path in wanted.keys() - DEAD:
        assert found.get(path, "missing") == wanted[path], path
    assert not DEAD & found.keys()


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree


def test_pending_ids_are_told_apart_in_the_golden_files() -> None:
    assert told(Pending("record:b/scheduler_cluster_id")) == "<pending record:b/scheduler_cluster_id>"

"""Every key that dfmc writes, against the default values of a chart of each layout, without the shipped facts.

What is not in the defaults is in a map that they leave open, in a chart inside the chart, or listed here with who reads
it: the list is short, and nothing else may hide in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from dfmc.values.key_facts import default_kinds
from shared_material import shared_material
from values_cases import rendered, topologies_of

VERSIONS = ("1.1.1", "1.1.37", "1.1.60", "1.1.66", "1.4.4", "1.4.5", "1.6.27", "1.7.4", "1.7.8")
SUBCHARTS = ("mysql", "redis", "jaeger", "global")
# Read by the templates, or passed on whole to a component that documents it in a comment of the defaults.
IN_TEMPLATES = {
    "persistence": {"storageClass"},
    "tracing": {"endpoint", "path", "headers"},
    "containerRuntime": {"crio", "docker", "podman"},
}


@pytest.mark.shared
@pytest.mark.parametrize("cluster", ["a", "b"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_key_of_every_role_runtime_and_option_is_in_the_charts_defaults(version: str, cluster: str) -> None:
    folder = shared_material() / "charts" / "default-values"
    kinds = dict(default_kinds(yaml.safe_load((folder / f"dragonfly-{version}.yaml").read_text())))
    strange = set()
    for wanted in topologies_of(version).values():
        for first_install in (True, False):
            values = rendered(wanted, cluster, first_install=first_install)
            strange |= {path for path in paths_of(values) if not is_known(path, kinds)}
    assert not strange


def paths_of(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, Mapping):
            yield from paths_of(value, (*above, key))


def is_known(path: tuple[str, ...], kinds: Mapping[tuple[str, ...], str]) -> bool:
    if path in kinds or any(kinds.get(path[:length]) == "open" for length in range(len(path))):
        return True
    if path[0] in SUBCHARTS and path[:1] in kinds:
        return True
    read = ((path[:index], path[index]) for index in range(1, len(path)))
    return any(parent in kinds and key in IN_TEMPLATES.get(parent[-1], ()) for parent, key in read)


@pytest.mark.shared
def test_the_check_has_teeth() -> None:
    folder = shared_material() / "charts" / "default-values"
    kinds = dict(default_kinds(yaml.safe_load((folder / "dragonfly-1.1.60.yaml").read_text())))
    values = rendered(topologies_of("1.7.4")["plain"], "b")
    strange = {".".join(path) for path in paths_of(values) if not is_known(path, kinds)}
    assert "client.config.host.schedulerClusterID" in strange
    assert "client.dfinit.restartContainerRuntime" in strange

"""Members without Redis through a real helm, on every stand-in chart: the proof holds, and bites when one is there."""

from __future__ import annotations

import pytest

from chart_renderer import Renderer
from dfmc.symbols import resolve
from dfmc.values.wiring import check_wiring, expected_wiring
from helm_binary import helm_binary
from values_cases import CURRENT, LEGACY, guide, inputs, known, rendered


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(helm_binary(), tmp_path_factory.mktemp("charts"))


@pytest.mark.helm
@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_the_scheduler_of_a_member_without_redis_has_no_address(helm: Renderer, version: str) -> None:
    without, shared = guide(version, b={"redis": "none"}), guide(version)
    wiring = expected_wiring(without, without.cluster("b"), inputs(without, "b"), known)
    findings = []
    for wanted in (without, shared):
        objects = helm.objects(version, resolve(rendered(wanted, "b"), known), namespace="cluster-b")
        config_maps = [item for (kind, _), item in objects.items() if kind == "ConfigMap"]
        findings.append([finding.key for finding in check_wiring(config_maps, wiring)])
    assert findings[0] == []
    assert {key.partition(": ")[2] for key in findings[1]} == {
        "database.redis.addrs",
        "database.redis.password",
        "job.redis.addrs",
        "job.redis.password",
    }

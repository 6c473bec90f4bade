"""What random sequences of operations have found, each as the shortest way to it."""

from __future__ import annotations

from typing import Any

import pytest

from dfmc.engine import credentials
from dfmc.errors import ConflictError
from fleet_order import disorder
from fleet_world import EVERYTHING, Charts, Fleet
from helm_binary import helm_binary

pytestmark = pytest.mark.helm


@pytest.fixture
def fleet(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.setattr(credentials, "generate", lambda key: f"made4{key.replace('-', '')}"[:20])
    return Fleet(Charts(helm_binary(), tmp_path))


def member(name: str) -> dict[str, Any]:
    return {"name": name, "context": "two", "namespace": f"cluster-{name}", "scopes": {"idc": name}}


def test_a_member_called_as_the_managers_own_record_may_be_added_after_another(fleet: Fleet) -> None:
    """Each alone: the first one brings the manager up, and nobody has named its record by then."""
    assert fleet.add(member("b")).failures == {}
    assert fleet.add(member("cluster-1")).failures == {}
    assert disorder(fleet, among=["b", "cluster-1"], pruned=False) == []


def test_another_chart_reaches_members_after_the_central_cluster_and_never_before_a_failure_of_it(
    fleet: Fleet,
) -> None:
    fleet.edit(lambda document: document["clusters"].append(member("b")))
    fleet.up()
    fleet.edit(lambda document: document["chart"].update(version="1.7.8"))
    for stop_at in range(1, 60):
        ended = fleet.up(consent=EVERYTHING, stop_at=stop_at)
        central, live = fleet.of["one"].live("dragonfly", "cluster-a"), fleet.of["two"].live("dragonfly", "cluster-b")
        assert central is not None
        assert live is not None
        is_begun = (live.chart_version, live.status) != ("1.7.4", "deployed")
        assert not is_begun or (central.chart_version, central.status) == ("1.7.8", "deployed")
        if not ended.is_cut_off:
            break
    assert disorder(fleet) == []


def test_a_service_whose_selector_somebody_else_has_narrowed_is_told_of(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.up()
    kube = fleet.of["one"]
    service = kube.objects["Service", "cluster-a", "manager-rest"]
    service["spec"]["selector"]["pool"] = "blue"
    apply = kube.apply

    async def of_two_owners(obj: dict[str, Any], *, force: bool = False) -> dict[str, Any]:
        made = await apply(obj, force=force)
        if obj["metadata"]["name"] == "manager-rest":
            made["spec"]["selector"]["pool"] = "blue"
        return made

    monkeypatch.setattr(kube, "apply", of_two_owners)
    error = fleet.up().failures["a"]
    assert isinstance(error, ConflictError)
    assert "pool=blue" in error.why
    assert "delete service manager-rest" in error.next_step

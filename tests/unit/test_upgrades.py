import pytest

from dfmc.planning.upgrades import upgrade_refusal
from dfmc.state import ReleaseState
from scenarios import scenario
from topologies import topology

B = topology().cluster("b")


def release(version: str, status: str = "deployed") -> ReleaseState:
    return ReleaseState("dragonfly", "cluster-b", 1, status, "dragonfly", version, "2.5.0", {}, {})


@pytest.mark.parametrize(("present", "wanted"), [("1.1.1", "1.7.4"), ("1.4.2", "1.4.3"), ("1.7.4", "1.1.11")])
@scenario("U10", real="what was observed is made up")
def test_no_release_crosses_the_change_of_selectors(present: str, wanted: str) -> None:
    refusal = upgrade_refusal(B, release(present), wanted)
    assert refusal is not None
    assert (refusal.where, refusal.left) == ("b", "nothing was changed")
    assert "helm uninstall dragonfly -n cluster-b --kube-context kind-kind" in refusal.next_step


@pytest.mark.parametrize(("present", "wanted"), [("1.1.1", "1.1.11"), ("1.4.5", "1.7.4"), ("1.7.4", "1.4.3")])
def test_other_changes_of_version_are_helms_business(present: str, wanted: str) -> None:
    assert upgrade_refusal(B, release(present), wanted) is None


def test_a_release_that_failed_half_way_may_go_back() -> None:
    assert upgrade_refusal(B, release("1.7.4", "failed"), "1.1.1") is None

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from dfmc.engine.preflight import needs_of, preflight
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import AuthError, PreflightError, UnreachableError
from dfmc.planning.steps import Action, Kind, Plan, Step
from dfmc.redaction import Redactor
from dfmc.state import AccessNeed
from dfmc.topology.load import load_file
from dfmc.topology.model import ClusterSpec
from fakes import FakeKube
from scenarios import scenario

LOADED = load_file(Path(__file__).parents[2] / "examples" / "guide" / "topology.yaml")
STEPS = (
    Step(Kind.NAMESPACE, "b", Action.CREATE),
    Step(Kind.RELEASE, "b", Action.CREATE, ("namespace:b",)),
    Step(Kind.READY, "a", Action.CHECK),
)
PLAN = Plan("guide", "1.7.4", STEPS)


class PickyKube(FakeKube):
    """Refuses what ``refused`` names."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = refused
        self.asked: list[AccessNeed] = []

    async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
        self.asked += verbs
        return [need for need in verbs if str(need) in self.refused]


class Helm:
    """Tells its version, or fails as told."""

    def __init__(self, error: PreflightError | None = None) -> None:
        self.error, self.asked = error, 0

    async def version(self) -> str:
        self.asked += 1
        if self.error:
            raise self.error
        return "4.1.0"


class Factory:
    def __init__(self, kube: FakeKube, helm: Helm) -> None:
        self._kube, self._helm = kube, helm

    def kube(self, cluster: ClusterSpec) -> FakeKube:
        return self._kube

    def helm(self, cluster: ClusterSpec) -> Helm:
        return self._helm

    def manager(self, base_url: str) -> None:
        raise AssertionError("nothing here asks the manager")


def run(kube: FakeKube, plan: Plan = PLAN, helm: Helm | None = None) -> dict[str, object]:
    async def main() -> dict[str, object]:
        factory = Factory(kube, helm or Helm())
        async with Session(LOADED, factory, Redactor(), RunOptions()) as session:  # type: ignore[arg-type] # two of four
            return dict(await preflight(session, plan))

    return asyncio.run(main())


def test_a_plan_that_writes_nothing_asks_nothing() -> None:
    kube, helm = PickyKube(), Helm()
    assert run(kube, Plan("guide", "1.7.4", (Step(Kind.READY, "a", Action.CHECK),)), helm) == {}
    assert (kube.asked, helm.asked) == ([], 0)


def test_only_what_the_steps_do_is_asked_for() -> None:
    kube = PickyKube()
    assert run(kube) == {}
    asked = {str(need) for need in kube.asked}
    assert "create namespaces" in asked
    assert "update secrets in namespace cluster-b" in asked
    assert "create leases.coordination.k8s.io in namespace cluster-a" in asked
    assert not [need for need in asked if "daemonsets" in need and "cluster-a" in need]


@scenario("P7", real="a cluster in memory that grants what it is told")
def test_a_missing_right_of_a_member_is_that_members_failure() -> None:
    failures = run(PickyKube("update secrets in namespace cluster-b", "create namespaces"))
    error = failures["b"]
    assert isinstance(error, AuthError)
    assert error.what == "2 rights are missing"
    assert error.why == "update secrets in namespace cluster-b; create namespaces"
    assert error.next_step.startswith(
        "kubectl --context kind-kind auth can-i update secrets -n cluster-b; dfmc rbac -c b"
    )


def test_a_missing_right_in_the_central_cluster_ends_the_run() -> None:
    with pytest.raises(AuthError, match="right is missing"):
        run(PickyKube("create leases.coordination.k8s.io in namespace cluster-a"))


def test_a_helm_that_does_not_work_ends_the_run_before_anything_is_asked() -> None:
    kube = PickyKube()
    with pytest.raises(PreflightError, match="helm is missing"):
        run(kube, helm=Helm(PreflightError("helm is missing")))
    assert kube.asked == []


def test_a_member_that_cannot_be_asked_fails_alone() -> None:
    class Deaf(PickyKube):
        async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
            if any(need.namespace == "cluster-b" for need in verbs):
                raise UnreachableError("no answer")
            return []

    assert isinstance(run(Deaf())["b"], UnreachableError)


def test_no_need_is_listed_twice() -> None:
    topology = LOADED.topology
    for cluster in topology.clusters:
        needs = needs_of(topology, cluster, PLAN)
        assert len(set(needs)) == len(needs)

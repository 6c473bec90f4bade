"""Waiting for a release whose StatefulSets would wait for ever for a pod that cannot start."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dfmc.engine.wait import until_ready
from dfmc.errors import LockedError, NotReadyError, UnreachableError
from dfmc.planning.readiness import superseded
from dfmc.state import ContainerState, PodState, WorkloadState
from fakes import FakeKube
from scenarios import scenario
from topologies import topology

B = topology().cluster("b")
ROLLING = WorkloadState("StatefulSet", "dragonfly-scheduler", "scheduler", 1, 0, 0, observed=True, revision="new")
STUCK = PodState("dragonfly-scheduler-0", "scheduler", "Pending", False, "", "", revision="old", uid="uid-1")
CRASHING = replace(STUCK, phase="Running", containers=(ContainerState("x", False, False, 3, "CrashLoopBackOff"),))


async def ours() -> None:
    """The lock is ours."""


class StatefulSetController(FakeKube):
    """Replaces a pod that is deleted by one of the new revision, and no other."""

    def __init__(self, pod: PodState) -> None:
        super().__init__()
        self.pod = pod

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        done = 1 if self.pod.ready else 0
        return [replace(ROLLING, updated=done, ready=done)]

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        return [self.pod]

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        assert (kind, name, namespace, uid) == ("Pod", self.pod.name, B.namespace, "uid-1")
        self.pod = replace(self.pod, phase="Running", ready=True, revision="new")
        await super().delete(api_version, kind, name, namespace, uid=uid)
        return True


@pytest.mark.parametrize("pod", [STUCK, CRASHING], ids=["never started", "crashing"])
def test_a_pod_that_cannot_start_with_old_settings_makes_room_for_the_new_ones(pod: PodState) -> None:
    kube, said = StatefulSetController(pod), list[str]()
    assert asyncio.run(until_ready(kube, B, ("scheduler",), timeout=5, say=said.append, verify=ours)) == 1
    assert kube.mutations == ["delete Pod dragonfly-scheduler-0"]
    assert said[0].startswith("replacing Pod dragonfly-scheduler-0")


@pytest.mark.parametrize(
    ("workload", "pod"),
    [
        (ROLLING, replace(STUCK, revision="new")),
        (ROLLING, replace(STUCK, terminating=True)),
        (ROLLING, replace(STUCK, phase="Running")),  # starting: a database may be creating its files
        (ROLLING, replace(STUCK, phase="Running", ready=True)),
        (ROLLING, replace(STUCK, component="manager")),
        (replace(ROLLING, observed=False), STUCK),  # the revision may be an older one
        (replace(ROLLING, revision=""), STUCK),  # whoever chose OnDelete or a partition replaces the pods himself
    ],
)
def test_other_pods_are_left_to_their_controller(workload: WorkloadState, pod: PodState) -> None:
    assert superseded([ROLLING], [STUCK]) == (STUCK,)
    assert superseded([workload], [pod]) == ()


@scenario("X6", "X8", real="an API server in memory")
def test_no_pod_is_deleted_once_the_lock_is_lost() -> None:
    async def lost() -> None:
        raise LockedError("the lock was lost")

    kube = StatefulSetController(STUCK)
    with pytest.raises(LockedError):
        asyncio.run(until_ready(kube, B, ("scheduler",), timeout=5, say=lambda text: None, verify=lost))
    assert kube.mutations == []


class Stuck(FakeKube):
    """A scheduler that never becomes ready, for the reason that its pod gives."""

    def __init__(self, pod: PodState) -> None:
        super().__init__()
        self.pod = pod

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        return [replace(ROLLING, revision="")]

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        return [self.pod]


def waited(kube: FakeKube) -> NotReadyError:
    with pytest.raises(NotReadyError) as caught:
        asyncio.run(until_ready(kube, B, ("scheduler",), timeout=0.01, say=lambda text: None, verify=ours))
    return caught.value


def test_a_container_that_ends_again_and_again_is_quoted() -> None:
    kube = Stuck(CRASHING)
    kube.logs["dragonfly-scheduler-0", "x"] = "panic: WRONGPASS invalid username-password pair"
    error = waited(kube)
    assert "CrashLoopBackOff" in error.why
    assert error.why.endswith("said last:\npanic: WRONGPASS invalid username-password pair")
    assert "logs dragonfly-scheduler-0 -c x --previous" in error.next_step


def test_a_log_that_cannot_be_read_costs_nothing_but_itself() -> None:
    kube = Stuck(CRASHING)
    kube.fail["get Log dragonfly-scheduler-0/x"] = UnreachableError("no answer")
    assert "CrashLoopBackOff" in waited(kube).why


def test_an_init_container_that_waits_says_for_what_and_how_to_try_it() -> None:
    waits = ContainerState("wait-for-manager", False, True, 0, "", "waits for manager.example:65003")
    error = waited(Stuck(replace(STUCK, containers=(waits,))))
    assert "in init container wait-for-manager, which waits for manager.example:65003" in error.why
    assert "nslookup manager.example && nc -vz manager.example 65003" in error.next_step


def test_an_image_that_cannot_be_pulled_is_described() -> None:
    pulls = ContainerState("scheduler", False, False, 0, "ImagePullBackOff", 'Back-off pulling image "x"')
    kube = Stuck(replace(STUCK, containers=(pulls,)))
    error = waited(kube)
    assert "ImagePullBackOff" in error.why
    assert "describe pod dragonfly-scheduler-0" in error.next_step
    assert not [line for line in kube.requests if "Log" in line]

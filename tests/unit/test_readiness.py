import pytest

from dfmc.planning.readiness import misled, obstacles
from dfmc.state import ContainerState, EditedConfigMap, PodState, WorkloadState
from scenarios import scenario

SCHEDULER = WorkloadState("StatefulSet", "dragonfly-scheduler", "scheduler", 1, 1, 0, observed=True)


def pod(*containers: ContainerState, reason: str = "", message: str = "", phase: str = "Pending") -> PodState:
    return PodState("dragonfly-scheduler-0", "scheduler", phase, False, "", "", containers, reason, message)


def texts(*pods: PodState, workload: WorkloadState = SCHEDULER, expected: tuple[str, ...] = ()) -> list[str]:
    return [str(obstacle) for obstacle in obstacles([workload], list(pods), expected)]


def test_ready_means_nothing_in_the_way() -> None:
    ready = WorkloadState("StatefulSet", "s", "scheduler", 2, 2, 2, observed=True)
    assert texts(workload=ready, expected=("scheduler",)) == []


def test_a_spec_the_controller_has_not_seen_is_not_ready() -> None:
    unseen = WorkloadState("StatefulSet", "s", "scheduler", 1, 1, 1, observed=False)
    assert texts(workload=unseen) == ["StatefulSet s: Progressing: 1/1 ready"]


def test_the_schedulers_own_words_are_kept_and_no_waiting_helps() -> None:
    message = "0/5 nodes are available: 5 node(s) didn't match Pod's node affinity/selector."
    (found,) = obstacles([SCHEDULER], [pod(reason="Unschedulable", message=message)], ())
    assert str(found) == f"Pod dragonfly-scheduler-0: Unschedulable: {message}"
    assert found.hopeless


@scenario("P14", real="what was observed is made up")
def test_an_image_that_cannot_be_pulled_is_named() -> None:
    waiting = ContainerState("scheduler", False, False, 0, "ImagePullBackOff", 'Back-off pulling image "x"')
    assert texts(pod(waiting)) == [
        'Pod dragonfly-scheduler-0: ImagePullBackOff: container scheduler: Back-off pulling image "x"'
    ]


def test_an_init_container_that_waits_is_named() -> None:
    init = ContainerState("wait-for-manager", False, True, 0)
    main = ContainerState("scheduler", False, False, 0, "PodInitializing")
    assert texts(pod(init, main)) == ["Pod dragonfly-scheduler-0: Init: in init container wait-for-manager"]
    init = ContainerState("wait-for-manager", False, True, 0, message="waits for manager.example.com:30951")
    assert texts(pod(init, main)) == [
        "Pod dragonfly-scheduler-0: Init: in init container wait-for-manager, which waits for manager.example.com:30951"
    ]


def test_a_crash_loop_is_hopeless_only_after_several_restarts() -> None:
    def looping(restarts: int) -> PodState:
        return pod(ContainerState("scheduler", False, False, restarts, "CrashLoopBackOff", "back-off 10s"))

    assert not obstacles([SCHEDULER], [looping(2)], ())[0].hopeless
    assert obstacles([SCHEDULER], [looping(5)], ())[0].hopeless


def test_a_daemon_set_without_nodes_is_an_obstacle_and_a_scaled_down_deployment_is_not() -> None:
    client = WorkloadState("DaemonSet", "dragonfly-client", "client", 0, 0, 0, observed=True)
    assert texts(workload=client) == ["DaemonSet dragonfly-client: NoNodes: no node matches its nodeSelector"]
    off = WorkloadState("Deployment", "d", "manager", 0, 0, 0, observed=True)
    assert texts(workload=off) == []


def test_a_component_without_workload_is_an_obstacle() -> None:
    assert texts(pod(), expected=("scheduler", "client"))[0] == "component client: NoWorkload: it has been deleted"


@pytest.mark.parametrize(
    ("edited", "since", "started", "expected"),
    [
        ("dragonfly-scheduler", 100.0, 150.0, True),
        ("dragonfly-scheduler", 100.0, 100.0, True),
        ("dragonfly-scheduler", 100.0, 50.0, False),
        ("dragonfly-scheduler", None, 50.0, True),
        ("dragonfly-scheduler", 100.0, None, False),
        ("dragonfly-scheduler-more", 100.0, 150.0, True),
        ("dragonfly-client", 100.0, 150.0, False),
    ],
)
def test_only_pods_that_started_with_an_edited_configuration_start_again(
    edited: str, since: float | None, started: float | None, expected: bool
) -> None:
    workload = WorkloadState("StatefulSet", "dragonfly-scheduler", "scheduler", 1, 1, 1, observed=True)
    pod = PodState("dragonfly-scheduler-0", "scheduler", "Running", True, "", "", started=started)
    edit = EditedConfigMap(edited, ("scheduler.yaml",), since)
    assert misled([edit], [workload], [pod]) == ((workload,) if expected else ())

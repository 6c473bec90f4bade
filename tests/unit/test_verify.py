"""``verify`` from counters to counters: each fault ends with its cause, and nothing that is unknown passes as good."""

import time
from dataclasses import replace

import pytest

from dfmc.engine.verify_content import VerifyOptions, named_content
from dfmc.engine.verify_report import VerifyReport
from dfmc.errors import AuthError, DfmcError, PreflightError, UnreachableError, UsageError
from dfmc.state import LocalRegistry, NodePull
from topologies import entry
from verify_world import NOT_READY, SIZE, VerifyWorld

SCHEDULER_ID = "host.schedulerClusterID"


@pytest.fixture
def world() -> VerifyWorld:
    return VerifyWorld()


def causes(report: VerifyReport) -> dict[str, list[str]]:
    """Ids by cluster, without those of the same sentence."""
    return {cluster.name: [cause.id for cause in cluster.all_causes()] for cluster in report.clusters}


def test_a_healthy_world_is_proven_by_blobs(world: VerifyWorld) -> None:
    report = world.blob()
    assert causes(report) == {"a": [], "b": []}
    assert report.is_proven
    pulls = [pull for cluster in report.clusters for pull in cluster.pulls]
    assert [pull.verdict.source for pull in pulls] == ["seed", "peers", "seed", "peers"]
    assert [pull.verdict.received for pull in pulls] == [SIZE] * 4
    assert len(set(world.clients.asked)) == 1
    assert world.clients.asked[0].startswith("http://origin.example:5000/v2/dfmc-verify/blobs/sha256:")


def test_a_healthy_world_is_proven_by_an_image(world: VerifyWorld) -> None:
    report = world.image()
    assert report.is_proven
    assert [pull.seconds for pull in report.clusters[0].pulls] == [1.5, 1.5]
    assert world.clients.asked == [f"worker-{name} registry.example/big:1" for name in ("a1", "a2", "b1", "b2")]


def test_every_run_asks_for_a_blob_that_nobody_has_seen(world: VerifyWorld) -> None:
    assert world.blob().is_proven
    assert world.blob().is_proven
    assert len(set(world.clients.asked)) == 2


def test_a_cluster_whose_seed_has_only_just_started_is_given_time(world: VerifyWorld) -> None:
    world.started = {"a": time.time() - 3600, "b": time.time() - 10}
    assert world.blob().is_proven
    (waited,) = world.waited
    assert 30 < waited <= 45
    assert any("only just started" in note for note in world.notes)


def test_clients_that_are_older_than_their_scheduler_are_given_time_to_ask_and_to_announce(world: VerifyWorld) -> None:
    now = time.time()
    world.client_started, world.scheduler_started = now - 280.0, now - 250.0
    assert world.blob().is_proven
    assert len(world.waited) == 2
    assert all(300 - 280 + 15 - 5 < waited <= 300 - 280 + 15 for waited in world.waited)  # by the program's defaults


def test_a_wait_for_schedulers_can_be_bounded(world: VerifyWorld) -> None:
    world.client_started, world.scheduler_started = time.time() - 20.0, time.time() - 10.0
    assert world.verify(replace(BLOB, settle_timeout=7.0)).is_proven
    assert world.waited == [7.0, 7.0]
    assert world.verify(replace(BLOB, settle_timeout=0.0)).is_proven
    assert world.waited == [7.0, 7.0]


def test_nothing_is_written(world: VerifyWorld) -> None:
    world.blob()
    assert world.kube.mutations == []


def test_one_cluster_can_be_verified_alone(world: VerifyWorld) -> None:
    assert causes(world.blob("b")) == {"b": []}
    with pytest.raises(UsageError, match="no cluster is called nowhere"):
        world.blob("nowhere")


# --- faults of the issue ---


def test_a_member_whose_clients_carry_id_1(world: VerifyWorld) -> None:
    for client in world.sim.clients("b"):
        client.joined = 1
    world.configured["b", "client", SCHEDULER_ID] = 1
    report = world.blob()
    assert causes(report) == {"a": [], "b": ["client-id", "client-id", "wiring"]}
    sentence = next(report.clusters[1].all_causes()).sentence
    assert "works with the scheduler of a" in sentence
    assert "host.schedulerClusterID: expected 2, seen 1" in sentence


def test_a_client_that_was_not_started_anew_since_its_id_was_put_right(world: VerifyWorld) -> None:
    world.sim.client("b").joined = 1
    assert causes(world.blob()) == {"a": [], "b": ["client-id"]}


@pytest.mark.parametrize("cluster", ["a", "b"])
def test_a_scheduler_that_is_down(world: VerifyWorld, cluster: str) -> None:
    world.sim.scheduler(cluster).up = False
    found = causes(world.blob())[cluster]
    assert found[0] == "scheduler-down"
    assert "workload" in found
    assert "evidence" not in found


@pytest.mark.parametrize("cluster", ["a", "b"])
def test_a_seed_that_is_down(world: VerifyWorld, cluster: str) -> None:
    world.sim.seed(cluster).up = False
    found = causes(world.blob())[cluster]
    assert found == ["seed-down", "workload"]


def test_a_wrong_redis(world: VerifyWorld) -> None:
    world.configured["b", "scheduler", "database.redis.addrs"] = ["redis.elsewhere:6379"]
    report = world.blob()
    assert causes(report) == {"a": [], "b": ["redis"]}
    cause = report.clusters[1].causes[0]
    assert "redis.elsewhere:6379" in cause.sentence
    assert cause.next_step == "dfmc up topology.yaml -c b"


def test_hosts_toml_missing_on_a_node(world: VerifyWorld) -> None:
    world.sim.client("b", 2).wired = False
    report = world.image()
    assert causes(report) == {"a": [], "b": ["runtime-not-wired"]}
    assert "worker-b2" in report.clusters[1].pulls[1].verdict.causes[0].sentence


def test_a_dead_proxy_port_lets_the_image_through_and_is_told(world: VerifyWorld) -> None:
    world.sim.client("a").proxy_up = False
    report = world.image()
    assert causes(report)["a"][0] == "proxy-dead"
    assert report.clusters[0].pulls[0].verdict.source == "none"


def test_a_dead_proxy_port_fails_a_blob(world: VerifyWorld) -> None:
    world.sim.client("a").proxy_up = False
    assert causes(world.blob())["a"] == ["proxy-dead", "pull-failed"]


def test_a_seed_with_id_1(world: VerifyWorld) -> None:
    world.sim.seed("b").joined = 1
    world.configured["b", "seed-client", SCHEDULER_ID] = 1
    report = world.blob()
    assert causes(report)["b"] == ["seed-id", "wiring"]
    assert "seed-id" in causes(report)["a"]


def test_scopes_that_send_bs_clients_to_a() -> None:
    clusters = [entry("a"), entry("b", scopes={"idc": "cluster-2"}, membership="scopes")]
    world = VerifyWorld(clusters=clusters)
    for client in world.sim.clients("b"):
        client.joined = 1
    assert causes(world.blob()) == {"a": [], "b": ["scopes", "scopes"]}


# --- evidence ---


def test_counters_that_cannot_be_read_are_a_finding(world: VerifyWorld) -> None:
    world.kube.unreadable.add("dragonfly-seed-client-0")
    report = world.blob()
    assert not report.is_proven
    assert causes(report)["b"].count("evidence") == 2  # every cluster's counters are evidence
    assert "connection refused" in next(report.clusters[1].all_causes()).sentence


def test_a_scheduler_that_is_ready_and_cannot_be_read_is_a_finding(world: VerifyWorld) -> None:
    world.kube.unreadable.add("dragonfly-scheduler-0")
    assert set(causes(world.blob())["a"]) == {"evidence"}


def test_a_pod_that_is_not_ready_but_serves_is_counted(world: VerifyWorld) -> None:
    world.not_ready.add(("a", "dragonfly-seed-client-0"))
    report = world.blob()
    assert causes(report)["a"] == ["workload"]
    assert [pull.verdict.crossed for pull in report.clusters[0].pulls] == [0, 0]


def test_without_a_manager_nothing_is_proven(world: VerifyWorld) -> None:
    observed = replace(world.observed(), manager=None, manager_error=UnreachableError("the manager does not answer"))
    world.observed = lambda: observed  # type: ignore[method-assign] # one observation is like another
    report = world.blob()
    assert causes(report) == {"a": ["wiring"], "b": ["wiring"]}


def test_a_cluster_out_of_reach_is_told_and_the_others_are_verified(world: VerifyWorld) -> None:
    world.errors["b"] = UnreachableError("the API server does not answer")
    report = world.blob()
    assert report.clusters[0].is_proven
    assert report.clusters[1].error is world.errors["b"]
    assert not report.is_proven


def test_a_cluster_that_is_not_installed_is_told(world: VerifyWorld) -> None:
    world.released.discard("b")
    assert causes(world.blob()) == {"a": [], "b": ["not-installed"]}


def test_a_cluster_without_a_ready_client_is_told(world: VerifyWorld) -> None:
    world.not_ready |= {("b", f"dragonfly-client-b{n}") for n in (1, 2)}
    assert causes(world.blob())["b"] == ["workload", "no-client"]


def test_a_cluster_of_one_node_shows_half_of_it(world: VerifyWorld) -> None:
    world.not_ready.add(("b", "dragonfly-client-b2"))
    del world.sim.peers["b", "dragonfly-client-b2"]
    cluster = world.blob().clusters[1]
    assert cluster.is_proven
    assert "one node" in cluster.notes[0]


def test_an_image_that_the_node_has_proves_nothing(world: VerifyWorld) -> None:
    world.clients.node_pull = NodePull(0.0, was_present=True)
    report = world.image()
    assert set(causes(report)["a"]) == {"present"}
    assert world.kube.forwarded == []  # the proxy is not asked: nothing was to be pulled


def test_an_image_that_could_not_be_removed_is_noted(world: VerifyWorld) -> None:
    world.clients.node_pull = NodePull(1.0, is_kept=True)
    verdict = world.image().clusters[0].pulls[0].verdict
    assert verdict.notes == ("the image could not be removed from worker-a1",)


@pytest.mark.parametrize("error", [NOT_READY, DfmcError("the runtime could not pull it", why="not found")])
def test_a_failed_pull_is_a_cause_and_the_next_one_is_tried(world: VerifyWorld, error: DfmcError) -> None:
    world.clients.pull_fails = error
    report = world.image()
    assert causes(report)["a"] == ["pull-failed"]
    assert error.why in next(report.clusters[0].all_causes()).sentence
    assert len(world.clients.asked) == 4


def test_a_missing_permission_ends_the_run(world: VerifyWorld) -> None:
    world.clients.pull_fails = AuthError("not allowed to create pods in namespace cluster-a")
    with pytest.raises(AuthError) as caught:
        world.image()
    assert caught.value.where == "a"
    assert len(world.clients.asked) == 1


# --- traces ---

BLOB = VerifyOptions("blob", url="http://origin.example:5000")
TRACED = VerifyOptions("blob", url="http://origin/v2/x/blobs/sha256:{digest}?size=9", jaeger="http://jaeger")


def traced(report: VerifyReport) -> list[bool | None]:
    return [pull.is_traced for cluster in report.clusters for pull in cluster.pulls]


def test_each_pull_is_looked_for_in_jaeger_by_what_its_proxy_was_asked(world: VerifyWorld) -> None:
    world.clients.trace_hosts = frozenset({"ip-of-worker-a1", "ip-of-worker-a2", "ip-of-worker-b1"})
    report = world.verify(TRACED)
    assert traced(report) == [True, True, True, False]
    assert report.is_proven  # the counters have the say
    assert {f"http://origin{target}" for target in world.clients.traced} == {report.content.name}


def test_a_jaeger_out_of_reach_is_left_out(world: VerifyWorld) -> None:
    world.clients.trace_hosts = UnreachableError("Jaeger does not answer")
    report = world.verify(TRACED)
    assert traced(report) == [None] * 4
    assert len(world.clients.traced) == 1
    assert report.is_proven


def test_of_an_image_by_name_no_url_is_known(world: VerifyWorld) -> None:
    report = world.verify(VerifyOptions(image="registry.example/big:1", jaeger="http://jaeger"))
    assert traced(report) == [None] * 4


def test_of_a_pushed_image_the_layer_is_looked_for(world: VerifyWorld) -> None:
    world.verify(VerifyOptions(push="registry:5000/verify", jaeger="http://jaeger"))
    assert set(world.clients.traced) == {"/v2/verify/blobs/sha256:layer?ns=registry%3A5000"}


# --- what to pull ---

PUSH = VerifyOptions(push="registry:5000/verify", push_url="http://127.0.0.1:40123")


def test_a_fresh_image_is_pushed_pulled_everywhere_and_deleted(world: VerifyWorld) -> None:
    report = world.verify(PUSH)
    assert report.is_proven
    assert (report.content.name, report.content.is_fresh) == ("registry:5000/verify:fresh-1", True)
    assert world.clients.asked == [
        "http://127.0.0.1:40123",
        "push verify",
        *(f"worker-{name} registry:5000/verify:fresh-1" for name in ("a1", "a2", "b1", "b2")),
        "delete verify:fresh-1",
    ]


def test_its_layer_is_a_fresh_blob_and_its_registry_is_asked_by_the_nodes_name(world: VerifyWorld) -> None:
    report = world.verify(VerifyOptions("blob", push="registry:5000/verify"))
    assert report.content.name == "http://registry:5000/v2/verify/blobs/sha256:layer"
    assert world.clients.asked[0] == "http://registry:5000"
    assert report.is_proven


def test_what_was_pushed_is_deleted_even_after_a_failure(world: VerifyWorld) -> None:
    world.clients.pull_fails = AuthError("not allowed to create pods")
    with pytest.raises(AuthError):
        world.verify(PUSH)
    assert world.clients.asked[-1] == "delete verify:fresh-1"


def test_an_image_that_the_registry_keeps_is_told(world: VerifyWorld) -> None:
    world.clients.lets_delete = False
    world.verify(PUSH)
    assert "lets nobody delete" in world.notes[-1]


# --- in kind ---

BESIDE = LocalRegistry("dfmc-verify-registry:5000", "172.18.0.9:5000", "http://127.0.0.1:40123")


def kind_nodes(world: VerifyWorld, provider: str = "kind://docker/kind/kind-worker") -> None:
    for name in ("kind-worker", "kind-control-plane"):
        metadata = {"name": name}
        world.kube.objects["Node", None, name] = {"metadata": metadata, "spec": {"providerID": provider}}


def test_in_kind_a_registry_of_its_own_runs_meanwhile(world: VerifyWorld) -> None:
    kind_nodes(world)
    world.clients.beside = BESIDE
    report = world.verify(VerifyOptions())
    assert report.is_proven
    assert report.content.name == "http://172.18.0.9:5000/v2/dfmc-verify/blobs/sha256:layer"
    asked = world.clients.asked
    assert asked[:3] == ["registry beside kind-control-plane", "http://127.0.0.1:40123", "push dfmc-verify"]
    assert asked[-2:] == ["delete dfmc-verify:fresh-1", "registry removed"]


def test_where_the_runtimes_are_told_of_that_registry_an_image_is_pulled() -> None:
    runtime = {"type": "containerd", "registries": ["http://dfmc-verify-registry:5000"]}
    world = VerifyWorld(clusters=[entry("a", runtime=runtime), entry("b", scopes={"idc": "x"}, runtime=runtime)])
    kind_nodes(world)
    world.clients.beside = BESIDE
    report = world.verify(VerifyOptions())
    assert (report.content.method, report.content.name) == ("image", "dfmc-verify-registry:5000/dfmc-verify:fresh-1")
    assert report.is_proven


def test_what_is_named_needs_no_registry(world: VerifyWorld) -> None:
    kind_nodes(world)
    assert world.image().is_proven
    assert not any("registry beside" in line for line in world.clients.asked)


@pytest.mark.parametrize("provider", ["", "aws:///eu-1/i-1", "kind://docker/kind/of-another-machine"])
def test_elsewhere_something_must_be_named(world: VerifyWorld, provider: str) -> None:
    kind_nodes(world, provider)
    with pytest.raises(PreflightError, match="nothing to pull"):
        world.verify(VerifyOptions())


@pytest.mark.parametrize("push", ["registry:5000", "registry:5000/", "registry/UPPER", "/x", "r/../x y"])
def test_what_is_no_repository_is_refused(world: VerifyWorld, push: str) -> None:
    with pytest.raises(UsageError, match="--push"):
        world.verify(VerifyOptions(push=push))


def test_auto_takes_an_image_where_one_is_named() -> None:
    assert named_content(VerifyOptions(image="x:1", url="http://o")).method == "image"
    assert named_content(VerifyOptions(url="http://o")).method == "blob"
    with pytest.raises(PreflightError, match="nothing to pull"):
        named_content(VerifyOptions())


@pytest.mark.parametrize("options", [VerifyOptions("image", url="http://o"), VerifyOptions("blob", image="x:1")])
def test_a_method_needs_its_own_option(options: VerifyOptions) -> None:
    with pytest.raises(UsageError, match="needs"):
        named_content(options)


def test_a_url_with_a_path_is_taken_as_it_is() -> None:
    fixed = named_content(VerifyOptions("blob", url="http://o/v2/x/blobs/sha256:abc"))
    assert (fixed.name, fixed.is_fresh) == ("http://o/v2/x/blobs/sha256:abc", False)
    fresh = named_content(VerifyOptions("blob", url="http://o/v2/x/blobs/sha256:{digest}?size=9"))
    assert fresh.is_fresh
    assert len(fresh.name) == len("http://o/v2/x/blobs/sha256:?size=9") + 64


def test_a_chart_whose_clients_do_not_count_is_refused() -> None:
    world = VerifyWorld(chart={"repository": "https://charts.example/", "version": "1.1.11"})
    with pytest.raises(PreflightError, match="do not count"):
        world.blob()

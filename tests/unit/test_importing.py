"""``dfmc import`` without a cluster: what becomes of releases and records, and that nothing is lost or made up."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from dfmc.errors import PreflightError, UsageError
from dfmc.linting.loading import load_from_text
from dfmc.planning.bridges import bridge_object, slice_objects, wanted_bridges
from dfmc.planning.importing.found import Found, FoundRelease, Wishes
from dfmc.planning.importing.importer import import_topology
from dfmc.planning.importing.world import choose_central
from dfmc.state import BridgeObjects, KubernetesFacts, Observed, ObservedManager, SchedulerRecord
from dfmc.topology.model import SecretSource, Topology
from dfmc.values.context import role_of
from dfmc.values.layouts import layout_of
from dfmc.values.merge import get_path, merge
from dfmc.values.owned import owned_keys
from dfmc.values.render import preset
from import_worlds import WISHES, found, hand_made, import_of, made_by_dfmc, plan_of, record
from observed_worlds import FACTS, UID, finished, release
from topologies import entry, topology
from values_cases import many_topologies

MANAGER = "dragonfly-manager.cluster-a.svc.cluster.local"
CENTRAL = {"manager": {"enable": True, "replicas": 1}, "mysql": {"enable": True}, "redis": {"enable": True}}
MEMBER = {
    "manager": {"enable": False},
    "mysql": {"enable": False},
    "redis": {"enable": False},
    "externalManager": {"host": MANAGER, "restPort": 8080, "grpcPort": 65003},
    "externalRedis": {"addrs": ["dragonfly-redis-master.cluster-a.svc.cluster.local:6379"], "password": "dragonfly"},
}
A = hand_made("cluster-a", CENTRAL)
ROWS = (record(1, "cluster-1"), record(2, "cluster-2", idc="cluster-2"))


def member(number: int, namespace: str = "cluster-b", **more: Any) -> FoundRelease:
    """A member on 1.7.4 whose three parts say an id."""
    ids = {"config": {"host": {"schedulerClusterID": number}}}
    values = {"scheduler": {"config": {"manager": {"schedulerClusterID": number}}}, "seedClient": ids, "client": ids}
    return hand_made(namespace, merge(merge(MEMBER, values), more.pop("values", {})), **more)


B = member(2)


def names(file: Topology) -> list[str]:
    return [cluster.name for cluster in file.clusters]


# --- what dfmc made itself -------------------------------------------------------------------------------------------

MANY = many_topologies()


@pytest.mark.parametrize("name", MANY)
def test_what_dfmc_brought_up_is_imported_as_a_file_that_changes_nothing(name: str) -> None:
    file = MANY[name]
    world = made_by_dfmc(file)
    imported, again = import_of(world)
    assert names(again) == names(file)
    plan = plan_of(again, world, adopt=False)
    assert {step.id: [str(change) for change in step.changes] for step in plan.mutations} == {}, imported.text
    assert (imported.warnings, imported.adopts) == ((), False)
    assert "--adopt" not in imported.text
    assert import_of(world)[0].text == imported.text


PORTS = {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952}
BALANCED = {"type": "LoadBalancer", "annotations": {"lb.example/class": "inner"}}


@pytest.mark.parametrize(
    ("address", "expose", "status"),
    [
        ("dragonfly.example.com", PORTS, None),
        ("dragonfly.example.com", BALANCED, None),
        ("192.0.2.10", PORTS, None),
        ("2001:db8::10", PORTS, None),
        (None, BALANCED, {"ip": "192.0.2.20"}),
        (None, BALANCED, {"hostname": "lb.example.com"}),
    ],
)
def test_members_elsewhere_are_imported_with_the_address_that_dfmc_was_given(
    address: str | None, expose: dict[str, Any], status: dict[str, str] | None
) -> None:
    manager = {"cluster": "a", "expose": expose} | ({"address": address} if address else {})
    file = topology(manager=manager, clusters=[entry("a"), entry("b", context="far", scopes={"idc": "x"})])
    world = finished(file)
    balancer = {"status": {"loadBalancer": {"ingress": [status] if status else []}}}
    services = {name: {**service, **balancer} for name, service in world.services.items()}
    far = replace(world.clusters["b"], facts=replace(FACTS, uid="uid-2"))
    world = replace(world, services=services, clusters={**world.clusters, "b": far})
    far = replace(far, release=release(file, file.cluster("b"), world), bridges=bridges(file, world))
    world = replace(world, clusters={**world.clusters, "b": far})
    there = made_by_dfmc(file, world)
    imported, again = import_of(there)
    assert (again.manager.address, again.manager.expose) == (address, file.manager.expose)
    plan = plan_of(again, there, adopt=False)
    assert {step.id: [str(change) for change in step.changes] for step in plan.mutations} == {}, imported.text
    assert imported.warnings == ()


def bridges(file: Topology, world: Observed) -> BridgeObjects:
    """What the member has once its bridges are written."""
    services: dict[str, Any] = {}
    slices: list[dict[str, Any]] = []
    for bridge in wanted_bridges(file, file.cluster("b"), world):
        service = bridge_object(file, file.cluster("b"), UID, bridge)
        service["metadata"]["uid"] = bridge.service
        services[bridge.service] = service
        slices += slice_objects(file, file.cluster("b"), UID, bridge, service)
    return BridgeObjects(services, tuple(slices))


def test_no_password_of_the_releases_is_in_the_text() -> None:
    for file in MANY.values():
        text = import_topology(made_by_dfmc(file), WISHES).text
        assert "canary" not in text


def test_what_fits_a_typed_field_is_one() -> None:
    _, again = import_of(made_by_dfmc(MANY["1.7.4-full-otlp"]))
    cluster = again.cluster("a")
    assert (len(cluster.tolerations), cluster.metrics, cluster.log_level) == (1, True, "debug")
    assert (cluster.replicas.manager, cluster.replicas.scheduler, cluster.replicas.seed_peer) == (3, 2, 1)
    assert cluster.tracing is not None
    assert cluster.tracing.headers == {"tenant": "t"}
    assert cluster.resources.manager == {"limits": {"cpu": "1"}}
    assert cluster.persistence.seed_peer.storage_class == "fast"


# --- made by hand ----------------------------------------------------------------------------------------------------


def unexplained(text: str, file: Topology, world: Found) -> list[str]:
    """Return the changes of the plan that no comment names."""
    comments = " ".join(line.lstrip("# -") for line in text.splitlines() if line.lstrip().startswith("#"))
    words = set(re.split(r"[\s,:()]+", comments))
    plan = plan_of(file, world)
    assert plan.failures == {}
    changes = [(step, change.path) for step in plan.mutations for change in step.changes]
    assert changes
    said = [(step.id, path.partition(".")[0] if step.kind == "expose" else path) for step, path in changes]
    return [f"{step}: {path}" for step, path in said if path not in words and path not in comments]


def test_the_guide_by_hand_is_explained_to_the_last_field() -> None:
    world = found(A, B, records=ROWS)
    imported, file = import_of(world)
    assert names(file) == ["cluster-1", "cluster-2"]
    assert file.manager.cluster == "cluster-1"
    assert file.cluster("cluster-2").scopes.idc == "cluster-2"
    assert unexplained(imported.text, file, world) == []
    assert imported.warnings == ()


CHOICES: dict[str, list[Any]] = {
    "scheduler.replicas": [1, 3],
    "scheduler.nodeSelector": [{"cluster": "b"}, {}],
    "scheduler.config.verbose": [True, False],
    "scheduler.config.server.logLevel": ["info", "debug"],
    "scheduler.resources": [{"limits": {"cpu": "1"}}],
    "scheduler.metrics.enable": [True, False],
    "scheduler.misspelt": [1],
    "seedClient.replicas": [0, 2],
    "seedClient.persistence.size": ["1Gi"],
    "client.enable": [True, False],
    "client.dfinit.enable": [True, False],
    "client.dfinit.config.containerRuntime.containerd.registries": [[{"hostNamespace": "ghcr.io"}], []],
    "client.dfinit.restartContainerRuntime": [True, False],
    "client.tolerations": [[{"operator": "Exists"}], []],
    "client.image.tag": ["v1.0.0", "no"],
    "client.image.registry": ["ghcr.io"],
    "client.config.host.idc": ["x", "cluster-2"],
    "client.config.proxy.registryMirror.addr": ["https://u:sesame-canary@r.example"],
    "client.hostNetwork": [True],
    "global.imageRegistry": ["r.example"],
    "manager.config.auth.jwt.key": ["sesame-canary-key"],
    "manager.config.objectStorage.secretKey": ["sesame-canary-too"],
    "manager.nodeSelector": [{"cluster": "b"}],
    "manager.ingress": [{"enable": True, "hosts": ["m.example"]}, {"enable": True}],
    "mysql.primary.persistence.size": ["2Gi"],
    "mysql.auth.password": ["sesame-canary-db"],
    "redis.auth.password": ["sesame-canary-redis"],
    "redis.replica.replicaCount": [0],
    "nameOverride": ["other"],
    "scheduler": [None, 7],
}


def random_values(chance: random.Random, base: dict[str, Any]) -> dict[str, Any]:
    values = base
    for path in chance.sample(sorted(CHOICES), chance.randint(0, 12)):
        tree: Any = chance.choice(CHOICES[path])
        for key in reversed(path.split(".")):
            tree = {key: tree}
        merged = merge(values, tree)
        if get_path(merged, "manager.enable") == get_path(base, "manager.enable"):
            values = merged
    return values


@pytest.mark.parametrize("seed", range(150))
def test_whatever_somebody_set_is_kept_or_explained_and_no_secret_written(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    version = chance.choice(["1.4.5", "1.6.27", "1.7.4", "1.7.8"])
    central = hand_made("cluster-a", random_values(chance, CENTRAL), version=version)
    other = hand_made("cluster-b", random_values(chance, dict(B.release.values)), version=version)
    world = found(central, other, records=ROWS)
    imported = import_topology(world, WISHES)
    assert "sesame" not in imported.text
    assert not any("sesame" in warning for warning in imported.warnings)
    file = load_from_text(imported.text, "imported.yaml").topology
    assert unexplained(imported.text, file, world) == []
    assert written_out(file, world) == []


def written_out(file: Topology, world: Found) -> list[str]:
    """Return what the plan adds to values beyond what dfmc writes into every release."""
    plan = plan_of(file, world)
    found = []
    for step in plan.mutations:
        if step.kind != "release":
            continue
        cluster = file.cluster(step.cluster)
        # The runtime's switch is always written, and what the chart has by default beside it.
        own = (*owned_keys(layout_of(file.chart.version)), "client.dfinit", "owner", "chart archive (sha256)")
        preset_tree = preset(layout_of(file.chart.version).presets, role_of(file, cluster))
        for change in step.changes:
            path = re.sub(r"\[\d+\]", "", change.path)
            is_own = any(path == key or path.startswith(f"{key}.") for key in own)
            if change.new is not None and not is_own and get_path(preset_tree, path) is None:
                found.append(path)
    return found


def test_what_only_one_part_has_is_not_spread_over_the_others() -> None:
    quirks = {
        "metrics": {"enable": True},
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"disk": "ssd"},
        "config": {"pprofPort": 7, "server": {"logLevel": "debug"}},
    }
    world = found(hand_made("cluster-a", merge(CENTRAL, {"scheduler": quirks})), B, records=ROWS)
    _, file = import_of(world)
    assert written_out(file, world) == []
    assert file.central.metrics is None
    assert file.central.values["scheduler"] == quirks


def test_a_release_that_says_another_clusters_id_is_matched_by_its_idc_and_told() -> None:
    wrong = member(1, values={"client": {"config": {"host": {"idc": "cluster-2"}}}})
    imported, file = import_of(found(A, wrong, records=ROWS))
    assert names(file) == ["cluster-1", "cluster-2"]
    assert any("its schedulers say id 1, its record has 2" in warning for warning in imported.warnings)
    assert "scheduler.config.manager.schedulerClusterID (1 → 2)" in imported.text


def test_of_two_releases_with_one_id_the_one_in_the_records_scope_has_it() -> None:
    right = member(2, "zone-b", values={"client": {"config": {"host": {"idc": "cluster-2"}}}})
    imported, file = import_of(found(A, member(2, "zone-a"), right, records=ROWS))
    assert file.cluster("cluster-2").namespace == "zone-b"
    assert names(file) == ["cluster-1", "cluster-2", "zone-a"]
    assert any("zone-a: the manager has no record for it" in warning for warning in imported.warnings)


def test_a_release_without_a_record_and_a_record_without_a_release_are_named() -> None:
    rows = (*ROWS, record(7, "gone"))
    active = SchedulerRecord(1, "far-0", "10.0.0.9", 8002, "active", 7)
    world = found(A, B, member(9, "cluster-c"), records=rows)
    world = replace(world, manager=ObservedManager(rows, (active,)))
    imported, file = import_of(world)
    assert names(file) == ["cluster-1", "cluster-2", "cluster-c"]
    assert "record gone (id 7) has no release in these contexts; its schedulers far-0 are active" in imported.text
    assert sum("record gone" in warning for warning in imported.warnings) == 1
    assert any("cluster-c: the manager has no record for it" in warning for warning in imported.warnings)
    plan = plan_of(file, world)
    step = plan.step("record:cluster-c")
    assert step is not None
    assert step.action == "create"


def test_several_managers_have_to_be_chosen_from_and_each_has_its_own_members() -> None:
    other = hand_made("zz", CENTRAL)
    theirs = member(2, "yy", values={"externalManager": {"host": "dragonfly-manager.zz.svc.cluster.local"}})
    releases = [A, B, other, theirs]
    with pytest.raises(UsageError) as raised:
        choose_central(releases)
    assert "--manager kind-kind/cluster-a/dragonfly" in raised.value.next_step
    assert choose_central(releases, "kind-kind/zz/dragonfly") is other
    with pytest.raises(UsageError):
        choose_central(releases, "kind-kind/yy/dragonfly")
    imported, file = import_of(found(A, B, other, theirs, records=ROWS))
    assert names(file) == ["cluster-1", "cluster-2"]
    assert "release kind-kind/zz/dragonfly runs a manager of its own" in imported.text
    assert "release kind-kind/yy/dragonfly uses the manager of kind-kind/zz/dragonfly" in imported.text


def test_without_a_manager_or_with_a_chart_too_old_there_is_nothing_to_import() -> None:
    with pytest.raises(PreflightError, match="no release here runs a manager"):
        choose_central([B])
    with pytest.raises(PreflightError, match="too old"):
        choose_central([hand_made("a", CENTRAL, version="0.5.60")])


def test_members_of_another_layout_are_moved_to_the_managers_chart() -> None:
    old = hand_made(
        "cluster-b",
        merge(MEMBER, {"scheduler": {"tag": "v2.1.0", "config": {"manager": {"schedulerClusterID": 2}}}}),
        version="1.1.1",
    )
    ancient = hand_made("cluster-c", MEMBER, version="0.5.60")
    imported, file = import_of(found(A, old, ancient, records=ROWS))
    assert names(file) == ["cluster-1", "cluster-2"]
    assert file.cluster("cluster-2").images.scheduler.tag == "v2.1.0"
    assert "its release is of chart 1.1.1; a file has one for all, so up makes it 1.7.4" in " ".join(imported.warnings)
    assert any("--allow" in warning or "recreate" in warning for warning in imported.warnings)
    assert "release kind-kind/cluster-c/dragonfly: chart 0.5.60 is too old" in imported.text


def test_the_manager_keeps_the_number_of_pods_that_the_chart_gave_it() -> None:
    manifest = "kind: Deployment\nmetadata: {name: dragonfly-manager}\nspec: {replicas: 3}\n"
    bare = hand_made("cluster-a", {}, manifest=manifest + "---\nkind: StatefulSet\nmetadata: {name: dragonfly-mysql}\n")
    bare = replace(bare, release=replace(bare.release, values={"redis": {"enable": True}}))
    _, file = import_of(found(bare, B, records=ROWS))
    assert file.central.replicas.manager == 3


def test_databases_that_no_selector_placed_are_not_moved_by_the_file() -> None:
    selector = {"nodeSelector": {"cluster": "a"}}
    parts = dict.fromkeys(("manager", "scheduler", "seedClient", "client"), selector)
    world = found(hand_made("cluster-a", merge(CENTRAL, parts)), B, records=ROWS)
    imported, file = import_of(world)
    assert file.central.node_selector == {"cluster": "a"}
    assert file.central.values["mysql"]["primary"]["nodeSelector"] is None
    assert unexplained(imported.text, file, world) == []


def test_members_elsewhere_give_the_managers_address_and_services_the_ports() -> None:
    far = KubernetesFacts("uid-2", "v1.34.4")
    values = {"externalManager": {"host": "dragonfly.example.com", "grpcPort": 30951}}
    service = {
        "metadata": {"name": "manager-rest"},
        "spec": {"type": "NodePort", "ports": [{"port": 8080, "nodePort": 30950}]},
    }
    away = member(2, context="us-1", facts=far, values=values)
    imported, file = import_of(found(A, away, records=ROWS, services=(service,)))
    assert file.manager.address == "dragonfly.example.com"
    assert (file.manager.expose.type, file.manager.expose.rest_node_port) == ("NodePort", 30950)
    # The other two Services are not there yet, and members elsewhere must be told their ports.
    assert any("grpcNodePort" in warning or "node port" in warning for warning in imported.warnings)


def test_credentials_become_references() -> None:
    central = {
        "manager": {"enable": True},
        "mysql": {"enable": False},
        "externalMysql": {"host": "db.example", "password": "sesame-canary-1"},
        "redis": {"enable": True, "auth": {"existingSecret": "mine"}},
    }
    wishes = Wishes(root_password=SecretSource(env="ROOT"), repository="https://charts.example/")
    imported = import_topology(found(hand_made("cluster-a", central), B, records=ROWS), wishes)
    manager = yaml.safe_load(imported.text)["manager"]
    assert manager["rootPassword"] == {"env": "ROOT"}
    assert manager["redisPassword"] == {"secret": "cluster-a/mine#redis-password"}
    assert manager["database"] == {"type": "mysql", "host": "db.example", "password": {"env": "DFMC_DATABASE_PASSWORD"}}
    assert any("export DFMC_DATABASE_PASSWORD" in warning for warning in imported.warnings)
    assert "sesame" not in imported.text


def test_a_records_name_that_no_file_can_hold_is_told_before_a_second_one_is_made() -> None:
    rows = (record(1, "cluster-1"), record(2, "Zone B"))
    imported, file = import_of(found(A, B, records=rows))
    assert names(file) == ["cluster-1", "zone-b"]
    assert any("rename it to zone-b in the console first" in warning for warning in imported.warnings)


def test_two_releases_in_one_namespace_are_one_entry() -> None:
    imported, file = import_of(found(A, B, replace(member(3), release=replace(B.release, name="second")), records=ROWS))
    assert names(file) == ["cluster-1", "cluster-2"]
    assert "is in one namespace with" in imported.text


def test_drift_is_told() -> None:
    drifted = replace(B, missing=("Service dragonfly-manager",))
    imported, _ = import_of(found(A, drifted, records=ROWS))
    assert any("Service dragonfly-manager was deleted by hand" in warning for warning in imported.warnings)

"""Faults for ``dfmc doctor`` to find on the bed: each planted as it happens to people, and undone again."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from bed_tools import wait_until
from bed_world import World
from dfmc.testbed.database import manager_database

Undo = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        plant: Does it, and returns what undoes it.
        check: Id of the check that must name it.
        cluster: Where; empty for what is no cluster's.
        says: Pattern in the finding's words.
        brings: Checks that may speak of its consequences.
    """

    name: str
    batch: str
    plant: Callable[[World], Undo]
    check: str
    cluster: str
    says: str
    brings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def is_named_by(self, finding: dict[str, Any]) -> bool:
        """Whether a finding of doctor's answer (with its check's ``id``) is about this fault."""
        same = (finding["id"], finding["cluster"]) == (self.check, self.cluster)
        return same and re.search(self.says, words(finding)) is not None


def words(finding: dict[str, Any]) -> str:
    """Return what a finding says."""
    return " | ".join(finding[key] for key in ("what", "why", "place"))


def kubectl(world: World, *arguments: str, **options: Any) -> str:
    return world.tools.kubectl(*arguments, **options)


def cordoned(world: World) -> Undo:
    kubectl(world, "cordon", "-l", "cluster=b")
    return lambda: void(kubectl(world, "uncordon", "-l", "cluster=b"))


def void(_: object) -> None:
    """Throw a result away."""


def port_holder(world: World) -> Undo:
    node = kubectl(world, "get", "nodes", "-l", "cluster=b", "-o", "jsonpath={.items[0].metadata.name}")
    container = {"name": "web", "image": "web", "ports": [{"containerPort": 4002}]}
    spec = {"nodeName": node, "hostNetwork": True, "containers": [container]}
    world.tools.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    )
    return lambda: void(kubectl(world, "-n", "default", "delete", "pod", "web", "--grace-period=0", "--force"))


def again(world: World, kind: str, name: str, namespace: str) -> Undo:
    """Return what makes an object again as it is now."""
    kept = json.loads(kubectl(world, "-n", namespace, "get", kind, name, "-o", "json"))
    metadata = {key: kept["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
    for field in ("clusterIP", "clusterIPs"):
        kept["spec"].pop(field, None)
    kept = {**kept, "metadata": metadata}
    kept.pop("status", None)
    return lambda: world.tools.apply(kept)


def service_deleted(world: World) -> Undo:
    undo = again(world, "service", "dragonfly-manager", "cluster-a")
    kubectl(world, "-n", "cluster-a", "delete", "service", "dragonfly-manager")
    return undo


def class_deleted(world: World) -> Undo:
    undo = again(world, "statefulset", "dragonfly-seed-client", "cluster-b")
    kubectl(world, "-n", "cluster-b", "delete", "statefulset", "dragonfly-seed-client")
    return undo


def config(
    component: str, change: Callable[[dict[str, Any]], None], namespace: str = "cluster-b"
) -> Callable[[World], Undo]:
    """Return what changes a component's live configuration by hand."""

    def plant(world: World) -> Undo:
        name = f"dragonfly-{component}"
        data = world.config_map(namespace, name)["data"]
        (file,) = (key for key in data if key.endswith(".yaml") and "dynconfig" not in key)
        content = yaml.safe_load(data[file])
        change(content)
        world.replace_config(namespace, name, {file: yaml.safe_dump(content)})
        return lambda: world.replace_config(namespace, name, {file: data[file]})

    return plant


def foreign_id(content: dict[str, Any]) -> None:
    content["host"]["schedulerClusterID"] = 1


def other_redis(content: dict[str, Any]) -> None:
    content["database"]["redis"]["addrs"] = ["redis.elsewhere:6379"]


def lock_of_tomorrow(world: World) -> Undo:
    def renew(moment: datetime) -> None:
        body = json.dumps({"spec": {"renewTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}})
        kubectl(world, "-n", "cluster-a", "patch", "lease", "dfmc-guide", "--type", "merge", "-p", body)

    now = datetime.now(UTC)
    renew(now + timedelta(days=1))
    return lambda: renew(now)


def record(world: World, name: str) -> dict[str, Any]:
    rows = world.manager().get("/api/v1/clusters?per_page=1000")
    found: dict[str, Any] = next(row for row in rows if row["name"] == name)
    return found


def asked(world: World, method: str, path: str, body: Any = None) -> Any:
    status, answer = world.manager().request(method, path, body)
    assert status == 200, (method, path, status, answer)
    return answer


def patched_record(name: str, **changes: Any) -> Callable[[World], Undo]:
    """Return what changes a record through the manager's API."""

    def plant(world: World) -> Undo:
        kept = record(world, name)
        path = f"/api/v1/clusters/{kept['id']}"
        before = {"is_default": kept["is_default"]} | {key: kept[key] for key in changes}
        asked(world, "PATCH", path, {"is_default": kept["is_default"], **changes})
        return lambda: void(asked(world, "PATCH", path, before))

    return plant


def made_record(name: str, *, ours: bool) -> Callable[[World], Undo]:
    """Return what registers a cluster that the file does not know, with this topology's mark or without."""

    def plant(world: World) -> Undo:
        bio = record(world, "b")["bio"] if ours else "clicked by hand"
        empty: dict[str, Any] = {}
        configs = {f"{part}_config": empty for part in ("scheduler_cluster", "seed_peer_cluster", "peer_cluster")}
        made = asked(world, "POST", "/api/v1/clusters", {"name": name, "bio": bio, "scopes": {}, **configs})
        return lambda: void(asked(world, "DELETE", f"/api/v1/clusters/{made['id']}"))

    return plant


def stale_row(world: World) -> Undo:
    body = {"host_name": "gone-0", "ip": "10.9.9.9", "port": 8002, "scheduler_cluster_id": record(world, "b")["id"]}
    made = asked(world, "POST", "/api/v1/schedulers", body)
    return lambda: void(asked(world, "DELETE", f"/api/v1/schedulers/{made['id']}"))


def default_password(world: World) -> Undo:
    """Give root the chart's password; the stored hash is put back afterwards."""
    api = world.manager()
    database = manager_database(world.bed, world.tools.context, "cluster-a")
    kept = database.query("SELECT encrypted_password FROM user WHERE id = 1")[0]["encrypted_password"]
    body = {"old_password": world.credential("root-password"), "new_password": "dragonfly"}

    def reset() -> bool:
        # Refused while the manager's cache holds the user without its hash: until its audit table is written.
        return bool(api.request("POST", "/api/v1/users/1/reset_password", body)[0] == 200)

    wait_until("the new password", reset)
    back = f"UPDATE user SET encrypted_password = '{kept}' WHERE id = 1"  # noqa: S608 - the database's own words
    return lambda: void(database.query(back))


def edited(change: Callable[[dict[str, Any], World], None]) -> Callable[[World], Undo]:
    """Return what edits the topology file."""

    def plant(world: World) -> Undo:
        kept = world.topology.read_text()
        world.edit(lambda document: change(document, world))
        return lambda: void(world.topology.write_text(kept))

    return plant


def in_entry(name: str, **settings: Any) -> Callable[[World], Undo]:
    return edited(lambda document, world: world.entry(name, document).update(settings))


def new_entry(name: str, **settings: Any) -> Callable[[World], Undo]:
    def add(document: dict[str, Any], world: World) -> None:
        nowhere = {"cluster": f"nowhere-{name}"}
        entry = {"name": name, "context": "kind-kind", "namespace": f"cluster-{name}", "nodeSelector": nowhere}
        document["clusters"].append(entry | settings)

    return edited(add)


def other_access(name: str, change: Callable[[dict[str, Any], World], None]) -> Callable[[World], Undo]:
    """Return what adds an entry with a kubeconfig of its own, which is the bed's with a change."""

    def plant(world: World) -> Undo:
        given = yaml.safe_load(world.bed.kubeconfig.read_text())
        change(given, world)
        path = world.state_home / f"kubeconfig-{name}"
        path.write_text(yaml.safe_dump(given))
        path.chmod(0o600)
        return new_entry(name, kubeconfig=str(path), nodeSelector={"cluster": "b"})(world)

    return plant


def nobody_listens(given: dict[str, Any], world: World) -> None:
    given["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"


def other_authority(given: dict[str, Any], world: World) -> None:
    from clients.made_up_certificate import CERTIFICATE

    cluster = given["clusters"][0]["cluster"]
    cluster.pop("certificate-authority", None)
    cluster["certificate-authority-data"] = base64.b64encode(CERTIFICATE.encode()).decode()


def bad_token(given: dict[str, Any], world: World) -> None:
    given["users"][0]["user"] = {"token": "expired"}


def limited(given: dict[str, Any], world: World) -> None:
    given["users"][0]["user"]["as"] = "limited"


def limited_user(world: World) -> Undo:
    """Add an entry whose user may do everything but update Secrets."""
    verbs = ["get", "list", "create", "patch", "delete"]
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["update"]},
        {"apiGroups": [""], "resources": ["configmaps", "services", "serviceaccounts"], "verbs": ["update"]},
    ]
    subject = {"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "ClusterRole", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}
    api = "rbac.authorization.k8s.io/v1"
    metadata = {"name": "limited"}
    world.tools.apply(
        {"apiVersion": api, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": role},
    )
    undo = other_access("limited", limited)(world)

    def both() -> None:
        undo()
        kubectl(world, "delete", "clusterrolebinding,clusterrole", "limited")

    return both


def taken_node_port(world: World) -> Undo:
    port = {"name": "http", "port": 80, "nodePort": 30977}
    spec = {"type": "NodePort", "ports": [port], "selector": {"app": "web"}}
    world.tools.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    )
    undo = edited(lambda document, _: document["manager"]["expose"].update(restNodePort=30977))(world)

    def both() -> None:
        undo()
        kubectl(world, "-n", "default", "delete", "service", "web")

    return both


def old_helm(world: World) -> Undo:
    program = world.state_home / "helm"
    program.write_text("#!/bin/sh\necho v3.10.0\n")
    program.chmod(0o755)
    world.secrets["DFMC_HELM"] = str(program)
    return lambda: void(world.secrets.pop("DFMC_HELM"))


def missing_variable(world: World) -> Undo:
    source = {"redisPassword": {"env": "DFMC_NOT_SET"}}
    return edited(lambda document, _: document["manager"].update(source))(world)


def release_secret(world: World, namespace: str) -> dict[str, Any]:
    (secret,) = world.tools.objects("secrets", "-n", namespace, "-l", "owner=helm,status=deployed")
    return secret


def half_done(world: World) -> Undo:
    secret = release_secret(world, "cluster-b")
    kept = json.dumps({"data": secret["data"], "metadata": {"labels": {"status": "deployed"}}})
    payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    payload["info"]["status"] = "pending-upgrade"
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(payload).encode()))).decode()
    change = json.dumps({"data": {"release": packed}, "metadata": {"labels": {"status": "pending-upgrade"}}})
    patch = ("-n", "cluster-b", "patch", "secret", secret["metadata"]["name"], "--type", "merge", "-p")
    kubectl(world, *patch, change)
    return lambda: void(kubectl(world, *patch, kept))


def somebody_elses(world: World) -> Undo:
    name = release_secret(world, "cluster-a")["metadata"]["name"]
    label = ("-n", "cluster-a", "label", "--overwrite", "secret", name)
    kubectl(world, *label, "dfmc.io/topology=other")
    return lambda: void(kubectl(world, *label, "dfmc.io/topology=guide"))


def schedulers_stopped(world: World) -> Undo:
    scale = ("-n", "cluster-b", "scale", "statefulset", "dragonfly-scheduler")
    kubectl(world, *scale, "--replicas=0")
    wait_until("the scheduler's end", lambda: not world.tools.pods("cluster-b", "component=scheduler"))
    wait_until("its row", lambda: not world.active_schedulers(world.manager()).get(record(world, "b")["id"]))

    def undo() -> None:
        kubectl(world, *scale, "--replicas=1")
        wait_until("the scheduler", lambda: world.active_schedulers(world.manager()).get(record(world, "b")["id"]))

    return undo


FAULTS = (
    # Things somebody did in the clusters and in the manager.
    Fault("cordoned", "live", cordoned, "DF321", "b", "none of its 2 nodes takes pods.*is cordoned"),
    Fault("host-port", "live", port_holder, "DF324", "b", "port 4002 of node .* is taken.*default/web"),
    Fault("service-deleted", "live", service_deleted, "DF353", "a", "Service dragonfly-manager has been deleted"),
    Fault(
        "unreachable", "live", lambda world: lambda: None, "DF341", "a", r"cannot resolve dragonfly-manager\.cluster-a"
    ),
    Fault(
        "workload-deleted", "live", class_deleted, "DF353", "b", "StatefulSet dragonfly-seed-client has been deleted"
    ),
    Fault(
        "foreign-id",
        "live",
        config("client", foreign_id),
        "DF371",
        "b",
        "host.schedulerClusterID is 1.*joins a",
        ("DF354",),
    ),
    Fault(
        "other-redis",
        "live",
        config("scheduler", other_redis),
        "DF371",
        "b",
        "redis.*is redis.elsewhere:6379",
        ("DF354",),
    ),
    Fault("lock-of-tomorrow", "live", lock_of_tomorrow, "DF303", "a", "renewed 1440 min in the future"),
    Fault(
        "other-scopes",
        "live",
        patched_record("b", scopes={"idc": "moved"}),
        "DF362",
        "b",
        "scopes.idc: moved → cluster-2",
    ),
    Fault("orphan", "live", made_record("retired", ours=True), "DF362", "", "retired .* the file has no such cluster"),
    Fault(
        "foreign-record", "live", made_record("theirs", ours=False), "DF362", "", "theirs .* not made by this topology"
    ),
    Fault("stale-row", "live", stale_row, "DF363", "b", r"gone-0 \(10\.9\.9\.9:8002\)"),
    Fault(
        "default-password", "live", default_password, "DF381", "a", "root of the manager still has the chart's public"
    ),
    # Things that the file asks for.
    Fault(
        "other-runtime", "file", in_entry("b", runtime={"type": "cri-o"}), "DF322", "b", "run containerd", ("DF354",)
    ),
    Fault("node-port", "file", taken_node_port, "DF323", "a", "node port 30977 is taken.*default/web", ("DF354",)),
    Fault(
        "image-gone",
        "file",
        in_entry("a", values={"mysql": {"image": {"repository": "bitnami/mysql"}}}),
        "DF331",
        "a",
        "bitnami/mysql.* does not exist any more",
        ("DF354",),
    ),
    Fault(
        "no-class",
        "file",
        in_entry("b", persistence={"seedPeer": {"storageClass": "fast"}}),
        "DF325",
        "b",
        "no StorageClass fast",
        ("DF354",),
    ),
    Fault("not-applied", "file", in_entry("b", logLevel="debug"), "DF354", "b", "the release differs from the file"),
    Fault("no-node", "file", new_entry("c"), "DF321", "c", "no node has the labels of nodeSelector: cluster=nowhere-c"),
    Fault("shared-node", "file", new_entry("d", nodeSelector={"cluster": "b"}), "DF324", "b", "b and d both select"),
    Fault("no-answer", "file", other_access("e", nobody_listens), "DF311", "e", "does not answer.*refused"),
    Fault("other-authority", "file", other_access("f", other_authority), "DF311", "f", "certificate does not verify"),
    Fault("refused", "file", other_access("g", bad_token), "DF311", "g", "401|Unauthorized|credentials"),
    Fault("right-missing", "file", limited_user, "DF312", "limited", "update secrets in namespace cluster-limited"),
    # What stops others from looking.
    Fault("old-helm", "state", old_helm, "DF301", "", "helm 3.10.0 is not supported"),
    Fault("no-variable", "state", missing_variable, "DF351", "", "DFMC_NOT_SET is not set"),
    Fault("half-done", "state", half_done, "DF352", "b", "is pending-upgrade"),
    Fault("not-ours", "state", somebody_elses, "DF352", "a", "belongs to another topology.*other"),
    Fault(
        "no-scheduler",
        "state",
        schedulers_stopped,
        "DF372",
        "b",
        "scheduler pods: at least one expected, none seen",
        brings=("DF353",),
    ),
)
BATCHES = tuple(dict.fromkeys(fault.batch for fault in FAULTS))

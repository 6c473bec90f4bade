"""How members reach the manager from outside its Kubernetes cluster, as the file says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.planning.bridges import PARTS, live_target
from dfmc.planning.exposure import GRPC_PORT, REDIS_PORT, REST_PORT
from dfmc.planning.importing.found import Found, FoundRelease
from dfmc.planning.importing.world import World
from dfmc.planning.ownership import TOPOLOGY_LABEL, UID_LABEL
from dfmc.values.merge import get_path
from dfmc.values.names import bridge_service

# dfmc's own Services; one of such a name that somebody made, as the guide's manager-rest, is taken over.
_OURS = {
    "manager-rest": ("restNodePort", REST_PORT),
    "manager-grpc": ("grpcNodePort", GRPC_PORT),
    "manager-redis": ("redisNodePort", REDIS_PORT),
}
_OUTSIDE = ("NodePort", "LoadBalancer")


def exposed(found: Found, world: World, notes: list[str]) -> dict[str, Any]:
    """Return ``expose`` and ``address`` of the manager's part, as far as they are needed."""
    services = {str(get_path(one, "metadata.name")): one for one in found.services}
    ours = {name: services[name] for name in _OURS if name in services}
    others = {name: one for name, one in services.items() if name not in _OURS and _leads_outside(one)}
    away = [one for one in world.members if one.found.kubernetes.uid != found.central.kubernetes.uid]
    types = [str(get_path(one, "spec.type")) for one in (*ours.values(), *others.values())]
    kind = next((one for one in types if one in _OUTSIDE), "LoadBalancer" if away else "")
    if not kind:
        return {}
    part: dict[str, Any] = {"type": kind}
    for name, service in ours.items():
        word, port = _OURS[name]
        if number := _node_port(service, port):
            part[word] = number
    if annotations := _annotations(ours):
        part["annotations"] = annotations
    notes += [
        f"Service {name} stays as it is, and nothing of it is in this file: dfmc makes manager-rest, manager-grpc and "
        "manager-redis beside it, which need node ports of their own"
        for name in sorted(others)
    ]
    if away and not types:
        notes.append("how clusters elsewhere reach the manager is not to be seen here: look at manager.expose")
    return {"expose": part, **_address(world, found, notes)}


def _leads_outside(service: Mapping[str, Any]) -> bool:
    ports = get_path(service, "spec.ports") or ()
    selects = get_path(service, "spec.selector") or {}
    is_manager = selects.get("component") == "manager" and any(
        one.get("port") in (REST_PORT, GRPC_PORT) or one.get("targetPort") in (REST_PORT, GRPC_PORT) for one in ports
    )
    is_redis = selects.get("app.kubernetes.io/name") == "redis"
    return get_path(service, "spec.type") in _OUTSIDE and (is_manager or is_redis)


def _node_port(service: Mapping[str, Any], port: int) -> int | None:
    for one in get_path(service, "spec.ports") or ():
        if port in (one.get("port"), one.get("targetPort")) and one.get("nodePort"):
            return int(one["nodePort"])
    return None


def _annotations(ours: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the annotations that every one of dfmc's own Services has, but dfmc's marks and kubectl's notes."""
    found = [get_path(one, "metadata.annotations") or {} for one in ours.values()]
    if not found or any(TOPOLOGY_LABEL not in one for one in found):
        return {}
    marks = (TOPOLOGY_LABEL, UID_LABEL, "kubectl.kubernetes.io/last-applied-configuration")
    return {
        str(key): str(value)
        for key, value in found[0].items()
        if key not in marks and all(one.get(key) == value for one in found)
    }


def _address(world: World, found: Found, notes: list[str]) -> dict[str, Any]:
    hosts = dict.fromkeys(_outside_hosts(world, found))
    if not hosts:
        return {}
    first, *more = hosts
    if more:
        notes.append(f"clusters elsewhere use several addresses of the manager: {', '.join(hosts)}; the file has one")
    return {"address": first}


def _outside_hosts(world: World, found: Found) -> Iterator[str]:
    balanced = {str(one.get("ip") or one.get("hostname")) for one in _load_balancers(found)}
    for member in world.members[1:]:
        one = member.found
        host = one.manager_address.rpartition(":")[0]
        if host and one.kubernetes.uid != found.central.kubernetes.uid:
            bridge = bridge_service(one.release.name, PARTS[0])
            is_bridge = host.startswith(f"{bridge}.{one.release.namespace}.")
            real = _behind(one, bridge) if is_bridge else host
            # A bridge to the load balancer's own address is what dfmc makes where the file gives none.
            if real and not (is_bridge and real in balanced):
                yield real


def _load_balancers(found: Found) -> Iterator[Mapping[str, Any]]:
    for service in found.services:
        if get_path(service, "metadata.name") in _OURS:
            yield from get_path(service, "status.loadBalancer.ingress") or ()


def _behind(found: FoundRelease, bridge: str) -> str:
    """Return where a bridge of dfmc's leads, without the port; empty for nowhere."""
    alias = get_path(found.bridges.services.get(bridge), "spec.externalName")
    target = live_target(found.bridges, bridge, "grpc") or ""
    return str(alias or target.partition(", ")[0].rpartition(":")[0].strip("[]"))

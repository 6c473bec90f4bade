"""The supervisor of one Kubernetes cluster: kubelet of the real pods, kube-proxy, DNS, provisioner."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from dfmc.testbed.kube_api import ApiRefusedError, KubeApi
from dfmc.testbed.layout import CLIENT_PROGRAM, ClusterLayout
from dfmc.testbed.plan import ClusterPlan
from dfmc.testbed.roles import Role, role_of
from dfmc.testbed.supervisor import probes
from dfmc.testbed.supervisor.addresses import AddressPool
from dfmc.testbed.supervisor.cluster_dns import ClusterDns
from dfmc.testbed.supervisor.configuration import ProcessPlace
from dfmc.testbed.supervisor.container_log import ContainerLog
from dfmc.testbed.supervisor.environment import environment_of
from dfmc.testbed.supervisor.init_waits import Check
from dfmc.testbed.supervisor.name_service import NODE_RESOLVER, answer, open_name_service
from dfmc.testbed.supervisor.pod_objects import KWOK_API, event_of, logs_of, port_forward_of
from dfmc.testbed.supervisor.pod_worker import PodWorker, now
from dfmc.testbed.supervisor.probe_worker import ProbeWorker, write_probe_tools
from dfmc.testbed.supervisor.process_plan import ProcessContext, ProcessPlan
from dfmc.testbed.supervisor.programs import main_container, plan_process
from dfmc.testbed.supervisor.proxies import ProxyLoop, ServiceProxy, open_egress, open_pod_proxy
from dfmc.testbed.supervisor.service_table import listeners
from dfmc.testbed.supervisor.volumes import Provisioner
from dfmc.testbed.supervisor.watching import Change, Collection

JsonObject = dict[str, Any]

log = logging.getLogger(__name__)

# "none" on a Service of type LoadBalancer: nobody gives it an address, as in a cluster without a controller for that.
LOAD_BALANCER = "testbed.dfmc.io/load-balancer"

_SETTLE_SECONDS = 0.03
_REFUSED_RETRY_SECONDS = 5.0


class ClusterSupervisor:
    """Runs what a kubelet, a kube-proxy and a provisioner would, for the pods that are real.

    Args:
        plan: The cluster.
        layout: Its files.
        executables: Paths by program name; ``database-template`` is MariaDB's first data directory. With
            ``dfdaemon`` among them clients and seed clients are real.
        loop: Where proxies run.
    """

    def __init__(
        self, plan: ClusterPlan, layout: ClusterLayout, executables: Mapping[str, str], loop: ProxyLoop
    ) -> None:
        self.plan = plan
        self._layout = layout
        self._executables = executables
        self._loop = loop
        self._api = KubeApi(plan.block.ports.api_server, layout.kwok / "pki")
        self._addresses = AddressPool(plan.block)
        self._services_changed = threading.Event()
        self._stopped = threading.Event()
        self._workers: dict[str, PodWorker | ProbeWorker] = {}
        self._guard = threading.Lock()
        self._proxy = ServiceProxy(plan.name)
        provisioner = Provisioner(self._api, layout.volumes)
        self._pods = Collection(self._api, "/api/v1/pods", self._on_pod)
        self._nodes = Collection(self._api, "/api/v1/nodes", self._on_network)
        self._services = Collection(self._api, "/api/v1/services", self._on_service)
        self._slices = Collection(self._api, "/apis/discovery.k8s.io/v1/endpointslices", self._on_network)
        self._collections = [
            self._services,
            self._slices,
            self._nodes,
            Collection(self._api, "/api/v1/persistentvolumeclaims", provisioner.on_claim),
            Collection(self._api, "/api/v1/persistentvolumes", provisioner.on_volume),
            self._pods,
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        for directory in (self._layout.pods, self._layout.volumes):
            directory.mkdir(parents=True, exist_ok=True)
        write_probe_tools(self._layout.probe_tools)
        self._loop.run(open_egress(self._layout.egress_socket, self.plan.block.ports.kwok))
        self._loop.run(open_pod_proxy(self.plan.block))
        self._loop.run(open_name_service(self._layout.name_socket, self._answer))
        for collection in self._collections:
            collection.start()
        threading.Thread(target=self._serve_network, name=f"network {self.plan.name}", daemon=True).start()

    def is_ready(self) -> bool:
        """Tell whether everything is being watched."""
        return all(collection.synced.is_set() for collection in self._collections)

    def stop(self, grace: float) -> None:
        """End every process of the cluster's pods; their objects stay.

        Args:
            grace: Seconds between SIGTERM and SIGKILL.
        """
        self._stopped.set()
        self._services_changed.set()
        for collection in self._collections:
            collection.stop()
        with self._guard:
            workers = list(self._workers.values())
        for worker in workers:
            worker.stop("bed", grace)
        for worker in workers:
            worker.join(grace + 2.0)

    # What workers ask for.

    def pod_address(self, pod: JsonObject) -> str:
        """Return the pod's address: its node's on the host's network, else the one it had where it had one."""
        if pod["spec"].get("hostNetwork"):
            return self._node_address(pod["spec"]["nodeName"])
        held = (other.get("status", {}).get("podIP", "") for other in self._pods.objects())
        return self._addresses.take((pod.get("status") or {}).get("podIP", ""), held)

    def release_address(self, address: str) -> None:
        """Give a pod's address back."""
        self._addresses.release(address)

    def pod_directory(self, pod: JsonObject) -> Path:
        """Return the working directory of a pod's process."""
        metadata = pod["metadata"]
        return self._layout.pods / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid'][:8]}"

    def holds(self, check: Check, namespace: str) -> bool:
        """Tell whether a command of an init container would succeed now."""
        if check.tool == "never":
            return False
        dns = self._dns()
        if check.tool == "nslookup":
            return dns.nslookup(check.host, namespace)
        return any(
            probes.accepts_connections(self.plan.block.listen_address(address), check.port)
            for address in dns.resolve(check.host, namespace)
        )

    def plan_process(self, role: Role, pod: JsonObject, address: str) -> ProcessPlan:
        """Write the files of a pod's process and return how to start it."""
        metadata = pod["metadata"]
        namespace = metadata["namespace"]

        def dial(host: str) -> str:
            found = self._dns().resolve(host, namespace)
            return self.plan.block.listen_address(found[0]) if found else host

        def read(kind: Literal["secrets", "configmaps"], name: str) -> Mapping[str, Any] | None:
            return self._api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")

        place = ProcessPlace(
            directory=self.pod_directory(pod),
            listen=self.plan.block.listen_address(address),
            advertise=address,
            hostname=pod["spec"]["nodeName"] if pod["spec"].get("hostNetwork") else metadata["name"],
        )
        return plan_process(
            role,
            ProcessContext(
                pod={**pod, "status": {**(pod.get("status") or {}), "podIP": address}},
                container=main_container(role, pod),
                place=place,
                socket=self._layout.process_socket(metadata["uid"]),
                claim=self._claimed_directory(pod),
                read=read,
                dial=dial,
                executables=self._executables,
                block=self.plan.block,
                template=Path(self._executables["database-template"]),
            ),
        )

    def probe_environment(self, pod: JsonObject) -> Mapping[str, str]:
        """Return the environment of a probe's script: its own variables, and the way to the bed's tools."""
        spec, namespace = pod["spec"], pod["metadata"]["namespace"]

        def read(kind: Literal["secrets", "configmaps"], name: str) -> Mapping[str, Any] | None:
            return self._api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")

        policy = spec.get("dnsPolicy", "ClusterFirst")
        on_node = policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork"))
        return {
            "HOME": str(self.pod_directory(pod)),
            **environment_of(spec["containers"][0], pod, read),
            "PATH": os.pathsep.join([str(self._layout.probe_tools), "/usr/bin", "/bin"]),
            "DFMC_BED_NAMES": str(self._layout.name_socket),
            "DFMC_BED_NAMESPACE": NODE_RESOLVER if on_node else namespace,
        }

    def publish_status(self, pod: JsonObject, status: JsonObject) -> None:
        """Write a pod's status; a pod that is gone, or was replaced, is left alone."""
        if address := self._node_address(pod["spec"]["nodeName"]):
            status = {**status, "hostIP": address, "hostIPs": [{"ip": address}]}
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        self._quietly_patch(f"{_object_path(pod)}/status", body)

    def publish_endpoints(
        self, pod: JsonObject, address: str, pod_log: ContainerLog, ports: tuple[int, ...] = ()
    ) -> None:
        """Tell kwok where ``kubectl port-forward`` and ``kubectl logs`` of exactly this pod lead."""
        listen = self.plan.block.listen_address(address)
        self._publish_for(pod, "portforwards", port_forward_of(pod, listen, ports))
        self._publish_for(pod, "logs", logs_of(pod, pod_log.path, pod_log.previous))

    def event(self, pod: JsonObject, kind: str, reason: str, message: str) -> None:
        """Record an event of a pod, as its kubelet."""
        namespace = pod["metadata"]["namespace"]
        try:
            self._api.create(f"/api/v1/namespaces/{namespace}/events", event_of(pod, kind, reason, message, now()))
        except ApiRefusedError as error:
            # A namespace that is being deleted takes no new objects.
            if error.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                raise

    def remove_pod(self, pod: JsonObject) -> None:
        """Say that nothing of a deleted pod runs any more: its object goes."""
        self._api.delete(_object_path(pod), uid=pod["metadata"]["uid"], grace=0)

    def set_pid(self, pod: JsonObject, pid: int | None) -> None:
        """Keep the process id of a pod's process in a file, for people and tests."""
        file = self.pod_directory(pod) / "pid"
        if pid is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(f"{pid}\n")

    # What the API server tells.

    def _on_pod(self, change: Change, pod: JsonObject) -> None:
        role = role_of(pod["metadata"].get("labels"), clients=CLIENT_PROGRAM in self._executables)
        if role is None or not pod["spec"].get("nodeName"):
            return
        uid = pod["metadata"]["uid"]
        deleting = "deletionTimestamp" in pod["metadata"]
        with self._guard:
            worker = self._workers.get(uid)
            if change == "DELETED":
                self._workers.pop(uid, None)
            elif worker is None and not deleting and not self._stopped.is_set():
                worker = self._workers[uid] = self._worker(role, pod)
                worker.start()
                return
        if change == "DELETED":
            if worker is not None:
                worker.stop("gone", 0.0)
        elif deleting and worker is not None:
            worker.stop("deleted", float(pod["metadata"].get("deletionGracePeriodSeconds", 30)))
        elif deleting:
            self.remove_pod(pod)

    def _on_service(self, change: Change, service: JsonObject) -> None:
        given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress")
        annotations = service["metadata"].get("annotations") or {}
        is_served = annotations.get(LOAD_BALANCER) != "none"
        if change != "DELETED" and service["spec"].get("type") == "LoadBalancer" and not given and is_served:
            ingress = [{"ip": self.plan.block.load_balancer_address}]
            self._quietly_patch(
                f"{_object_path(service, 'services')}/status", {"status": {"loadBalancer": {"ingress": ingress}}}
            )
        self._services_changed.set()

    def _on_network(self, change: Change, item: JsonObject) -> None:
        self._services_changed.set()

    def _serve_network(self) -> None:
        while not self._stopped.is_set():
            self._services_changed.wait(_REFUSED_RETRY_SECONDS if self._proxy.has_refused else None)
            # One answer to a burst of changes, and soon enough for a person not to notice.
            self._stopped.wait(_SETTLE_SECONDS)
            self._services_changed.clear()
            nodes = [
                address["address"]
                for node in self._nodes.objects()
                for address in node["status"].get("addresses") or []
                if address["type"] == "InternalIP"
            ]
            wanted = listeners(self._services.objects(), self._slices.objects(), self.plan.block, nodes)
            self._loop.run(self._proxy.update({} if self._stopped.is_set() else wanted))

    # Helpers.

    def _worker(self, role: Role, pod: JsonObject) -> PodWorker | ProbeWorker:
        setpriv = self._executables["setpriv"]
        return ProbeWorker(self, pod, setpriv) if role == "probe" else PodWorker(self, pod, role, setpriv)

    def _node_address(self, name: str) -> str:
        for node in self._nodes.objects():
            if node["metadata"]["name"] == name:
                for address in node["status"].get("addresses") or []:
                    if address["type"] == "InternalIP":
                        return str(address["address"])
        # Not listed yet: the plan knows what it will be.
        numbers = {node.name: node.number for node in self.plan.nodes}
        return self.plan.block.node_address(numbers[name]) if name in numbers else ""

    def _answer(self, question: str) -> str:
        return answer(question, self._dns(), self.plan.block, outside_addresses)

    def _dns(self) -> ClusterDns:
        return ClusterDns(self._services.objects(), self._slices.objects(), outside_addresses)

    def _claimed_directory(self, pod: JsonObject) -> Path | None:
        namespace = pod["metadata"]["namespace"]
        for volume in pod["spec"].get("volumes") or []:
            if reference := volume.get("persistentVolumeClaim"):
                claim = self._api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{reference['claimName']}")
                name = (claim or {}).get("spec", {}).get("volumeName")
                bound = self._api.get(f"/api/v1/persistentvolumes/{name}") if name else None
                if bound and "hostPath" in bound["spec"]:
                    return Path(bound["spec"]["hostPath"]["path"])
        return None

    def _publish_for(self, pod: JsonObject, plural: str, body: JsonObject) -> None:
        metadata = pod["metadata"]
        collection = f"/apis/{KWOK_API}/namespaces/{metadata['namespace']}/{plural}"
        try:
            self._api.create(collection, body)
        except ApiRefusedError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            # Of an earlier pod of the same name, which the garbage collector has not removed yet.
            self._quietly_patch(f"{collection}/{metadata['name']}", body)

    def _quietly_patch(self, path: str, body: JsonObject) -> None:
        try:
            self._api.patch(path, body)
        except ApiRefusedError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise


def outside_addresses(name: str) -> tuple[str, ...]:
    """Return the IPv4 addresses of a name that is none of the cluster's, as this machine resolves it."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _object_path(item: JsonObject, plural: str = "pods") -> str:
    metadata = item["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"

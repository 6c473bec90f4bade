"""What kwokctl and the API server are configured with. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.binaries.catalogue import KUBERNETES_VERSION

_KWOKCTLS_OWN = ("node-monitor-grace-period", "node-lease-duration-seconds")

CUSTOM_RESOURCES = ("Stage", "PortForward", "ClusterPortForward", "Logs", "ClusterLogs")


def kwokctl_configuration(block: AddressBlock, programs: Path, directory: Path) -> dict[str, Any]:
    """Return a KwokctlConfiguration (https://kwok.sigs.k8s.io/docs/generated/apis/).

    Args:
        block: Addresses and ports; all six ports are set, since parallel creations would choose equal ones.
        programs: Directory of the executables.
        directory: Where ``egress.yaml`` and ``audit-policy.yaml`` lie.
    """
    ports = block.ports
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "runtime": "binary",
            "bindAddress": "127.0.0.1",
            "kubeVersion": KUBERNETES_VERSION,
            "etcdBinary": str(programs / "etcd"),
            "kubeApiserverBinary": str(programs / "kube-apiserver"),
            "kubeControllerManagerBinary": str(programs / "kube-controller-manager"),
            "kubeSchedulerBinary": str(programs / "kube-scheduler"),
            "kwokControllerBinary": str(programs / "kwok"),
            "kubectlBinary": str(programs / "kubectl"),
            "etcdPort": ports.etcd,
            "etcdPeerPort": ports.etcd_peer,
            "kubeApiserverPort": ports.api_server,
            "kubeControllerManagerPort": ports.controller_manager,
            "kubeSchedulerPort": ports.scheduler,
            "kwokControllerPort": ports.kwok,
            "kubeAuthorization": True,
            "kubeAdmission": True,
            "kubeAuditPolicy": str(directory / "audit-policy.yaml"),
            "enableCRDs": list(CUSTOM_RESOURCES),
            "disableQPSLimits": True,
        },
        "componentsPatches": [
            _patch(
                "kube-apiserver",
                # Without a default route the API server finds no address of its own to advertise.
                ("advertise-address", block.control_plane_address),
                ("service-cluster-ip-range", block.service_range),
                # By default it asks for a node's host name first, which nothing here resolves.
                ("kubelet-preferred-address-types", "InternalIP"),
                ("egress-selector-config-file", str(directory / "egress.yaml")),
            ),
            # With leases, controllers idle for a while after every stop and start.
            _patch(
                "kube-controller-manager",
                ("leader-elect", "false"),
                # Several times the Stage's heartbeat: without leases it is the only sign of life of a node.
                ("node-monitor-grace-period", "2h"),
            ),
            _patch("kube-scheduler", ("leader-elect", "false")),
            # A kwok that was started again would leave nodes and pods alone until the leases of the killed one
            # expire, three minutes later.
            _patch("kwok-controller", ("node-lease-duration-seconds", "0")),
        ],
    }


def egress_selector(socket: Path) -> dict[str, Any]:
    """Return the API server's way to pods and nodes: an HTTP CONNECT proxy on a unix socket."""
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            {
                "name": "cluster",
                "connection": {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}},
            }
        ],
    }


def audit_policy() -> dict[str, Any]:
    """Return a policy that records who wrote what, but neither reads nor any body.

    The bed's own traffic (leases, events, kwok's heartbeats) is left out, or it would bury the rest.
    """
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": ["system:apiserver"]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]},
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "None"},
        ],
    }


def _patch(component: str, *arguments: tuple[str, str]) -> dict[str, Any]:
    # kwokctl adds an argument, or overrides one of its own; asked to override what is not there, it drops it.
    extra = [{"key": key, "value": value, "override": key in _KWOKCTLS_OWN} for key, value in arguments]
    return {"name": component, "extraArgs": extra}

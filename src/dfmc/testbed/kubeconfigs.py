"""The bed's kubeconfig: every context of the plan, credentials inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dfmc.testbed.plan import ClusterPlan


@dataclass(frozen=True)
class Credentials:
    """PEM texts of a cluster's certificate authority, and of its administrator's certificate and key."""

    authority: bytes
    certificate: bytes
    key: bytes

    @classmethod
    def read(cls, pki: Path) -> Credentials:
        """Read what kwokctl keeps in a cluster's ``pki`` directory."""
        return cls(*((pki / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key")))


def merged_kubeconfig(clusters: Sequence[tuple[ClusterPlan, Credentials]]) -> str:
    """Return one kubeconfig for all clusters; the first one's context is current."""
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": clusters[0][0].context,
        "clusters": [],
        "users": [],
        "contexts": [],
    }
    for plan, credentials in clusters:
        name = plan.context
        server = f"https://127.0.0.1:{plan.block.ports.api_server}"
        config["clusters"].append(
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _encoded(credentials.authority)}}
        )
        user = {
            "client-certificate-data": _encoded(credentials.certificate),
            "client-key-data": _encoded(credentials.key),
        }
        config["users"].append({"name": name, "user": user})
        config["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    return yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False)


def _encoded(pem: bytes) -> str:
    return base64.b64encode(pem).decode()

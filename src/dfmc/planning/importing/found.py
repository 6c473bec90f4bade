"""What is running, before anything of it is in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from dfmc.errors import DfmcError
from dfmc.state import BridgeObjects, EditedConfigMap, KubernetesFacts, ObservedManager, ReleaseState, StoredCredentials
from dfmc.topology.model import SecretSource
from dfmc.values.layouts import ComponentName, Layout, layout_of
from dfmc.values.merge import get_path
from dfmc.values.names import component_name
from dfmc.values.wiring import seen_wiring


@dataclass(frozen=True, eq=False)
class FoundRelease:
    """A release of the Dragonfly chart in one of the contexts.

    Attributes:
        context: Of the kubeconfig.
        kubernetes: What stands behind the context.
        config_maps: Live ConfigMaps that carry the release's name.
        missing: Objects of its manifest that are gone.
        edited: ConfigMaps that somebody has edited.
        bridges: dfmc's own objects through which a member elsewhere reaches the manager.
    """

    context: str
    kubernetes: KubernetesFacts
    release: ReleaseState
    config_maps: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    missing: tuple[str, ...] = ()
    edited: tuple[EditedConfigMap, ...] = ()
    bridges: BridgeObjects = field(default_factory=BridgeObjects)

    @property
    def place(self) -> str:
        """``CONTEXT/NAMESPACE/RELEASE``, as ``--manager`` takes it."""
        return f"{self.context}/{self.release.namespace}/{self.release.name}"

    @property
    def layout(self) -> Layout:
        """The layout of its chart; TopologyError where dfmc knows none."""
        return layout_of(self.release.chart_version)

    @cached_property
    def wiring(self) -> Mapping[ComponentName, Mapping[str, Any]]:
        """What its live configuration says: component, name of the value, value."""
        return seen_wiring(self.config_maps, self.release.name, self.layout)

    @cached_property
    def workloads(self) -> Mapping[tuple[str, str], int | None]:
        """The replicas in its manifest by kind and name; empty where the manifest is no YAML."""
        try:
            documents = list(yaml.load_all(self.release.manifest, Loader=yaml.CSafeLoader))
        except yaml.YAMLError:
            return {}
        found: dict[tuple[str, str], int | None] = {}
        for document in documents:
            if isinstance(document, Mapping) and document.get("kind") in ("Deployment", "StatefulSet", "DaemonSet"):
                replicas = get_path(document, "spec.replicas")
                name = str(get_path(document, "metadata.name"))
                found[str(document["kind"]), name] = replicas if isinstance(replicas, int) else None
        return found

    @property
    def runs_manager(self) -> bool:
        """Whether it has a manager: as its manifest says, else its values (charts flip the default)."""
        if self.workloads:
            name = component_name(self.release.name, "manager", self.release.chart_name)
            return ("Deployment", name) in self.workloads
        return get_path(self.release.values, "manager.enable") is True

    def brings(self, database: str) -> bool:
        """Whether it starts the chart's own ``mysql`` or ``redis``."""
        said = get_path(self.release.values, f"{database}.enable")
        if isinstance(said, bool):
            return said
        return any(name.startswith(f"{self.release.name}-{database}") for _, name in self.workloads)

    @property
    def scheduler_cluster_id(self) -> int:
        """The id that its schedulers say; 1 is the chart's own default."""
        live = self.wiring.get("scheduler", {}).get("scheduler_cluster_id")
        if live is None:
            live = get_path(self.release.values, "scheduler.config.manager.schedulerClusterID", 1)
        return live if isinstance(live, int) and not isinstance(live, bool) else 0

    @property
    def idcs(self) -> frozenset[str]:
        """The idcs that its parts say they are in, case folded."""
        live = [said.get("idc") for said in self.wiring.values()]
        keys = [component.key for component in self.layout.components.values()]
        given = [get_path(self.release.values, f"{key}.config.host.idc") for key in keys]
        return frozenset(str(idc).casefold() for idc in (*live, *given) if idc)

    @property
    def manager_address(self) -> str:
        """Where its schedulers look for the manager, as ``host:port``; empty where they do not say."""
        live = self.wiring.get("scheduler", {}).get("manager_address")
        said = get_path(self.release.values, "externalManager")
        host = said.get("host") if isinstance(said, Mapping) else None
        return str(live or (f"{host}:{said.get('grpcPort', 65003)}" if host else ""))


@dataclass(frozen=True)
class Found:
    """Everything that was seen.

    Attributes:
        central: Where the manager runs.
        releases: All others of the Dragonfly chart, whoever's they are.
        manager: Its rows.
        services: Services of the central namespace.
        stored: dfmc's own Secret beside the central release, where there is one.
        unread: What could not be read, as ``context NAME`` or ``release PLACE``, and why.
    """

    central: FoundRelease
    releases: tuple[FoundRelease, ...]
    manager: ObservedManager
    services: tuple[Mapping[str, Any], ...] = ()
    stored: StoredCredentials | None = None
    unread: Mapping[str, DfmcError] = field(default_factory=dict)


@dataclass(frozen=True)
class Wishes:
    """What the command line says about the file.

    Attributes:
        name: Of the topology; empty: as the central release's label says, else ``dragonfly``.
        repository: Of the chart; None: the official one. A release does not say where its chart came from.
        chart_path: A chart on disk instead.
        access: How dfmc reaches the manager.
        root_password: Where root's password was taken from; None: the chart's default works, or dfmc's Secret has it.
        kubeconfig: That every context is in; None: KUBECONFIG.
    """

    name: str = ""
    repository: str | None = None
    chart_path: str | None = None
    access: str = "port-forward"
    root_password: SecretSource | None = None
    kubeconfig: str | None = None

"""What is needed to start the process behind a real pod, and what starting it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.supervisor import probes
from dfmc.testbed.supervisor.configuration import Dial, ProcessPlace
from dfmc.testbed.supervisor.environment import MissingReferenceError, Read

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class ProcessContext:
    """What a program may use.

    Attributes:
        pod: The Pod object.
        container: Its main container.
        place: Directory and addresses.
        socket: Where a unix socket of the process goes; its path is kept short.
        claim: The directory of the pod's first claim; None where it uses none.
        read: Reads Secrets and ConfigMaps of the pod's namespace.
        dial: Maps hosts of its configuration.
        executables: Paths by program name.
        block: The cluster's addresses.
        template: MariaDB's first data directory.
    """

    pod: JsonObject
    container: JsonObject
    place: ProcessPlace
    socket: Path
    claim: Path | None
    read: Read
    dial: Dial
    executables: Mapping[str, str]
    block: AddressBlock
    template: Path


@dataclass(frozen=True)
class ProcessPlan:
    """A process to start.

    Attributes:
        argv: Program and arguments; never a credential.
        probe: Asks whether it is ready.
        env: Variables besides the supervisor's own.
        on_ready: Called once, when it became ready for the first time.
        ports: Ports that it listens on though its pod does not declare them.
    """

    argv: tuple[str, ...]
    probe: probes.Probe
    env: Mapping[str, str] = field(default_factory=dict)
    on_ready: Callable[[], None] = lambda: None
    ports: tuple[int, ...] = ()


def config_file(name: str, context: ProcessContext) -> str:
    """Return the content of a file that a ConfigMap volume gives to the pod.

    Raises:
        MissingReferenceError: No volume holds it, or the ConfigMap is not there.
    """
    for volume in context.pod["spec"].get("volumes") or []:
        source = volume.get("configMap")
        found = context.read("configmaps", source["name"]) if source else None
        if source and found is None:
            raise MissingReferenceError(f'configmap "{source["name"]}" not found')
        if found and name in (found.get("data") or {}):
            return str(found["data"][name])
    raise MissingReferenceError(f"no ConfigMap volume of the pod holds {name}")

"""How to start a client or seed client: the Rust program dfdaemon, with the pod's own configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import yaml

from dfmc.testbed.layout import CLIENT_PROGRAM, write_if_changed
from dfmc.testbed.supervisor import probes
from dfmc.testbed.supervisor.client_configuration import (
    ClientPlace,
    HealthQuestion,
    client_ports,
    health_question,
    log_level,
    rewritten_client,
)
from dfmc.testbed.supervisor.environment import environment_of
from dfmc.testbed.supervisor.process_plan import ProcessContext, ProcessPlan, config_file

log = logging.getLogger(__name__)

CONFIG_FILE = "dfdaemon.yaml"
ADDRESS_MAP = "pod-addresses.so"


def plan_client(role: Literal["client", "seed-client"], context: ProcessContext) -> ProcessPlan:
    """Write the files of a client's process and return how to start it.

    Raises:
        MissingReferenceError: A Secret or ConfigMap it needs does not exist.
    """
    text = config_file(CONFIG_FILE, context)
    directory = context.place.directory
    place = ClientPlace(process=context.place, storage=(context.claim or directory) / "storage", socket=context.socket)
    original: dict[str, Any] = {}
    try:
        loaded = yaml.load(text, Loader=yaml.CSafeLoader)
        original = loaded if isinstance(loaded, dict) else {}
        document = rewritten_client(original, place, context.dial)
        text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False)
    except yaml.YAMLError:
        log.info("%s: the configuration is not YAML; the process says so itself", context.place.hostname)
    file = directory / CONFIG_FILE
    write_if_changed(file, text, mode=0o600)
    place.storage.mkdir(parents=True, exist_ok=True)
    environment = environment_of(context.container, context.pod, context.read)
    return ProcessPlan(
        argv=(
            context.executables[CLIENT_PROGRAM],
            f"--config={file}",
            f"--log-dir={directory / 'log'}",
            f"--log-level={log_level(context.container)}",
            "--console",
        ),
        probe=_probe(health_question(context.container, original, place), context.place.listen),
        env={
            **environment,
            "LD_PRELOAD": context.executables[ADDRESS_MAP],
            "DFMC_BED_BLOCK": str(context.block.index),
            "DFMC_BED_SOURCE": context.place.listen,
        },
        ports=client_ports(original),
    )


def _probe(question: HealthQuestion | None, listen: str) -> probes.Probe:
    if question is None:
        return lambda: False
    socket: Path | None = question.socket
    if socket is not None:
        return lambda: probes.grpc_serving_at(socket)
    return lambda: probes.grpc_serving(listen, question.port)

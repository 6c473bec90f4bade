"""How to start the process behind a real pod: arguments, environment, files, and the question whether it is ready."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from typing import Any, Literal

import yaml

from dfmc.testbed.layout import write_if_changed
from dfmc.testbed.roles import Role
from dfmc.testbed.supervisor import probes
from dfmc.testbed.supervisor.client_program import plan_client
from dfmc.testbed.supervisor.configuration import grpc_port, rewritten
from dfmc.testbed.supervisor.environment import environment_of, value_or_file
from dfmc.testbed.supervisor.process_plan import ProcessContext, ProcessPlan, config_file

JsonObject = dict[str, Any]

log = logging.getLogger(__name__)

MYSQL_PORT = 3306
REDIS_PORT = 6379

_INITIALISED = ".dfmc-initialised"


def main_container(role: Role, pod: Mapping[str, Any]) -> JsonObject:
    """Return the container whose process is run: the one named like its role, else the first."""
    containers: list[JsonObject] = pod["spec"]["containers"]
    return next((c for c in containers if c["name"] == role), containers[0])


def plan_process(role: Role, context: ProcessContext) -> ProcessPlan:
    """Write the files of a pod's process and return how to start it.

    Raises:
        MissingReferenceError: A Secret or ConfigMap it needs does not exist.
    """
    if role == "mysql":
        return _mysql(context)
    if role == "redis":
        return _redis(context)
    if role == "client" or role == "seed-client":
        return plan_client(role, context)
    if role == "probe":
        raise ValueError("a probe's script is run by ProbeWorker")
    return _dragonfly(role, context)


def _dragonfly(role: Literal["manager", "scheduler"], context: ProcessContext) -> ProcessPlan:
    text = config_file(f"{role}.yaml", context)
    document: JsonObject = {}
    try:
        original = yaml.load(text, Loader=yaml.CSafeLoader)
        document = rewritten(role, original if isinstance(original, dict) else {}, context.place, context.dial)
        text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False)
    except yaml.YAMLError:
        log.info("%s: the configuration is not YAML; the process says so itself", context.place.hostname)
    file = context.place.directory / f"{role}.yaml"
    write_if_changed(file, text, mode=0o600)
    listen, port = context.place.listen, grpc_port(role, document)
    env = environment_of(context.container, context.pod, context.read)
    if role == "scheduler":
        # It asks seed clients for content at the addresses they announced, their pods'. grpc-go goes through the
        # proxy that the environment names, for everything but loopback.
        block = context.block
        env = {"HTTPS_PROXY": f"http://{block.pod_proxy_address}:{block.ports.pod_proxy}", **env}
    return ProcessPlan(
        argv=(context.executables[role], "--config", str(file)),
        probe=lambda: probes.grpc_serving(listen, port),
        env=env,
    )


def _mysql(context: ProcessContext) -> ProcessPlan:
    data = (context.claim or context.place.directory) / "mysql"
    if not (data / "mysql").is_dir():
        partial = data.with_name("mysql.part")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(context.template, partial)
        partial.replace(data)
    argv = [
        context.executables["mariadbd"],
        "--no-defaults",
        "--character-set-server=utf8mb4",  # as MySQL 8 has it: without, a cluster's name in Chinese is refused
        f"--datadir={data}",
        f"--bind-address={context.place.listen}",
        f"--port={MYSQL_PORT}",
        f"--socket={context.socket}",
        f"--pid-file={context.place.directory / 'mysql.pid'}",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=8M",
        # A commit reaches the kernel, though not the disk: it outlives a killed process, and costs no fsync.
        "--innodb-flush-log-at-trx-commit=2",
        "--performance-schema=OFF",
    ]
    if os.geteuid() == 0:
        argv.append("--user=root")
    marker = data / _INITIALISED
    statements = context.place.directory / "first-start.sql"
    if not marker.exists():
        write_if_changed(statements, _first_statements(context), mode=0o600)
        argv.append(f"--init-file={statements}")

    def initialised() -> None:
        marker.touch()
        statements.unlink(missing_ok=True)

    return ProcessPlan(tuple(argv), lambda: probes.mysql_greets(context.socket), on_ready=initialised)


def _first_statements(context: ProcessContext) -> str:
    """What an image's entry point does with a fresh data directory; with old data nothing, passwords included."""
    variables = environment_of(context.container, context.pod, context.read)

    def value(name: str) -> str:
        return value_or_file(name, variables, context.container, context.pod, context.read)

    lines = []
    if password := value("MYSQL_ROOT_PASSWORD"):
        lines += _account("root", password, "*.*", grant=True)
    database = value("MYSQL_DATABASE")
    if database:
        lines.append(f"CREATE DATABASE IF NOT EXISTS {_identifier(database)};")
    if user := value("MYSQL_USER"):
        scope = f"{_identifier(database)}.*" if database else "*.*"
        lines += _account(user, value("MYSQL_PASSWORD"), scope, grant=False)
    return "\n".join([*lines, "FLUSH PRIVILEGES;", ""])


def _account(user: str, password: str, scope: str, grant: bool) -> list[str]:
    name, secret = f"{_text(user)}@'%'", _text(password)
    return [
        f"CREATE USER IF NOT EXISTS {name} IDENTIFIED BY {secret};",
        f"ALTER USER {name} IDENTIFIED BY {secret};",
        f"GRANT ALL PRIVILEGES ON {scope} TO {name}{' WITH GRANT OPTION' if grant else ''};",
    ]


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _identifier(value: str) -> str:
    return "`" + value.replace("`", "``") + "`"


def _redis(context: ProcessContext) -> ProcessPlan:
    variables = environment_of(context.container, context.pod, context.read)
    password = value_or_file("REDIS_PASSWORD", variables, context.container, context.pod, context.read)
    port = int(variables.get("REDIS_PORT") or variables.get("REDIS_PORT_NUMBER") or REDIS_PORT)
    data = (context.claim or context.place.directory) / "redis"
    data.mkdir(parents=True, exist_ok=True)
    lines = [
        f"bind {context.place.listen}",
        f"port {port}",
        f"dir {_quoted(str(data))}",
        f"appendonly {'yes' if context.claim else 'no'}",
        'save ""',
        "protected-mode no",
        "daemonize no",
    ]
    if password:
        lines.append(f"requirepass {_quoted(password)}")
    file = context.place.directory / "redis.conf"
    write_if_changed(file, "\n".join(lines) + "\n", mode=0o600)
    listen = context.place.listen
    return ProcessPlan(
        argv=(context.executables["redis-server"], str(file)),
        probe=lambda: probes.redis_answers(listen, port),
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

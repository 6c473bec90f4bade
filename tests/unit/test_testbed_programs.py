"""How processes are started: with what the chart configured, and no credential in any argument."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.supervisor.configuration import ProcessPlace
from dfmc.testbed.supervisor.environment import MissingReferenceError, environment_of, mounted_file, value_or_file
from dfmc.testbed.supervisor.process_plan import ProcessContext
from dfmc.testbed.supervisor.programs import main_container, plan_process

SECRET = 'it\'s \\a "secret"'

PROGRAMS = ("manager", "scheduler", "mariadbd", "redis-server", "dfdaemon", "pod-addresses.so")

OBJECTS: dict[tuple[str, str], dict[str, Any]] = {
    ("secrets", "db"): {
        "data": {key: base64.b64encode(SECRET.encode()).decode() for key in ("root", "user", "redis-password")}
    },
    ("configmaps", "dragonfly-manager"): {"data": {"manager.yaml": "server: {}\nauth: {jwt: {key: k}}\n"}},
    ("configmaps", "dragonfly-client"): {"data": {"dfdaemon.yaml": "host: {schedulerClusterID: 7}\n"}},
    ("configmaps", "broken"): {"data": {"scheduler.yaml": "a: [\n"}},
    ("configmaps", "settings"): {"data": {"A": "1", "B": "2"}},
}


def read(kind: Any, name: str) -> Mapping[str, Any] | None:
    return OBJECTS.get((kind, name))


def secret_env(name: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": key}}}


def pod(container: dict[str, Any], *volumes: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "a", "name": "p"},
        "status": {"podIP": "10.64.0.1"},
        "spec": {"containers": [{"name": "main", **container}], "volumes": list(volumes)},
    }


def context(directory: Path, body: dict[str, Any], claim: Path | None = None) -> ProcessContext:
    template = directory / "template" / "mysql"
    template.mkdir(parents=True, exist_ok=True)
    place = directory / "pod"
    place.mkdir(exist_ok=True)
    return ProcessContext(
        pod=body,
        container=body["spec"]["containers"][0],
        place=ProcessPlace(place, "127.64.0.1", "10.64.0.1", "p"),
        socket=directory / "s.sock",
        claim=claim,
        read=read,
        dial=lambda host: host,
        block=AddressBlock(0),
        executables={name: f"/bin/{name}" for name in PROGRAMS},
        template=directory / "template",
    )


MYSQL = pod(
    {"env": [secret_env("MYSQL_ROOT_PASSWORD", "root"), {"name": "MYSQL_USER", "value": "dragonfly"},
             secret_env("MYSQL_PASSWORD", "user"), {"name": "MYSQL_DATABASE", "value": "manager"}]}
)  # fmt: skip


def test_a_fresh_database_gets_what_the_chart_configured(tmp_path: Path) -> None:
    plan = plan_process("mysql", context(tmp_path, MYSQL))
    (statements,) = [Path(a.partition("=")[2]) for a in plan.argv if a.startswith("--init-file=")]
    text = statements.read_text()
    assert "CREATE DATABASE IF NOT EXISTS `manager`;" in text
    assert "GRANT ALL PRIVILEGES ON `manager`.* TO 'dragonfly'@'%';" in text
    assert "IDENTIFIED BY 'it''s \\\\a \"secret\"';" in text
    assert statements.stat().st_mode & 0o777 == 0o600
    assert not any(SECRET in argument for argument in plan.argv)
    plan.on_ready()
    assert not statements.exists()


def test_old_data_keeps_its_passwords(tmp_path: Path) -> None:
    claim = tmp_path / "claim"
    plan_process("mysql", context(tmp_path, MYSQL, claim)).on_ready()
    again = plan_process("mysql", context(tmp_path, MYSQL, claim))
    assert not any(argument.startswith("--init-file") for argument in again.argv)
    assert f"--datadir={claim / 'mysql'}" in again.argv


def test_redis_has_its_password_in_a_private_file_only(tmp_path: Path) -> None:
    body = pod({"env": [secret_env("REDIS_PASSWORD", "redis-password"), {"name": "REDIS_PORT", "value": "6380"}]})
    plan = plan_process("redis", context(tmp_path, body, tmp_path / "claim"))
    file = Path(plan.argv[1])
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any("secret" in argument for argument in plan.argv)
    lines = file.read_text().splitlines()
    assert 'requirepass "it\'s \\\\a \\"secret\\""' in lines
    assert {"bind 127.64.0.1", "port 6380", "appendonly yes"} <= set(lines)


def test_redis_without_authentication_asks_for_none(tmp_path: Path) -> None:
    plan = plan_process("redis", context(tmp_path, pod({"env": [{"name": "ALLOW_EMPTY_PASSWORD", "value": "yes"}]})))
    assert "requirepass" not in Path(plan.argv[1]).read_text()
    assert "appendonly no" in Path(plan.argv[1]).read_text()


def test_a_manager_runs_with_its_own_configmap(tmp_path: Path) -> None:
    volume = {"name": "config", "configMap": {"name": "dragonfly-manager"}}
    plan = plan_process("manager", context(tmp_path, pod({"env": [{"name": "X", "value": "y"}]}, volume)))
    document = yaml.safe_load(Path(plan.argv[2]).read_text())
    assert document["auth"] == {"jwt": {"key": "k"}}
    assert document["server"]["grpc"]["listenIP"] == "127.64.0.1"
    assert Path(plan.argv[2]).stat().st_mode & 0o777 == 0o600
    assert plan.env == {"X": "y"}


def test_a_scheduler_reaches_its_seeds_through_the_beds_proxy(tmp_path: Path) -> None:
    volume = {"name": "config", "configMap": {"name": "broken"}}
    plan = plan_process("scheduler", context(tmp_path, pod({}, volume)))
    block = AddressBlock(0)
    assert plan.env == {"HTTPS_PROXY": f"http://127.64.255.254:{block.ports.pod_proxy}"}
    given = {"env": [{"name": "HTTPS_PROXY", "value": "http://given"}]}
    assert plan_process("scheduler", context(tmp_path, pod(given, volume))).env == {"HTTPS_PROXY": "http://given"}


def test_a_client_runs_with_its_own_configmap_and_maps_addresses(tmp_path: Path) -> None:
    volume = {"name": "config", "configMap": {"name": "dragonfly-client"}}
    body = pod({"args": ["--log-level=debug", "--verbose"], "env": [{"name": "X", "value": "y"}]}, volume)
    plan = plan_process("client", context(tmp_path, body))
    program, config, *flags = plan.argv
    file = Path(config.removeprefix("--config="))
    document = yaml.safe_load(file.read_text())
    assert document["host"] == {"schedulerClusterID": 7, "ip": "10.64.0.1", "hostname": "p"}
    assert document["storage"]["dir"] == str(tmp_path / "pod" / "storage")
    assert Path(document["storage"]["dir"]).is_dir()
    assert (program, flags[1:]) == ("/bin/dfdaemon", ["--log-level=debug", "--console"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert plan.env == {
        "X": "y", "LD_PRELOAD": "/bin/pod-addresses.so", "DFMC_BED_BLOCK": "0", "DFMC_BED_SOURCE": "127.64.0.1",
    }  # fmt: skip
    assert 4001 in plan.ports
    assert not plan.probe()


def test_a_seed_client_keeps_its_pieces_in_its_claim(tmp_path: Path) -> None:
    volume = {"name": "config", "configMap": {"name": "dragonfly-client"}}
    plan = plan_process("seed-client", context(tmp_path, pod({}, volume), tmp_path / "claim"))
    document = yaml.safe_load(Path(plan.argv[1].removeprefix("--config=")).read_text())
    assert document["storage"]["dir"] == str(tmp_path / "claim" / "storage")


def test_a_configuration_that_is_no_yaml_reaches_the_process_as_it_is(tmp_path: Path) -> None:
    volume = {"name": "config", "configMap": {"name": "broken"}}
    plan = plan_process("scheduler", context(tmp_path, pod({}, volume)))
    assert Path(plan.argv[2]).read_text() == "a: [\n"


@pytest.mark.parametrize("volumes", [[], [{"name": "c", "configMap": {"name": "gone"}}]])
def test_a_missing_configmap_is_named(tmp_path: Path, volumes: list[dict[str, Any]]) -> None:
    with pytest.raises(MissingReferenceError, match=r"manager\.yaml|gone"):
        plan_process("manager", context(tmp_path, pod({}, *volumes)))


def test_the_main_container_is_the_one_named_like_its_role() -> None:
    body = {"spec": {"containers": [{"name": "exporter"}, {"name": "mysql"}]}}
    assert main_container("mysql", body)["name"] == "mysql"
    assert main_container("redis", body)["name"] == "exporter"


def test_an_environment_is_filled_from_every_kind_of_source() -> None:
    container = {
        "name": "main",
        "envFrom": [
            {"prefix": "P_", "configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "no", "optional": True}},
        ],
        "env": [
            {"name": "PLAIN", "value": "v"},
            {"name": "EMPTY"},
            secret_env("PASSWORD", "root"),
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "OPTIONAL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "none", "optional": True}}},
        ],
    }
    assert environment_of(container, pod({}), read) == {
        "P_A": "1", "P_B": "2", "PLAIN": "v", "EMPTY": "", "PASSWORD": SECRET, "IP": "10.64.0.1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "message"),
    [({"name": "gone", "key": "k"}, 'secret "gone" not found'), ({"name": "db", "key": "k"}, "couldn't find key k")],
)
def test_a_broken_reference_is_an_error_in_a_kubelets_words(reference: dict[str, str], message: str) -> None:
    container = {"env": [{"name": "X", "valueFrom": {"secretKeyRef": reference}}]}
    with pytest.raises(MissingReferenceError, match=message):
        environment_of(container, pod({}), read)


def test_password_files_of_newer_subcharts_are_read() -> None:
    container = {"volumeMounts": [{"name": "secrets", "mountPath": "/opt/secrets"}]}
    volume = {"name": "secrets", "secret": {"secretName": "db", "items": [{"key": "user", "path": "mysql-password"}]}}
    body = pod(container, volume)
    variables = {"MYSQL_PASSWORD_FILE": "/opt/secrets/mysql-password"}
    assert value_or_file("MYSQL_PASSWORD", variables, container, body, read) == SECRET
    assert value_or_file("MYSQL_ROOT_PASSWORD", variables, container, body, read) == ""
    assert mounted_file("/elsewhere/x", container, body, read) is None


def test_projected_volumes_are_read() -> None:
    container = {"volumeMounts": [{"name": "all", "mountPath": "/etc/x"}]}
    volume = {
        "name": "all",
        "projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "db"}}]},
    }
    body = pod(container, volume)
    assert mounted_file("/etc/x/A", container, body, read) == "1"
    assert mounted_file("/etc/x/root", container, body, read) == SECRET

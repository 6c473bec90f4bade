"""What clients/helm.py takes for granted about pyhelm3; a new version of it that differs must be read again."""

import inspect
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from pyhelm3 import command

from clients.fake_helm import FakeHelm
from dfmc.clients import helm as ours


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("pyhelm3") == "0.5.8"


def test_overridden_methods_have_the_signatures_of_upstream() -> None:
    for name in ("run", "client_version"):
        assert parameters(getattr(ours._HelmCommand, name)) == parameters(getattr(command.Command, name)), name
    assert parameters(command.Command.run) == ["self", "command", "input"]
    assert inspect.iscoroutinefunction(command.Command.run)
    assert not inspect.iscoroutinefunction(command.Command.client_version)


def test_the_constructor_still_sets_what_run_reads() -> None:
    assert {"executable", "default_timeout", "kubeconfig", "kubecontext"} <= set(parameters(command.Command.__init__))
    built = command.Command(executable="h", kubeconfig=Path("/k"), kubecontext="c")
    assert (built._executable, built._kubeconfig, built._kubecontext) == ("h", Path("/k"), "c")


def test_only_run_and_client_version_start_programs() -> None:
    starting = [
        name
        for name, member in inspect.getmembers(command.Command, inspect.isfunction)
        if "subprocess" in inspect.getsource(member)
    ]
    assert starting == ["client_version", "run"]


def test_the_methods_we_call_take_what_we_pass() -> None:
    upgrade = inspect.signature(command.Command.install_or_upgrade).parameters
    assert list(upgrade)[:4] == ["self", "release_name", "chart_ref", "values"]
    assert upgrade["wait"].default is False
    assert upgrade["atomic"].default is False
    assert {"namespace", "create_namespace", "description"} <= set(upgrade)
    assert "labels" not in upgrade  # when it is there, ours can go
    assert list(inspect.signature(command.Command.template).parameters)[:4] == list(upgrade)[:4]
    assert "namespace" in parameters(command.Command.uninstall)
    assert '"--values",\n            "-"' in inspect.getsource(command.Command.install_or_upgrade)


def test_client_version_asks_helm_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeHelm(tmp_path)
    fake.behave(stdout="v3.19")
    real_run = subprocess.run

    def no_shell(*args: object, **options: object) -> object:
        assert not options.get("shell")
        return real_run(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", no_shell)
    asked = ours._HelmCommand(fake.path, environment={"PATH": "/bin"}, deadline=30, mask=str)
    assert str(asked.client_version()) == "3.19.0"

"""From a kubeconfig to the first request: files, credentials, certificates."""

import base64
import json
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from clients.fake_api_server import FakeApi, write_kubeconfig
from clients.made_up_certificate import CERTIFICATE, server_context
from dfmc.clients.kube.execplugin import BoundedExecPlugin
from dfmc.errors import AuthError, DfmcError, IntegrityError, PreflightError
from scenarios import scenario

EXEC_API = "client.authentication.k8s.io/v1"
PLACE = "/api/v1/namespaces/x"


@pytest.fixture
def api(httpserver: HTTPServer, tmp_path: Path) -> FakeApi:
    return FakeApi(httpserver, tmp_path)


@pytest.fixture
def https_server(tmp_path: Path) -> Iterator[HTTPServer]:
    server = HTTPServer(host="127.0.0.1", ssl_context=server_context(tmp_path))
    server.start()
    yield server
    server.stop()


def ask(api: FakeApi) -> Any:
    return api.ask(lambda kube: kube.get("v1", "Namespace", "x"))


def failure(api: FakeApi) -> DfmcError:
    with pytest.raises(DfmcError) as caught:
        ask(api)
    return caught.value


def test_kubeconfig_may_be_a_list_of_files(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = write_kubeconfig(tmp_path / "other", "http://127.0.0.1:1")
    other.write_text(other.read_text().replace("kind-a", "kind-z").replace("name: c", "name: d"))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "absent"), str(other), str(api.kubeconfig)]))
    api.kubeconfig = None  # type: ignore[assignment]  # as where the entry names no file
    api.answers(PLACE, {"kind": "Namespace"})
    assert ask(api) == {"kind": "Namespace"}


@scenario("I14", real=True)
def test_a_missing_context_names_the_file_and_the_contexts_there(api: FakeApi) -> None:
    api.kubeconfig.write_text(api.kubeconfig.read_text().replace("kind-a", "kind-b"))
    error = failure(api)
    assert isinstance(error, PreflightError)
    assert "no context kind-a" in error.what
    assert str(api.kubeconfig) in error.what
    assert error.why == "contexts there: kind-b"
    assert "did you mean kind-b?" in error.next_step


def test_a_missing_file_is_named(api: FakeApi) -> None:
    api.kubeconfig.unlink()
    error = failure(api)
    assert isinstance(error, PreflightError)
    assert str(api.kubeconfig) in error.why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "[]",
        "contexts: [{context: {cluster: c}}]",
        "contexts: [{name: kind-a}]",
        "contexts: [{name: kind-a, context: {cluster: c, user: u}}]\nclusters: [{name: c}]\nusers: [{name: u}]",
        "contexts: [{name: kind-a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: [1]}}]",
        "\0",
    ],
)
def test_a_broken_kubeconfig_is_a_preflight_error(api: FakeApi, text: str) -> None:
    api.kubeconfig.write_text(text)
    error = failure(api)
    assert isinstance(error, PreflightError)
    assert str(api.kubeconfig) in error.what


def test_an_error_of_the_kubeconfig_never_repeats_its_secrets(api: FakeApi) -> None:
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "hunter2", "exec": {"command": "x"}, "client-key-data": "aHVudGVyMg"}
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    api.kubeconfig.write_text(yaml.safe_dump(config))
    error = failure(api)
    assert "hunter2" not in str(error)
    assert "aHVudGVyMg" not in str(error)


def test_a_certificate_file_that_is_not_there_is_named(api: FakeApi, tmp_path: Path) -> None:
    api.kubeconfig = write_kubeconfig(
        tmp_path / "k", "https://127.0.0.1:1", cluster={"certificate-authority": "no/ca.crt"}
    )
    error = failure(api)
    assert isinstance(error, PreflightError)
    assert "no/ca.crt" in error.why


def test_impersonation_is_passed_on(api: FakeApi) -> None:
    user = {"token": "t", "as": "deployer", "as-groups": ["one", "two"]}
    api.kubeconfig = write_kubeconfig(api.kubeconfig, api.server.url_for("").rstrip("/"), user=user)
    api.answers(PLACE, {})
    ask(api)
    headers = api.server.log[0][0].headers
    assert headers["Impersonate-User"] == "deployer"
    assert headers["Impersonate-Group"].replace(" ", "") == "one,two"


def test_a_proxy_of_the_environment_does_not_lead_to_this_machine(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    api.answers(PLACE, {"kind": "Namespace"})
    assert ask(api) == {"kind": "Namespace"}


def test_a_token_file_is_read_again_when_the_token_is_refused(api: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    user = {"tokenFile": str(token)}
    api.kubeconfig = write_kubeconfig(api.kubeconfig, api.server.url_for("").rstrip("/"), user=user)

    def check(request: Request) -> Response:
        accepted = request.headers["Authorization"] == "Bearer new"
        token.write_text("new")
        return Response("{}", status=200 if accepted else 401)

    api.server.expect_request(PLACE).respond_with_handler(check)
    assert ask(api) == {}


def plugin(api: FakeApi, tmp_path: Path, program: str, **more: Any) -> None:
    """A credential plugin in Python, and the kubeconfig that uses it."""
    file = tmp_path / "plugin"
    file.write_text(f"#!{sys.executable} -I\nimport json, os, sys, time\n{program}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    user = {"exec": {"apiVersion": EXEC_API, "command": str(file), "interactiveMode": "IfAvailable", **more}}
    api.kubeconfig = write_kubeconfig(api.kubeconfig, api.server.url_for("").rstrip("/"), user=user)


def credential(**status: str) -> str:
    return f"print({json.dumps(json.dumps({'apiVersion': EXEC_API, 'kind': 'ExecCredential', 'status': status}))})"


def test_a_plugins_token_is_used_and_it_gets_no_terminal(api: FakeApi, tmp_path: Path) -> None:
    checks = "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
    checks += "assert info['spec']['interactive'] is False and 'server' in info['spec']['cluster']\n"
    checks += "assert sys.stdin.read() == '' and os.environ['REGION'] == 'eu' and sys.argv[1:] == ['get-token']\n"
    env = [{"name": "REGION", "value": "eu"}]
    program = checks + credential(token="from-plugin")
    plugin(api, tmp_path, program, args=["get-token"], env=env, provideClusterInfo=True)
    api.answers(PLACE, {})
    ask(api)
    assert api.server.log[0][0].headers["Authorization"] == "Bearer from-plugin"


def test_a_plugin_is_run_again_when_its_token_is_refused(api: FakeApi, tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("")
    program = f"open({str(count)!r}, 'a').write('x')\nn = len(open({str(count)!r}).read())\n"
    plugin(api, tmp_path, program + credential(token="number-N").replace("number-N", "' + str(n) + '"))
    plugin_text = (tmp_path / "plugin").read_text()
    (tmp_path / "plugin").write_text(plugin_text.replace('print("', "print('").replace('")', "')").replace('\\"', '"'))

    def check(request: Request) -> Response:
        return Response("{}", status=200 if request.headers["Authorization"] == "Bearer 2" else 401)

    api.server.expect_request(PLACE).respond_with_handler(check)
    assert ask(api) == {}


@scenario("P6", real=True)
def test_a_failing_plugin_is_an_auth_error_in_its_own_words_without_secrets(api: FakeApi, tmp_path: Path) -> None:
    words = "debug: start\n" * 500 + "error: sso session expired; refresh_token=hunter2 Bearer abc.def"
    plugin(api, tmp_path, f"sys.exit({words!r})")
    error = failure(api)
    assert isinstance(error, AuthError)
    assert error.why.startswith("exit status 1: debug: start")
    assert error.why.endswith("error: sso session expired; refresh_token=*** ***")
    assert "hunter2" not in str(error)
    assert "abc.def" not in str(error)
    assert len(error.why) < 600


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("print('hello')", "did not print an ExecCredential"),
        (credential(), "neither a token nor a certificate"),
        (credential(token="t").replace("/v1", "/v1beta1"), "the kubeconfig asks for"),
    ],
)
def test_a_plugin_that_answers_nonsense_is_an_auth_error(api: FakeApi, tmp_path: Path, program: str, why: str) -> None:
    plugin(api, tmp_path, program)
    error = failure(api)
    assert isinstance(error, AuthError)
    assert why in error.why


@scenario("P6", real=True)
def test_a_plugin_that_hangs_is_ended_with_its_children(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedExecPlugin, "deadline", 1.0)
    pids = tmp_path / "pids"
    program = f"import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nopen({str(pids)!r}, 'w').write("
    plugin(api, tmp_path, program + "f'{child.pid}')\ntime.sleep(60)")
    started = time.monotonic()
    error = failure(api)
    assert isinstance(error, AuthError)
    assert "within 1 s" in error.why
    assert time.monotonic() - started < 45  # not the 60 s that it would sleep
    assert not is_running(int(pids.read_text()))


def is_running(pid: int) -> bool:
    for _ in range(50):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.1)
    return True


def test_a_plugin_that_is_not_installed_is_a_preflight_error(api: FakeApi, tmp_path: Path) -> None:
    plugin(api, tmp_path, "", command="no-such-login-program")
    error = failure(api)
    assert isinstance(error, PreflightError)
    assert "no-such-login-program" in error.why


@scenario("P5", real=True)
def test_a_certificate_of_another_authority_is_an_integrity_error(
    api: FakeApi, https_server: HTTPServer, tmp_path: Path
) -> None:
    api.kubeconfig = write_kubeconfig(tmp_path / "tls", https_server.url_for("").rstrip("/"))
    error = failure(api)
    assert isinstance(error, IntegrityError)
    assert error.exit_code == 11
    assert "self-signed certificate" in error.why.replace("self signed", "self-signed")


def test_a_certificate_of_the_kubeconfigs_authority_is_accepted(
    api: FakeApi, https_server: HTTPServer, tmp_path: Path
) -> None:
    https_server.expect_request(PLACE).respond_with_json({})
    authority = base64.b64encode(CERTIFICATE.encode()).decode()
    server = https_server.url_for("").rstrip("/")
    api.kubeconfig = write_kubeconfig(tmp_path / "tls", server, cluster={"certificate-authority-data": authority})
    assert ask(api) == {}
    named_otherwise = {"certificate-authority-data": authority, "tls-server-name": "another.example"}
    api.kubeconfig = write_kubeconfig(tmp_path / "tls", server, cluster=named_otherwise)
    assert isinstance(failure(api), IntegrityError)


@scenario("P5", real=True)
def test_a_kubeconfig_may_switch_the_check_off_but_not_silently(
    api: FakeApi, https_server: HTTPServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    https_server.expect_request(PLACE).respond_with_json({})
    server = https_server.url_for("").rstrip("/")
    api.kubeconfig = write_kubeconfig(tmp_path / "tls", server, cluster={"insecure-skip-tls-verify": True})
    with caplog.at_level(logging.WARNING):
        assert ask(api) == {}
    assert "insecure-skip-tls-verify" in caplog.text


def test_an_authority_that_is_no_certificate_is_a_preflight_error(
    api: FakeApi, https_server: HTTPServer, tmp_path: Path
) -> None:
    server = https_server.url_for("").rstrip("/")
    nonsense = base64.b64encode(b"nonsense").decode()
    api.kubeconfig = write_kubeconfig(tmp_path / "tls", server, cluster={"certificate-authority-data": nonsense})
    assert isinstance(failure(api), PreflightError)

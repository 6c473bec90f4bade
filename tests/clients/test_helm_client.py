import asyncio
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clients.fake_helm import FakeHelm, is_gone_within, is_running
from dfmc.clients.foreign_text import readable
from dfmc.clients.helm import PyHelm
from dfmc.clients.helm_environment import helm_environment, refused_environment
from dfmc.clients.helm_errors import MAX_STDERR, helm_error
from dfmc.clients.helm_version import supported_version
from dfmc.clients.protocols import HelmClient
from dfmc.errors import (
    AuthError,
    ConflictError,
    DfmcError,
    IntegrityError,
    NotReadyError,
    PreflightError,
    RecoveryError,
    UnreachableError,
)
from helm_binary import helm_binary
from scenarios import scenario

SECRET = "c4nary-Passw0rd"


@pytest.fixture
def fake(tmp_path: Path) -> FakeHelm:
    return FakeHelm(tmp_path)


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    directory = tmp_path / "tiny"
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    (directory / "values.yaml").write_text("greeting: hello\nnested: {enabled: true, extra: null}\n")
    (directory / "templates" / "cm.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\n"
        "data: {g: {{ .Values.greeting | quote }}}\n"
        '{{- if .Values.broken }}{{ fail "broken on purpose" }}{{ end }}\n'
    )
    return directory


def client(helm: FakeHelm | Path, tmp_path: Path, **options: Any) -> PyHelm:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **options.pop("environ", {})}
    binary = helm.path if isinstance(helm, FakeHelm) else helm
    return PyHelm(**{"context": "kind-b", "binary": binary, "environ": environ, **options})


def upgrade(helm: PyHelm, chart: Path, **changes: Any) -> Any:
    return helm.upgrade(
        **{
            "release": "dragonfly",
            "namespace": "cluster-b",
            "chart": chart,
            "values": {"password": SECRET},
            "labels": {"dfmc.io/topology": "guide", "dfmc.io/uid": "0a1b"},
            "description": "dfmc: guide/b",
            **changes,
        }
    )


def test_it_is_a_helm_client(fake: FakeHelm, tmp_path: Path) -> None:
    helm: HelmClient = client(fake, tmp_path)
    assert isinstance(helm, PyHelm)


def test_an_upgrade_names_context_namespace_labels_and_a_timeout_with_its_unit(
    fake: FakeHelm, tmp_path: Path, chart: Path
) -> None:
    fake.behave(stdout='{"info": {}}')
    asyncio.run(upgrade(client(fake, tmp_path, kubeconfig=Path("/k/config"), deadline=315), chart))
    (call,) = fake.calls()
    assert call.argv[:3] == ["upgrade", "dragonfly", str(chart)]
    assert call.option("--kube-context") == "kind-b"
    assert call.option("--kubeconfig") == "/k/config"
    assert call.option("--namespace") == "cluster-b"
    assert call.option("--labels") == "dfmc.io/topology=guide,dfmc.io/uid=0a1b"
    assert call.option("--timeout") == "300s"
    assert call.option("--description") == "dfmc: guide/b"
    assert "--install" in call.argv
    assert not [a for a in call.argv if a.startswith(("--wait", "--atomic", "--create-namespace", "--set"))]


def test_values_travel_as_json_on_standard_input_and_never_in_the_arguments(
    fake: FakeHelm, tmp_path: Path, chart: Path
) -> None:
    values = {"password": SECRET, "text": "$(id) {{ .Values.x }} no 1e10 ü", "list": (1, {"deep": None}), "off": False}
    asyncio.run(upgrade(client(fake, tmp_path), chart, values=values))
    (call,) = fake.calls()
    assert call.stdin is not None
    assert json.loads(call.stdin) == {**values, "list": [1, {"deep": None}]}
    assert call.option("--values") == "-"
    assert SECRET not in " ".join(call.argv)
    assert SECRET not in json.dumps(call.env)


@pytest.mark.parametrize("answer", ["", "no json here", '{"cut', "Pulled: oci://x\nDigest: sha256:1\n{}"])
def test_what_helm_prints_on_success_decides_nothing(fake: FakeHelm, tmp_path: Path, chart: Path, answer: str) -> None:
    fake.behave(stdout=answer)
    asyncio.run(upgrade(client(fake, tmp_path), chart))
    assert len(fake.calls()) == 1


@scenario("C5", real="a program in helm's place that shows what it was given")
def test_helm_sees_an_allow_list_of_the_environment_and_private_homes(
    fake: FakeHelm, tmp_path: Path, chart: Path
) -> None:
    environ = {
        "AWS_PROFILE": "prod",
        "HTTPS_PROXY": "http://proxy:3128",
        "KUBECONFIG": "/a:/b",
        "DFMC_ROOT_PASSWORD": SECRET,
        "HELM_PLUGINS": "/evil",
        "HELM_REPOSITORY_CONFIG": "/evil",
        "HELM_DATA_HOME": "/evil",
        "HELM_DRIVER": "secret",
        "PYTHONPATH": "/evil",
        "LD_PRELOAD": "/evil.so",
    }
    asyncio.run(upgrade(client(fake, tmp_path, environ=environ), chart))
    seen = fake.calls()[0].env
    assert {k: seen[k] for k in ("AWS_PROFILE", "HTTPS_PROXY", "KUBECONFIG")} == {
        k: environ[k] for k in ("AWS_PROFILE", "HTTPS_PROXY", "KUBECONFIG")
    }
    assert "/evil" not in json.dumps(seen)
    assert SECRET not in json.dumps(seen)
    assert seen["HELM_NO_PLUGINS"] == "1"
    private = tmp_path / ".cache" / "dfmc" / "helm"
    assert [seen[f"HELM_{n}_HOME"] for n in ("CACHE", "CONFIG", "DATA")] == [
        str(private / n) for n in ("cache", "config", "data")
    ]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_the_users_registry_logins_are_passed_on(tmp_path: Path) -> None:
    logins = tmp_path / "conf" / "helm" / "registry" / "config.json"
    logins.parent.mkdir(parents=True)
    logins.write_text("{}")
    private = tmp_path / "private"
    assert helm_environment({"XDG_CONFIG_HOME": str(tmp_path / "conf")}, private)["HELM_REGISTRY_CONFIG"] == str(logins)
    assert helm_environment({"HELM_REGISTRY_CONFIG": "/x.json"}, private)["HELM_REGISTRY_CONFIG"] == "/x.json"
    assert "HELM_REGISTRY_CONFIG" not in helm_environment({"HOME": str(tmp_path)}, private)


def test_an_environment_that_redirects_helm_is_refused(fake: FakeHelm, tmp_path: Path) -> None:
    environ = {"HELM_KUBETOKEN": SECRET, "HELM_KUBEAPISERVER": "https://a", "HELM_DRIVER": "sql", "HELM_KUBECAFILE": ""}
    assert refused_environment(environ) == ["HELM_DRIVER", "HELM_KUBEAPISERVER", "HELM_KUBETOKEN"]
    assert refused_environment({"HELM_DRIVER": "secret", "HELM_NAMESPACE": "x"}) == []
    with pytest.raises(PreflightError, match="HELM_KUBEAPISERVER") as caught:
        client(fake, tmp_path, environ=environ)
    assert caught.value.next_step == "unset HELM_DRIVER HELM_KUBEAPISERVER HELM_KUBETOKEN"
    assert SECRET not in str(caught.value)


def test_an_uninstall_tolerates_absence(fake: FakeHelm, tmp_path: Path) -> None:
    asyncio.run(client(fake, tmp_path).uninstall(release="dragonfly", namespace="cluster-b"))
    (call,) = fake.calls()
    assert call.argv[:2] == ["uninstall", "dragonfly"]
    assert "--ignore-not-found" in call.argv
    assert call.option("--kube-context") == "kind-b"


def test_offline_calls_name_no_cluster(fake: FakeHelm, tmp_path: Path, chart: Path) -> None:
    fake.behave(stdout="kind: A\n---\nkind: B\n")
    helm = client(fake, tmp_path, kubeconfig=Path("/k/config"))
    text = asyncio.run(helm.template(release="dragonfly", namespace="cluster-b", chart=chart, values={"a": 1}))
    assert text == "kind: A\n---\nkind: B\n"
    fake.behave(stdout="a: {b: null}\n")
    assert asyncio.run(helm.show_values(chart)) == {"a": {"b": None}}
    for call in fake.calls():
        assert not {"--kube-context", "--kubeconfig"} & set(call.argv)


def test_a_pull_returns_the_archive(fake: FakeHelm, tmp_path: Path) -> None:
    destination = tmp_path / "pulled"
    destination.mkdir()
    (destination / "dragonfly-1.7.4.tgz").write_bytes(b"x")
    helm = client(fake, tmp_path, context=None)
    pulled = asyncio.run(helm.pull("oci://registry.example/charts/dragonfly", "1.7.4", destination))
    assert pulled == destination / "dragonfly-1.7.4.tgz"
    assert fake.calls()[0].option("--version") == "1.7.4"


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("Error: GET https://r: unauthorized: authentication required", AuthError),
        ("Error: r/charts/x:9.9.9: not found", PreflightError),
        ("Error: dial tcp: lookup r: no such host", UnreachableError),
        ("Error: something else", DfmcError),
    ],
)
def test_a_failed_pull_speaks_of_the_registry(
    fake: FakeHelm, tmp_path: Path, stderr: str, kind: type[DfmcError]
) -> None:
    fake.behave(stderr=stderr, exit=1)
    with pytest.raises(DfmcError) as caught:
        asyncio.run(client(fake, tmp_path).pull("oci://r/charts/x", "9.9.9", tmp_path))
    assert type(caught.value) is kind
    assert "API server" not in str(caught.value)


@pytest.mark.parametrize("said", ["v3.18.0", "v3.19", "3.21.4", "v4.2.4+g1a2b3c", "v4.0.0-rc.1", " v3.20.2\n"])
def test_supported_versions(fake: FakeHelm, tmp_path: Path, said: str) -> None:
    fake.behave(stdout=said)
    helm = client(fake, tmp_path)
    assert asyncio.run(helm.version()) == said.strip().removeprefix("v")
    assert asyncio.run(helm.version())
    assert len(fake.calls()) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        {"stdout": "v3.17.9"},
        {"stdout": "v2.16.0"},
        {"stdout": "v5.0.0"},
        {"stdout": ""},
        {"stdout": "\x1b[31mhelm, the great"},
        {"stdout": "v3"},
        {"stdout": "v3.19.0 and more"},
        {"exit": 1, "stderr": "exec format error"},
    ],
)
@scenario("P1", "P2", real=True)
def test_odd_or_unsupported_versions_say_what_to_type(
    fake: FakeHelm, tmp_path: Path, behaviour: dict[str, Any]
) -> None:
    fake.behave(**behaviour)
    with pytest.raises(PreflightError) as caught:
        asyncio.run(client(fake, tmp_path).version())
    assert "helm 3.18 or newer, or 4.x" in caught.value.next_step
    assert "\x1b" not in str(caught.value)


@scenario("P1", real=True)
def test_a_helm_that_is_missing_or_no_program_says_what_to_type(tmp_path: Path, chart: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\x00\x01\x02")
    garbage.chmod(0o700)
    for binary in (tmp_path / "absent", garbage):
        with pytest.raises(PreflightError) as caught:
            asyncio.run(client(binary, tmp_path).version())
        assert "https://helm.sh" in caught.value.next_step


@scenario("P1", real=True)
def test_a_helm_that_hangs_at_its_version_is_given_up(
    fake: FakeHelm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfmc.clients.helm._VERSION_DEADLINE", 0.5)
    fake.behave(sleep=60)
    started = time.monotonic()
    with pytest.raises(PreflightError, match="does not tell its version"):
        asyncio.run(client(fake, tmp_path).version())
    assert time.monotonic() - started < 45  # not the 60 s that it would sleep
    assert is_gone_within(fake.calls()[0].pid, 2)


FAILURES = [
    ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", RecoveryError),
    ('Error: UPGRADE FAILED: "dragonfly" has no deployed releases', RecoveryError),
    ("Error: INSTALLATION FAILED: cannot re-use a name that is still in use", ConflictError),
    ("Error: release name check failed: cannot reuse a name that is still in use", ConflictError),
    (
        'Error: Unable to continue with install: Service "m" in namespace "b" exists and cannot be imported into the '
        "current release: invalid ownership metadata",
        ConflictError,
    ),
    ('Error: Apply failed with 1 conflict: conflict with "kubectl-patch": .spec.replicas', ConflictError),
    (
        'Error: UPGRADE FAILED: cannot patch "s" with kind StatefulSet: StatefulSet.apps "s" is invalid: spec: '
        "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        ConflictError,
    ),
    ('Deployment.apps "m" is invalid: spec.selector: Invalid value: … field is immutable', ConflictError),
    ("Error: Kubernetes cluster unreachable: dial tcp 127.0.0.1:1: connect: connection refused", UnreachableError),
    ("Error: kubernetes cluster unreachable: Get https://x: dial tcp: lookup x: no such host", UnreachableError),
    ("Error: UPGRADE FAILED: etcdserver: request timed out", UnreachableError),
    ("Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials", AuthError),
    ('Error: secrets is forbidden: User "bob" cannot list resource "secrets"', AuthError),
    ("Error: kubernetes cluster unreachable: getting credentials: exec: executable aws failed", AuthError),
    (
        "Error: Kubernetes cluster unreachable: tls: failed to verify certificate: x509: unknown authority",
        IntegrityError,
    ),
    ('Error: Kubernetes cluster unreachable: context "nope" does not exist', PreflightError),
    ("Error: execution error at (d/templates/m.yaml:3:4): set manager.host", DfmcError),
    ('Error: template: d/templates/m.yaml:1:2: executing "x": error calling include', DfmcError),
    ('Error: namespaces "b" not found', DfmcError),
    ("Error: failed post-install: timed out waiting for the condition", NotReadyError),
    ('Error: admission webhook "policy.example" denied the request: no latest tags', PreflightError),
    ('Error: pods "x" is forbidden: exceeded quota: small', PreflightError),
    ("Error: unable to create new content in namespace b because it is being terminated", NotReadyError),
    ("Error: unknown flag: --labels", PreflightError),
    ("Error: provided port is already allocated", ConflictError),
    ("Error: nobody has seen this before", DfmcError),
]


@pytest.mark.parametrize(("stderr", "kind"), FAILURES)
@pytest.mark.parametrize("shape", [str, str.upper, lambda text: f'level=WARN msg="upgrade failed"\n{text}\n'])
@scenario("N12", "P10", real="words of helm that were recorded")
def test_helms_words_become_the_right_error_with_a_next_step(stderr: str, kind: type[DfmcError], shape: Any) -> None:
    error = helm_error("helm upgrade of x", 1, shape(stderr), left="something")
    assert type(error) is kind
    assert error.next_step
    assert error.why == shape(stderr)


def test_a_failed_upgrade_carries_the_end_of_stderr_masked_and_readable(
    fake: FakeHelm, tmp_path: Path, chart: Path
) -> None:
    fake.behave(stderr="x" * 5000 + f"\n\x1b[31mError:\x1b[0m {SECRET} rejected\x07\r\n", exit=1)
    helm = client(fake, tmp_path, mask=lambda text: text.replace(SECRET, "***"))
    with pytest.raises(DfmcError) as caught:
        asyncio.run(upgrade(helm, chart))
    assert caught.value.why.endswith("Error: *** rejected")
    assert len(caught.value.why) == MAX_STDERR + 1
    assert caught.value.left
    chain: BaseException | None = caught.value
    while chain is not None:
        assert SECRET not in repr(chain) + str(chain)
        chain = chain.__cause__ or chain.__context__


def test_a_secret_cut_by_the_limit_or_hidden_by_control_characters_stays_masked() -> None:
    def mask(text: str) -> str:
        return text.replace(SECRET, "***")

    assert SECRET[-6:] not in readable(f"{SECRET} tail".encode(), mask, limit=10)
    hidden = SECRET[:4] + "\x1b[0m" + SECRET[4:7] + "\x00" + SECRET[7:]
    assert readable(hidden.encode(), mask, 100) == "***"


def test_stderr_of_a_success_is_logged_masked(
    fake: FakeHelm, tmp_path: Path, chart: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.behave(stderr=f"WARNING: {SECRET} is old\n")
    asyncio.run(upgrade(client(fake, tmp_path, mask=lambda text: text.replace(SECRET, "***")), chart))
    assert "WARNING: *** is old" in caplog.text
    assert SECRET not in caplog.text
    assert "pyhelm3" not in {record.name.partition(".")[0] for record in caplog.records}


def test_a_helm_killed_by_a_signal_says_so() -> None:
    assert "signal 9" in helm_error("helm upgrade of x", -9, "", left="").why


def test_labels_the_api_server_would_refuse_are_refused_before_helm_runs(
    fake: FakeHelm, tmp_path: Path, chart: Path
) -> None:
    for labels in ({"dfmc.io/x": "a,b=c"}, {"dfmc.io/x": "0" * 64}, {"a b": "c"}, {"dfmc.io/x": "-a"}):
        with pytest.raises(DfmcError, match="not a label"):
            asyncio.run(upgrade(client(fake, tmp_path), chart, labels=labels))
    assert fake.calls() == []


@scenario("C3", real="a program in helm's place that shows what it was given")
def test_a_relative_or_absent_chart_is_refused(
    fake: FakeHelm, tmp_path: Path, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path("tiny"), tmp_path / "absent"):
        with pytest.raises(PreflightError, match="no chart at"):
            asyncio.run(upgrade(client(fake, tmp_path), path))
    assert fake.calls() == []


@pytest.mark.parametrize("ignore_term", [False, True])
def test_a_hanging_helm_is_stopped_at_its_deadline_with_what_it_started(
    fake: FakeHelm, tmp_path: Path, chart: Path, ignore_term: bool
) -> None:
    fake.behave(sleep=60, ignore_term=ignore_term, start_plugin=True, stderr="still waiting for the server")
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="did not end within 1 s") as caught:
        asyncio.run(upgrade(client(fake, tmp_path, deadline=1.0, grace=0.5), chart))
    assert time.monotonic() - started < 45  # not the 60 s that it would sleep
    assert caught.value.why == "still waiting for the server"
    (call,) = fake.calls()
    assert call.child is not None
    assert is_gone_within(call.pid, 1)
    assert is_gone_within(call.child, 1)


@pytest.mark.parametrize("ignore_term", [False, True])
def test_a_cancelled_call_ends_helm_before_it_returns(
    fake: FakeHelm, tmp_path: Path, chart: Path, ignore_term: bool
) -> None:
    fake.behave(sleep=60, ignore_term=ignore_term, start_plugin=True)

    async def cancel_midway() -> float:
        task = asyncio.create_task(upgrade(client(fake, tmp_path, grace=0.5), chart))
        call = await asyncio.to_thread(fake.wait_for_call)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_running(call.pid)
        return time.monotonic() - started

    assert asyncio.run(cancel_midway()) < 3
    child = fake.calls()[0].child
    assert child is not None
    assert is_gone_within(child, 1)


@scenario("K4", real="a program in helm's place that does not end when asked")
@pytest.mark.timeout(120)  # far from the grace
def test_a_second_cancellation_does_not_wait_for_the_grace(fake: FakeHelm, tmp_path: Path, chart: Path) -> None:
    fake.behave(sleep=60, ignore_term=True)

    async def cancel_twice() -> None:
        task = asyncio.create_task(upgrade(client(fake, tmp_path, grace=3600), chart))
        call = await asyncio.to_thread(fake.wait_for_call)
        task.cancel()
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert is_gone_within(call.pid, 10)

    asyncio.run(cancel_twice())


def test_helm_may_end_by_itself_after_sigterm(fake: FakeHelm, tmp_path: Path, chart: Path) -> None:
    fake.behave(sleep=60, on_term="release marked as failed")
    with pytest.raises(UnreachableError) as caught:
        asyncio.run(upgrade(client(fake, tmp_path, deadline=1.0), chart))
    assert caught.value.why == "release marked as failed"


@scenario("K5", real="a program in helm's place that shows what it was given")
def test_helm_has_a_session_of_its_own_and_no_terminal_to_prompt_on(
    fake: FakeHelm, tmp_path: Path, chart: Path
) -> None:
    asyncio.run(upgrade(client(fake, tmp_path), chart))
    (call,) = fake.calls()
    assert call.sid == call.pid
    assert call.sid != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@scenario("X7", real="a program in helm's place that never ends")
def test_helm_dies_with_a_dfmc_that_is_killed(fake: FakeHelm, tmp_path: Path, chart: Path) -> None:
    fake.behave(sleep=60, ignore_term=True)
    program = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom dfmc.clients.helm import PyHelm\n"
        "helm = PyHelm(context='c', binary=sys.argv[1])\n"
        "asyncio.run(helm.upgrade(release='r', namespace='n', chart=Path(sys.argv[2]), values={}, labels={}, "
        "description='d'))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(fake.path), str(chart)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    try:
        call = fake.wait_for_call(30)
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        assert is_gone_within(call.pid, 5)
    finally:
        parent.kill()
        parent.wait(10)


def test_many_calls_at_once_keep_their_answers_apart(fake: FakeHelm, tmp_path: Path, chart: Path) -> None:
    async def all_at_once() -> None:
        helm = client(fake, tmp_path)
        await asyncio.gather(*(upgrade(helm, chart, release=f"r{n}", values={"n": n}) for n in range(8)))

    asyncio.run(all_at_once())
    assert {(c.argv[1], json.loads(c.stdin or "")["n"]) for c in fake.calls()} == {(f"r{n}", n) for n in range(8)}


@pytest.mark.helm
def test_a_real_helm_renders_a_chart_from_values_on_standard_input(tmp_path: Path, chart: Path) -> None:
    helm = client(helm_binary(), tmp_path)
    assert asyncio.run(helm.version())[0] in "34"
    literal = "$(id) {{ .Values.x }} no"
    text = asyncio.run(
        helm.template(release="dragonfly", namespace="cluster-b", chart=chart, values={"greeting": literal})
    )
    assert f'"{literal}"' in text
    assert "namespace: cluster-b" in text
    assert asyncio.run(helm.show_values(chart)) == {"greeting": "hello", "nested": {"enabled": True, "extra": None}}


@pytest.mark.helm
def test_a_real_helm_that_cannot_render_says_where(tmp_path: Path, chart: Path) -> None:
    helm = client(helm_binary(), tmp_path)
    with pytest.raises(DfmcError, match="broken on purpose") as caught:
        asyncio.run(helm.template(release="dragonfly", namespace="cluster-b", chart=chart, values={"broken": "yes"}))
    assert "cannot be rendered" in caught.value.what


@pytest.mark.helm
@pytest.mark.parametrize(
    ("context", "kind"), [("silent", UnreachableError), ("absent", PreflightError)], ids=["closed port", "no context"]
)
def test_a_real_helm_accepts_every_argument_of_an_upgrade(
    tmp_path: Path, chart: Path, context: str, kind: type[DfmcError]
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\nusers: [{name: u, user: {}}]\n"
        "clusters: [{name: silent, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: silent, context: {cluster: silent, user: u}}]\n"
    )
    helm = client(helm_binary(), tmp_path, context=context, kubeconfig=kubeconfig)
    with pytest.raises(DfmcError) as caught:
        asyncio.run(upgrade(helm, chart))
    assert type(caught.value) is kind
    assert caught.value.left == ""
    with pytest.raises(DfmcError) as caught:
        asyncio.run(helm.uninstall(release="dragonfly", namespace="cluster-b"))
    assert type(caught.value) is kind


def test_versions_are_compared_as_numbers() -> None:
    assert supported_version("v3.100.0", "helm") == "3.100.0"
    with pytest.raises(PreflightError, match=r"3\.2\.0 is not supported"):
        supported_version("v3.2.0", "helm")


def test_the_environment_given_is_not_changed(fake: FakeHelm, tmp_path: Path) -> None:
    environ: Mapping[str, str] = {"HOME": str(tmp_path), "PATH": "/bin"}
    before = dict(environ)
    PyHelm(context=None, binary=fake.path, environ=environ)
    assert environ == before

from typing import Any

import pytest

from dfmc.errors import PreflightError
from dfmc.symbols import Pending
from dfmc.values.merge import coalesce, get_path
from dfmc.values.runtimes import manual_steps
from values_cases import CURRENT, LEGACY, guide, rendered

DFINIT_DEFAULTS = {"containerd": {"configPath": "/etc/containerd/config.toml", "registries": ["default"]}}


def legacy(**runtime: Any) -> dict[str, Any]:
    values: dict[str, Any] = rendered(guide(LEGACY, a={"runtime": runtime}), "a")["containerRuntime"]
    return values


def dfinit(**runtime: Any) -> dict[str, Any]:
    values: dict[str, Any] = rendered(guide(CURRENT, a={"runtime": runtime}), "a")["client"]["dfinit"]
    return values


@pytest.mark.parametrize(
    ("kind", "on"), [("containerd", "containerd"), ("cri-o", "crio"), ("docker", "docker"), ("none", None)]
)
def test_the_legacy_chart_is_told_one_runtime_and_no_other(kind: str, on: str | None) -> None:
    values = legacy(type=kind)
    assert {key: values[key]["enable"] for key in ("containerd", "crio", "docker")} == {
        key: key == on for key in ("containerd", "crio", "docker")
    }


def test_the_guides_containerd_settings_come_out_as_in_the_guide() -> None:
    values = legacy(type="containerd", injectConfigPath=True, registries=["https://ghcr.io"])
    assert values["containerd"] == {"enable": True, "injectConfigPath": True, "registries": ["https://ghcr.io"]}


def test_without_registries_the_charts_own_stay() -> None:
    assert legacy(type="containerd")["containerd"] == {"enable": True}
    assert "registries" not in get_path(dfinit(type="containerd"), "config.containerRuntime.containerd")


def test_legacy_docker_is_told_host_names() -> None:
    values = legacy(type="docker", registries=["https://harbor.example:8443", "ghcr.io"], restart=True)
    assert values["docker"] == {"enable": True, "registryDomains": ["harbor.example", "ghcr.io"], "restart": True}


def test_containerd_registries_become_host_and_server() -> None:
    values = dfinit(type="containerd", registries=["https://ghcr.io", "docker.io", "http://local:5000"])
    registries = get_path(values, "config.containerRuntime.containerd.registries")
    assert [(entry["hostNamespace"], entry["serverAddr"]) for entry in registries] == [
        ("ghcr.io", "https://ghcr.io"),
        ("docker.io", "https://index.docker.io"),
        ("local:5000", "http://local:5000"),
    ]
    assert all(entry["capabilities"] == ["pull", "resolve"] for entry in registries)


@pytest.mark.parametrize(("kind", "key"), [("cri-o", "crio"), ("podman", "podman"), ("docker", "docker")])
def test_another_runtime_takes_the_charts_containerd_away(kind: str, key: str) -> None:
    runtimes = get_path(dfinit(type=kind), "config.containerRuntime")
    assert runtimes["containerd"] is None
    # Coalesced with the chart's defaults only the wanted one is left; dfinit would take containerd first.
    assert list(coalesce(DFINIT_DEFAULTS, runtimes)) == [key]
    assert runtimes[key]["configPath"].startswith("/etc/")


def test_cri_o_registries_are_prefixes() -> None:
    crio = get_path(dfinit(type="cri-o", registries=["https://ghcr.io"]), "config.containerRuntime.crio")
    assert crio["registries"] == [{"prefix": "ghcr.io", "location": "ghcr.io"}]


@pytest.mark.parametrize("kind", ["none", "containerd-no-cri"])
def test_what_the_chart_cannot_configure_is_left_alone(kind: str) -> None:
    assert dfinit(type=kind) == {"enable": False}
    assert not any(value["enable"] for value in legacy(type=kind).values())


@pytest.mark.parametrize(("given", "expected"), [(None, True), (True, True), (False, False)])
def test_restarting_does_not_depend_on_whether_it_is_the_first_time(given: bool | None, expected: bool) -> None:
    runtime = {"type": "containerd"} | ({} if given is None else {"restart": given})
    wanted = guide(CURRENT, a={"runtime": runtime})
    for first_install in (True, False):
        values = rendered(wanted, "a", first_install=first_install)
        assert get_path(values, "client.dfinit.restartContainerRuntime") is expected


def test_the_restart_is_written_only_where_the_chart_asks() -> None:
    runtime = {"type": "containerd", "registries": ["ghcr.io"]}
    before, after = (
        rendered(guide(version, a={"runtime": runtime}), "a")["client"]["dfinit"] for version in ("1.3.23", "1.3.24")
    )
    assert before["enable"] is True
    assert "restartContainerRuntime" not in before
    assert after["restartContainerRuntime"] is True


@pytest.mark.parametrize("version", ["1.1.12", "1.1.37", "1.1.38", "1.1.65"])
def test_charts_with_both_data_planes_inject_through_the_go_one(version: str) -> None:
    values = rendered(guide(version, a={"runtime": {"type": "cri-o", "registries": ["ghcr.io"]}}), "a")
    assert values["containerRuntime"]["crio"] == {"enable": True, "registries": ["https://ghcr.io"]}
    assert "dfinit" not in values["client"]


@pytest.mark.parametrize(("version", "enabled"), [("1.3.0", False), ("1.3.1", True)])
def test_auto_configures_docker_only_where_the_chart_can(version: str, enabled: bool) -> None:
    dfinit_values = rendered(guide(version), "a", runtimes=frozenset({"docker"}))["client"]["dfinit"]
    assert dfinit_values["enable"] is enabled


def test_auto_refuses_two_kinds_even_where_the_chart_can_configure_but_one() -> None:
    with pytest.raises(PreflightError, match="containerd, docker"):
        rendered(guide("1.3.0"), "b", runtimes=frozenset({"docker", "containerd"}))


@pytest.mark.parametrize(
    ("seen", "enabled"),
    [({"containerd"}, "containerd"), ({"cri-o"}, "crio"), ({"docker"}, "docker"), ({"docker", "kwok"}, "docker")],
)
def test_auto_follows_the_nodes(seen: set[str], enabled: str) -> None:
    wanted = guide(LEGACY)
    values = rendered(wanted, "a", runtimes=frozenset(seen))["containerRuntime"]
    assert [key for key, value in values.items() if value["enable"]] == [enabled]
    current = rendered(guide(CURRENT), "a", runtimes=frozenset(seen))["client"]["dfinit"]
    assert current["enable"] is True
    assert enabled in get_path(current, "config.containerRuntime")


def test_auto_leaves_runtimes_alone_that_no_chart_can_configure() -> None:
    assert rendered(guide(CURRENT), "a", runtimes=frozenset({"kwok"}))["client"]["dfinit"] == {"enable": False}


def test_auto_means_containerd_while_no_node_says_anything() -> None:
    nobody, containerd = frozenset[str](), frozenset({"containerd"})
    for version in (LEGACY, CURRENT):
        wanted = guide(version)
        assert rendered(wanted, "a", runtimes=nobody) == rendered(wanted, "a", runtimes=containerd)


@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_auto_refuses_two_kinds_in_one_cluster(version: str) -> None:
    with pytest.raises(PreflightError, match="containerd, docker") as refused:
        rendered(guide(version), "b", runtimes=frozenset({"docker", "containerd"}))
    assert refused.value.where == "b"
    assert "runtime.type" in refused.value.next_step


def test_auto_is_pending_where_the_nodes_are_not_known() -> None:
    pending = Pending("runtime:a/kind")
    assert rendered(guide(CURRENT), "a", runtimes=None)["client"]["dfinit"] == {"enable": pending}
    legacy_values = rendered(guide(LEGACY), "a", runtimes=None)["containerRuntime"]
    assert [value["enable"] for value in legacy_values.values()] == [pending] * 3


@pytest.mark.parametrize(("version", "port"), [(LEGACY, 65001), (CURRENT, 4001)])
def test_containerd_without_cri_gets_lines_to_type(version: str, port: int) -> None:
    runtime = {"type": "containerd-no-cri", "registries": ["https://ghcr.io", "https://docker.io"]}
    wanted = guide(version, b={"runtime": runtime})
    text = "\n".join(manual_steps(wanted, wanted.cluster("b")))
    assert f"HTTP_PROXY=http://127.0.0.1:{port} ctr image pull" in text
    assert "--hosts-dir /etc/containerd/certs.d ghcr.io/" in text
    assert f'[host."http://127.0.0.1:{port}"]' in text
    assert 'X-Dragonfly-Registry = "https://index.docker.io"' in text
    assert manual_steps(wanted, wanted.cluster("a")) == ()

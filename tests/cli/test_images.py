"""``dfmc images``: the list, and what docker and kind are told to do with it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from command_line import GUIDE, Dfmc
from dfmc.testbed.chart_repository import write_repository
from helm_binary import helm_binary
from kind_programs import KindPrograms

CLIENT = "docker.io/dragonflyoss/client:v1.4.0"
NODES = [f"kind-{name}" for name in ("control-plane", "worker", "worker2")]
MORE = ["us-control-plane", "us-worker"]


@pytest.fixture
def chart(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in chart on disk, and the helm that reads it; no credential is set."""
    monkeypatch.setenv("DFMC_HELM", str(helm_binary()))
    write_repository(workplace / "charts")
    text = GUIDE.replace("repository: https://charts.example/", "path: charts/dragonfly-1.7.4.tgz")
    (workplace / "topology.yaml").write_text(text)


@pytest.fixture
def programs(tmp_path: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> KindPrograms:
    """A kind cluster with three nodes; Docker has no image, and can pull every image of the topology."""
    directory = tmp_path / "programs"
    directory.mkdir()
    made = KindPrograms(directory)
    made.install()
    made.change(clusters={"kind": dict.fromkeys(NODES, "running")}, networks=["bridge", "kind"])
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    write_kubeconfig(workplace, monkeypatch, {"kind-kind": "kind-kind"})
    return made


def write_kubeconfig(workplace: Path, monkeypatch: pytest.MonkeyPatch, clusters: dict[str, str]) -> None:
    contexts = [{"name": name, "context": {"cluster": entry, "user": entry}} for name, entry in clusters.items()]
    (workplace / "kubeconfig").write_text(yaml.safe_dump({"contexts": contexts}))
    monkeypatch.setenv("KUBECONFIG", str(workplace / "kubeconfig"))


def offer(programs: KindPrograms, images: list[str]) -> None:
    """Put the images into the registry that the fake engine pulls from."""
    programs.change(registry={image: f"sha256:{number}" for number, image in enumerate(images)})


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the guide's topology needs, without asking helm again in each test."""
    found = ["docker.io/busybox:latest", CLIENT, "docker.io/dragonflyoss/manager:v2.5.0", "mysql"]
    monkeypatch.setattr("dfmc.cli.needed_images.needed_images", lambda *rest: dict.fromkeys(found, ("a",)))
    return found


@pytest.mark.helm
def test_every_image_is_on_a_line_of_its_own_with_those_that_only_the_chart_knows(dfmc: Dfmc, chart: None) -> None:
    ended = dfmc("-q", "images")
    names = ended.out.splitlines()
    assert ended.code == 0
    assert names == sorted(set(names))
    assert CLIENT in names
    parts = " ".join(names)
    for part in ("manager", "scheduler", "dfinit", "busybox", "mysql", "redis"):
        assert part in parts


@pytest.mark.helm
def test_a_member_needs_neither_manager_nor_databases(dfmc: Dfmc, chart: None) -> None:
    text = dfmc("images", "-c", "b").out
    assert "mysql" not in text
    assert "manager" not in text
    assert CLIENT in text


@pytest.mark.helm
def test_json_tells_who_needs_an_image(dfmc: Dfmc, chart: None) -> None:
    document = json.loads(dfmc("images", "-o", "json").out)
    assert (document["apiVersion"], document["kind"]) == ("dfmc.io/v1alpha1", "Images")
    clusters = {row["image"]: row["clusters"] for row in document["images"]}
    assert clusters[CLIENT] == ["a", "b"]
    assert next(names for image, names in clusters.items() if "mysql" in image) == ["a"]
    assert "nodes" not in document


@pytest.mark.helm
def test_images_of_the_file_and_the_runtime_count(dfmc: Dfmc, workplace: Path, chart: None) -> None:
    file = workplace / "topology.yaml"
    text = file.read_text().replace("runtime: {type: containerd}", "images: {client: {tag: v9}}")
    file.write_text(text)
    with_runtime = dfmc("images").out
    assert "dragonflyoss/client:v9" in with_runtime
    assert "dfinit" in with_runtime
    assert "dfinit" not in dfmc("images", "--runtime", "none").out
    assert dfmc("images", "--runtime", "rkt").code == 64


@pytest.mark.helm
def test_a_member_elsewhere_needs_no_address_for_its_images(dfmc: Dfmc, workplace: Path, chart: None) -> None:
    names = dfmc("images").out.splitlines()
    file = workplace / "topology.yaml"
    file.write_text(file.read_text().replace("- name: b\n  context: kind-kind", "- name: b\n  context: kind-us"))
    assert dfmc("images").out.splitlines() == names


@pytest.mark.helm
def test_without_helm_it_is_4(dfmc: Dfmc, chart: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFMC_HELM", "/nowhere/helm")
    ended = dfmc("images")
    assert (ended.code, ended.out) == (4, "")


def test_images_are_pulled_saved_once_and_loaded_into_every_node(
    dfmc: Dfmc, programs: KindPrograms, names: list[str]
) -> None:
    offer(programs, names)
    ended = dfmc("images", "--load", "kind")
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert sorted(call[-1] for call in programs.calls("docker pull")) == names
    (save,) = programs.calls("docker save")
    archive = save[3]
    assert save == ["docker", "save", "--output", archive, *names]
    (load,) = programs.calls("kind load")
    assert load == ["kind", "load", "image-archive", archive, "--name", "kind", "--nodes", ",".join(NODES)]
    assert not Path(archive).exists()
    for node in NODES:
        assert [node, str(len(names)), "0"] in [line.split() for line in ended.err.splitlines()]


def test_the_second_time_nothing_is_saved(dfmc: Dfmc, programs: KindPrograms, names: list[str]) -> None:
    offer(programs, names)
    dfmc("images", "--load", "kind")
    programs.forget()
    ended = dfmc("images", "--load", "kind", "-o", "json")
    assert ended.code == 0
    assert programs.calls("docker pull", "docker save", "kind load") == []
    nodes = json.loads(ended.out)["nodes"]
    assert [each["node"] for each in nodes] == NODES
    assert all(each["present"] == names and each["loaded"] == [] for each in nodes)


def test_only_what_a_node_lacks_is_saved_and_only_nodes_that_lack_it_are_named(
    dfmc: Dfmc, programs: KindPrograms, names: list[str]
) -> None:
    offer(programs, names)
    dfmc("images", "--load", "kind")
    held = programs.world["node_images"]
    held["kind-worker2"] = [image for image in held["kind-worker2"] if image["repoTags"] != [CLIENT]]
    for image in held["kind-worker"]:
        if image["repoTags"] == [names[0]]:
            image["id"] = "sha256:older"  # of the same name: an image that was built anew
    programs.change(node_images=held)
    programs.forget()
    assert dfmc("images", "--load", "kind").code == 0
    (save,) = programs.calls("docker save")
    assert save[4:] == sorted([names[0], CLIENT])
    (load,) = programs.calls("kind load")
    assert load[-1] == "kind-worker,kind-worker2"


def test_two_kind_clusters_get_the_same_archive(
    dfmc: Dfmc, programs: KindPrograms, names: list[str], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workplace / "topology.yaml"
    file.write_text(file.read_text().replace("- name: b\n  context: kind-kind", "- name: b\n  context: us-east-1"))
    write_kubeconfig(workplace, monkeypatch, {"kind-kind": "kind-kind", "us-east-1": "kind-us"})
    clusters = {"kind": dict.fromkeys(NODES, "running"), "us": dict.fromkeys(MORE, "running")}
    programs.change(clusters=clusters)
    offer(programs, names)
    assert dfmc("images", "--load", "kind").code == 0
    assert len(programs.calls("docker save")) == 1
    loads = {call[5]: call[7] for call in programs.calls("kind load")}
    assert loads == {"kind": ",".join(NODES), "us": ",".join(MORE)}


def test_an_engine_that_keeps_several_platforms_saves_its_own_and_loads_once(
    dfmc: Dfmc, programs: KindPrograms, names: list[str]
) -> None:
    engine = programs.world["engine"] | {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    # Its ids are those of manifests; what nodes show is the configuration's.
    programs.change(engine=engine, configurations={name: f"sha256:c{i}" for i, name in enumerate(names)})
    offer(programs, names)
    assert dfmc("images", "--load", "kind").code == 0
    (save,) = programs.calls("docker save")
    assert save[2:5] == ["--platform", "linux/amd64", "--output"]
    assert len(programs.calls("kind load")) == 1
    ended = dfmc("images", "--load", "kind", "-o", "json")
    assert len(programs.calls("kind load")) == 1
    assert all(node["present"] == names and node["loaded"] == [] for node in json.loads(ended.out)["nodes"])


def test_images_that_cannot_be_had_are_4_and_all_named(dfmc: Dfmc, programs: KindPrograms, names: list[str]) -> None:
    offer(programs, names[2:])
    ended = dfmc("images", "--load", "kind")
    assert ended.code == 4
    for name in names[:2]:
        assert f"{name}: Error response from daemon: pull access denied" in ended.err
    assert programs.calls("docker save", "kind load") == []


def test_a_context_that_is_not_kind_s_is_4(
    dfmc: Dfmc, programs: KindPrograms, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clusters, word in (({"kind-kind": "eks"}, "is called eks"), ({}, "no such context")):
        write_kubeconfig(workplace, monkeypatch, clusters)
        ended = dfmc("images", "--load", "kind")
        assert ended.code == 4
        assert "context kind-kind leads to no kind cluster" in ended.err
        assert word in ended.err
    assert programs.calls() == []


def test_a_cluster_that_does_not_run_is_4(dfmc: Dfmc, programs: KindPrograms, names: list[str]) -> None:
    programs.change(clusters={"kind": dict.fromkeys(NODES, "running") | {"kind-worker": "exited"}})
    ended = dfmc("images", "--load", "kind")
    assert ended.code == 4
    assert "docker start kind-worker" in ended.err
    programs.change(clusters={})
    ended = dfmc("images", "--load", "kind")
    assert ended.code == 4
    assert "dfmc testbed up --provider kind" in ended.err


def test_a_failed_load_is_told_in_kind_s_words(dfmc: Dfmc, programs: KindPrograms, names: list[str]) -> None:
    offer(programs, names)
    programs.fail("kind load", "ERROR: failed to load image: no space left on device\n")
    ended = dfmc("images", "--load", "kind")
    assert ended.code == 1
    assert "kind cannot load images into kind" in ended.err
    assert "no space left on device" in ended.err


def test_an_image_named_by_digest_is_left_to_the_nodes(dfmc: Dfmc, programs: KindPrograms, names: list[str]) -> None:
    names.append(f"docker.io/dragonflyoss/scheduler@sha256:{'0' * 64}")
    offer(programs, names)
    ended = dfmc("images", "--load", "kind")
    assert ended.code == 0
    assert f"{names[-1]} has a digest, which no archive carries" in ended.err
    (save,) = programs.calls("docker save")
    assert save[4:] == names[:-1]


def test_save_writes_one_archive(dfmc: Dfmc, programs: KindPrograms, names: list[str], workplace: Path) -> None:
    offer(programs, names)
    ended = dfmc("images", "--save", "all.tar")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith("all.tar written\n")
    assert programs.calls("docker save") == [["docker", "save", "--output", str(workplace / "all.tar"), *names]]
    assert programs.saved(workplace / "all.tar") == names
    assert programs.calls("kind") == []

"""The kind bed's images: layers, archives, names, and the steps that make them, against a recording fake."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pytest
import yaml

from dfmc.errors import PreflightError
from dfmc.testbed.binaries import BY_NAME, CRATE_PROGRAMS, BinaryCache
from dfmc.testbed.binaries.cache import Product
from dfmc.testbed.binaries.node_catalogue import NODE_BY_NAME, NODE_PROGRAMS
from dfmc.testbed.kind.images import build, commands, debian, node
from dfmc.testbed.kind.images.archive import INPUTS_LABEL, LayerFile, RunSettings, image_config, write_archive
from dfmc.testbed.kind.images.build import NAMES, Workshop, ensure_images
from dfmc.testbed.kind.images.catalogue import CHART_IMAGES, IMAGES, NODE_IMAGES, PAUSE_IMAGE, Image
from dfmc.testbed.kind.images.layers import Directory, Entry, File, Link, entries_digest, program, write_layer
from dfmc.testbed.kind.images.running import CommandError, Feed, ProcessRunner

CHARTS = Path(debian.__file__).parents[2] / "charts"


def layer_of(*entries: Entry) -> bytes:
    out = io.BytesIO()
    write_layer(entries, out)
    return out.getvalue()


def opened(archive: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(archive))


def test_a_layer_holds_files_links_and_directories_with_their_modes(tmp_path: Path) -> None:
    (tmp_path / "built").write_bytes(b"\x7fELF")
    layer = layer_of(
        program("usr/bin/tool", tmp_path / "built"), Link("bin/tool", "/usr/bin/tool"), Directory("tmp", 0o1777)
    )
    with opened(layer) as tar:
        members = {member.name: member for member in tar.getmembers()}
        assert [*members] == ["bin", "bin/tool", "tmp", "usr", "usr/bin", "usr/bin/tool"]
        assert members["usr/bin/tool"].mode == 0o755
        assert members["tmp"].mode == 0o1777
        assert members["bin/tool"].linkname == "/usr/bin/tool"
        content = tar.extractfile("usr/bin/tool")
        assert content is not None
        assert content.read() == b"\x7fELF"


def test_a_layer_does_not_depend_on_order_or_time() -> None:
    files: list[Entry] = [File("b/c", b"1"), File("a", b"2"), Directory("b", 0o700)]
    assert layer_of(*files) == layer_of(*reversed(files))


def test_of_two_entries_at_one_path_the_later_wins() -> None:
    with opened(layer_of(File("etc/x", b"old"), File("etc/x", b"new"))) as tar:
        content = tar.extractfile("etc/x")
        assert content is not None
        assert content.read() == b"new"
        assert tar.getnames().count("etc/x") == 1


def test_the_digest_of_a_layer_follows_what_its_programs_are_made_from() -> None:
    path = Path("kubelet")
    entries: list[Entry] = [program("usr/bin/kubelet", path), Link("a", "b"), Directory("tmp")]
    first = entries_digest(entries, {path: "1"})
    assert first == entries_digest(entries, {path: "1"})
    assert first != entries_digest(entries, {path: "2"})
    assert first != entries_digest([File("usr/bin/kubelet", path), *entries[1:]], {path: "1"})


def test_an_archive_is_what_docker_save_writes(tmp_path: Path) -> None:
    (tmp_path / "layer.tar").write_bytes(layer_of(File("a", b"1")))
    sha256 = hashlib.sha256((tmp_path / "layer.tar").read_bytes()).hexdigest()
    layers = [LayerFile(tmp_path / "layer.tar", sha256)] * 2
    settings = RunSettings(("/bin/a",), ("b",), {"container": "docker"}, "SIGRTMIN+3", {"x": "y"})
    config = image_config(settings, layers, "amd64", "inputs")
    out = io.BytesIO()
    write_archive(config, layers, ["busybox:latest"], out)
    with opened(out.getvalue()) as tar:
        names = tar.getnames()
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        [described] = json.loads(manifest.read())
        assert described["RepoTags"] == ["busybox:latest"]
        assert described["Layers"] == [f"{sha256}/layer.tar"] * 2
        assert names == ["manifest.json", described["Config"], f"{sha256}/layer.tar"]
        written = tar.extractfile(described["Config"])
        assert written is not None
        document = json.loads(written.read())
    assert document["rootfs"]["diff_ids"] == [f"sha256:{sha256}"] * 2
    assert document["config"]["Entrypoint"] == ["/bin/a"]
    assert document["config"]["Cmd"] == ["b"]
    assert document["config"]["StopSignal"] == "SIGRTMIN+3"
    assert document["config"]["Labels"] == {INPUTS_LABEL: "inputs", "x": "y"}
    assert "container=docker" in document["config"]["Env"]


def chart_images(values: object) -> set[str]:
    """Return every image that a chart's default values name and this catalogue could have."""
    found = set()
    if isinstance(values, dict):
        if {"repository", "tag"} <= values.keys():
            found.add(f"{values['repository']}:{values['tag']}")
        for value in values.values():
            found |= chart_images(value)
    return found


def test_every_image_of_the_guides_chart_is_there_under_its_name() -> None:
    named = chart_images(yaml.safe_load((CHARTS / "dragonfly-1.7.4" / "values.yaml").read_text()))
    ours = {tag for image in CHART_IMAGES for tag in image.tags}
    # The injector is off unless somebody turns it on, and no package of it is published.
    assert {name for name in named if "injector" not in name} <= ours
    for subchart in ("mysql", "redis"):
        image = yaml.safe_load((CHARTS / "subcharts" / subchart / "values.yaml").read_text())["image"]
        assert f"bitnamilegacy/{subchart}:{image['tag']}" in ours


def test_every_program_of_an_image_is_in_a_catalogue() -> None:
    known = {*BY_NAME, *NODE_BY_NAME, *(each.name for each in CRATE_PROGRAMS)}
    for image in (*IMAGES, *NODE_IMAGES, node.BASE):
        assert {name for name, _ in image.programs} <= known
    assert not {program.name for program in NODE_PROGRAMS} & set(BY_NAME)


def test_no_two_images_share_a_name() -> None:
    tags = [tag for image in (*IMAGES, *NODE_IMAGES, node.BASE) for tag in image.tags]
    assert len(tags) == len(set(tags))
    assert len(NAMES) == len(set(NAMES))


def test_an_images_digest_covers_programs_files_settings_and_packages() -> None:
    image = next(image for image in IMAGES if image.name == "manager")
    digests = {
        image.inputs(lambda name: "1"),
        image.inputs(lambda name: "2"),
        Image(image.name, (*image.tags, "x:1"), image.programs, image.files, image.settings, image.tree).inputs(
            lambda name: "1"
        ),
        Image(image.name, image.tags, image.programs, (), image.settings, image.tree).inputs(lambda name: "1"),
        Image(image.name, image.tags, image.programs, image.files, RunSettings(), image.tree).inputs(lambda name: "1"),
        Image(image.name, image.tags, image.programs, image.files, image.settings, debian.REDIS).inputs(
            lambda name: "1"
        ),
    }
    assert len(digests) == 6


def test_mmdebstrap_runs_hooks_at_the_time_of_its_variant() -> None:
    tools = debian.mmdebstrap_command("mmdebstrap", debian.TOOLS, Path("/x.tar"), root=True)
    assert tools[1:4] == ["--mode=root", "--variant=extract", "--include=busybox,netcat-openbsd"]
    assert sum(word.startswith("--extract-hook=") for word in tools) == 2
    assert tools[-2:] == ["bookworm", "/x.tar"]
    system = debian.mmdebstrap_command("mmdebstrap", debian.NODE, Path("/x.tar"), root=False)
    assert system[1:3] == ["--mode=unshare", "--variant=minbase"]
    assert not [word for word in system if word.startswith("--extract-hook=")]
    assert len({tree.digest() for tree in debian.TREES}) == len(debian.TREES)


KIND_CONFIG = """version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = false
"""


@pytest.fixture
def kind_module(tmp_path: Path) -> Path:
    """A stand-in for kind's module: a unit, a program, containerd's settings."""
    base = tmp_path / "module" / node.KIND_FILES
    for path, content in {
        "etc/containerd/config.toml": KIND_CONFIG,
        "etc/systemd/system/kubelet.service": "[Service]\n",
        "usr/local/bin/entrypoint": "#!/bin/bash\n",
        "kind/bin/hook.sh": "#!/bin/bash\n",
    }.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(content)
    return tmp_path / "module"


def test_kinds_own_files_keep_their_place_and_programs_are_executable(kind_module: Path) -> None:
    entries = {entry.path: entry for entry in node.kind_entries(kind_module / node.KIND_FILES)}
    modes = {path: entry.mode for path, entry in entries.items() if isinstance(entry, File)}
    assert modes["usr/local/bin/entrypoint"] == modes["kind/bin/hook.sh"] == 0o755
    assert modes["etc/systemd/system/kubelet.service"] == 0o644
    config = entries["etc/containerd/config.toml"]
    assert isinstance(config, File)
    assert isinstance(config.content, bytes)
    assert b"restrict_oom_score_adj = true" in config.content
    assert b'config_path = "/etc/containerd/certs.d"' in config.content


def test_a_changed_form_of_kinds_settings_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="restrict_oom_score_adj"):
        node.containerd_config("version = 3\n")


def test_the_node_image_holds_what_its_manifests_and_kubeadm_name() -> None:
    tags = {tag for image in NODE_IMAGES for tag in image.tags}
    documents = [*yaml.safe_load_all(node.storage_manifest())]
    deployment = next(each for each in documents if each["kind"] == "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    settings = next(each for each in documents if each["kind"] == "ConfigMap")["data"]
    helper = yaml.safe_load(settings["helperPod.yaml"])["spec"]["containers"][0]["image"]
    assert {container["image"], helper, container["args"][-1]} <= tags
    assert json.loads(settings["config.json"])["nodePathMap"][0]["paths"]
    # kubeadm 1.34's constants (cmd/kubeadm/app/constants)
    assert {"registry.k8s.io/etcd:3.6.5-0", "registry.k8s.io/coredns/coredns:v1.12.1", PAUSE_IMAGE} <= tags
    assert "@" not in node.storage_manifest()


def test_the_volume_provisioner_runs_its_helpers_under_an_account_that_exists() -> None:
    documents = [*yaml.safe_load_all(node.storage_manifest())]
    account = next(each for each in documents if each["kind"] == "ServiceAccount")["metadata"]["name"]
    pod = next(each for each in documents if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    # Without the variable it falls back to a name of its own manifest, and no volume is ever made.
    assert {"name": "SERVICE_ACCOUNT_NAME", "value": account} in pod["containers"][0]["env"]
    assert pod["serviceAccountName"] == account


class RecordingRunner:
    """Notes command lines; an engine in which images keep what they were made from."""

    def __init__(self, kind_module: Path, failing: str = "") -> None:
        self.lines: list[str] = []
        self.images: dict[str, str] = {}
        self._kind_module = kind_module
        self._failing = failing

    def run(self, argv: Sequence[str], *, feed: Feed | None = None, seconds: float = 0.0) -> str:
        line = " ".join(argv)
        self.lines.append(line)
        if self._failing and self._failing in line:
            raise CommandError("no space left on device")
        if line.startswith("docker image inspect"):
            if argv[-1] not in self.images:
                raise CommandError("No such image")
            return (f"sha256:{self.images[argv[-1]]}" if "{{.Id}}" in line else self.images[argv[-1]]) + "\n"
        if "mmdebstrap" in argv[0]:
            Path(argv[-1]).write_bytes(layer_of(File("etc/debian_version", argv[-3].encode())))
        if feed is not None:
            self._take_in(feed, load=argv[1] == "load")
        if "commit" in line:
            [label] = [word for word in argv if word.startswith(f"LABEL {INPUTS_LABEL}=")]
            self.images[argv[-1]] = label.partition("=")[2]
        return json.dumps({"Dir": str(self._kind_module)}) if "mod download" in line else ""

    def _take_in(self, feed: Feed, *, load: bool) -> None:
        out = io.BytesIO()
        feed(out)
        with opened(out.getvalue()) as tar:
            manifest = tar.extractfile("manifest.json")
            assert manifest is not None
            [described] = json.loads(manifest.read())
            config = tar.extractfile(described["Config"])
            assert config is not None
            inputs = json.loads(config.read())["config"]["Labels"][INPUTS_LABEL]
        if load:
            self.images |= dict.fromkeys(described["RepoTags"], inputs)

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self.lines)


@pytest.fixture
def workshop(tmp_path: Path, kind_module: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Workshop]:
    """Makes workshops that share a cache in which every program is built already."""
    cache = BinaryCache(tmp_path / "cache")
    products: list[Product] = [*BY_NAME.values(), *NODE_PROGRAMS, *CRATE_PROGRAMS]
    for each in products:
        built = cache.build_directory(each.name) / "built"
        built.write_text(each.name)
        cache.install(each, built)
    found = {"mmdebstrap": Path("/usr/bin/mmdebstrap")}
    monkeypatch.setattr(build, "ensure_system_programs", lambda report, programs: found)
    monkeypatch.setattr(build, "find_go", lambda least, directory, report: Path("/usr/bin/go"))
    return lambda failing="": Workshop(cache, RecordingRunner(kind_module, failing), list[str]().append)


def recorded(shop: Workshop) -> RecordingRunner:
    assert isinstance(shop.runner, RecordingRunner)
    return shop.runner


def test_images_are_made_once(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    present = ensure_images(NAMES, shop)
    first = recorded(shop)
    assert set(present) == {node.NODE_IMAGE, *(tag for image in IMAGES for tag in image.tags)}
    assert set(present) <= set(first.images)
    assert first.count("/usr/bin/mmdebstrap") == len(debian.TREES)
    assert first.count("docker load") == len(IMAGES) + 1
    loads = first.count("docker load")
    assert ensure_images(NAMES, shop) == present
    assert first.count("docker load") == loads
    assert first.count("docker commit") == 1


def test_packages_that_were_unpacked_stay_for_another_engine(workshop: Callable[..., Workshop]) -> None:
    ensure_images(["redis"], workshop())
    again = workshop()
    ensure_images(["redis"], again)
    assert recorded(again).count("docker load") == 1
    assert recorded(again).count("/usr/bin/mmdebstrap") == 0


def test_an_image_that_was_replaced_is_removed(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    recorded(shop).images["bitnamilegacy/redis:7.2.5"] = "of-yesterday"
    ensure_images(["redis"], shop)
    assert recorded(shop).lines[-1] == "docker image rm sha256:of-yesterday"
    recorded(shop).lines.clear()
    ensure_images(["redis"], shop)
    assert recorded(shop).count("docker image rm") == 0


def test_the_node_image_is_made_in_a_container_that_never_stays(workshop: Callable[..., Workshop]) -> None:
    shop = workshop()
    ensure_images(["node"], shop)
    lines = recorded(shop).lines
    container = commands.BUILD_CONTAINER
    base = node.BASE.tags[0]
    started = lines.index(f"docker run --detach --privileged --name {container} --entrypoint sleep {base} 7200")
    imports = [line for line in lines if "ctr --namespace=k8s.io images import" in line]
    assert len(imports) == len(NODE_IMAGES)
    assert '--change ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' in next(
        line for line in lines[started:] if line.startswith("docker commit")
    )
    removal = f"docker rm --force --volumes {container}"
    assert lines.count(removal) == 2
    assert removal in lines[:started]
    assert lines[-2:] == [removal, f"docker image rm {base}"]


def test_a_failed_step_says_why_and_leaves_no_container(workshop: Callable[..., Workshop]) -> None:
    shop = workshop("images import")
    with pytest.raises(PreflightError) as failure:
        ensure_images(["node"], shop)
    assert failure.value.why == "no space left on device"
    assert "it goes on from here" in failure.value.next_step
    assert recorded(shop).lines[-2].startswith("docker rm --force")
    assert node.NODE_IMAGE not in recorded(shop).images


def test_without_an_engine_nothing_is_built(workshop: Callable[..., Workshop]) -> None:
    shop = workshop("docker version")
    with pytest.raises(PreflightError) as failure:
        ensure_images(["redis"], shop)
    assert "make kind-docker" in failure.value.next_step
    assert len(recorded(shop).lines) == 1


def writing(content: bytes) -> Feed:
    def feed(out: IO[bytes]) -> None:
        out.write(content)

    return feed


def test_a_process_gets_its_input_and_its_last_words_are_kept() -> None:
    runner = ProcessRunner()
    assert runner.run(["cat"], feed=writing(b"abc")) == "abc"
    with pytest.raises(CommandError, match="sorry"):
        runner.run(["sh", "-c", "echo sorry >&2; exit 3"], feed=writing(b"x" * 10_000_000))
    with pytest.raises(PreflightError, match="is not installed"):
        runner.run(["dfmc-no-such-program"])

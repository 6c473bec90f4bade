from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from dfmc.testbed.kind.image_loading import archive_ids, lacking
from dfmc.values.pod_images import full_name, pod_images
from shared_material import shared_material

MANIFESTS = """\
---
# Source: dragonfly/templates/empty.yaml
---
apiVersion: apps/v1
kind: StatefulSet
spec:
  template:
    spec:
      initContainers: [{name: wait, image: busybox}]
      containers: [{name: main, image: 'registry:5000/main@sha256:aa'}, {name: none}]
      volumes: [{name: data, image: {reference: 'ghcr.io/data:1'}}, {name: tmp, emptyDir: {}}]
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: 'job:2'}]}}}}}
---
apiVersion: v1
kind: ConfigMap
data: {pod.yaml: 'containers: [{image: text}]'}
---
apiVersion: v1
kind: Pod
metadata: {annotations: {helm.sh/hook: 'pre-install, test'}}
spec: {containers: [{image: 'test:1'}]}
---
apiVersion: v1
kind: Pod
metadata: {annotations: {helm.sh/hook: pre-install}}
spec: {containers: [{image: 'hook:1'}]}
"""


def test_every_pod_s_images_are_found_but_those_of_helm_s_tests() -> None:
    expected = {"busybox", "registry:5000/main@sha256:aa", "ghcr.io/data:1", "job:2", "hook:1"}
    assert pod_images(MANIFESTS) == expected
    assert pod_images("") == frozenset()


def test_what_is_no_object_has_no_images() -> None:
    assert pod_images("- image: a\n---\ncontainers: {image: a}\nvolumes: [x]\n") == frozenset()


@pytest.mark.parametrize("role", ["central", "member"])
@pytest.mark.parametrize("chart", ["current-1.7.4", "legacy-1.1.1"])
def test_every_image_line_of_a_rendered_chart_is_found(chart: str, role: str) -> None:
    text = (shared_material() / "charts" / "rendered" / f"{chart}-{role}.yaml").read_text()
    lines = {line.split("image:")[1].strip(" \"'") for line in text.splitlines() if line.strip().startswith("image:")}
    assert lines
    assert pod_images(text) == lines


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("docker.io/busybox:1", "docker.io/library/busybox:1"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
        ("dragonflyoss/client:v1", "docker.io/dragonflyoss/client:v1"),
        ("localhost/client", "localhost/client:latest"),
        ("registry:5000/a/b", "registry:5000/a/b:latest"),
        ("registry:5000/a/b:2", "registry:5000/a/b:2"),
        ("a/b:2@sha256:00", "docker.io/a/b@sha256:00"),
        ("a@sha256:00", "docker.io/library/a@sha256:00"),
    ],
)
def test_a_name_is_completed_as_containerd_does(image: str, full: str) -> None:
    assert full_name(image) == full
    assert full_name(full) == full


def listing(*images: Mapping[str, object]) -> str:
    return json.dumps({"images": list(images)})


def test_a_node_has_an_image_when_name_and_id_are_right() -> None:
    held = {"id": "sha256:1", "repoTags": ["docker.io/library/busybox:latest"], "repoDigests": []}
    assert lacking({"busybox": "sha256:1"}, listing(held)) == ()
    assert lacking({"busybox": "sha256:2"}, listing(held)) == ("busybox",)
    assert lacking({"busybox:1": "sha256:1"}, listing(held)) == ("busybox:1",)
    assert lacking({"b": "sha256:1", "a": "sha256:1"}, '{"images": null}') == ("a", "b")


def test_an_engine_that_names_images_by_their_manifest_is_understood() -> None:
    held = {
        "id": "sha256:1",
        "repoTags": ["docker.io/library/busybox:latest"],
        "repoDigests": ["docker.io/library/import-2026-01-01@sha256:9"],
    }
    assert lacking({"busybox": "sha256:9"}, listing(held)) == ()


def test_an_image_named_by_digest_is_there_when_the_digest_is() -> None:
    held = {"id": "sha256:1", "repoTags": [], "repoDigests": ["docker.io/library/busybox@sha256:9"]}
    assert lacking({"busybox:1@sha256:9": "sha256:1"}, listing(held)) == ()
    assert lacking({"busybox@sha256:8": "sha256:1"}, listing(held)) == ("busybox@sha256:8",)


def test_the_ids_in_an_archive_are_read_in_both_of_docker_s_forms(tmp_path: Path) -> None:
    entries = [
        {"Config": "blobs/sha256/aa", "RepoTags": ["busybox:latest", "a/b:1"]},
        {"Config": "bb.json", "RepoTags": ["c/d:2"]},
        {"Config": "blobs/sha256/cc", "RepoTags": None},
    ]
    content = json.dumps(entries).encode()
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    assert archive_ids(tmp_path / "images.tar") == {
        "docker.io/library/busybox:latest": "sha256:aa",
        "docker.io/a/b:1": "sha256:aa",
        "docker.io/c/d:2": "sha256:bb",
    }

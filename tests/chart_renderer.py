"""Renders the stand-in charts with a real helm and reads what comes out."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dfmc.testbed.chart_repository import write_repository

Object = dict[str, Any]
Key = tuple[str, str]

SCRIPT = "(script left out)"  # as in the reference material


class Renderer:
    """Runs helm on the packaged stand-ins, in directories of its own."""

    def __init__(self, helm: Path, directory: Path) -> None:
        self.helm = helm
        self.repository = directory / "repository"
        self.scratch = directory / "values"
        self.scratch.mkdir()
        self.rendered: dict[tuple[str, ...], str] = {}
        write_repository(self.repository)
        homes = {f"HELM_{kind}_HOME": str(directory / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **homes}

    def run(self, *arguments: str, expect_failure: bool = False) -> str:
        done = subprocess.run(
            [self.helm, *arguments], capture_output=True, text=True, env=self.environment, timeout=120, check=False
        )
        assert (done.returncode != 0) == expect_failure, done.stderr
        return done.stderr if expect_failure else done.stdout

    def template(
        self,
        version: str,
        *values: Path | Mapping[str, Any],
        release: str = "dragonfly",
        namespace: str = "cluster-a",
        expect_failure: bool = False,
    ) -> str:
        # Tests ask for the same rendering again and again, and helm makes the same of the same.
        wanted = (version, release, namespace, *(str(source) for source in values))
        if not expect_failure and wanted in self.rendered:
            return self.rendered[wanted]
        arguments = ["template", release, str(self.repository / f"dragonfly-{version}.tgz"), "-n", namespace]
        for number, source in enumerate(values):
            if isinstance(source, Mapping):
                path = self.scratch / f"{number}.yaml"
                path.write_text(json.dumps(source))  # PyYAML would write the text "1e10" bare, and Go read a number
                source = path
            arguments += ["-f", str(source)]
        output = self.run(*arguments, expect_failure=expect_failure)
        if not expect_failure:
            self.rendered[wanted] = output
        return output

    def objects(self, version: str, *values: Path | Mapping[str, Any], **options: Any) -> dict[Key, Object]:
        return by_key(self.template(version, *values, **options))


def by_key(manifests: str) -> dict[Key, Object]:
    found: dict[Key, Object] = {}
    for item in yaml.safe_load_all(manifests):
        if item:
            key = (item["kind"], item["metadata"]["name"])
            assert key not in found, f"{key} is rendered twice"
            found[key] = item
    return found


def pod_containers(item: Object) -> list[Object]:
    pod = item.get("spec", {}).get("template", {}).get("spec", {}) if item["kind"] != "Service" else {}
    return [*(pod.get("initContainers") or []), *pod.get("containers", [])]


def config(objects: Mapping[Key, Object], name: str) -> Any:
    (text,) = objects["ConfigMap", name]["data"].values()
    return yaml.safe_load(text)


def without_noise(node: Any) -> Any:
    """Drops checksums, nulls and maps that this leaves empty, for neither side means anything by them."""
    if isinstance(node, dict):
        kept = {key: without_noise(value) for key, value in node.items() if not str(key).startswith("checksum/")}
        return {key: value for key, value in kept.items() if value is not None and (key != "annotations" or value)}
    if isinstance(node, list):
        return [without_noise(item) for item in node]
    return node


def normalised(item: Object) -> Object:
    """Parses configuration files, leaves out scripts and drops noise; changes ``item``."""
    for name, text in item.get("data", {}).items():
        if item["kind"] == "ConfigMap":
            item["data"][name] = yaml.safe_load(text)
    for container in pod_containers(item):
        if container.get("command", [])[:2] == ["/bin/sh", "-cx"]:
            container["command"][2] = SCRIPT
    result = without_noise(item)
    assert isinstance(result, dict)
    return result

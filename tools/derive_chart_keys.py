"""Derives src/dfmc/values/data/chart-keys.json from a clone of the chart's repository.

    python tools/derive_chart_keys.py /path/to/helm-charts.git

Facts only: which key paths each published version of the chart has, and what kind of value each is. A key counts when
it is in the default values, or when a template reads it though the defaults leave it out (``scheduler.affinity``), or
when a template passes its whole parent on to a component that documents it (EXTRA).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

OUTPUT = Path(__file__).parents[1] / "src" / "dfmc" / "values" / "data" / "chart-keys.json"
FIRST = (1, 0, 0)
READ = re.compile(r"\.Values\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
# Placeholders in the helpers' comments, and a template's slip that reads a key nobody means.
NOT_KEYS = ("path.to.the", "metrics.service", "injector.webhookCert")
# Maps that Kubernetes defines, not the chart: any key may be inside, whatever the defaults have.
KUBERNETES_MAPS = {"resources", "updateStrategy", "affinity", "annotations", "labels", "namespaceSelector"}
# Parts of the components' own configuration that the templates pass on whole, and that their documentation or the
# comments in values.yaml name, though the default values do not.
TLS = ("caCert", "cert", "key")
CLIENT_EXTRA = (
    *("host.ip", "host.hostname", "upload.server.ip", "storage.server.ip", "gc.policy.distThreshold"),
    *("proxy.server.ip", "proxy.server.caCert", "proxy.server.caKey", "proxy.server.cert", "proxy.server.key"),
    *("proxy.server.basicAuth.username", "proxy.server.basicAuth.password", "proxy.registryMirror.cert"),
    *("health.server.ip", "metrics.server.ip", "stats.server.ip"),
    *(f"{part}.{file}" for part in ("upload.server", "upload.client", "scheduler") for file in TLS),
    *("tracing.protocol", "tracing.endpoint", "tracing.path", "tracing.headers"),
)
GO_PEER_EXTRA = (
    *("host.hostname", "host.advertiseIP", "host.listenIP", "storage.diskGCThreshold"),
    *("storage.diskGCThresholdPercent", "proxy.registryMirror.certs", "proxy.registryMirror.direct"),
    *("proxy.registryMirror.useProxies",),
)
SERVER_EXTRA = (
    *("tracing.protocol", "tracing.endpoint", "tracing.path", "tracing.headers"),
    *(f"server.tls.{file}" for file in TLS),
)
EXTRA: Mapping[str, tuple[str, ...]] = {
    "client": CLIENT_EXTRA,
    "seedClient": CLIENT_EXTRA,
    "seedPeer": GO_PEER_EXTRA,
    "dfdaemon": GO_PEER_EXTRA,
    "scheduler": SERVER_EXTRA,
    "manager": (*SERVER_EXTRA, "job.preheat.tls.caCert"),
}


def git(repository: str, *arguments: str) -> str:
    """Return what a git command prints."""
    done = subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def versions(repository: str) -> list[str]:
    """Return the chart's published versions from FIRST on, in order."""
    names = re.findall(r"^dragonfly-(\d+\.\d+\.\d+)$", git(repository, "tag"), re.MULTILINE)
    numbers = sorted(tuple(map(int, name.split("."))) for name in names)
    return [".".join(map(str, number)) for number in numbers if number >= FIRST]


def kinds(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - YAML
    """Yield every key path of default values with its kind: map, open (a map of anything), list, scalar, any."""
    name = path.rpartition(".")[2]
    if isinstance(tree, dict) and tree and name not in KUBERNETES_MAPS:
        if path:
            yield path, "map"
        for key, value in tree.items():
            yield from kinds(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, dict):
        yield path, "open"
    elif isinstance(tree, list):
        yield path, "list"
    else:
        yield path, "any" if tree is None else "scalar"


def keys_of(repository: str, version: str) -> dict[str, str]:
    """Return every key path of one version with its kind."""
    tag, chart = f"dragonfly-{version}", "charts/dragonfly"
    defaults = git(repository, "show", f"{tag}:{chart}/values.yaml")
    found = dict(kinds(yaml.load(defaults, Loader=yaml.CSafeLoader)))
    templates = git(repository, "grep", "-h", "-F", ".Values.", tag, "--", f"{chart}/templates")
    for path in sorted(set(READ.findall(templates))):
        if not path.startswith(NOT_KEYS):
            add(found, path, "open" if path.rpartition(".")[2] in KUBERNETES_MAPS else "any")
    for component, paths in EXTRA.items():
        for path in paths if component in found else ():
            if f"{component}.config.{path.split('.')[0]}" in found:
                add(found, f"{component}.config.{path}", "open" if path.endswith("headers") else "scalar")
    for component in ("seedPeer", "seedClient"):
        if f"{component}.persistence" in found:
            add(found, f"{component}.persistence.storageClass", "scalar")
    return found


def add(found: dict[str, str], path: str, kind: str) -> None:
    """Add a path and its parents, unless it is there or inside something open."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        parent = ".".join(parts[:length])
        if found.get(parent) in ("open", "any", "list") and length < len(parts):
            if found[parent] != "any":
                return
            # The template reads a key below something the defaults leave empty: it is a map with known keys.
            found[parent] = "open"
            return
        found.setdefault(parent, "map")
    found.setdefault(path, kind)


def spans(repository: str) -> dict[str, str]:
    """Return per path its kinds over time: ``scalar``, or ``scalar 1.6.8..; any 1.5.0..1.6.7``."""
    all_versions = versions(repository)
    history: dict[str, list[list[str]]] = {}
    for version in all_versions:
        for path, kind in keys_of(repository, version).items():
            rows = history.setdefault(path, [])
            previous = all_versions[all_versions.index(version) - 1]
            if rows and rows[-1][0] == kind and rows[-1][2] == previous:
                rows[-1][2] = version
            else:
                rows.append([kind, version, version])
    return {path: words(rows, all_versions) for path, rows in sorted(history.items())}


def words(rows: list[list[str]], all_versions: list[str]) -> str:
    """Return the spans of one path in their short form."""
    if rows == [[rows[0][0], all_versions[0], all_versions[-1]]]:
        return rows[0][0]
    texts = []
    for kind, first, last in rows:
        first = "" if first == all_versions[0] else first
        last = "" if last == all_versions[-1] else last
        texts.append(f"{kind} {first}..{last}")
    return "; ".join(texts)


def main() -> None:
    """Write the file."""
    repository = sys.argv[1]
    facts = {"versions": [versions(repository)[0], versions(repository)[-1]], "paths": spans(repository)}
    OUTPUT.write_text(json.dumps(facts, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

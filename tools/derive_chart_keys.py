"""Derives src/dfmc/values/data/chart-keys.json from a clone of the chart's repository.

    python tools/derive_chart_keys.py /path/to/helm-charts.git [VERSION=/path/to/values.yaml ...]

Facts only: which key paths each published version of the chart has, and what kind of value each is. A key counts when
it is in the default values, or when a template reads it though the defaults leave it out (``scheduler.affinity``), or
when a template passes its whole parent on to a component that documents it (EXTRA).

Of a version without a tag only the default values may be at hand: given as VERSION=FILE, newer than every tag. Its
templates are taken to read what those of the newest tag do. Of versions between the two nothing is known, so that they
get the keys of both sides.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from dfmc.values.key_facts import default_kinds

OUTPUT = Path(__file__).parents[1] / "src" / "dfmc" / "values" / "data" / "chart-keys.json"
FIRST = (1, 0, 0)
READ = re.compile(r"\.Values\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
# Placeholders in the helpers' comments, and a template's slip that reads a key nobody means.
NOT_KEYS = ("path.to.the", "metrics.service", "injector.webhookCert")
# Maps that a template reads whole and that Kubernetes defines.
KUBERNETES_MAPS = {"resources", "updateStrategy", "affinity", "annotations", "labels", "namespaceSelector"}
# Parts of the components' own configuration that the templates pass on whole, and that their documentation or the
# comments in values.yaml name, though the default values do not.
TLS = ("caCert", "cert", "key")
CLIENT_EXTRA = (
    *("host.ip", "host.hostname", "upload.server.ip", "storage.server.ip"),
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
# The clients' collection of garbage has one more key than the default values, named as the others are.
GC_POLICY = {"distHighThresholdPercent": "distThreshold", "diskHighThresholdPercent": "diskThreshold"}

Kinds = dict[str, str]


def git(repository: str, *arguments: str) -> str:
    """Return what a git command prints."""
    done = subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, to compare."""
    return tuple(map(int, version.split(".")))


def tagged_versions(repository: str) -> list[str]:
    """Return the chart's tagged versions from FIRST on, in order."""
    names = re.findall(r"^dragonfly-(\d+\.\d+\.\d+)$", git(repository, "tag"), re.MULTILINE)
    return sorted((name for name in names if numbers(name) >= FIRST), key=numbers)


def tagged_keys(repository: str, version: str) -> tuple[Kinds, Kinds]:
    """Return every key path of a tagged version with its kind, and those of them that no default value shows."""
    tag, chart = f"dragonfly-{version}", "charts/dragonfly"
    listed = defaults_of(git(repository, "show", f"{tag}:{chart}/values.yaml"))
    templates = git(repository, "grep", "-h", "-F", ".Values.", tag, "--", f"{chart}/templates")
    return with_unlisted(listed, READ.findall(templates))


def defaults_of(text: str) -> Kinds:
    """Return the key paths of a file of default values with their kinds."""
    return {".".join(path): kind for path, kind in default_kinds(yaml.load(text, Loader=yaml.CSafeLoader))}


def with_unlisted(listed: Kinds, read: Iterable[str]) -> tuple[Kinds, Kinds]:
    """Return the keys that default values list together with those they do not, and the latter alone."""
    found: Kinds = dict(listed)
    for path in sorted(set(read)):
        if not path.startswith(NOT_KEYS):
            add(found, path, "open" if path.rpartition(".")[2] in KUBERNETES_MAPS else "any")
    for component, paths in EXTRA.items():
        # Charts 1.3.31 to 1.3.36 document an address in the place of protocol, endpoint and path.
        is_older_tracing = f"{component}.config.tracing.addr" in found
        for path in paths if component in found else ():
            if is_older_tracing and path.startswith("tracing."):
                continue
            if f"{component}.config.{path.split('.')[0]}" in found:
                add(found, f"{component}.config.{path}", "open" if path.endswith("headers") else "scalar")
        for sign, key in GC_POLICY.items():
            if f"{component}.config.gc.policy.{sign}" in found:
                add(found, f"{component}.config.gc.policy.{key}", "scalar")
    for component in ("seedPeer", "seedClient"):
        if f"{component}.persistence" in found:
            add(found, f"{component}.persistence.storageClass", "scalar")
    return found, {path: kind for path, kind in sorted(found.items()) if path not in listed}


def add(found: Kinds, path: str, kind: str) -> None:
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


def untagged_keys(values_file: str, newest_tag: tuple[Kinds, Kinds]) -> tuple[Kinds, Kinds]:
    """Return the same as tagged_keys of a version whose templates are not at hand.

    A key that the newest tag's templates read is taken over where the map it is in is there still.
    """
    listed = defaults_of(Path(values_file).read_text(encoding="utf-8"))
    found, _ = with_unlisted(listed, ())
    for path, kind in sorted(newest_tag[1].items()):
        parent, _, name = path.rpartition(".")
        if parent in {"", *found} and name not in GC_POLICY.values():
            found.setdefault(path, kind)
    return found, {path: kind for path, kind in sorted(found.items()) if path not in listed}


def between(lower: str, upper: str) -> list[str]:
    """Return the versions between two of one minor version; of others nothing is known, not even their number."""
    low, high = numbers(lower), numbers(upper)
    if low[:2] != high[:2]:
        sys.exit(f"{upper} does not follow {lower} in the same minor version")
    return [f"{low[0]}.{low[1]}.{patch}" for patch in range(low[2] + 1, high[2])]


def of_both(before: Kinds, after: Kinds) -> Kinds:
    """Return the keys of two versions together; where their kinds differ, anything goes."""
    return {
        path: "any" if path in before and path in after and before[path] != after[path] else kind
        for path, kind in {**before, **after}.items()
    }


def spans(keys: Mapping[str, Kinds]) -> dict[str, str]:
    """Return per path its kinds over time: ``scalar``, or ``scalar 1.6.8..; any 1.5.0..1.6.7``."""
    versions = list(keys)
    history: dict[str, list[list[str]]] = {}
    for previous, version in zip(["", *versions], versions, strict=False):
        for path, kind in keys[version].items():
            rows = history.setdefault(path, [])
            if rows and rows[-1][0] == kind and rows[-1][2] == previous:
                rows[-1][2] = version
            else:
                rows.append([kind, version, version])
    return {path: words(rows, versions) for path, rows in sorted(history.items())}


def words(rows: list[list[str]], versions: list[str]) -> str:
    """Return the spans of one path in their short form."""
    if rows == [[rows[0][0], versions[0], versions[-1]]]:
        return rows[0][0]
    texts = []
    for kind, first, last in rows:
        first = "" if first == versions[0] else first
        last = "" if last == versions[-1] else last
        texts.append(f"{kind} {first}..{last}")
    return "; ".join(texts)


def main() -> None:
    """Write the file."""
    repository, *given = sys.argv[1:]
    versions = tagged_versions(repository)
    newest = tagged_keys(repository, versions[-1])
    keys = {version: tagged_keys(repository, version)[0] for version in versions}
    unseen = []
    for version, _, values_file in (argument.partition("=") for argument in given):
        before, (after, unlisted) = list(keys)[-1], untagged_keys(values_file, newest)
        gap = between(before, version)
        keys |= {unknown: of_both(keys[before], after) for unknown in gap} | {version: after}
        newest = after, unlisted
        unseen += [[gap[0], gap[-1]]] if gap else []
    facts = {"versions": [versions[0], list(keys)[-1]], "unseen": unseen, "unlisted": newest[1], "paths": spans(keys)}
    OUTPUT.write_text(json.dumps(facts, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

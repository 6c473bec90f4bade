"""A chart repository's index.yaml, and the package of one version in it (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml

from dfmc.clients.safe_yaml import load_yaml
from dfmc.errors import PreflightError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEIGHBOURS = 5


@dataclass(frozen=True)
class Package:
    """Where an archive can be had, and its digest as the index gives it (empty: not given)."""

    urls: tuple[str, ...]
    sha256: str


@cache
def built_in_digests() -> dict[str, str]:
    """Return the sha256 of every package called ``dragonfly`` in the official repository, by version.

    They are facts of that repository's index: a version published there is never made again.
    """
    text = resources.files("dfmc.clients").joinpath("chart_digests.json").read_text("utf-8")
    digests: dict[str, str] = json.loads(text)
    return digests


def find_package(index: bytes, index_url: str, name: str, version: str) -> Package:
    """Return the package of that name and version.

    Args:
        index: The text of index.yaml.
        index_url: Its address after redirects; packages may be relative to it.
        name: The chart's name.
        version: The exact version.

    Raises:
        PreflightError: It is no index, or has no such chart or version.
    """
    entries = _entries(index, index_url)
    if name not in entries:
        close = get_close_matches(name, entries, n=_NEIGHBOURS) or sorted(entries)[:_NEIGHBOURS]
        raise PreflightError(
            f"the chart repository has no chart called {name}",
            why=f"{index_url} has {', '.join(close) or 'no charts at all'}",
            next_step="check `chart.name` and `chart.repository` in the file",
        )
    rows = [row for row in entries[name] if isinstance(row, dict)]
    for row in rows:
        if row.get("version") == version:
            return _package(row, index_url, name)
    published = [row["version"] for row in rows if isinstance(row.get("version"), str)]
    raise PreflightError(
        f"the chart repository has no {name} {version}",
        why=f"the nearest of {len(published)} published versions: {', '.join(nearest_versions(version, published))}",
        next_step="put one of them into `chart.version`",
    )


def _entries(index: bytes, index_url: str) -> dict[str, list[Any]]:
    try:
        parsed = load_yaml(index)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _not_an_index(index_url, str(error).splitlines()[0]) from error
    entries = parsed.get("entries") if isinstance(parsed, dict) else None
    if not isinstance(entries, dict):
        raise _not_an_index(index_url, "it has no `entries`")
    return {name: rows for name, rows in entries.items() if isinstance(name, str) and isinstance(rows, list)}


def _package(row: dict[str, Any], index_url: str, name: str) -> Package:
    given = row.get("urls")
    urls = tuple(urljoin(index_url, url) for url in given if isinstance(url, str)) if isinstance(given, list) else ()
    if not urls:
        raise _not_an_index(index_url, f"{name} {row['version']} has no `urls`")
    digest = str(row.get("digest") or "").removeprefix("sha256:").lower()
    return Package(urls, digest if _SHA256.fullmatch(digest) else "")


def _not_an_index(index_url: str, why: str) -> PreflightError:
    return PreflightError(
        f"{index_url} is not the index of a chart repository",
        why=why,
        next_step="check `chart.repository` in the file: it is the address that `helm repo add` takes",
    )


def nearest_versions(wanted: str, published: list[str]) -> list[str]:
    """Return up to five published versions around the wanted one, and the newest, in ascending order."""
    ordered = sorted(set(published), key=_sort_key)
    if not ordered:
        return []
    place = sum(_sort_key(version) < _sort_key(wanted) for version in ordered)
    first = max(0, min(place - _NEIGHBOURS // 2, len(ordered) - _NEIGHBOURS))
    near = ordered[first : first + _NEIGHBOURS]
    return near if ordered[-1] in near else [*near, ordered[-1]]


def _sort_key(version: str) -> tuple[list[int], bool, str]:
    core, _, rest = version.partition("-")
    # A release sorts after its own pre-releases.
    return [int(part) for part in re.findall(r"\d{1,9}", core)], not rest, rest


def refuse_url(url: str) -> str:
    """Return why dfmc does not fetch from the URL; empty: it does.

    Only http and https, and no password in the address: it would end up in logs, plans and errors.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "only http:// and https:// addresses can be fetched"
    if parts.username is not None or parts.password is not None:
        return "the address carries a user name or password"
    return "" if parts.hostname else "the address has no host"

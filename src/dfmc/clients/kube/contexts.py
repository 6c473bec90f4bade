"""What a kubeconfig offers: its contexts by name. Reads files, contacts nothing, and looks at no credential."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from dfmc.clients.safe_yaml import load_yaml
from dfmc.errors import PreflightError

DEFAULT_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True)
class KubeContexts:
    """The contexts of the kubeconfig files that count, merged as kubectl does.

    Attributes:
        names: In the files' order, each once.
        current: The one that kubectl uses; empty where none is set.
        files: Where they were looked for, as shown to people.
        clusters: The cluster entry that each context uses.
    """

    names: tuple[str, ...]
    current: str
    files: str
    clusters: Mapping[str, str] = field(default_factory=dict)


def kubeconfig_files(kubeconfig: Path | None) -> list[Path]:
    """Return the files that count: the one given, else those of KUBECONFIG, else ~/.kube/config."""
    if kubeconfig is not None:
        return [kubeconfig.expanduser()]
    listed = os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
    return [Path(part).expanduser() for part in listed.split(os.pathsep) if part]


def kube_contexts(kubeconfig: Path | None = None) -> KubeContexts:
    """Return the contexts that are there; a file that does not exist has none.

    Args:
        kubeconfig: The file; None takes KUBECONFIG (a list of files) or ~/.kube/config.

    Raises:
        PreflightError: A file cannot be read or is no kubeconfig.
    """
    files = kubeconfig_files(kubeconfig)
    clusters: dict[str, str] = {}
    current = ""
    for file in files:
        content = _read(file)
        current = current or _text(content.get("current-context"))
        contexts = content.get("contexts")
        for entry in contexts if isinstance(contexts, list) else ():
            name = _text(entry.get("name")) if isinstance(entry, dict) else ""
            if name:
                context = entry.get("context")
                clusters.setdefault(name, _text(context.get("cluster")) if isinstance(context, dict) else "")
    return KubeContexts(tuple(clusters), current, ", ".join(map(str, files)), clusters)


def _read(file: Path) -> dict[str, object]:
    try:
        content = load_yaml(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PreflightError(f"the kubeconfig {file} cannot be read", why=error.strerror or str(error)) from error
    except yaml.YAMLError as error:
        # The parser's own message may quote a token that stands beside the error.
        mark = getattr(error, "problem_mark", None)
        why = f"line {mark.line + 1} is no YAML" if mark else "it is no YAML"
        raise PreflightError(f"the kubeconfig {file} cannot be read", why=why) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise PreflightError(f"the kubeconfig {file} cannot be read", why="it is no mapping")
    return content


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

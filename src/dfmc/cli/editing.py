"""The file's side of ``add-cluster`` and ``remove-cluster``: what is put in or cut out, and how it is replaced."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfmc.errors import ConflictError, PreflightError, TopologyError, UsageError
from dfmc.linting.loading import load_from_text
from dfmc.output.console import Terminal
from dfmc.output.diff import diff_lines
from dfmc.topology.edit import insert_cluster
from dfmc.topology.load import LoadedTopology
from dfmc.topology.model import Topology
from dfmc.topology.nodes import SequenceNode, plain
from dfmc.topology.removal import remove_cluster


def new_entry(
    topology: Topology,
    name: str,
    *,
    context: str | None,
    namespace: str | None,
    scopes: Mapping[str, Any],
    node_selector: Mapping[str, str],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Return the new entry as it should stand in the file.

    Raises:
        UsageError: Context or namespace are left out and the other entries do not make them plain.
    """
    entry: dict[str, Any] = {"name": name}
    inherited = topology.defaults.model_fields_set
    if context or "context" not in inherited:
        entry["context"] = context or _plain_context(topology)
    if namespace or "namespace" not in inherited:
        entry["namespace"] = namespace or _plain_namespace(topology, name)
    parts = (("labels", labels), ("nodeSelector", node_selector), ("scopes", scopes))
    return entry | {key: dict(value) for key, value in parts if value}


def _plain_context(topology: Topology) -> str:
    found = {cluster.context for cluster in topology.clusters}
    if len(found) > 1:
        raise UsageError(
            "the new cluster's context is not given", why="the other entries have several", next_step="add --context"
        )
    return found.pop()


def _plain_namespace(topology: Topology, name: str) -> str:
    """Return the namespace that follows the others' pattern: all the same, or all one prefix and their own names."""
    namespaces = {cluster.namespace for cluster in topology.clusters}
    contexts = {cluster.context for cluster in topology.clusters}
    prefixes = {
        cluster.namespace.removesuffix(cluster.name) if cluster.namespace.endswith(cluster.name) else None
        for cluster in topology.clusters
    }
    prefix = prefixes.pop() if len(prefixes) == 1 else None
    if prefix is not None:
        return f"{prefix}{name}"
    if len(namespaces) == 1 and len(contexts) == len(topology.clusters) > 1:
        return namespaces.pop()
    raise UsageError(
        "the new cluster's namespace is not given", why="the other entries show no pattern", next_step="add --namespace"
    )


def add_to_file(loaded: LoadedTopology, path: str, entry: Mapping[str, Any], terminal: Terminal) -> LoadedTopology:
    """Put the entry into the file, show the difference, and return the topology as it is now.

    An entry that stands there just so already is left alone: the command may be run again.

    Raises:
        UsageError: The entry does not fit the file; the file stays as it was.
        TopologyError: The file has another cluster of that name.
        ConflictError: Somebody changed the file meanwhile.
    """
    if _stands_there(loaded, entry):
        terminal.say(f"{path}: {entry['name']} stands there already")
        return loaded
    text = insert_cluster(loaded, entry)
    try:
        edited = load_from_text(text, loaded.file)
    except TopologyError as error:
        raise UsageError(
            f"{entry['name']} does not fit {loaded.file}",
            why="\n".join(f"{d.path}: {d.message}" for d in error.diagnostics if d.severity == "error"),
            left="the file is as it was",
        ) from error
    _replace(path, loaded.text, text)
    terminal.answer(*diff_lines(path, loaded.text, text))
    for warning in edited.warnings:
        if warning not in loaded.warnings:
            terminal.warn(str(warning))
    return edited


def _stands_there(loaded: LoadedTopology, entry: Mapping[str, Any]) -> bool:
    clusters = loaded.document.raw.entries["clusters"].value
    return isinstance(clusters, SequenceNode) and any(plain(item.value) == entry for item in clusters.items)


@dataclass(frozen=True)
class Cut:
    """An entry's removal from the file, prepared and proven to be possible."""

    path: str
    before: str
    after: str

    def write(self, terminal: Terminal) -> None:
        """Replace the file and show the difference; ConflictError when somebody changed the file meanwhile."""
        _replace(self.path, self.before, self.after)
        terminal.answer(*diff_lines(self.path, self.before, self.after))


def cut_from_file(loaded: LoadedTopology, path: str, name: str) -> Cut:
    """Return the removal of an entry; nothing is written.

    Raises:
        UsageError: There is no such entry, or the file would not be a topology without it.
        DfmcError: The file's form does not let the entry be cut out.
    """
    names = [cluster.name for cluster in loaded.topology.clusters]
    if name not in names:
        raise UsageError(
            f"no cluster is called {name}",
            where=loaded.file,
            left="nothing was changed",
            next_step=f"the clusters there are: {', '.join(names)}; what is left of one that is not in the file any "
            f"more: dfmc up {path} --prune",
        )
    text = remove_cluster(loaded, name)
    try:
        load_from_text(text, loaded.file)
    except TopologyError as error:
        raise UsageError(
            f"{loaded.file} would not be a topology without {name}",
            why="\n".join(f"{d.path}: {d.message}" for d in error.diagnostics if d.severity == "error"),
            left="nothing was changed",
        ) from error
    return Cut(path, loaded.text, text)


def _replace(path: str, before: str, after: str) -> None:
    """Replace the file at once or not at all; its mode, and a symbolic link to it, stay."""
    target = Path(os.path.realpath(path))
    try:
        if target.read_bytes() != before.encode():
            raise ConflictError(f"{path} changed meanwhile", left="the file is as somebody else left it")
        mode = stat.S_IMODE(target.stat().st_mode)
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(after.encode())
            os.chmod(partial, mode)
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise
    except OSError as error:
        raise PreflightError(
            f"{path} cannot be written", why=error.strerror or str(error), left="the file is as it was"
        ) from error

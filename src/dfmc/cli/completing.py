"""What the shell offers for an option's value: read from the topology file, without a network and without the model."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from dfmc.topology.nodes import MappingNode


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names in the topology file that begin so; none where there is no such file."""
    from dfmc.topology.nodes import ScalarNode

    found = []
    for entry in _entries(context):
        name = entry.entries.get("name")
        if name and isinstance(name.value, ScalarNode) and isinstance(name.value.value, str):
            found.append(name.value.value)
    return [name for name in found if name.startswith(incomplete)]


def cluster_labels(context: typer.Context, incomplete: str) -> list[str]:
    """Return ``key=value`` of the entries' own labels that begin so, each once."""
    from dfmc.topology.nodes import MappingNode, ScalarNode

    found: dict[str, None] = {}
    for entry in _entries(context):
        labels = entry.entries.get("labels")
        for key, label in labels.value.entries.items() if labels and isinstance(labels.value, MappingNode) else ():
            if isinstance(label.value, ScalarNode) and isinstance(label.value.value, str):
                found[f"{key}={label.value.value}"] = None
    return [pair for pair in found if pair.startswith(incomplete)]


def _entries(context: typer.Context) -> Iterator[MappingNode]:
    """Yield the entries of ``clusters`` in the topology file that the command line names so far.

    A file that is being written may be wrong in many ways; whatever cannot be read offers nothing, and says nothing:
    the shell would print it into the user's command line.
    """
    from dfmc.cli.options import DEFAULT_FILE
    from dfmc.topology.nodes import MappingNode, SequenceNode
    from dfmc.topology.parse import MAX_CHARACTERS, parse

    # While an option waits for its value, the words of arguments are still among the rest.
    words = [word for word in context.args if word == "-" or not word.startswith("-")]
    given = [context.params.get("file"), *words[:1], context.params.get("file_option"), os.environ.get("DFMC_FILE")]
    path = next((name for name in given if name), DEFAULT_FILE)
    try:
        # O_NONBLOCK: a FIFO without a writer must not stop the shell.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            text = file.read(MAX_CHARACTERS + 1).decode() if is_regular else ""
    except (OSError, ValueError):
        return
    root = parse(text).root
    clusters = root.entries.get("clusters") if isinstance(root, MappingNode) else None
    for item in clusters.value.items if clusters and isinstance(clusters.value, SequenceNode) else ():
        if isinstance(item.value, MappingNode):
            yield item.value


def check_ids(incomplete: str) -> list[str]:
    """Return the ids of ``doctor``'s checks that begin so."""
    from dfmc.planning.checks.table import CHECKS

    return [check.id for check in CHECKS if check.id.startswith(incomplete)]

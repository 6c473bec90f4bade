"""What the shell offers for an option's value: read from the topology file, without a network and without the model."""

from __future__ import annotations

import os
import stat

import typer


def cluster_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names in the topology file that begin so; none where there is no such file.

    A file that is being written may be wrong in many ways; whatever cannot be read offers nothing, and says nothing:
    the shell would print it into the user's command line.
    """
    from dfmc.cli.options import DEFAULT_FILE
    from dfmc.topology.nodes import MappingNode, ScalarNode, SequenceNode
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
        return []
    root = parse(text).root
    clusters = root.entries.get("clusters") if isinstance(root, MappingNode) else None
    items = clusters.value.items if clusters and isinstance(clusters.value, SequenceNode) else ()
    found = []
    for item in items:
        name = item.value.entries.get("name") if isinstance(item.value, MappingNode) else None
        if name and isinstance(name.value, ScalarNode) and isinstance(name.value.value, str):
            found.append(name.value.value)
    return [name for name in found if name.startswith(incomplete)]


def check_ids(incomplete: str) -> list[str]:
    """Return the ids of ``doctor``'s checks that begin so."""
    from dfmc.planning.checks.table import CHECKS

    return [check.id for check in CHECKS if check.id.startswith(incomplete)]

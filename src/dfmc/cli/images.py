"""``dfmc images``: what a topology's nodes must be able to pull, or are given."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    ClusterOption,
    DataOutput,
    FileArgument,
    FileOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    example,
    invocation_of,
)

if TYPE_CHECKING:
    from dfmc.testbed.kind.image_loading import LoadedNode

HELP = (
    "Print every image that the topology needs, one a line; contacts no cluster.\n\nThey are read from what helm makes "
    "of the chart with dfmc's values, so init containers and databases are among them. --load kind puts them into all "
    "nodes of the topology's kind clusters: saved once, loaded everywhere at once, and only where they are missing. "
    "--save writes them into one archive. Both take Docker's images and pull those it does not have."
)
EXAMPLE = example("dfmc images topology.yaml --load kind", "dfmc images topology.yaml --save images.tar")


class Target(StrEnum):
    """Where images can be loaded."""

    KIND = "kind"


def images(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
    load: Annotated[
        Target | None, typer.Option("--load", help="Load the images into the topology's clusters.", show_default=False)
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the images into one archive.", show_default=False),
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(metavar="NAME", help="What `runtime: auto` would find: containerd, cri-o, docker, none."),
    ] = "containerd",
) -> None:
    """Print, load or save the images."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.needed_images import kind_clusters, needed_images
    from dfmc.cli.rendering import known_cluster, parse_runtime
    from dfmc.output.images import images_document, loaded_lines

    invocation = invocation_of(context)
    terminal = invocation.terminal
    runtimes = parse_runtime(runtime) or frozenset()
    loaded = load_for_run(chosen_file(file, file_option, context), terminal)
    chosen = chosen_clusters(loaded, cluster, selector)
    selected = [known_cluster(loaded.topology, name, "-c") for name in chosen] or list(loaded.topology.clusters)
    targets = kind_clusters(loaded, selected) if load else []  # before helm is asked: it says sooner what is wrong
    needed = needed_images(loaded, selected, runtimes, terminal)

    def report(text: str) -> None:
        invocation.log.write("images", text)
        terminal.say(text)

    nodes: tuple[LoadedNode, ...] = ()
    if save is not None:
        from dfmc.testbed.kind import image_loading

        image_loading.save(needed, save.absolute(), report)
        terminal.say(f"{save} written")
    if load is not None:
        from dfmc.testbed.kind import image_loading

        nodes = image_loading.load(needed, targets, report)
        if output is DataOutput.TEXT:
            terminal.say(*loaded_lines(nodes))
    if output is DataOutput.JSON:
        terminal.answer_document(images_document(needed, nodes if load else None))
    elif load is None and save is None:
        terminal.answer(*needed)

"""Which contexts of a kubeconfig somebody means: given by name, or chosen at the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from dfmc.output.console import Terminal


def distinct(contexts: Sequence[str]) -> list[str]:
    """Return the contexts as they were given; UsageError where one comes twice."""
    from dfmc.errors import UsageError

    for name in contexts:
        if contexts.count(name) > 1:
            raise UsageError(
                f"--context: {name} is given twice",
                next_step="write the file with one, then: dfmc add-cluster NAME with a namespace and nodes of its own",
            )
    return list(contexts)


def from_kubeconfig(terminal: Terminal, command: str, question: str, kubeconfig: Path | None = None) -> list[str]:
    """Return the contexts that somebody chooses at the terminal.

    Args:
        terminal: Where to ask.
        command: To type again with ``--context``.
        question: What the contexts are for.
        kubeconfig: The file; None: as KUBECONFIG says.

    Raises:
        UsageError: Nobody can be asked; lists what there is.
        PreflightError: There is no context at all.
    """
    from dfmc.clients.kube.contexts import kube_contexts
    from dfmc.errors import PreflightError, UsageError

    found = kube_contexts(kubeconfig)
    if not found.names:
        raise PreflightError(
            "there is no kubeconfig context to begin with",
            why=f"looked into {found.files}",
            next_step="set KUBECONFIG, or name contexts with --context",
        )
    listed = [f"{name}  (current)" if name == found.current else name for name in found.names]
    if not terminal.can_ask:
        terminal.answer(*listed)
        options = " ".join(f"--context {name}" for name in found.names[:2])
        raise UsageError("which contexts is not said", next_step=f"{command} {options}")
    terminal.complain(f"contexts in {found.files}:", *(f"  {number}  {text}" for number, text in enumerate(listed, 1)))
    while True:
        answer = typer.prompt(question, default="all", err=True)
        try:
            return _chosen(answer, found.names)
        except UsageError as error:
            terminal.complain(str(error))


def _chosen(answer: str, names: Sequence[str]) -> list[str]:
    """Read numbers and names separated by blanks or commas; ``all`` stands for every context.

    Raises:
        UsageError: One is neither.
    """
    from dfmc.errors import UsageError

    words = answer.replace(",", " ").split()
    if words in ([], ["all"]):
        return list(names)
    chosen = []
    for word in words:
        if word in names:
            chosen.append(word)
        elif word.isascii() and word.isdigit() and 1 <= int(word) <= len(names):
            chosen.append(names[int(word) - 1])
        else:
            raise UsageError(f"{word} is neither a context nor a number from 1 to {len(names)}")
    return distinct(chosen)

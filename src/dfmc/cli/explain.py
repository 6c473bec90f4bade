"""``dfmc explain``: what a rule is about."""

from __future__ import annotations

from typing import Annotated

import typer

from dfmc.cli.options import DataOutput, example, invocation_of
from dfmc.errors import UsageError

HELP = "Say what a rule of `dfmc validate` is about: why it matters, how to put it right.\n\nWithout an id, list all."
EXAMPLE = example("dfmc explain DF012")


def explain(
    context: typer.Context,
    rule: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Such as DF012; several may be given.", show_default=False)
    ] = None,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
) -> None:
    """Print one or more rules, or the list."""
    from dfmc.linting.rules import all_rules
    from dfmc.output import rules as form
    from dfmc.topology.problems import did_you_mean

    terminal = invocation_of(context).terminal
    known = all_rules()
    wanted = [word.upper() for word in rule or ()]
    for word in wanted:
        if word not in known:
            close = did_you_mean(word, known)
            hint = f"did you mean {close}?" if close else "`dfmc explain` lists them"
            raise UsageError(f"there is no rule {word}", next_step=hint)
    chosen = [known[word] for word in wanted] or list(known.values())
    if output is DataOutput.JSON:
        terminal.answer_document(form.rules_document(chosen))
    elif wanted:
        terminal.answer(*form.explanation_lines(chosen))
    else:
        terminal.answer(*form.rule_lines(chosen))

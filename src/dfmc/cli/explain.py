"""``dfmc explain``: what a rule is about."""

from __future__ import annotations

from typing import Annotated

import typer

from dfmc.cli.options import DataOutput, example, invocation_of
from dfmc.errors import UsageError

HELP = (
    "Say what a rule of `dfmc validate` or a check of `dfmc doctor` is about: why it matters, how to put it right.\n\n"
    "Without an id, list all rules."
)
EXAMPLE = example("dfmc explain DF012", "dfmc explain DF371")


def explain(
    context: typer.Context,
    rule: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Such as DF012; several may be given.", show_default=False)
    ] = None,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
) -> None:
    """Print one or more rules, or the list."""
    from dfmc.linting.rules import all_rules
    from dfmc.output import doctor as checks_form
    from dfmc.output import rules as form
    from dfmc.planning.checks.table import CHECKS
    from dfmc.topology.problems import did_you_mean

    terminal = invocation_of(context).terminal
    known = all_rules()
    wanted = [word.upper() for word in rule or ()]
    checks = [check for check in CHECKS if check.id in wanted]
    ids = [*known, *(check.id for check in CHECKS)]
    for word in wanted:
        if word not in ids:
            close = did_you_mean(word, ids)
            hint = f"did you mean {close}?" if close else "`dfmc explain` lists them"
            raise UsageError(f"there is no rule {word}", next_step=hint)
    if checks and len(checks) < len(set(wanted)):
        raise UsageError("rules and checks are explained apart", next_step="name either rules or checks of doctor")
    if checks:
        if output is DataOutput.JSON:
            terminal.answer_document(checks_form.checks_document(checks))
        else:
            terminal.answer(*checks_form.check_lines(checks))
        return
    chosen = [known[word] for word in wanted] or list(known.values())
    if output is DataOutput.JSON:
        terminal.answer_document(form.rules_document(chosen))
    elif wanted:
        terminal.answer(*form.explanation_lines(chosen))
    else:
        terminal.answer(*form.rule_lines(chosen))

"""``dfmc values``: work on Helm values files of the chart."""

from __future__ import annotations

from typing import Annotated

import typer

from dfmc.cli.options import example, invocation_of

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Work on Helm values files of the Dragonfly chart; contacts nothing.",
    epilog=example("dfmc values migrate values-a.yaml --to 1.7.4"),
)


@app.command(epilog=example("dfmc values migrate values-a.yaml --to 1.7.4 -o values-a-new.yaml"))
def migrate(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Helm values file; - is standard input.")],
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="Chart that the result is for.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="VERSION", help="Chart that FILE is for; default: as its keys tell.", show_default=False
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the result there.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of -o if it is there.")] = False,
) -> None:
    """Rewrite a Helm values file of one chart version for another.

    Prints the new values, which hold only keys that the chart has; on standard error what moved, what was left out and
    why. What could not be carried over is a warning, and stands in a comment at the end of the result. Comments of
    FILE are not kept.
    """
    from dfmc.cli.writing import write_new
    from dfmc.output.migration import closing_comment, note_lines, summary
    from dfmc.output.values import values_yaml
    from dfmc.values.files import load_values_file
    from dfmc.values.key_facts import known_versions
    from dfmc.values.migrate import guess_version
    from dfmc.values.migrate import migrate as rewrite

    terminal = invocation_of(context).terminal
    newest = known_versions()[1]
    is_beyond = _version(to, "--to") > _version(newest, "")
    if source is not None:
        _version(source, "--from")
    values_file = load_values_file(file)
    if source is None:
        guess = guess_version(values_file.values)
        source = guess.version
        terminal.say(f"{values_file.file}: taken for chart {source}: {guess.reason}; else give --from")
    migration = rewrite(values_file.values, source, to)
    text = (values_yaml(migration.values) if migration.values else "{}\n") + closing_comment(values_file, migration)
    warnings = [note for note in migration.notes if note.is_warning]
    terminal.say(*note_lines(values_file, [note for note in migration.notes if not note.is_warning]))
    terminal.complain(*note_lines(values_file, warnings))
    if is_beyond:
        terminal.warn(f"chart {to} is newer than those known: its keys are taken to be those of {newest}")
    if values_file.has_comments:
        terminal.warn(f"the comments of {values_file.file} are not in the result")
    if output is None:
        terminal.write_exactly(text)
    else:
        write_new(output, text, force=force, private=True)
    terminal.say(f"{values_file.file}: {summary(migration)}" + (f"; {output} written" if output else ""))


def _version(text: str, option: str) -> tuple[int, int, int]:
    from dfmc.errors import TopologyError, UsageError
    from dfmc.values.layouts import parse_version

    try:
        return parse_version(text)
    except TopologyError as error:
        raise UsageError(f"{option}: {error.what}", why=error.why) from error

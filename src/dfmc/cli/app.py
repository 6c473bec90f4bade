"""The typer application: global options and the list of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from dfmc import __version__
from dfmc.cli import (
    add_cluster,
    console,
    doctor,
    down,
    explain,
    images,
    import_,
    init,
    match,
    plan,
    rbac,
    remove_cluster,
    render,
    schema,
    status,
    testbed,
    unlock,
    up,
    validate,
    values,
    verify,
    version,
)
from dfmc.cli.options import example

# rich_markup_mode=None: plain help, in half the time, that greps well.
app = typer.Typer(
    name="dfmc",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Bring up Dragonfly over many Kubernetes clusters from one file, and keep them so.\n\n"
    "Exit codes: 0 done or nothing to do; 1 failed, or findings; 2 changes pending (--detailed-exitcode); 3 the file "
    "must be edited; 4 preflight; 5 unreachable; 6 not authorised; 7 something that is not ours; 8 locked; 9 some "
    "clusters done, others failed; 10 not ready in time; 11 integrity; 12 needs repair; 64 usage; 70 a bug in dfmc; "
    "130, 143 interrupted.",
    epilog=example("dfmc up topology.yaml"),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dfmc {__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, envvar="DFMC_VERBOSE", help="Say more.", show_default=False)
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", envvar="DFMC_QUIET", help="Only answers, warnings and errors.")
    ] = False,
    color: Annotated[
        bool | None,
        typer.Option(
            "--color/--no-color",
            help="Colour always or never; else on terminals only, as NO_COLOR and FORCE_COLOR say.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Read what holds for every command."""
    context.obj.command = context.invoked_subcommand or "dfmc"
    context.obj.verbosity = verbose
    context.obj.quiet = quiet
    context.obj.color = color


app.command("init", help=init.HELP, epilog=init.EXAMPLE)(init.init)
app.command("import", help=import_.HELP, epilog=import_.EXAMPLE)(import_.import_running)
app.command("validate", help=validate.HELP, epilog=validate.EXAMPLE)(validate.validate)
app.command("explain", help=explain.HELP, epilog=explain.EXAMPLE)(explain.explain)
app.command("match", help=match.HELP, epilog=match.EXAMPLE)(match.match)
app.command("render", help=render.HELP, epilog=render.EXAMPLE)(render.render)
app.command("plan", help=plan.HELP, epilog=plan.EXAMPLE)(plan.plan)
app.command("up", help=up.HELP, epilog=up.EXAMPLE)(up.up)
app.command("down", help=down.HELP, epilog=down.EXAMPLE)(down.down)
app.command("status", help=status.HELP, epilog=status.EXAMPLE)(status.status)
app.command("verify", help=verify.HELP, epilog=verify.EXAMPLE)(verify.verify)
app.command("add-cluster", help=add_cluster.HELP, epilog=add_cluster.EXAMPLE)(add_cluster.add_cluster)
app.command("remove-cluster", help=remove_cluster.HELP, epilog=remove_cluster.EXAMPLE)(remove_cluster.remove_cluster)
app.command("rbac", help=rbac.HELP, epilog=rbac.EXAMPLE)(rbac.rbac)
app.command("unlock", help=unlock.HELP, epilog=unlock.EXAMPLE)(unlock.unlock)
app.command("images", help=images.HELP, epilog=images.EXAMPLE)(images.images)
app.command("doctor", help=doctor.HELP, epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("console", help=console.HELP, epilog=console.EXAMPLE)(console.console)
app.command("schema", help=schema.HELP, epilog=schema.EXAMPLE)(schema.schema)
app.command("version", help=version.HELP, epilog=version.EXAMPLE)(version.version)
app.add_typer(values.app, name="values")
app.add_typer(testbed.app, name="testbed")

"""What documents tell people to type is what the command line takes; a workflow's actions are pinned."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from dfmc.cli.app import app
from dfmc.cli.invocation import Invocation

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "example-kind.yml"
_INSIDE = re.compile(r"\$\((dfmc [^)]*)\)")
_PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return found


def steps() -> list[dict[str, Any]]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def commands(lines: list[str]) -> Iterator[str]:
    """Yield the dfmc commands of shell lines, also those inside ``$(...)``."""
    for line in lines:
        yield from _INSIDE.findall(line)
        for part in re.split(r"&&|;", line.strip()):
            if part.strip().startswith("dfmc "):
                yield part.strip()


def shell_lines(document: str) -> list[str]:
    """Return the lines of a Markdown document's indented code blocks."""
    return [line for line in (ROOT / document).read_text().splitlines() if line.startswith("    ")]


COMMAND = typer.main.get_command(app)
WORKFLOW_COMMANDS = list(commands([line for step in steps() for line in step.get("run", "").splitlines()]))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *(f"docs/{file.name}" for file in sorted((ROOT / "docs").glob("*.md"))))
DOCUMENTED = {name: list(commands(shell_lines(name))) for name in DOCUMENTS}
ALL = [(WORKFLOW.name, line) for line in WORKFLOW_COMMANDS] + [
    (name, line) for name, lines in DOCUMENTED.items() for line in lines if "COMMAND" not in line
]


def parse(line: str) -> None:
    """Parse a command line as dfmc would, without running anything.

    Raises:
        typer.TyperException: It has no such command or option, or a value that the option does not take.
    """
    words = shlex.split(line, comments=True)[1:]
    command: Any = COMMAND
    context = command.make_context("dfmc", words, obj=Invocation())
    while isinstance(command, typer.core.TyperGroup):
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(command.name, rest, parent=context)


@pytest.mark.parametrize(("place", "line"), ALL, ids=[f"{place}: {line}" for place, line in ALL])
def test_a_command_that_documents_name_is_one_that_dfmc_takes(
    place: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DFMC_FILE", raising=False)
    parse(line)


@pytest.mark.parametrize(
    "line", ["dfmc nosuch", "dfmc up --no-such", "dfmc testbed up --provider vm", "dfmc testbed nosuch"]
)
def test_the_check_finds_what_is_wrong(line: str) -> None:
    with pytest.raises(typer.TyperException):
        parse(line)


def test_the_workflow_is_the_whole_way_from_nothing_to_nothing() -> None:
    words = [" ".join(line.split()[1:3]) for line in WORKFLOW_COMMANDS]
    way = ["validate", "testbed up", "testbed env", "images", "up", "verify", "testbed down"]
    places = [next(i for i, word in enumerate(words) if word.startswith(step)) for step in way]
    assert places == sorted(places)
    assert any("--junit" in line for line in WORKFLOW_COMMANDS)
    assert steps()[-1]["if"] == "${{ always() }}"
    assert "kind" in (workflow()["env"]["DFMC_TESTBED_PROVIDER"], *WORKFLOW_COMMANDS)
    assert DOCUMENTED["docs/ci.md"][:2] == [
        line.replace('"$TOPOLOGY"', "topology.yaml") for line in WORKFLOW_COMMANDS[:2]
    ]


def test_every_action_is_pinned_to_a_commit_and_the_token_can_only_read() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert [name for name in used if not _PINNED.fullmatch(name)] == []
    assert workflow()["permissions"] == {"contents": "read"}


def test_the_workflow_s_topology_is_an_example_of_this_repository() -> None:
    assert (ROOT / workflow()["env"]["TOPOLOGY"]).is_file()

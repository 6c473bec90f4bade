"""docs/verify.md names every cause that there is, and none that there is not."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def made_in(file: str) -> set[str]:
    """The first arguments of every ``Cause(...)`` in a module, where they are texts."""
    calls = [node for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.Call)]
    causes = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Cause"]
    return {str(call.args[0].value) for call in causes if isinstance(call.args[0], ast.Constant)}


def test_every_cause_is_explained() -> None:
    found = made_in("src/dfmc/planning/verdicts.py") | made_in("src/dfmc/engine/verify.py")
    by_finding = {"redis", "wiring", "workload"}  # of findings of the proof, whatever they are about
    table = (ROOT / "docs" / "verify.md").read_text().partition("## What it finds")[2]
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)
    }
    assert explained == found | by_finding

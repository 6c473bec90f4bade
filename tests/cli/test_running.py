"""What a run takes from the environment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfmc.cli.running import make_factory
from dfmc.clients.helm import PyHelm
from dfmc.errors import UsageError
from dfmc.redaction import Redactor
from topologies import topology

INVOCATION: Any = SimpleNamespace(terminal=SimpleNamespace(redactor=Redactor()))


@pytest.mark.parametrize(("given", "expected"), [("40s", 40.0), ("1m30s", 90.0), (None, 315.0)])
def test_the_deadline_of_a_helm_comes_from_the_environment(
    given: str | None, expected: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DFMC_HELM_TIMEOUT", raising=False)
    if given:
        monkeypatch.setenv("DFMC_HELM_TIMEOUT", given)
    helm = make_factory(INVOCATION, 1, tmp_path).helm(topology().central)
    assert isinstance(helm, PyHelm)
    assert helm._deadline == expected


def test_a_deadline_that_is_none_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DFMC_HELM_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="DFMC_HELM_TIMEOUT"):
        make_factory(INVOCATION, 1, tmp_path)

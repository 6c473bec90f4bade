from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml

from command_line import Dfmc

OLD = """\
# the nodes' runtime
containerRuntime: {containerd: {enable: true, registries: ['https://ghcr.io']}}
dfdaemon:
  image: dragonflyoss/dfdaemon
  tag: latest
  config: {verbose: true, pprofPort: 18066}
scheduler: {replcas: 2, config: {manager: {addr: 'x:65003'}}}
redis: {auth: {password: canary-pw}}
"""


@pytest.fixture
def old(workplace: Path) -> str:
    (workplace / "old.yaml").write_text(OLD)
    return "old.yaml"


def test_the_new_values_are_the_answer_and_the_rest_is_told(dfmc: Dfmc, old: str) -> None:
    ended = dfmc("values", "migrate", old, "--to", "1.7.4", "--from", "1.1.1")
    assert ended.code == 0
    assert yaml.safe_load(ended.out)["client"]["config"] == {"log": {"level": "debug"}}
    assert ended.err.splitlines() == [
        "old.yaml:2:33: containerRuntime.containerd.enable: is client.dfinit.enable now",
        "old.yaml:2:47: containerRuntime.containerd.registries: is "
        "client.dfinit.config.containerRuntime.containerd.registries now",
        "old.yaml:4:3: dfdaemon.image: left out: the client is another program, with an image and versions of its own",
        "old.yaml:5:3: dfdaemon.tag: left out: the client is another program, with an image and versions of its own",
        "old.yaml:6:12: dfdaemon.config.verbose: is client.config.log.level now",
        "old.yaml:7:44: scheduler.config.manager.addr: left out: no chart reads it: the scheduler takes the manager's "
        "address from its own manager or externalManager",
        "old.yaml:6:27: warning: dfdaemon.config.pprofPort: left out: the client's profiles are at "
        "client.config.stats.server.port (4004)",
        "old.yaml:7:13: warning: scheduler.replcas: left out: chart 1.7.4 has no key scheduler.replcas; did you mean "
        "scheduler.replicas? (nor did chart 1.1.1 have it)",
        "⚠ the comments of old.yaml are not in the result",
        "old.yaml: chart 1.1.1 to 1.7.4: 3 moved, 3 left out without loss, 2 not carried over",
    ]


def test_what_was_not_carried_over_stands_in_a_closing_comment_without_values(dfmc: Dfmc, old: str) -> None:
    ended = dfmc("values", "migrate", old, "--to", "1.7.4", "--from", "1.1.1")
    comments = [line for line in ended.out.splitlines() if line.startswith("#")]
    assert comments[0] == "# Rewritten from chart 1.1.1 to 1.7.4; look at:"
    assert [line.split(":")[0] for line in comments[1:]] == ["# - dfdaemon.config.pprofPort", "# - scheduler.replcas"]
    assert "18066" not in "".join(comments)
    assert "canary-pw" not in ended.err


def test_the_source_is_guessed_and_the_reason_told(dfmc: Dfmc, old: str) -> None:
    first = dfmc("values", "migrate", old, "--to", "1.7.4").err.splitlines()[0]
    assert first == (
        "old.yaml: taken for chart 1.0.0: charts 1.0.0 to 1.1.37 have all of its keys but 1; 1.1.38 does not have "
        "dfdaemon.image, dfdaemon.tag (layout L1); else give --from"
    )


def test_the_result_goes_to_a_file_that_is_not_there_yet(dfmc: Dfmc, old: str, workplace: Path) -> None:
    arguments = ("values", "migrate", old, "--to", "1.7.4", "-o", "new.yaml")
    ended = dfmc(*arguments)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.splitlines()[-1].endswith("; new.yaml written")
    assert (workplace / "new.yaml").stat().st_mode & 0o777 == 0o600
    again = dfmc(*arguments)
    assert again.code == 64
    assert "new.yaml is there already" in again.err
    assert dfmc(*arguments, "--force").code == 0


def test_quiet_says_only_what_must_be_looked_at(dfmc: Dfmc, old: str) -> None:
    ended = dfmc("-q", "values", "migrate", old, "--to", "1.7.4")
    assert all("warning: " in line or line.startswith("⚠ ") for line in ended.err.splitlines())


def test_standard_input_and_an_empty_file_work(dfmc: Dfmc, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"dfdaemon: {nodeSelector: {a: b}}\n")))
    ended = dfmc("values", "migrate", "-", "--to", "1.7.4")
    assert yaml.safe_load(ended.out) == {"client": {"nodeSelector": {"a": "b"}}}
    (workplace / "empty.yaml").write_text("")
    assert dfmc("values", "migrate", "empty.yaml", "--to", "1.7.4").out == "{}\n"


def test_a_chart_newer_than_all_known_is_said_to_be(dfmc: Dfmc, old: str) -> None:
    assert "⚠ chart 99.0.0 is newer than those known" in dfmc("values", "migrate", old, "--to", "99.0.0").err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("old.yaml",), 64, "--to"),
        (("old.yaml", "--to", "1.7"), 64, "--to: 1.7 is no chart version"),
        (("old.yaml", "--to", "1.7.4", "--from", "x"), 64, "--from: x is no chart version"),
        (("old.yaml", "--to", "0.6.0"), 64, "charts older than 1.0.0 are not known"),
        (("missing.yaml", "--to", "1.7.4"), 3, "there is no such file"),
        (("topology.yaml", "--to", "1.7.4"), 3, "this is no values file"),
        (("twice.yaml", "--to", "1.7.4"), 3, "twice.yaml:2:1: a: the key is given twice"),
    ],
)
def test_what_cannot_be_done_is_told(
    dfmc: Dfmc, old: str, workplace: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (workplace / "twice.yaml").write_text("a: 1\na: 2\n")
    ended = dfmc("values", "migrate", *arguments)
    assert ended.code == code
    assert words in ended.err
    assert ended.out == ""

import pytest

from dfmc.errors import (
    ConflictError,
    DfmcError,
    Diagnostic,
    FindingsError,
    NotReadyError,
    PartialError,
    PreflightError,
    TopologyError,
    UsageError,
)
from dfmc.output.errors import bug_lines, error_lines


def told(error: DfmcError, log: str = "") -> list[str]:
    return [text.plain for text in error_lines(error, log=log)]


def test_a_failed_step_is_told_in_five_lines_and_the_log() -> None:
    error = NotReadyError(
        "not ready after 900 s",
        where="b",
        step="ready:b",
        why="Pod dragonfly-scheduler-0: Unschedulable: 0/5 nodes are available",
        left="release dragonfly is installed in namespace cluster-b",
        next_step="kubectl --context kind-kind -n cluster-b describe pod dragonfly-scheduler-0",
    )
    assert told(error, log="/var/log/run.log") == [
        "✗ b: ready:b: not ready after 900 s",
        "  why  Pod dragonfly-scheduler-0: Unschedulable: 0/5 nodes are available",
        "  left release dragonfly is installed in namespace cluster-b",
        "  next kubectl --context kind-kind -n cluster-b describe pod dragonfly-scheduler-0",
        "  log  /var/log/run.log",
    ]


def test_what_failed_before_any_step_left_everything_as_it_was() -> None:
    assert told(ConflictError("release dragonfly is not ours", where="a")) == [
        "✗ a: release dragonfly is not ours",
        "  left nothing was changed",
    ]


@pytest.mark.parametrize("error", [UsageError("no such thing"), FindingsError("not as the file says")])
def test_where_no_state_is_at_stake_none_is_told(error: DfmcError) -> None:
    assert told(error) == [f"✗ {error.what}"]


def test_a_step_that_says_nothing_about_its_state_is_not_spoken_for() -> None:
    assert told(DfmcError("helm failed", where="b", step="release:b")) == ["✗ b: release:b: helm failed"]


def test_several_lines_of_a_cause_stay_below_each_other() -> None:
    assert told(PreflightError("helm failed", why="Error: first\nsecond\x1b[31m\n"))[1:3] == [
        "  why  Error: first",
        "       second",
    ]


def test_every_finding_has_a_line_of_its_own() -> None:
    error = FindingsError(
        "is not wired as registered", where="b", findings=["b: x: expected 2, seen 1", "b: y"], why="joined text"
    )
    assert told(error) == ["✗ b: is not wired as registered", "  ✗ b: x: expected 2, seen 1", "  ✗ b: y"]


def test_a_partial_failure_tells_each_cluster_then_the_sum() -> None:
    error = PartialError(
        "1 of 3 clusters done; failed: b, c",
        failures={
            "b": NotReadyError("not ready", where="b", step="ready:b", why="Unschedulable", left="installed"),
            "c": PreflightError("no context kind-c", where="kubeconfig"),
        },
        next_step="put the causes right, then run dfmc up again",
    )
    assert told(error, log="run.log") == [
        "✗ b: ready:b: not ready",
        "  why  Unschedulable",
        "  left installed",
        "✗ c: no context kind-c",
        "  left nothing was changed",
        "✗ 1 of 3 clusters done; failed: b, c",
        "  next put the causes right, then run dfmc up again",
        "  log  run.log",
    ]


def test_a_wrong_file_lists_every_problem_then_the_count() -> None:
    error = TopologyError(
        "topology.yaml has 1 error",
        diagnostics=[
            Diagnostic("topology.yaml", 9, 3, "clusters[1]", "overlaps", "warning", "overlap"),
            Diagnostic("topology.yaml", 3, 1, "kind", "must be Topology"),
        ],
        next_step="correct the file, then: dfmc validate topology.yaml",
    )
    assert told(error) == [
        "topology.yaml:3:1: kind: must be Topology",
        "topology.yaml:9:3: warning: clusters[1]: overlaps [overlap]",
        "✗ topology.yaml has 1 error",
        "  next correct the file, then: dfmc validate topology.yaml",
    ]


def test_a_bug_names_the_log_and_asks_for_a_report() -> None:
    assert [text.plain for text in bug_lines(ValueError("no\nway"), "/l.log")] == [
        "✗ a bug in dfmc: ValueError: no way",
        "  log  /l.log",
        "  next run again; if it happens again, please report it with the log file",
    ]

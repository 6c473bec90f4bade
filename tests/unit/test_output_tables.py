from dataclasses import replace
from typing import Any

from dfmc.engine.reports import ClusterReport, StatusReport, UpReport
from dfmc.errors import NotReadyError, UnreachableError
from dfmc.output.documents import status_document, up_document
from dfmc.output.tables import aligned, status_lines, up_lines
from dfmc.planning.proof import ProofFinding
from dfmc.planning.steps import Plan
from dfmc.state import Registration
from topologies import topology

MANAGER = "dragonfly-manager.cluster-a.svc.cluster.local:65003"
REDIS = "dragonfly-redis-master.cluster-a.svc.cluster.local:6379"

A = ClusterReport(
    name="a",
    role="manager",
    context="kind-kind",
    namespace="cluster-a",
    result="changed",
    registration=Registration(1, 1),
    chart="dragonfly-1.7.4",
    revision=2,
    release_status="deployed",
    schedulers=(1, 1),
    pods=(9, 9),
    manager=MANAGER,
    redis=REDIS,
    seconds=41.2,
)
B = replace(
    A,
    name="b",
    role="member",
    namespace="cluster-b",
    registration=Registration(2, 3),
    revision=1,
    pods=(4, 4),
    seconds=12,
)


def up_report(*clusters: ClusterReport, changed: bool = True) -> UpReport:
    return UpReport("guide", clusters, Plan("guide", "1.7.4", ()), 53.4, changed)


def told(report: UpReport, file: str = "topology.yaml") -> list[str]:
    return [text.plain for text in up_lines(report, topology(), file)]


def stands(*clusters: ClusterReport, wide: bool = False, **rest: Any) -> list[str]:
    report = StatusReport("guide", clusters, **rest)
    return [text.plain for text in status_lines(report, "topology.yaml", wide=wide)]


def test_columns_are_two_spaces_apart_and_wide_characters_count_twice() -> None:
    rows = [[("日本", ""), ("x", "")], [("b", ""), ("", "")]]
    assert [text.plain for text in aligned(["N", "WORD"], rows)] == ["N     WORD", "日本  x", "b     "]


def test_the_end_of_up_says_what_came_up_how_to_sign_in_and_what_to_type_next() -> None:
    assert told(up_report(A, B)) == [
        "CLUSTER  RESULT   IDS  RELEASE               SCHEDULERS  PODS  TIME",
        "a        changed  1/1  dragonfly-1.7.4 (r2)  1/1         9/9   41s",
        "b        changed  2/3  dragonfly-1.7.4 (r1)  1/1         4/4   12s",
        "",
        f"manager  {MANAGER}  (a, b)",
        f"redis    {REDIS}  (a, b)",
        "",
        "sign in  dfmc console topology.yaml shows the address; the user is root",
        "password kubectl --context kind-kind -n cluster-a get secret dfmc-dragonfly "
        "-o jsonpath='{.data.root-password}' | base64 -d",
        "",
        "✓ 2 clusters up and proven in 53s",
        "next     dfmc status topology.yaml",
    ]


def test_nothing_to_do_is_one_line() -> None:
    unchanged = replace(A, result="unchanged"), replace(B, result="unchanged")
    assert told(up_report(*unchanged, changed=False)) == [
        "✓ nothing to do: 2 clusters are as topology.yaml says (proven)"
    ]
    assert told(up_report(unchanged[0], changed=False), "my file.yaml") == [
        "✓ nothing to do: 1 cluster is as my file.yaml says (proven)"
    ]


def test_a_file_name_is_quoted_where_it_is_to_be_typed() -> None:
    assert "next     dfmc status 'my file.yaml'" in told(up_report(A), "my file.yaml")
    assert "next     dfmc status -" in told(up_report(A), "<stdin>")


def test_a_failed_and_a_blocked_cluster_stay_in_the_table_and_nothing_is_praised() -> None:
    failed = replace(A, result="failed", error=NotReadyError("not ready"), pods=(3, 9), release_status="failed")
    blocked = replace(B, result="blocked", blocked_by="manager:a", revision=0, registration=None, seconds=0)
    lines = told(up_report(failed, blocked))
    assert lines[1:4] == [
        "a        failed   1/1  dragonfly-1.7.4 (r2, failed)  1/1         3/9   41s",
        "b        blocked  -    -                             -           -     0.0s",
        "b: not started: it needs manager:a",
    ]
    assert not any("sign in" in line or "✓" in line for line in lines)


def test_the_password_itself_is_in_no_line() -> None:
    assert not any("base64" in line and "dragonfly-root" in line for line in told(up_report(A, B)))


def test_a_healthy_status_ends_with_one_sentence() -> None:
    lines = stands(replace(A, result="unchanged"), replace(B, result="unchanged"))
    assert lines == [
        "CLUSTER  STATE  IDS  RELEASE               SCHEDULERS  PODS",
        "a        ok     1/1  dragonfly-1.7.4 (r2)  1/1         9/9",
        "b        ok     2/3  dragonfly-1.7.4 (r1)  1/1         4/4",
        "",
        f"manager  {MANAGER}  (a, b)",
        f"redis    {REDIS}  (a, b)",
        "",
        "✓ every cluster is as topology.yaml says",
    ]


def test_what_is_wrong_is_told_below_the_table_with_cluster_key_expected_and_seen() -> None:
    finding = ProofFinding("b", "dragonfly-client/dfdaemon.yaml: host.schedulerClusterID", "2", "1")
    wrong = replace(B, result="unchanged", findings=(finding,))
    drifted = replace(A, result="unchanged", drift=("record:a: scopes.idc: x → y",))
    lines = stands(drifted, wrong, foreign=("old (id 7)",))
    assert [line.split()[1] for line in lines[1:3]] == ["drift", "wrong"]
    assert lines[6:] == [
        "",
        "~ a: drift: record:a: scopes.idc: x → y",
        "✗ b: dragonfly-client/dfdaemon.yaml: host.schedulerClusterID: expected 2, seen 1",
        "⚠ records of the manager that topology.yaml does not know: old (id 7)",
        "",
        "next     dfmc plan topology.yaml shows what would change, dfmc up topology.yaml does it",
    ]


def test_a_cluster_that_is_absent_or_does_not_answer_is_a_state() -> None:
    error = UnreachableError("the API server does not answer", why="connection refused", next_step="start it")
    absent = replace(A, result="unchanged", revision=0, registration=None, manager="", redis="", drift=("x", "y"))
    lines = stands(absent, replace(B, result="failed", error=error, revision=0))
    assert [line.split()[1] for line in lines[1:3]] == ["absent", "failed"]
    assert "⚠ a: no release in namespace cluster-a" in lines
    assert "~ a: dfmc up would make 2 changes" in lines
    at = lines.index("✗ b: the API server does not answer: connection refused")
    assert lines[at + 1] == "  next start it"


def test_wide_adds_where_it_runs_and_what_it_is_told() -> None:
    lines = stands(replace(A, result="unchanged"), wide=True)
    assert lines[0].split() == [
        *("CLUSTER", "STATE", "IDS", "RELEASE", "SCHEDULERS", "PODS", "CONTEXT", "NAMESPACE", "MANAGER", "REDIS")
    ]
    assert lines[1].split()[-4:] == ["kind-kind", "cluster-a", MANAGER, REDIS]


def test_the_json_forms_carry_ids_counts_and_errors() -> None:
    error = NotReadyError("not ready", where="b", step="ready:b", why="Unschedulable")
    document = up_document(up_report(A, replace(B, result="failed", error=error)), error)
    assert (document["kind"], document["changed"], document["error"]["exitCode"]) == ("UpReport", True, 10)
    a, b = document["clusters"]
    assert (a["schedulerClusterID"], a["seedPeerClusterID"], a["pods"]) == (1, 1, {"ready": 9, "total": 9})
    assert (b["result"], b["error"]["step"], b["seedPeerClusterID"]) == ("failed", "ready:b", 3)
    status = status_document(StatusReport("guide", (replace(A, registration=None),), foreign=("old (id 7)",)))
    assert (status["kind"], status["healthy"], status["foreignRecords"]) == ("Status", False, ["old (id 7)"])
    assert status["clusters"][0]["schedulerClusterID"] is None

"""The answer of ``verify`` for people, for programs and for CI."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfmc.engine.verify_report import Content, VerifiedCluster, VerifiedPull, VerifyReport
from dfmc.errors import UnreachableError
from dfmc.output.documents import as_json
from dfmc.output.verify import junit, size, verify_document, verify_lines
from dfmc.planning.pulls import Pull
from dfmc.planning.verdicts import Cause, Verdict

MIB = 1 << 20
CONTENT = Content("blob", "http://origin/v2/x/blobs/sha256:0", is_fresh=True)
CAUSE = Cause("client-id", "the client on worker-b1 works with the scheduler of a", "dfmc up topology.yaml -c b")


def pulled(cluster: str, number: int, verdict: Verdict, seconds: float = 1.6) -> VerifiedPull:
    return VerifiedPull(Pull(cluster, f"worker-{cluster}{number}", "c", is_first=number == 1), verdict, seconds)


def healthy(name: str) -> VerifiedCluster:
    first, second = Verdict("seed", 64 * MIB, 64 * MIB, 0), Verdict("peers", 64 * MIB, 0, 0)
    return VerifiedCluster(name, (pulled(name, 1, first, 5.5), pulled(name, 2, second)))


def faulty(name: str = "b", *causes: Cause) -> VerifiedCluster:
    crossed = Verdict("other-cluster", 64 * MIB, 0, 64 * MIB, causes or (CAUSE,))
    return VerifiedCluster(name, (pulled(name, 1, crossed), pulled(name, 2, crossed)), notes=("half of it",))


def report(*clusters: VerifiedCluster) -> VerifyReport:
    return VerifyReport("guide", CONTENT, clusters, 12.5)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - our own


def lines(found: VerifyReport) -> list[str]:
    return [line.plain for line in verify_lines(found)]


def test_the_table_has_what_the_guide_reads_from_traces() -> None:
    assert lines(report(healthy("a"), healthy("b"))) == [
        "CLUSTER  NODE       SOURCE                       RECEIVED  FROM REGISTRY  ACROSS  TIME  RESULT",
        "a        worker-a1  its seed, from the registry  64.0 MiB  64.0 MiB       0       5.5s  ok",
        "a        worker-a2  peers                        64.0 MiB  0              0       1.6s  ok",
        "b        worker-b1  its seed, from the registry  64.0 MiB  64.0 MiB       0       5.5s  ok",
        "b        worker-b2  peers                        64.0 MiB  0              0       1.6s  ok",
        "",
        "✓ 2 clusters proven in 12s; bytes across clusters: 0",
    ]


def test_a_cause_is_one_sentence_and_the_next_command_and_told_once() -> None:
    found = lines(report(healthy("a"), faulty()))
    assert found[3] == (
        "b        worker-b1  another cluster              64.0 MiB  0              64.0 MiB  1.6s  failed"
    )
    assert found[-4:] == [
        "",
        "✗ b: the client on worker-b1 works with the scheduler of a",
        "  next dfmc up topology.yaml -c b",
        "⚠ b: half of it",
    ]


def test_a_missing_trace_is_a_note() -> None:
    found = VerifiedPull(Pull("a", "worker-a1", "c", True), Verdict("seed", 1, 1, 0), 1.0, is_traced=False)
    assert "⚠ a: Jaeger has no trace of the pull on worker-a1" in lines(report(VerifiedCluster("a", (found,))))


def test_a_cluster_out_of_reach_has_its_reason() -> None:
    error = UnreachableError("the API server does not answer", why="refused", next_step="kubectl version")
    assert lines(report(VerifiedCluster("b", error=error))) == [
        "✗ b: the API server does not answer: refused",
        "  next kubectl version",
    ]


def test_nothing_pulled_is_not_proven() -> None:
    assert not report(VerifiedCluster("b")).is_proven
    assert not any("✓" in line for line in lines(report(VerifiedCluster("b"))))


def test_the_document_is_a_contract() -> None:
    document = json.loads(as_json(verify_document(report(healthy("a"), faulty()))))
    assert (document["apiVersion"], document["kind"], document["proven"]) == (
        "dfmc.io/v1alpha1",
        "VerifyReport",
        False,
    )
    assert document["bytesAcrossClusters"] == 128 * MIB
    assert [cluster["proven"] for cluster in document["clusters"]] == [True, False]
    assert document["clusters"][1]["pulls"][0] == {
        "node": "worker-b1",
        "client": "c",
        "first": True,
        "source": "other-cluster",
        "bytesReceived": 64 * MIB,
        "bytesFromRegistry": 0,
        "bytesAcrossClusters": 64 * MIB,
        "seconds": 1.6,
        "traced": None,
        "causes": [{"id": "client-id", "what": CAUSE.sentence, "next": CAUSE.next_step}],
        "notes": [],
    }


def test_junit_has_a_suite_for_each_cluster_and_counts_that_add_up() -> None:
    error = UnreachableError("the API server does not answer")
    root = parsed(junit(report(healthy("a"), faulty(), VerifiedCluster("c", error=error))))
    assert root.tag == "testsuites"
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("a", "3", "0"),
        ("b", "3", "2"),
        ("c", "1", "0"),
    ]
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("7", "2", "1")
    case = root.findall("testsuite")[1].findall("testcase")[1]
    assert (case.get("name"), case.get("classname")) == ("pull 1 on worker-b1", "dfmc.verify.b")
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("client-id", CAUSE.sentence)
    assert "next: dfmc up topology.yaml -c b" in str(failure.text)


def test_a_cluster_where_nothing_could_be_pulled_fails_in_junit() -> None:
    suite = parsed(junit(report(VerifiedCluster("b", causes=(CAUSE,)))))[0]
    assert [case.get("name") for case in suite] == ["wiring", "pull"]
    assert suite.get("failures") == "2"


@given(st.text(max_size=80), st.text(max_size=80))
def test_junit_is_xml_whatever_anybody_said(sentence: str, next_step: str) -> None:
    text = junit(report(faulty("b", Cause("x", sentence, next_step))))
    (failure, _) = parsed(text).iter("failure")
    assert str(failure.text).startswith("x: ")
    text.encode("utf-8")


def test_markup_in_a_sentence_stays_text() -> None:
    hostile = '</failure><testcase name="forged"/> & ]]> \x1b[31m\x00'
    root = parsed(junit(report(faulty("b", Cause("x", hostile)))))
    assert len(list(root.iter("testcase"))) == 3
    assert '</failure><testcase name="forged"/> & ]]>' in str(next(root.iter("failure")).get("message"))


def test_secrets_are_masked_in_junit() -> None:
    text = junit(report(faulty("b", Cause("x", "password sesame"))), lambda said: said.replace("sesame", "***"))
    assert "sesame" not in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (64 * MIB, "64.0 MiB"), (1 << 50, "1024.0 TiB")],
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert size(count) == text

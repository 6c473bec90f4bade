"""Changes of the chart that lose data or cannot be made in place: refused by name, and let through by name."""

import pytest

from dfmc.planning.consent import Consent
from dfmc.planning.upgrades import Risk, recreated, upgrade_refusal
from dfmc.state import ReleaseState
from scenarios import scenario
from topologies import topology

FILE = topology()
A, B = FILE.cluster("a"), FILE.cluster("b")
NONE = Consent()


def release(version: str, status: str = "deployed", chart: str = "dragonfly") -> ReleaseState:
    return ReleaseState("dragonfly", "cluster-b", 1, status, chart, version, "2.5.0", {}, {})


def risks(cluster: str, present: str, wanted: str, *allow: str, chart: str = "dragonfly") -> list[str]:
    """The names that the refusal asks for."""
    consent = Consent(allow=frozenset(allow))
    error = upgrade_refusal(FILE, FILE.cluster(cluster), release(present, chart=chart), wanted, consent)
    return [] if error is None else [word for word in error.next_step.split() if word in list(Risk)]


@pytest.mark.parametrize(
    ("cluster", "present", "wanted", "expected"),
    [
        ("b", "1.1.1", "1.1.11", []),
        ("b", "1.4.5", "1.7.4", []),
        ("b", "1.7.4", "1.7.4", []),
        ("b", "1.4.2", "1.4.3", ["recreate"]),
        ("b", "1.3.10", "1.3.11", ["recreate"]),
        ("b", "1.7.4", "1.7.5", ["recreate"]),
        ("b", "1.7.4", "1.4.3", ["downgrade"]),
        ("b", "1.7.4", "1.4.2", ["downgrade", "recreate"]),
        ("a", "1.1.70", "1.1.71", ["database-upgrade"]),
        ("a", "1.6.17", "1.6.18", ["database-upgrade"]),
        ("b", "1.6.17", "1.6.18", []),
        ("a", "1.6.18", "1.7.4", []),
    ],
)
@scenario("U10", real="what was observed is made up")
@scenario("U11", real="what was observed is made up")
def test_each_known_breakpoint_has_its_risk(cluster: str, present: str, wanted: str, expected: list[str]) -> None:
    assert risks(cluster, present, wanted) == expected


def test_a_risk_is_taken_by_its_own_name_and_by_no_other() -> None:
    assert risks("b", "1.7.4", "1.4.2", "downgrade") == ["recreate"]
    assert risks("b", "1.7.4", "1.4.2", "recreate", "database-upgrade") == ["downgrade"]
    assert risks("b", "1.7.4", "1.4.2", "recreate", "downgrade") == []


def test_an_external_database_is_nobodys_business_here() -> None:
    external = {"host": "db", "password": {"env": "X"}}
    file = topology(manager={"cluster": "a", "database": external})
    assert upgrade_refusal(file, file.central, release("1.6.17"), "1.6.18", NONE) is None


def test_another_chart_is_never_replaced_by_accident() -> None:
    assert risks("b", "1.7.4", "1.7.4", chart="podinfo") == ["other-chart"]
    assert risks("b", "1.7.4", "1.7.4", "other-chart", chart="podinfo") == []


def test_the_refusal_says_why_and_the_way_out() -> None:
    error = upgrade_refusal(FILE, B, release("1.4.2"), "1.7.4", NONE)
    assert error is not None
    assert (error.where, error.left, error.exit_code) == ("b", "nothing was changed", 4)
    assert "changed the selectors of its workloads" in error.why
    assert "StatefulSet dragonfly-scheduler" in error.next_step
    assert error.next_step.endswith("with --allow recreate")


def test_what_is_made_anew_is_what_changed() -> None:
    def names(present: str, wanted: str) -> list[str]:
        return [str(one) for one in recreated(FILE, B, release(present), wanted)]

    assert names("1.7.4", "1.7.8") == ["Service dragonfly-scheduler"]
    assert names("1.3.5", "1.3.11") == ["StatefulSet dragonfly-seed-client"]
    assert "DaemonSet dragonfly-client" in names("1.4.2", "1.4.4")
    assert names("1.7.4", "1.7.4") == []


def test_a_release_that_failed_half_way_may_go_back() -> None:
    assert upgrade_refusal(FILE, B, release("1.7.4", "failed"), "1.1.1", NONE) is None

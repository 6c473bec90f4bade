"""The simulated manager answers every recorded exchange as the real one did."""

import pytest

import recorded_exchanges
from clients.fake_manager import FakeClock
from dfmc.testbed.simulated_manager import SimulatedManager
from recorded_exchanges import CONTRACT, VERSIONS, Replay, Reply, exchanges, expected
from shared_material import shared_material


@pytest.fixture(scope="module")
def replies() -> dict[str, dict[str, Reply]]:
    """What the simulation answered, by version and name."""
    found = {}
    for version in VERSIONS:
        clock = FakeClock()
        with SimulatedManager(version, clock=clock) as manager:

            def pause(seconds: float, clock: FakeClock = clock) -> None:
                clock.now += seconds

            found[version] = Replay(manager.url(), pause).run(version)
    return found


@pytest.mark.parametrize("name", recorded_exchanges.names())
@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_exchange_is_answered_as_the_real_manager_did(
    version: str, name: str, replies: dict[str, dict[str, Reply]]
) -> None:
    recorded = next(one for one in exchanges(version) if one["name"] == name)
    assert replies[version][name] == expected(recorded)


@pytest.mark.shared
@pytest.mark.parametrize("version", VERSIONS)
def test_the_recordings_are_those_of_the_reference(version: str) -> None:
    file = f"manager-{version}.json"
    assert (CONTRACT / file).read_bytes() == (shared_material() / "contract" / file).read_bytes()


def test_each_version_was_recorded_with_the_same_98_requests() -> None:
    requests = [[(one["name"], one["request"]) for one in exchanges(version)] for version in VERSIONS]
    assert requests[0] == requests[1]
    assert len(dict(requests[0])) == 98

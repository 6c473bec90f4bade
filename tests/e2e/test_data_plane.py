"""Real clients and seed clients on the bed: where a blob's bytes come from, by every counter that can tell."""

from __future__ import annotations

import http.client
import re
import secrets
from dataclasses import dataclass

import pytest

from bed_tools import BedTools, wait_until
from bed_world import World
from dfmc.testbed.addressing import to_loopback
from dfmc.testbed.origin import Blob, OriginRequest, read_log

pytestmark = [pytest.mark.e2e]

SIZE = 8 << 20
PROXY, METRICS = 4001, 4002
_TRAFFIC = re.compile(r'^dragonfly_client_download_traffic\{type="(\w+)"\} (\d+)$', re.MULTILINE)
_UPLOAD = re.compile(r"^dragonfly_client_upload_traffic (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Peer:
    """A client or seed client."""

    namespace: str
    name: str
    address: str


@dataclass(frozen=True)
class Bytes:
    """What a peer's counters say it did, in bytes."""

    from_source: int = 0
    from_peers: int = 0
    from_itself: int = 0
    uploaded: int = 0

    def __sub__(self, before: Bytes) -> Bytes:
        return Bytes(*(getattr(self, name) - getattr(before, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class DataPlane:
    """The guide's two clusters with real clients."""

    world: World

    @property
    def tools(self) -> BedTools:
        return self.world.tools

    def peers(self, namespace: str, component: str) -> list[Peer]:
        """Return the ready peers of a cluster, by node."""
        pods = self.tools.pods(namespace, f"component={component}")
        return [
            Peer(namespace, pod["metadata"]["name"], pod["status"]["podIP"])
            for pod in sorted(pods, key=lambda pod: str(pod["spec"]["nodeName"]))
        ]

    def clients(self, namespace: str) -> list[Peer]:
        return self.peers(namespace, "client")

    def everybody(self) -> list[Peer]:
        return [
            peer
            for namespace in ("cluster-a", "cluster-b")
            for component in ("client", "seed-client")
            for peer in self.peers(namespace, component)
        ]

    def counters(self, peer: Peer) -> Bytes:
        """Read a peer's counters through the API server."""
        path = f"/api/v1/namespaces/{peer.namespace}/pods/{peer.name}:{METRICS}/proxy/metrics"
        text = self.tools.kubectl("get", "--raw", path)
        found: dict[str, int] = {}
        for kind, value in _TRAFFIC.findall(text):
            found[kind] = found.get(kind, 0) + int(value)
        uploaded = sum(int(value) for value in _UPLOAD.findall(text))
        return Bytes(found.get("BACK_TO_SOURCE", 0), found.get("REMOTE_PEER", 0), found.get("LOCAL_PEER", 0), uploaded)

    def fetch(self, peer: Peer, blob: Blob) -> None:
        """Fetch a blob through a peer's own proxy, and compare every byte."""
        connection = http.client.HTTPConnection(to_loopback(peer.address), PROXY, timeout=120)
        target = f"/v2/dfmc/verify/blobs/sha256:{blob.digest}?size={blob.size}"
        connection.request("GET", target, headers={"X-Dragonfly-Registry": self.tools.state.origin_url})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body[:200]
        assert body == b"".join(blob.content(0, blob.size))

    def deltas(self, peer: Peer, blob: Blob) -> dict[Peer, Bytes]:
        """Fetch, and return what moved on each peer whose counters moved."""
        everybody = self.everybody()
        before = {other: self.counters(other) for other in everybody}
        self.fetch(peer, blob)
        differences: dict[Peer, Bytes] = {}

        def settled() -> bool:
            # The seed counts a piece as uploaded a moment after the client has it.
            differences.update({other: self.counters(other) - before[other] for other in everybody})
            own = differences[peer]
            received = own.from_source + own.from_peers + own.from_itself
            sent = sum(change.uploaded for change in differences.values())
            return received >= blob.size and sent >= sum(change.from_peers for change in differences.values())

        wait_until("counters that add up", settled)
        return {other: change for other, change in differences.items() if change != Bytes()}

    def fetched(self, blob: Blob) -> list[OriginRequest]:
        """Return what the origin gave away of a blob in ranges."""
        return [line for line in read_log(self.tools.state.origin_log) if blob.digest in line.target]


def new_blob() -> Blob:
    return Blob(secrets.token_hex(32), SIZE)


@pytest.fixture(scope="module")
def plane(real_clients_world: World) -> DataPlane:
    """The data plane once both schedulers use their seeds: they look for new ones every 30 s (v2.5.1, seed_peer.go)."""
    made = DataPlane(real_clients_world)
    for namespace in ("cluster-a", "cluster-b"):
        client, (seed,) = made.clients(namespace)[0], made.peers(namespace, "seed-client")

        def seed_fetches(client: Peer = client, seed: Peer = seed) -> bool:
            made.fetch(client, Blob(secrets.token_hex(32), 1 << 16))
            return made.counters(seed).from_source > 0

        wait_until(f"the use of {namespace}'s seed", seed_fetches)
    return made


def test_first_the_seed_fetches_for_its_cluster_and_then_nobody_does(plane: DataPlane) -> None:
    blob = new_blob()
    first, second = plane.clients("cluster-b")
    (seed,) = plane.peers("cluster-b", "seed-client")

    moved = plane.deltas(first, blob)
    assert set(moved) == {first, seed}, "bytes of another cluster's peers"
    assert moved[first] == Bytes(from_peers=SIZE)
    assert (moved[seed].from_source, moved[seed].uploaded) == (SIZE, SIZE)
    ranges = [line for line in plane.fetched(blob) if line.status == 206]
    assert {line.client for line in ranges} == {seed.address}
    assert sum(line.sent for line in ranges) == SIZE

    moved = plane.deltas(second, blob)
    assert set(moved) <= {first, seed, second}
    assert moved[second] == Bytes(from_peers=SIZE)
    assert [line for line in plane.fetched(blob) if line.status == 206] == ranges


def test_the_other_cluster_fetches_its_own_copy(plane: DataPlane) -> None:
    blob = new_blob()
    (first, *_), (other, *_) = plane.clients("cluster-a"), plane.clients("cluster-b")
    plane.fetch(first, blob)
    moved = plane.deltas(other, blob)
    assert {peer.namespace for peer in moved} == {"cluster-b"}
    (seed_a,), (seed_b,) = plane.peers("cluster-a", "seed-client"), plane.peers("cluster-b", "seed-client")
    copies = [line for line in plane.fetched(blob) if line.status == 206]
    assert {line.client for line in copies} == {seed_a.address, seed_b.address}
    assert sum(line.sent for line in copies) == 2 * SIZE

"""One manager's cluster and three members, each in a Kubernetes cluster of its own: any of the members may fail.

For each of the seven sets of members: those of the set cannot be reached, or their nodes take no pod; the others are
finished in the same run, which ends with 9 and names each that is not; the next run does what is left and nothing else.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from bed_tools import BedTools
from bed_world import QUIET_RESOURCES, Ended, World
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.binaries import BinaryCache, ensure
from dfmc.testbed.faults import Authority, Fault, HttpProxy, Kind, redirected
from dfmc.testbed.layout import BedRequest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MEMBERS = "bcd"
# All of them first: then nothing is installed yet.
SUBSETS = [chosen for size in (3, 2, 1) for chosen in itertools.combinations(MEMBERS, size)]
# From members that are not there at all; the others from members that are, which takes half the time: a scheduler that
# comes back under its name is called inactive by the manager's cache for half a minute.
FROM_NOTHING = (("b", "c", "d"), ("c",))
WRITING = ("create", "update", "patch", "delete", "deletecollection")


def context(name: str) -> str:
    """Return the context of an entry."""
    return f"bed-{name}"


def placed(name: str) -> tuple[str, str]:
    """Return kubectl's arguments for an entry's namespace."""
    return ("-n", f"cluster-{name}")


class Four:
    """The bed, a proxy in front of each member's API server, and what happened where."""

    def __init__(self, world: World, proxies: dict[str, HttpProxy], kubeconfig: Path) -> None:
        self.world = world
        self.proxies = proxies
        self.kubeconfig = kubeconfig
        self.number = 0

    def up(self, *arguments: str, code: int = 0) -> Ended:
        """Run ``up``."""
        return self.world.dfmc("up", *arguments, str(self.world.topology), code=code, KUBECONFIG=str(self.kubeconfig))

    def report(self, ended: Ended) -> dict[str, dict[str, Any]]:
        """Return the clusters of a JSON report by name."""
        return {one["name"]: one for one in json.loads(ended.stdout)["clusters"]}

    @contextmanager
    def unreachable(self, names: tuple[str, ...]) -> Iterator[None]:
        """Nothing listens where the API servers of these members should be."""
        for name in names:
            self.proxies[name].plan.arm(Fault(Kind.REFUSE, times=None))
        try:
            yield
        finally:
            for name in names:
                self.proxies[name].plan.clear()

    @contextmanager
    def without_nodes(self, names: tuple[str, ...]) -> Iterator[None]:
        """No node of these members takes a new pod."""
        for name in names:
            self.world.tools.kubectl("cordon", "--selector", "!nobody", context=context(name))
        try:
            yield
        finally:
            for name in names:
                self.world.tools.kubectl("uncordon", "--selector", "!nobody", context=context(name))

    def change(self) -> None:
        """Change the file so that every release has to be upgraded, and every scheduler started anew."""
        self.number += 1
        annotations = {"example.com/change": str(self.number)}

        def edit(document: dict[str, Any]) -> None:
            document["defaults"]["values"] = {"scheduler": {"podAnnotations": annotations}}

        self.world.edit(edit)

    def uninstall(self, names: tuple[str, ...]) -> None:
        """Take members' releases and namespaces away, as if they had never been there; their records stay."""
        with ThreadPoolExecutor() as pool:
            remove = self.world.tools.remove_namespaces
            list(pool.map(lambda name: remove(f"cluster-{name}", context=context(name)), names))

    def revisions(self) -> dict[str, int]:
        """Return the newest revision of every cluster's release, 0 for none; helm keeps ten of them."""
        found = {}
        for name in "a" + MEMBERS:
            secrets = self.world.tools.objects("secrets", *placed(name), "-l", "owner=helm", context=context(name))
            found[name] = max((int(one["metadata"]["labels"]["version"]) for one in secrets), default=0)
        return found

    def marks(self) -> dict[str, int]:
        """Return how long each cluster's audit log is by now."""
        self.world.audit_mark()
        return {name: len(self.world.tools.writes(context(name))) for name in "a" + MEMBERS}

    def writes(self, since: dict[str, int]) -> dict[str, list[str]]:
        """Return what was written to each cluster after the marks, without locks and questions."""
        self.world.audit_mark()
        return {
            name: [
                f"{event['verb']} {event['objectRef']['resource']} {event['objectRef'].get('name', '')}"
                for event in self.world.tools.writes(context(name))[mark:]
                if event["verb"] in WRITING
                and event["objectRef"]["resource"] not in QUIET_RESOURCES
                and event["objectRef"].get("subresource") != "portforward"
            ]
            for name, mark in since.items()
        }


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Four Kubernetes clusters with nothing in them."""
    directory = tmp_path_factory.mktemp("bed") / "kwok"
    try:
        request = BedRequest(clusters=4, directory=directory, clients="simulated")
        yield World(BedTools(kwok_bed.up(request, lambda line: None)), tmp_path_factory.mktemp("state"), {})
    finally:
        kwok_bed.down(directory, lambda line: None)


@pytest.fixture(scope="module", params=[3, 4], ids=["helm3", "helm4"])
def four(request: pytest.FixtureRequest, bed: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Four]:
    """Helm 3 or 4 with the manager's cluster installed; the bed is empty again afterwards."""
    major: Literal[3, 4] = request.param
    program = "helm" if major == 3 else "helm4"
    ensure([program], BinaryCache(bed.bed.cache), lambda line: None)
    bed.secrets["DFMC_HELM"] = str(BinaryCache(bed.bed.cache).path(program))
    bed.api = None
    directory = tmp_path_factory.mktemp("proxies")
    with ExitStack() as stack:
        proxies = {name: stack.enter_context(in_front_of(bed, name, directory)) for name in MEMBERS}
        servers = {context(name): proxy.url for name, proxy in proxies.items()}
        made = Four(bed, proxies, redirected(bed.bed.kubeconfig, servers, directory / "kubeconfig"))
        made.change()
        made.up("-c", "a")
        yield made
        bed.dfmc("down", "--yes", "--delete-data", str(bed.topology))


@contextmanager
def in_front_of(bed: World, name: str, directory: Path) -> Iterator[HttpProxy]:
    """A proxy in front of a member's API server, with a certificate that its kubeconfig trusts."""
    layout = bed.bed.cluster_layout(context(name))
    authority = Authority(layout.kwok / "pki")
    target = ("127.0.0.1", bed.bed.plan.cluster(context(name)).block.ports.api_server)
    tls = authority.server_context(directory / f"tls-{name}")
    with HttpProxy(target, tls=tls, target_tls=authority.client_context()) as proxy:
        yield proxy


def assert_only(four: Four, failing: tuple[str, ...], before: dict[str, int], marks: dict[str, int]) -> None:
    """Check what the next run does: what is left, and nothing where nothing is left."""
    now = four.revisions()
    finished = [name for name in "a" + MEMBERS if name not in failing]
    assert {name: now[name] for name in finished} == {name: before[name] for name in finished}
    assert {name: found for name, found in four.writes(marks).items() if name in finished and found} == {}
    schedulers = four.world.active_schedulers(four.world.manager())
    assert sorted(len(pods) for pods in schedulers.values()) == [1, 1, 1, 1]
    records = [row["name"] for row in four.world.manager().get("/api/v1/clusters?per_page=100")]
    assert sorted(records) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("failing", SUBSETS, ids="".join)
def test_members_out_of_reach_keep_nobody_else_from_being_finished(four: Four, failing: tuple[str, ...]) -> None:
    if failing in FROM_NOTHING:
        four.uninstall(tuple(MEMBERS))
    four.change()
    start = four.revisions()
    with four.unreachable(failing):
        ended = four.up("-o", "json", code=9)
    report = four.report(ended)
    for name in failing:
        assert report[name]["result"] == "failed"
        assert "refused" in json.dumps(report[name]["error"])
    finished = [name for name in MEMBERS if name not in failing]
    assert {name: report[name]["result"] for name in finished} == dict.fromkeys(finished, "changed")
    before, marks = four.revisions(), four.marks()
    new = {name: found - start[name] for name, found in before.items()}
    assert new == dict.fromkeys(["a", *finished], 1) | dict.fromkeys(failing, 0)
    again = four.report(four.up("-o", "json"))
    assert {name: again[name]["result"] for name in failing} == dict.fromkeys(failing, "changed")
    assert {name: four.revisions()[name] - start[name] for name in failing} == dict.fromkeys(failing, 1)
    assert again["a"]["result"] == "unchanged"
    assert_only(four, failing, before, marks)


@pytest.mark.parametrize("failing", SUBSETS, ids="".join)
def test_members_whose_pods_do_not_start_keep_nobody_else_from_being_upgraded(
    four: Four, failing: tuple[str, ...]
) -> None:
    """From four clusters that are up; their upgrade is installed, and only waits for nodes."""
    four.change()
    start = four.revisions()
    with four.without_nodes(failing):
        ended = four.up("--timeout", "20s", "-o", "json", code=9)
    report = four.report(ended)
    assert [name for name, one in report.items() if one["result"] == "failed"] == list(failing)
    for name in failing:
        assert "0/3 nodes are available" in json.dumps(report[name]["error"])
    before, marks = four.revisions(), four.marks()
    assert {name: found - start[name] for name, found in before.items()} == dict.fromkeys("a" + MEMBERS, 1)
    four.up()
    assert four.revisions() == before  # the releases were installed: what was left is to wait, and to prove
    assert_only(four, (), before, marks)

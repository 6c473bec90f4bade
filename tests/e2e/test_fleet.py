"""Random lives of a fleet on the real parts, through the command line: whatever was done to it, one `up` puts it right.

The many sequences run in memory (tests/unit/test_fleet_machine.py); these few show that what is real does as that does.
DFMC_FLEET_BED_SEQUENCES says how many, DFMC_FLEET_SEED which ones; the seed and each operation are printed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from bed_world import World
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3000)]

SEQUENCES = int(os.environ.get("DFMC_FLEET_BED_SEQUENCES", "5"))
SEED = os.environ.get("DFMC_FLEET_SEED", "1")
OPERATIONS_EACH = 3
MEMBERS = ("b", "c", "d")


class Life:
    """One fleet, and what happens to it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance

    # --- what is done ------------------------------------------------------------------------------------------

    def add_cluster(self, name: str) -> None:
        if name in self.names:
            return
        place = ("--context", "kind-kind", "--namespace", f"cluster-{name}", "--node-selector", f"cluster={name}")
        self.world.dfmc("add-cluster", name, "--idc", f"idc-{name}", *place, "-f", str(self.world.topology))

    def remove_cluster(self, name: str) -> None:
        if name in self.names:
            self.world.dfmc("remove-cluster", name, str(self.world.topology), "--yes")

    def delete_entry(self, name: str) -> None:
        self._edit(lambda document: document["clusters"].remove(self.world.entry(name, document)), name)

    def change_scopes(self, name: str) -> None:
        scopes = {"idc": self.chance.choice(["x", "y", "x|y"])}
        self._edit(lambda document: self.world.entry(name, document).update(scopes=scopes), name)

    def change_replicas(self, name: str) -> None:
        replicas = {"scheduler": self.chance.choice([1, 2])}
        self._edit(lambda document: self.world.entry(name, document).update(replicas=replicas), name)

    def edit_config_map(self, name: str) -> None:
        if self.release(name):
            found = self.world.config_map(f"cluster-{name}", "dragonfly-client")
            other = {
                key: text.replace("schedulerClusterID: ", "schedulerClusterID: 9")
                for key, text in found["data"].items()
            }
            self.world.replace_config(f"cluster-{name}", "dragonfly-client", other)

    def uninstall(self, name: str) -> None:
        if self.release(name):
            self.world.tools.helm("uninstall", "dragonfly", "-n", f"cluster-{name}")

    def delete_record(self, name: str) -> None:
        """In the console, with the rows that keep the record; its schedulers run on."""
        api = self.world.manager()
        record = next((row for row in self.records() if row["name"] == name), None)
        if record is None:
            return
        for row in api.get("/api/v1/schedulers?per_page=1000"):
            if row["scheduler_cluster_id"] == record["scheduler_cluster_id"]:
                api.request("DELETE", f"/api/v1/schedulers/{row['id']}")
        api.request("DELETE", f"/api/v1/clusters/{record['id']}")

    def killed_up(self, name: str) -> None:
        """A change of one member, and a run that is killed somewhere on its way, with its helm."""
        self.change_replicas(name)
        process = subprocess.Popen(
            [sys.executable, "-m", "dfmc", "up", str(self.world.topology), "--adopt", "--prune", "--yes"],
            env=self.world.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(self.chance.uniform(0.5, 8))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def _edit(self, change: Callable[[dict[str, Any]], None], name: str) -> None:
        if name in self.names:
            self.world.edit(change)

    # --- what is there -----------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        return [entry["name"] for entry in yaml.safe_load(self.world.topology.read_text())["clusters"]]

    def records(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.world.manager().get("/api/v1/clusters?per_page=100")
        return found

    def releases(self) -> dict[str, str]:
        """Return the status of each release by its namespace; none may be pending after a run."""
        listed = json.loads(self.world.tools.helm("list", "--all-namespaces", "--all", "-o", "json"))
        return {one["namespace"]: one["status"] for one in listed}

    def release(self, name: str) -> bool:
        return f"cluster-{name}" in self.releases()

    def ids(self, name: str) -> set[int]:
        """Return the scheduler cluster ids in a release's values and in its live ConfigMaps."""
        namespace = f"cluster-{name}"
        values = json.loads(self.world.tools.helm("get", "values", "dragonfly", "-n", namespace, "-o", "json"))
        found = {int(values["scheduler"]["config"]["manager"]["schedulerClusterID"])}
        for component, section in (("scheduler", "manager"), ("client", "host"), ("seed-client", "host")):
            (text,) = self.world.config_map(namespace, f"dragonfly-{component}")["data"].values()
            found.add(int(yaml.safe_load(text)[section]["schedulerClusterID"]))
        return found

    def check(self) -> None:
        """The file, the records, the releases and the live ConfigMaps agree, and a second `up` has nothing to do."""
        records = {row["name"]: row for row in self.records()}
        assert sorted(records) == sorted(self.names)
        assert self.releases() == {f"cluster-{name}": "deployed" for name in self.names}
        for name in self.names:
            assert self.ids(name) == {records[name]["scheduler_cluster_id"]}, name
        assert len({row["scheduler_cluster_id"] for row in records.values()}) == len(records)
        wanted = {
            entry["name"]: entry.get("scopes", {})
            for entry in yaml.safe_load(self.world.topology.read_text())["clusters"]
        }
        assert {name: (records[name]["scopes"] or {}).get("idc", "") for name in wanted} == {
            name: scopes.get("idc", "") for name, scopes in wanted.items()
        }
        assert "nothing to do" in self.world.dfmc("up", str(self.world.topology)).text


@pytest.fixture(scope="module")
def life(empty_world: World) -> Life:
    """The guide's clusters, up, on a bed that has nodes for more."""
    world = empty_world
    text = world.topology.read_text()
    more = [{"name": name, "context": "kind-kind", "namespace": f"cluster-{name}"} for name in "cd"]
    world.edit(
        lambda document: document["clusters"].extend({**one, "nodeSelector": {"cluster": one["name"]}} for one in more)
    )
    world.grow()
    world.topology.write_text(text)
    world.dfmc("up", str(world.topology))
    return Life(world, random.Random(f"fleet {SEED}"))  # noqa: S311 - the same ones each time


@scenario("N2", "M3", real=True)
@pytest.mark.parametrize("number", range(SEQUENCES))
def test_whatever_happens_to_a_fleet_one_up_puts_it_right(life: Life, number: int) -> None:
    sys.stdout.write(f"\nsequence {number} of seed {SEED}:")
    for _ in range(OPERATIONS_EACH):
        operations = (
            *(life.add_cluster, life.remove_cluster, life.delete_entry, life.change_scopes, life.change_replicas),
            *(life.edit_config_map, life.uninstall, life.delete_record, life.killed_up),
        )
        operation, name = life.chance.choice(operations), life.chance.choice(MEMBERS)
        sys.stdout.write(f" {operation.__name__}({name})")
        operation(name)
    life.world.dfmc("up", str(life.world.topology), "--adopt", "--prune", "--yes")
    life.check()

"""Counters are read until they have come to rest, and the ports are those of the live configuration."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import yaml

from dfmc.engine.counters import CounterReader, Ports, ports_of, rhythm_of
from dfmc.planning.pulls import Counters, Place, Rhythm
from dfmc.state import ObservedCluster, PeerCounters
from dfmc.values.layouts import layout_of
from simulated_dragonfly import SimulatedDragonfly

LAYOUT = layout_of("1.7.4")
SENDER, RECEIVER = Place("a", "dragonfly-seed-client-0"), Place("a", "dragonfly-client-a1")


def counted(uploaded: int, received: int) -> Counters:
    return Counters({SENDER: PeerCounters(uploaded=uploaded), RECEIVER: PeerCounters(from_peers=received)})


def settled(monkeypatch: pytest.MonkeyPatch, *readings: Counters) -> tuple[Counters, int]:
    """What is taken of these readings, and how many were made; the last one goes on for ever."""
    monkeypatch.setattr("dfmc.engine.counters._SETTLING_PAUSES", (0.0,) * 5)
    made: list[Counters] = []

    class Reader(CounterReader):
        def __init__(self) -> None:
            pass

        async def read(self, world: Any) -> Counters:
            made.append(readings[min(len(made), len(readings) - 1)])
            return made[-1]

    world = SimulatedDragonfly(("a",)).world()
    after, _ = asyncio.run(Reader().settled(world, counted(0, 0), "a"))
    return after, len(made)


def test_two_equal_readings_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(monkeypatch, counted(10, 10)) == (counted(10, 10), 2)
    assert settled(monkeypatch, counted(0, 0)) == (counted(0, 0), 2)


def test_an_upload_that_is_not_counted_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [counted(4, 10), counted(4, 10), counted(10, 10)]
    assert settled(monkeypatch, *late) == (counted(10, 10), 4)


def test_what_never_comes_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(monkeypatch, counted(0, 10)) == (counted(0, 10), 5)


def test_while_others_pull_the_reading_with_the_least_missing_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [counted(6, 10), counted(19, 20), counted(26, 30), counted(38, 40), counted(44, 50)]
    assert settled(monkeypatch, *busy) == (counted(19, 20), 5)


def seen(**files: Any) -> ObservedCluster:
    maps = [
        {
            "metadata": {"labels": {"component": component}},
            "data": {"scheduler.yaml" if component == "scheduler" else "dfdaemon.yaml": text},
        }
        for component, text in files.items()
    ]
    return ObservedCluster("a", config_maps=tuple(maps))


def test_ports_are_those_of_the_live_configuration() -> None:
    client = {"metrics": {"server": {"port": 14002}}, "proxy": {"server": {"port": 14001}}}
    files = {
        "client": yaml.safe_dump(client),
        "seed-client": yaml.safe_dump({"metrics": {"server": {"port": 24002}}}),
        "scheduler": yaml.safe_dump({"metrics": {"enable": True, "addr": ":18000"}}),
    }
    assert ports_of(seen(**files), LAYOUT) == Ports(client=14002, seed=24002, scheduler=18000, proxy=14001)


@pytest.mark.parametrize("text", ["", "{", "metrics: 3", "metrics: {server: {port: many}, addr: nowhere}"])
def test_what_is_not_said_or_cannot_be_read_is_the_default(text: str) -> None:
    default = Ports(client=4002, seed=4002, scheduler=8000, proxy=4001)
    assert ports_of(seen(client=text, scheduler=text, **{"seed-client": text}), LAYOUT) == default
    assert ports_of(replace(seen(), config_maps=()), LAYOUT) == default


@pytest.mark.parametrize(
    ("configuration", "rhythm"),
    [
        ({"dynconfig": {"refreshInterval": "5m"}, "scheduler": {"announceInterval": "1m"}}, Rhythm(300.0, 60.0)),
        ({"dynconfig": {"refreshInterval": "1m 30s"}, "scheduler": {"announceInterval": "1500ms"}}, Rhythm(90.0, 1.5)),
        ({"dynconfig": {"refreshInterval": "1h30min"}, "scheduler": {"announceInterval": "45sec"}}, Rhythm(5400.0, 45)),
        ({"dynconfig": {"refreshInterval": "soon"}, "scheduler": {"announceInterval": 7}}, Rhythm(300.0, 300.0)),
        ({}, Rhythm(300.0, 300.0)),
    ],
)
def test_how_often_peers_ask_and_announce_is_what_their_live_configuration_says(
    configuration: dict[str, Any], rhythm: Rhythm
) -> None:
    config_map = {
        "metadata": {"name": "dragonfly-client", "labels": {"component": "client"}},
        "data": {"dfdaemon.yaml": yaml.safe_dump(configuration)},
    }
    assert rhythm_of(ObservedCluster("a", config_maps=(config_map,)), LAYOUT, "client") == rhythm

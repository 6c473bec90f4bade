"""Addresses of the bed: blocks never overlap, and wrong addresses lead nowhere."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from dfmc.testbed.addressing import BLOCKS, UNREACHABLE, AddressBlock, is_node_address, to_api, to_loopback
from dfmc.testbed.supervisor.addresses import AddressPool


def test_blocks_share_neither_ports_nor_addresses() -> None:
    blocks = [AddressBlock(index) for index in BLOCKS]
    ports = [port for block in blocks for port in vars(block.ports).values()]
    assert len(ports) == len(set(ports))
    assert max(ports) < 32768
    networks = [ipaddress.ip_network(block.service_range) for block in blocks]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(networks, 2))
    assert len({block.node_address(1) for block in blocks}) == len(blocks)


def test_process_addresses_meet_no_nodes_pod_range() -> None:
    block = AddressBlock(3)
    processes = {ipaddress.ip_address(address) for address in block.process_addresses()}
    ranges = [ipaddress.ip_network(block.node_pod_cidr(number)) for number in range(1, 121)]
    assert not any(address in network for network in ranges for address in processes)
    assert len(processes) > 10_000


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.69.0.7", "127.69.0.7"),  # a pod of this cluster
        ("10.69.255.2", "127.69.255.2"),  # a node of this cluster
        ("10.70.255.2", "127.70.255.2"),  # a node of another cluster: node ports work across clusters
        ("10.70.0.7", UNREACHABLE),  # a pod of another cluster
        ("127.133.0.10", "127.133.0.10"),  # a Service of this cluster
        ("127.134.0.10", UNREACHABLE),  # a Service of another cluster
        ("127.0.0.1", "127.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("10.1.2.3", "10.1.2.3"),  # no block of any bed
        ("manager.example", "manager.example"),
    ],
)
def test_a_pod_reaches_its_own_cluster_and_every_node(address: str, expected: str) -> None:
    assert AddressBlock(5).listen_address(address) == expected


def test_only_bed_addresses_are_mapped_to_loopback() -> None:
    assert to_loopback("10.64.255.1") == "127.64.255.1"
    assert to_loopback("127.0.0.1") == "127.0.0.1"
    assert to_api("127.64.255.1") == "10.64.255.1"
    assert [to_api(address) for address in ("127.0.0.1", "127.128.0.1", "::1")] == ["127.0.0.1", "127.128.0.1", "::1"]
    assert is_node_address("10.64.255.1")
    assert not is_node_address("10.64.0.1")
    assert not is_node_address("node-1")


def test_the_pool_avoids_addresses_that_other_pods_hold_and_reuses_a_pods_own() -> None:
    pool = AddressPool(AddressBlock(0))
    assert pool.take("", ["10.64.0.1"]) == "10.64.0.2"
    assert pool.take("", ["10.64.0.1"]) == "10.64.0.3"
    pool.release("10.64.0.2")
    assert pool.take("", ["10.64.0.1"]) == "10.64.0.2"
    assert pool.take("10.64.0.9", []) == "10.64.0.9"
    assert "10.64.0.9" not in {pool.take("", []) for _ in range(20)}

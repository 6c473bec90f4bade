"""Services, proxies and probes: nothing answers before something is ready behind it."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.supervisor import probes
from dfmc.testbed.supervisor.proxies import ServiceProxy, open_egress, open_pod_proxy
from dfmc.testbed.supervisor.service_table import listeners

BLOCK = AddressBlock(40)


def service(name: str = "manager", **spec: Any) -> dict[str, Any]:
    ports = [{"name": "rest", "port": 8080, "nodePort": 30950}]
    return {"metadata": {"namespace": "a", "name": name}, "spec": {"clusterIP": "127.168.0.9", "ports": ports, **spec}}


def slices(ready: bool | None = True, address: str = "10.104.0.1", port: int = 8080) -> list[dict[str, Any]]:
    labels = {"kubernetes.io/service-name": "manager"}
    return [
        {
            "metadata": {"namespace": "a", "name": "manager-x", "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
            "ports": [{"name": "rest", "port": port}],
        }
    ]


def table(*services: dict[str, Any], endpoints: list[dict[str, Any]]) -> dict[Any, Any]:
    return listeners(services, endpoints, BLOCK, ["10.104.255.1", "10.104.255.2"])


def test_a_service_is_served_on_its_address_and_on_every_node() -> None:
    behind = (("127.104.0.1", 8080),)
    assert table(service(), endpoints=slices()) == {
        ("127.168.0.9", 8080): behind,
        ("127.104.255.1", 30950): behind,
        ("127.104.255.2", 30950): behind,
        ("127.0.0.1", 30950): behind,
    }


def test_a_service_without_a_ready_endpoint_is_not_served() -> None:
    assert table(service(), endpoints=slices(ready=False)) == {}
    assert table(service(), endpoints=[]) == {}
    assert table(service(), endpoints=slices(ready=None)) != {}


@pytest.mark.parametrize(
    "other",
    [
        {"metadata": {"namespace": "a", "name": "manager"}, "spec": {"type": "ExternalName", "externalName": "x.y"}},
        service(clusterIP="None", ports=[{"name": "rest", "port": 8080}]),
        service(ports=[{"name": "rest", "port": 4006, "protocol": "UDP"}]),
        service(ports=[{"name": "other", "port": 1}]),
        service(name="elsewhere"),
    ],
)
def test_what_has_no_address_or_no_endpoints_is_not_served(other: dict[str, Any]) -> None:
    assert table(other, endpoints=slices()) == {}


def test_the_api_servers_own_service_is_left_alone() -> None:
    own = {"metadata": {"namespace": "default", "name": "kubernetes"}, "spec": service()["spec"]}
    endpoints = slices()
    endpoints[0]["metadata"].update(namespace="default", labels={"kubernetes.io/service-name": "kubernetes"})
    assert table(own, endpoints=endpoints) == {}


def test_a_load_balancer_has_an_address_of_its_own() -> None:
    served = table(service(type="LoadBalancer"), endpoints=slices())
    assert ("127.104.255.250", 8080) in served


def test_another_clusters_pod_is_out_of_reach_and_its_node_is_not() -> None:
    pod = table(service(), endpoints=slices(address="10.105.0.1"))[("127.168.0.9", 8080)]
    node = table(service(), endpoints=slices(address="10.105.255.1", port=30951))[("127.168.0.9", 8080)]
    assert pod == (("127.255.255.254", 8080),)
    assert node == (("127.105.255.1", 30951),)


@contextmanager
def answering(answer: bytes, close_first: bool = False, host: str = "127.0.0.1") -> Iterator[int]:
    """A server on loopback that reads once, answers every connection the same, and closes it."""
    with socket.create_server((host, 0)) as server:
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                connection, _ = server.accept()
                with connection:
                    if not stopping.is_set() and not close_first:
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port
        finally:
            stopping.set()
            with closing(socket.create_connection((host, port))):
                pass
            thread.join(5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ask(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.settimeout(2)
            connection.sendall(b"?")
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(100)
    except OSError:
        return b""


async def finish() -> None:
    """Let connections in flight end before the loop does; in the bed it never does."""
    async with asyncio.timeout(5):
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


def test_the_proxy_forwards_and_stops_listening() -> None:
    async def scenario() -> None:
        proxy, port = ServiceProxy("test"), free_port()
        with answering(b"hello") as behind:
            await proxy.update({("127.0.0.1", port): (("127.0.0.1", behind),)})
            assert await asyncio.to_thread(ask, port) == b"hello"
            await proxy.update({})
            assert await asyncio.to_thread(ask, port) == b""
        await finish()

    asyncio.run(scenario())


def test_an_address_in_use_is_served_once_it_is_free() -> None:
    async def scenario() -> None:
        proxy = ServiceProxy("test")
        with answering(b"hello") as behind:
            with socket.create_server(("127.0.0.1", 0)) as other:
                wanted = {("127.0.0.1", other.getsockname()[1]): (("127.0.0.1", behind),)}
                await proxy.update(wanted)
            await proxy.update(wanted)
            assert await asyncio.to_thread(ask, next(iter(wanted))[1]) == b"hello"
        await proxy.close()
        await finish()

    asyncio.run(scenario())


def test_a_connection_whose_client_only_listens_outlives_a_garbage_collection() -> None:
    async def scenario() -> None:
        proxy, port = ServiceProxy("test"), free_port()
        with socket.create_server(("127.0.0.1", 0)) as behind:
            await proxy.update({("127.0.0.1", port): (("127.0.0.1", behind.getsockname()[1]),)})
            with socket.create_connection(("127.0.0.1", port), 5) as client:
                client.shutdown(socket.SHUT_WR)
                connection, _ = await asyncio.to_thread(behind.accept)
                with connection:
                    await asyncio.to_thread(connection.recv, 1)
                    gc.collect()
                    connection.sendall(b"late")
                assert await asyncio.to_thread(client.recv, 10) == b"late"
        await proxy.close()
        await finish()

    asyncio.run(scenario())


def connect(path: Path, target: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = connection.recv(1000)
        if b" 200 " in head:
            connection.sendall(b"?")
            return head + connection.recv(1000)
        return head


def test_the_api_servers_way_leads_to_pods_and_to_kwok(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "egress.sock"
        with answering(b"kubelet") as kubelet, answering(b"client", host="127.104.255.7") as client:
            server = await open_egress(path, kubelet)
            # Any node's address leads to 127.0.0.1, where kwok listens for all of them.
            assert (await asyncio.to_thread(connect, path, f"10.104.255.7:{kubelet}")).endswith(b"kubelet")
            assert b" 502 " in await asyncio.to_thread(connect, path, f"10.104.0.7:{kubelet}")
            # Other ports of a node are those of pods on its network.
            assert (await asyncio.to_thread(connect, path, f"10.104.255.7:{client}")).endswith(b"client")
            assert b" 502 " in await asyncio.to_thread(connect, path, f"10.104.255.8:{client}")
        server.close()
        await finish()

    asyncio.run(scenario())


def test_the_clusters_own_way_to_pods_leads_nowhere_else(tmp_path: Path) -> None:
    def ask(target: str) -> bytes:
        with socket.create_connection((BLOCK.pod_proxy_address, BLOCK.ports.pod_proxy), 5) as connection:
            connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n?".encode())
            head = connection.recv(1000)
            return head + (connection.recv(1000) if b" 200 " in head else b"")

    async def scenario() -> None:
        server = await open_pod_proxy(BLOCK)
        with answering(b"seed", host="127.104.0.9") as seed, answering(b"other", host="127.105.0.9") as other:
            assert (await asyncio.to_thread(ask, f"10.104.0.9:{seed}")).endswith(b"seed")
            for target in (f"10.105.0.9:{other}", f"192.0.2.1:{seed}", f"a.name:{seed}"):
                assert b" 502 " in await asyncio.to_thread(ask, target)
        server.close()
        await finish()

    asyncio.run(scenario())


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS, HEADERS = frame(4, 0, 0), frame(1, 4, 1, b"\x88")


@pytest.mark.parametrize(
    ("answer", "serving"),
    [
        (SETTINGS + HEADERS + frame(0, 0, 1, b"\0\0\0\0\x02\x08\x01"), True),
        (SETTINGS + HEADERS + frame(0, 0, 1, b"\0\0\0\0\x02\x08\x02"), False),  # NOT_SERVING
        (SETTINGS + HEADERS + frame(0, 0, 1, b"\0\0\0\0\0"), False),  # UNKNOWN
        (SETTINGS + frame(1, 5, 1, b"\x88"), False),  # trailers only: unimplemented
        (SETTINGS + frame(7, 0, 0, b"\0" * 8), False),
        (SETTINGS, False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_a_serving_answer_makes_a_grpc_server_ready(answer: bytes, serving: bool) -> None:
    with answering(answer) as port:
        assert probes.grpc_serving("127.0.0.1", port) is serving


def test_a_grpc_server_on_a_unix_socket_is_asked_the_same(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    assert not probes.grpc_serving_at(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(SETTINGS + HEADERS + frame(0, 0, 1, b"\0\0\0\0\x02\x08\x01"))
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert probes.grpc_serving_at(path)
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "ready"), [(b"+PONG\r\n", True), (b"-NOAUTH x\r\n", True), (b"-LOADING x\r\n", False), (b"", False)]
)
def test_redis_is_ready_once_it_answers_a_ping(answer: bytes, ready: bool) -> None:
    with answering(answer) as port:
        assert probes.redis_answers("127.0.0.1", port) is ready


def test_nothing_is_ready_where_nothing_listens(tmp_path: Path) -> None:
    port = free_port()
    assert not probes.accepts_connections("127.0.0.1", port)
    assert not probes.grpc_serving("127.0.0.1", port)
    assert not probes.redis_answers("127.0.0.1", port)
    assert not probes.mysql_greets(tmp_path / "none.sock")


@pytest.mark.parametrize(
    ("greeting", "ready"), [(b"\x4a\0\0\0\x0a5.5", True), (b"\x10\0\0\0\xffno", False), (b"", False)]
)
def test_mysql_is_ready_once_it_greets(tmp_path: Path, greeting: bytes, ready: bool) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.sock"))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        assert probes.mysql_greets(tmp_path / "s.sock") is ready
        thread.join(5)

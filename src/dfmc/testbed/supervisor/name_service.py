"""Answers what a probe's ``nslookup`` and ``nc`` ask: names as the cluster resolves them, and where to dial them.

A question is one line on a unix socket: ``nslookup`` or ``resolve``, the pod's namespace (``-`` for a pod that uses its
node's resolver), the host. The answer is one line of JSON: ``name`` and ``addresses``, each a pair of the address that
a pod would see and the one that leads there from this machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.supervisor.cluster_dns import ClusterDns, is_address

NODE_RESOLVER = "-"
_SECONDS = 10.0


def answer(question: str, dns: ClusterDns, block: AddressBlock, outside: Callable[[str], tuple[str, ...]]) -> str:
    """Return the answer to one line; an empty list of addresses for a name that does not exist, or a bad question."""
    words = question.split(" ")
    kind, namespace, host = words if len(words) == 3 else ("", "", "")
    name, found = host, tuple[str, ...]()
    if kind == "nslookup" and namespace != NODE_RESOLVER:
        name, found = dns.nslookup_answer(host, namespace)
    elif kind == "nslookup":
        found = () if is_address(host) or not host else outside(host)
    elif kind == "resolve" and namespace != NODE_RESOLVER:
        found = dns.resolve(host, namespace)
    elif kind == "resolve":
        found = (host,) if is_address(host) else outside(host)
    return json.dumps({"name": name, "addresses": [[address, block.listen_address(address)] for address in found]})


async def open_name_service(path: Path, reply: Callable[[str], str]) -> asyncio.Server:
    """Serve questions on a unix socket.

    Args:
        path: Of the socket; one that a killed supervisor left is replaced.
        reply: Turns a question into its answer; called in a thread, for it may look up outside names.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), _SECONDS)
            text = await asyncio.to_thread(reply, line.decode(errors="replace").rstrip("\n"))
            writer.write(text.encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):  # the asker is gone, or asked without end
            writer.transport.abort()
            return
        writer.close()

    return await asyncio.start_unix_server(serve, path)

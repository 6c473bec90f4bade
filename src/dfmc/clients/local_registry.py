"""A registry beside kind's nodes: a container on their network, there while it is needed.

The nodes reach it by its name or address on that network, this machine by a port on loopback. Its image is the usual
``registry:2``; DFMC_VERIFY_REGISTRY_IMAGE names another one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from dfmc.clients.child_process import ChildDeadlineError, Finished, run_child
from dfmc.clients.foreign_text import readable
from dfmc.errors import DfmcError, NotReadyError, PreflightError
from dfmc.state import LocalRegistry

NAME = "dfmc-verify-registry"
IMAGE_VARIABLE = "DFMC_VERIFY_REGISTRY_IMAGE"
_LABEL = "dfmc.io/purpose=verify"
_PORT = 5000
_SECONDS = 120.0
_READY_SECONDS = 60.0
_PAUSE = 0.2


@asynccontextmanager
async def registry_beside(node: str) -> AsyncIterator[LocalRegistry | None]:
    """Run a registry on the network of a kind node; None where that node is no container of this machine's docker.

    What a killed run left under the same name is replaced.

    Raises:
        PreflightError: docker cannot run it, or a container of that name is somebody else's.
        NotReadyError: It does not answer.
    """
    docker = shutil.which("docker")
    network = await _network_of(docker, node) if docker else ""
    if docker is None or not network:
        yield None
        return
    await _replace_leftover(docker)
    image = os.environ.get(IMAGE_VARIABLE) or "registry:2"
    publish = f"127.0.0.1::{_PORT}"
    run = ("run", "--detach", "--name", NAME, "--label", _LABEL, "--network", network, "--publish", publish)
    try:
        started = await _docker(docker, *run, image)
        if started.returncode != 0:
            raise PreflightError(
                "docker cannot run a registry beside the nodes",
                why=readable(started.stderr, str, 300),
                next_step=f"docker pull {image}; or name an image with --image",
            )
        found = await _described(docker, network)
        await _ready(found.url)
        yield found
    finally:
        await asyncio.shield(_docker(docker, "rm", "--force", "--volumes", NAME))


async def _network_of(docker: str, node: str) -> str:
    ended = await _docker(docker, "container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", node)
    if ended.returncode != 0:
        return ""
    networks = json.loads(ended.stdout or b"{}")
    return next(iter(sorted(networks)), "") if isinstance(networks, dict) else ""


async def _replace_leftover(docker: str) -> None:
    ended = await _docker(
        docker, "container", "inspect", "--format", '{{index .Config.Labels "dfmc.io/purpose"}}', NAME
    )
    if ended.returncode != 0:
        return
    if ended.stdout.strip() != b"verify":
        raise PreflightError(f"a container {NAME} is there that is not dfmc's", next_step=f"docker rm {NAME}")
    await _docker(docker, "rm", "--force", "--volumes", NAME)


async def _described(docker: str, network: str) -> LocalRegistry:
    ended = await _docker(docker, "container", "inspect", "--format", "{{json .NetworkSettings}}", NAME)
    try:
        settings = json.loads(ended.stdout)
        port = settings["Ports"][f"{_PORT}/tcp"][0]["HostPort"]
        address = settings["Networks"][network]["IPAddress"]
    except (ValueError, LookupError, TypeError) as error:
        raise DfmcError(
            "docker does not say where the registry listens", why=readable(ended.stderr, str, 300)
        ) from error
    return LocalRegistry(f"{NAME}:{_PORT}", f"{address}:{_PORT}", f"http://127.0.0.1:{int(port)}")


async def _ready(url: str) -> None:
    async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
        for _ in range(int(_READY_SECONDS / _PAUSE)):
            try:
                if (await client.get(f"{url}/v2/")).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass  # it is starting
            await asyncio.sleep(_PAUSE)
    raise NotReadyError("the registry beside the nodes does not answer", next_step=f"docker logs {NAME}")


async def _docker(docker: str, *words: str) -> Finished:
    try:
        return await run_child([docker, *words], environment=os.environ, deadline=_SECONDS)
    except (ChildDeadlineError, OSError) as error:
        raise PreflightError("docker does not answer", why=str(error), next_step="docker info") from error

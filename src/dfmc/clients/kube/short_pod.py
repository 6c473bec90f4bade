"""A short-lived pod of dfmc's: created, waited for, its output read, deleted whatever happens.

Nothing may be left behind: the name is made here, so that a pod whose creation was answered by nobody can be deleted
all the same; the pod carries a deadline of its own, so that it ends even when dfmc is killed; and the next run sweeps
what a killed one left.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TypeVar

from dfmc.clients.kube.calls import Calls
from dfmc.clients.kube.refusals import ForbiddenError, shortened
from dfmc.clients.kube.resources import POD
from dfmc.errors import ConflictError, DfmcError, NotReadyError
from dfmc.state import PodRun

JsonObject = dict[str, Any]
T = TypeVar("T")
InThread = Callable[[Callable[[], T]], Awaitable[T]]

LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "dfmc", "dfmc.io/purpose": "probe"}
LEFTOVER_SECONDS = 3600
OUTPUT_LIMIT = 1 << 20
_PAUSES = (0.2, 0.3, 0.5)
_LONGEST_PAUSE = 1.0
_GRACE_SECONDS = 1
# With an autoscaler or a pod on its way out, "no node fits" may pass; a probe does not wait for that.
_UNSCHEDULABLE_SECONDS = 5.0
# ErrImagePull is not here: it is the first attempt, and the kubelet makes a second one before it backs off.
_NEVER_STARTS = frozenset(
    {
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a pod's container ended."""

    exit_code: int
    reason: str


@dataclass(frozen=True)
class Obstacle:
    """Why a pod does not run.

    Attributes:
        kind: ``hopeless`` will not pass; ``unschedulable`` is given a few seconds; ``waiting`` may pass.
        words: The reason and message of whoever says so; empty while there is none.
    """

    kind: Literal["hopeless", "unschedulable", "waiting"]
    words: str = ""


def prepared(pod: Mapping[str, Any], timeout: float) -> JsonObject:
    """Return the manifest under a name of its own, marked as dfmc's, and with an end of its own."""
    made = copy.deepcopy(dict(pod))
    metadata, spec = made["metadata"], made["spec"]
    metadata["name"] = f"{metadata.get('name') or 'dfmc-probe'}-{secrets.token_hex(4)}"
    metadata["labels"] = {**(metadata.get("labels") or {}), **LABELS}
    spec["restartPolicy"] = "Never"
    spec.setdefault("terminationGracePeriodSeconds", _GRACE_SECONDS)
    spec.setdefault("activeDeadlineSeconds", math.ceil(timeout) + 30)
    return made


def progress_of(pod: Mapping[str, Any]) -> Ending | Obstacle | None:
    """Return how the pod ended, or why it does not run; None while it is at work."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or [{}]
    state = containers[0].get("state") or {}
    ended = state.get("terminated")
    if ended is not None:
        return Ending(int(ended.get("exitCode", 0)), str(ended.get("reason") or ""))
    if status.get("phase") in ("Failed", "Succeeded"):  # by the node, without a container: Evicted, NodeAffinity, ...
        return Obstacle("hopeless", _words(status) or f"its phase is {status['phase']}, with no container's end")
    if state.get("running") is not None:
        return None
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in _NEVER_STARTS:
        return Obstacle("hopeless", _words(waiting))
    conditions = {str(one.get("type")): one for one in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        return Obstacle("unschedulable", _words(scheduled))
    return Obstacle("waiting", _words(waiting))


def _words(said: Mapping[str, Any]) -> str:
    parts = (str(said.get("reason") or ""), shortened(str(said.get("message") or "")))
    return ": ".join(part for part in parts if part)


def is_leftover(pod: Mapping[str, Any], now: datetime) -> bool:
    """True when a probe is so old that no run can be waiting for it."""
    created = _time(pod)
    return created is not None and (now - created).total_seconds() > LEFTOVER_SECONDS


def _time(pod: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(pod["metadata"]["creationTimestamp"])).astimezone(UTC)
    except (KeyError, ValueError):
        return None


class ShortPods:
    """Runs short-lived pods in one context; may run several at once."""

    def __init__(self, calls: Calls, in_thread: InThread[Any]) -> None:
        self._calls = calls
        self._in_thread = in_thread
        self._swept: set[str] = set()

    async def run(self, pod: Mapping[str, Any], timeout: float) -> PodRun:
        """See ``KubeClient.run_pod``."""
        made = prepared(pod, timeout)
        name, namespace = str(made["metadata"]["name"]), str(made["metadata"]["namespace"])
        creating = asyncio.ensure_future(self._create(made))
        try:
            created = await asyncio.shield(creating)
            await self._sweep(namespace, _time(created))
            result = await self._finished(name, namespace, timeout)
        except BaseException as error:
            try:
                await asyncio.shield(self._remove(creating, name, namespace))
            except DfmcError as second:  # the first failure is the one to tell
                _log.warning("pod %s in namespace %s could not be deleted: %s", name, namespace, second)
                if isinstance(error, DfmcError):
                    error.left = f"pod {name} in namespace {namespace}; it ends by itself"
            raise
        await asyncio.shield(self._remove(creating, name, namespace))
        return result

    async def _create(self, made: JsonObject) -> JsonObject:
        created = await self._in_thread(partial(self._calls.create, made))
        if created is None:
            raise ConflictError(
                f"{self._calls.place}: a pod {made['metadata']['name']} is there already", next_step="try again"
            )
        return dict(created)

    async def _finished(self, name: str, namespace: str, timeout: float) -> PodRun:
        clock = asyncio.get_running_loop().time
        fits_nowhere_since: float | None = None
        pauses = iter(_PAUSES)
        seen = "it was not started"
        try:
            async with asyncio.timeout(timeout):
                while (pod := await self._in_thread(partial(self._calls.get, POD, name, namespace))) is not None:
                    progress = progress_of(pod)
                    if isinstance(progress, Ending):
                        output = await self._in_thread(partial(self._calls.pod_log, name, namespace, OUTPUT_LIMIT))
                        node = str((pod.get("spec") or {}).get("nodeName") or "")
                        return PodRun(progress.exit_code, output, node, progress.reason)
                    seen = "its container runs and does not end" if progress is None else progress.words or seen
                    kind = progress.kind if progress else ""
                    fits_nowhere_since = (fits_nowhere_since or clock()) if kind == "unschedulable" else None
                    waited = clock() - fits_nowhere_since if fits_nowhere_since else 0.0
                    if kind == "hopeless" or waited > _UNSCHEDULABLE_SECONDS:
                        raise NotReadyError(f"{self._calls.place}: pod {name} cannot run", why=seen)
                    await asyncio.sleep(next(pauses, _LONGEST_PAUSE))
        except TimeoutError:
            raise NotReadyError(
                f"{self._calls.place}: pod {name} has not ended within {timeout:.0f} s", why=seen
            ) from None
        raise NotReadyError(f"{self._calls.place}: pod {name} was deleted by somebody else")

    async def _remove(self, creating: asyncio.Future[JsonObject], name: str, namespace: str) -> None:
        uid = ""
        try:
            uid = str((await creating)["metadata"].get("uid") or "")
        except DfmcError as error:
            if not error.left:  # refused: nothing was made; where the answer was lost, something may have been
                return
        await self._in_thread(partial(self._calls.delete, POD, name, namespace, uid=uid))

    async def _sweep(self, namespace: str, now: datetime | None) -> None:
        """Delete what killed runs left, judged by the API server's own clock."""
        if now is None or namespace in self._swept:
            return
        self._swept.add(namespace)
        try:
            probes = await self._in_thread(partial(self._calls.list, POD, namespace, labels=LABELS))
        except ForbiddenError as error:
            _log.info("leftovers of earlier runs are not looked for: %s", error)
            return
        for pod in probes:
            if is_leftover(pod, now):
                metadata = pod["metadata"]
                uid = str(metadata.get("uid") or "")
                await self._in_thread(partial(self._calls.delete, POD, str(metadata["name"]), namespace, uid=uid))

"""What an API server's refusals become in dfmc's tree of errors. Pure.

Of a remote body only ``Status.message`` and its causes are ever shown, shortened and without control characters:
the rest may hold objects, and objects may hold passwords.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfmc.clients.kube.resources import Resource
from dfmc.errors import AuthError, ConflictError, DfmcError, NotReadyError, UnreachableError

MESSAGE_LIMIT = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_RBAC_DENIAL = re.compile(r"\bcannot (?P<verb>[a-z]+) (?:resource|path) ")


class ForbiddenError(AuthError):
    """403: the credentials are good, the permission is missing. A kind of its own for what can do without."""


@dataclass(frozen=True)
class Place:
    """The context that errors name, and the kubectl that sees the same.

    Attributes:
        context: Name of the context.
        kubeconfig: The file that holds it; None where kubectl finds it by itself.
    """

    context: str
    kubeconfig: Path | None = None

    def __str__(self) -> str:
        return f"context {self.context}"

    def kubectl(self, *words: str) -> str:
        """Return a kubectl command line for this context, to be typed into a shell."""
        file = ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else []
        return shlex.join(["kubectl", *file, "--context", self.context, *words])


@dataclass(frozen=True)
class Call:
    """One request to the API server, with the words RBAC has for it.

    Attributes:
        method: HTTP method.
        path: Path below the server's URL, already quoted.
        verb: RBAC's verb, e.g. ``list``.
        resource: What it is about; None for paths that are no resource, such as ``/version``.
        name: Of the object; empty for collections.
        namespace: None for what lives in none.
        subresource: E.g. ``portforward``.
        query: Query parameters.
        body: Sent as JSON; None sends none.
        content_type: Of the body.
        accept: The representation asked for.
        limit: Bytes that the answer may have; 0 takes the transport's own limit.
    """

    method: str
    path: str
    verb: str
    resource: Resource | None = None
    name: str = ""
    namespace: str | None = None
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    content_type: str = "application/json"
    accept: str = "application/json"
    limit: int = 0

    def __str__(self) -> str:
        if self.resource is None:
            return f"{self.verb} {self.path}"
        target = self.resource.plural + (f"/{self.subresource}" if self.subresource else "")
        named = f"{self.verb} {target}" + (f" {self.name}" if self.name else "")
        return f"{named} in namespace {self.namespace}" if self.namespace else named

    def can_i(self, place: Place) -> str:
        """Return the kubectl command that asks whether this call is allowed."""
        words = ["auth", "can-i", self.verb]
        if self.resource is None:
            words.append(self.path)
        else:
            qualified = f"{self.resource.plural}.{self.resource.group}" if self.resource.group else self.resource.plural
            words.append(qualified)
            if self.subresource:
                words += ["--subresource", self.subresource]
        if self.namespace:
            words += ["-n", self.namespace]
        return place.kubectl(*words)


@dataclass(frozen=True)
class Answer:
    """The API server's answer, read to its end.

    Attributes:
        clock_ahead: Seconds by which its clock is ahead of ours; None where it does not say.
    """

    status: int
    body: bytes = field(repr=False)
    retry_after: str = ""
    clock_ahead: float | None = None

    def json(self) -> dict[str, Any]:
        """Return the body as an object.

        Raises:
            UnreachableError: It is none: something else answers at the API server's address.
        """
        try:
            parsed = json.loads(self.body)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise UnreachableError(
                "what answers at the API server's address does not speak the Kubernetes API",
                why=f"HTTP {self.status} with a body that is no JSON object",
                next_step="check the server's URL in the kubeconfig",
            )
        return parsed

    @property
    def failure(self) -> dict[str, Any]:
        """The ``Status`` object of a refusal; empty when the body is something else."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}

    @property
    def reason(self) -> str:
        """``Status.reason``, e.g. ``AlreadyExists``."""
        return str(self.failure.get("reason") or "")

    @property
    def causes(self) -> list[dict[str, Any]]:
        """``Status.details.causes``."""
        details = self.failure.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        return [cause for cause in causes or () if isinstance(cause, dict)]

    @property
    def message(self) -> str:
        """``Status.message``, shortened, or the bare status code."""
        return shortened(str(self.failure.get("message") or "")) or f"HTTP {self.status}"


def shortened(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return remote text fit for one line: without control characters, at most ``limit`` characters.

    It is cut between words: half a password would pass the mask that knows whole ones.
    """
    clean = " ".join(_CONTROL.sub(" ", text).split())
    if len(clean) <= limit:
        return clean
    whole_words = clean[: limit - 1].rpartition(" ")[0]
    return f"{whole_words} …" if whole_words else "…"


def refusal(call: Call, answer: Answer, place: Place) -> DfmcError:
    """Return the error for an answer that is neither success nor one that the caller expected."""
    if answer.status == 401:
        return AuthError(
            f"{place}: the API server does not accept the credentials",
            why=answer.message,
            next_step=f"sign in again; this shows who you are: {place.kubectl('auth', 'whoami')}",
        )
    if answer.status == 403:
        return _forbidden(call, answer, place)
    if answer.status == 409:
        return _conflict(call, answer, place)
    if answer.status >= 500:
        return UnreachableError(
            f"{place}: the API server failed to {call}",
            why=answer.message,
            left="" if call.method == "GET" else "the request may or may not have been carried out",
            next_step="try again; if it stays, look at the API server's log",
        )
    if answer.status == 429:
        return UnreachableError(f"{place}: the API server is too busy to {call}", why=answer.message)
    next_step = "" if answer.failure else "check that the kubeconfig's server URL leads to a Kubernetes API server"
    return DfmcError(f"{place}: the API server refused to {call}", why=answer.message, next_step=next_step)


def _forbidden(call: Call, answer: Answer, place: Place) -> DfmcError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in answer.causes):
        return NotReadyError(
            f"{place}: namespace {call.namespace} is being deleted",
            why=answer.message,
            next_step=f"wait until it is gone: {place.kubectl('get', 'namespace', call.namespace or '')}",
        )
    # A quota, an admission webhook or a pod security policy also answers 403; `can-i` would say yes to those.
    denial = _RBAC_DENIAL.search(str(answer.failure.get("message", "")))
    if denial:  # which verb a WebSocket upgrade needs depends on the server's version; it says so
        call = dataclasses.replace(call, verb=denial.group("verb"))
    return ForbiddenError(
        f"{place}: not allowed to {call}",
        why=answer.message,
        next_step=call.can_i(place) if denial or not answer.failure else "",
    )


def _conflict(call: Call, answer: Answer, place: Place) -> DfmcError:
    owned = [cause for cause in answer.causes if cause.get("reason") == "FieldManagerConflict"]
    if not owned:
        return ConflictError(f"{place}: conflict on {call}", why=answer.message)
    fields = "; ".join(
        f"{shortened(str(cause.get('field', '')), 100)}: {shortened(str(cause.get('message', '')), 120)}"
        for cause in owned[:5]
    )
    more = f"; and {len(owned) - 5} more" if len(owned) > 5 else ""
    name = f"{call.resource.kind} {call.name}" if call.resource else call.path
    return ConflictError(
        f"{place}: {name} has fields that another manager owns",
        why=fields + more,
        next_step="remove those fields there, or give them up in the other manager",
    )

"""What helm's words mean (pure).

helm has one exit code for every failure and words that differ between its majors, so the text is read only where it
is unmistakable, without regard to case; whoever must know the state of a release reads its Secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dfmc.errors import (
    AuthError,
    ConflictError,
    DfmcError,
    IntegrityError,
    NotReadyError,
    PreflightError,
    RecoveryError,
    UnreachableError,
)

MAX_STDERR = 2000
"""Characters of helm's stderr that an error carries: its end, where helm says what failed."""


@dataclass(frozen=True)
class _Meaning:
    pattern: re.Pattern[str]
    error: type[DfmcError]
    what: str
    next_step: str


def _means(pattern: str, error: type[DfmcError], what: str, next_step: str) -> _Meaning:
    return _Meaning(re.compile(pattern, re.IGNORECASE), error, what, next_step)


# The first match wins. Immutable fields come before authorisation because both say "forbidden"; authorisation before
# reachability because helm says "cluster unreachable" of a server that wants other credentials.
_MEANINGS = (
    _means(
        r"another operation \(install/upgrade/rollback\) is in progress",
        RecoveryError,
        "the release is marked as being changed by another helm run",
        "make sure that no helm is running for it, then `dfmc up --repair`",
    ),
    _means(
        r"has no deployed releases",
        RecoveryError,
        "the release has no revision to go on from: an uninstall was interrupted, or its history is damaged",
        "`dfmc up --repair`",
    ),
    _means(
        r"cannot re-?use a name that is still in use|\brelease: already exists",
        ConflictError,
        "another helm run made a release of this name at the same time",
        "wait for it to end, then run dfmc again",
    ),
    _means(
        r"cannot be imported into the current release|invalid ownership metadata",
        ConflictError,
        "an object of that name exists and belongs to no release or to another one",
        "delete the object helm names or use another release name or namespace, then run dfmc again",
    ),
    _means(
        r"\bconflicts? with \"|apply failed with \d+ conflict",
        ConflictError,
        "somebody else changed fields that the chart sets",
        "undo the change helm names (it names the field and who set it), then run dfmc again",
    ),
    _means(
        r"field is immutable|updates to statefulset spec for fields other than|may not change once set",
        ConflictError,
        "the change touches a field that Kubernetes does not let anybody change",
        "undo the change in the file, or delete the object helm names and run dfmc again",
    ),
    _means(
        r"provided (ip|port) is already allocated",
        ConflictError,
        "an address or node port that the chart asks for is taken by another Service",
        "choose another one in the file, then run dfmc again",
    ),
    _means(
        r"namespaces \"[^\"]*\" not found",
        DfmcError,
        "the namespace does not exist",
        "run dfmc again: it creates the namespace first",
    ),
    _means(
        r"because it is being terminated|namespace \S+ is being deleted",
        NotReadyError,
        "the namespace is being deleted",
        "wait until it is gone (`kubectl get namespace`), then run dfmc again",
    ),
    _means(
        r"timed out waiting for the condition|not ready\. status: ",
        NotReadyError,
        "a hook of the chart did not come to its end in time",
        "`dfmc status` shows what the pods wait for; then run dfmc again",
    ),
    _means(
        r"x509: |certificate signed by unknown authority|certificate has expired|tls: failed to verify",
        IntegrityError,
        "the certificate of the API server cannot be trusted",
        "put the certificate authority of the context right in the kubeconfig; `kubectl version` must answer",
    ),
    _means(
        r"asked for the client to provide credentials|\bunauthorized\b|getting credentials: exec|"
        r"is forbidden: user \"|\bforbidden: user \"",
        AuthError,
        "the API server refuses the credentials of the context",
        "log in to the cluster again, or get the permission helm names (`kubectl auth can-i --list` shows yours)",
    ),
    _means(
        r"context \"[^\"]*\" does not exist|invalid configuration: ",
        PreflightError,
        "the kubeconfig has no usable context of that name",
        "`kubectl config get-contexts` lists them; put the right one into the file",
    ),
    _means(
        r"cluster unreachable|connection refused|no such host|i/o timeout|tls handshake timeout|no route to host|"
        r"network is unreachable|connection reset by peer|etcdserver: |unexpected eof|"
        r"context deadline exceeded|http2: client connection lost",
        UnreachableError,
        "the API server does not answer",
        "check with `kubectl version` that the context answers, then run dfmc again",
    ),
    _means(
        r"execution error at|failed to render chart|error calling |parse error (at|in) |template: |"
        r"values don't meet the specifications of the schema|cannot load values|coalesce\.go|yaml: ",
        DfmcError,
        "the chart cannot be rendered with these values",
        "compare `values:` in the file with the chart's own (`helm show values`), then run dfmc again",
    ),
    _means(
        r"kubeversion: |incompatible with kubernetes",
        PreflightError,
        "the chart does not support the Kubernetes version of this cluster",
        "choose a chart version that does",
    ),
    _means(
        r"admission webhook .* denied the request|exceeded quota|violates podsecurity",
        PreflightError,
        "the cluster's own rules reject an object of the chart",
        "change the values or the rule helm names, then run dfmc again",
    ),
    _means(
        r"unknown flag: |unknown command ",
        PreflightError,
        "this helm does not know what dfmc asks of it",
        "install helm 3.18 or newer, or 4.x: https://helm.sh/docs/intro/install/",
    ),
    _means(
        r"chart\.yaml file is missing|does not appear to be a (gzipped )?(archive|chart)|"
        r"found in chart\.yaml, but missing in charts/",
        PreflightError,
        "this is not a complete chart",
        "check `chart:` in the file",
    ),
)

# helm asks the server and renders before it writes the first object.
_NOTHING_WRITTEN = re.compile(
    r"cluster unreachable|another operation \(|execution error at|error calling |parse error |template: |unknown flag",
    re.IGNORECASE,
)


def helm_error(action: str, returncode: int, stderr: str, *, left: str) -> DfmcError:
    """Return the error that helm's failure means.

    Args:
        action: What was tried, e.g. ``helm upgrade of dragonfly in namespace cluster-b``.
        returncode: helm's exit code; negative: the signal that killed it.
        stderr: What it said, already readable.
        left: What state is left behind.
    """
    words = stderr or "helm said nothing"
    if _NOTHING_WRITTEN.search(stderr):
        left = ""
    if returncode < 0:
        words = f"helm was killed by signal {-returncode}" + (f": {stderr}" if stderr else "")
    for meaning in _MEANINGS:
        if meaning.pattern.search(stderr):
            return meaning.error(f"{action} failed: {meaning.what}", why=words, left=left, next_step=meaning.next_step)
    return DfmcError(f"{action} failed", why=words, left=left, next_step="act on what helm says, then run dfmc again")


_PULL_MEANINGS = (
    _means(
        r"x509: |tls: failed to verify",
        IntegrityError,
        "the certificate of the registry cannot be trusted",
        "add its certificate authority to the system's, or name it in SSL_CERT_FILE",
    ),
    _means(
        r"\bunauthorized\b|\bdenied\b|\b40[13]\b",
        AuthError,
        "the registry refuses the credentials, or wants some",
        "`helm registry login HOST`, then run dfmc again",
    ),
    _means(
        r"not found|\b404\b|name unknown|manifest unknown",
        PreflightError,
        "the registry has no such chart or version",
        "check `chart.repository`, `chart.name` and `chart.version` in the file",
    ),
    _means(
        r"connection refused|no such host|timeout|no route to host|network is unreachable|connection reset|\b5\d\d\b",
        UnreachableError,
        "the registry does not answer",
        "check the network, then run dfmc again; or give the chart as `chart.path`",
    ),
)


def pull_error(action: str, stderr: str) -> DfmcError:
    """Return the error that a failed ``helm pull`` from a registry means; see helm_error."""
    for meaning in _PULL_MEANINGS:
        if meaning.pattern.search(stderr):
            return meaning.error(f"{action} failed: {meaning.what}", why=stderr, next_step=meaning.next_step)
    return DfmcError(f"{action} failed", why=stderr or "helm said nothing", next_step="check `chart:` in the file")

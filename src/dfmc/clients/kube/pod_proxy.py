"""One GET to a pod through the API server's pod proxy: no port-forward, no route to the pod's network needed."""

from __future__ import annotations

from urllib.parse import quote

from dfmc.clients.kube.refusals import Answer, Call, Place, refusal, shortened
from dfmc.clients.kube.resources import POD
from dfmc.clients.kube.transport import Transport
from dfmc.errors import DfmcError, UnreachableError

ANSWER_LIMIT = 16 << 20
# 401 (renew the credentials) and what may pass (429, 5xx) are the transport's to handle.
_FINAL = frozenset(range(300, 500)) - {401, 429}


def pod_get(transport: Transport, namespace: str, pod: str, port: int, path: str) -> str:
    """Return the pod's answer as text; what is no UTF-8 in it is replaced.

    The proxy is at ``/api/v1/namespaces/NS/pods/POD:PORT/proxy/PATH`` (Kubernetes API reference, Pod, "get connect
    proxy path"). The API server strips the ``Authorization`` header, so that dfmc's token never reaches the pod.

    Raises:
        UnreachableError: The pod or the API server does not answer, or answers 5xx or too much.
        AuthError: No permission.
        DfmcError: The pod answers with another status.
    """
    call = Call(
        "GET",
        f"{POD.path(namespace=namespace)}/{quote(pod, safe='')}:{port}/proxy/{path.removeprefix('/')}",
        "get",
        POD,
        name=f"{pod}:{port}",
        namespace=namespace,
        subresource="proxy",
        accept="text/plain, */*;q=0.5",
        limit=ANSWER_LIMIT,
    )
    place = transport.place
    try:
        answer = transport.send(call, expected=_FINAL)
    except UnreachableError as error:
        if not error.what.startswith(f"{place}: the API server failed to"):
            raise
        raise UnreachableError(
            f"{place}: pod {pod} does not answer at port {port}",
            why=error.why,
            next_step=f"see how it is: {place.kubectl('describe', 'pod', pod, '-n', namespace)}",
        ) from error
    if answer.status < 300:
        return answer.body.decode("utf-8", errors="replace")
    raise _refused(call, answer, place, f"pod {pod} at port {port}")


def _refused(call: Call, answer: Answer, place: Place, pod: str) -> DfmcError:
    if answer.failure:  # the API server's own words; what a pod says comes as it is
        return refusal(call, answer, place)
    path = shortened(call.path.partition("/proxy/")[2], 80)
    return DfmcError(f"{place}: {pod} answers HTTP {answer.status} to GET /{path}")

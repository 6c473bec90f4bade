"""One context of a kubeconfig: `DynamicKube` implements `dfmc.clients.protocols.KubeClient`.

Requests go through the raw ``ApiClient`` of the official library, which keeps its kubeconfig logic (lists of files,
proxies, server names, auth providers), and not through its DynamicClient. Measured on kube-apiserver 1.34 by its audit
log, facts + release + workloads + pods of one release are 12 requests. DynamicClient adds 23 for discovery, one after
the other (asked for ``v1`` it reads every API group that has a ``v1``), or none with a cache file that goes stale and
that others may tamper with; the wall of a process that lists Secrets is the same, 0.5 s, nearly all of it the import.
The kinds dfmc works with have fixed paths (``resources.py``); any other kind costs one request per group and version.

Modules: ``client`` (the class), ``transport`` (one HTTP call, retries), ``access`` (kubeconfig to ApiClient),
``execplugin``, ``refusals`` (status codes to errors), ``resources`` (paths), ``release``, ``workloads``, ``pods``
(pure: objects to `dfmc.state`), ``forward`` and ``websocket`` (port-forward), ``pod_proxy`` (a GET to a pod),
``short_pod`` (a pod that runs one command). ``kubernetes`` is imported by
``access``, ``execplugin`` and ``transport`` alone, on the first call.
"""

from dfmc.clients.kube.client import DynamicKube

__all__ = ["DynamicKube"]

"""A topology file for tests of the command line, and how a command run in this process ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

GUIDE = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata:
  name: guide
chart:
  repository: https://charts.example/
  version: 1.7.4
manager:
  cluster: a
  redisPassword: {env: REDIS_PASSWORD}
  expose: {type: NodePort, restNodePort: 30950, grpcNodePort: 30951, redisNodePort: 30952}
defaults:
  runtime: {type: containerd}
clusters:
- name: a   # where the manager runs
  context: kind-kind
  namespace: cluster-a
  nodeSelector: {cluster: a}
- name: b
  context: kind-kind
  namespace: cluster-b
  nodeSelector: {cluster: b}
  scopes: {idc: cluster-2}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Dfmc = Callable[..., Ended]

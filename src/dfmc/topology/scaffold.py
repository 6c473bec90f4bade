"""A first topology file for somebody who has kubeconfig contexts and nothing else: text with comments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dfmc.topology.emit import flow_text
from dfmc.topology.schema import SCHEMA_ID

# The chart is pinned: what a file brings up must not change with the day on which it is written.
DEFAULT_CHART_VERSION = "1.7.4"
DEFAULT_NAME = "dragonfly"
DEFAULT_NAMESPACE = "dragonfly-system"
_LONGEST_NAME = 40
# What providers put around the name of a cluster: kind-NAME, gke_PROJECT_ZONE_NAME, arn:aws:eks:…:cluster/NAME.
_AROUND = re.compile(r"^(?:kind-|k3d-|gke_[^_]+_[^_]+_|arn:[^/]*/)(?=.)|@.*$")


def cluster_names(contexts: Sequence[str]) -> list[str]:
    """Return a name for the cluster behind each context: as short as the contexts' own parts allow, all different."""
    names: list[str] = []
    for context in contexts:
        word = re.sub(r"[^a-z0-9]+", "-", _AROUND.sub("", context).lower()).strip("-")
        base = word[:_LONGEST_NAME].strip("-") or "cluster"
        name, number = base, 1
        while name in names:
            number += 1
            suffix = f"-{number}"
            name = base[: _LONGEST_NAME - len(suffix)].strip("-") + suffix
        names.append(name)
    return names


def topology_text(
    contexts: Sequence[str],
    *,
    manager: str,
    name: str = DEFAULT_NAME,
    chart_version: str = DEFAULT_CHART_VERSION,
    namespace: str = DEFAULT_NAMESPACE,
) -> str:
    """Return the text of a topology with one cluster for each context.

    Args:
        contexts: At least one; the manager's may stand anywhere among them.
        manager: The context whose cluster runs the central manager.
        name: Of the topology.
        chart_version: Of the Dragonfly chart.
        namespace: Of every release.
    """
    named = dict(zip(contexts, cluster_names(contexts), strict=True))
    central = named[manager]
    entries = "".join(_entry(named[context], context, is_central=context == manager) for context in contexts)
    return f"""\
# yaml-language-server: $schema={SCHEMA_ID}
#
# Which clusters Dragonfly runs in. The first commands:
#
#   dfmc validate     # looks at this file alone
#   dfmc plan         # what `up` would do
#   dfmc up           # does it; safe to run again at any time
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata:
  name: {flow_text(name)}           # releases, records and Secrets belong to the topology of this name

chart:                        # one chart for all clusters, fetched once and checked against a known digest
  repository: https://dragonflyoss.github.io/helm-charts/
  version: {flow_text(chart_version)}
  # path: ./dragonfly-{chart_version}.tgz       a chart on disk, instead of repository

manager:
  cluster: {flow_text(central)}   # the entry below whose cluster runs the manager, its database and Redis
{_expose(len(contexts))}\
  # Passwords and the JWT key are made at the first run and kept in the Secret dfmc-dragonfly of the manager's
  # namespace. To bring your own, name an environment variable, a file or a Secret:
  # redisPassword: {{env: DFMC_REDIS_PASSWORD}}

defaults:                     # merged under every cluster below; what a cluster says itself wins
  namespace: {flow_text(namespace)}
  runtime:
    type: auto                # the nodes' container runtime, as they report it; none leaves it alone
    # registries: ['https://ghcr.io']         whose images to pull through Dragonfly; else the chart's own list
  # replicas: {{manager: 1, scheduler: 3, seedPeer: 3}}
  # values: {{}}                raw values of the chart, merged last

clusters:
{entries}"""


def _expose(count: int) -> str:
    if count == 1:
        return "  # expose: {type: LoadBalancer}              for clusters elsewhere and your browser\n"
    return """\
  expose:                     # how the other clusters, and your browser, reach the manager and Redis
    type: LoadBalancer        # or NodePort, with restNodePort, grpcNodePort and redisNodePort
  # address: dragonfly.example.com    the DNS name or IP address of the above; with LoadBalancer dfmc finds its own
"""


def _entry(name: str, context: str, *, is_central: bool) -> str:
    lines = f"- name: {flow_text(name)}\n  context: {flow_text(context)}\n"
    if is_central:
        return lines
    return f"{lines}  scopes: {{idc: {flow_text(name)}}}   # which peers the manager counts to it: those in this IDC\n"

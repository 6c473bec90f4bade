"""``render --manifests``: what helm makes of the values, without a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dfmc.clients.factory import RealClients
from dfmc.topology.load import LoadedTopology
from dfmc.values.defaults import check_defaults
from dfmc.values.key_facts import has_facts

if TYPE_CHECKING:
    from dfmc.output.console import Terminal


def helm_template(loaded: LoadedTopology, values: Mapping[str, dict[str, Any]], terminal: Terminal) -> dict[str, str]:
    """Return each cluster's manifests by its name.

    Raises:
        DfmcError: The chart cannot be had, or helm cannot render it.
    """
    base = os.path.abspath(os.path.dirname(loaded.file))
    return asyncio.run(_templates(loaded, values, terminal, base))


async def _templates(
    loaded: LoadedTopology, values: Mapping[str, dict[str, Any]], terminal: Terminal, base: str
) -> dict[str, str]:
    spec = loaded.topology.chart
    clients = RealClients(terminal.redactor)
    try:
        chart = await clients.chart_source().fetch(
            repository=spec.repository,
            path=os.path.join(base, spec.path) if spec.path else None,
            name=spec.name,
            version=spec.version,
            sha256=spec.sha256,
        )
        if chart.warning:
            terminal.warn(chart.warning)
        helm = clients.offline_helm()
        if not has_facts(spec.version):
            for sentence in check_defaults(loaded, await helm.show_values(chart.path)):
                terminal.warn(sentence)
        texts = {}
        for name, tree in values.items():
            cluster = loaded.topology.cluster(name)
            texts[name] = await helm.template(
                release=cluster.release, namespace=cluster.namespace, chart=chart.path, values=tree
            )
        return texts
    finally:
        clients.close()

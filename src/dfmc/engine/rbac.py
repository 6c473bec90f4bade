"""``rbac``: the rights that dfmc needs, cluster by cluster; contacts the chart's repository and no cluster."""

from __future__ import annotations

from dfmc.engine.chart_objects import chart_objects
from dfmc.engine.preparation import fetch_chart
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.roles import needs_of_commands
from dfmc.state import AccessNeed


async def needed_rights(session: Session, *, down: bool) -> dict[str, tuple[AccessNeed, ...]]:
    """Return the rights by the cluster's name.

    Args:
        session: The run.
        down: Also those of ``down``.

    Raises:
        DfmcError: The chart cannot be had, or helm cannot render it.
    """
    session.selected()
    chart = await fetch_chart(session)
    clusters = session.selected()
    objects = await chart_objects(session.topology, clusters, chart.path, session.helm_of(session.topology.central))
    found = {}
    for cluster in clusters:
        kinds = objects[cluster.name]
        if isinstance(kinds, DfmcError):
            raise kinds
        found[cluster.name] = needs_of_commands(session.topology, cluster, kinds, down=down)
    return found

"""Taking over what carries no mark of this topology: what may be adopted, and what has to come with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.planning.consent import Consent
from dfmc.planning.credentials import DATABASE_PASSWORD, DATABASE_ROOT_PASSWORD
from dfmc.planning.ownership import TOPOLOGY_LABEL, release_conflict
from dfmc.planning.steps import FieldChange
from dfmc.state import Observed, ReleaseState
from dfmc.topology.model import ClusterSpec, Topology

# Where the chart has the bundled database's passwords, and what it makes of them when nobody gives any
# (charts/dragonfly/values.yaml, every version).
_DATABASE = {
    DATABASE_PASSWORD: ("password", "dragonfly"),
    DATABASE_ROOT_PASSWORD: ("rootPassword", "dragonfly-root"),
}


def adopts(
    topology: Topology, cluster: ClusterSpec, release: ReleaseState | None, uid: str | None, consent: Consent
) -> bool:
    """Whether a run takes a release over that is not this topology's.

    Not one that is this topology's and whose credentials are gone: its passwords are nowhere to be had.
    """
    if release is None or not consent.adopt:
        return False
    name = topology.metadata.name
    if uid is None and release.labels.get(TOPOLOGY_LABEL) == name:
        return False
    return release_conflict(cluster, release, name, uid) is not None


def adoption_change(topology: Topology, release: ReleaseState) -> FieldChange:
    """Return the line of a plan that says that a release changes hands."""
    owner = release.labels.get(TOPOLOGY_LABEL)
    return FieldChange("owner", f"topology {owner}" if owner else "(not dfmc's)", f"topology {topology.metadata.name}")


def adopted_credentials(topology: Topology, observed: Observed, consent: Consent) -> Mapping[str, str]:
    """Return the passwords that a central release's data was made with, by their keys; none where none is adopted.

    MySQL keeps its first passwords in its volume; with other ones the manager would be locked out.
    """
    central = topology.central
    release = observed.clusters[central.name].release
    uid = observed.credentials.uid if observed.credentials else None
    if observed.credentials is not None or topology.manager.database is not None:
        return {}
    if release is None or not adopts(topology, central, release, uid, consent):
        return {}
    mysql = release.values.get("mysql")
    given: Any = mysql.get("auth") if isinstance(mysql, Mapping) else None
    auth: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    return {key: str(auth.get(field) or default) for key, (field, default) in _DATABASE.items()}

"""Taking over what carries no mark of this topology: what may be adopted, and what has to come with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.planning.consent import Consent
from dfmc.planning.credentials import DATABASE_PASSWORD, DATABASE_ROOT_PASSWORD, JWT_KEY, REDIS_PASSWORD
from dfmc.planning.ownership import TOPOLOGY_LABEL, release_conflict
from dfmc.planning.steps import FieldChange
from dfmc.state import Observed, ReleaseState
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.merge import get_path
from dfmc.values.passwords import PUBLIC_DEFAULTS, unsafe_because

# Where the chart has the bundled database's passwords, and what it makes of them when nobody gives any
# (charts/dragonfly/values.yaml, every version).
_DATABASE = {
    DATABASE_PASSWORD: ("password", "dragonfly"),
    DATABASE_ROOT_PASSWORD: ("rootPassword", "dragonfly-root"),
}
# What works on with another value as well; replaced where everybody knows it, kept where somebody chose it.
_CHOSEN = {REDIS_PASSWORD: "redis.auth.password", JWT_KEY: "manager.config.auth.jwt.key"}


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
    """Return the passwords that a central release is adopted with, by their keys; none where none is adopted.

    MySQL keeps its first passwords in its volume; with other ones the manager would be locked out.
    """
    central = topology.central
    release = observed.clusters[central.name].release
    uid = observed.credentials.uid if observed.credentials else None
    if observed.credentials is not None or release is None or not adopts(topology, central, release, uid, consent):
        return {}
    chosen = _chosen(topology, release)
    if topology.manager.database is not None:
        return chosen
    mysql = release.values.get("mysql")
    given: Any = mysql.get("auth") if isinstance(mysql, Mapping) else None
    auth: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    return {**{key: str(auth.get(field) or default) for key, (field, default) in _DATABASE.items()}, **chosen}


def _chosen(topology: Topology, release: ReleaseState) -> dict[str, str]:
    """Return the credentials that somebody chose and that the chart's templates write unchanged."""
    found = {key: get_path(release.values, path) for key, path in _CHOSEN.items()}
    if topology.manager.redis is not None:
        del found[REDIS_PASSWORD]
    return {
        key: value
        for key, value in found.items()
        if isinstance(value, str) and value and value not in PUBLIC_DEFAULTS and not unsafe_because(value)
    }

"""Which credentials a topology needs, where each comes from, and what may change about them later.

They live in the Secret ``dfmc-<release>`` of the central namespace and are written there before anything uses them:
a password that exists only in a half-finished installation is lost, and the data volumes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dfmc.errors import PreflightError, RecoveryError
from dfmc.state import StoredCredentials
from dfmc.topology.model import SecretSource, Topology
from dfmc.values.passwords import unsafe_because

ROOT_PASSWORD = "root-password"  # noqa: S105 - names of keys, not passwords
ROOT_PASSWORD_PREVIOUS = "root-password-previous"  # noqa: S105
REDIS_PASSWORD = "redis-password"  # noqa: S105
DATABASE_PASSWORD = "database-password"  # noqa: S105
DATABASE_ROOT_PASSWORD = "database-root-password"  # noqa: S105
JWT_KEY = "jwt-key"

# What the chart's manager seeds its root user with on an empty database (manager/database, v2.0 to v2.5.1).
DEFAULT_ROOT_PASSWORD = "dragonfly"  # noqa: S105


@dataclass(frozen=True)
class CredentialNeed:
    """One credential of a topology.

    Attributes:
        key: In the Secret.
        source: Where the file says it comes from; None: dfmc generates it once.
        field: The file's field, for messages.
        optional: Left out and not generated when the file gives no source (an external Redis without a password).
    """

    key: str
    source: SecretSource | None
    field: str
    optional: bool = False


def needed_credentials(topology: Topology) -> tuple[CredentialNeed, ...]:
    """Return every credential that the releases of this topology use, in a fixed order."""
    manager = topology.manager
    needs = [
        CredentialNeed(ROOT_PASSWORD, manager.root_password, "manager.rootPassword"),
        CredentialNeed(JWT_KEY, manager.jwt_key, "manager.jwtKey"),
    ]
    if manager.redis is None:
        needs.append(CredentialNeed(REDIS_PASSWORD, manager.redis_password, "manager.redisPassword"))
    else:
        source = manager.redis.password or manager.redis_password
        needs.append(CredentialNeed(REDIS_PASSWORD, source, "manager.redis.password", optional=True))
    if manager.database is None:
        needs.append(CredentialNeed(DATABASE_PASSWORD, manager.database_password, "manager.databasePassword"))
        needs.append(CredentialNeed(DATABASE_ROOT_PASSWORD, None, "manager.databasePassword"))
    else:
        needs.append(CredentialNeed(DATABASE_PASSWORD, manager.database.password, "manager.database.password"))
    return tuple(needs)


def check_given(need: CredentialNeed, value: str) -> None:
    """Refuse a credential that the chart or the manager would change or reject.

    Raises:
        PreflightError: With the rule, never with the value.
    """
    rule = unsafe_because(value)
    if not rule and need.key == ROOT_PASSWORD and not 8 <= len(value) <= 20:
        rule = "the manager takes 8 to 20 characters for root"
    if rule:
        raise PreflightError(
            f"{need.field} cannot be used", where=need.field, why=rule, next_step="choose another value and run again"
        )


@dataclass(frozen=True)
class CredentialPlan:
    """What the credentials' Secret needs.

    Attributes:
        known: Every credential that has a value already (stored, or given and about to be stored).
        generate: Keys that the executor makes up.
        replaced: Keys whose stored value gives way to the one now given.
    """

    known: Mapping[str, str]
    generate: tuple[str, ...]
    replaced: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def has_changes(self) -> bool:
        """Whether the Secret must be written."""
        return bool(self.generate or self.replaced or self.added)


def plan_credentials(
    topology: Topology,
    stored: StoredCredentials | None,
    given: Mapping[str, str],
    adopted: Mapping[str, str] | None = None,
) -> CredentialPlan:
    """Return what to keep, take over, and generate.

    Args:
        topology: The file.
        stored: The credentials' Secret; None before the first run.
        given: What the file refers to.
        adopted: Passwords of an installation that is taken over (planning/adoption.py).

    Raises:
        PreflightError: A given database password differs from the one the bundled database was made with.
        RecoveryError: The Secret has lost a password that existing data knows.
    """
    old = dict(stored.values) if stored else {}
    taken = dict(adopted or {})
    known = {**old, **taken, **given}
    generate, replaced, added = [], [], []
    for need in needed_credentials(topology):
        if need.key in given:
            if need.key not in old:
                added.append(need.key)
            elif old[need.key] != given[need.key]:
                replaced.append(need.key)
        elif need.key in taken:
            added.append(need.key)
        elif need.key not in old and not need.optional:
            generate.append(need.key)
    if stored and (lost := [key for key in (ROOT_PASSWORD, DATABASE_PASSWORD) if key in generate]):
        raise _lost(topology, lost)
    is_other = DATABASE_PASSWORD in taken and known[DATABASE_PASSWORD] != taken[DATABASE_PASSWORD]
    if (DATABASE_PASSWORD in replaced or is_other) and topology.manager.database is None:
        raise PreflightError(
            "manager.databasePassword differs from the one the bundled database was made with",
            where=topology.manager.cluster,
            why="MySQL keeps its first password in its volume; a new one would lock the manager out",
            next_step="leave manager.databasePassword out: the release's own password is adopted"
            if is_other
            else "give the old password again; it is in Secret "
            f"{topology.central.namespace}/{secret_name(topology)}, key {DATABASE_PASSWORD}",
        )
    return CredentialPlan(known, tuple(generate), tuple(replaced), tuple(added))


def _lost(topology: Topology, keys: list[str]) -> RecoveryError:
    """Return why nothing is made up for keys that the first run wrote: the manager and MySQL keep the old ones."""
    central = topology.central
    values = f"helm --kube-context {central.context} -n {central.namespace} get values {central.release}"
    return RecoveryError(
        f"Secret {central.namespace}/{secret_name(topology)} has lost {' and '.join(keys)}",
        where=central.name,
        why="somebody edited it; the manager's data still knows the old one, and a new one would lock everybody out",
        next_step=f"put the old value back (a database's is in `{values}`), then run dfmc up again",
    )


def previous_root_passwords(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return what root's password may still be instead of the stored one, newest first."""
    return tuple(values.get(ROOT_PASSWORD_PREVIOUS, "").split())


def root_passwords_to_keep(stored: StoredCredentials, new: str) -> str:
    """Return what to store beside a new root password until the manager has taken it.

    As long as a replacement is not known to have reached the manager, it may have the stored one or any before it.
    """
    before = () if stored.root_password_set else previous_root_passwords(stored.values)
    candidates = dict.fromkeys((stored.values[ROOT_PASSWORD], *before))
    return "\n".join(password for password in candidates if password != new)


def secret_name(topology: Topology) -> str:
    """Return the name of the credentials' Secret in the central namespace."""
    return f"dfmc-{topology.central.release}"

"""Checks of what everybody knows: the chart's public passwords and the key with which anybody can forge a token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import Check, Finding
from dfmc.planning.credentials import DATABASE_PASSWORD, DATABASE_ROOT_PASSWORD, JWT_KEY, REDIS_PASSWORD, secret_name
from dfmc.topology.model import ClusterSpec
from dfmc.values.merge import get_path
from dfmc.values.passwords import PUBLIC_DEFAULTS

GROUP = "credentials"
_KEPT = {
    REDIS_PASSWORD: ("Redis", "manager.redisPassword"),
    DATABASE_PASSWORD: ("the database", "manager.databasePassword"),
    DATABASE_ROOT_PASSWORD: ("the database's root", "manager.databasePassword"),
}
_PATHS = {
    "redis.auth.password": "Redis",
    "externalRedis.password": "Redis",
    "mysql.auth.password": "the database",
    "mysql.auth.rootPassword": "the database's root",
    "externalMysql.password": "the database",
}


def passwords(facts: Facts) -> Iterator[Finding]:
    """Find root's public password, as the manager itself says, and public ones of Redis and the database."""
    topology = facts.topology
    central = topology.central
    secret = f"Secret {central.namespace}/{secret_name(topology)}"
    if facts.takes_default_password:
        yield Finding(
            central.name,
            "root of the manager still has the chart's public password",
            "it has just signed root in; whoever reaches the REST API owns every cluster",
            f"set another one: {_reset(facts)}",
            "user root",
        )
    stored = facts.observed.credentials
    for key, (whose, field) in _KEPT.items():
        if stored and stored.values.get(key) in PUBLIC_DEFAULTS:
            next_step = f"change it there and in the file ({field})"
            yield Finding(central.name, f"{whose} has a password that the chart publishes", "", next_step, secret)


def _reset(facts: Facts) -> str:
    stored = facts.observed.credentials
    if stored and not stored.root_password_set:
        return f"dfmc up {facts.file}"
    return f"dfmc console {facts.file}, sign in as root, profile, change password to the one that --show-password says"


def of_release(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find public passwords in what a release runs with, where the credentials' Secret does not have them."""
    stored = facts.observed.credentials
    release = facts.seen(cluster).release
    values: Mapping[str, Any] = release.values if release else {}
    kept = set(stored.values.values()) if stored else set()
    told = set()
    for path, whose in _PATHS.items():
        value = get_path(values, path)
        if isinstance(value, str) and value in PUBLIC_DEFAULTS - kept and whose not in told:
            told.add(whose)
            what = f"{whose} has a password that the chart publishes"
            yield Finding(cluster.name, what, "", f"dfmc plan {facts.file}", f"value {path}")


def jwt_key(facts: Facts) -> Iterator[Finding]:
    """Find the public key: anybody can make a token with it that the manager takes for root's."""
    stored, central = facts.observed.credentials, facts.topology.central
    is_kept = stored is not None and stored.values.get(JWT_KEY) in PUBLIC_DEFAULTS
    if facts.takes_default_key or is_kept:
        yield Finding(
            central.name,
            "the manager's tokens are signed with the chart's public key",
            "a token forged with it was just taken for root's" if facts.takes_default_key else "",
            f"give another one as manager.jwtKey, then dfmc up {facts.file}"
            if is_kept
            else f"dfmc up {facts.file} -c {central.name}, which writes the key that dfmc keeps",
            "auth.jwt.key",
        )


def _passwords(facts: Facts) -> Iterator[Finding]:
    yield from passwords(facts)
    for cluster in facts.entries:
        if facts.lacks(Need.RELEASE, cluster.name) is None:
            yield from of_release(facts, cluster)


CHECKS = (
    Check(
        "DF381",
        "no password is one that the chart publishes",
        GROUP,
        "The chart's values, which everybody can read, hold passwords for root, Redis and MySQL. One sign-in with "
        "root's is tried; a manager that was signed in to within seconds before may hide it.",
        "Let dfmc generate passwords, or give your own.",
        needs=(Need.LOGIN,),
        of_topology=_passwords,
    ),
    Check(
        "DF382",
        "the manager's tokens are signed with a key of its own",
        GROUP,
        "With the chart's default key anybody makes a token that the manager takes for root's (as in CVE-2023-27584). "
        "One request with such a token is tried.",
        "`dfmc up` renders a random key.",
        needs=(Need.FORGERY,),
        of_topology=jwt_key,
    ),
)

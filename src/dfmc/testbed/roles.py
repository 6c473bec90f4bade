"""Which pods are real: the supervisor runs a process behind them, kwok leaves them alone. Pure.

Clients and seed clients are real only in a bed that has the program to run; everything else that has a role always is.

Both sides decide by this one table, the supervisor in Python and kwok by a jq expression made from it; a pod that one
side took and the other did not leave would hang for ever or be reported twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["manager", "scheduler", "mysql", "redis", "client", "seed-client", "probe"]

CLIENT_ROLES: tuple[Role, ...] = ("client", "seed-client")


@dataclass(frozen=True)
class _Rule:
    role: Role
    equal: tuple[tuple[str, str], ...]
    present: tuple[str, ...] = ()


# Labels of the chart's own templates (`app` follows nameOverride) and of its MySQL and Redis subcharts.
_RULES = (
    _Rule("manager", (("component", "manager"),), ("app",)),
    _Rule("scheduler", (("component", "scheduler"),), ("app",)),
    _Rule("mysql", (("app.kubernetes.io/name", "mysql"), ("app.kubernetes.io/component", "primary"))),
    _Rule("redis", (("app.kubernetes.io/name", "redis"), ("app.kubernetes.io/component", "master"))),
    # Components of layouts with the Rust client; the Go program's are called dfdaemon and seed-peer.
    _Rule("client", (("component", "client"),), ("app",)),
    _Rule("seed-client", (("component", "seed-client"),), ("app",)),
    # dfmc's own short-lived pods: what they ask is worth something only when it is really asked.
    _Rule("probe", (("app.kubernetes.io/managed-by", "dfmc"), ("dfmc.io/purpose", "probe"))),
)


def role_of(labels: Mapping[str, str] | None, clients: bool) -> Role | None:
    """Return what runs behind a pod with these labels; None for a simulated one.

    Args:
        labels: The pod's.
        clients: Whether this bed runs clients and seed clients.
    """
    labels = labels or {}
    for rule in _rules(clients):
        if all(labels.get(key) == value for key, value in rule.equal) and all(key in labels for key in rule.present):
            return rule.role
    return None


def kwok_expression(clients: bool) -> str:
    """Return a jq expression over a Pod: ``"real"`` where `role_of` finds a role, else ``"simulated"``."""
    alternatives = []
    for rule in _rules(clients):
        parts = [f'.["{key}"] == "{value}"' for key, value in rule.equal]
        parts += [f'.["{key}"] != null' for key in rule.present]
        alternatives.append(f"({' and '.join(parts)})")
    return f'.metadata.labels | if {" or ".join(alternatives)} then "real" else "simulated" end'


def _rules(clients: bool) -> list[_Rule]:
    return [rule for rule in _RULES if clients or rule.role not in CLIENT_ROLES]

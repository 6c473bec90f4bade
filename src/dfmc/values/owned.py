"""Keys that dfmc alone writes: two sources for an id or an address would sooner or later disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from dfmc.values.key_facts import KeyPath
from dfmc.values.keys import KeyProblem
from dfmc.values.layouts import Layout, data

_REASONS: Mapping[str, str] = {
    "switch": "dfmc writes this switch itself, from the cluster's role",
    "id": "dfmc writes the id that the manager registered",
    "address": "dfmc writes the addresses of manager, Redis and database",
    "credential": "dfmc writes credentials from the topology's Secret; see manager.*Password and manager.jwtKey",
    "name": "addresses of other clusters are made from the chart's own names",
}


# Manager 2.5 makes a token of it at every start, and ends with "Duplicate entry" at the second one.
_FATAL_VARIABLES: Mapping[KeyPath, Mapping[str, str]] = {
    ("manager", "extraEnvVars"): {"DRAGONFLY_PAT": "with it the manager fails at its second start"}
}


@cache
def owned_keys(layout: Layout) -> Mapping[str, str]:
    """Return the dotted key paths that dfmc owns in a layout, with the reason; each owns all below it."""
    keys = {
        "seed_peer": layout.components["seed_peer"].key,
        "client": layout.components["client"].key,
    }
    owned: dict[str, str] = {}
    for group, paths in data()["owned"].items():
        for path in paths:
            reason = f"the file's {paths[path]} decides this" if group == "setting" else _REASONS[group]
            owned[path.format(**keys)] = reason
    peers = " and ".join(keys.values())
    return owned | {f"{part}.enable": f"on this chart dfmc runs {peers} instead" for part in layout.unused}


def owned_problems(values: Mapping[str, Any], layout: Layout) -> tuple[KeyProblem, ...]:
    """Return every key of a user's ``values`` that would override one of dfmc's, and every dead one.

    A null, scalar or list in the place of a map overrides all that would be below it, so it is refused as well.
    """
    dead: Mapping[str, str] = data()["dead"]
    owned = owned_keys(layout)
    found = []
    for path in _leaves(values):
        dotted = ".".join(path)
        if dotted in dead:
            found.append(KeyProblem(path, f"no chart reads {dotted}: {dead[dotted]}"))
            continue
        owner = next((key for key in owned if dotted == key or dotted.startswith(f"{key}.")), None)
        below = next((key for key in owned if key.startswith(f"{dotted}.")), None)
        if owner is not None:
            found.append(KeyProblem(path, f"{dotted} is not yours to set: {owned[owner]}"))
        elif below is not None:
            found.append(KeyProblem(path, f"{dotted} would replace {below}: {owned[below]}"))
    return (*found, *_fatal_variables(values))


def _fatal_variables(values: Mapping[str, Any]) -> Iterator[KeyProblem]:
    for (component, key), reasons in _FATAL_VARIABLES.items():
        of_component = values.get(component)
        variables = of_component.get(key) if isinstance(of_component, Mapping) else None
        for variable in variables if isinstance(variables, list) else ():
            name = str(variable.get("name")) if isinstance(variable, Mapping) else ""
            if name in reasons:
                yield KeyProblem((component, key), f"{name} is not to be set: {reasons[name]}")


def _leaves(values: Mapping[str, Any], above: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in values.items():
        path = (*above, str(key))
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path

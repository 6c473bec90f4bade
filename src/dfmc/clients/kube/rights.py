"""What the API server allows us: one list of rules per namespace, and a question for each right that is not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dfmc.clients.kube import resources
from dfmc.clients.kube.calls import Calls
from dfmc.state import AccessNeed

Rules = Sequence[Mapping[str, Any]]


def rules_in(calls: Calls, namespace: str) -> Rules:
    """Return the rules that hold for us in a namespace; none where the API server does not know them all.

    An authorizer other than RBAC (a webhook, a cloud's own) may not be able to list them.
    """
    review = {
        "apiVersion": resources.RULES_REVIEW.api_version,
        "kind": resources.RULES_REVIEW.kind,
        "metadata": {},
        "spec": {"namespace": namespace},
    }
    status = calls.review(review).get("status") or {}
    return () if status.get("incomplete") else status.get("resourceRules") or ()


def is_allowed(calls: Calls, need: AccessNeed) -> bool:
    """Ask the API server about one right."""
    resource, _, subresource = need.resource.partition("/")
    attributes = {"verb": need.verb, "group": need.group, "resource": resource, "subresource": subresource}
    if need.namespace:
        attributes["namespace"] = need.namespace
    if need.name:
        attributes["name"] = need.name
    review = {
        "apiVersion": resources.ACCESS_REVIEW.api_version,
        "kind": resources.ACCESS_REVIEW.kind,
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
    return bool(((calls.create(review) or {}).get("status") or {}).get("allowed"))


def grants(rules: Rules, need: AccessNeed) -> bool:
    """Whether one of the rules grants the right, as RBAC reads a rule (kubernetes: ``pkg/apis/rbac/v1``, *Matches)."""
    return any(
        _has(rule, "verbs", need.verb)
        and _has(rule, "apiGroups", need.group)
        and _has_resource(rule, need.resource)
        and (not rule.get("resourceNames") or need.name in rule["resourceNames"])
        for rule in rules
    )


def _has(rule: Mapping[str, Any], field: str, word: str) -> bool:
    found = rule.get(field) or ()
    return word in found or "*" in found


def _has_resource(rule: Mapping[str, Any], resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return _has(rule, "resources", resource) or bool(slash and f"*/{subresource}" in (rule.get("resources") or ()))

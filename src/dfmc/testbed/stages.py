"""kwok's Stages: how simulated nodes and pods behave. Pure.

Written for kwok 0.7 (https://kwok.sigs.k8s.io/docs/user/stages-configuration/). Templates see the object as ``.``.
"""

from __future__ import annotations

from typing import Any

from dfmc.testbed.roles import kwok_expression

_NODE_CONDITIONS = """\
conditions:
{{ $now := Now }}
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ or $.metadata.creationTimestamp $now | Quote }}
{{ end }}
{{ with NodePort }}
daemonEndpoints:
  kubeletEndpoint: {Port: {{ . }}}
{{ end }}
"""

_POD_RUNNING = """\
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
hostIPs: [{ip: {{ NodeIPWith .spec.nodeName | Quote }}}]
{{ $id := or .metadata.uid "" }}
{{ $host := or .spec.hostNetwork false }}
{{ $ip := PodIPWith .spec.nodeName $host $id (or .metadata.name "") (or .metadata.namespace "") }}
podIP: {{ $ip | Quote }}
podIPs: [{ip: {{ $ip | Quote }}}]
conditions:
- {type: PodReadyToStartContainers, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  restartCount: 0
  ready: true
{{ if eq .restartPolicy "Always" }}
  started: true
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ else }}
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  restartCount: 0
  ready: true
  started: true
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
"""

_JOB_DONE = """\
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  restartCount: 0
  ready: false
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
"""

_READY_CONDITION = '.status.conditions.[] | select(.type == "Ready") | .status'


def stages(clients: bool) -> list[dict[str, Any]]:
    """Return every Stage of a cluster of the bed.

    Args:
        clients: Whether the bed runs clients and seed clients, so that kwok must not simulate them.
    """
    alive = _expression(".metadata.deletionTimestamp", "DoesNotExist")
    simulated = _expression(kwok_expression(clients), "In", "simulated")
    return [
        _stage(
            "node-ready", "Node", [_expression(_READY_CONDITION, "NotIn", "True")], {"statusTemplate": _NODE_CONDITIONS}
        ),
        _stage(
            "node-heartbeat",
            "Node",
            [_expression(_READY_CONDITION, "In", "True")],
            {"statusTemplate": _NODE_CONDITIONS},
            delay={"durationMilliseconds": 600_000, "jitterDurationMilliseconds": 610_000},
        ),
        _stage(
            "pod-ready",
            "Pod",
            [alive, simulated, _expression(".status.podIP", "DoesNotExist")],
            {"statusTemplate": _POD_RUNNING},
        ),
        _stage(
            "pod-complete",
            "Pod",
            [
                alive,
                simulated,
                _expression(".status.phase", "In", "Running"),
                _expression(".metadata.ownerReferences.[].kind", "In", "Job"),
            ],
            {"statusTemplate": _JOB_DONE},
        ),
        _stage(
            "pod-delete",
            "Pod",
            [simulated, _expression(".metadata.deletionTimestamp", "Exists")],
            {"finalizers": {"empty": True}, "delete": True},
        ),
    ]


def _expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression: dict[str, Any] = {"key": key, "operator": operator}
    return {**expression, "values": list(values)} if values else expression


def _stage(
    name: str, kind: str, expressions: list[dict[str, Any]], then: dict[str, Any], delay: dict[str, int] | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": expressions},
        "next": then,
    }
    if delay:
        spec["delay"] = delay
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": spec,
    }

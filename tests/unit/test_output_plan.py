import json
from typing import Any

from dfmc.errors import PreflightError
from dfmc.output.documents import as_json, plan_document
from dfmc.output.plan import change_text, plan_lines, plan_markdown, summary, value_text
from dfmc.planning.plan import ChartIdentity, make_plan
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step
from dfmc.redaction import MASK
from dfmc.state import KubernetesFacts, Observed, ObservedCluster
from dfmc.symbols import Pending
from topologies import topology

CANARY = "sesame-canary-1"


def told(plan: Plan) -> str:
    return "\n".join(text.plain for text in plan_lines(plan, topology()))


def fresh_plan(**given: str) -> Plan:
    facts = KubernetesFacts("uid", "v1.34.4", frozenset({"containerd"}))
    observed = Observed({name: ObservedCluster(name, facts=facts) for name in "ab"})
    return make_plan(topology(), observed, chart=ChartIdentity("1.7.4", "0" * 64), given=given)


def a_plan(*steps: Step, **rest: Any) -> Plan:
    return Plan("guide", "1.7.4", steps, **rest)


def release(action: Action, *changes: FieldChange, **rest: Any) -> Step:
    return Step(Kind.RELEASE, "b", action, changes=changes, **rest)


def test_a_fresh_installation_is_told_cluster_by_cluster_and_not_value_by_value() -> None:
    lines = told(fresh_plan()).splitlines()
    assert lines[0] == "Plan for topology guide, chart dragonfly-1.7.4"
    a = lines.index("a (manager, context kind-kind, namespace cluster-a)")
    b = lines.index("b (member, context kind-kind, namespace cluster-b)")
    assert a < b
    assert "  + namespace   cluster-a" in lines[a:b]
    assert any(line.startswith("  + credentials root-password, jwt-key") for line in lines[a:b])
    assert "  + release     dragonfly-1.7.4" in lines[b:]
    assert "      scheduler.config.manager.schedulerClusterID: (known after apply)" in lines[b:]
    assert any("more; dfmc render -c b shows all" in line for line in lines[b:])
    assert "  · checks: ready, proof" in lines[b:]
    assert len(lines) < 45
    assert lines[-1] == summary(fresh_plan())


def test_given_credentials_appear_in_no_form_of_a_plan() -> None:
    plan = fresh_plan(**{"root-password": CANARY, "redis-password": f"{CANARY}2"})
    forms = [told(plan), plan_markdown(plan), as_json(plan_document(plan))]
    assert not any(CANARY in form for form in forms)
    assert all(MASK in form for form in forms[1:])


def test_services_are_told_with_type_and_node_ports() -> None:
    ports = [{"name": "http", "port": 8080, "nodePort": 30950}]
    changes = (
        FieldChange("manager-rest.type", None, "NodePort"),
        FieldChange("manager-rest.selector.app", None, "dragonfly"),
        FieldChange("manager-rest.ports", None, ports),
        FieldChange("manager-redis.type", None, "ClusterIP"),
        FieldChange("manager-redis.ports", None, [{"port": 6379}]),
    )
    plan = a_plan(Step(Kind.EXPOSE, "a", Action.CREATE, changes=changes))
    assert "  + expose      manager-rest NodePort 30950, manager-redis ClusterIP" in told(plan)


def test_an_update_shows_every_field_from_old_to_new() -> None:
    changes = [FieldChange("scheduler.replicas", 1, 3), FieldChange("scheduler.config.verbose", None, True)]
    lines = told(a_plan(release(Action.UPDATE, *changes))).splitlines()
    at = lines.index("  ~ release     ")
    assert lines[at + 1 : at + 3] == ["      scheduler.replicas: 1 → 3", "      scheduler.config.verbose: true"]
    assert lines[-1] == "1 to change in 1 cluster."


def test_a_single_change_stands_beside_its_step_and_a_note_behind_it() -> None:
    plan = a_plan(release(Action.UPDATE, FieldChange("x", 1, 2), note="recovers revision 3"))
    assert "  ~ release     x: 1 → 2 (recovers revision 3)" in told(plan)


def test_an_endless_update_is_cut_with_a_count() -> None:
    changes = [FieldChange(f"values.key{index}", 0, 1) for index in range(100)]
    assert "      … 60 more; dfmc render -c b shows all" in told(a_plan(release(Action.UPDATE, *changes)))


def test_a_cluster_that_cannot_be_planned_for_is_told_in_its_place() -> None:
    failure = PreflightError("no context kind-b", why="the kubeconfig has kind-kind")
    plan = a_plan(Step(Kind.PROOF, "a", Action.CHECK), failures={"b": failure})
    lines = told(plan).splitlines()
    b = lines.index("b (member, context kind-kind, namespace cluster-b)")
    assert lines[b + 1] == "  ✗ cannot be planned for: no context kind-b: the kubeconfig has kind-kind"


def test_nothing_to_do_is_a_sentence() -> None:
    assert summary(a_plan(Step(Kind.PROOF, "a", Action.CHECK))) == "No changes."


def test_foreign_text_in_a_change_is_cleaned_and_kept_on_one_line() -> None:
    hostile = FieldChange("bio", "old\x1b[2K\nline", "x" * 500)
    assert change_text(hostile) == f"bio: old line → {'x' * 79}…"


def test_values_are_told_as_yaml_would_have_them() -> None:
    shown = [value_text(value) for value in (None, "", True, 1, ["a", Pending("record:b/x")], {"k": None}, ("a",))]
    assert shown == ["(unset)", '""', "true", "1", '["a", "(known after apply)"]', '{"k": null}', '["a"]']


def test_markdown_has_a_table_and_folds_the_fields() -> None:
    changes = [FieldChange("a|b", 1, 2), FieldChange("gone", "`x`", None), FieldChange("new", None, "y")]
    plan = a_plan(
        release(Action.UPDATE, *changes), Step(Kind.NAMESPACE, "b", Action.CREATE, changes=tuple(changes[2:]))
    )
    assert plan_markdown(plan) == (
        "### dfmc plan: guide (dragonfly-1.7.4)\n\n"
        "| | cluster | step | changes |\n|---|---|---|---|\n"
        "| `~` | b | release | `3 fields` |\n| `+` | b | namespace | `new: y` |\n\n"
        "**1 to create, 1 to change in 1 cluster.**\n\n"
        "<details><summary>b: release</summary>\n\n"
        "```diff\n- a|b: 1\n+ a|b: 2\n- gone: `x`\n+ new: y\n```\n\n</details>\n"
    )


def test_markdown_keeps_a_table_cell_whole() -> None:
    plan = a_plan(release(Action.UPDATE, FieldChange("x", "a|b", "`c`\n|")))
    assert "| `~` | b | release | `x: a\\|b → 'c' \\|` |" in plan_markdown(plan)


def test_json_is_the_contract() -> None:
    step = release(Action.UPDATE, FieldChange("id", 1, Pending("record:b/id")), needs=("record:b",), note="why")
    failure = PreflightError("no context", where="b", next_step="fix it")
    document = json.loads(as_json(plan_document(a_plan(step, failures={"c": failure}))))
    assert document == {
        "apiVersion": "dfmc.io/v1alpha1",
        "kind": "Plan",
        "topology": "guide",
        "chartVersion": "1.7.4",
        "hasChanges": True,
        "steps": [
            {
                "id": "release:b",
                "kind": "release",
                "cluster": "b",
                "action": "update",
                "needs": ["record:b"],
                "note": "why",
                "conditional": False,
                "changes": [{"path": "id", "old": 1, "new": "(known after apply)", "known": False}],
            }
        ],
        "failures": {
            "c": {
                "type": "PreflightError",
                "exitCode": 4,
                "what": "no context",
                "where": "b",
                "step": "",
                "why": "",
                "left": "",
                "next": "fix it",
            }
        },
        "orphans": [],
        "foreignRecords": [],
        "peers": None,
    }

"""A saved plan: what is in it, what is not, and what makes it worthless."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dfmc.errors import ConflictError, UsageError
from dfmc.planning.fingerprint import Fingerprint, fingerprint, text_digest
from dfmc.planning.saved import SavedPlan, described_steps, read_saved, saved_document
from dfmc.state import Observed
from observed_worlds import FACTS, SECRETS, finished, fresh, plan
from topologies import topology

FILE = topology()
RUN = {"dfmc": "0.1", "chart": "dragonfly-1.7.4, sha256 ab"}


def facts(world: Observed, **run: str) -> Fingerprint:
    return fingerprint(FILE, world, selected=("a", "b"), run=RUN | run)


def saved(world: Observed) -> SavedPlan:
    steps = described_steps(plan(FILE, world))
    return SavedPlan("guide", "2026-01-01T00:00:00Z", ("b",), False, ("downgrade",), facts(world), steps)


def one(world: Observed, name: str, **changes: Any) -> Observed:
    return replace(world, clusters={**world.clusters, name: replace(world.clusters[name], **changes)})


def with_release(world: Observed, name: str, **changes: Any) -> Observed:
    release = world.clusters[name].release
    assert release is not None
    return one(world, name, release=replace(release, **changes))


def with_record(world: Observed, **changes: Any) -> Observed:
    assert world.manager is not None
    first, second = world.manager.records
    return replace(world, manager=replace(world.manager, records=(first, replace(second, **changes))))


def rewritten(world: Observed) -> Observed:
    assert world.credentials is not None
    return replace(world, credentials=replace(world.credentials, resource_version="2"))


def test_a_plan_survives_its_file_and_an_unchanged_world_is_accepted() -> None:
    world = fresh(FILE)
    kept = saved(world)
    again = read_saved(json.loads(json.dumps(saved_document(kept))), "night.plan")
    assert again == kept
    again.refuse_stale(plan(FILE, world), facts(world))


def test_no_password_is_in_a_plan() -> None:
    text = json.dumps(saved_document(saved(finished(FILE))))
    text += json.dumps(saved_document(saved(with_release(finished(FILE), "b", values={}))))
    for secret in SECRETS.values():
        assert secret not in text


CHANGES: dict[str, tuple[Callable[[Observed], Observed], str]] = {
    "another revision": (lambda w: with_release(w, "b", revision=2), "b: release was revision 1 of"),
    "a rewritten record of helm": (lambda w: with_release(w, "a", version="u/2"), "a: release was "),
    "another status": (lambda w: with_release(w, "b", status="failed"), "deployed (version ), is revision 1 of"),
    "a release gone": (lambda w: one(w, "b", release=None), "is absent"),
    "a namespace gone": (lambda w: one(w, "b", namespace_exists=False), "b: namespace was there, is absent"),
    "something deleted": (lambda w: one(w, "b", missing=("Service x",)), "b: deleted objects was none, is Service x"),
    "another Kubernetes cluster": (
        lambda w: one(w, "b", facts=replace(FACTS, uid="uid-2")),
        "b: Kubernetes cluster was uid-1, is uid-2",
    ),
    "other runtimes": (
        lambda w: one(w, "b", facts=replace(FACTS, runtimes=frozenset({"cri-o"}))),
        "b: container runtimes was containerd, is cri-o",
    ),
    "a record's ids": (lambda w: with_record(w, scheduler_cluster_id=9), "b: record was 'b', id 2, 2/12"),
    "a record's owner": (lambda w: with_record(w, bio="mine"), "b: record was"),
    "a record deleted": (lambda w: replace(w, manager=replace(w.manager, records=w.manager.records[:1])), "is absent"),  # type: ignore[type-var,union-attr]
    "the credentials' Secret": (rewritten, "a: credentials' Secret was "),
    "the manager away": (lambda w: replace(w, manager=None), "a: manager was answers, is does not answer"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_has_changed_is_named_and_refused(change: str) -> None:
    before = finished(FILE)
    make, words = CHANGES[change]
    now = make(before)
    with pytest.raises(ConflictError) as caught:
        saved(before).refuse_stale(plan(FILE, now), facts(now))
    assert caught.value.exit_code == 7
    assert words in caught.value.why


def test_another_file_chart_or_dfmc_is_named_before_any_cluster() -> None:
    world = finished(FILE)
    with pytest.raises(ConflictError) as caught:
        saved(world).refuse_stale(plan(FILE, world), facts(world, chart="dragonfly-1.7.4, sha256 cd"))
    assert caught.value.why == "chart was dragonfly-1.7.4, sha256 ab, is dragonfly-1.7.4, sha256 cd"
    assert text_digest("a") != text_digest("b")


def test_a_credential_that_has_another_value_by_now_is_found_by_the_step_it_makes() -> None:
    world = finished(FILE)
    kept, now = saved(world), plan(FILE, world, **{"redis-password": "another-1"})
    with pytest.raises(ConflictError) as caught:
        kept.refuse_stale(now, facts(world))
    assert "credentials:a would do something else by now" in caught.value.why
    assert "another-1" not in caught.value.why


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "no saved plan"),
        ([], "no saved plan"),
        ({"kind": "Plan"}, "no saved plan"),
        ({"kind": "SavedPlan", "apiVersion": "dfmc.io/v1alpha1", "format": 2}, "another dfmc"),
        ({"kind": "SavedPlan", "apiVersion": "dfmc.io/v1alpha1", "format": 1}, "damaged"),
        ({**saved_document(saved(fresh(FILE))), "fingerprint": {"a": 1}}, "damaged"),
        ({**saved_document(saved(fresh(FILE))), "steps": {"release:b": [1]}}, "damaged"),
    ],
)
def test_what_is_no_plan_is_refused(document: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_saved(document, "night.plan")

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from clients.fake_manager import FakeClock, FakeManager
from dfmc.clients.manager import RestManager
from dfmc.clients.manager_session import SETTLE, sign_in_schedule
from dfmc.clients.protocols import ManagerClient
from dfmc.errors import (
    AuthError,
    ConflictError,
    DfmcError,
    IntegrityError,
    NotReadyError,
    PreflightError,
    RecoveryError,
    UnreachableError,
)
from dfmc.state import ClusterRecord, SchedulerRecord, ScopesRecord, SeedPeerRecord
from scenarios import scenario

CONTRACT = Path(__file__).parents[1] / "data" / "contract"
VERSIONS = ["2.1.66", "2.5.1"]
ROOT = "Root-Passw0rd"
OUTSIDE = "http://manager.example:8080"

T = TypeVar("T")


def recorded(version: str) -> dict[str, dict[str, Any]]:
    exchanges = json.loads((CONTRACT / f"manager-{version}.json").read_text())["recorded"]
    return {exchange["name"]: exchange for exchange in exchanges}


def replayed(response: dict[str, Any]) -> httpx2.Response:
    text = response.get("text")
    if text is None:
        text = json.dumps(response["json"])
    return httpx2.Response(response["status"], headers=response["headers"], content=text.encode())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fake(clock: FakeClock) -> FakeManager:
    return FakeManager(clock, password=ROOT)


def client(answers: Callable[[httpx2.Request], httpx2.Response], clock: FakeClock, **options: Any) -> RestManager:
    settings: dict[str, Any] = {
        "base_url": OUTSIDE,
        "transport": httpx2.MockTransport(answers),
        "clock": clock,
        "sleep": clock.sleep,
    }
    return RestManager(**settings | options)


def run(call: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(call)


def signed_in(fake: FakeManager, **options: Any) -> RestManager:
    """A client that has signed in; its sign-in is not counted and spoils nothing."""
    manager = client(fake, fake.clock, **options)
    run(manager.sign_in(fake.password))
    fake.requests.clear()
    fake.poisoned_until = 0
    return manager


def on_path(path: str, method: str, *answers: httpx2.Response | Exception | None) -> Any:
    """A ``before`` that gives these answers to the first requests of that kind; None: the manager's own."""
    left = list(answers)

    def before(request: httpx2.Request) -> httpx2.Response | None:
        if (request.method, request.url.path) != (method, path) or not left:
            return None
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return before


CLUSTERS = "/api/v1/clusters"
LOST = httpx2.ReadTimeout("no answer")
REFUSED = httpx2.ConnectError("connection refused")


def test_it_is_a_manager_client(fake: FakeManager) -> None:
    manager: ManagerClient = client(fake, fake.clock)
    assert isinstance(manager, RestManager)


# --- what real managers answered ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_lists_and_rows_are_understood(version: str, clock: FakeClock) -> None:
    contract = recorded(version)

    def by_recording(name: str) -> RestManager:
        def answer(request: httpx2.Request) -> httpx2.Response:
            return replayed(contract["sign in" if request.url.path.endswith("signin") else name]["response"])

        manager = client(answer, clock)
        run(manager.sign_in("dragonfly"))
        return manager

    assert run(by_recording("clusters on a fresh database").clusters()) == [
        ClusterRecord(1, "cluster-1", "", ScopesRecord(), 1, 1, True)
    ]
    every = run(by_recording("list clusters, all").clusters())
    assert [r.id for r in every] == sorted(r["id"] for r in contract["list clusters, all"]["response"]["json"])
    apart = {r.name: (r.scheduler_cluster_id, r.seed_peer_cluster_id) for r in every}
    assert apart["cluster-2b"] == (5, 3)
    full = next(r for r in every if r.name == "cluster-3").scopes
    assert full == ScopesRecord(
        "idc-1|idc-2",
        "asia|china|hangzhou",
        ("10.3.0.0/16", "fd00:3::/32"),
        tuple(contract["create cluster, every scope"]["request"]["body"]["scopes"]["hostnames"]),
    )
    assert run(by_recording("list clusters by a name that is not there").cluster_by_name("absent")) is None
    assert run(by_recording("list clusters by name").cluster_by_name("cluster-2")) == ClusterRecord(
        2, "cluster-2", "second", ScopesRecord(idc="cluster-2"), 2, 2, False
    )
    assert run(by_recording("schedulers, none").schedulers()) == []
    assert run(by_recording("schedulers of the cluster").schedulers()) == [
        SchedulerRecord(1, "s-1", "127.0.0.1", 8002, "inactive", 2, ("schedule", "preheat"))
    ]
    assert run(by_recording("seed peers of the cluster").seed_peers()) == [
        SeedPeerRecord(1, "p-1", "127.0.0.1", "inactive", 2)
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "kind", "word"),
    [
        ("create cluster, no configs", DfmcError, "SchedulerClusterConfig"),
        ("create cluster, long name", UnreachableError, "Internal Server Error"),
        ("unknown route", ConflictError, "HTTP 301"),
        ("open API with the JWT", AuthError, "401"),
    ],
)
def test_recorded_refusals_of_a_new_record(
    version: str, name: str, kind: type[DfmcError], word: str, clock: FakeClock
) -> None:
    fake = FakeManager(clock, password=ROOT)
    manager = signed_in(fake)
    response = recorded(version)[name]["response"]
    fake.before = on_path(CLUSTERS, "POST", *(replayed(response) for _ in range(9)))
    with pytest.raises(DfmcError) as caught:
        run(manager.create_cluster(name="b", bio="", scopes=ScopesRecord()))
    assert type(caught.value) is kind
    assert word in caught.value.why


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_answers_to_a_password_reset(version: str, clock: FakeClock) -> None:
    contract = recorded(version)

    def reset_by(*names: str) -> list[float]:
        answers = [replayed(contract[name]["response"]) for name in names]
        clock.slept.clear()
        run(client(lambda _: answers.pop(0), clock).reset_root_password("dragonfly", "Newpass123"))
        assert answers == []
        return clock.slept

    with pytest.raises(PreflightError, match="does not accept the new password"):
        reset_by("reset password, too short")
    if version == "2.1.66":
        assert reset_by("reset password") == []
        with pytest.raises(AuthError):
            reset_by("reset password, wrong old one")
        return
    worked = recorded("2.1.66")["reset password"]["response"]
    contract["worked"] = {"response": worked}
    assert reset_by("reset password", "reset password", "worked") == [7.0, 31.0]
    with pytest.raises(UnreachableError, match="hashedSecret"):
        reset_by(*["reset password"] * 3)


# --- signing in ---------------------------------------------------------------------------------------------------


@scenario("S8", real="a manager in memory")
def test_one_sign_in_serves_every_request_as_a_bearer_token_and_without_cookies(fake: FakeManager) -> None:
    manager = client(fake, fake.clock)
    assert run(manager.sign_in(ROOT)) == 0

    async def reads() -> None:
        await asyncio.gather(manager.clusters(), manager.schedulers(), manager.seed_peers(), manager.is_answering())

    run(reads())
    assert [m for m in fake.log if m.startswith("POST")] == ["POST /api/v1/users/signin"]
    for request in fake.requests[1:]:
        assert request.headers["Authorization"] == f"Bearer {next(iter(fake.tokens))}"
        assert "Cookie" not in request.headers
        assert "token" not in str(request.url)


def test_a_client_that_somebody_else_closed_is_out_of_reach_at_once(fake: FakeManager, clock: FakeClock) -> None:
    manager = signed_in(fake)
    run(manager.close())
    before = clock()
    with pytest.raises(UnreachableError, match="given up"):
        run(manager.clusters())
    assert clock() - before < 1  # repeating it would help nobody: whoever shares the way opens it anew


def test_one_try_of_a_password_is_one_request_and_leaves_the_session_alone(fake: FakeManager) -> None:
    manager = client(fake, fake.clock)
    run(manager.sign_in(ROOT))
    kept = set(fake.tokens)
    fake.clock.now += 60
    assert run(manager.takes_password("dragonfly")) is False
    fake.clock.now += 60
    assert run(manager.takes_password(ROOT)) is True
    run(manager.clusters())
    assert fake.log.count("POST /api/v1/users/signin") == 3
    assert fake.requests[-1].headers["Authorization"].removeprefix("Bearer ") in kept


def test_a_key_is_tried_with_a_token_of_its_own(fake: FakeManager) -> None:
    manager = client(fake, fake.clock)
    run(manager.sign_in(ROOT))
    assert run(manager.takes_key("public-key")) is False
    forged = fake.requests[-1].headers["Authorization"].removeprefix("Bearer ")
    assert forged not in fake.tokens
    fake.tokens.add(forged)
    assert run(manager.takes_key("public-key")) is True
    run(manager.clusters())
    assert fake.requests[-1].headers["Authorization"] != f"Bearer {forged}"


def test_a_key_that_is_taken_and_denied_its_role_is_taken(fake: FakeManager) -> None:
    fake.before = lambda request: httpx2.Response(401, json={"message": "permission deny"})
    assert run(client(fake, fake.clock).takes_key("public-key")) is True


@pytest.mark.parametrize(("date", "ahead"), [("Thu, 01 Jan 2099 00:00:00 GMT", True), ("soon", None), ("", None)])
def test_the_managers_clock_is_in_its_answers(date: str, ahead: bool | None, fake: FakeManager) -> None:
    def dated(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if date:
            answer.headers["Date"] = date
        return answer

    fake.after = dated
    manager = client(fake, fake.clock)
    run(manager.sign_in(ROOT))
    seconds = run(manager.clock_ahead())
    assert (seconds is None) if ahead is None else (seconds is not None and seconds > 1e9)


def test_a_sign_in_just_before_this_run_does_not_make_the_right_password_wrong(fake: FakeManager) -> None:
    fake.poisoned_until = fake.clock.now + 4
    assert run(client(fake, fake.clock).sign_in(ROOT, "dragonfly")) == 0


@pytest.mark.parametrize("flush", [0.0, 5.0, 30.0], ids=["2.1", "2.2.2 and later", "2.2.0"])
@pytest.mark.parametrize("seconds_ago", [None, 0.5, 20.0])
@pytest.mark.parametrize("right", [0, 1])
def test_the_right_password_is_found_with_every_cache(
    clock: FakeClock, flush: float, seconds_ago: float | None, right: int
) -> None:
    fake = FakeManager(clock, password=ROOT, flush=flush)
    if seconds_ago is not None:
        fake.poisoned_until = clock.now - seconds_ago + flush
    candidates = ["stored-Passw0rd", "stored-Passw0rd"]
    candidates[right] = ROOT
    started = clock.now
    assert run(client(fake, clock).sign_in(*candidates)) == right
    assert len(fake.requests) <= 5
    assert clock.now - started <= 80


@pytest.mark.parametrize("count", [1, 2, 3])
def test_wrong_passwords_are_tried_few_times_over_more_than_the_window(fake: FakeManager, count: int) -> None:
    started = fake.clock.now
    with pytest.raises(AuthError) as caught:
        run(client(fake, fake.clock).sign_in(*(f"wrong-{n}-passw0rd" for n in range(count))))
    assert 3 <= len(fake.requests) <= 5
    assert SETTLE <= fake.clock.now - started <= 80
    assert "database" in caught.value.why
    assert "passw0rd" not in str(caught.value)


def test_the_schedule_of_sign_ins() -> None:
    for candidates in range(8):
        plan = sign_in_schedule(candidates)
        assert len(plan) <= 5
        assert [index for _, index in plan[: min(candidates, 5)]] == list(range(min(candidates, 5)))
        assert all(0 <= index < candidates for _, index in plan)


def test_a_database_that_comes_back_lets_the_sign_in_through(fake: FakeManager) -> None:
    down = httpx2.Response(401, json={"message": "Unauthorized"})
    fake.before = on_path("/api/v1/users/signin", "POST", down, down)
    assert run(client(fake, fake.clock).sign_in(ROOT)) == 0


@pytest.mark.parametrize("failure", [REFUSED, LOST, httpx2.RemoteProtocolError("cut"), httpx2.Response(503)])
def test_a_manager_that_does_not_answer_is_said_at_once(fake: FakeManager, failure: Any) -> None:
    fake.before = on_path("/api/v1/users/signin", "POST", failure)
    with pytest.raises(UnreachableError):
        run(client(fake, fake.clock).sign_in(ROOT))
    assert fake.clock.slept == []


def test_an_expired_token_is_renewed_once_for_all_requests_that_it_failed(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.tokens.clear()

    async def reads() -> list[Any]:
        return list(await asyncio.gather(*(manager.clusters() for _ in range(8))))

    assert all(len(rows) == 1 for rows in run(reads()))
    assert fake.log.count("POST /api/v1/users/signin") == 1


def test_a_token_that_is_refused_again_and_again_is_an_authorisation_error(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "GET", *(httpx2.Response(401, json={"message": "Unauthorized"}) for _ in range(9)))
    with pytest.raises(AuthError):
        run(manager.clusters())
    assert fake.log.count(f"GET {CLUSTERS}") == 2


def test_a_replica_without_roots_role_is_named(fake: FakeManager) -> None:
    manager = signed_in(fake)
    for call in (manager.clusters, manager.is_answering):
        fake.before = on_path(CLUSTERS, "GET", httpx2.Response(401, json={"message": "permission deny"}))
        with pytest.raises(NotReadyError, match=r"10\.0\.0\.7") as caught:
            run(call())
        assert "rollout restart" in caught.value.next_step
    assert fake.log.count("POST /api/v1/users/signin") == 0


def test_before_the_sign_in_nothing_is_authorised(fake: FakeManager) -> None:
    manager = client(fake, fake.clock)
    assert run(manager.is_answering()) is False
    assert fake.requests == []
    with pytest.raises(AuthError, match="not signed in"):
        run(manager.clusters())


def test_a_sign_in_without_a_token_is_an_unexpected_answer(clock: FakeClock) -> None:
    content: Any
    for content in ({"token": ""}, {"token": 7}, [], None):
        answer = httpx2.Response(200, json=content)
        with pytest.raises(DfmcError, match="unexpected answer"):
            run(client(lambda _, answer=answer: answer, clock).sign_in(ROOT))  # type: ignore[misc]


# --- whether it answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        REFUSED,
        LOST,
        httpx2.ReadError("reset"),
        httpx2.Response(500, json={"message": "database is down"}),
        httpx2.Response(502, text="<html>", headers={"Content-Type": "text/html"}),
        httpx2.Response(404, text="default backend"),
    ],
)
def test_a_manager_that_is_starting_is_not_answering_and_no_error(fake: FakeManager, failure: Any) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "GET", failure)
    assert run(manager.is_answering()) is False
    assert run(manager.is_answering()) is True
    assert fake.clock.slept == []


def test_an_empty_list_is_an_answer_and_each_question_is_a_new_one(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.rows.clear()
    assert [run(manager.is_answering()) for _ in range(3)] == [True] * 3
    assert len({str(r.url) for r in fake.requests}) == 3


def test_a_restarted_manager_with_another_key_is_answering_after_one_sign_in(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.tokens.clear()
    down = httpx2.Response(401, json={"message": "Unauthorized"})
    fake.before = on_path("/api/v1/users/signin", "POST", down, httpx2.Response(500), REFUSED)
    assert [run(manager.is_answering()) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    "page",
    [
        httpx2.Response(301, headers={"Location": "/", "Content-Type": "text/html"}),
        httpx2.Response(200, text="<html>welcome</html>", headers={"Content-Type": "text/html"}),
        httpx2.Response(200, text="OK", headers={"Content-Type": "text/plain"}),
    ],
)
def test_what_is_no_manager_is_a_conflict(fake: FakeManager, page: httpx2.Response) -> None:
    manager = signed_in(fake)
    for call in (manager.is_answering, manager.clusters, manager.schedulers):
        fake.before = lambda _: page
        with pytest.raises(ConflictError, match="not the REST API"):
            run(call())
    with pytest.raises(ConflictError):
        run(client(lambda _: page, fake.clock).sign_in(ROOT))


# --- root's password ----------------------------------------------------------------------------------------------


def test_a_new_password_is_used_for_the_next_sign_in(fake: FakeManager) -> None:
    manager = signed_in(fake)
    run(manager.reset_root_password(ROOT, "other-Passw0rd"))
    assert fake.password == "other-Passw0rd"
    fake.tokens.clear()
    assert len(run(manager.clusters())) == 1


@pytest.mark.parametrize("flush", [5.0, 30.0])
def test_a_reset_waits_until_the_cache_lets_it(fake: FakeManager, flush: float) -> None:
    fake.poisoned_until = fake.clock.now + flush
    run(client(fake, fake.clock).reset_root_password(ROOT, "other-Passw0rd"))
    assert fake.password == "other-Passw0rd"
    assert fake.requests[0].headers.get("Authorization") is None


def test_a_wrong_old_password_and_a_bad_new_one(fake: FakeManager) -> None:
    manager = client(fake, fake.clock)
    with pytest.raises(AuthError) as wrong:
        run(manager.reset_root_password("wrong-Passw0rd", "other-Passw0rd"))
    fake.poisoned_until = 0
    with pytest.raises(PreflightError) as short:
        run(manager.reset_root_password(ROOT, "short"))
    assert "8 to 20" in short.value.next_step
    assert ROOT not in str(wrong.value) + str(short.value)


def test_a_reset_whose_answer_is_lost_says_that_both_are_possible(fake: FakeManager) -> None:
    fake.before = on_path("/api/v1/users/1/reset_password", "POST", LOST)
    with pytest.raises(UnreachableError) as caught:
        run(client(fake, fake.clock).reset_root_password(ROOT, "other-Passw0rd"))
    assert "either the old or the new" in caught.value.left


# --- records ------------------------------------------------------------------------------------------------------


def create(manager: RestManager, name: str = "b", **changes: Any) -> ClusterRecord:
    wanted: dict[str, Any] = {"name": name, "bio": "dfmc:uid", "scopes": ScopesRecord(idc="cluster-2")}
    return run(manager.create_cluster(**wanted | changes))


def test_a_record_is_created_and_its_ids_come_each_from_its_own_field(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake._next = (59, 28)
    assert create(manager) == ClusterRecord(59, "b", "dfmc:uid", ScopesRecord(idc="cluster-2"), 59, 28, False)
    assert fake.log == [f"GET {CLUSTERS}", f"POST {CLUSTERS}"]
    body = json.loads(fake.requests[1].content)
    assert body["scopes"] == {"idc": "cluster-2", "location": "", "cidrs": [], "hostnames": []}
    assert body["is_default"] is False


def test_a_record_that_is_there_is_returned_as_it_is_without_a_write(fake: FakeManager) -> None:
    manager = signed_in(fake)
    first = create(manager)
    fake.requests.clear()
    assert create(manager, bio="somebody else", scopes=ScopesRecord()) == first
    assert fake.log == [f"GET {CLUSTERS}"]


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize(
    "lost",
    [
        LOST,
        httpx2.ReadError("reset"),
        httpx2.Response(500, json={"message": "Internal Server Error"}),
        httpx2.Response(503, text="no upstream"),
        httpx2.Response(200, content=b"null", headers={"Content-Type": "application/json"}),
        httpx2.Response(200, json={"id": 0, "name": "b"}),
        httpx2.Response(200, json={"id": 9, "name": "other", "scheduler_cluster_id": 9}),
    ],
)
def test_a_lost_answer_makes_exactly_one_record(fake: FakeManager, carried_out: bool, lost: Any) -> None:
    manager = signed_in(fake)
    posts = 0

    def lose(request: httpx2.Request) -> httpx2.Response | None:
        nonlocal posts
        if request.method != "POST":
            return None
        posts += 1
        if posts > 1:
            return None
        if carried_out:
            fake.visible_after = 29
            fake.answer(request)
        if isinstance(lost, Exception):
            raise lost
        assert isinstance(lost, httpx2.Response)
        return lost

    fake.before = lose
    assert create(manager).name == "b"
    assert [r["name"] for r in fake.rows] == ["cluster-1", "b"]
    assert posts == (1 if carried_out else 2)
    assert sum(fake.clock.slept) <= SETTLE + 5


def test_a_request_that_never_left_is_sent_again_without_waiting_for_what_it_cannot_have_done(
    fake: FakeManager,
) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "POST", REFUSED)
    assert create(manager).name == "b"
    assert fake.clock.slept == []


def test_a_record_that_cannot_be_created_says_what_may_be_left(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "POST", LOST, LOST, None)
    with pytest.raises(UnreachableError) as caught:
        create(manager)
    assert "may have been created" in caught.value.left
    assert fake.log.count(f"POST {CLUSTERS}") == 2


def test_somebody_faster_is_adopted_once_this_replica_shows_the_record(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.visible_after = 30
    faster = fake.row(7, 7, 5, {"name": "b", "bio": "dfmc:uid"})
    fake.rows.append(faster)
    fake._made[7] = fake.clock.now + 30
    assert create(manager).id == 7
    assert fake.log.count(f"POST {CLUSTERS}") == 1


def test_a_taken_name_that_is_never_listed_is_a_conflict(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "POST", httpx2.Response(409, json={"message": "Conflict"}))
    with pytest.raises(ConflictError, match="is taken"):
        create(manager)
    assert sum(fake.clock.slept) >= SETTLE
    assert fake.log.count(f"POST {CLUSTERS}") == 1


@pytest.mark.parametrize("name", ["B", "b "])
def test_a_name_that_differs_by_case_or_blanks_is_a_conflict_before_any_write(fake: FakeManager, name: str) -> None:
    manager = signed_in(fake)
    create(manager, "b")
    fake.requests.clear()
    with pytest.raises(ConflictError, match="which it takes for"):
        create(manager, name)
    assert fake.log == [f"GET {CLUSTERS}"]


def test_names_and_bios_that_the_database_has_no_room_for(fake: FakeManager) -> None:
    manager = signed_in(fake)
    for changes in ({"name": "n" * 257}, {"bio": "b" * 1025}, {"name": ""}):
        with pytest.raises(PreflightError):
            create(manager, **changes)
    assert fake.requests == []


def test_many_members_register_at_once(fake: FakeManager) -> None:
    manager = signed_in(fake)

    async def all_at_once() -> list[ClusterRecord]:
        calls = (manager.create_cluster(name=f"m{n % 8}", bio="x", scopes=ScopesRecord()) for n in range(24))
        return list(await asyncio.gather(*calls))

    assert len({r.id for r in run(all_at_once())}) == 8
    assert len(fake.rows) == 9


def test_an_update_sends_everything_the_manager_would_otherwise_drop(fake: FakeManager) -> None:
    manager = signed_in(fake)
    (first,) = run(manager.clusters())
    fake.requests.clear()
    scopes = ScopesRecord("idc-1", "a|b", ("10.0.0.0/8",), ("n.*",))
    changed = run(manager.update_cluster(first, name="a", bio="dfmc:uid", scopes=scopes))
    assert changed == ClusterRecord(1, "a", "dfmc:uid", scopes, 1, 1, True)
    assert [m.partition(" ")[0] for m in fake.log] == ["GET", "PATCH", "GET"]
    assert json.loads(fake.requests[1].content) == {
        "name": "a",
        "bio": "dfmc:uid",
        "scopes": {"idc": "idc-1", "location": "a|b", "cidrs": ["10.0.0.0/8"], "hostnames": ["n.*"]},
        "is_default": True,
    }


def test_an_update_that_changes_nothing_only_reads(fake: FakeManager) -> None:
    manager = signed_in(fake)
    record = create(manager)
    fake.requests.clear()
    assert run(manager.update_cluster(record, name="b", bio="", scopes=record.scopes)) == record
    assert fake.log == ["GET /api/v1/clusters/2"]


def test_scopes_can_be_emptied_and_what_is_left_out_goes(fake: FakeManager) -> None:
    manager = signed_in(fake)
    record = create(manager, scopes=ScopesRecord("i", "l", ("10.0.0.0/8",), ("h",)))
    changed = run(manager.update_cluster(record, name="b", bio="dfmc:uid", scopes=ScopesRecord(location="l")))
    assert changed.scopes == ScopesRecord(location="l")
    assert changed.is_default is False


def test_an_update_is_read_back_until_a_stale_replica_shows_it(fake: FakeManager) -> None:
    manager = signed_in(fake)
    record = create(manager)
    stale = httpx2.Response(200, json=dict(fake.rows[1]))
    fake.before = on_path("/api/v1/clusters/2", "GET", None, stale, stale)
    assert run(manager.update_cluster(record, name="c", bio="dfmc:uid", scopes=record.scopes)).name == "c"
    assert len(fake.clock.slept) == 2


def test_an_update_that_never_shows_names_the_fields(fake: FakeManager) -> None:
    manager = signed_in(fake)
    record = create(manager)
    stale = httpx2.Response(200, json=dict(fake.rows[1]))
    fake.before = on_path("/api/v1/clusters/2", "GET", *[stale] * 40)
    scopes = replace(record.scopes, hostnames=("^c-",))
    with pytest.raises(NotReadyError) as caught:
        run(manager.update_cluster(record, name="c", bio="dfmc:uid", scopes=scopes))
    assert caught.value.why == "name is 'b', not 'c'; scopes.hostnames is [], not ['^c-']"
    assert SETTLE <= sum(fake.clock.slept) <= SETTLE + 5


def test_an_update_of_a_record_that_is_gone_or_to_a_name_that_is_taken(fake: FakeManager) -> None:
    manager = signed_in(fake)
    record = create(manager)
    with pytest.raises(ConflictError, match="another record"):
        run(manager.update_cluster(record, name="cluster-1", bio="x", scopes=record.scopes))
    fake.rows.pop()
    with pytest.raises(ConflictError, match="is gone"):
        run(manager.update_cluster(record, name="b", bio="x", scopes=record.scopes))


def test_an_update_survives_a_restart_of_the_manager(fake: FakeManager) -> None:
    manager = signed_in(fake)
    record = create(manager)
    fake.before = on_path("/api/v1/clusters/2", "PATCH", LOST, REFUSED, httpx2.Response(502))
    assert run(manager.update_cluster(record, name="c", bio="dfmc:uid", scopes=record.scopes)).name == "c"


# --- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_lists_are_read_to_their_end_and_never_by_their_links(fake: FakeManager, count: int) -> None:
    manager = signed_in(fake)
    numbers = list(range(1, count + 1))
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    print("seed", seed)  # noqa: T201 - to repeat a failure
    random.Random(seed).shuffle(numbers)  # noqa: S311 - no secret
    fake.rows[:] = [fake.row(n, n, n, {"name": f"m{n}"}) for n in numbers]
    fake.schedulers[:] = [
        {"id": n, "host_name": f"s{n}", "ip": "10.0.0.1", "port": 8002, "state": "active", "scheduler_cluster_id": 77}
        for n in numbers
    ]
    assert [r.id for r in run(manager.clusters())] == sorted(numbers)
    assert [r.id for r in run(manager.schedulers())] == sorted(numbers)
    assert len(fake.requests) == 2 * (count // 1000 + 1)


def test_rows_that_shift_between_pages_count_once(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.rows[:] = [fake.row(n, n, n, {"name": f"m{n}"}) for n in range(1, 1001)]

    def insert(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.url.params["page"] == "1":
            fake.rows.insert(0, fake.row(5000, 5000, 5000, {"name": "new"}))
        return answer

    fake.after = insert
    ids = [r.id for r in run(manager.clusters())]
    assert len(ids) == len(set(ids))
    assert set(range(1, 1001)) <= set(ids)


def test_reading_is_repeated_while_the_manager_restarts(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "GET", REFUSED, LOST, httpx2.Response(500, json={"message": "bad connection"}))
    assert len(run(manager.clusters())) == 1
    assert fake.clock.slept == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("failure", [REFUSED, LOST, httpx2.Response(500, json={"message": "invalid connection"})])
def test_reading_is_given_up_in_the_end(fake: FakeManager, failure: Any) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "GET", *[failure] * 99)
    with pytest.raises(UnreachableError):
        run(manager.clusters())
    assert SETTLE <= sum(fake.clock.slept) <= SETTLE + 5


def test_a_rate_limit_is_waited_for_longer_than_three_minutes_and_not_for_ever(fake: FakeManager) -> None:
    manager = signed_in(fake)
    limited = httpx2.Response(429, text="rate limit exceeded")
    fake.before = on_path(CLUSTERS, "GET", *[limited] * 35)
    assert len(run(manager.clusters())) == 1
    assert sum(fake.clock.slept) > 150
    fake.before = on_path(CLUSTERS, "GET", *[limited] * 200)
    fake.clock.slept.clear()
    with pytest.raises(UnreachableError, match="429"):
        run(manager.clusters())
    assert 180 < sum(fake.clock.slept) < 220


def test_a_row_that_poisons_every_list_is_told_at_once(fake: FakeManager) -> None:
    manager = signed_in(fake)
    poisoned = httpx2.Response(500, json={"message": "invalid number of the seed peer cluster"})
    fake.before = on_path(CLUSTERS, "GET", poisoned)
    with pytest.raises(RecoveryError, match="seed peer cluster"):
        run(manager.clusters())
    assert fake.clock.slept == []


CANARY = "c4nary-passw0rd"


@pytest.mark.parametrize(
    "body",
    [
        {"password": CANARY},
        [{"name": CANARY}],
        [{"id": 1, "name": CANARY, "is_default": True, "scheduler_cluster_id": 0, "seed_peer_cluster_id": 1}],
        [{"id": 1, "name": [CANARY], "is_default": True, "scheduler_cluster_id": 1, "seed_peer_cluster_id": 1}],
        [{"id": 1, "name": "b", "is_default": CANARY, "scheduler_cluster_id": 1, "seed_peer_cluster_id": 1}],
        [{"id": True, "name": CANARY, "is_default": True, "scheduler_cluster_id": 1, "seed_peer_cluster_id": 1}],
        [{"id": 1, "name": "b", "is_default": True, "scheduler_cluster_id": "1", "seed_peer_cluster_id": 1}],
        [
            {
                "id": 1,
                "name": "b",
                "is_default": True,
                "scheduler_cluster_id": 1,
                "seed_peer_cluster_id": 1,
                "scopes": {"cidrs": CANARY},
            }
        ],
        [CANARY],
        CANARY,
        7,
    ],
)
def test_an_unexpected_shape_is_named_without_its_content(fake: FakeManager, body: Any) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "GET", httpx2.Response(200, json=body))
    with pytest.raises(DfmcError, match="unexpected answer") as caught:
        run(manager.clusters())
    assert CANARY not in repr(caught.value) + str(caught.value)


def test_broken_json_is_an_unexpected_answer(fake: FakeManager) -> None:
    manager = signed_in(fake)
    for content in (b"[{", b"[" * 100_000, b"\xff", b'"' + b"x" * 100):
        broken = httpx2.Response(200, content=content, headers={"Content-Type": "application/json"})
        fake.before = on_path(CLUSTERS, "GET", broken)
        with pytest.raises(DfmcError, match="unexpected answer"):
            run(manager.clusters())


def test_what_the_manager_says_is_masked_and_stripped(fake: FakeManager) -> None:
    manager = signed_in(fake, mask=lambda text: text.replace(CANARY, "***"))
    said = httpx2.Response(422, json={"errors": f"\x1b[31mbad {CANARY}\x07" + "!" * 1000})
    fake.before = on_path(CLUSTERS, "POST", said)
    with pytest.raises(DfmcError) as caught:
        create(manager)
    assert CANARY not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(caught.value.why) < 700


def test_a_scheduler_row_keeps_what_the_manager_leaves_out_empty(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.schedulers[:] = [
        {
            "id": 3,
            "host_name": "s",
            "ip": "10.0.0.9",
            "port": 8002,
            "state": "active",
            "scheduler_cluster_id": 0,
            "features": None,
        }
    ]
    assert run(manager.schedulers()) == [SchedulerRecord(3, "s", "10.0.0.9", 8002, "active", 0)]


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["manager:8080", "ftp://m", "http://root:hunter2@m:8080", "http://", "http://m:port"])
def test_addresses_that_are_none(url: str, clock: FakeClock) -> None:
    with pytest.raises(PreflightError) as caught:
        RestManager(url, clock=clock)
    assert "hunter2" not in str(caught.value)


def test_a_certificate_that_cannot_be_trusted(clock: FakeClock) -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    with pytest.raises(IntegrityError, match="certificate"):
        run(client(refuse, clock).sign_in(ROOT))


def test_over_a_real_socket_without_the_proxies_of_the_environment(
    httpserver: HTTPServer, fake: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    def serve(request: Request) -> Response:
        answer = fake(
            httpx2.Request(request.method, request.url, headers=dict(request.headers), content=request.get_data())
        )
        assert "Cookie" not in request.headers
        return Response(answer.read(), answer.status_code, {k: v for k, v in answer.headers.items() if k != "link"})

    httpserver.expect_request("/api/v1/users/signin", method="POST").respond_with_handler(serve)
    httpserver.expect_request(CLUSTERS).respond_with_handler(serve)

    async def talk() -> list[ClusterRecord]:
        manager = RestManager(httpserver.url_for("/"))
        try:
            await manager.sign_in(ROOT)
            await manager.create_cluster(name="b", bio="dfmc:uid", scopes=ScopesRecord())
            return list(await manager.clusters())
        finally:
            await manager.close()

    assert [r.name for r in run(talk())] == ["cluster-1", "b"]
    httpserver.check_assertions()


def test_pauses_between_tries_grow(fake: FakeManager) -> None:
    manager = signed_in(fake)
    fake.before = on_path(CLUSTERS, "GET", *[REFUSED] * 6)
    run(manager.clusters())
    assert all(a <= b for a, b in pairwise(fake.clock.slept))

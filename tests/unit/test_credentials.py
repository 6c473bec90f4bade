import asyncio
import base64
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfmc.engine.credentials import generate, mark_root_password_set, read_given, read_stored, write
from dfmc.errors import ConflictError, PreflightError, RecoveryError
from dfmc.planning.credentials import (
    CredentialNeed,
    check_given,
    needed_credentials,
    plan_credentials,
    previous_root_passwords,
)
from dfmc.redaction import Redactor
from dfmc.topology.model import Topology
from fakes import FakeKube
from topologies import topology

KEYS = {"root-password", "jwt-key", "redis-password", "database-password", "database-root-password"}


def with_manager(**fields: Any) -> Topology:
    return topology(manager={"cluster": "a", **fields})


def need(key: str = "redis-password") -> CredentialNeed:
    return CredentialNeed(key, None, "manager.redisPassword")


def test_everything_is_generated_once_and_kept() -> None:
    kube, redactor, file = FakeKube(), Redactor(), topology()

    async def main() -> None:
        first = await write(file, kube, None, plan_credentials(file, None, {}), redactor)
        assert set(first.values) == KEYS
        assert len(set(first.values.values())) == len(KEYS)
        stored = await read_stored(file, kube, redactor)
        assert stored == first
        assert not plan_credentials(file, stored, {}).has_changes
        assert all(redactor.mask(value) != value for value in first.values.values())
        assert first.values["root-password"] not in repr(first)

    asyncio.run(main())


def test_generated_passwords_survive_the_charts_templates() -> None:
    for key in sorted(KEYS):
        for _ in range(50):
            value = generate(key)
            check_given(need(key), value)
            if key == "root-password":
                assert 8 <= len(value) <= 20
    assert len(generate("jwt-key")) >= 43


@pytest.mark.parametrize("value", ["p#w", "a: b", "12345678", "1e10", "true", "", "käse", 'quo"te', "with space"])
def test_what_the_chart_would_mangle_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(PreflightError) as caught:
        check_given(need(), value)
    assert not value or value not in str(caught.value)


def test_roots_password_has_the_managers_length() -> None:
    for value in ("short-7", "x" * 21):
        with pytest.raises(PreflightError, match="8 to 20"):
            check_given(need("root-password"), value)


def test_sources_are_read_from_environment_file_and_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DFMC_TEST_REDIS", "from-env")
    (tmp_path / "jwt").write_text("from-file\n")
    kube, redactor = FakeKube(), Redactor()
    data = {"pw": base64.b64encode(b"from-secret").decode()}
    secret = {"kind": "Secret", "metadata": {"name": "creds", "namespace": "vault"}, "data": data}
    file = with_manager(
        redisPassword={"env": "DFMC_TEST_REDIS"}, jwtKey={"file": "jwt"}, databasePassword={"secret": "vault/creds#pw"}
    )

    async def main() -> dict[str, str]:
        await kube.create(secret)
        return await read_given(file, kube, tmp_path, redactor)

    given = asyncio.run(main())
    assert given == {"redis-password": "from-env", "jwt-key": "from-file", "database-password": "from-secret"}
    assert redactor.mask("from-secret") != "from-secret"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"env": "DFMC_TEST_NOT_SET"}, "DFMC_TEST_NOT_SET is not set"),
        ({"file": "absent"}, "No such file"),
        ({"file": "."}, "not a regular file"),
        ({"file": "fifo"}, "not a regular file"),
        ({"file": "large"}, "larger than 4 KiB"),
        ({"file": "binary"}, "not text"),
        ({"secret": "ns/absent#key"}, "Secret ns/absent does not exist"),
    ],
)
def test_a_missing_source_names_field_and_reason(source: dict[str, str], why: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_text("x" * 5000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(PreflightError) as caught:
        asyncio.run(read_given(with_manager(redisPassword=source), FakeKube(), tmp_path, Redactor()))
    assert why in caught.value.why
    assert caught.value.where == "manager.redisPassword"


def test_the_bundled_databases_password_cannot_change() -> None:
    kube, redactor, file = FakeKube(), Redactor(), topology()
    stored = asyncio.run(write(file, kube, None, plan_credentials(file, None, {"database-password": "old"}), redactor))
    with pytest.raises(PreflightError, match=r"databasePassword differs"):
        plan_credentials(file, stored, {"database-password": "new"})
    external = with_manager(database={"host": "db.example", "password": {"env": "X"}})
    assert plan_credentials(external, stored, {"database-password": "new"}).replaced == ("database-password",)


def test_a_new_root_password_keeps_the_old_one_until_the_manager_has_it() -> None:
    kube, redactor, file = FakeKube(), Redactor(), topology()

    async def main() -> None:
        first = await write(file, kube, None, plan_credentials(file, None, {"root-password": "old-pass-1"}), redactor)
        first = await mark_root_password_set(file, kube, first)
        assert first.root_password_set
        plan = plan_credentials(file, first, {"root-password": "new-pass-2"})
        second = await write(file, kube, first, plan, redactor)
        assert not second.root_password_set
        assert second.values["root-password-previous"] == "old-pass-1"
        third = await mark_root_password_set(file, kube, second)
        assert "root-password-previous" not in third.values

    asyncio.run(main())


def test_every_password_that_the_manager_may_still_have_is_kept() -> None:
    """Two replacements, neither of which is known to have reached the manager."""
    kube, redactor, file = FakeKube(), Redactor(), topology()

    async def main() -> None:
        stored = await write(file, kube, None, plan_credentials(file, None, {"root-password": "the-first-1"}), redactor)
        stored = await mark_root_password_set(file, kube, stored)
        for password in ("the-second-2", "the-third-3"):
            stored = await write(
                file, kube, stored, plan_credentials(file, stored, {"root-password": password}), redactor
            )
        assert previous_root_passwords(stored.values) == ("the-second-2", "the-first-1")
        fresh = Redactor()
        await read_stored(file, kube, fresh)
        assert "the-first-1" not in fresh.mask("is it the-first-1?")
        back = await write(
            file, kube, stored, plan_credentials(file, stored, {"root-password": "the-first-1"}), redactor
        )
        assert previous_root_passwords(back.values) == ("the-third-3", "the-second-2")

    asyncio.run(main())


@pytest.mark.parametrize("key", ["root-password", "database-password"])
def test_no_password_is_made_up_for_data_that_knows_another(key: str) -> None:
    kube, redactor, file = FakeKube(), Redactor(), topology()
    stored = asyncio.run(write(file, kube, None, plan_credentials(file, None, {}), redactor))
    damaged = replace(stored, values={name: value for name, value in stored.values.items() if name != key})
    with pytest.raises(RecoveryError, match=f"has lost {key}") as caught:
        plan_credentials(file, damaged, {})
    assert caught.value.exit_code == 12
    assert plan_credentials(file, damaged, {key: "given-again-1"}).generate == ()


def test_bytes_that_are_no_text_are_an_error_of_the_secret() -> None:
    kube, file = FakeKube(), topology()
    bad = {"root-password": base64.b64encode(b"\xff\xfe").decode()}
    metadata = {
        "name": "dfmc-dragonfly",
        "namespace": "cluster-a",
        "annotations": {"dfmc.io/topology": "guide", "dfmc.io/uid": "u"},
    }

    async def main() -> None:
        await kube.create({"kind": "Secret", "metadata": metadata, "data": bad})
        with pytest.raises(PreflightError, match="key root-password cannot be read"):
            await read_stored(file, kube, Redactor())
        theirs = {"name": "creds", "namespace": "vault"}
        await kube.create({"kind": "Secret", "metadata": theirs, "data": {"pw": "/w=="}})
        given = with_manager(redisPassword={"secret": "vault/creds#pw"})
        with pytest.raises(PreflightError, match="vault/creds, key pw cannot be read"):
            await read_given(given, kube, Path(), Redactor())

    asyncio.run(main())


def test_a_secret_of_somebody_else_is_a_conflict() -> None:
    kube, file = FakeKube(), topology()
    secret = {"kind": "Secret", "metadata": {"name": "dfmc-dragonfly", "namespace": "cluster-a"}, "data": {}}

    async def main() -> None:
        await kube.create(secret)
        with pytest.raises(ConflictError, match="dfmc did not write it"):
            await read_stored(file, kube, Redactor())

    asyncio.run(main())


def test_writing_over_somebody_elses_change_is_refused() -> None:
    kube, redactor, file = FakeKube(), Redactor(), topology()

    async def main() -> None:
        first = await write(file, kube, None, plan_credentials(file, None, {}), redactor)
        await mark_root_password_set(file, kube, first)
        with pytest.raises(ConflictError, match="changed while"):
            await mark_root_password_set(file, kube, first)

    asyncio.run(main())


def test_external_services_need_their_own_credentials_only() -> None:
    file = with_manager(
        database={"host": "db.example", "password": {"env": "DB"}}, redis={"addresses": ["redis.example:6379"]}
    )
    needs = {n.key: n.optional for n in needed_credentials(file)}
    expected = {"root-password": False, "jwt-key": False, "redis-password": True, "database-password": False}
    assert needs == expected
    assert plan_credentials(file, None, {"database-password": "x"}).generate == ("root-password", "jwt-key")

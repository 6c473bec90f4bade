"""What somebody has changed in a release's configuration, setting by setting."""

from __future__ import annotations

import random
import string

import pytest
import yaml

from dfmc.clients.kube.edits import edited_config_map, edited_fields
from dfmc.redaction import MASK
from dfmc.state import EditedField

FILE = "scheduler.yaml"
WANTED = (
    "manager:\n  addr: dragonfly-manager:65003\n  schedulerClusterID: 2\ndatabase:\n  redis:\n    addrs: [redis:6379]\n"
)


def test_each_changed_setting_is_named_with_what_stands_there_and_what_should() -> None:
    seen = WANTED.replace("ID: 2", "ID: 1").replace("redis:6379", "elsewhere:6379").replace("  addr:", "  address:")
    assert set(edited_fields(FILE, seen, WANTED)) == {
        EditedField("scheduler.yaml: manager.schedulerClusterID", "1", "2"),
        EditedField("scheduler.yaml: manager.addr", None, "dragonfly-manager:65003"),
        EditedField("scheduler.yaml: manager.address", "dragonfly-manager:65003", None),
        EditedField("scheduler.yaml: database.redis.addrs[0]", "elsewhere:6379", "redis:6379"),
    }


@pytest.mark.parametrize("seen", ['schedulerClusterID: "2"', "schedulerClusterID: 2.0", "schedulerClusterID: true"])
def test_the_same_value_of_another_type_is_a_difference(seen: str) -> None:
    wanted = "schedulerClusterID: 1" if "true" in seen else "schedulerClusterID: 2"
    assert len(edited_fields(FILE, seen, wanted)) == 1


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ("# looked at\n" + WANTED, WANTED),
        ("just words", WANTED),
        ("a: [", WANTED),
        ("day: 2026-99-99", WANTED),
        (None, WANTED),
        (WANTED, None),
    ],
)
def test_what_is_no_setting_has_no_fields_but_is_an_edit(seen: str | None, wanted: str | None) -> None:
    assert edited_fields(FILE, seen, wanted) == ()
    live = {"metadata": {"name": "c"}, "data": {} if seen is None else {FILE: seen}}
    edit = edited_config_map(live, {} if wanted is None else {FILE: wanted})
    assert edit is not None
    assert edit.keys == (FILE,)


def test_anchors_that_unfold_without_end_are_not_followed() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    bomb = "\n".join(lines)
    assert edited_fields(FILE, bomb, bomb.replace("[x,", "[y,")) == ()


def test_no_password_is_shown_that_somebody_typed() -> None:
    seed = random.randrange(10**9)  # noqa: S311 - test data
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - test data
    for key in ("password", "redisPassword", "key", "privateKey", "accessToken", "dsn", "url"):
        canary = "".join(chance.choices(string.ascii_letters, k=16))
        value = f"redis://root:{canary}@redis:6379/0" if key == "url" else canary
        for content in ({key: value}, {"auth": [{"jwt": {key: value}}]}, {key: {"deep": value}}):
            found = edited_fields(FILE, yaml.safe_dump(content), "other: 1")
            assert found
            assert canary not in repr(found)
            assert MASK in repr(found)


def test_a_long_text_is_cut_to_one_line() -> None:
    (field,) = edited_fields(FILE, yaml.safe_dump({"a": "word\n" * 500}), "a: b")
    assert field.seen is not None
    assert len(field.seen) <= 80
    assert "\n" not in field.seen

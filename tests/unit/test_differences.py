from hypothesis import given
from hypothesis import strategies as st

from dfmc.planning.differences import missing_from, value_differences
from dfmc.redaction import MASK
from dfmc.symbols import Pending, SecretRef, Symbol, resolve, symbols_in

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
TREES = st.recursive(
    LEAVES,
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), kids, max_size=3),
    max_leaves=12,
)


def unknown(symbol: Symbol) -> Symbol:
    return symbol


@given(TREES)
def test_a_tree_does_not_differ_from_itself(tree: object) -> None:
    assert value_differences(tree, tree, unknown) == ()


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), LEAVES.filter(lambda x: x is not None), min_size=1))
def test_every_changed_leaf_is_found_once(old: dict[str, object]) -> None:
    new = {key: [value] for key, value in old.items()}
    assert {change.path for change in value_differences(old, new, unknown)} == set(old)


def test_fields_are_named_by_their_path() -> None:
    changes = value_differences(
        {"a": {"b": 1, "gone": 2}, "l": [1, 2]}, {"a": {"b": 3}, "l": [1, 5], "new": {"x": "y"}}, unknown
    )
    assert [str(change) for change in changes] == [
        "a.b: 1 → 3",
        "a.gone: 2 → (unset)",
        "l[1]: 2 → 5",
        "new.x: (unset) → y",
    ]


def test_an_unknown_id_always_differs_and_a_known_one_is_compared() -> None:
    wanted = {"id": Pending("record:b/scheduler_cluster_id")}
    assert [str(c) for c in value_differences({"id": 2}, wanted, unknown)] == ["id: 2 → (known after apply)"]
    assert value_differences({"id": 2}, wanted, lambda symbol: 2) == ()


def test_secrets_are_compared_but_never_shown() -> None:
    wanted = {"password": SecretRef("redis-password")}
    assert value_differences({"password": "canary-1"}, wanted, lambda symbol: "canary-1") == ()
    (change,) = value_differences({"password": "canary-1"}, wanted, lambda symbol: "canary-2")
    assert (change.old, change.new) == (MASK, MASK)
    (change,) = value_differences({}, wanted, unknown)
    assert (change.old, change.new) == (None, MASK)


def test_credentials_that_somebody_wrote_into_values_are_masked_as_well() -> None:
    old = {
        "auth": {"oauth": {"clientSecretKey": "sesame-1"}, "password": 12345678},
        "mirror": "https://user:sesame-2@registry.example",
        "env": [{"name": "A", "password": "sesame-3"}],
        "redis": {"auth": {"existingSecret": "mine"}},
        "tolerations": [{"key": "dedicated"}],
    }
    shown = "\n".join(str(change) for change in value_differences(old, {}, unknown))
    shown += "\n".join(str(change) for change in value_differences({}, old, unknown))
    assert "sesame" not in shown
    assert "12345678" not in shown
    assert f"auth.password: {MASK} → (unset)" in shown
    assert "redis.auth.existingSecret: mine → (unset)" in shown
    assert "dedicated" in shown


def test_an_explicit_null_counts_when_the_release_does_not_have_it() -> None:
    assert [c.path for c in value_differences({}, {"host": {"id": None}}, unknown)] == ["host.id"]
    assert value_differences({"host": {"id": None}}, {"host": {"id": None}}, unknown) == ()


def test_live_objects_may_have_more_than_is_wanted() -> None:
    live = {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 1, "nodePort": 30950}]}
    assert missing_from(live, {"type": "NodePort", "ports": [{"port": 1}]}) == ()
    (change,) = missing_from(live, {"ports": [{"port": 2}]})
    assert str(change) == "ports[0].port: 1 → 2"
    assert [c.path for c in missing_from(None, {"type": "NodePort"})] == ["type"]


def test_resolve_replaces_symbols_and_leaves_the_tree_alone() -> None:
    tree = {"a": [Pending("x"), {"b": SecretRef("y")}], "c": 1}
    assert resolve(tree, lambda symbol: symbol.key) == {"a": ["x", {"b": "y"}], "c": 1}
    assert set(symbols_in(tree)) == {("a", "0"), ("a", "1", "b")}

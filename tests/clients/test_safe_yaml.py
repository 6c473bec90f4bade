import pytest
import yaml

from dfmc.clients.safe_yaml import load_yaml


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
        b"{a: " * 50_000,
        b"- " * 100_000,
        b"? " * 100_000,
        b"\n".join(b" " * n + b"a:" for n in range(1, 3000)),
    ],
    ids=["lists", "closed lists", "maps", "dashes", "keys", "indentation"],
)
def test_deep_nesting_is_an_error_and_not_a_crash(text: bytes) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


def test_long_and_wide_texts_are_read() -> None:
    assert load_yaml(b"a: {b: [1]}\n") == {"a": {"b": [1]}}
    assert load_yaml(b"- [x]\n" * 5000) == [["x"]] * 5000
    assert load_yaml(b"a: '" + b"-" * 5000 + b"'\n") == {"a": "-" * 5000}
    assert load_yaml(b"") is None

import base64
import json
from urllib.parse import quote

from dfmc.redaction import MASK, Redactor


def test_a_secret_is_masked_in_every_form_it_takes() -> None:
    secret = 'canary/"7 x'
    redactor = Redactor()
    redactor.add(secret)
    encoded = base64.b64encode(secret.encode()).decode()
    for form in (secret, json.dumps(secret), quote(secret, safe=""), encoded):
        masked = redactor.mask(f"helm said: {form}!")
        assert MASK in masked
        assert "canary" not in masked
        assert encoded not in masked


def test_a_secret_that_contains_another_leaves_no_remainder() -> None:
    redactor = Redactor()
    redactor.add("password1", "password1-and-more")
    assert redactor.mask("x password1-and-more y password1 z") == f"x {MASK} y {MASK} z"


def test_short_words_are_not_secrets() -> None:
    redactor = Redactor()
    redactor.add("", "a", "root")
    assert redactor.mask("root a") == "root a"

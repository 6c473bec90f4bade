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


def test_a_short_secret_is_masked_where_it_stands_alone_and_words_stay_whole() -> None:
    redactor = Redactor()
    redactor.add("", "a", "db", "pw1")
    shown = redactor.mask("a db, password=pw1, 'pw1' in pw12 and xpw1; " + base64.b64encode(b"pw1").decode())
    assert shown == f"a db, password={MASK}, '{MASK}' in pw12 and xpw1; {MASK}"


def test_a_secret_that_is_no_valid_utf_8_is_no_reason_to_stop() -> None:
    redactor = Redactor()
    redactor.add("caf\udce9-canary")
    assert redactor.mask("it is caf\udce9-canary") == f"it is {MASK}"

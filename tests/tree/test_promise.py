"""A promise is a statement's place by a time, signed by the one key that entry 0 names for it."""

from __future__ import annotations

import pytest

from ledger.errors import Malformed, Refused
from ledger.keys import SigningKey
from ledger.statement import StatementId, instant_us
from ledger.tree.note import Signer, sign_note
from ledger.tree.promise import MAX_PROMISE_BYTES, open_promise, sign_promise

ORIGIN = "hall.example/log/0123456789abcdef0123456789abcdef"
KEY = SigningKey.generate()
STATEMENT = StatementId(bytes(range(32)))
BY_US = instant_us("2026-11-23T14:00:00.123456Z")


def test_what_was_promised_is_what_is_opened() -> None:
    promise = open_promise(sign_promise(ORIGIN, STATEMENT, BY_US, KEY), origin=ORIGIN, receipt_key=KEY.public)
    assert (promise.statement, promise.by_us) == (STATEMENT, BY_US)
    assert instant_us(promise.by) == BY_US


def test_its_text_is_the_one_of_the_specification() -> None:
    text = sign_promise(ORIGIN, STATEMENT, BY_US, KEY).decode().partition("\n\n")[0]
    assert text == f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex()}\n2026-11-23T14:00:00.123456Z"


def test_a_promise_with_any_byte_changed_is_refused() -> None:
    good = sign_promise(ORIGIN, STATEMENT, BY_US, KEY)
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        with pytest.raises(Refused):
            open_promise(bad, origin=ORIGIN, receipt_key=KEY.public)


def test_another_key_or_another_log_promises_nothing() -> None:
    with pytest.raises(Refused):
        open_promise(
            sign_promise(ORIGIN, STATEMENT, BY_US, SigningKey.generate()), origin=ORIGIN, receipt_key=KEY.public
        )
    other = ORIGIN.replace("hall", "other")
    with pytest.raises(Refused):
        open_promise(sign_promise(other, STATEMENT, BY_US, KEY), origin=ORIGIN, receipt_key=KEY.public)
    lines = f"mingjian promise v1\n{other}\n{STATEMENT.hex()}\n2026-11-23T14:00:00Z\n"
    with pytest.raises(Refused, match="another log"):
        open_promise(signed(lines), origin=ORIGIN, receipt_key=KEY.public)


@pytest.mark.parametrize(
    "text",
    [
        f"mingjian promise v2\n{ORIGIN}\n{STATEMENT.hex()}\n2026-11-23T14:00:00Z\n",
        f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex()}\n",
        f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex()}\n2026-11-23T14:00:00Z\nmore\n",
        f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex().upper()}\n2026-11-23T14:00:00Z\n",
        f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex()[2:]}\n2026-11-23T14:00:00Z\n",
        f"mingjian promise v1\n{ORIGIN}\nno hex\n2026-11-23T14:00:00Z\n",
        f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex()}\nsoon\n",
        f"mingjian promise v1\n{ORIGIN}\n{STATEMENT.hex()}\n" + "9" * MAX_PROMISE_BYTES + "\n",
    ],
    ids=["version", "short", "long", "upper case", "half an id", "no id", "no time", "size"],
)
def test_what_the_key_signed_and_is_no_promise_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        open_promise(signed(text), origin=ORIGIN, receipt_key=KEY.public)


def signed(text: str) -> bytes:
    return sign_note(text, Signer(ORIGIN, KEY))

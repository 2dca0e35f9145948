"""An evidence file may come from anybody: whatever is in it, the answer is what it shows or that it shows nothing."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import NotFound, Refused
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, sign_checkpoint
from ledger.tree.merkle import leaf_hash, prove_inclusion, root_of
from ledger.tree.note import Signer, VerifierKey
from ledger.tree.policy import Log, Policy
from ledger.verify.evidence import (
    ContradictionError,
    Finding,
    changed,
    check_evidence,
    check_joined,
    fork,
    rollback,
    rule,
    unproven,
    withheld,
)

KEY = SigningKey.from_seed(b"log".ljust(32))
POLICY = Policy(logs=(Log(VerifierKey("log.example/1", KEY.public)),))


def leaves(size: int, salt: int = 0) -> list[bytes]:
    """Of one history, and from entry 3 on of another for each ``salt``."""
    return [leaf_hash(bytes([at, salt if at >= 3 else 0])) for at in range(size)]


def head(size: int, salt: int = 0, key: SigningKey = KEY) -> SignedCheckpoint:
    note = sign_checkpoint(Checkpoint("log.example/1", size, root_of(leaves(size, salt))), Signer("log.example/1", key))
    policy = Policy(logs=(Log(VerifierKey("log.example/1", key.public)),))
    return open_checkpoint(note, policy)


def tiles(size: int, salt: int = 0) -> Any:
    return lambda _level, _index, width: b"".join(leaves(size, salt)[:width])


def found(old: SignedCheckpoint, new: SignedCheckpoint, salt: int) -> Finding | None:
    try:
        check_joined(old, new, tiles(new.checkpoint.size, salt))
    except ContradictionError as error:
        return error.finding
    return None


def written(finding: Finding) -> dict[str, Any]:
    return finding.as_json(0)


@given(st.integers(1, 60), st.integers(0, 60), st.booleans())
def test_two_heads_are_a_fork_exactly_when_they_are_of_two_histories(size: int, more: int, other: bool) -> None:
    old, new = head(size), head(size + more, salt=int(other))
    finding = found(old, new, int(other))
    if other and size > 3:
        assert finding is not None
        shown = check_evidence(json.dumps(written(finding)).encode(), POLICY)
        assert (shown.kind, shown.stands) == ("fork", "alone")
    else:
        assert finding is None


def test_one_history_cannot_be_made_to_look_like_two() -> None:
    """Whoever holds two heads of one history has no path and root that accuse it."""
    old, new = head(5), head(20)
    for salt in (0, 1):
        body = written(fork(old, new, root=root_of(leaves(5, salt)), path=[], sources=()))
        honest = found(head(5), head(20, 1), 1)
        assert honest is not None
        for path in ([], honest.body["path"]):
            with pytest.raises(Refused):
                check_evidence(json.dumps(body | {"path": path}).encode(), POLICY)


def findings() -> list[dict[str, Any]]:
    """One of each kind that needs no whole ledger."""
    entry = bytes([7, 0])
    path = prove_inclusion(7, 20, tiles(20))
    forked = found(head(5), head(20, 1), 1)
    assert forked is not None
    gone = NotFound("", name="tile/entries/000.p/20")
    bundle = b"".join(len(one).to_bytes(2) + one for one in (bytes([at, at == 7]) for at in range(20)))
    return [
        written(forked),
        written(rollback(head(20), head(5))),
        written(unproven(head(20), head(5))),
        written(withheld(head(20), gone)),
        written(rule(head(20), 7, entry, path, code="chain", detail="")),
        written(changed(head(20), gone.details["name"], bundle, entry=(7, leaf_hash(entry), path))),
    ]


@pytest.mark.parametrize("number", range(6))
def test_each_kind_shows_what_it_says_and_only_under_the_log_s_own_key(number: int) -> None:
    body = findings()[number]
    assert check_evidence(json.dumps(body).encode(), POLICY).kind == body["kind"]
    stranger = Policy(logs=(Log(VerifierKey("log.example/1", SigningKey.generate().public)),))
    with pytest.raises(Refused):
        check_evidence(json.dumps(body).encode(), stranger)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.sampled_from(findings()), st.data())
def test_nothing_in_it_is_ever_more_than_refused(body: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(body)))
    value = body[name]
    if isinstance(value, list) and value and data.draw(st.booleans()):
        changed_ = list(value)
        changed_[data.draw(st.integers(0, len(value) - 1))] = data.draw(JSON)
    elif isinstance(value, str) and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(value)))
        changed_ = value[:at] + data.draw(st.text(max_size=3)) + value[at + data.draw(st.integers(0, 3)) :]
    else:
        changed_ = data.draw(JSON)
    with contextlib.suppress(Refused):
        check_evidence(json.dumps(body | {name: changed_}).encode(errors="surrogatepass"), POLICY)


def test_a_finding_is_written_once_and_never_over(tmp_path: Path) -> None:
    finding = rollback(head(20), head(5))
    path = finding.save(tmp_path, 1)
    before = path.read_bytes()
    assert finding.save(tmp_path, 2) == path
    assert path.read_bytes() == before
    assert rollback(head(20), head(6)).save(tmp_path, 1) != path
    # Notes stand in it as they were signed.
    assert json.loads(before)["notes"][1].encode() == head(5).note

"""Outside time: witnesses and RFC 3161 authorities bracket every entry, and a batch that lies about its time shows.

The authority is OpenSSL's own (``openssl ts``): nothing here makes a token itself.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.facts.registry import CLOCK_ACTOR
from ledger.facts.times import stamped_text, token_data
from ledger.statement import instant_text, instant_us, open_statement
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.heads import HeadTree, Row, stream_hash
from ledger.tree.note import Algorithm, Signer, add_lines, split_note
from ledger.tree.policy import Group, Policy, Witness
from ledger.verify.log import Verdict, verify_log
from ledger.verify.times import Brackets

CLOCK = {"actor": CLOCK_ACTOR, "role": "system_clock"}


@pytest.fixture
def witnesses(keys: Any) -> list[Signer]:
    return [Signer(f"witness.example/w{n}", keys(f"witness {n}"), Algorithm.COSIGNATURE_V1) for n in (1, 2, 3)]


@pytest.fixture
def policy(book: Any, witnesses: list[Signer]) -> Policy:
    """Two of three witnesses."""
    known = tuple(Witness(f"w{n}", witness.key) for n, witness in enumerate(witnesses, start=1))
    return Policy(book.policy.logs, known, (Group("all", 2, ("w1", "w2", "w3")),), "all")


@pytest.fixture
def audit(tmp_path: Path, policy: Policy, keys: Any, witnesses: list[Signer]) -> Callable[..., Verdict]:
    """The verdict on a book whose own head is cosigned ``late`` minutes after its last batch."""

    def audit(book: Any, *, late: int = 1) -> Verdict:
        folder = book.write(tmp_path / "log")
        note = (folder / "checkpoint").read_bytes()
        (folder / "checkpoint").write_bytes(cosigned(book, note, witnesses[:2], minutes=late))
        return verify_log(folder, policy, workers=1)

    return audit


def cosigned(book: Any, note: bytes, witnesses: list[Signer], *, minutes: int = 0) -> bytes:
    text = split_note(note).text
    time_s = instant_us(book.now) // 1_000_000 + 60 * minutes
    return add_lines(split_note(note), [witness.sign(text, time_s=time_s) for witness in witnesses])


def head_of(book: Any, keys: Any, size: int | None = None) -> bytes:
    size = book.size if size is None else size
    return sign_checkpoint(Checkpoint(book.origin, size, book.root(size)), Signer(book.origin, keys("log")))


def carry(book: Any, note: bytes, *, minutes: int = 1, **how: Any) -> int:
    return int(book.seal(data={"checkpoint": note.decode()}, minutes=minutes, **how))


def first(verdict: Verdict) -> tuple[int | str, str]:
    assert verdict.faults, "it was found good"
    return verdict.faults[0].where, verdict.faults[0].code


# ----------------------------------------------------------------------------------------------------- brackets


@given(
    st.lists(
        st.tuples(st.integers(1, 15), st.integers(0, 9), st.none() | st.integers(0, 15), st.integers(0, 9)), max_size=12
    )
)
def test_a_bracket_is_the_tightest_that_any_evidence_gives(evidence: list[Any]) -> None:
    brackets = Brackets()
    for size, latest, index, earliest in evidence:
        brackets.add(size=size, latest_us=latest, index=index, earliest_us=earliest)
    for at in range(17):
        found = brackets.interval(at, seen_size=at)
        assert found.before_us == min([latest for size, latest, _, _ in evidence if size > at], default=None)
        stands = [earliest for _, _, index, earliest in evidence if index is not None and index < at]
        assert found.after_us == max(stands, default=None)


def test_without_witnesses_nothing_is_bracketed(book: Any, tmp_path: Path) -> None:
    verdict = verify_log(book.write(tmp_path / "log"), book.policy, workers=1)
    assert verdict.ok
    assert verdict.times is not None
    assert (verdict.times.cosigned, verdict.times.bounded_above) == (0, 0)


def test_the_head_that_is_checked_bounds_all_from_above(book: Any, audit: Any) -> None:
    times = audit(book).times
    # Entries 0 and 1 stand in no batch.
    assert (times.bounded_above, times.bounded_below, times.bounded) == (book.size - 2, 0, 0)


def test_what_comes_after_a_carried_head_is_bracketed_from_both_sides(
    book: Any, audit: Any, keys: Any, witnesses: Any
) -> None:
    at = carry(book, cosigned(book, head_of(book, keys), witnesses[:2]))
    verdict = audit(book)
    assert verdict.ok
    assert (verdict.times.cosigned, verdict.times.bounded) == (2, book.size - at)
    assert verdict.times.widest_us == (60 + 60 + 1) * 1_000_000


@pytest.mark.parametrize(("minutes", "ok"), [(-5, True), (-6, False)])
def test_a_batch_is_not_before_what_it_carries(
    book: Any, audit: Any, keys: Any, witnesses: Any, minutes: int, ok: bool
) -> None:
    """A back-dated batch: the witnesses had signed, later than its time, what it carries."""
    note = cosigned(book, head_of(book, keys), witnesses[:2], minutes=-minutes)
    at = carry(book, note, minutes=0)
    verdict = audit(book, late=10)
    assert verdict.ok if ok else first(verdict) == (at, "bracket")


@pytest.mark.parametrize(("late", "ok"), [(-5, True), (-7, False)])
def test_a_batch_is_not_after_the_first_cosignature_that_covers_it(book: Any, audit: Any, late: int, ok: bool) -> None:
    """A batch that claims to be of later than it was: its tree was cosigned before."""
    book.imported(1, 3)
    at = book.seal(minutes=5)
    verdict = audit(book, late=late)
    assert verdict.ok if ok else first(verdict) == (at, "bracket")


def test_the_first_batch_too_late_is_named(book: Any, audit: Any) -> None:
    late = [book.seal(minutes=30), book.seal(minutes=30)]
    assert first(audit(book, late=-50)) == (late[0], "bracket")


def test_one_witness_against_two_moves_no_bound(book: Any, audit: Any, keys: Any, witnesses: Any) -> None:
    note = cosigned(book, head_of(book, keys), witnesses[:2])
    liar = cosigned(book, note, witnesses[2:], minutes=60)
    carry(book, liar)
    assert audit(book).ok
    note = cosigned(book, cosigned(book, head_of(book, keys), witnesses[:1]), witnesses[1:], minutes=60)
    at = carry(book, note)
    assert first(audit(book, late=60)) == (at, "bracket")


def test_less_than_a_quorum_gives_no_time_and_is_no_fault(book: Any, audit: Any, keys: Any, witnesses: Any) -> None:
    carry(book, cosigned(book, head_of(book, keys), witnesses[:1], minutes=600))
    verdict = audit(book)
    assert verdict.ok
    assert verdict.times.cosigned == 1  # the head that is checked


def test_simulated_batches_are_not_measured(book: Any, audit: Any, keys: Any, witnesses: Any) -> None:
    note = cosigned(book, head_of(book, keys), witnesses[:2], minutes=600)
    book.seal(data={"checkpoint": note.decode(), "simulated": True})
    verdict = audit(book, late=600)
    assert (verdict.ok, verdict.simulated) == (True, 1)


def test_a_carried_head_must_be_signed_by_the_log_and_no_known_line_may_be_bad(
    book: Any, audit: Any, keys: Any, witnesses: Any
) -> None:
    good = cosigned(book, head_of(book, keys), witnesses[:2])
    text, lines = split_note(good).text, split_note(good).lines
    another = Signer(book.origin, keys("another"))
    bad = add_lines(split_note(good), [witnesses[0].sign(text + "x\n", time_s=1)])
    for note in (text.encode() + "\n".join(["", *map(str, lines[1:]), ""]).encode(), bad):
        changed = deepcopy(book)
        at = carry(changed, note)
        assert first(audit(changed)) == (at, "carried")
    carry(book, add_lines(split_note(good), [another.sign(text)]))
    verdict = audit(book)
    assert (verdict.ok, list(verdict.unknown_carried.values())) == (True, [1])
    assert next(iter(verdict.unknown_carried)).startswith(f"{book.origin}+")


def test_claimed_times_outside_are_listed_with_their_bracket(book: Any, audit: Any) -> None:
    source = {"source": "permits", "sha256": "00", "bytes": 1, "cases": 1, "events": 1}
    how = {"actor": "source/permits", "role": "source_adapter"}
    for _ in range(25):
        book.say("import.started.v1", "import/permits", source, at="2031-01-01T00:00:00Z", **how)
    at = book.seal()
    verdict = audit(book)
    assert (verdict.outside, len(verdict.outside_first)) == (25, 20)
    one = verdict.outside_first[0]
    assert (one.index, instant_text(one.before_us)) == (at + 1, book.now)


# --------------------------------------------------------------------------------------------------- case heads


def heads(book: Any, size: int) -> dict[str, Any]:
    last = {act.stream: act for act in map(open_statement, book.entries[:size])}
    tree = HeadTree()
    tree.update([Row(stream_hash(act.stream), act.seq, act.id) for act in last.values()])
    return tree.heads(size).as_data()


def test_case_heads_are_computed_again(book: Any, audit: Any) -> None:
    book.say("heads.stated.v1", "heads", heads(book, 9), **CLOCK)
    book.seal()
    book.say("heads.stated.v1", "heads", heads(book, book.size), **CLOCK)
    book.seal()
    assert audit(book).ok
    data = heads(book, book.size)
    for lie in ({"root": "00" * 32}, {"count": data["count"] - 1}):
        changed = deepcopy(book)
        changed.say("heads.stated.v1", "heads", data | lie, **CLOCK)
        at = changed.seal()
        assert first(audit(changed)) == (at + 1, "heads")


def test_case_heads_that_leave_a_statement_out_are_refused(book: Any, audit: Any) -> None:
    """The tail of a case is cut: the heads are those of a tree one entry shorter."""
    data = heads(book, book.size - 1) | {"size": book.size}
    book.say("heads.stated.v1", "heads", data, **CLOCK)
    at = book.seal()
    assert first(audit(book)) == (at + 1, "heads")


# -------------------------------------------------------------------------------------------------- time tokens


@pytest.fixture
def timed(new_book: Any, authority: Any) -> Any:
    """A log of now, in which the authority stands in entry 0."""
    book = new_book.opened(time_authorities={"openssl": {"certificate": authority.root.hex()}})
    book.now = instant_text(_now_us() - 60_000_000)
    book.add_key("source/permits")
    book.seal(minutes=0)
    return book


def _now_us() -> int:
    return time.time_ns() // 1000


def token(book: Any, authority: Any, *, size: int | None = None, **how: Any) -> dict[str, Any]:
    size = book.size if size is None else size
    message = how.pop("message", stamped_text(book.origin, size, book.root(size)))
    stamped = authority.stamp(message, by=how.pop("by", "tsa"))
    return token_data(size=size, root=book.root(size), authority="openssl", token=stamped) | how


def state(book: Any, data: dict[str, Any]) -> int:
    book.say("log.time_token.v1", "log/time", data, **CLOCK)
    return int(book.seal(minutes=0)) + 1


def test_a_token_bounds_what_it_covers_and_what_follows(timed: Any, authority: Any, tmp_path: Path) -> None:
    covered = timed.size
    state(timed, token(timed, authority))
    timed.imported(1, 0)
    timed.seal(minutes=2)
    verdict = verify_log(timed.write(tmp_path / "log"), timed.policy, workers=1)
    assert verdict.faults == ()
    assert verdict.times is not None
    assert (verdict.times.tokens, verdict.times.bounded_above, verdict.times.bounded_below) == (1, covered - 2, 2)


def test_a_batch_that_claims_to_be_later_than_the_token_over_it(timed: Any, authority: Any, tmp_path: Path) -> None:
    at = timed.seal(minutes=60)
    state(timed, token(timed, authority))
    assert first(verify_log(timed.write(tmp_path / "log"), timed.policy, workers=1)) == (at, "bracket")


def test_a_token_over_a_head_that_never_was(timed: Any, authority: Any, tmp_path: Path) -> None:
    lie = "11" * 32
    data = token(timed, authority, message=stamped_text(timed.origin, timed.size, bytes.fromhex(lie)), root=lie)
    at = state(timed, data)
    assert first(verify_log(timed.write(tmp_path / "log"), timed.policy, workers=1)) == (at, "time-token")


def test_tokens_that_do_not_hold(timed: Any, authority: Any, tmp_path: Path) -> None:
    authority.issue("expired", days="-1")
    (tmp_path / "other").mkdir()
    other = type(authority)(tmp_path / "other")
    good = token(timed, authority)
    spoiled = bytearray(b64decode(good["rfc3161"]))
    spoiled[-20] ^= 1
    cases = {
        "imprint": good | {"size": 2, "root": timed.root(2).hex()},
        "other root": token(timed, other),
        "expired": token(timed, authority, by="expired"),
        "unknown authority": good | {"authority": "nobody"},
        "changed": good | {"rfc3161": b64encode(spoiled).decode()},
        "cut": good | {"rfc3161": b64encode(spoiled[:100]).decode()},
        "empty": good | {"rfc3161": ""},
        "not yet seen": good | {"size": timed.size + 1},
    }
    for name, data in cases.items():
        book = deepcopy(timed)
        at = state(book, data)
        found = verify_log(book.write(tmp_path / "log"), book.policy, workers=1)
        assert first(found)[0] == at, name
        assert first(found)[1] in ("invalid", "malformed"), name


def test_two_officers_accept_an_authority_and_drop_it(book: Any, authority: Any, tmp_path: Path) -> None:
    book.now = instant_text(_now_us() - 60_000_000)
    book.agree("authority.accepted.v1", "authority/openssl", {"certificate": authority.root.hex()})
    book.seal(minutes=0)
    state(book, token(book, authority))
    book.agree("authority.dropped.v1", "authority/openssl", {})
    book.seal(minutes=0)
    assert verify_log(book.write(tmp_path / "log"), book.policy, workers=1).ok
    at = state(book, token(book, authority))
    assert first(verify_log(book.write(tmp_path / "log"), book.policy, workers=1)) == (at, "invalid")


def test_one_officer_alone_accepts_no_authority(book: Any, first_fault: Any, authority: Any) -> None:
    content = {"certificate": authority.root.hex()}
    stream, how = "authority/mine", {"actor": "staff/lin", "role": "key_officer"}
    change = {"change": "authority.accepted.v1", "content": content}
    proposal = book.say("authority.change_proposed.v1", stream, change, **how)
    book.say("authority.accepted.v1", stream, content | {"proposal": proposal.hex()}, **how)
    at = book.seal()
    assert first_fault(book) == (at + 2, "invalid")


@pytest.fixture
def first_fault(tmp_path: Path) -> Callable[[Any], tuple[int | str, str]]:
    return lambda book: first(verify_log(book.write(tmp_path / "log"), book.policy, workers=1))


def test_tokens_and_batches_stand_in_their_own_streams(timed: Any, authority: Any, first_fault: Any) -> None:
    for type_, stream in (("log.time_token.v1", "log/other"), ("log.voided.v1", "log/time")):
        book = deepcopy(timed)
        data = token(book, authority) if type_.startswith("log.t") else {"statement": "00" * 32, "reason": "role"}
        book.say(type_, stream, data, **CLOCK)
        at = book.seal()
        assert first_fault(book) == (at + 1, "invalid")


def test_a_batch_is_opened_in_the_stream_of_the_log_only(book: Any, first_fault: Any) -> None:
    at = book.size
    book.entries.append(book.sign("log.batch.v1", "log/time", {"size": 0}, **CLOCK))
    assert first_fault(book) == (at, "batch")

"""A lying operator: every hash, tile and head is made anew under the true log key, and still each lie shows."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.facts.registry import next_key_digest
from ledger.facts.types import TYPES
from ledger.keys import SigningKey
from ledger.statement import StatementId, draft_bytes, join_signature, open_statement, sign_statement
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import EMPTY_ROOT
from ledger.tree.note import Signer
from ledger.verify.log import Verdict, verify_log
from ledger.verify.words import REASONS


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., Verdict]:
    """The verdict on what a book would publish."""

    def audit(book: Any, **options: Any) -> Verdict:
        size = options.pop("size", None)
        return verify_log(book.write(tmp_path / "log", size=size), book.policy, workers=1, **options)

    return audit


@pytest.fixture
def first(audit: Callable[..., Verdict]) -> Callable[..., tuple[int | str, str]]:
    """Where the first fault lies and which it is."""

    def first(book: Any, **options: Any) -> tuple[int | str, str]:
        verdict = audit(book, **options)
        assert verdict.faults, "it was found good"
        return verdict.faults[0].where, verdict.faults[0].code

    return first


# ------------------------------------------------------------------------------------------------- what is good


def test_an_honest_log_is_good(book: Any, audit: Any) -> None:
    verdict = audit(book)
    assert (verdict.faults, verdict.entries, verdict.signatures) == ((), book.size, book.size)


def test_a_log_of_its_two_opening_entries_is_good(new_book: Any, audit: Any) -> None:
    assert audit(new_book.opened()).ok


def test_every_end_of_a_batch_may_be_published(new_book: Any, audit: Any, first: Any, tmp_path: Path) -> None:
    book = new_book.importing()
    ends = {2, book.size}
    for case in (1, 2):
        book.imported(case, 0)
        book.imported(case, 1)
        book.seal()
        ends.add(book.size)
    for size in range(1, book.size + 1):
        verdict = verify_log(book.write(tmp_path / str(size), size=size), book.policy, workers=1)
        assert verdict.ok == (size in ends), size
        assert verdict.ok or verdict.faults[0].code == "batch-end"


def test_an_empty_batch_and_one_at_the_same_moment_are_good(book: Any, audit: Any) -> None:
    book.seal()
    book.seal(minutes=0)
    assert audit(book).ok


def test_an_older_tree_may_have_been_seen(book: Any, audit: Any) -> None:
    book.imported(1, 3, seen_size=5, seen_root=book.root(5))
    book.seal()
    assert audit(book).ok


# ------------------------------------------------------------------------------------------------- the opening


def test_a_log_needs_both_opening_entries(book: Any, first: Any) -> None:
    assert first(book, size=1) == ("checkpoint", "batch-end")


def test_an_empty_log_opens_nothing(book: Any, tmp_path: Path, keys: Any) -> None:
    note = sign_checkpoint(Checkpoint(book.origin, 0, EMPTY_ROOT), Signer(book.origin, keys("log")))
    (tmp_path / "checkpoint").write_bytes(note)
    verdict = verify_log(tmp_path, book.policy)
    assert [(fault.where, fault.code) for fault in verdict.faults] == [("checkpoint", "batch-end")]


def test_invented_officers_do_not_fit_the_origin(new_book: Any, first: Any) -> None:
    book = new_book.opened()
    other = new_book.opened(name="example.org/other")
    book.entries = other.entries
    assert first(book) == (0, "origin")


def test_another_log_key_than_the_auditors_is_not_believed(new_book: Any, first: Any) -> None:
    assert first(new_book.opened(log_key=SigningKey.from_seed(bytes(32)).public.hex())) == (0, "log-key")


def test_entry_0_is_signed_by_the_first_officer(new_book: Any, first: Any) -> None:
    class Forged(new_book):  # type: ignore[misc]
        def sign(self, type_: str, *args: Any, **how: Any) -> bytes:
            entry = bytearray(super().sign(type_, *args, **how))
            if type_ == "ledger.opened.v1":
                entry[-1] ^= 1
            return bytes(entry)

    assert first(Forged.opened()) == (0, "signature")


def test_entry_1_is_the_second_officers(new_book: Any, first: Any, keys: Any) -> None:
    for how in ({"actor": "staff/lin"}, {"key": keys("a stranger")}, {"role": "clerk"}):
        book = new_book()
        book.confirm(**how)
        assert first(book) == (1, "genesis")


def test_before_the_first_batch_nothing_was_seen(new_book: Any, first: Any) -> None:
    book = new_book()
    book.confirm(seen_size=1, seen_root=book.root())
    assert first(book) == (1, "seen")


# ----------------------------------------------------------------------------------------- order: the operator


def test_a_leaf_rewritten_without_its_signers_key(book: Any, first: Any) -> None:
    position = next(i for i, entry in enumerate(book.entries) if b'"ordinal":1' in entry)
    book.entries[position] = book.entries[position].replace(b'"ordinal":1', b'"ordinal":9')
    # The next of the stream still names what stood there, but its own signature speaks first.
    assert first(book) == (position, "signature")


def test_a_leaf_rewritten_with_its_signers_key(book: Any, first: Any, keys: Any) -> None:
    position = next(i for i, entry in enumerate(book.entries) if b'"ordinal":1' in entry)
    told = open_statement(book.entries[position])
    book.entries[position] = sign_statement(
        replace(told, data={"ordinal": 1, "activity": "改动"}), keys("source/permits")
    )
    assert first(book) == (position + 1, "chain")


def test_two_entries_changed_places(book: Any, first: Any) -> None:
    book.entries[6], book.entries[7] = book.entries[7], book.entries[6]
    assert first(book) == (6, "chain")


def test_entries_of_different_streams_changed_places_and_the_next_batch_saw_it(book: Any, first: Any) -> None:
    position = book.size
    book.seal()
    # Entry 8 is the last of case 1, entry 9 opens case 2: their streams do not mind.
    book.entries[8], book.entries[9] = book.entries[9], book.entries[8]
    assert first(book) == (position, "seen")


def test_a_head_that_was_signed_before_the_rewriting_no_longer_fits(book: Any, tmp_path: Path) -> None:
    """The operator's files are of one piece, but the auditor kept an old head of the same size."""
    head = (book.write(tmp_path / "log") / "checkpoint").read_bytes()

    def audit(changed: Any) -> list[tuple[int | str, str]]:
        folder = changed.write(tmp_path / "log")
        (folder / "checkpoint").write_bytes(head)
        return [(fault.where, fault.code) for fault in verify_log(folder, book.policy, workers=1).faults]

    swapped = deepcopy(book)  # two streams of the last batch: no rule of the log is broken by it
    swapped.entries[8], swapped.entries[9] = swapped.entries[9], swapped.entries[8]
    assert audit(swapped) == [("checkpoint", "root")]
    shortened = deepcopy(book)
    shortened.entries[7] = shortened.entries[10]
    assert audit(shortened) == [(7, "chain"), ("checkpoint", "root")]


def test_an_entry_dropped(book: Any, first: Any) -> None:
    position = book.size
    book.seal()
    del book.entries[position - 1]  # the last of its stream: nothing names it as prev
    assert first(book) == (position - 1, "batch")


def test_the_tail_of_the_last_batch_cut_off(book: Any, first: Any) -> None:
    assert first(book, size=book.size - 1) == ("checkpoint", "batch-end")


def test_an_entry_put_in_without_a_batch(book: Any, first: Any) -> None:
    book.imported(1, 3)
    book.entries += book.pending
    assert first(book) == (book.size - 1, "batch")


def test_a_batch_of_more_than_it_says(book: Any, first: Any) -> None:
    book.imported(1, 3)
    book.imported(1, 4)
    at = book.seal(size=1)
    assert first(book) == (at + 2, "batch")


def test_a_batch_of_less_than_it_says(book: Any, first: Any) -> None:
    book.imported(1, 3)
    at = book.seal(size=2)
    book.seal()
    assert first(book) == (at + 2, "batch")


def test_a_batch_before_the_one_before_it(book: Any, first: Any) -> None:
    at = book.seal(minutes=-1)
    assert first(book) == (at, "batch-time")


@pytest.mark.parametrize("seen", [0, 2, 5, 11, 13])
def test_a_batch_has_seen_exactly_the_tree_before_it(book: Any, first: Any, seen: int) -> None:
    assert book.size == 12
    at = book.seal(seen_size=seen, seen_root=book.root(seen))
    assert first(book) == (at, "seen")


def test_a_batch_that_saw_another_root(book: Any, first: Any) -> None:
    at = book.seal(seen_root=bytes(32))
    assert first(book) == (at, "seen")


def test_a_batch_that_is_not_the_clocks(book: Any, first: Any) -> None:
    at = book.seal(actor="staff/lin", role="key_officer")
    assert first(book) == (at, "batch")


def test_a_batch_that_the_clocks_key_did_not_sign(book: Any, first: Any) -> None:
    entry = bytearray(book.clock("log.batch.v1", {"size": 0}))
    entry[-40] ^= 1
    book.entries.append(bytes(entry))
    assert first(book) == (book.size - 1, "signature")


# -------------------------------------------------------------------------------------- order: one statement


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"seq": 5}, "chain"),  # a gap
        ({"seq": 3}, "chain"),  # a fork of the stream
        ({"prev": StatementId(bytes(32))}, "chain"),  # a splice
        ({"request": "r-6"}, "request"),  # entry 6 made it
        ({"seen_size": 12, "seen_root": bytes(32)}, "seen"),
        ({"seen_size": 6}, "seen"),  # no batch ended there
        ({"seen_size": 0, "seen_root": EMPTY_ROOT}, "seen"),
        ({"seen_size": 13, "seen_root": bytes(32)}, "seen"),  # later than its own batch
        ({"audience": "example.org/hall/00"}, "malformed"),
        ({"audience": None}, "malformed"),
        ({"type": "imported.dream.v1"}, "malformed"),
        ({"type": "import.started.v1"}, "malformed"),
        ({"data": {"ordinal": -1}}, "malformed"),
        ({"data": {"ordinal": 3, "resource": "Li Na"}}, "malformed"),  # a name where a pseudonym must stand
        ({"data": {"ordinal": 3, "rest": {}}}, "malformed"),  # a sealed value in clear
    ],
)
def test_a_statement_out_of_its_place(book: Any, first: Any, changes: dict[str, Any], code: str) -> None:
    if "seen_size" in changes:
        changes = {"seen_root": book.root(changes["seen_size"])} | changes
    book.imported(1, 3, **changes)
    at = book.seal()
    assert first(book) == (at + 1, code)


def test_two_actors_may_choose_the_same_request(book: Any, audit: Any) -> None:
    book.imported(1, 3, request="same")
    book.add_key("source/other")
    book.seal()
    book.say(
        "imported.case.v1",
        "imported/other/c1",
        {"case_no": 1},
        actor="source/other",
        role="source_adapter",
        request="same",
    )
    book.seal()
    assert audit(book).ok


def test_bytes_that_are_no_statement(book: Any, first: Any) -> None:
    for junk in (b"", b"\xd2\x84", b"\0" * 1000):
        changed = deepcopy(book)
        changed.pending.append(junk)
        at = changed.seal()
        assert first(changed) == (at + 1, "malformed")


# ----------------------------------------------------------------------------- keys, rights and state: the clerk


def test_a_statement_under_a_key_that_nobody_registered(book: Any, first: Any, keys: Any) -> None:
    book.imported(1, 3, key=keys("a stranger"))
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


def test_a_statement_under_a_colleagues_key(book: Any, first: Any, keys: Any) -> None:
    book.imported(1, 3, key=keys("staff/lin"))
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


def test_a_statement_whose_signature_is_another_keys(book: Any, first: Any, keys: Any) -> None:
    book.imported(1, 3)
    act = open_statement(book.last)
    protected, payload, to_sign = draft_bytes(act, act.kid)
    book.replace_last(join_signature(protected, payload, keys("a stranger").sign(to_sign)))
    at = book.seal()
    assert first(book) == (at + 1, "signature")


def test_a_source_may_only_write_about_its_own(book: Any, first: Any) -> None:
    book.say("imported.case.v1", "imported/other/c1", {"case_no": 1}, actor="source/permits", role="source_adapter")
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


def test_a_role_that_is_not_held(book: Any, first: Any) -> None:
    book.imported(1, 3, role="key_officer")
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


def test_one_officer_alone_adds_a_key(book: Any, first: Any, keys: Any) -> None:
    actor = "source/mine"
    content = book.key_content(actor, actor=actor, custody="device")
    stream, how = f"key/{actor}", {"actor": "staff/lin", "role": "key_officer"}
    proposal = book.say("key.change_proposed.v1", stream, {"change": "key.added.v1", "content": content}, **how)
    book.say("key.added.v1", stream, content | {"proposal": proposal.hex()}, **how)
    at = book.seal()
    assert first(book) == (at + 2, "invalid")


def test_a_key_added_later_in_the_batch_is_not_yet_valid(new_book: Any, first: Any) -> None:
    book = new_book.opened()
    book.imported(1, 0)
    book.add_key("source/permits")
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


def test_an_event_before_its_case(book: Any, first: Any) -> None:
    book.imported(9, 1)
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


# --------------------------------------------------------------------------------------------- revoked, suspect


def revoke(book: Any, keys: Any, **suspect: int) -> int:
    content = {"kid": keys("source/permits").thumbprint.hex(), "reason": "stolen"} | suspect
    book.agree("key.revoked.v1", "key/source/permits", content)
    return int(book.seal())


def test_a_revoked_key_signs_nothing_more(book: Any, first: Any, keys: Any) -> None:
    revoke(book, keys)
    book.imported(1, 3)
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


@pytest.mark.parametrize(
    ("suspect", "count"),
    [({}, 0), ({"suspect_from": 0}, 6), ({"suspect_from": 8}, 4), ({"suspect_from": 7, "suspect_to": 9}, 3)],
)
def test_what_a_stolen_key_signed_is_counted_and_stands(
    book: Any, audit: Any, keys: Any, suspect: dict[str, int], count: int
) -> None:
    # The adapter signed entries 6 to 11.
    revoke(book, keys, **suspect)
    verdict = audit(book)
    assert (verdict.ok, verdict.suspect) == (True, count)


def test_a_rotated_key_takes_over_at_once(book: Any, audit: Any, first: Any, keys: Any) -> None:
    actor = "source/rotating"
    book.add_key(actor, next=next_key_digest(keys("new").public))
    new = book.key_content(actor, keys("new"))
    book.say("key.rotated.v1", f"key/{actor}", new, actor=actor, role="source_adapter")
    case = {"actor": actor, "role": "source_adapter"}
    book.say("imported.case.v1", "imported/rotating/c1", {"case_no": 1}, key=keys("new"), **case)
    book.seal()
    assert audit(book).ok
    book.say("imported.case.v1", "imported/rotating/c2", {"case_no": 2}, **case)
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


# ------------------------------------------------------------------------------------------------------- voided


def test_what_is_not_valid_and_voided_at_once_has_no_effect(book: Any, audit: Any, keys: Any) -> None:
    book.imported(1, 3, role="key_officer")
    book.void("role")
    book.imported(1, 4)  # it still counts in its stream
    book.seal()
    verdict = audit(book)
    assert (verdict.faults, verdict.voided) == ((), 1)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"role": "key_officer"}, "role"),
        ({"key": "staff/lin"}, "key-actor"),
        ({"key": "a stranger"}, "key-unknown"),
    ],
)
def test_the_reason_of_a_void_is_derived_again(
    book: Any, audit: Any, first: Any, keys: Any, how: dict[str, Any], reason: str
) -> None:
    if "key" in how:
        how = {"key": keys(how["key"])}
    book.imported(1, 3, **how)
    book.void(reason)
    book.seal()
    assert audit(book).ok
    book.imported(1, 4, **how)
    book.void("right")
    at = book.seal()
    assert first(book) == (at + 2, "void")


def test_a_bad_signature_may_be_voided_too(book: Any, audit: Any) -> None:
    book.imported(1, 3)
    entry = bytearray(book.last)
    entry[-40] ^= 1
    book.replace_last(bytes(entry))
    book.void("signature")
    book.seal()
    verdict = audit(book)
    # Its own is the one that does not hold.
    assert (verdict.faults, verdict.voided, verdict.signatures) == ((), 1, book.size - 1)


def test_a_voided_key_is_not_registered(book: Any, first: Any, keys: Any) -> None:
    actor = "source/mine"
    content = book.key_content(actor, actor=actor, custody="device")
    stream, how = f"key/{actor}", {"actor": "staff/lin", "role": "key_officer"}
    proposal = book.say("key.change_proposed.v1", stream, {"change": "key.added.v1", "content": content}, **how)
    book.say("key.added.v1", stream, content | {"proposal": proposal.hex()}, **how)
    book.void("two-persons")
    book.say("imported.case.v1", "imported/mine/c1", {"case_no": 1}, actor=actor, role="source_adapter")
    at = book.seal()
    assert first(book) == (at + 4, "invalid")


def test_a_valid_statement_may_not_be_voided(book: Any, first: Any) -> None:
    book.imported(1, 3)
    book.void("role")
    at = book.seal()
    assert first(book) == (at + 2, "void")


def test_a_void_comes_right_after_what_it_voids(book: Any, first: Any) -> None:
    invalid = book.imported(1, 3, role="key_officer")
    book.imported(2, 3)
    book.void("role", statement=invalid)
    at = book.seal()
    assert first(book) == (at + 1, "invalid")


def test_a_void_comes_in_the_same_batch(book: Any, first: Any) -> None:
    invalid = book.imported(1, 3, role="key_officer")
    at = book.seal()
    book.void("role", statement=invalid)
    book.seal()
    assert first(book) == (at + 1, "invalid")


def test_nothing_is_voided_twice(book: Any, first: Any) -> None:
    invalid = book.imported(1, 3, role="key_officer")
    book.void("role")
    book.void("role", statement=invalid)
    at = book.seal()
    assert first(book) == (at + 3, "void")


def test_a_batch_statement_is_not_voided(book: Any, first: Any) -> None:
    at = book.size
    book.pending.append(
        lambda: book.clock("log.voided.v1", {"statement": book.heads["log"][1].hex(), "reason": "role"})
    )
    book.seal()
    assert first(book) == (at + 1, "void")


# --------------------------------------------------------------------------------------------------------- time


def test_simulated_history_is_reported(book: Any, audit: Any) -> None:
    book.seal(data={"simulated": True})
    assert audit(book).simulated == 1


@pytest.mark.parametrize(
    ("at", "outside"),
    [
        ("2024-03-04T09:05:00+08:00", 0),
        ("2024-03-04T09:08:00+08:00", 0),  # five minutes' grace after the batch
        ("2024-03-04T09:08:01+08:00", 1),
        ("2024-03-04T08:57:00+08:00", 0),  # and before the tree that it saw
        ("2024-03-04T08:56:59+08:00", 1),
        ("2031-01-01T00:00:00+08:00", 1),
    ],
)
def test_a_claimed_time_outside_its_bracket_is_counted(book: Any, audit: Any, at: str, outside: int) -> None:
    # It saw the tree of 01:02 UTC; its batch is of 01:03.
    source = {"source": "permits", "sha256": "00", "bytes": 1, "cases": 1, "events": 1}
    how = {"actor": "source/permits", "role": "source_adapter"}
    book.say("import.started.v1", "import/permits", source, at=at, **how)
    book.seal()
    verdict = audit(book)
    assert (verdict.ok, verdict.outside) == (True, outside)


def test_imported_history_claims_what_times_it_will(book: Any, audit: Any) -> None:
    book.imported(1, 3, at="1999-12-31T23:59:59+01:00")
    book.seal()
    assert audit(book).outside == 0


def test_a_carried_checkpoint_is_one_of_this_log(book: Any, audit: Any, first: Any, keys: Any) -> None:
    def carried(size: int, root: bytes, origin: str = book.origin) -> dict[str, str]:
        return {"checkpoint": sign_checkpoint(Checkpoint(origin, size, root), Signer(origin, keys("log"))).decode()}

    book.seal(data=carried(5, book.root(5)))
    assert audit(book).ok
    for data in (
        carried(5, bytes(32)),
        carried(6, book.root(6)),
        carried(5, book.root(5), "example.org/other"),
        {"checkpoint": "no note"},
    ):
        changed = deepcopy(book)
        at = changed.seal(data=data)
        assert first(changed) == (at, "carried")


# -------------------------------------------------------------------------------------------------- hostile content

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=9)
    | st.sampled_from(sorted(TYPES)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdefkeypolicy_", max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def _some(kind: str) -> st.SearchStrategy[Any]:
    """Often what the field may hold, so that the rules behind the form are reached too."""
    fitting = {
        "code": st.sampled_from(["env", "permit", "staff/lin", "source/permits", "device", "promise", *sorted(TYPES)]),
        "codes": st.lists(st.sampled_from(["key_officer", "2024-03-04", "w1", "hearing"]), max_size=3),
        "count": st.integers(0, 3000),
        "date": st.sampled_from(["2024-03-04", "0001-01-01", "9999-12-31"]),
        "hex": st.binary(min_size=32, max_size=64).map(bytes.hex),
        "id": st.binary(min_size=32, max_size=32).map(bytes.hex),
    }
    return st.one_of(fitting[kind], _JSON) if kind in fitting else _JSON


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_signed_there_is_a_verdict(new_book: Any, tmp_path: Path, data: st.DataObject) -> None:
    """People and sources with good keys state what they like; the operator places it all."""
    book = new_book.importing()
    for _ in range(data.draw(st.integers(1, 3))):
        declared = TYPES[data.draw(st.sampled_from(sorted(TYPES)))]
        proposed = TYPES.get(f"{declared.stream_kind}.change_proposed.v1")
        if data.draw(st.booleans()) and "proposal" in declared.fields and proposed is not None:
            change, declared = declared, proposed
            fields = {name: field for name, field in change.fields.items() if name != "proposal"}
            content = {name: data.draw(_some(field.kind)) for name, field in fields.items() if data.draw(st.booleans())}
            stated = {"change": change.name, "content": content}
        else:
            stated = {
                name: data.draw(_some(field.kind))
                for name, field in declared.fields.items()
                if field.privacy != "sealed"
            }
        actor, role = data.draw(
            st.sampled_from(
                [("staff/lin", "key_officer"), ("staff/wu", "key_officer"), ("source/permits", "source_adapter")]
            )
        )
        stream = declared.stream_kind + data.draw(st.sampled_from(["", "/permits", "/staff/lin", "/permits/c1"]))
        book.say(declared.name, stream, stated, actor=actor, role=role)
    book.seal()
    verdict = verify_log(book.write(tmp_path / "log"), book.policy, workers=1)
    assert all(fault.code in REASONS for fault in verdict.faults)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(TYPES["ledger.opened.v1"].fields)), value=_JSON, deeper=st.booleans())
def test_whatever_opens_a_log_there_is_a_verdict(
    new_book: Any, tmp_path: Path, field: str, value: Any, deeper: bool
) -> None:
    if deeper:
        value = {"first": value, "second": value, "vocabulary": 1, "term_days": 1, "rules": [value]}
    book = new_book.opened(**{field: value})
    verdict = verify_log(book.write(tmp_path / "log"), book.policy, workers=1)
    assert all(fault.code in REASONS for fault in verdict.faults)

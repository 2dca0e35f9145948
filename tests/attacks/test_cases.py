"""The operator hides what happened to a case: acts dropped, cut off, dated otherwise, erased, kept from witnesses."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.door.hall import open_ledger
from ledger.exchange.bundle import export_bundle
from ledger.statement import instant_text, instant_us, open_statement, statement_id
from ledger.tree.completeness import Completeness
from ledger.tree.heads import HeadTree, Row, stream_hash
from ledger.tree.merkle import Frontier, leaf_hash, prove_consistency, prove_inclusion
from ledger.tree.proof import Proof
from ledger.verify.bundle_format import Scope
from tests.bundle.conftest import World
from tests.bundle.test_bundle import entries_without

DAY_US = 86_400_000_000
SECOND_US = 1_000_000


def others(town: Any, *but: str) -> list[Any]:
    """The keys of the people, as if the operator had taken them."""
    return [key for actor, key in town.keys.items() if actor not in but]


def follow(say: Any, town: Any, url: str, tmp_path: Path, *more: object, policy: Path | None = None) -> Any:
    """One look of a monitor, that remembers."""
    words = ("--policy", policy or town.pinned, "--state", tmp_path / "monitor", "--once", "--jobs", "1")
    return say("monitor", url, *words, "--max-age", "1e8", *more)


def after(text: str, us: int) -> str:
    return instant_text(instant_us(text) + us)


# ── Dropped ────────────────────────────────────────────────────────────────────────────────────────────────


def promised_by(path: Path) -> str:
    return path.read_text().split("\n")[3]


@pytest.mark.attack(
    "dropped", ("signer with the promise", "mingjian-verify monitor --promise"), ("anyone", "mingjian-verify evidence")
)
@pytest.mark.parametrize("how", ["never placed", "placed too late"])
def test_an_acknowledged_act_does_not_come_into_the_tree_in_time(
    town: Any, operator: Any, say: Any, serve: Any, audit: Any, tmp_path: Path, how: str
) -> None:
    """A withdrawal was acknowledged with a promise; the log goes on without it, in perfect order, or takes it late."""
    promise = town.home / "clerk/withdrawn.promise"
    act = town.acts["withdrawn"]
    at = operator.find(id=act.id)
    late = after(promised_by(promise), 2 * SECOND_US)
    if how == "never placed":
        entries = operator.rewrite(
            lambda i, one: [] if i == at else [one], append=[operator.batch(0, at=late)], more_keys=others(town)
        )
    else:
        first = max(i for i, one in enumerate(operator.acts[:at]) if one.type == "log.batch.v1")
        held = [operator.batch(1, at=late), operator.entries[at]]
        entries = operator.rewrite(lambda i, one: [one] if i < first else [], append=held)
        assert act.id in map(statement_id, entries)
    folder = operator.write(tmp_path / "log", entries)
    assert audit(folder) == ("good", len(entries))
    code, found = follow(say, town, serve(folder).url, tmp_path, "--promise", promise, "--max-cosigned-age", "1e8")
    assert (code, found["code"], found["promises"][0]["state"]) == (1, "promise", "broken")
    code, told = say("evidence", found["findings"][0]["evidence"], "--policy", town.pinned)
    assert (code, told["stands"]) == (0, "alone")
    # The honest log kept it.
    assert follow(say, town, serve(town.honest).url, tmp_path / "h", "--promise", promise)[1]["promises"][0][
        "state"
    ] in ("kept", "open")


@pytest.mark.attack("dropped", ("auditor, by the next act in the case", "mingjian-verify log"))
def test_an_act_is_dropped_and_the_next_one_in_the_case_names_it(
    town: Any, operator: Any, audit: Any, tmp_path: Path
) -> None:
    """An acceptance is left out; the clerk's next act says what it followed, and her key is not to be had."""
    gone, left = town.acts["accepted-2"].id, town.acts["withdrawn"].id

    def change(at: int, act: Any) -> list[Any]:
        if act.id == left:
            return [act.entry]
        is_hers = act.actor == "staff/chen" and at > operator.find(id=gone)
        return [] if act.id == gone or is_hers else [act]

    entries = operator.rewrite(change, more_keys=others(town, "staff/chen"))
    where = [statement_id(entry) for entry in entries].index(left)
    assert audit(operator.write(tmp_path / "log", entries)) == (where, "chain")


# ── The tail of a case, a whole case ───────────────────────────────────────────────────────────────────────


@pytest.mark.attack("cut-case", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize("what", ["the tail", "the case"])
def test_a_case_is_cut_and_the_stated_case_heads_stay(
    town: Any, operator: Any, audit: Any, tmp_path: Path, what: str
) -> None:
    """With everybody's key a case loses its end, or all of it; the heads that the clock had stated count otherwise."""
    tail = town.acts["withdrawn"].id
    gone = [
        at
        for at, act in enumerate(operator.acts)
        if act.id == tail or (what == "the case" and act.stream == "approval/a-2")
    ]

    def change(at: int, act: Any) -> list[Any]:
        if at in gone:
            return []
        if act.stream != "heads" or at < gone[-1]:
            return [act]
        # The clock's key is the operator's, but what it stated has been seen.
        size = act.data["size"] - sum(one < act.data["size"] for one in gone)
        return [(replace(act, data=act.data | {"size": size}), operator.keyring.own("clock"))]

    entries = operator.rewrite(change, more_keys=others(town))
    where, code = audit(operator.write(tmp_path / "log", entries))
    assert code == "heads"
    assert open_statement(entries[where]).stream == "heads"


@pytest.mark.attack(
    "cut-case",
    ("citizen with the proof of the whole case", "mingjian-verify proof"),
    ("auditor with a memory", "mingjian-verify log --state"),
    ("monitor", "mingjian-verify monitor"),
)
def test_a_case_is_deleted_and_its_heads_stated_anew(
    town: Any, operator: Any, audit: Any, say: Any, serve: Any, proved: Any, tmp_path: Path
) -> None:
    """Every trace of a citizen's case goes, heads are stated over the rest; the citizen's papers say what was there."""
    entries = operator.rewrite(lambda _, act: [] if act.stream == "approval/a-1" else [act], more_keys=others(town))
    assert audit(town.early, "--state", tmp_path / "state")[0] == "good"
    assert follow(say, town, serve(town.early).url, tmp_path, "--max-cosigned-age", "1e8")[0] == 0
    folder = operator.write(tmp_path / "log", entries)
    assert audit(folder) == ("good", len(entries))
    code, found = say("proof", town.home / "citizen/whole", "--policy", town.witnessed)
    assert (code, found["stream"], found["statements"]) == (0, "approval/a-1", 2)
    assert proved((town.home / "citizen/entry").read_bytes()) == {"tlog": True, "cose": True}
    assert audit(folder, "--state", tmp_path / "state") == ("checkpoint", "not-joined")
    assert follow(say, town, serve(folder).url, tmp_path, "--max-cosigned-age", "1e8")[1]["code"] == "fork"


@pytest.mark.attack("cut-case", ("citizen", "mingjian-verify proof"))
def test_the_citizen_is_told_that_the_case_is_shorter_or_is_not(town: Any, say: Any, tmp_path: Path) -> None:
    """The proof of a whole case is handed out with another number or last act, or as a proof that it never was."""
    true = json.loads((town.home / "citizen/whole").read_text())
    place = true["row"]["places"][0]
    lies = [
        {"statements": 1},
        {"statements": 0, "last": None},
        {"statements": 0, "last": None, "row": {"places": []}},
        {"stream": "approval/a-9", "statements": 0, "last": None},
        {"last": true["opening"][:64]},
        {"row": {"places": [place | {"index": place["index"] + 1}]}},
    ]
    for lie in lies:
        (tmp_path / "told").write_text(json.dumps(true | lie))
        assert say("proof", tmp_path / "told", "--policy", town.witnessed)[0] == 1, lie


@pytest.fixture
def bundled(town: Any, operator: Any, tmp_path: Path) -> Any:
    """Makes the bundle of a case from the operator's own database."""

    def make(stream: str, change: Any = None) -> Path:
        with open_ledger(operator.data) as hall:
            path = tmp_path / f"{stream.rpartition('/')[2]}.mjb"
            export_bundle(hall, path, Scope(kind="case", stream=stream), note=(town.honest / "checkpoint").read_bytes())
            return path if change is None else Path(change(hall, path))

    return make


@pytest.mark.attack("cut-case", ("whoever is given a bundle", "mingjian-verify bundle"))
def test_a_bundle_of_a_case_leaves_its_last_act_out(town: Any, bundled: Any, say: Any, tmp_path: Path) -> None:
    """The operator hands out a bundle without the withdrawal, with a tree and a manifest that agree with the rest."""
    code, found = say("bundle", bundled("approval/a-2"), "--policy", town.witnessed)
    assert (code, found["n"]) == (0, 3)
    (tmp_path / "approval").mkdir()

    def cut(hall: Any, path: Path) -> Path:
        world = World(hall, tmp_path / "approval", None)
        last = town.acts["withdrawn"].id
        return world.rewritten(path, lambda parts: entries_without(world, parts, lambda _, act: act.id != last))

    (tmp_path / "a-2.mjb").unlink()
    code, found = say("bundle", bundled("approval/a-2", cut), "--policy", town.witnessed)
    assert (code, found["code"]) == (1, "cut-off"), found


# ── Time and order ─────────────────────────────────────────────────────────────────────────────────────────


def cosign(asked: Any, witness: Any, old: int, path: Any, note: bytes) -> bytes:
    """The note with the line of a real witness."""
    status, line = asked(witness, old, path, note)
    assert status == 200, line
    return note + line


@pytest.mark.attack("time", ("auditor", "mingjian-verify log"))
def test_all_batches_are_dated_back_before_a_witness_is_asked(
    town: Any, operator: Any, audit: Any, asked: Any, fresh_witness: Any, tmp_path: Path
) -> None:
    """The clock was a day slow all along; the first batch that carries a cosigned head cannot be of yesterday."""

    def slow(_: int, act: Any) -> list[Any]:
        return [replace(act, at=after(act.at, -DAY_US)) if act.stream == "log" else act]

    entries = operator.rewrite(slow, more_keys=others(town))
    note = cosign(asked, fresh_witness, 0, (), operator.note(entries))
    last = next(open_statement(one) for one in reversed(entries) if b'"log.batch.v1"' in one)
    carrying = operator.batch(0, at=after(last.at, SECOND_US), checkpoint=note.decode())
    more = operator.rewrite(slow, append=[carrying], more_keys=others(town))
    assert more[: len(entries)] == entries
    folder = operator.write(tmp_path / "log", more)
    (folder / "checkpoint").write_bytes(
        cosign(
            asked,
            fresh_witness,
            len(entries),
            prove_consistency(len(entries), len(more), reader_of(more)),
            operator.note(more),
        )
    )
    assert audit(folder, policy=fresh_witness.policy) == (len(entries), "bracket")


@pytest.mark.attack("time", ("auditor", "mingjian-verify log"))
def test_an_act_is_recorded_as_of_tomorrow(
    town: Any, operator: Any, audit: Any, asked: Any, fresh_witness: Any, tmp_path: Path
) -> None:
    """A deadline is missed by dating the batch forward; a witness has signed it today."""
    act = operator.draft("ticket.served.v1", "ticket/t-9", {}, actor="staff/zhao", role="window_clerk", window="w1")
    taken = replace(act, type="ticket.taken.v2", data={"number": "A9", "queue": "q", "channel": "counter"})
    batch = operator.batch(1, at=instant_text(operator.acts[-1].at_us + DAY_US))
    entries = operator.rewrite(append=[batch, (taken, town.keys["staff/zhao"])])
    folder = operator.write(tmp_path / "log", entries)
    assert audit(folder) == ("good", len(entries))
    (folder / "checkpoint").write_bytes(cosign(asked, fresh_witness, 0, (), operator.note(entries)))
    assert audit(folder, policy=fresh_witness.policy) == (len(operator.entries), "bracket")


@pytest.mark.attack("time", ("auditor", "mingjian-verify log"))
def test_a_batch_goes_back_behind_the_one_before(town: Any, operator: Any, audit: Any, tmp_path: Path) -> None:
    """What is placed today is to have been placed yesterday: recorded time never falls."""
    batch = operator.batch(0, at=instant_text(operator.acts[-1].at_us - DAY_US))
    folder = operator.write(tmp_path / "log", operator.rewrite(append=[batch]))
    assert audit(folder) == (len(operator.entries), "batch-time")


@pytest.mark.attack("time", ("auditor", "mingjian-verify log"))
def test_an_act_is_moved_before_what_its_signer_had_seen(town: Any, operator: Any, audit: Any, tmp_path: Path) -> None:
    """The withdrawal is put a batch earlier than it came; it says itself which tree the clerk had seen."""
    at = operator.find(id=town.acts["withdrawn"].id)
    seen = operator.acts[at].seen_size
    target = seen - 1

    def change(i: int, act: Any) -> list[Any]:
        if i == target:
            return [act, operator.entries[at]]
        return [] if i == at else [act]

    entries = operator.rewrite(change, more_keys=others(town))
    assert audit(operator.write(tmp_path / "log", entries)) == (target + 1, "seen")


@pytest.mark.attack("time", ("auditor", "mingjian-verify log"))
def test_two_acts_of_a_case_change_places(town: Any, operator: Any, audit: Any, tmp_path: Path) -> None:
    """Acceptance before application: ``seq`` and ``prev`` are signed."""
    one, two = (operator.find(id=town.acts[name].id) for name in ("applied-1", "accepted-1"))
    swap = {one: two, two: one}
    entries = operator.rewrite(lambda i, act: [operator.entries[swap[i]] if i in swap else act], more_keys=others(town))
    assert audit(operator.write(tmp_path / "log", entries)) == (one, "chain")


# ── Erasure ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.attack("erasure", ("auditor", "mingjian-verify bundle"), ("operator's staff", "mingjian sweep"))
def test_a_value_goes_without_an_erasure(town: Any, operator: Any, bundled: Any, say: Any) -> None:
    """Somebody deletes a citizen's words from the store of values; only what two persons erased may be gone."""
    code, found = say("bundle", bundled("approval/a-3"), "--policy", town.witnessed)
    assert (code, found["erased"], len(found["erased_by"])) == (0, 2, 1)
    assert operator.acts[found["erased_by"][0]].type == "erasure.made.v1"
    assert operator.swept() == []
    index = operator.find(id=town.acts["accepted-1"].id)
    vault = sqlite3.connect(operator.data / "vault.sqlite")
    vault.execute(
        "DELETE FROM disclosures WHERE subject = (SELECT number FROM subjects WHERE subject = 'approval/a-1')"
    )
    vault.commit()
    vault.close()
    assert {(one.code, one.details["stream"]) for one in operator.swept()} == {("value-gone", "approval/a-1")}
    assert index in {one.details["entry"] for one in operator.swept()}
    # The auditor sees closed values, and nobody who erased them.
    code, found = say("bundle", bundled("approval/a-1"), "--policy", town.witnessed)
    assert (code, found["erased"], found["sealed"]) == (0, 0, 2)


def erasing(operator: Any, first: tuple[str, str], second: tuple[str, str], digests: list[str]) -> list[Any]:
    """A proposal and its confirmation, appended."""
    content = {"ground": "pipl-47", "digests": digests}
    words = {"stream": "erasure/approval/a-1"}
    one = operator.draft("erasure.proposed.v1", data=content, actor=first[0], role=first[1], **words)
    two = operator.draft("erasure.made.v1", data=content | {"proposal": "@1"}, actor=second[0], role=second[1], **words)
    return [one, two]


@pytest.mark.attack("erasure", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(
    ("second", "code"),
    [("staff/sun", "two-persons"), ("nobody", "proposal"), ("under a hold", "hold"), ("officer/2", None)],
)
def test_one_person_erases_alone(
    town: Any, operator: Any, audit: Any, say: Any, tmp_path: Path, second: str, code: str | None
) -> None:
    """A case is to vanish as a lawful erasure: without a second person, without a proposal, against a hold."""
    digests = sorted(operator.acts[operator.find(id=town.acts["accepted-1"].id)].sd)
    confirming = (second, "key_officer") if second == "officer/2" else ("staff/sun", "privacy_officer")
    one, two = erasing(operator, ("staff/sun", "privacy_officer"), confirming, digests)
    signed = [(one, town.keys[one.actor]), (two, town.keys[two.actor])]
    if second == "nobody":
        signed = [(replace(two, data=two.data | {"proposal": "00" * 32}), town.keys[two.actor])]
    if second == "under a hold":
        hold = operator.draft(
            "hold.placed.v1", one.stream, {"ground": "complaint"}, actor="staff/sun", role="privacy_officer"
        )
        signed = [
            signed[0],
            (hold, town.keys["staff/sun"]),
            (replace(two, actor="officer/2", role="key_officer"), town.keys["officer/2"]),
        ]
    entries = operator.rewrite(append=[operator.batch(len(signed)), *signed])
    folder = operator.write(tmp_path / "log", entries)
    if code is None:
        assert audit(folder) == ("good", len(entries))
        return
    assert audit(folder) == (len(entries) - 1, "invalid")
    assert code in say("log", folder, "--policy", town.pinned)[1]["reason"]


# ── Witnesses no longer asked ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.attack(
    "unwitnessed",
    ("monitor", "mingjian-verify monitor --max-cosigned-age"),
    ("public", "the page of the log"),
)
def test_the_operator_stops_asking_witnesses(town: Any, operator: Any, say: Any, serve: Any, tmp_path: Path) -> None:
    """The log grows and its newest heads are shown to no witness: the age of the last cosigned one gives it away."""
    later = instant_text(operator.acts[-1].at_us + SECOND_US)
    entries = operator.rewrite(append=[operator.batch(0, at=later)])
    folder = operator.write(tmp_path / "log", entries)
    for path in town.honest.rglob("*"):
        if path.is_file():
            (folder / path.relative_to(town.honest)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(town.honest)).write_bytes(path.read_bytes())
    server = serve(folder)
    server.instead["checkpoint/latest"] = operator.note(entries)
    words = (say, town, server.url, tmp_path)
    code, found = follow(*words, "--max-cosigned-age", "1e8", policy=town.witnessed)
    assert (code, found["uncosigned"]) == (0, 1), found
    code, found = follow(*words, "--max-cosigned-age", "0.5", policy=town.witnessed)
    assert (code, [one["code"] for one in found["alarms"]]) == (4, ["cosigned-old"])
    # A head that no witness signed is not settled at all.
    server.instead["checkpoint"] = operator.note(entries)
    code, found = follow(*words, "--max-cosigned-age", "1e8", policy=town.witnessed)
    assert "quorum-not-met" in [one["code"] for one in found["alarms"]]
    # And whoever looks at the page of the log sees how old the last one is.
    from api.log_questions import cosigned_age_s

    with open_ledger(operator.data) as hall:
        age = cosigned_age_s(hall)
        assert age is not None
        assert age > 0


@pytest.mark.attack("cut-case", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(
    "excuse",
    [
        "none",
        "void",
    ],
)
def test_false_case_heads_are_stated_for_one_proof_and_taken_back(
    town: Any, operator: Any, audit: Any, say: Any, tmp_path: Path, excuse: str
) -> None:
    """The clock states heads without the withdrawal and voids them as out of order; a proof made on them says it never
    was. Nothing excuses the falsehood: the log that holds it is refused."""
    tail = town.acts["withdrawn"].id
    clock = operator.keyring.own("clock")
    size = next(act for act in reversed(operator.acts) if act.stream == "heads").data["size"]
    rows = {act.stream: Row(stream_hash(act.stream), act.seq, act.id) for act in operator.acts[:size] if act.id != tail}
    tree = HeadTree()
    tree.update(rows.values())
    words = {"actor": "system/clock", "role": "system_clock"}
    # Heads of a size that was stated before are out of order, and may be voided.
    stated = operator.draft("heads.stated.v1", "heads", dict(tree.heads(size).as_data()), **words)
    void = operator.draft("log.voided.v1", "log", {"statement": "@1", "reason": "heads-order"}, **words)
    more = [(stated, clock)] + ([(void, clock)] if excuse == "void" else [])
    entries = operator.rewrite(append=[operator.batch(len(more)), *more])
    index = len(operator.entries) + 1
    note, read = operator.note(entries), reader_of(entries)
    row = tree.prove_head("approval/a-2")
    found = Completeness(
        "approval/a-2",
        2,
        town.acts["accepted-2"].id,
        entries[0],
        entries[index],
        Proof(index, tuple(prove_inclusion(index, len(entries), read)), note),
        row,
    )
    (tmp_path / "told").write_text(json.dumps(found.as_json()))
    # The proof says what the clock said; that it is true, only the log shows (docs/spec/proofs.md).
    assert say("proof", tmp_path / "told", "--policy", town.pinned)[1]["statements"] == 2
    where, code = audit(operator.write(tmp_path / "log", entries))
    assert (where, code) == (index, "heads" if excuse == "void" else "invalid")


def reader_of(entries: list[bytes]) -> Any:
    leaves = list(map(leaf_hash, entries))
    rows = {(0, at): leaf for at, leaf in enumerate(leaves)}
    rows |= {(level, at): hash_ for level, at, hash_ in Frontier().extend(leaves)}
    return lambda level, at, width: b"".join(rows[level, at * 256 + i] for i in range(width))


@pytest.mark.attack("time", ("auditor", "mingjian-verify log"))
def test_a_batch_is_called_simulated_to_be_measured_by_nobody(
    town: Any, operator: Any, say: Any, asked: Any, fresh_witness: Any, tmp_path: Path
) -> None:
    """What no bracket lets pass is put into a batch that says it is made up: every verifier repeats that it does."""
    batch = operator.batch(0, at=instant_text(operator.acts[-1].at_us + DAY_US), simulated=True)
    entries = operator.rewrite(append=[batch])
    folder = operator.write(tmp_path / "log", entries)
    (folder / "checkpoint").write_bytes(cosign(asked, fresh_witness, 0, (), operator.note(entries)))
    code, found = say("log", folder, "--policy", fresh_witness.policy)
    assert (code, found["simulated"]) == (0, 1)
    assert say("log", town.honest, "--policy", town.witnessed)[1]["simulated"] == 0

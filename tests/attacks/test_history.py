"""The operator changes what was: every row, every file and every key of its own machine are in its hands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.door.hall import open_ledger
from ledger.errors import Evidence
from ledger.keys import SigningKey
from ledger.statement import instant_text, statement_id
from ledger.store.published import log_policy
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import Frontier, leaf_hash, prove_consistency, root_of
from ledger.tree.note import Signer, encode_base64, split_note
from tests.verify.log_files import put

DAY_US = 86_400_000_000
base64_of = encode_base64


def test_before_any_attack_everybody_is_content(town: Any, audit: Any, say: Any) -> None:
    """An alarm that always rings is none."""
    assert audit(town.honest)[0] == "good"
    assert audit(town.honest, policy=town.witnessed)[0] == "good"
    assert audit(town.early, policy=town.witnessed)[0] == "good"
    citizen = town.home / "citizen"
    words = ("--policy", town.witnessed, "--entry", citizen / "entry", "--receipt-key", town.home / "receipt.pem")
    for form in ("tlog", "cose"):
        assert say("proof", citizen / form, *words)[0] == 0
    assert say("proof", citizen / "whole", "--policy", town.witnessed)[1]["statements"] == 2


def test_the_tools_of_the_operator_leave_no_trace_of_their_own(operator: Any, audit: Any, tmp_path: Path) -> None:
    """Writing the same history again over the whole database is seen by nobody, because nothing was changed."""
    again = operator.rewrite(lambda _, act: [act])
    assert again == operator.entries
    operator.install(again)
    assert operator.swept() == []
    assert audit(operator.export(tmp_path / "log"))[0] == "good"


# ── An old leaf ────────────────────────────────────────────────────────────────────────────────────────────


def redated(act: Any) -> Any:
    """The same act, a day earlier by its own words."""
    return replace(act, at=instant_text(act.at_us - DAY_US))


def others(town: Any, *but: str) -> list[Any]:
    """The keys of the people, as if the operator had taken them."""
    return [key for actor, key in town.keys.items() if actor not in but]


@pytest.mark.attack(
    "old-leaf",
    ("auditor", "mingjian-verify log"),
    ("citizen with a receipt", "mingjian-verify proof"),
    ("verifiers not ours", "scitt-cose, Go sumdb, sigstore-python, @sigstore/verify"),
)
@pytest.mark.attack("no-rehash", ("auditor", "mingjian-verify log"))
def test_an_old_act_is_changed_and_the_tiles_are_left_alone(
    town: Any, operator: Any, audit: Any, proved: Any, strangers: Any, tmp_path: Path
) -> None:
    """The operator dates an acceptance back in its row, with a new id, and leaves tiles and head as they were."""
    index = operator.find(id=town.acts["accepted-1"].id)
    was = operator.entries[index]
    [entry] = [e for at, e in enumerate(operator.rewrite(changing(index, redated))) if at == index]
    with operator.owner() as owner:
        owner.execute(
            "UPDATE ledger.statements SET entry = %b, id = %b WHERE insertion_id ="
            " (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
            (entry, statement_id(entry), index),
        )
    assert audit(operator.dump(tmp_path / "log")) == (index, "entry-hash")
    assert audit(tmp_path / "log", "--hashes-only") == (index, "entry-hash")
    assert proved(was) == {"tlog": True, "cose": True}
    assert proved(entry) == {"tlog": False, "cose": False}
    assert set(strangers(was).values()) == {True}
    assert set(strangers(entry).values()) == {False}


def changing(index: int, how: Any) -> Any:
    return lambda at, act: [how(act) if at == index else act]


@pytest.mark.attack("old-leaf", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(("who", "code"), [("a clerk", "signature"), ("the adapter", "chain")])
def test_an_old_act_is_changed_and_everything_above_it_computed_anew(
    town: Any, operator: Any, audit: Any, tmp_path: Path, who: str, code: str
) -> None:
    """Leaf, tiles, root and head are made to fit the changed act; what others have said since does not fit it."""
    index = operator.find(id=town.acts["applied-2"].id)
    if who == "the adapter":
        index = next(at for at, act in enumerate(operator.acts) if act.kind == "imported" and act.seq == 2)
    forged = operator.rewrite(changing(index, redated))[index]
    entries = [*operator.entries[:index], forged, *operator.entries[index + 1 :]]
    operator.install(entries)
    where, found = audit(operator.export(tmp_path / "log"))
    assert (found, where >= index) == (code, True)
    assert where == index or who == "the adapter"


@pytest.mark.attack("old-leaf", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize("stand_in", [False, True])
def test_an_old_act_is_changed_and_all_that_follows_signed_anew(
    town: Any, operator: Any, audit: Any, tmp_path: Path, stand_in: bool
) -> None:
    """Every later statement is signed again with every key of the machine; those of people cannot be, by any key."""
    index = next(at for at, act in enumerate(operator.acts) if act.kind == "imported" and act.seq == 2)
    stranger = SigningKey.generate() if stand_in else None
    operator.install(operator.rewrite(changing(index, redated), stranger=stranger))
    people = next(at for at, act in enumerate(operator.acts) if at > index and act.actor in town.keys)
    code = "invalid" if stand_in else "signature"
    assert audit(operator.export(tmp_path / "log")) == (people, code)


# ── The whole log ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def other_history(town: Any, operator: Any, tmp_path: Path) -> Any:
    """All of it again with the keys of the machine and of all people, one act changed, and a batch more."""
    index = operator.find(id=town.acts["accepted-1"].id)
    batch = operator.batch(0, at=instant_text(operator.acts[-1].at_us + 1_000_000))
    entries = operator.rewrite(changing(index, redated), append=[batch], more_keys=others(town))
    operator.install(entries)
    operator.entries_then, operator.index, operator.forged = operator.entries, index, entries
    return operator


@pytest.mark.attack(
    "whole-log",
    ("witness", "POST /add-checkpoint"),
    ("anyone with one old checkpoint", "mingjian-verify log --state"),
    ("auditor", "mingjian-verify log, a policy that asks for witnesses"),
    ("monitor", "mingjian-verify monitor"),
    ("verifiers not ours", "Go sumdb"),
)
@pytest.mark.attack("inside", ("anyone outside with one old checkpoint", "mingjian-verify log --state"))
@pytest.mark.attack("rebuilt", ("witness", "POST /add-checkpoint"))
def test_the_whole_log_is_written_anew_with_every_key_there_is(
    town: Any,
    other_history: Any,
    audit: Any,
    say: Any,
    asked: Any,
    serve: Any,
    by_go_tree: Any,
    tmp_path: Path,
) -> None:
    """With the keys of machine and people the operator makes another perfect log, and its own sweep finds it whole."""
    operator, state = other_history, tmp_path / "state"
    assert audit(town.early, "--state", state)[0] == "good"
    folder = operator.export(tmp_path / "log")

    # Inside, nothing is wrong, nor could it be: rows, tree, tiles, files and every signature agree.
    assert operator.swept() == []
    assert audit(folder) == ("good", len(operator.forged))

    # Whoever has one old checkpoint, or asks for witnesses, knows.
    assert audit(folder, "--state", state) == ("checkpoint", "not-joined")
    assert audit(folder, policy=town.witnessed) == ("checkpoint", "quorum-not-met")
    size = len(operator.entries_then)
    new, same = operator.note(operator.forged), operator.note(operator.forged, size)
    path = consistency_of(operator.forged, size)
    for witness in town.witnesses:
        assert asked(witness, size, path, new)[0] == 422
        assert asked(witness, size, (), same)[0] == 422
        assert asked(witness, 0, (), new) == (409, f"{size}\n".encode())

    code, found = follow(say, town, serve(town.early).url, tmp_path)
    assert (code, found["ok"]) == (0, True)
    code, found = follow(say, town, serve(folder).url, tmp_path)
    assert (code, found["code"]) == (1, "fork")
    code, told = say("evidence", found["findings"][0]["evidence"], "--policy", town.pinned)
    assert (code, told["stands"]) == (0, "alone")

    case = {"kind": "consistency", "old_size": size, "size": len(operator.forged), "path": list(map(base64_of, path))}
    case["root"] = base64_of(root_of(map(leaf_hash, operator.forged)))
    roots = [root_of(map(leaf_hash, entries[:size])) for entries in (operator.forged, operator.entries_then)]
    assert by_go_tree([case | {"old_root": base64_of(root)} for root in roots]) == [True, False]


def consistency_of(entries: list[bytes], old: int) -> list[bytes]:
    return prove_consistency(old, len(entries), reader_of(entries))


def reader_of(entries: list[bytes]) -> Any:
    leaves = list(map(leaf_hash, entries))
    rows = {(0, at): leaf for at, leaf in enumerate(leaves)}
    rows |= {(level, at): hash_ for level, at, hash_ in Frontier().extend(leaves)}
    return lambda level, at, width: b"".join(rows[level, at * 256 + i] for i in range(width))


def follow(say: Any, town: Any, url: str, tmp_path: Path, *more: object, policy: Path | None = None) -> Any:
    """One look of a monitor, that remembers."""
    words = ("--policy", policy or town.pinned, "--state", tmp_path / "monitor", "--once", "--jobs", "1")
    return say("monitor", url, *words, "--max-age", "1e8", "--max-cosigned-age", "1e8", *more)


@pytest.mark.attack(
    "hybrid",
    ("anyone", "mingjian-verify proof"),
    ("verifiers not ours", "Go sumdb"),
)
def test_no_path_joins_the_old_head_to_the_new_history(
    town: Any, other_history: Any, say: Any, by_go_tree: Any, tmp_path: Path
) -> None:
    """The operator tries every path that it can make from either tree, and mixtures, to join what does not belong."""
    operator = other_history
    old, new = len(operator.entries_then), len(operator.forged)
    true = [*operator.entries_then, *operator.forged[old:]]
    paths = [consistency_of(entries, old) for entries in (true, operator.forged)]
    paths += [[*paths[0][:at], *paths[1][at:]] for at in range(1, len(paths[0]))]
    paths += [paths[1][:-1], [], [*paths[1], bytes(32)], paths[1][::-1]]
    roots = {name: root_of(map(leaf_hash, e)) for name, e in (("old", true[:old]), ("new", operator.forged))}
    note = operator.note(operator.forged).decode()
    cases = []
    for path in paths:
        document = {
            "format": "mingjian-consistency@v1",
            "old": {"size": old, "root": base64_of(roots["old"])},
            "new": {"size": new, "root": base64_of(roots["new"])},
            "path": list(map(base64_of, path)),
            "checkpoint": note,
            "anchor": [],
        }
        (tmp_path / "document").write_text(json.dumps(document))
        code, found = say("proof", tmp_path / "document", "--policy", town.pinned)
        assert (code, found["ok"]) == (1, False), found
        cases.append({"kind": "consistency", "old_size": old, "old_root": base64_of(roots["old"]), "size": new})
        cases[-1] |= {"root": base64_of(roots["new"]), "path": list(map(base64_of, path))}
    assert not any(by_go_tree(cases))
    # It is the join that fails, not the form: the forged history is consistent with itself.
    own = root_of(map(leaf_hash, operator.forged[:old]))
    document["old"], document["path"] = {"size": old, "root": base64_of(own)}, list(map(base64_of, paths[1]))
    (tmp_path / "document").write_text(json.dumps(document))
    assert say("proof", tmp_path / "document", "--policy", town.pinned)[0] == 0


# ── Two histories, and back again ──────────────────────────────────────────────────────────────────────────


@pytest.mark.attack(
    "two-histories",
    ("anyone with both notes", "mingjian-verify evidence"),
    ("auditor", "mingjian-verify log, a policy that asks for witnesses"),
    ("monitor", "mingjian-verify monitor --mirror, --witness"),
    ("verifiers not ours", "sigstore-python and @sigstore/verify on both notes"),
)
def test_one_history_for_the_auditor_and_one_for_the_public(
    town: Any, other_history: Any, audit: Any, say: Any, serve: Any, signed_by_log: Any, tmp_path: Path
) -> None:
    """The operator shows two trees of one size under one key, each in order, to people who do not meet."""
    operator, size = other_history, len(other_history.entries)
    one = operator.write(tmp_path / "one", operator.entries_then)
    two = operator.write(tmp_path / "two", operator.forged, size)
    assert audit(one) == audit(two) == ("good", size)
    assert audit(two, policy=town.witnessed) == ("checkpoint", "quorum-not-met")
    for more in (("--mirror", serve(one).url), ("--witness", town.witnesses[0].url)):
        code, found = follow(say, town, serve(two).url, tmp_path / more[0], *more)
        assert (code, found["code"]) == (1, "fork"), found
    path = found["findings"][0]["evidence"]
    assert say("evidence", path, "--policy", town.pinned)[1]["stands"] == "alone"
    notes = [note.encode() for note in json.loads(Path(path).read_text())["notes"]]
    heads = [Checkpoint.parse(split_note(note).text) for note in notes]
    assert (heads[0].size, heads[0].root != heads[1].root) == (heads[1].size, True)
    for note in notes:
        assert set(signed_by_log(note).values()) == {True}


@pytest.mark.attack(
    "restore",
    ("start-up guard", "mingjian up"),
    ("witness", "asked at every start"),
    ("monitor", "mingjian-verify monitor"),
    ("auditor with a memory", "mingjian-verify log --state"),
)
@pytest.mark.parametrize("guard", ["kept", "put back too"])
def test_the_operator_goes_back_and_calls_it_a_restore(
    town: Any, operator: Any, audit: Any, say: Any, serve: Any, tmp_path: Path, guard: str
) -> None:
    """An older database is put back so that the last acts never were, with or without the file that remembers them."""
    early = size_of(town.early)
    remembered = (operator.data / "head").read_bytes()
    assert audit(town.honest, "--state", tmp_path / "state")[0] == "good"
    assert follow(say, town, serve(town.honest).url, tmp_path)[0] == 0
    operator.install(operator.entries[:early])
    if guard == "kept":
        (operator.data / "head").write_bytes(remembered)
    code = {"kept": "rolled-back", "put back too": "witness-ahead"}[guard]
    with open_ledger(operator.data) as hall, pytest.raises(Evidence) as caught, hall.sequencing():
        pytest.fail("it must not start")
    assert caught.value.code == code
    folder = operator.export(tmp_path / "log")
    assert audit(folder) == ("good", early)
    assert audit(folder, "--state", tmp_path / "state") == ("checkpoint", "went-back")
    if guard == "kept":
        return
    # A monitor asks again for some seconds before it says so.
    look, found = follow(say, town, serve(folder).url, tmp_path)
    assert (look, found["code"]) == (1, "rollback")


def size_of(folder: Path) -> int:
    return Checkpoint.parse(split_note((folder / "checkpoint").read_bytes()).text).size


# ── The beginning ──────────────────────────────────────────────────────────────────────────────────────────


def opened_by(act: Any, what: str, own: SigningKey) -> Any:
    """Entry 0 with other officers, other rights, or another key for the receipts."""
    data = json.loads(json.dumps(act.data))
    match what:
        case "officers":
            data["officers"]["second"]["key"] = own.public.hex()
        case "rights":
            data["policy"]["rules"].append({"role": "key_officer", "types": ["key.added.v1"]})
        case "receipt key":
            data["receipt_key"] = own.public.hex()
    return replace(act, data=data)


@pytest.mark.attack("genesis", ("auditor", "mingjian-verify log"), ("signer", "mingjian-sign"))
@pytest.mark.parametrize("what", ["officers", "rights", "receipt key"])
def test_the_opening_is_invented(town: Any, operator: Any, audit: Any, tmp_path: Path, what: str) -> None:
    """Entry 0 gets officers, rights or keys of the operator's liking, and the whole log is made to follow from it."""
    own = SigningKey.generate()
    entries = operator.rewrite(
        lambda at, act: [opened_by(act, what, own) if at == 0 else act], more_keys=[*others(town), own]
    )
    folder = operator.write(tmp_path / "log", entries)
    # Under the origin that follows from it, the log is not the one in the auditor's policy.
    assert audit(folder) == ("checkpoint", "note-unverified")
    # Under the origin of the policy, the log is not the one that the origin pins.
    head = Checkpoint(operator.origin, len(entries), root_of(map(leaf_hash, entries)))
    (folder / "checkpoint").write_bytes(sign_checkpoint(head, Signer(operator.origin, operator.keyring.own("log"))))
    assert audit(folder) == (0, "origin")


@pytest.mark.attack("anchors", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize("name", ["policy", "tile/policy", "trusted"])
def test_a_log_brings_its_own_trust_anchors(town: Any, operator: Any, audit: Any, tmp_path: Path, name: str) -> None:
    """Beside a log of its own making the operator puts the policy under which it is good; the auditor's own counts."""
    own = SigningKey.generate()
    entries = operator.rewrite(lambda at, act: [opened_by(act, "officers", own) if at == 0 else act], more_keys=[
        *others(town), own
    ])  # fmt: skip
    folder = operator.write(tmp_path / "log", entries)
    theirs = log_policy(operator.origin_of(entries), operator.keyring.own("log").public)
    put(folder / name, theirs.to_bytes())
    assert audit(folder) == ("checkpoint", "note-unverified")
    # Also beside the true log it is no authority: it contradicts, or is one file too many.
    shutil.copytree(town.honest, tmp_path / "true")
    put(tmp_path / "true" / name, theirs.to_bytes())
    assert audit(tmp_path / "true") in (("policy", "policy"), (name, "file-extra"))

"""Cosignatures are collected beside publishing: the newest head moves on, the served one waits for its quorum."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.log_proofs import prove_entry
from api.log_questions import cosigned_age_s, is_late, log_state, witnesses
from ledger.door.hall import Hall
from ledger.errors import Malformed
from ledger.statement import open_statement
from ledger.store.cosigner import LATE_S
from ledger.store.published import log_policy
from ledger.tree.checkpoint import Checkpoint, open_checkpoint
from ledger.tree.note import split_note
from ledger.tree.policy import Policy
from projections.runner import Projector

Witness = Callable[[str], Any]
Command = Callable[..., tuple[int, Any]]


def served(hall: Hall) -> int:
    signed = hall.publisher.served()
    return 0 if signed is None else signed.checkpoint.size


def newest(hall: Hall) -> int:
    signed = hall.publisher.latest()
    assert signed is not None
    return signed.checkpoint.size


def text_at(hall: Hall, path: str) -> str:
    """What the server answers."""

    async def ask() -> str:
        transport = httpx.ASGITransport(create_app(hall))
        async with httpx.AsyncClient(transport=transport, base_url="http://hall") as client:
            return (await client.get(path)).text

    return asyncio.run(ask())


def carried(hall: Hall) -> list[int]:
    """The sizes of the checkpoints that the batches carry, in order."""
    acts = [open_statement(entry) for _, _, entry in hall.reader.stream("log")]
    notes = [act.data["checkpoint"] for act in acts if "checkpoint" in act.data]
    return [Checkpoint.parse(split_note(note.encode()).text).size for note in notes]


def test_without_witnesses_the_served_head_is_the_newest(hall: Hall, state: Any) -> None:
    with hall.sequencing():
        state(hall, 1)
        root = hall.publisher.root
        assert (root / "checkpoint").read_bytes() == (root / "latest").read_bytes()
        assert cosigned_age_s(hall) is None
    assert carried(hall) == []


def test_a_majority_is_enough_and_one_that_is_down_holds_nobody_up(
    hall: Hall, witness: Witness, register: Any, state: Any, until: Any
) -> None:
    one, two, three = witness("w1"), witness("w2"), witness("w3")
    with hall.sequencing():
        register(hall, one, two, three)
        until(lambda: served(hall) == newest(hall))
        three.end()
        state(hall, 1)
        until(lambda: served(hall) == newest(hall))
        signed = hall.publisher.served()
        assert signed is not None
        assert {line.key.name for line in signed.cosignatures} == {"w1.example/w", "w2.example/w"}

        # Now one of three is left: the newest head moves on at once, the served one waits.
        two.end()
        before = served(hall)
        began = time.monotonic()
        state(hall, 2)
        assert time.monotonic() - began < 2
        until(lambda: {row["standing"] for row in witnesses(hall)["witnesses"]} >= {"ok", "unreachable"})
        assert newest(hall) > before == served(hall)
        age = cosigned_age_s(hall)
        assert age is not None
        time.sleep(1.1)
        assert cosigned_age_s(hall) >= age + 1  # type: ignore[operator]  # it is asked for

        # It comes back at its address, and is asked again without anybody's doing.
        two.start()
        until(lambda: served(hall) == newest(hall))
    assert is_late(LATE_S + 1)
    assert not is_late(LATE_S)


def test_who_signed_already_stays_on_the_head_and_a_restart_asks_only_the_others(
    hall: Hall, witness: Witness, register: Any, until: Any, reopened: Any
) -> None:
    one, two = witness("w1"), witness("w2")
    with hall.sequencing():
        register(hall, one)
        two.end()
        register(hall, two)
        until(lambda: [c.key.name for c in hall.publisher.latest().cosignatures] == ["w1.example/w"])  # type: ignore[union-attr]
        before = served(hall)
    # Two of two are asked for: the lines wait in the file for the second.
    with reopened() as again:
        assert len(again.publisher.latest().cosignatures) == 1
        assert served(again) in (0, before)
        one.end()
        size = newest(again)
        two.start()
        # Not more: the batch that carries this one makes a head that waits for the first witness.
        until(lambda: served(again) == size)
        assert len(again.publisher.served().cosignatures) == 2


def test_groups_of_groups_by_two_persons(
    hall: Hall, witness: Witness, register: Any, until: Any, tmp_path: Path, command: Command
) -> None:
    """(w1 or w2) and w3."""
    one, two, three = witness("w1"), witness("w2"), witness("w3")
    rule = tmp_path / "rule"
    rule.write_text("group city any w1 w2\ngroup both all city w3\nquorum both\n")
    with hall.sequencing():
        register(hall, one, two, three)
        three.end()
        code, _ = command("log", "witness", "policy", "--set", rule, "--data", hall.data)
        assert code == 0
        assert hall.policy().groups[1].members == ("city", "w3")
        until(lambda: len(hall.publisher.latest().cosignatures) == 2)  # type: ignore[union-attr]
        assert hall.publisher.served() is None or served(hall) < newest(hall)
        two.end()
        three.start()
        until(lambda: served(hall) == newest(hall))

        # Whom the rule names cannot be taken away under it.
        code, said = command("log", "witness", "remove", "w3", "--data", hall.data)
        assert (code, said["error"]["code"]) == (1, "witness-policy")
    assert (hall.publisher.root / "policy").read_bytes() == hall.publisher.policy.to_bytes()
    assert list(hall.sweep().whole()) == []


def test_batches_carry_what_was_cosigned_once_each_and_go_on_after_a_restart(
    hall: Hall, witness: Witness, register: Any, state: Any, until: Any, reopened: Any
) -> None:
    with hall.sequencing():
        register(hall, witness("w1"))
        until(lambda: carried(hall) != [])
        # A batch made to carry is no reason for another.
        time.sleep(1)
        size, known = hall.reader.head().size, carried(hall)
        time.sleep(1)
        assert (hall.reader.head().size, carried(hall)) == (size, known)
        state(hall, 1)
        until(lambda: served(hall) == newest(hall))
    with reopened() as again:
        state(again, 2)
        until(lambda: served(again) == newest(again))
        sizes = carried(again)
        assert sizes == sorted(set(sizes))
        assert len(sizes) > len(known)
        for size in sizes:
            assert again.reader.batch_root(size) is not None


def test_an_auditor_verifies_what_was_exported_under_a_policy_with_witnesses(
    hall: Hall, witness: Witness, register: Any, state: Any, until: Any, tmp_path: Path, command: Command
) -> None:
    one, two = witness("w1"), witness("w2")
    with hall.sequencing():
        register(hall, one, two)
        state(hall, 1)
        until(lambda: served(hall) == newest(hall) and carried(hall) != [])
        state(hall, 2)
        until(lambda: served(hall) == newest(hall))
    code, told = command("export", "log", tmp_path / "log", "--data", hall.data)
    assert (code, told["cosignatures"]) == (0, 2)
    policy = tmp_path / "auditor.policy"
    policy.write_bytes(hall.policy().to_bytes())
    code, said = command("log", tmp_path / "log", "--policy", policy, program="mingjian-verify")
    assert (code, said["ok"]) == (0, True), said
    assert {row["name"] for row in said["cosigned_by"]} == {"w1.example/w", "w2.example/w"}
    # Who asks for a witness that never signed is told so.
    stranger = witness("w9")
    policy.write_bytes(hall.policy().to_bytes().replace(two.vkey.encode(), stranger.vkey.encode()))
    code, said = command("log", tmp_path / "log", "--policy", policy, program="mingjian-verify")
    assert (code, said["code"]) == (1, "quorum-not-met")


def test_a_witness_is_added_listed_and_removed_by_commands(
    data: Path, witness: Witness, command: Command, until: Any
) -> None:
    one = witness("w1")
    code, said = command("log", "witness", "add", one.vkey, "--url", one.url, "--name", "w1", "--data", data)
    assert code == 0, said
    code, said = command("log", "witness", "list", "--data", data)
    assert [(row["name"], row["vkey"], row["url"]) for row in said["witnesses"]] == [("w1", one.vkey, one.url)]
    for words, refused in (
        (["add", one.vkey, "--url", one.url, "--name", "w2"], "witness-policy"),
        (["add", one.vkey[:-8] + "AAAAAAA=", "--url", one.url], "key-length"),
        (["add", witness("w3").vkey, "--url", "ftp://x", "--name", "w3"], "witness-url"),
        (["remove", "w7"], "not-open"),
    ):
        code, said = command("log", "witness", *words, "--data", data)
        assert (code, said["error"]["code"]) == (1, refused), said
    # One person alone proposes and changes nothing.
    two = witness("w2")
    words = ["add", two.vkey, "--url", two.url, "--name", "w2", "--as", "officer/1"]
    code, proposed = command("log", "witness", *words, "--data", data)
    assert code == 0
    assert command("log", "witness", "list", "--data", data)[1]["n"] == 1
    code, said = command("registry", "confirm", proposed["id"], "--as", "officer/1", "--data", data)
    assert (code, said["error"]["code"]) == (1, "two-persons")
    assert command("registry", "confirm", proposed["id"], "--as", "officer/2", "--data", data)[0] == 0
    assert command("log", "witness", "list", "--data", data)[1]["n"] == 2
    assert command("log", "witness", "remove", "w1", "--data", data)[0] == 0
    assert [row["name"] for row in command("log", "witness", "list", "--data", data)[1]["witnesses"]] == ["w2"]


def test_a_rule_that_smuggles_a_log_or_a_witness_is_refused(hall: Hall, witness: Witness) -> None:
    from ledger.tree.note import VerifierKey
    from ledger.tree.policy import Witness as Named

    one, two = witness("w1"), witness("w2")
    key = hall.keyring.own("log").public
    named = [Named("w1", VerifierKey.parse(one.vkey), one.url)]
    assert log_policy(hall.origin, key, named).quorum == "majority"
    for rule in (f"witness w2 {two.vkey}\nquorum w2\n", "quorum w2\n", "group a any w1\n", ""):
        if rule:
            with pytest.raises(Malformed):
                log_policy(hall.origin, key, named, rule)
    policy = log_policy(hall.origin, key, named, "quorum w1\n")
    assert Policy.parse(policy.to_bytes()) == policy
    with pytest.raises(Exception, match="quorum"):
        open_checkpoint((hall.publisher.root / "checkpoint").read_bytes(), policy)


def test_pages_and_figures_tell_the_served_head_from_the_newest_and_how_old_it_is(
    hall: Hall, witness: Witness, register: Any, state: Any, until: Any
) -> None:
    one = witness("w1")
    Projector(hall.database).catch_up()
    with hall.sequencing():
        assert "mingjian_cosigned_age_seconds NaN" in text_at(hall, "/metrics")
        register(hall, one)
        until(lambda: served(hall) == newest(hall) and carried(hall) != [])
        one.end()
        state(hall, 1)
        shown, latest = (text_at(hall, f"/log/checkpoint{end}").split("\n") for end in ("", "/latest"))
        assert int(shown[1]) == served(hall) < int(latest[1]) == newest(hall)
        assert (len(shown) - len(latest)) == 1, "one line more: the witness's"
        figures = dict(line.rsplit(" ", 1) for line in text_at(hall, "/metrics").splitlines() if line[0] != "#")
        assert float(figures["mingjian_cosigned_age_seconds"]) >= 0
        assert float(figures["mingjian_cosigned_late"]) == 0
        until(lambda: witnesses(hall)["witnesses"][0]["standing"] == "unreachable")
        state_of = log_state(hall)
        assert state_of["latest"]["size"] == newest(hall)
        assert state_of["checkpoint"]["size"] == served(hall)
        # Proofs are made on the head that witnesses signed where that covers the entry, and say on which.
        assert [prove_entry(hall, index, "tlog").head.witnessed for index in (3, newest(hall) - 1)] == [True, False]

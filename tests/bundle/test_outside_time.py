"""A bundle with what others signed in it: a real witness's cosignatures and a real authority's tokens, all offline."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.door.hall import create_ledger, open_ledger
from ledger.door.heads import state_heads
from ledger.door.times import accept_authority, state_time
from ledger.statement import open_statement
from ledger.tree.note import split_note
from ledger.tree.policy import Policy
from ledger.verify.bundle import BundleVerdict, verify_bundle
from ledger.verify.bundle_format import MEMBERS, Scope
from ledger.verify.cli import main
from tests.bundle.conftest import CASE as STREAM
from tests.bundle.conftest import World, live_case, settle
from tests.verify.conftest import Authority
from tests.verify.test_time_tokens import serve
from tests.witnesses.conftest import Running

CASE = Scope(kind="case", stream=STREAM)


@dataclass
class Attested:
    """A bundle of a case on a head that a witness cosigned, with a token over all of it; and a policy that asks so."""

    path: Path
    policy: Policy
    world: Any

    def check(self, path: Path | None = None) -> BundleVerdict:
        return verify_bundle(path or self.path, self.policy)

    def code(self, change: Callable[[dict[str, bytes]], None], **more: Any) -> str:
        verdict = self.check(self.world.rewritten(self.path, change, **more))
        assert verdict.fault is not None, "it was not seen"
        return verdict.fault.code


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attested]:
    folder = tmp_path_factory.mktemp("attested")
    clock = Authority(tmp_path_factory.mktemp("tsa"))
    create_ledger(folder / "data")
    witness = Running(folder / "w1").start()
    try:
        with open_ledger(folder / "data") as hall, hall.sequencing(carry_s=0.2), serving(clock, folder) as url:
            witness.trust(hall)
            added = {"vkey": witness.vkey, "url": witness.url, "name": "w1"}
            settle(hall, hall.change("witness/w1", "witness.added.v1", added))
            clerk = live_case(hall)
            for number in range(9):  # of others: the bundle has their hashes only
                ticket = {"number": f"A{number}", "queue": "q"}
                settle(hall, clerk.say(f"ticket/t-{number}", "ticket.taken.v1", ticket))
            settle(hall, accept_authority(hall, "openssl", clock.root))
            state_time(hall, url)
            world = World(hall, folder, clerk)
            head = state_heads(hall)
            until(lambda: hall.wait_witnessed(head.index + 1) is not None)
            path, _ = world.bundle(CASE)
            yield Attested(path, hall.policy(), world)
    finally:
        witness.end(signal.SIGKILL)


@contextmanager
def serving(clock: Any, folder: Path) -> Iterator[str]:
    """The front of OpenSSL's authority that the tests of tokens use, while this lasts."""
    front = serve.__wrapped__(clock, folder)
    yield next(front)()
    next(front, None)


def test_a_case_is_proved_to_have_been_there_by_a_moment_that_others_signed(
    made: Attested, tmp_path: Path, capsys: Any
) -> None:
    verdict = made.check()
    assert verdict.fault is None
    assert verdict.signed is not None
    assert [one.key.name for one in verdict.signed.cosignatures] == ["w1.example/w"]
    assert verdict.rules_as_of == verdict.complete_as_of is not None
    (tmp_path / "policy").write_bytes(made.policy.to_bytes())
    capsys.readouterr()
    assert main(["bundle", str(made.path), "--policy", str(tmp_path / "policy"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    acts = [one for one in told["statements"] if one["stream"] == CASE.stream]
    assert len(acts) == 2
    # What covers them was signed after them; what they had seen may be from before anybody outside signed.
    assert all(one["not_after"] is not None for one in acts), acts
    kinds = {open_statement(entry).type for _, entry in made.world.records(parts_of(made.path)["entries"])}
    assert "log.time_token.v1" in kinds


def parts_of(path: Path) -> dict[str, bytes]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def without_cosignature(parts: dict[str, bytes]) -> None:
    lines = parts["checkpoint"].split(b"\n")
    parts["checkpoint"] = b"\n".join(line for line in lines if b"w1.example" not in line)


def other_cosignature(parts: dict[str, bytes]) -> None:
    assert split_note(parts["checkpoint"]).lines
    head, mark, rest = parts["checkpoint"].partition("— w1.example/w ".encode())
    parts["checkpoint"] = head + mark + rest[:20] + (b"A" if rest[20:21] != b"A" else b"B") + rest[21:]


def test_a_head_that_the_witness_did_not_sign_is_refused(made: Attested) -> None:
    assert made.code(without_cosignature) == "quorum-not-met"
    assert made.code(other_cosignature) == "note-bad-signature"


def test_a_token_that_was_changed_swapped_or_left_out_is_seen(made: Attested) -> None:
    records = made.world.records(parts_of(made.path)["entries"])
    [(at, token)] = [(i, e) for i, e in records if open_statement(e).type == "log.time_token.v1"]

    def entries(change: Callable[[int, bytes], bytes | None]) -> Callable[[dict[str, bytes]], None]:
        def do(parts: dict[str, bytes]) -> None:
            kept = [(i, new) for i, e in records if (new := change(i, e)) is not None]
            parts["entries"] = b"".join(i.to_bytes(8) + len(e).to_bytes(2) + e for i, e in kept)

        return do

    flipped = bytearray(token)
    flipped[len(token) // 2] ^= 1
    assert made.code(entries(lambda i, e: bytes(flipped) if i == at else e))
    assert made.code(entries(lambda i, e: None if i == at else e))
    # Its own entry is right, and the authority's certificate is another: nobody accepted that one.
    accepted = next(i for i, e in records if open_statement(e).type == "authority.accepted.v1")
    assert made.code(entries(lambda i, e: None if i == accepted else e))


@pytest.mark.parametrize("name", [name for name in MEMBERS if name not in ("manifest.json", "disclosures.jsonl")])
def test_each_part_is_guarded_also_when_the_manifest_agrees(made: Attested, name: str) -> None:
    def change(parts: dict[str, bytes]) -> None:
        raw = bytearray(parts[name])
        raw[len(raw) // 2] ^= 1
        parts[name] = bytes(raw)

    assert made.code(change)


def test_rules_that_are_left_out_whole_are_not_called_whole(made: Attested) -> None:
    """A stream of which nothing is in the bundle could be the one that forbade the act: its absence must be shown."""
    lines = parts_of(made.path)["completeness.jsonl"].splitlines(keepends=True)
    names = [json.loads(line).get("stream") for line in lines]
    assert {"policy", "key/staff/chen", "staff/staff/chen", "key/officer/1"} <= set(names)

    def forget(parts: dict[str, bytes]) -> None:
        kept = [line for line, name in zip(lines, names, strict=True) if name != "policy"]
        parts["completeness.jsonl"] = b"".join(kept)

    verdict = made.check(made.world.rewritten(made.path, forget, streams=len(lines) - 2))
    assert verdict.ok
    assert (verdict.rules_as_of, verdict.complete_as_of is not None) == (None, True)

"""One real ledger with a live case and imported ones, some values erased, some shown; and bundles of it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.door.heads import state_heads
from ledger.exchange.bundle import Bundled, export_bundle
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.keys import SigningKey
from ledger.registry import changes, erasure, keys, people
from ledger.registry.disclosed import grant_values
from ledger.store.published import log_policy
from ledger.tree.policy import Policy
from ledger.verify.archive import write_archive
from ledger.verify.bundle_format import MEMBERS, Manifest, Scope

CASE = "approval/a-1"
ITEM = {
    "name": "permit",
    "unit": "env",
    "centre": "c1",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20, "unit": "working-day", "start": "accepted"}},
}


def agree(proposal: Outcome, second: Desk) -> Outcome:
    return changes.confirm(second, proposal.id)


def at_desk(hall: Hall, actor: str, role: str, window: str | None = None) -> Desk:
    return Desk(door=hall.door, actor=actor, key=hall.keyring.make_actor(actor), role=role, window=window)


def hire(hall: Hall, actor: str, role: str, windows: tuple[str, ...] = ()) -> None:
    first, second = (at_desk(hall, officer, "key_officer") for officer in hall.registry.officers)
    agree(people.appoint(first, actor, person=actor, roles=[role], windows=windows), second)
    key = hall.keyring.make_actor(actor)
    proof = keys.prove_possession(hall.origin, actor, key)
    agree(keys.add(first, actor, key.public, proof, custody="server"), second)


def live_case(hall: Hall, case: str = CASE) -> Desk:
    """An approval with sealed values, at a window."""
    for one in "ab":
        hire(hall, f"staff/cat-{one}", "catalogue_admin")
    hire(hall, "staff/chen", "window_clerk", windows=("w1",))
    first, second = (at_desk(hall, f"staff/cat-{one}", "catalogue_admin") for one in "ab")
    version = agree(changes.propose(first, "item/permit", "item.published.v1", ITEM), second)
    clerk = at_desk(hall, "staff/chen", "window_clerk", "w1")
    applied = {"item": "permit", "item_version": version.id.hex(), "channel": "window"}
    clerk.say(case, "approval.applied.v1", applied | {"applicant": "张三", "contact": "13800000000"})
    clerk.say(case, "approval.accepted.v1", {"note": "papers seen"})
    return clerk


def settle(hall: Hall, *outcomes: Outcome) -> None:
    assert len(hall.wait_placed(outcomes, timeout_s=20)) == len({one.id for one in outcomes})


@dataclass
class World:
    """The ledger, and where bundles of it are made."""

    hall: Hall
    folder: Path
    clerk: Desk
    made: int = 0

    def bundle(self, scope: Scope, *, show: str = "") -> tuple[Path, Bundled]:
        if scope.kind != "period":
            state_heads(self.hall)
        shown = []
        if show:
            assert scope.stream is not None
            shown, _ = grant_values(self.hall, scope.stream, show.split(","), to="auditor/1", purpose="audit")
            state_heads(self.hall)
        self.made += 1
        path = self.folder / f"{self.made}.mjb"
        note = (self.hall.data / "published" / "checkpoint").read_bytes()
        return path, export_bundle(self.hall, path, scope, note=note, shown=shown)

    @property
    def policy(self) -> Policy:
        return self.hall.publisher.policy

    def stranger(self) -> Policy:
        """A policy that pins the same origin under another key."""
        return log_policy(self.hall.origin, SigningKey.generate().public)

    def streams(self) -> list[str]:
        return imported(self.hall)

    def records(self, raw: bytes) -> list[tuple[int, bytes]]:
        """The records in a member's bytes."""
        found, at = [], 0
        while at < len(raw):
            index, size = int.from_bytes(raw[at : at + 8]), int.from_bytes(raw[at + 8 : at + 10])
            found.append((index, raw[at + 10 : at + 10 + size]))
            at += 10 + size
        return found

    def rewritten(self, path: Path, change: Callable[[dict[str, bytes]], None], **manifest: Any) -> Path:
        """The bundle after ``change``, with a manifest that agrees: as whoever makes bundles could write it."""
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        head = Manifest.parse(parts["manifest.json"])
        entries = parts["entries"]
        change(parts)
        counts = dict(head.counts)
        if "entries" in parts and parts["entries"] != entries and len(parts["entries"]) < 1_000_000:
            counts["entries"] = len(self.records(parts["entries"]))
        counts |= {name: manifest.pop(name) for name in list(manifest) if name in counts}
        members = {
            name: (len(content), hashlib.sha256(content).hexdigest())
            for name, content in parts.items()
            if name != "manifest.json"
        }
        parts["manifest.json"] = replace(head, counts=counts, members=members, **manifest).to_bytes()
        self.made += 1
        out = self.folder / f"{self.made}.mjb"
        with out.open("wb") as file:
            write_archive(file, {name: BytesIO(parts[name]) for name in MEMBERS if name in parts})
        return out


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("bundle")
    create_ledger(folder / "data")
    generate_xes(folder / "log.xes", cases=12, seed=6)
    with open_ledger(folder / "data") as hall, hall.sequencing():
        import_xes(hall, folder / "log.xes", source="permits")
        clerk = live_case(hall)
        settle(hall, clerk.say("ticket/t-1", "ticket.taken.v1", {"number": "A1", "queue": "q"}))
        one, other = erasure.officers(hall)
        stream = min(imported(hall))
        proposed = erasure.propose(one, hall, stream, ground="pipl-47")
        erasure.carry_out(hall, [erasure.confirm(other, stream, proposal.id.hex()) for proposal in proposed])
        yield World(hall, folder, clerk)


def imported(hall: Hall) -> list[str]:
    with hall.database.use("reader") as connection:
        rows = connection.execute(
            "SELECT DISTINCT stream FROM ledger.statements WHERE stream LIKE 'imported/%' ORDER BY 1"
        ).fetchall()
    return [stream for (stream,) in rows]

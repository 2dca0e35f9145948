"""Two lived-in ledgers, and a copy of one for each attack: database, keys, guard and published files.

``lived_in`` keeps every key itself, officers' and clerks' too. In ``town`` people keep their own, three witnesses run
as processes, and citizen, clerk and auditor have at home what they were given on the way.

``owner`` is the database's owner with the triggers switched off: what the attacks of the operator are played with.
``operator`` is the same with patience: see ``forging``.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.door.heads import state_heads
from ledger.errors import Evidence
from ledger.exchange.export_log import export_log
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.keys import SigningKey, public_pem
from ledger.registry import changes, erasure, keys, people
from ledger.store.database import Connection
from ledger.store.embedded import embedded_server
from ledger.store.published import log_policy
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.cosignature import AddCheckpoint
from ledger.tree.note import VerifierKey, split_note
from ledger.tree.policy import Policy, Witness
from ledger.tree.proof import Proof
from ledger.verify.cli import main
from ledger.witness.ask import ask as ask_witness
from ledger.witness.cli import main as witness_main
from projections.runner import Projector
from tests.attacks import forging
from tests.interop import conftest as judges
from tests.monitor import conftest as monitor
from tests.tree import test_go
from tests.verify import conftest as verify
from tests.verify.log_files import put
from tests.witnesses.conftest import Running

numbers = count()

# Judges not written here.
scitt_cose = judges.scitt_cose
by_scitt_cose, by_cwt, by_go = judges.by_scitt_cose, judges.by_cwt, judges.by_go
by_sigstore_python, by_sigstore_js = judges.by_sigstore_python, judges.by_sigstore_js
by_go_tree = test_go.judge
serve, authority = monitor.serve, verify.authority


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "attack(row, *caught): the row of the list it plays; (who, how) sees it")


ITEM = {
    "name": "permit",
    "unit": "env",
    "centre": "c1",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20, "unit": "working-day", "start": "accepted"}},
}


def desk(hall: Hall, actor: str, role: str, window: str | None = None) -> Desk:
    """Where ``actor`` works, with the key kept here."""
    return Desk(door=hall.door, actor=actor, key=hall.keyring.make_actor(actor), role=role, window=window)


def agree(proposal: Outcome, second: Desk) -> Outcome:
    """The second person of a two-person change."""
    return changes.confirm(second, proposal.id)


def hire(hall: Hall, actor: str, role: str, windows: tuple[str, ...] = ()) -> None:
    """A person with a role and a key kept here, by both officers."""
    first, second = (desk(hall, officer, "key_officer") for officer in hall.registry.officers)
    agree(people.appoint(first, actor, person=actor, roles=[role], windows=windows), second)
    key = hall.keyring.make_actor(actor)
    proof = keys.prove_possession(hall.origin, actor, key)
    agree(keys.add(first, actor, key.public, proof, custody="server"), second)


def live_acts(hall: Hall) -> Outcome:
    """Two approvals and a ticket, at a window."""
    hire(hall, "staff/cat-a", "catalogue_admin")
    hire(hall, "staff/cat-b", "catalogue_admin")
    hire(hall, "staff/chen", "window_clerk", windows=("w1",))
    first, second = (desk(hall, f"staff/cat-{one}", "catalogue_admin") for one in "ab")
    version = agree(changes.propose(first, "item/permit", "item.published.v1", ITEM), second)
    clerk = desk(hall, "staff/chen", "window_clerk", "w1")
    for case in ("approval/a-1", "approval/a-2"):
        applied = {"item": "permit", "item_version": version.id.hex(), "channel": "window", "applicant": "张三"}
        clerk.say(case, "approval.applied.v1", applied)
        clerk.say(case, "approval.accepted.v1", {})
    clerk.say("ticket/t-1", "ticket.taken.v1", {"number": "A1", "queue": "q"})
    return clerk.say("ticket/t-1", "ticket.called.v1", {"window": "w1"})


@pytest.fixture(scope="package")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A ledger of some hundred statements in a data folder, closed, and the URL of its server."""
    data = tmp_path_factory.mktemp("lived-in") / "data"
    log = data.parent / "log.xes.gz"
    generate_xes(log, cases=90, seed=6)
    with embedded_server(data) as url:
        create_ledger(data)
        with open_ledger(data) as hall:
            with hall.sequencing():
                import_xes(hall, log, source="permits")
                hall.wait_placed([live_acts(hall)], timeout_s=20)
            assert hall.reader.head().size > 512
            Projector(hall.database).catch_up()
        yield data, url


@contextmanager
def copied(lived_in: tuple[Path, str], folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Hall]:
    """A copy of the ledger, open; its database is a file copy, so transaction ids go on as after a restart."""
    data, url = lived_in
    name = f"copy_{next(numbers)}"
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE mingjian STRATEGY file_copy".encode())
    shutil.copytree(data, folder, ignore=shutil.ignore_patterns("postgres"))
    patch.setenv("MINGJIAN_DATABASE_URL", url.replace("/mingjian?", f"/{name}?"))
    with open_ledger(folder) as hall:
        yield hall


@pytest.fixture
def hall(lived_in: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    with copied(lived_in, tmp_path / "data", monkeypatch) as opened:
        yield opened


@pytest.fixture
def owner(hall: Hall) -> Iterator[Connection]:
    """The owner of the database, whom no trigger stops."""
    with hall.database.connect("owner") as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def swept(hall: Hall) -> Callable[[], list[Evidence]]:
    """What a whole sweep finds."""
    return lambda: list(hall.sweep().whole())


# ── A town whose people keep their own keys ────────────────────────────────────────────────────────────────

PEOPLE: dict[str, tuple[str, ...]] = {
    "officer/1": ("key_officer",),
    "officer/2": ("key_officer",),
    "staff/cat-a": ("catalogue_admin",),
    "staff/cat-b": ("catalogue_admin",),
    "staff/chen": ("window_clerk",),
    "staff/zhao": ("window_clerk",),
    "staff/sun": ("privacy_officer",),
}


@dataclass
class Town:
    """The ledger in ``data``, and what lies outside of it."""

    data: Path
    home: Path
    url: str = ""
    keys: dict[str, SigningKey] = field(default_factory=dict)
    witnesses: list[Any] = field(default_factory=list)
    acts: dict[str, Any] = field(default_factory=dict)

    def desk(self, hall: Hall, actor: str, role: str | None = None, **more: Any) -> Desk:
        """Where somebody works whose key is their own."""
        role = role or PEOPLE[actor][0]
        more = {"window": "w1"} | more if role == "window_clerk" else more
        return Desk(door=hall.door, actor=actor, key=self.keys[actor], role=role, **more)

    @property
    def pinned(self) -> Path:
        """An auditor's policy: origin and log key, no witness."""
        return self.home / "pinned"

    @property
    def witnessed(self) -> Path:
        """The same with two of the three witnesses."""
        return self.home / "witnessed"

    @property
    def policy(self) -> Policy:
        return Policy.parse(self.pinned.read_bytes())

    @property
    def early(self) -> Path:
        """The log as an auditor fetched it once, long ago."""
        return self.home / "early"

    @property
    def honest(self) -> Path:
        """The log as it stands, cosigned."""
        return self.home / "honest"


def until(what: Callable[[], bool], *, timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.03)


def is_cosigned(hall: Hall) -> bool:
    served, newest = hall.publisher.served(), hall.publisher.latest()
    return served is not None and newest is not None and served.checkpoint == newest.checkpoint


def is_quiet(hall: Hall) -> bool:
    """Whether the newest head is cosigned, and no batch comes any more to carry that."""
    before = hall.reader.head().size
    time.sleep(0.5)
    return is_cosigned(hall) and hall.reader.head().size == before


def hand_over(town: Town, hall: Hall) -> None:
    """The officers' keys of the opening, which this machine made, give way to their own."""
    old = [desk(hall, officer, "key_officer") for officer in hall.registry.officers]
    first, second = old
    for actor in hall.registry.officers:
        key = town.keys[actor] = SigningKey.generate()
        agree(keys.add(first, actor, key.public, keys.prove_possession(hall.origin, actor, key)), second)
    one, two = town.desk(hall, "officer/1", "key_officer"), town.desk(hall, "officer/2")
    for each in old:
        agree(keys.revoke(one, each.key.thumbprint.hex(), reason="handed-over"), two)


def settle_people(town: Town, hall: Hall) -> None:
    one, two = town.desk(hall, "officer/1", "key_officer"), town.desk(hall, "officer/2")
    for actor, roles in PEOPLE.items():
        if actor.startswith("officer/"):
            continue
        windows = ("w1",) if "window_clerk" in roles else ()
        agree(people.appoint(one, actor, person=actor, roles=roles, windows=windows), two)
        key = town.keys[actor] = SigningKey.generate()
        agree(keys.add(one, actor, key.public, keys.prove_possession(hall.origin, actor, key)), two)
    source = hall.keyring.make_actor("source/permits")
    proof = keys.prove_possession(hall.origin, "source/permits", source)
    agree(keys.add(one, "source/permits", source.public, proof, custody="server"), two)
    for witness in town.witnesses:
        witness.trust(hall)
        content = {"vkey": witness.vkey, "url": witness.url, "name": witness.name}
        agree(changes.propose(one, f"witness/{witness.name}", "witness.added.v1", content), two)


def live(town: Town, hall: Hall) -> None:
    """Cases, tickets, an erasure; what citizen, clerk and auditor take home lies in ``home`` afterwards."""
    first, second = town.desk(hall, "staff/cat-a"), town.desk(hall, "staff/cat-b")
    version = agree(changes.propose(first, "item/permit", "item.published.v1", ITEM), second)
    chen, zhao = town.desk(hall, "staff/chen"), town.desk(hall, "staff/zhao")
    act = town.acts
    for number in (1, 2, 3):
        values = {"item": "permit", "item_version": version.id.hex(), "channel": "window", "applicant": "张三"}
        act[f"applied-{number}"] = chen.say(f"approval/a-{number}", "approval.applied.v1", values)
        act[f"accepted-{number}"] = chen.say(f"approval/a-{number}", "approval.accepted.v1", {"note": "齐全"})
    ticket = {"number": "A1", "queue": "q", "channel": "counter"}
    act["taken"] = zhao.say("ticket/t-1", "ticket.taken.v2", ticket)
    act["called"] = zhao.say("ticket/t-1", "ticket.called.v1", {"window": "w1"})
    hall.wait_placed([act["called"]], timeout_s=20)
    until(lambda: is_cosigned(hall))
    from api.log_proofs import complete_stream, prove_entry

    state_heads(hall)
    until(lambda: is_cosigned(hall))
    export_log(hall, town.early)
    # The citizen of case a-1: the acceptance, its proof in two forms, the case whole.
    index = hall.reader.placed([act["accepted-1"].id])[act["accepted-1"].id]
    entry = hall.reader.entries(index, index + 1)[0].entry
    put(town.home / "citizen/entry", entry)
    for form in ("tlog", "cose"):
        put(town.home / f"citizen/{form}", prove_entry(hall, index, form).content)
    document, _ = complete_stream(hall, "approval/a-1", fresh=True)
    put(town.home / "citizen/whole", json.dumps(document.as_json()).encode())
    put(town.home / "receipt.pem", public_pem(hall.keyring.own("receipt").public))
    # The clerk: the promises that came with her acts.
    for name in ("accepted-2", "called"):
        put(town.home / f"clerk/{name}.promise", hall.promise(act[name]).encode())
    # Later: one case goes on, one is erased, somebody withdraws.
    one, two = town.desk(hall, "staff/sun"), town.desk(hall, "officer/2")
    [proposal] = erasure.propose(one, hall, "approval/a-3", ground="pipl-47")
    erasure.carry_out(hall, [erasure.confirm(two, "approval/a-3", proposal.id.hex())])
    act["withdrawn"] = chen.say("approval/a-2", "approval.withdrawn.v1", {"reason": "搬家"})
    act["served"] = zhao.say("ticket/t-1", "ticket.served.v1", {})
    put(town.home / "clerk/withdrawn.promise", hall.promise(act["withdrawn"]).encode())
    hall.wait_placed([act["served"]], timeout_s=20)
    state_heads(hall)
    until(lambda: is_quiet(hall))


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Some 400 statements under everybody's own key, closed; the witnesses go on."""
    folder = tmp_path_factory.mktemp("town")
    found = Town(folder / "data", folder / "home")
    found.home.mkdir()
    generate_xes(folder / "log.xes", cases=45, seed=6)
    found.witnesses = [Running(folder / f"w{n}").start() for n in (1, 2, 3)]
    try:
        with embedded_server(found.data) as found.url:
            create_ledger(found.data)
            with open_ledger(found.data) as hall:
                with hall.sequencing(carry_s=0.2):
                    hand_over(found, hall)
                    settle_people(found, hall)
                    until(lambda: is_cosigned(hall))
                    done = import_xes(hall, folder / "log.xes", source="permits")
                    hall.wait_placed([done.last], timeout_s=20)
                    live(found, hall)
                export_log(hall, found.honest)
                found.witnessed.write_bytes(hall.policy().to_bytes())
                found.pinned.write_bytes(log_policy(hall.origin, hall.keyring.own("log").public).to_bytes())
                Projector(hall.database).catch_up()
            yield found
    finally:
        for witness in found.witnesses:
            witness.end()


def operating(data: Path, url: str, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """The operator of the ledger in ``data``; its machine is copied to ``folder`` when something is to be changed."""

    def copy() -> tuple[Path, str]:
        name = f"copy_{next(numbers)}"
        with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name} TEMPLATE mingjian STRATEGY file_copy".encode())
        shutil.copytree(data, folder, ignore=shutil.ignore_patterns("postgres"))
        there = url.replace("/mingjian?", f"/{name}?")
        patch.setenv("MINGJIAN_DATABASE_URL", there)
        return folder, there

    return forging.Operator(data, url, copy)


@pytest.fixture
def operator(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The town's operator."""
    return operating(town.data, town.url, tmp_path / "data", monkeypatch)


@pytest.fixture
def holder_of_all_keys(lived_in: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator of a ledger that keeps everybody's key."""
    return operating(*lived_in, tmp_path / "all-keys", monkeypatch)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run ``mingjian-verify`` with ``--json``: exit code and answer."""

    def run(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main([*map(str, words), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, out
        return code, json.loads(out)

    return run


@pytest.fixture
def audit(say: Any, town: Town) -> Callable[..., tuple[Any, ...]]:
    """An auditor's verdict on an exported log: ``("good", size)``, or where it is wrong and how."""

    def run(folder: Path, *more: object, policy: Path | None = None) -> tuple[Any, ...]:
        code, found = say("log", folder, "--policy", policy or town.pinned, "--jobs", "1", *more)
        assert code == (0 if found["ok"] else 1)
        return ("good", found["size"]) if found["ok"] else (found["first_bad"], found["code"])

    return run


@pytest.fixture
def proved(town: Town, say: Any, tmp_path: Path) -> Callable[..., dict[str, bool]]:
    """Whether a citizen's proofs of a place hold for ``entry``: before our command, and each judge not written here."""

    def check(entry: bytes, *, policy: Path | None = None) -> dict[str, bool]:
        policy = policy or town.witnessed
        citizen = town.home / "citizen"
        (tmp_path / "entry").write_bytes(entry)
        words = ("--entry", tmp_path / "entry", "--policy", policy, "--receipt-key", town.home / "receipt.pem")
        return {form: say("proof", citizen / form, *words)[0] == 0 for form in ("tlog", "cose")}

    return check


@pytest.fixture
def strangers(
    town: Town, by_scitt_cose: Any, by_go: Any, by_sigstore_python: Any, by_sigstore_js: Any
) -> Callable[[bytes], dict[str, bool]]:
    """The same, before judges not written here."""
    citizen = town.home / "citizen"
    tlog, cose = (citizen / "tlog").read_bytes(), (citizen / "cose").read_bytes()
    proof = Proof.parse(tlog)
    head = Checkpoint.parse(split_note(proof.checkpoint).text)
    go = {"kind": "proof", "data": tlog, "vkey": str(town.policy.logs[0].key), "policy": town.witnessed.read_bytes()}
    scitt = {"kind": "receipt", "data": cose, "pem": (town.home / "receipt.pem").read_bytes()}
    merkle = {"kind": "inclusion", "index": proof.index, "size": head.size, "path": list(proof.path), "root": head.root}

    def ask(entry: bytes) -> dict[str, bool]:
        return {
            "scitt-cose": by_scitt_cose([scitt | {"entry": entry}])[0],
            "Go": by_go([go | {"entry": entry}])[0],
            "sigstore-python": by_sigstore_python([merkle | {"entry": entry}])[0],
            "sigstore-js": by_sigstore_js([merkle | {"entry": entry}])[0],
        }

    return ask


@pytest.fixture
def signed_by_log(town: Town, by_sigstore_python: Any, by_sigstore_js: Any) -> Callable[[bytes], dict[str, bool]]:
    """Whether judges not written here find that the log's key has signed a note."""

    def ask(note: bytes) -> dict[str, bool]:
        case = checkpoint_case(note, Checkpoint.parse(split_note(note).text).root, town.policy.logs[0].key)
        return {"sigstore-python": by_sigstore_python([case])[0], "sigstore-js": by_sigstore_js([case])[0]}

    return ask


def checkpoint_case(note: bytes, root: bytes, key: VerifierKey) -> dict[str, Any]:
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    case = {"kind": "checkpoint", "note": note, "root": root, "der": der, "origin": key.name}
    return case | {"key_id": key.key_id}


@pytest.fixture
def asked(town: Town) -> Callable[..., tuple[int, bytes]]:
    """Ask a real witness to cosign a head: its status and answer."""

    def ask(witness: Any, old: int, path: Sequence[bytes], note: bytes) -> tuple[int, bytes]:
        answer = ask_witness(witness.url, AddCheckpoint(old, tuple(path), note).to_bytes())
        return answer.status, answer.body

    return ask


@pytest.fixture
def fresh_witness(tmp_path: Path, town: Town) -> Iterator[Any]:
    """One more witness, that has seen nothing yet and trusts the town's log; ``policy`` asks for it alone."""
    running = Running(tmp_path / "w4").start()
    log = town.policy.logs[0].key
    assert witness_main(["trust", str(log), "--state", str(running.folder), "--json"]) == 0
    policy = Policy(town.policy.logs, (Witness("w4", VerifierKey.parse(running.vkey)),), (), "w4")
    running.policy = tmp_path / "w4.policy"
    running.policy.write_bytes(policy.to_bytes())
    yield running
    running.end()

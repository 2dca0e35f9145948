"""A whole log in a few lines, signed with real keys: by an honest operator, or by one who lies as well as it can.

Whatever a test changes, ``write`` makes a tree and a checkpoint of it under the true log key, as an operator could.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.registry import CLOCK_ACTOR, possession_message
from ledger.keys import SigningKey
from ledger.statement import Draft, StatementId, instant_text, instant_us, open_statement, sign_statement, statement_id
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import EMPTY_ROOT, Frontier, leaf_hash, root_of
from ledger.tree.note import Signer, VerifierKey
from ledger.tree.policy import Log, Policy
from tests.verify.log_files import put, write_log

MORNING = "2024-03-04T01:00:00.000000Z"
SOURCE = "source/permits"


def key_of(name: str) -> SigningKey:
    """A key that is the same in every run."""
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


def officer(actor: str) -> dict[str, str]:
    return {
        "actor": actor,
        "person": hashlib.sha256(actor.encode()).hexdigest()[:32],
        "key": key_of(actor).public.hex(),
        "custody": "actor",
    }


class Book:
    """A log being written. ``say`` puts a statement into the open batch, ``seal`` ends it."""

    def __init__(self, **genesis: Any) -> None:
        self.entries: list[bytes] = []
        self.heads: dict[str, tuple[int, StatementId]] = {}
        self.pending: list[bytes | Callable[[], bytes]] = []
        self.origin: str | None = None
        self.now = MORNING
        self.count = 0
        opening = {
            "name": "example.org/hall",
            "officers": {"first": officer("staff/lin"), "second": officer("staff/wu")},
            "clock_key": key_of(CLOCK_ACTOR).public.hex(),
            "receipt_key": key_of("receipt").public.hex(),
            "log_key": key_of("log").public.hex(),
            "time_authorities": {},
            "policy": FIRST_POLICY,
        } | genesis
        first = self.sign("ledger.opened.v1", "ledger", opening, actor="staff/lin", role="key_officer")
        self.entries.append(first)
        self.origin = f"example.org/hall/{statement_id(first)[:16].hex()}"

    @property
    def last(self) -> bytes:
        """The statement said last, while its batch is open."""
        assert isinstance(self.pending[-1], bytes)
        return self.pending[-1]

    def replace_last(self, entry: bytes) -> None:
        """Other bytes in its place; the stream goes on from them."""
        self.pending[-1] = entry
        act = open_statement(entry)
        self.heads[act.stream] = (act.seq, act.id)

    @classmethod
    def opened(cls, **genesis: Any) -> Book:
        """With both officers' entries."""
        book = cls(**genesis)
        book.confirm()
        return book

    def confirm(self, **how: Any) -> None:
        """The second officer's entry."""
        opened = {"opened": statement_id(self.entries[0]).hex()}
        how = {"actor": "staff/wu", "role": "key_officer"} | how
        self.entries.append(self.sign("ledger.confirmed.v1", "ledger", opened, **how))

    @classmethod
    def importing(cls) -> Book:
        """With the key of a source's adapter; entries 2 to 4 are the batch that adds it."""
        book = cls.opened()
        book.add_key(SOURCE)
        book.seal()
        return book

    # ------------------------------------------------------------------------------------------ statements

    @property
    def size(self) -> int:
        return len(self.entries)

    def root(self, size: int | None = None) -> bytes:
        leaves = [leaf_hash(entry) for entry in self.entries[:size]]
        return root_of(leaves) if leaves else EMPTY_ROOT

    def sign(
        self,
        type_: str,
        stream: str,
        data: dict[str, Any],
        *,
        actor: str,
        role: str,
        key: SigningKey | None = None,
        **changes: Any,
    ) -> bytes:
        """A statement, next in its stream; ``changes`` are of the draft, after all else was right."""
        seq, prev = self.heads.get(stream, (0, None))
        self.count += 1
        # Entries 0 and 1 stand before anything could be seen.
        seen = 0 if type_.startswith("ledger.") else self.size
        values = {
            "actor": actor,
            "stream": stream,
            "type": type_,
            "seq": seq + 1,
            "prev": prev,
            "seen_size": seen,
            "seen_root": self.root(seen),
            "at": self.now,
            "role": role,
            "request": f"r-{self.count}",
            "data": data,
            "audience": self.origin,
        }
        entry = sign_statement(Draft(**(values | changes)), key or key_of(actor))
        self.heads[stream] = (values["seq"], statement_id(entry))
        return entry

    def say(self, type_: str, stream: str, data: dict[str, Any], **how: Any) -> StatementId:
        entry = self.sign(type_, stream, data, **how)
        self.pending.append(entry)
        return statement_id(entry)

    def clock(self, type_: str, data: dict[str, Any], **how: Any) -> bytes:
        how = {"actor": CLOCK_ACTOR, "role": "system_clock"} | how
        return self.sign(type_, "log", data, **how)

    def void(self, reason: str, *, statement: StatementId | None = None) -> None:
        """Void the statement said last."""
        named = statement or statement_id(self.pending[-1])
        # It is signed when the batch is: only then is the batch statement, its prev, known.
        self.pending.append(lambda: self.clock("log.voided.v1", {"statement": named.hex(), "reason": reason}))

    def seal(self, *, size: int | None = None, minutes: int = 1, **how: Any) -> int:
        """End the batch with everything said since the last; the index of its own statement."""
        self.now = instant_text(instant_us(self.now) + minutes * 60_000_000)
        data = {"size": len(self.pending) if size is None else size} | how.pop("data", {})
        batch = [self.clock("log.batch.v1", data, **how)]
        batch += [one if isinstance(one, bytes) else one() for one in self.pending]
        self.pending = []
        self.entries += batch
        return self.size - len(batch)

    # ------------------------------------------------------------------------------------------- what is said

    def agree(self, type_: str, stream: str, content: dict[str, Any]) -> StatementId:
        """A change by two officers."""
        how = {"role": "key_officer"}
        change = {"change": type_, "content": content}
        kind = type_.partition(".")[0]
        proposal = self.say(f"{kind}.change_proposed.v1", stream, change, actor="staff/lin", **how)
        return self.say(type_, stream, content | {"proposal": proposal.hex()}, actor="staff/wu", **how)

    def key_content(self, owner: str, key: SigningKey | None = None, **more: Any) -> dict[str, Any]:
        """A key with the proof of its possession."""
        key = key or key_of(owner)
        proof = key.sign(possession_message(str(self.origin), owner, key.public)).hex()
        return {"key": key.public.hex(), "proof": proof} | more

    def add_key(self, actor: str, **more: Any) -> None:
        content = self.key_content(actor, actor=actor, custody="device", **more)
        self.agree("key.added.v1", f"key/{actor}", content)

    def imported(self, case: int, ordinal: int, **how: Any) -> StatementId:
        """An event of an imported case; ordinal 0 is the case itself."""
        data = {"case_no": case} if ordinal == 0 else {"ordinal": ordinal, "activity": "受理"}
        how = {"actor": SOURCE, "role": "source_adapter", "data": data} | how
        type_ = "imported.event.v1" if ordinal else "imported.case.v1"
        return self.say(type_, f"imported/permits/c{case}", **how)

    def import_cases(self, cases: int, *, events: int = 5, per_batch: int = 20) -> None:
        for case in range(1, cases + 1):
            for ordinal in range(events + 1):
                self.imported(case, ordinal)
            if case % per_batch == 0:
                self.seal()
        if self.pending:
            self.seal()

    # ---------------------------------------------------------------------------------------------- files

    @property
    def policy(self) -> Policy:
        """What an auditor was handed."""
        return Policy(logs=(Log(key=VerifierKey(str(self.origin), key_of("log").public)),))

    def write(self, folder: Path, *, size: int | None = None) -> Path:
        """The log as files, its tree and head made of whatever the entries are now."""
        shutil.rmtree(folder, ignore_errors=True)
        entries = self.entries[:size]
        frontier = Frontier()
        frontier.extend([leaf_hash(entry) for entry in entries])
        head = Checkpoint(str(self.origin), len(entries), frontier.root())
        write_log(folder, entries, sign_checkpoint(head, Signer(str(self.origin), key_of("log"))))
        put(folder / "policy", self.policy.to_bytes())
        return folder


class Authority:
    """OpenSSL's time authority, with a certificate of its own root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ts.cnf").write_text(
            "[tsa]\ndefault_tsa = t\n[t]\nserial = ./serial\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\n"
            "digests = sha256\naccuracy = secs:2\ness_cert_id_alg = sha256\n"
        )
        (folder / "serial").write_text("01")
        (folder / "ext").write_text("extendedKeyUsage=critical,timeStamping\n")
        root = "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 3650 -subj /CN=root"
        self.run(root)
        self.root = self.run("x509 -in root.pem -outform der")
        self.issue("tsa")

    def issue(self, name: str, *, days: str = "100") -> None:
        self.run(f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}")
        sign = f"x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days {days}"
        self.run(f"{sign} -extfile ext -out {name}.pem")

    def run(self, words: str) -> bytes:
        return subprocess.run(["openssl", *words.split()], cwd=self.folder, check=True, capture_output=True).stdout

    def stamp(self, message: bytes, *, by: str = "tsa") -> bytes:
        (self.folder / "message").write_bytes(message)
        self.run("ts -query -data message -sha256 -cert -out query")
        reply = f"ts -reply -config ts.cnf -queryfile query -signer {by}.pem -inkey {by}.key -token_out -out token"
        self.run(reply)
        return (self.folder / "token").read_bytes()


@pytest.fixture(scope="session")
def new_book() -> type[Book]:
    return Book


@pytest.fixture(scope="session")
def keys() -> Callable[[str], SigningKey]:
    return key_of


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def book() -> Book:
    """Officers, a source's adapter, and two imported cases: entry 5 is their batch, 6 to 11 are theirs."""
    book = Book.importing()
    book.import_cases(2, events=2)
    return book


@pytest.fixture(scope="session")
def long_book() -> Book:
    """Over 512 entries: two full tiles, a partial one, and one of level 1. Not to be changed."""
    book = Book.importing()
    book.import_cases(100, events=5, per_batch=10)
    return book


@pytest.fixture(scope="session")
def long_log(long_book: Book, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``long_book`` as files. Not to be changed."""
    return long_book.write(tmp_path_factory.mktemp("long"))


@pytest.fixture
def folder(long_log: Path, tmp_path: Path) -> Path:
    """A copy of ``long_log``, to be broken."""
    return Path(shutil.copytree(long_log, tmp_path / "log"))

"""What an operator has, and what a patient one makes of it: every key of the machine, every row, every file.

``rewrite`` makes another history of a log and mends all that hangs on the change, as far as the keys reach: ``seq`` and
``prev``, what signers had seen, batches and what they carry, ids that others name, case heads, the origin, proofs of
possession. ``install`` writes a history over the database, triggers off, so that the operator's own sweep finds it
whole. ``dump`` hands out rows as they are, without the checks that our export makes.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from ledger.door.hall import open_ledger
from ledger.door.keyring import Keyring
from ledger.errors import Malformed
from ledger.exchange.export_log import export_log
from ledger.facts.registry import possession_message
from ledger.facts.types import TYPES
from ledger.keys import SigningKey
from ledger.statement import Draft, Statement, open_statement, sign_statement, statement_id
from ledger.statement.statement import draft_bytes, join_signature
from ledger.store.recorder import content_digest, request_key, seal_of
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.heads import HeadTree, Row, stream_hash
from ledger.tree.merkle import Frontier, leaf_hash, root_of
from ledger.tree.note import Signer, split_note
from ledger.tree.tiles import tiles_for
from tests.verify.log_files import bundle_files, put, write_log

Change = Callable[[int, Statement], Iterable[Any]]
"""``(index, statement)`` to what stands there instead: statements, drafts, ``(draft, key)``, or bytes as they are."""


def keep(_index: int, act: Statement) -> list[Any]:
    return [act]


def draft_of(act: Draft) -> Draft:
    return Draft(**{name: getattr(act, name) for name in Draft.__dataclass_fields__})


def keys_of(data: Path) -> dict[bytes, SigningKey]:
    """Every private key on the operator's machine, by thumbprint."""
    found = [SigningKey.from_pem(path.read_bytes()) for path in Keyring(data).folder.rglob("*.pem")]
    return {key.thumbprint: key for key in found}


@dataclass
class _Rewriting:
    keys: Mapping[bytes, SigningKey]
    log_key: SigningKey
    stranger: SigningKey | None
    acts: Sequence[Statement]
    items: list[list[Any]]
    sizes: list[int] = field(default_factory=lambda: [0])
    entries: list[bytes] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    streams: dict[str, tuple[int, Any]] = field(default_factory=dict)
    origin: str | None = None
    frontier: Frontier = field(default_factory=Frontier)

    def run(self) -> list[bytes]:
        for items in self.items:
            self.sizes.append(self.sizes[-1] + len(items))
        self.roots.append(self.frontier.root())
        for index, items in enumerate(self.items):
            for number, item in enumerate(items):
                self._put(index, self._entry(index, item), item)
                if index == len(self.acts):
                    self.ids[f"@{number}"] = statement_id(self.entries[-1]).hex()
        return self.entries

    def _entry(self, index: int, item: Any) -> bytes:
        if isinstance(item, bytes):
            return item
        old, key = item if isinstance(item, tuple) else (item, None)
        # What comes with a key of its own is said as it is: only its place is mended.
        theirs = key is None and isinstance(old, Statement)
        new = self._mended(index, old, theirs=theirs)
        if theirs:
            if new == draft_of(self.acts[index]) and old.id == self.acts[index].id:
                return old.entry
            key = self.keys.get(old.kid, self.stranger)
            if key is None:
                # Nothing to sign it with: the old signature under other words is the best there is.
                protected, payload, _ = draft_bytes(new, old.kid)
                return join_signature(protected, payload, old.entry[-64:])
        assert key is not None
        return sign_statement(new, key)

    def _mended(self, index: int, old: Draft, *, theirs: bool) -> Draft:
        size = self.sizes[old.seen_size]
        seq, prev = self.streams.get(old.stream, (0, None))
        data = self._named(dict(old.data))
        if theirs and old.type == "log.batch.v1":
            later = (at for at in range(index + 1, len(self.acts)) if self.acts[at].type == "log.batch.v1")
            data["size"] = self.sizes[next(later, len(self.acts))] - self.sizes[index] - 1
            if "checkpoint" in data and not self._stands(data["checkpoint"]):
                del data["checkpoint"]
        if theirs and old.type == "heads.stated.v1":
            data = self._heads(self.sizes[old.data["size"]])
        if old.type.startswith("key.") and self.origin != self.acts[0].audience:
            content = data.get("content", data)
            owner = content.get("actor", old.actor)
            known = {key.public.hex(): key for key in self.keys.values()}
            if content.get("key") in known:
                key = known[content["key"]]
                content["proof"] = key.sign(possession_message(str(self.origin), owner, key.public)).hex()
        return replace(
            draft_of(old),
            seq=seq + 1,
            prev=prev,
            seen_size=size,
            seen_root=self.roots[size],
            data=data,
            causes=tuple(bytes.fromhex(self.ids.get(one.hex(), one.hex())) for one in old.causes),
            audience=self.origin,
        )

    def _named(self, value: Any) -> Any:
        match value:
            case str():
                return self.ids.get(value, value)
            case list():
                return [self._named(one) for one in value]
            case dict():
                return {name: self._named(one) for name, one in value.items()}
        return value

    def _stands(self, note: str) -> bool:
        head = Checkpoint.parse(split_note(note.encode()).text)
        return head.size < len(self.roots) and self.roots[head.size] == head.root

    def _heads(self, size: int) -> dict[str, Any]:
        rows: dict[str, Row] = {}
        for entry in self.entries[:size]:
            act = open_statement(entry)
            rows[act.stream] = Row(stream_hash(act.stream), act.seq, act.id)
        tree = HeadTree()
        tree.update(rows.values())
        return dict(tree.heads(size).as_data())

    def _put(self, index: int, entry: bytes, item: Any) -> None:
        id_ = statement_id(entry)
        if isinstance(item, Statement):
            self.ids[self.acts[index].id.hex()] = id_.hex()
        if not self.entries:
            name = open_statement(entry).data["name"]
            self.origin = f"{name}/{id_[:16].hex()}"
        self.entries.append(entry)
        self.frontier.append(id_)
        self.roots.append(self.frontier.root())
        with suppress(Malformed):
            act = open_statement(entry)
            self.streams[act.stream] = (act.seq, act.id)


class Operator:
    """The operator of one ledger, on a copy of its machine."""

    def __init__(self, source: Path, url: str, copy: Callable[[], tuple[Path, str]]) -> None:
        """``source``: the ledger as it is, only read; ``copy`` makes the one to be changed, when first asked for."""
        self._copy = copy
        self.keys = keys_of(source)
        self.keyring = Keyring(source)
        with psycopg.connect(url, autocommit=True) as reader:
            self.take(rows_of(reader))
        self.origin = str(self.acts[1].audience)

    def take(self, entries: Sequence[bytes]) -> None:
        """Go on from this history."""
        self.entries = list(entries)
        self.acts = [open_statement(entry) for entry in entries]

    @cached_property
    def _machine(self) -> tuple[Path, str]:
        return self._copy()

    @property
    def data(self) -> Path:
        return self._machine[0]

    @property
    def url(self) -> str:
        return self._machine[1]

    def owner(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The owner of the database, whom no trigger stops."""
        connection = psycopg.connect(self.url, autocommit=True)
        connection.execute("SET session_replication_role = replica")
        return connection

    def find(self, **what: Any) -> int:
        """The index of the first statement of which that is true."""
        return next(at for at, act in enumerate(self.acts) if all(getattr(act, k) == v for k, v in what.items()))

    def batch(self, size: int, *, at: str | None = None, **data: Any) -> tuple[Draft, SigningKey]:
        """The statement that opens one more batch."""
        last = next(act for act in reversed(self.acts) if act.type == "log.batch.v1")
        # Never before the last batch: an act claims an earlier time than the batch that placed it.
        latest = max(self.acts[-1], last, key=lambda act: act.at_us)
        more = {"at": at or latest.at, "seen_size": len(self.acts), "data": {"size": size} | data}
        return replace(draft_of(last), request=f"more-{size}", **more), self.keyring.own("clock")

    def draft(self, type_: str, stream: str, data: dict[str, Any], *, actor: str, role: str, **more: Any) -> Draft:
        """A statement for that batch; its place is mended when it is put there."""
        words = {"type": type_, "stream": stream, "data": data, "actor": actor, "role": role, "audience": self.origin}
        words |= {"seq": 1, "prev": None, "seen_size": len(self.acts), "seen_root": bytes(32), "at": self.acts[-1].at}
        return Draft(**(words | {"request": secrets.token_hex(8)} | more))

    def rewrite(
        self,
        change: Change = keep,
        *,
        append: Sequence[Any] = (),
        more_keys: Iterable[SigningKey] = (),
        stranger: SigningKey | None = None,
    ) -> list[bytes]:
        """Another history, ``append`` in one more batch; there ``"@1"`` is the id of the one after its first.

        ``more_keys``: taken from others; ``stranger``: signs for those whose keys are not here.
        """
        keys = self.keys | {key.thumbprint: key for key in more_keys}
        items = [list(change(index, act)) for index, act in enumerate(self.acts)]
        items.append(list(append))
        return _Rewriting(keys, self.keyring.own("log"), stranger, self.acts, items).run()

    # ------------------------------------------------------------------------------------------- the database

    def install(self, entries: Sequence[bytes]) -> None:
        """Make this the one history that database, guard and published files know of."""
        acts = [open_statement(entry) for entry in entries]
        secret, epoch, frontier, columns = self.keyring.secret("door"), 0, Frontier(), []
        governing, batches, voided, requests, nodes = [], [], [], [], []
        recorded_us, batch_seq, batch_id = acts[0].at_us, 0, None
        for index, act in enumerate(acts):
            own = act.stream == "log"
            governs = not own and index != 1 and TYPES[act.type].governs
            words = {"id_": act.id, "stream": act.stream, "seq": act.seq, "prev": act.prev}
            seal = b"" if own else seal_of(secret, **words, governs=governs, epoch=epoch)
            columns.append((index + 1, act.id, act.stream, act.seq, act.prev, governs, epoch, seal, act.entry))
            if governs:
                epoch += index > 0
                governing.append((epoch, act.stream, act.seq))
            nodes += frontier.append(act.id)
            if own:
                batch_seq, batch_id = act.seq, act.id
            else:
                requests.append((request_key(act.actor, act.request), content_digest(act), act.stream, act.seq))
            if act.type == "log.batch.v1":
                recorded_us = act.at_us
                batches.append((index, index + 1 + act.data["size"], recorded_us))
            if act.type == "log.voided.v1":
                voided.append((bytes.fromhex(act.data["statement"]),))
        leaves = [act.id for act in acts]
        with self.owner() as owner, owner.transaction(), owner.cursor() as rows:
            tables = "statements, requests, governing, leaves, nodes, batches, voided, head_tiles"
            owner.execute(f"TRUNCATE {', '.join('ledger.' + name for name in tables.split(', '))}".encode())
            rows.executemany(
                "INSERT INTO ledger.statements (insertion_id, id, stream, seq, prev, governs, epoch, seal, entry)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, %b, %s, %s, %b, %s, %s, %b, %b)",
                columns,
            )
            rows.executemany("INSERT INTO ledger.requests VALUES (%b, %b, %s, %s)", requests)
            rows.executemany("INSERT INTO ledger.governing VALUES (%s, %s, %s)", governing)
            rows.executemany(
                "INSERT INTO ledger.leaves VALUES (%s, %s, %b)", [(at, at + 1, id_) for at, id_ in enumerate(leaves)]
            )
            rows.executemany("INSERT INTO ledger.nodes VALUES (%s, %s, %b)", nodes)
            rows.executemany(
                "INSERT INTO ledger.batches VALUES (%s, %s, %s, %b)",
                [
                    (0, 2, acts[0].at_us, root_of(leaves[:2])),
                    *((first, size, at, root_of(leaves[:size])) for first, size, at in batches),
                ],
            )
            rows.executemany("INSERT INTO ledger.voided VALUES (%b)", voided)
            owner.execute(
                "SELECT setval(pg_get_serial_sequence('ledger.statements', 'insertion_id'), %s)", (len(acts),)
            )
            owner.execute(
                "UPDATE ledger.head SET size = %s, root = %b, frontier = %b, recorded_us = %s, batch_seq = %s,"
                " batch_id = %b, epoch = %s, done_xid = pg_snapshot_xmin(pg_current_snapshot()), target_xid = NULL,"
                " after_id = 0, held = '{}', refused = '{}'",
                (len(acts), frontier.root(), frontier.to_bytes(), recorded_us, batch_seq, batch_id, epoch),
            )
        shutil.rmtree(self.data / "published")
        for name in ("head", "sweep.json"):
            (self.data / name).unlink(missing_ok=True)
        with open_ledger(self.data) as hall:
            hall.publisher.publish(hall.reader.head())

    def swept(self) -> list[Any]:
        """What the operator's own sweep finds."""
        with open_ledger(self.data) as hall:
            return list(hall.sweep().whole())

    # ------------------------------------------------------------------------------------------ what is handed out

    def export(self, folder: Path) -> Path:
        """As ``mingjian export log`` does it: every row checked."""
        with open_ledger(self.data) as hall:
            export_log(hall, folder, latest=True)
        return folder

    def dump(self, folder: Path) -> Path:
        """Entries as the rows say, tiles and head as published: nothing is looked at."""
        published = self.data / "published"
        note = (published / "latest").read_bytes()
        put(folder / "checkpoint", note)
        for tile in tiles_for(Checkpoint.parse(split_note(note).text).size):
            put(folder / tile.path, (published / tile.path).read_bytes())
        with self.owner() as owner:
            for name, content in bundle_files(rows_of(owner)).items():
                put(folder / name, content)
        return folder

    def note(self, entries: Sequence[bytes], size: int | None = None) -> bytes:
        """A head of that history under the log's true key."""
        leaves = [leaf_hash(entry) for entry in entries[:size]]
        head = Checkpoint(self.origin_of(entries), len(leaves), root_of(leaves))
        return sign_checkpoint(head, Signer(head.origin, self.keyring.own("log")))

    def origin_of(self, entries: Sequence[bytes]) -> str:
        return f"{self.origin.rpartition('/')[0]}/{statement_id(entries[0])[:16].hex()}"

    def write(self, folder: Path, entries: Sequence[bytes], size: int | None = None) -> Path:
        """A history as files, whatever its entries are: for those that no database of ours would take."""
        shutil.rmtree(folder, ignore_errors=True)
        entries = entries[:size]
        write_log(folder, entries, self.note(entries))
        return folder


def rows_of(connection: psycopg.Connection[tuple[Any, ...]]) -> list[bytes]:
    """The entries as the rows have them, in the order of the leaves."""
    rows = connection.execute(
        "SELECT entry FROM ledger.statements JOIN ledger.leaves USING (insertion_id) ORDER BY index", binary=True
    )
    return [entry for (entry,) in rows]

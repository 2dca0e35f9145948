"""The sweep: everything that is stored twice, compared; what disagrees is named and never mended.

The promise: one pass over a log whose head was signed finds, and names by table and row or by file, every
 - entry whose bytes do not hash to its leaf, leaf that does not lead to the signed root, gap, twin;
 - column (stream, seq, prev, governs, epoch) that says other than the signed bytes beside it;
 - statement that stands before its ``prev``, or whose stream has a hole;
 - row of ``requests``, ``governing``, ``voided``, ``batches``, ``nodes`` that no statement made, or that is missing;
 - published tile that is not the tree's, and file that nobody published;
 - row that stands in no place: refused, or never reached by the sequencer;
 - sealed value that is gone from the vault though nobody erased it.

A pass walks the leaves from 0 to the size of the checkpoint that was published when it began, growing the tree from
the bytes themselves, and ends at the signed root. Then it walks the rows by insertion, for those that no leaf names.
It works in pieces of ``PIECE`` rows, each of which reads what is needed and forgets it, so memory does not grow with
the log. Between two pieces its place stands in a small file (``memory``): a restart goes on there. That file lies
outside the database; whoever changes it as well delays a finding until the next pass, or causes a false one.

The sweep reads the database under the reader's role and writes nothing but that file.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg

from ledger.errors import Evidence, Malformed, MingjianError
from ledger.facts.registry import GENESIS_STREAM, LOG_STREAM
from ledger.facts.types import type_named
from ledger.files import write_file
from ledger.statement import Statement, open_statement, statement_id
from ledger.store.database import Connection, Database
from ledger.store.erasures import erased_by
from ledger.store.published import CHECKPOINT, LATEST, POLICY, Publisher, read_checkpoint
from ledger.store.reading import LogReader
from ledger.store.recorder import content_digest, request_key, seal_of
from ledger.store.vault import Vault
from ledger.tree.merkle import Frontier
from ledger.tree.tiles import TILE_WIDTH, Tile, parse_path, tiles_for

PIECE: Final = 2048
"""Leaves, or rows, per piece: a multiple of the tile width."""
MAX_FINDINGS: Final = 200
PATIENCE_S: Final = 60.0
"""How long a row may wait for its place: the door's promise."""

_LEAVES: Final = (
    "SELECT l.index, l.insertion_id, l.id, s.id, s.stream, s.seq, s.prev, s.governs, s.epoch, s.seal, s.entry,"
    " v.id IS NOT NULL, b.id, p.index"
    " FROM ledger.leaves l"
    " LEFT JOIN ledger.statements s USING (insertion_id)"
    " LEFT JOIN ledger.voided v ON v.id = l.id"
    " LEFT JOIN ledger.statements b ON b.stream = s.stream AND b.seq = s.seq - 1"
    " LEFT JOIN ledger.leaves p ON p.insertion_id = b.insertion_id AND p.index < l.index"
    " WHERE l.index >= %s AND l.index < %s ORDER BY l.index"
)
_UNPLACED: Final = (
    "SELECT s.insertion_id, s.stream, s.seq, s.xid < h.done_xid, s.insertion_id = ANY(h.held),"
    " s.insertion_id = ANY(h.refused) FROM ledger.statements s CROSS JOIN ledger.head h"
    " WHERE s.insertion_id > %(after)s AND s.insertion_id <= %(to)s"
    " AND NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id) ORDER BY s.insertion_id"
)
_TWINS: Final = (
    "SELECT insertion_id, array_agg(index ORDER BY index) FROM ledger.leaves"
    " WHERE insertion_id > %(after)s AND insertion_id <= %(to)s GROUP BY insertion_id HAVING count(*) > 1"
)

Finding = dict[str, Any]
"""``{"code", "message", "mend"?, …}``: an Evidence as JSON."""


class Findings:
    """What was found, for pages and for the health of the service. Threads share it; each thing stands in it once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[bytes, Finding] = {}
        self._lasting: set[bytes] = set()
        self.swept_us: int | None = None
        """When the last whole pass ended (µs since 1970 UTC); None before the first."""

    def add(self, error: MingjianError, *, lasting: bool = False) -> None:
        """Keep ``error`` if it is new and there is room; a ``lasting`` one outlives the pass that found it."""
        finding: Finding = error.as_json()["error"]
        name = _name(finding)
        with self._lock:
            if len(self._found) < MAX_FINDINGS:
                self._found.setdefault(name, finding)
                self._lasting |= {name} if lasting else set()

    def end_pass(self, found: Sequence[Finding]) -> None:
        """A whole pass found exactly these: what an earlier one found is over, unless it is lasting."""
        with self._lock:
            lasting = {name: self._found[name] for name in self._lasting}
            self._found = lasting | {_name(finding): finding for finding in found[:MAX_FINDINGS]}
            self.swept_us = time.time_ns() // 1000

    def all(self) -> list[Finding]:
        """Everything found, oldest first."""
        with self._lock:
            return list(self._found.values())


def _name(finding: Finding) -> bytes:
    return orjson.dumps(finding, option=orjson.OPT_SORT_KEYS, default=str)


@dataclass(frozen=True, slots=True)
class Pass:
    """A place in a pass: ``size`` and ``root`` (hex) it will end at, the next leaf, the tree so far, the next row."""

    size: int
    root: str
    index: int = 0
    frontier: str = field(default_factory=lambda: Frontier().to_bytes().hex())
    epochs: int = 0  # governing statements met
    insertion: int = 0
    began: float = 0.0


class Sweep:
    """One sweep of one ledger. Not thread-safe."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        *,
        secret: bytes,
        memory: Path | None = None,
        vault: Vault | None = None,
    ) -> None:
        """``secret``: the door's. ``memory``: where the place is kept between two pieces (None: nowhere).

        ``vault``: the one in which every sealed value must be that was not erased (None: not looked at).
        """
        self._vault = vault
        self._database = database
        self._publisher = publisher
        self._secret = secret
        self._memory = memory
        self._reader = LogReader(database)
        self._waiting: dict[int, float] = {}

    # --------------------------------------------------------------------------------------------- the walk

    def whole(self) -> Iterator[Evidence]:
        """One pass from the first leaf to the end, whatever was swept before."""
        for found in self.pieces(resume=False):
            yield from found

    def pieces(self, *, resume: bool = True) -> Iterator[list[Evidence]]:
        """One pass in pieces, from where the last one stopped; each yield is what one piece found."""
        found: list[Evidence] = []
        at = self._recall() if resume else None
        if at is None:
            found, at = self._begin()
            yield found
        if at is None:
            return
        while at.index < at.size:
            found, at = self._leaves(at)
            self._remember(at)
            yield found
        if Frontier.from_bytes(bytes.fromhex(at.frontier)).root().hex() != at.root:
            yield [
                Evidence(
                    f"the entries do not add up to the root that was signed at size {at.size}",
                    code="root-changed",
                    mend="the signed checkpoint and this database are the evidence: keep both",
                    table="ledger.leaves",
                    size=at.size,
                    signed=at.root,
                )
            ]
        yield from self._files(at.size)
        yield self._loose()
        last = self._last_insertion()
        while at.insertion < last:
            found, at = self._rows(at)
            self._remember(at)
            yield found
        if self._memory is not None:
            self._memory.unlink(missing_ok=True)

    def _recall(self) -> Pass | None:
        try:
            raw = orjson.loads(self._memory.read_bytes()) if self._memory is not None else None
            return None if raw is None else Pass(**raw)
        except (OSError, ValueError, TypeError):
            return None

    def _remember(self, at: Pass) -> None:
        if self._memory is not None:
            write_file(self._memory, orjson.dumps(asdict(at)))

    def _begin(self) -> tuple[list[Evidence], Pass | None]:
        """The pass to make, and what the head, the guard and the checkpoint say against each other."""
        found: list[Evidence] = []
        try:
            self._publisher.check_start()
        except Evidence as error:
            found.append(error)
        try:
            signed = self._publisher.checkpoint()
        except MingjianError as error:
            path = self._publisher.root / LATEST
            found.append(self._file(path, f"the published head is not the log's: {error.message}", "checkpoint-file"))
            return found, None
        path = self._publisher.root / CHECKPOINT
        if signed is None:
            found.append(self._file(path, "no checkpoint is published", "checkpoint-file"))
            return found, None
        found += self._served(path)
        found += self._head()
        size = min(signed.size, self._reader.head().size)
        root = signed.root if size == signed.size else self._reader.batch_root(size)
        return found, Pass(size=size, root=(root or b"").hex(), began=time.time())

    def _served(self, path: Path) -> list[Evidence]:
        """The checkpoint shown to everybody: signed by the log, and of this tree."""
        try:
            served = read_checkpoint(path, self._publisher.alone)
        except MingjianError as error:
            what = f"the published checkpoint is not the log's: {error.message}"
            return [self._file(path, what, "checkpoint-file")]
        if served is None or self._reader.batch_root(served.size) in (served.root, None):
            return []
        return [self._file(path, "the published checkpoint is of another tree", "checkpoint-file")]

    def _head(self) -> list[Evidence]:
        """The head row against itself and against the last batch."""
        with self._database.use("reader") as connection:
            row = connection.execute(
                "SELECT h.size, h.root, h.frontier, h.recorded_us, b.root, b.recorded_us FROM ledger.head h"
                " LEFT JOIN ledger.batches b USING (size)",
                binary=True,
            ).fetchone()
        if row is None:
            return [_row("ledger.head", "the head row is missing", "head-changed")]
        size, root, frontier, recorded_us, batch_root, batch_us = row
        try:
            peaks = Frontier.from_bytes(frontier)
            is_one = (peaks.size, peaks.root()) == (size, root) and (batch_root, batch_us) == (root, recorded_us)
        except Malformed:
            is_one = False
        if is_one:
            return []
        return [_row("ledger.head", f"the head row contradicts itself or its batch at size {size}", "head-changed")]

    # ------------------------------------------------------------------------------------------- the leaves

    def _leaves(self, at: Pass) -> tuple[list[Evidence], Pass]:
        """Check leaves ``at.index`` ≤ index < one piece further, and everything that hangs on them."""
        start, stop = at.index, min(at.index + PIECE, at.size)
        found: list[Evidence] = []
        with self._database.use("reader") as connection:
            # One more: a void stands right behind the statement that it voids.
            rows = connection.execute(_LEAVES, (start, min(stop + 1, at.size)), binary=True).fetchall()
            by_index: dict[int, tuple[Any, ...]] = {row[0]: row for row in rows}
            acts: dict[int, Statement] = {}
            hashes: list[bytes] = []
            for index in range(start, stop):
                row = by_index.get(index)
                if row is None:
                    found.append(
                        _row("ledger.leaves", f"leaf {index} is missing from the tree", "leaf-missing", entry=index)
                    )
                    hashes.append(bytes(32))
                    continue
                act, hash_, said = self._one(row)
                found += said
                hashes.append(hash_)
                if act is not None:
                    acts[index] = act
            after = _opened(by_index[stop][10]) if stop in by_index else None
            found += _check_voids(by_index, acts, after, start, stop)
            found += _check_requests(connection, acts)
            if self._vault is not None:
                found += _check_values(connection, self._vault, acts)
            governing = [act for act in acts.values() if _governs(act)]
            found += _check_governing(connection, governing, at.epochs)
            frontier, nodes, said = _grow(connection, Frontier.from_bytes(bytes.fromhex(at.frontier)), hashes, acts)
            found += said
            found += _check_nodes(connection, nodes)
        for tile in tiles_for(stop, since=start):
            if tile.width == TILE_WIDTH:
                found += self._tile(tile, self._expected(tile, start, hashes))
        return found, replace(at, index=stop, frontier=frontier.to_bytes().hex(), epochs=at.epochs + len(governing))

    def _one(self, row: tuple[Any, ...]) -> tuple[Statement | None, bytes, list[Evidence]]:
        """One leaf with its statement: what it says, its hash, and what is wrong with it."""
        index, insertion_id, leaf, id_, stream, seq, prev, governs, epoch, seal, entry, _, before, prev_index = row
        if entry is None:
            text = f"the statement of entry {index} is missing (insertion_id {insertion_id})"
            return None, leaf, [_row("ledger.statements", text, "entry-missing", entry=index)]
        found: list[Evidence] = []
        hash_ = statement_id(entry)

        def wrong(text: str, code: str, table: str = "ledger.statements", **more: Any) -> None:
            found.append(_row(table, f"entry {index}: {text}", code, entry=index, insertion_id=insertion_id, **more))

        if hash_ != leaf and hash_ == id_:
            wrong("its leaf was changed, the bytes hash to another", "leaf-changed", "ledger.leaves", leaf=leaf.hex())
        elif hash_ != leaf:
            wrong("its bytes were changed, they do not hash to the leaf", "entry-changed", leaf=leaf.hex())
            # The tree is grown from what was signed: one changed row does not make every later one suspect.
            return None, leaf, found
        act = _opened(entry)
        if act is None:
            wrong("its bytes are no statement", "entry-malformed")
            return None, hash_, found
        columns = {"id": id_, "stream": stream, "seq": seq, "prev": prev, "governs": governs}
        signed = {"id": hash_, "stream": act.stream, "seq": act.seq, "prev": act.prev, "governs": _governs(act)}
        for name in [name for name, value in columns.items() if value != signed[name]]:
            wrong(f"the column {name} says other than the signed bytes", "column-changed", column=name)
        if seal and not found:
            words = {"id_": id_, "stream": stream, "seq": seq, "prev": prev, "governs": governs, "epoch": epoch}
            if seal != seal_of(self._secret, **words):
                wrong("the door's seal does not cover its columns (epoch, seal)", "column-changed", column="epoch")
        if act.prev is not None and not found:
            if before != act.prev:
                wrong(f"{act.stream} has no statement {act.seq - 1} that it follows", "stream-gap", stream=act.stream)
            elif prev_index is None:
                wrong("it stands before the statement that it follows", "order", stream=act.stream)
        return act, hash_, found

    def _expected(self, tile: Tile, start: int, hashes: Sequence[bytes]) -> bytes:
        """What a full tile must hold: leaves as they were just read, levels above as just compared with the tree."""
        low = tile.index * TILE_WIDTH - start
        if tile.level == 0 and 0 <= low <= len(hashes) - TILE_WIDTH:
            return b"".join(hashes[low : low + TILE_WIDTH])
        return self._reader.read_tile(tile.level, tile.index, tile.width)

    # -------------------------------------------------------------------------------------------- the files

    def _files(self, size: int) -> Iterator[list[Evidence]]:
        """The partial tiles at ``size``, the policy, and files that nobody published."""
        found: list[Evidence] = []
        for tile in tiles_for(size):
            if tile.width < TILE_WIDTH:
                found += self._tile(tile, self._reader.read_tile(tile.level, tile.index, tile.width))
        root = self._publisher.root
        policy = root / "policy"
        if not policy.is_file() or policy.read_bytes() != self._publisher.policy.to_bytes():
            found.append(self._file(policy, "the published policy is missing or not this log's", "policy-file"))
        yield found
        for folder, _, names in os.walk(root):
            paths = [Path(folder) / name for name in names if not name.startswith(".")]
            yield [
                self._file(path, f"nobody published the file {path.relative_to(root)}", "file-stray")
                for path in paths
                if self._is_stray(path.relative_to(root).as_posix(), size)
            ]

    def _file(self, path: Path, text: str, code: str, **details: Any) -> Evidence:
        root = self._publisher.root
        mend = f"mv {root} {root}.kept && mingjian up --data {root.parent}: it is published anew from the tree"
        return Evidence(text, code=code, mend=mend, file=str(path), **details)

    def _is_stray(self, name: str, size: int) -> bool:
        if name in (CHECKPOINT, LATEST, POLICY):
            return False
        try:
            tile = parse_path(name)
        except Malformed:
            return True
        if not isinstance(tile, Tile):
            return True
        # The log grows while this goes on: in doubt the head of now says what may lie here.
        return not _within(tile, size) and not _within(tile, self._reader.head().size)

    def _tile(self, tile: Tile, expected: bytes) -> list[Evidence]:
        path = self._publisher.root / tile.path
        try:
            try:
                raw = path.read_bytes()
            except FileNotFoundError:
                # A partial tile is dropped once the full one is there; that one begins with it.
                raw = (self._publisher.root / Tile(tile.level, tile.index).path).read_bytes()[: tile.width * 32]
        except OSError:
            return [self._file(path, f"the published tile {tile.path} is missing", "tile-file")]
        if raw == expected:
            return []
        first = next(n for n in range(TILE_WIDTH) if raw[n * 32 : n * 32 + 32] != expected[n * 32 : n * 32 + 32])
        text = f"the published tile {tile.path} is not the tree's, from its hash {first} on"
        return [self._file(path, text, "tile-file", tile=tile.path, hash=first)]

    # --------------------------------------------------------------------------------------- rows without place

    def _loose(self) -> list[Evidence]:
        """Rows beside the tree that nothing in the tree made."""
        found: list[Evidence] = []
        with self._database.use("reader") as connection:
            strays = {
                "ledger.voided": "SELECT encode(id, 'hex') FROM ledger.voided v"
                " WHERE NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.id = v.id)",
                "ledger.nodes": "SELECT level || '/' || index FROM ledger.nodes, ledger.head"
                " WHERE (index + 1)::numeric * 256::numeric ^ level > size",
                "ledger.leaves": "SELECT index::text FROM ledger.leaves WHERE index >= (SELECT size FROM ledger.head)"
                " OR index < 0",
                "ledger.batches": "SELECT first::text FROM ledger.batches WHERE size > (SELECT size FROM ledger.head)",
                "ledger.governing": "SELECT epoch::text FROM ledger.governing g WHERE NOT EXISTS"
                " (SELECT FROM ledger.statements s WHERE (s.stream, s.seq, s.governs) = (g.stream, g.seq, true))",
                "ledger.requests": "SELECT stream || ' ' || seq FROM ledger.requests r WHERE NOT EXISTS"
                " (SELECT FROM ledger.statements s WHERE (s.stream, s.seq) = (r.stream, r.seq))"
                " UNION ALL SELECT stream || ' ' || seq FROM ledger.requests GROUP BY stream, seq HAVING count(*) > 1",
            }
            for table, query in strays.items():
                for (name,) in connection.execute(f"{query} LIMIT {MAX_FINDINGS}".encode()):
                    found.append(
                        _row(table, f"the row {name} of {table} has nothing in the log", "row-stray", row=name)
                    )
        return found

    def _last_insertion(self) -> int:
        with self._database.use("reader") as connection:
            row = connection.execute("SELECT coalesce(max(insertion_id), 0) FROM ledger.statements").fetchone()
        assert row is not None
        return int(row[0])

    def _rows(self, at: Pass) -> tuple[list[Evidence], Pass]:
        """Statement rows of one piece: placed once, or on their way and not for too long."""
        window = {"after": at.insertion, "to": at.insertion + PIECE}
        found: list[Evidence] = []
        now = time.monotonic()
        with self._database.use("reader") as connection:
            for insertion_id, indexes in connection.execute(_TWINS, window):
                text = f"the row {insertion_id} stands at {len(indexes)} places: {indexes[:8]}"
                found.append(_row("ledger.leaves", text, "placed-twice", insertion_id=insertion_id))
            waiting = connection.execute(_UNPLACED, window).fetchall()
        for insertion_id, stream, seq, passed, held, refused in waiting:
            since = self._waiting.setdefault(insertion_id, now)
            what = f"the row {insertion_id} ({stream}, seq {seq})"
            if refused:
                text, code = f"{what} was written past the door and is refused a place", "row-forged"
            elif held and now - since > PATIENCE_S:
                text, code = f"{what} follows a statement that has no place", "row-held"
            elif passed and not held:
                text, code = f"{what} was passed over: the sequencer will never reach it", "row-passed"
            elif now - since > PATIENCE_S:
                text, code = f"{what} was promised a place and waits longer than {PATIENCE_S:.0f} s", "promise-broken"
            else:
                continue
            found.append(_row("ledger.statements", text, code, insertion_id=insertion_id, stream=stream, seq=seq))
        return found, replace(at, insertion=window["to"])


# ------------------------------------------------------------------------------------------------ what hangs on leaves


def _opened(entry: bytes | None) -> Statement | None:
    try:
        return None if entry is None else open_statement(entry)
    except Malformed:
        return None


def _governs(act: Statement) -> bool:
    if act.stream == GENESIS_STREAM:
        return act.seq == 1
    try:
        return type_named(act.type).governs
    except Malformed:
        return False


def _check_voids(
    rows: dict[int, tuple[Any, ...]], acts: dict[int, Statement], after: Statement | None, start: int, stop: int
) -> list[Evidence]:
    """The table of voided ids says what the voids in the log say: each voids the statement right before it."""
    found = []
    for index in range(start, stop):
        if index not in rows:
            continue
        behind = acts.get(index + 1) if index + 1 < stop else after
        named = (
            behind is not None
            and behind.type == "log.voided.v1"
            and behind.data.get("statement") == rows[index][2].hex()
        )
        if named != rows[index][11]:
            said = "the log voids it" if named else "nothing in the log voids it"
            text = f"entry {index}: {said}, the table says otherwise"
            found.append(_row("ledger.voided", text, "voided-changed", entry=index))
    return found


def _check_requests(connection: Connection, acts: dict[int, Statement]) -> list[Evidence]:
    """Every request of the log is remembered as it was made: else it could be made again with other content."""
    wanted = {request_key(act.actor, act.request): (i, act) for i, act in acts.items() if act.stream != LOG_STREAM}
    rows = connection.execute(
        "SELECT request, content, stream, seq FROM ledger.requests WHERE request = ANY(%b)",
        (list(wanted),),
        binary=True,
    )
    known = {row[0]: row[1:] for row in rows}
    return [
        _row("ledger.requests", f"entry {i}: its request is not remembered as it was made", "request-changed", entry=i)
        for request, (i, act) in wanted.items()
        if known.get(request) != (content_digest(act), act.stream, act.seq)
    ]


def _check_values(connection: Connection, vault: Vault, acts: dict[int, Statement]) -> list[Evidence]:
    """Every sealed value is in the vault, or two persons erased it."""
    digests = [digest for act in acts.values() for digest in act.sd]
    missing = set(digests) - vault.held(digests)
    if missing:
        missing -= erased_by(connection, missing, subjects={act.stream for act in acts.values() if act.sd}).keys()
    mend = "restore the vault from its newest backup; erasures are made again by themselves"
    return [
        Evidence(
            f"entry {index}: {len(gone)} of its sealed values are gone from the vault, and nobody erased them",
            code="value-gone",
            mend=mend,
            entry=index,
            stream=act.stream,
            digests=gone,
        )
        for index, act in acts.items()
        if (gone := [digest for digest in act.sd if digest in missing])
    ]


def _check_governing(connection: Connection, acts: Sequence[Statement], epochs: int) -> list[Evidence]:
    if not acts:
        return []
    rows = connection.execute(
        "SELECT epoch, stream, seq FROM ledger.governing WHERE epoch >= %s AND epoch < %s ORDER BY epoch",
        (epochs, epochs + len(acts)),
    ).fetchall()
    expected = [(epochs + number, act.stream, act.seq) for number, act in enumerate(acts)]
    wrong = next((row for row in expected if row not in rows), None)
    if wrong is None:
        return []
    epoch, stream, seq = wrong
    text = f"the governing statement {stream}, seq {seq} is not epoch {epoch} of the table"
    return [_row("ledger.governing", text, "governing-changed", row=str(epoch), stream=stream, seq=seq)]


def _grow(
    connection: Connection,
    frontier: Frontier,
    hashes: Sequence[bytes],
    acts: dict[int, Statement],
) -> tuple[Frontier, list[tuple[int, int, bytes]], list[Evidence]]:
    """The tree after ``hashes``, its new nodes; and each batch that begins or ends here against its row."""
    found: list[Evidence] = []
    nodes: list[tuple[int, int, bytes]] = []
    start, stop = frontier.size, frontier.size + len(hashes)
    rows = connection.execute(
        "SELECT first, size, recorded_us, root FROM ledger.batches WHERE size > %s AND first < %s ORDER BY first",
        (start, stop),
        binary=True,
    ).fetchall()
    opening = {index: act for index, act in acts.items() if act.type == "log.batch.v1"}
    by_first = {row[0]: row for row in rows}

    def wrong(first: int, text: str) -> None:
        found.append(_row("ledger.batches", f"the batch at {first}: {text}", "batch-changed", row=str(first)))

    for index, act in opening.items():
        row = by_first.get(index)
        if row is None:
            wrong(index, "its row is missing")
        elif row[2] != act.at_us:
            wrong(index, "its recorded time is not the signed one")
    ends = {row[1] for row in rows}
    for first, size, _, root in rows:
        if start <= first and first not in opening and first != 0 and first in acts:
            wrong(first, "no statement opened it")
        if size < stop and size not in by_first:
            wrong(first, "it does not end where the next begins")
        if first > start and first not in ends:
            wrong(first, "it does not begin where one ended")
        if frontier.size < size <= stop:
            nodes += frontier.extend(hashes[frontier.size - start : size - start])
            if frontier.root() != root:
                wrong(first, f"its root at size {size} is not the tree's")
    nodes += frontier.extend(hashes[frontier.size - start :])
    return frontier, nodes, found


def _check_nodes(connection: Connection, nodes: Sequence[tuple[int, int, bytes]]) -> list[Evidence]:
    if not nodes:
        return []
    rows = connection.execute(
        "SELECT n.level, n.index, n.hash FROM unnest(%b::smallint[], %b::bigint[]) AS u (level, index)"
        " JOIN ledger.nodes n USING (level, index)",
        ([n[0] for n in nodes], [n[1] for n in nodes]),
        binary=True,
    )
    known = {(level, index): hash_ for level, index, hash_ in rows}
    return [
        _row(
            "ledger.nodes",
            f"node {level}/{index} is not what its leaves add up to",
            "node-changed",
            row=f"{level}/{index}",
        )
        for level, index, hash_ in nodes
        if known.get((level, index)) != hash_
    ]


def _within(tile: Tile, size: int) -> bool:
    return tile.index * TILE_WIDTH + tile.width <= size >> 8 * tile.level


def _row(table: str, text: str, code: str, **details: Any) -> Evidence:
    mend = "keep a copy of the database as evidence; put it back byte for byte from a published entry, mirror or backup"
    return Evidence(text, code=code, mend=mend, table=table, **details)


# ---------------------------------------------------------------------------------------------------- in the background


def sweeping(
    sweep: Sweep, findings: Findings, stop: threading.Event, *, pause_s: float = 3.0, rest_s: float = 3600.0
) -> None:
    """Sweep for ever at low duty: a piece each ``pause_s``, a new pass ``rest_s`` after the last; until ``stop``.

    ``findings`` hold what is found as it is found, and after each pass exactly what that pass found.
    """
    is_first = True
    in_pass: list[Finding] = []
    while not stop.is_set():
        try:
            for found in sweep.pieces():
                for each in found:
                    findings.add(each)
                    in_pass.append(each.as_json()["error"])
                if stop.wait(pause_s):
                    return
        except (MingjianError, psycopg.Error, OSError):
            stop.wait(pause_s)  # the database restarts, say: the place is kept
            continue
        if not is_first:  # the first goes on where another process stopped: it has not seen everything
            findings.end_pass(in_pass)
        is_first, in_pass = False, []
        stop.wait(rest_s)

"""What the rules must remember for ever, in bounded memory: how each stream stands, and the tree at each batch's end.

Promise: ``Kept`` gives back every value as it was left, ``Ends`` every end that was put in, however long ago.
Of values those used last are held in memory (at most twice ``HELD``), of ends the newest ``NEAR``; the others lie in a
temporary folder that goes with the object, and are read when somebody goes on with them. Memory: 16 bytes an end
beside that. Disk: a value's name and its pickle, of a stream a few hundred bytes; 32 bytes an end.
"""

from __future__ import annotations

import heapq
import pickle
import shutil
import tempfile
import weakref
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ledger.errors import Unavailable
from ledger.facts.shown import Shown
from ledger.statement import StatementId

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
HELD: Final = 1 << 16
NEAR: Final = 4096
_ROOT: Final = 32
# Nothing of it outlives the process, so nothing is made safe against a crash; the cache is part of the bound.
_TABLE: Final = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL, marked INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Stream:
    """How a stream stands after its last statement: of its state, the valid ones have made it."""

    seq: int
    head: StatementId
    state: Any = None
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The tree with which a batch ended."""

    root: bytes
    recorded_us: int


class Kept(Generic[T]):
    """Values by name. What ``get`` gives may be changed in place until another one is asked for or put in."""

    def __init__(self) -> None:
        """None yet."""
        self._young: dict[str, T] = {}
        self._old: dict[str, T] = {}  # not used since the young ones began
        self._aside: sqlite3.Connection | None = None

    def get(self, name: str) -> T | None:
        """The value, or None where there is none of that name."""
        found = self._young.get(name)
        if found is None:
            found = self._old.pop(name, None)
            if found is None and self._aside is not None:
                found = self._fetch(name)
            if found is not None:
                self.put(name, found)
        return found

    def put(self, name: str, value: T) -> None:
        """A value that is not there yet, or in the place of the one that was asked for last."""
        if len(self._young) >= HELD and name not in self._young:
            self._put_aside()
        self._young[name] = value

    def all(self, *, only_marked: bool = False) -> Iterator[tuple[str, T]]:
        """All of them in the order of their names, or at least the marked ones; none may be put in meanwhile."""
        held = sorted(self._young.keys() | self._old.keys())
        aside: Iterator[tuple[str, bytes | None]] = iter(())
        if self._aside is not None:
            where = "WHERE marked" if only_marked else ""
            aside = self._aside.execute(f"SELECT name, value FROM kept {where} ORDER BY name")  # noqa: S608
        before = None
        # What is held comes first of two of a name, and is the newer one.
        for name, raw in heapq.merge(((name, None) for name in held), aside, key=lambda pair: pair[0]):
            if name != before:
                yield name, (self._young.get(name) or self._old[name]) if raw is None else pickle.loads(raw)  # noqa: S301
            before = name

    def is_marked(self, _value: T) -> bool:
        """Whether somebody may ask for this one among the marked ones alone."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """All of them, also those that lie on disk."""
        return {"kept": list(self.all())}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        Kept.__init__(self)
        for name, value in kept["kept"]:
            self.put(name, value)

    def _put_aside(self) -> None:
        import sqlite3

        old, self._old, self._young = self._old, self._young, {}
        if not old:
            return
        # In order, so that pages of the table are filled one after the other.
        rows = ((name, pickle.dumps(old[name], protocol=5), self.is_marked(old[name])) for name in sorted(old))
        try:
            if self._aside is None:
                self._aside = sqlite3.connect(_folder_of(self) / "kept", isolation_level=None, check_same_thread=False)
                self._aside.executescript(_TABLE)
            self._aside.execute("BEGIN")
            self._aside.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", rows)
            self._aside.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise _unusable(error) from error

    def _fetch(self, name: str) -> T | None:
        import sqlite3

        assert self._aside is not None
        try:
            row = self._aside.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise _unusable(error) from error
        return None if row is None else pickle.loads(row[0])  # noqa: S301 – our own


class Streams(Kept[Stream]):
    """All streams by name; marked are those of which something is shown."""

    def is_marked(self, value: Stream) -> bool:
        """Whether something of it is shown."""
        return value.shown is not None

    def shown(self) -> Iterator[tuple[str, Shown]]:
        """What is shown of streams, in the order of their names."""
        for name, stream in self.all(only_marked=True):
            if stream.shown is not None:
                yield name, stream.shown


class Ends:
    """The tree at the end of each batch, by its size; sizes come in rising order."""

    def __init__(self) -> None:
        """None yet."""
        self._near: dict[int, Ended] = {}
        self._sizes = array("Q")  # of those on disk
        self._us = array("q")
        self._roots = File()

    def add(self, size: int, ended: Ended) -> None:
        """The end at ``size``, larger than all before; at the newest size of all, another in its place."""
        if len(self._near) >= NEAR:
            self._put_aside()
        self._near[size] = ended

    def get(self, size: int) -> Ended | None:
        """What ended at ``size``; None where no batch did."""
        found = self._near.get(size)
        if found is not None or not self._sizes:
            return found
        at = bisect_left(self._sizes, size)
        if at == len(self._sizes) or self._sizes[at] != size:
            return None
        return Ended(self._roots.read(_ROOT * at, _ROOT), self._us[at])

    def _put_aside(self) -> None:
        older = list(islice(self._near.items(), NEAR // 2))
        self._roots.put(b"".join(ended.root for _, ended in older))
        for size, ended in older:
            self._sizes.append(size)
            self._us.append(ended.recorded_us)
            del self._near[size]


class File:
    """Bytes put one behind the other into a temporary file."""

    def __init__(self) -> None:
        """None, and no file."""
        self._path: Path | None = None

    def put(self, raw: bytes) -> None:
        """Behind all that is there."""
        try:
            if self._path is None:
                self._path = _folder_of(self) / "bytes"
            with self._path.open("ab") as file:
                file.write(raw)
        except OSError as error:
            raise _unusable(error) from error

    def read(self, at: int, length: int = -1) -> bytes:
        """What lies there, all that follows without a ``length``."""
        if self._path is None:
            return b""
        try:
            with self._path.open("rb") as file:
                file.seek(at)
                return file.read(length)
        except OSError as error:
            raise _unusable(error) from error

    def take(self) -> bytes:
        """All of it; from then on there is none."""
        raw = self.read(0)
        if raw and self._path is not None:
            self._path.unlink(missing_ok=True)
        return raw

    def __getstate__(self) -> dict[str, bytes]:
        return {"bytes": self.read(0)}

    def __setstate__(self, kept: dict[str, bytes]) -> None:
        File.__init__(self)
        if kept["bytes"]:
            self.put(kept["bytes"])


def _folder_of(owner: object) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mingjian-verify."))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unusable(error: Exception) -> Unavailable:
    return Unavailable(
        f"the temporary folder cannot be used: {error}",
        code="temporary",
        mend="set TMPDIR to a folder with some hundred bytes of room for each statement",
    )

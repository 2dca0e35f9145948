"""No actor makes a request twice, however many there are: the newest in memory, the others on disk.

Promise: every request that was there before is found. Among the newest (some ``NEWEST``) it is found at once, against
the older ones when ``late`` is asked, which names the first. Memory: some 100 bytes for each of the newest, and while
``late`` looks, for a thousandth of all. Disk: 24 bytes a request, in a temporary folder that goes with the object;
written and read once, from one end to the other.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from ledger.errors import Unavailable

NEWEST: Final = 1 << 20
_SHARES: Final = 1024
_DIGEST: Final = 16
_RECORD: Final = _DIGEST + 8  # and the index


class Requests:
    """Give it the request of every entry, from entry 0 on."""

    def __init__(self) -> None:
        """Before entry 0."""
        self._newest: dict[bytes, None] = {}  # in order: each entry has one, so their place says their index
        self._first = 0  # index of the first of them
        self._folder: Path | None = None
        self._looked = 0  # at so many, and found none

    def add(self, digest: bytes) -> bool:
        """The next entry's request, 16 bytes of a digest; False where it is known already to have been there."""
        if digest in self._newest:
            return False
        if len(self._newest) >= NEWEST:
            self._put_away()
        self._newest[digest] = None
        return True

    def late(self) -> int | None:
        """The first entry whose request stands on disk under another, older one; None where there is none."""
        if self._folder is None or self._looked == self._first + len(self._newest):
            return None
        self._put_away()
        found: list[int] = []
        for share in range(_SHARES):
            raw = self._read(share)
            seen: set[bytes] = set()
            for at in range(0, len(raw), _RECORD):
                digest = raw[at : at + _DIGEST]
                if digest in seen:
                    found.append(int.from_bytes(raw[at + _DIGEST : at + _RECORD]))
                    break
                seen.add(digest)
        if not found:
            self._looked = self._first
        return min(found, default=None)

    def __getstate__(self) -> dict[str, Any]:
        """All of it, also what lies on disk."""
        shares = [] if self._folder is None else [self._read(share) for share in range(_SHARES)]
        return {"newest": b"".join(self._newest), "first": self._first, "shares": shares}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        raw = kept["newest"]
        self._newest = dict.fromkeys(raw[at : at + _DIGEST] for at in range(0, len(raw), _DIGEST))
        self._first = kept["first"]
        self._folder = None
        self._looked = 0
        for share, records in enumerate(kept["shares"]):
            self._append(share, records)

    def _put_away(self) -> None:
        newest, self._newest = self._newest, {}
        shares: defaultdict[int, list[bytes]] = defaultdict(list)
        for index, digest in enumerate(newest, start=self._first):
            # Digests are spread evenly, so are their first ten bits.
            shares[digest[0] << 2 | digest[1] >> 6] += (digest, index.to_bytes(8))
        self._first += len(newest)
        for share, records in shares.items():
            self._append(share, b"".join(records))

    def _append(self, share: int, records: bytes) -> None:
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="mingjian-verify."))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            with (self._folder / str(share)).open("ab") as file:
                file.write(records)
        except OSError as error:
            raise _unwritten(error) from error

    def _read(self, share: int) -> bytes:
        assert self._folder is not None
        try:
            return (self._folder / str(share)).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _unwritten(error) from error


def _unwritten(error: OSError) -> Unavailable:
    return Unavailable(
        f"the temporary folder cannot be used: {error.strerror or error}",
        code="temporary",
        mend="set TMPDIR to a folder with 24 bytes of room for each statement",
    )

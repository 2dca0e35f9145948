"""A witness's folder: all that it must not forget.

    DIR/key               0600: the vkey on the first line, then the private key as PKCS #8 PEM
    DIR/trusted           one log vkey per line
    DIR/heads/<hash>      the newest checkpoint cosigned for the log whose origin has this SHA-256: the signed note
                          with the log's lines and our own; or, as long as there is none, ``never cosigned``
    DIR/disputed/<hash>.… requests that a log signed and that do not fit what it signed before: evidence
    DIR/lock              held while a witness runs

Promise: what ``save`` was given is on disk when it returns, and a head is never replaced by half of another. A folder
in which anything is missing or changed is not worked with: a witness that has forgotten what it signed may sign the
contrary, so losing ``heads`` ends the life of the key. An older copy of the folder put back whole cannot be seen from
here; logs and monitors see it.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import MingjianError, NotFound, Refused, Unavailable
from ledger.files import replace_file
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.note import MAX_NOTE_BYTES, Algorithm, Signer, VerifierKey, open_note

MAX_DISPUTED = 20
"""Requests kept as evidence for each log: one is enough, and a log must not fill our disk."""
MAX_TRUSTED_BYTES = 1 << 20

_NEVER = b"never cosigned\n"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with our line on it, and the time in Unix seconds that the line states."""

    checkpoint: Checkpoint
    time_s: int
    note: bytes


def origin_hash(origin: str) -> str:
    """What a log is called in paths and URLs: SHA-256 of its origin, in lower-case hex."""
    return hashlib.sha256(origin.encode()).hexdigest()


class State:
    """An opened folder. Reading needs no lock: files are replaced whole."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        """See :meth:`open` and :meth:`create`."""
        self.folder = folder
        self.signer = signer
        self._heads = folder / "heads"
        self._trusted: tuple[tuple[int, ...], Mapping[str, tuple[VerifierKey, ...]]] = ((), {})

    @classmethod
    def open(cls, folder: Path) -> State:
        """The state that is there, with its key; the rest is read when asked for, or by :meth:`check`."""
        file = folder / "key"
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            raise NotFound(
                f"There is no witness in {folder}: it has no file `key`.",
                code="witness-state",
                mend=f"Make one with `mingjian-witness key --state {folder}`.",
            ) from None
        except OSError as error:
            raise _damaged(file, error.strerror or str(error)) from error
        if stat.S_IMODE(mode) & 0o077:
            raise Refused(
                f"Others than its owner may read the private key {file}.",
                code="witness-key",
                mend=f"chmod 600 {file}; if somebody may have read it, retire this witness.",
            )
        vkey, _, pem = _read(file, 1 << 16).partition(b"\n")
        try:
            key = VerifierKey.parse(vkey.decode())
            signer = Signer(key.name, SigningKey.from_pem(pem), Algorithm.COSIGNATURE_V1)
        except (Refused, UnicodeDecodeError) as error:
            raise _damaged(file, str(error)) from error
        if signer.key != key:
            raise _damaged(file, "its two keys are not a pair")
        return cls(folder, signer)

    @classmethod
    def create(cls, folder: Path, *, name: str) -> State:
        """A new witness with a new key under ``name``, in a folder that holds none; one that is there is opened."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / "trusted.lock"):
            if (folder / "key").exists():
                return cls.open(folder)
            heads = folder / "heads"
            if heads.is_dir() and any(_HASH.fullmatch(file.name) for file in heads.iterdir()):
                raise Unavailable(
                    f"{folder} holds heads that a witness has signed, and not its key.",
                    code="witness-state",
                    mend="Put the key back, or begin anew in another folder, as another witness.",
                )
            signer = Signer(name, SigningKey.generate(), Algorithm.COSIGNATURE_V1)
            content = f"{signer.key}\n".encode() + signer.private_key.to_pem()
            heads.mkdir(exist_ok=True)
            _write(folder / "trusted", b"")
            # The key comes last: from here on, everything else must be there.
            _write(folder / "key", content)
            return cls(folder, signer)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder: no second witness runs on it."""
        with _locked(self.folder / "lock", wait=False):
            yield

    def check(self) -> None:
        """Unavailable, with the file's name, unless the whole folder is as this key left it."""
        for origin in self.trusted():
            self.head(origin)
        for file in self._head_files():
            self._read_head(file)

    # ------------------------------------------------------------------------------------------------- trust

    def trusted(self) -> Mapping[str, tuple[VerifierKey, ...]]:
        """The keys of each trusted log, by origin, as the file says now."""
        file = self.folder / "trusted"
        try:
            status = file.stat()
        except OSError as error:
            raise _damaged(file, error.strerror or str(error)) from error
        # Replaced whole, the file has another inode; edited by hand, another time or size.
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known, logs = self._trusted
        if version != known:
            logs = _parse_trusted(file)
            self._trusted = (version, logs)
        return logs

    def trust(self, key: VerifierKey) -> bool:
        """Trust this log from now on; whether that is new."""
        if key.algorithm is not Algorithm.ED25519:
            raise Refused(
                f"The key of {key.name} is a witness's, not a log's.",
                code="witness-trust",
                mend="Ask the log's operator for the `log` line of its policy.",
            )
        with self._change_trusted() as logs:
            keys = logs.get(key.name, ())
            if key in keys:
                return False
            head = self._heads / origin_hash(key.name)
            if not head.exists():
                if keys:
                    raise _damaged(head, "it is missing")
                _write(head, _NEVER)
            logs[key.name] = (*keys, key)
            return True

    def distrust(self, log: str) -> int:
        """Stop cosigning for this vkey, or for all keys of this origin; how many keys that were. Heads stay."""
        with self._change_trusted() as logs:
            count = 0
            for origin, keys in list(logs.items()):
                kept = () if origin == log else tuple(key for key in keys if str(key) != log)
                count += len(keys) - len(kept)
                logs[origin] = kept
            return count

    # ------------------------------------------------------------------------------------------------- heads

    def head(self, origin: str) -> Cosigned | None:
        """The newest head cosigned for a log that is or was trusted; None: never any."""
        return self._read_head(self._heads / origin_hash(origin))

    def head_by_hash(self, hash_: str) -> Cosigned | None:
        """The same by :func:`origin_hash`; None also for a log that was never trusted."""
        file = self._heads / hash_
        return self._read_head(file) if _HASH.fullmatch(hash_) and file.exists() else None

    def heads(self) -> list[Cosigned]:
        """Every head, of logs no longer trusted too."""
        return [head for file in self._head_files() if (head := self._read_head(file)) is not None]

    def save(self, head: Cosigned) -> None:
        """Keep ``head`` as the newest of its log: on disk when this returns."""
        try:
            _write(self._heads / origin_hash(head.checkpoint.origin), head.note)
        except OSError as error:
            raise Unavailable(
                f"The head cannot be saved: {error.strerror}.",
                code="witness-disk",
                mend="Nothing was signed. See to the witness's disk and ask again.",
            ) from error

    def keep_disputed(self, origin: str, body: bytes) -> None:
        """Keep a request that the log signed and that contradicts its head."""
        folder = self.folder / "disputed"
        name = f"{origin_hash(origin)}.{hashlib.sha256(body).hexdigest()[:16]}"
        try:
            folder.mkdir(exist_ok=True)
            if self.count_disputed(origin) < MAX_DISPUTED:
                _write(folder / name, body)
        except OSError as error:
            raise Unavailable(f"The evidence cannot be kept: {error.strerror}.", code="witness-disk") from error

    def count_disputed(self, origin: str) -> int:
        """How many such requests are kept."""
        return len(list((self.folder / "disputed").glob(f"{origin_hash(origin)}.*")))

    def _head_files(self) -> list[Path]:
        try:
            return sorted(file for file in self._heads.iterdir() if not file.name.startswith("."))
        except OSError as error:
            raise _damaged(self._heads, error.strerror or str(error)) from error

    def _read_head(self, file: Path) -> Cosigned | None:
        data = _read(file, MAX_NOTE_BYTES)
        if data == _NEVER:
            return None
        try:
            # Our own line is what makes the file ours; it must be there even when the log's key has changed since.
            note = open_note(data, [self.signer.key])
            checkpoint = Checkpoint.parse(note.text)
        except Refused as error:
            raise _damaged(file, error.message) from error
        time_s = note.verified[-1].time_s
        if origin_hash(checkpoint.origin) != file.name or time_s is None:
            raise _damaged(file, "it is the head of another log")
        return Cosigned(checkpoint, time_s, data)

    @contextmanager
    def _change_trusted(self) -> Iterator[dict[str, tuple[VerifierKey, ...]]]:
        with _locked(self.folder / "trusted.lock"):
            file = self.folder / "trusted"
            logs = _parse_trusted(file)
            before = dict(logs)
            yield logs
            if logs != before:
                _write(file, "".join(f"{key}\n" for keys in logs.values() for key in keys).encode())


def _parse_trusted(file: Path) -> dict[str, tuple[VerifierKey, ...]]:
    logs: dict[str, tuple[VerifierKey, ...]] = {}
    try:
        for line in _read(file, MAX_TRUSTED_BYTES).decode().splitlines():
            key = VerifierKey.parse(line)
            logs[key.name] = (*logs.get(key.name, ()), key)
    except (Refused, UnicodeDecodeError) as error:
        raise _damaged(file, str(error)) from error
    return logs


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(limit + 1)
    except OSError as error:
        raise _damaged(file, error.strerror or str(error)) from error
    if len(data) > limit:
        raise _damaged(file, "it is too long")
    return data


def _write(file: Path, content: bytes) -> None:
    replace_file(file, content, durable=True, private=True)


@contextmanager
def _locked(file: Path, *, wait: bool = True) -> Iterator[None]:
    with file.open("ab") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Unavailable(
                f"Another witness is running on {file.parent}.",
                code="witness-running",
                mend="One folder, one process: two would sign two histories.",
            ) from None
        yield


def _damaged(file: Path, why: str) -> MingjianError:
    return Unavailable(
        f"The witness's state is damaged: {file}: {why}.",
        code="witness-state",
        mend="Never delete or restore it: a witness that forgets may sign two histories. If the file as it was last "
        "cannot be had, retire this key and begin anew in another folder.",
    )

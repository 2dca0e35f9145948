"""A log, or a copy of one, over HTTP: the files of C2SP tlog-tiles below one address, and a witness's newest head.

Promise: whatever stands at the other end, nothing is read beyond what the file asked for may hold, nothing waits
longer than ``timeout_s`` for a whole answer, and no other machine is ever asked than the one that was named. What comes
back is bytes: whoever asked checks them.

- 404 and 410 are ``NotFound``, 401 and 403 ``NotAllowed``; 429 and 5xx, and a connection that fails, are tried again
  with growing pauses and then ``Unavailable``. Other answers are ``Unavailable`` at once.
- A partial tile that is gone is taken from the full one, as the specification says.
- The token is sent for entries, and for what pages show of them: checkpoints and hashes are for everyone.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from ledger.errors import Malformed, NotAllowed, NotFound, Unavailable
from ledger.tree.note import MAX_NOTE_BYTES
from ledger.tree.tiles import (
    HASH_BYTES,
    MAX_ENTRY_BYTES,
    Bundle,
    Tile,
    decode_bundle,
    decode_tile,
    encode_bundle,
)

TIMEOUT_S: Final = 20.0
TRIES: Final = 4
_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 10.0
_MAX_TOKEN_BYTES: Final = 4_096
_CHUNK_BYTES: Final = 1 << 16
_REDIRECTS: Final = 3
_BELOW: Final = "/log"
_MAX_CLAIM_BYTES: Final = 10_000
MAX_ROWS_BYTES: Final = 64 << 20
_PORTS: Final = {"http": 80, "https": 443}


class LogClient:
    """One address, one connection that is kept; not to be shared by threads."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``url``: what stands before ``/checkpoint`` and ``/tile/…``, or before ``/log/checkpoint``."""
        self.url = url.rstrip("/")
        self._at = _split(self.url)
        if token is not None and (not token or not token.isascii() or not token.isprintable()):
            raise Malformed("the token is not one line of plain characters", code="token")
        self._token = token
        self._timeout_s = timeout_s
        self._tries = tries
        self._sleep = sleep
        self._found = False
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def pause(self, attempt: int) -> None:
        """Wait before the ``attempt``-th repetition, as between tries of one request."""
        self._sleep(min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))

    # ------------------------------------------------------------------------------------------------ files

    def checkpoint(self) -> bytes:
        """The newest head that the log shows as settled: with witnesses, the newest that they cosigned."""
        try:
            note = self.get("checkpoint", limit=MAX_NOTE_BYTES)
        except NotFound:
            # A ledger serves pages as well: its log is below /log.
            if self._found or self.url.endswith(_BELOW):
                raise
            note = self.get(f"{_BELOW[1:]}/checkpoint", limit=MAX_NOTE_BYTES)
            self.url += _BELOW
        self._found = True
        return note

    def latest(self) -> bytes:
        """The newest head that the log alone has signed; where nothing is served by that name, the other."""
        try:
            return self.get("checkpoint/latest", limit=MAX_NOTE_BYTES)
        except NotFound:
            return self.checkpoint()

    def shown(self) -> bytes:
        """The digest of what its pages show (``ledger.facts.shown``); NotFound from a copy, which has no pages."""
        return self.get("projections", limit=_MAX_CLAIM_BYTES, secret=True)

    def shown_rows(self) -> bytes:
        """The position, and the rows themselves, a line each."""
        return self.get("projections/rows", limit=MAX_ROWS_BYTES, secret=True)

    def witnessed(self, origin: str) -> bytes:
        """From a witness: the newest head of the log ``origin`` that it cosigned."""
        return self.get(f"{sha256(origin.encode()).hexdigest()}/checkpoint", limit=MAX_NOTE_BYTES)

    def tile(self, tile: Tile) -> bytes:
        """Exactly the hashes of ``tile``."""
        try:
            data = self.get(tile.path, limit=tile.width * HASH_BYTES)
        except NotFound as gone:
            full = Tile(tile.level, tile.index)
            data = self._full(gone, full.path, full.width * HASH_BYTES)
            decode_tile(data, full.width)
            data = data[: tile.width * HASH_BYTES]
        decode_tile(data, tile.width)
        return data

    def bundle(self, bundle: Bundle) -> bytes:
        """Exactly the entries of ``bundle``, as the bytes of one bundle of that width."""
        try:
            return self.get(bundle.path, limit=bundle.width * (2 + MAX_ENTRY_BYTES), secret=True)
        except NotFound as gone:
            full = Bundle(bundle.index)
            data = self._full(gone, full.path, full.width * (2 + MAX_ENTRY_BYTES), secret=True)
            return encode_bundle(decode_bundle(data, full.width)[: bundle.width])

    def _full(self, gone: NotFound, name: str, limit: int, *, secret: bool = False) -> bytes:
        """The full tile in place of a partial one; what is missing is the one that was asked for."""
        if gone.details["name"] == name:
            raise gone
        try:
            return self.get(name, limit=limit, secret=secret)
        except NotFound:
            raise gone from None

    # --------------------------------------------------------------------------------------------- requests

    def get(self, name: str, *, limit: int, secret: bool = False) -> bytes:
        """The file ``name``, of at most ``limit`` bytes; ``secret``: with the token."""
        for attempt in range(self._tries):
            if attempt:
                self.pause(attempt - 1)
            try:
                return self._get(name, limit, secret=secret)
            except _AgainError as again:
                why = str(again)
            except (OSError, http.client.HTTPException) as error:
                why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                # A certificate does not become good by asking again.
                if isinstance(error, ssl.SSLCertVerificationError):
                    break
            self.close()
        raise Unavailable(
            f"{self.url}/{name} cannot be had: {why}", code="unreachable", mend="look at the address and the network"
        )

    def _get(self, name: str, limit: int, *, secret: bool) -> bytes:
        url = f"{self.url}/{name}"
        for _ in range(_REDIRECTS + 1):
            # Closed here in any case: the connection does not know of an answer that ends with it.
            with self._ask(url, secret=secret) as response:
                if response.status == 200:
                    return self._body(response, limit)
                status, location = response.status, response.getheader("Location")
            self.close()
            if status not in (301, 302, 303, 307, 308):
                raise _refusal(name, url, status)
            there = urljoin(url, location or "")
            if _place(_split(there)) != _place(self._at):
                raise Unavailable(
                    f"{url} sends us to another machine, {there[:200]!r}",
                    code="redirect",
                    mend="name the address that really serves the log",
                )
            url = there
        raise Unavailable(f"{url} sends us round in a circle", code="redirect", mend="look at the address")

    def _ask(self, url: str, *, secret: bool) -> http.client.HTTPResponse:
        if self._connection is None:
            host, port = self._at.hostname or "", self._at.port or _PORTS[self._at.scheme]
            if self._at.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        parts = urlsplit(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": "mingjian-verify", "Cache-Control": "no-cache"}
        if secret and self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        until = time.monotonic() + self._timeout_s
        self._connection.response_class = lambda sock, **how: http.client.HTTPResponse(  # type: ignore[assignment]
            _Timed(sock, until),  # type: ignore[arg-type]
            **how,
        )
        self._connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
        return self._connection.getresponse()

    def _body(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        parts, length = [], 0
        while chunk := response.read1(min(_CHUNK_BYTES, limit + 1 - length)):
            parts.append(chunk)
            length += len(chunk)
            if length > limit:
                self.close()
                raise Malformed(f"{self.url} serves more than the {limit} bytes that may be there", code="too-long")
        declared = response.getheader("Content-Length")
        if declared is not None and declared.isdecimal() and int(declared) != length:
            raise http.client.IncompleteRead(b"", int(declared) - length)
        return b"".join(parts)


class _Timed(io.RawIOBase):
    """A socket for reading one answer until a moment: a time-out for each read would let it drip for ever."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._until = until

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the standard library asks of a socket to be read."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As much as is there, if it comes in time."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket; the connection may be used for the next answer."""
        self._raw.close()
        super().close()


def _refusal(name: str, url: str, status: int) -> Exception:
    """What a status other than 200 means."""
    if status in (404, 410):
        return NotFound(f"{url} is not there ({status})", code="no-file", name=name, status=status)
    if status in (401, 403):
        mend = "give an auditor's token: --token-file FILE or MINGJIAN_TOKEN"
        return NotAllowed(f"{url} is not for us ({status})", code="token", mend=mend)
    if status == 429 or status >= 500:
        return _AgainError(f"status {status}")
    return Unavailable(f"{url} answers {status}", code="http-status", mend="look at the address")


class _AgainError(Exception):
    """The other side asks to be asked again."""


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_good = urlsplit(""), False
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or not (plain and port_is_good):
        raise Malformed(f"{url[:200]!r} is not an address", code="url", mend="write http://host[:port]/… or https://…")
    return parts


def _place(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def read_tile_of(fetch: Callable[[Tile], bytes], widths: Callable[[int, int], int]) -> Callable[[int, int, int], bytes]:
    """What provers read through: each tile is fetched at the width that the tree has, once, and cut."""
    kept: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int, width: int) -> bytes:
        if (level, index) not in kept:
            kept[level, index] = fetch(Tile(level, index, widths(level, index)))
        return kept[level, index][: width * HASH_BYTES]

    return read


def read_token(path: Path | None) -> str | None:
    """The auditor's token from a file, else from MINGJIAN_TOKEN; None when there is neither."""
    if path is None:
        return os.environ.get("MINGJIAN_TOKEN") or None
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error.strerror or error}", code="no-token", mend="look at its name and rights"
        ) from error
    if len(data) > _MAX_TOKEN_BYTES or not data.strip().isascii():
        raise Malformed(f"{path} holds no token", code="token", mend="write what `mingjian token auditor` prints")
    return data.strip().decode()

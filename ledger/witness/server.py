"""C2SP tlog-witness over HTTP/1.1, by the standard library's threading server.

    POST /add-checkpoint            200 400 403 404 409 422, as ``docs/spec/witness.md`` says
    GET  /<origin hash>/checkpoint  the newest cosigned checkpoint of that log, or 404

Anybody may connect, so everything has a bound: a request must be here whole ``REQUEST_S`` seconds after we began to
wait for it, however slowly it drips; heads and bodies have a length; and of at most ``MAX_CONNECTIONS`` the one that
has kept us waiting longest makes room for a new one. Nothing of our insides is ever told to the other side.
TLS is the business of a proxy in front.
"""

from __future__ import annotations

import io
import logging
import math
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from ledger.errors import Conflict, Malformed, MingjianError, NotAllowed, NotFound, Refused
from ledger.tree.cosignature import MAX_REQUEST_BYTES
from ledger.witness.witness import Witness

REQUEST_S = 10.0
MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 32 << 10
SIZE_TYPE = "text/x.tlog.size"

_TEXT = "text/plain; charset=utf-8"
_BUFFER_BYTES = 8 << 10
_MAX_DISCARDED_BYTES = 4 * MAX_REQUEST_BYTES
_NEWEST = re.compile(r"/([0-9a-f]{64})/checkpoint")
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_STATUS: tuple[tuple[type[MingjianError], HTTPStatus], ...] = (
    (Malformed, HTTPStatus.BAD_REQUEST),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (Refused, HTTPStatus.UNPROCESSABLE_ENTITY),
)
_log = logging.getLogger(__name__)


class WitnessServer(ThreadingHTTPServer):
    """One witness on one address."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        witness: Witness,
        *,
        max_connections: int = MAX_CONNECTIONS,
        request_s: float = REQUEST_S,
    ) -> None:
        """Bind ``address``; port 0 takes a free one. ``serve_forever`` serves."""
        self.witness = witness
        self.request_s = request_s
        self._max_connections = max_connections
        # Since when we wait for this connection's request; infinity while we answer it.
        self._open: dict[Any, float] = {}
        self._changed = threading.Condition()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        host = str(host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def server_bind(self) -> None:
        """Bind without the name look-up of the base class, which may take seconds and is not needed."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection to a thread of its own, if there is room."""
        if self._admit(request):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.settimeout(1)
            request.sendall(_FULL)
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection and give its place back."""
        super().shutdown_request(request)
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ended badly: for our own log only."""
        _log.exception("a connection ended in an error")

    def waits(self, request: Any, *, answering: bool = False) -> None:
        """Say that we wait for this connection's next request, or that we are answering it."""
        with self._changed:
            if request in self._open:
                self._open[request] = math.inf if answering else time.monotonic()

    def drain(self, timeout_s: float) -> bool:
        """After ``shutdown``: let what is being answered be answered, and end the rest; whether all has ended."""
        with self._changed:
            for request, since in self._open.items():
                if since < math.inf:
                    _hang_up(request)
            return self._changed.wait_for(lambda: not self._open, timeout=timeout_s)

    def _admit(self, request: Any) -> bool:
        with self._changed:
            if len(self._open) >= self._max_connections:
                slowest = min(self._open, key=self._open.__getitem__)
                if self._open[slowest] < math.inf:
                    self._open[slowest] = math.inf
                    _hang_up(slowest)
                self._changed.wait_for(lambda: len(self._open) < self._max_connections, timeout=1)
            if len(self._open) >= self._max_connections:
                return False
            self._open[request] = time.monotonic()
            return True


def _hang_up(request: Any) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _HeadTooLongError(Exception):
    """More header bytes than anybody needs."""


class _Stream(io.RawIOBase):
    """What the client sends, until a moment and, while the head is read, up to a number of bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until = math.inf
        self.left = math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining_s = self.until - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError
        if self.left <= 0:
            raise _HeadTooLongError
        self._connection.settimeout(remaining_s)
        count = self._connection.recv_into(buffer)
        self.left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    # What cannot be read as HTTP is answered as HTTP, not in the bare words of 0.9.
    default_request_version = "HTTP/1.0"
    server_version = "mingjian-witness"
    sys_version = ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._stream = _Stream(self.connection)
        self.rfile = io.BufferedReader(self._stream, _BUFFER_BYTES)

    def handle_one_request(self) -> None:
        self.requestline, self.request_version, self.command = "", self.protocol_version, ""
        self._stream.until = time.monotonic() + self.server.request_s
        self._stream.left = MAX_HEAD_BYTES + _BUFFER_BYTES
        self.server.waits(self.connection)
        try:
            super().handle_one_request()
        except _HeadTooLongError:
            self.close_connection = True
            with suppress(OSError):
                self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except OSError:
            self.close_connection = True

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path != "/add-checkpoint":
            self._reply_unknown()
            return
        self._tell(lambda: self.server.witness.add_checkpoint(body))

    def do_GET(self) -> None:
        if self._body() is None:
            return
        asked = _NEWEST.fullmatch(self.path)
        if asked is None:
            self._reply_unknown()
            return
        self._tell(lambda: self.server.witness.newest(asked[1]))

    def _tell(self, ask: Callable[[], bytes | None]) -> None:
        try:
            answer = ask()
        except MingjianError as error:
            self._reply_error(error)
        except Exception:
            _log.exception("a bug")
            self._reply(HTTPStatus.INTERNAL_SERVER_ERROR, b"internal error\n")
        else:
            if answer is None:
                self._reply(HTTPStatus.NOT_FOUND, b"This witness has cosigned no checkpoint of that log.\n")
            else:
                self._reply(HTTPStatus.OK, answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        # The base class says this of a head it cannot read, in HTML; a method it has no name for is 501 to it.
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self.close_connection = True
        self._reply(status, f"{status.phrase}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing for each request: what matters is logged where it is decided."""

    def _body(self) -> bytes | None:
        """The request's body, or None when the refusal is on its way."""
        got = self._read_body()
        if isinstance(got, HTTPStatus):
            # What may follow is not a request that we could find the beginning of.
            self.close_connection = True
            self._reply(got, f"{got.phrase}\n".encode())
            return None
        self.server.waits(self.connection, answering=True)
        return got

    def _read_body(self) -> bytes | HTTPStatus:
        lengths = self.headers.get_all("Content-Length") or []
        if "Transfer-Encoding" in self.headers:
            return HTTPStatus.BAD_REQUEST if lengths else HTTPStatus.LENGTH_REQUIRED
        if not lengths:
            return HTTPStatus.LENGTH_REQUIRED if self.command == "POST" else b""
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            return HTTPStatus.BAD_REQUEST
        length = int(lengths[0])
        self._stream.left = math.inf
        if length > MAX_REQUEST_BYTES:
            # Most clients read an answer only after they have sent all: hear them out, within reason.
            left = min(length, _MAX_DISCARDED_BYTES)
            while left > 0 and (heard := self.rfile.read(min(left, 1 << 16))):
                left -= len(heard)
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body = self.rfile.read(length)
        return body if len(body) == length else HTTPStatus.BAD_REQUEST

    def _reply_unknown(self) -> None:
        """Neither this path nor, if the path is ours, this method."""
        allowed = "POST" if self.path == "/add-checkpoint" else "GET, HEAD" if _NEWEST.fullmatch(self.path) else None
        status = HTTPStatus.NOT_FOUND if allowed is None else HTTPStatus.METHOD_NOT_ALLOWED
        self._reply(status, f"{status.phrase}\n".encode(), allow=allowed)

    def _reply_error(self, error: MingjianError) -> None:
        if error.code == "witness-size":
            self._reply(HTTPStatus.CONFLICT, f"{error.details['size']}\n".encode(), content_type=SIZE_TYPE)
            return
        # Another root at one size is an inconsistent request, not one to be made again with another old size.
        if error.code == "witness-root":
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            found = (status for family, status in _STATUS if isinstance(error, family))
            status = next(found, HTTPStatus.SERVICE_UNAVAILABLE)
        told = error.message
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            _log.error("%s %s", error.message, error.mend)
            told = "The witness cannot answer now; its operator's log says why."
        self._reply(status, f"{error.code}: {told}\n".encode(errors="backslashreplace"))

    def _reply(self, status: HTTPStatus, body: bytes, *, content_type: str = _TEXT, allow: str | None = None) -> None:
        # Reading has left the socket with what remained of the time for the request.
        self.connection.settimeout(self.server.request_s)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", allow or "GET, HEAD, POST")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

"""Whatever stands at the other end: bounded bytes, bounded time, no other machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.errors import Malformed, NotAllowed, NotFound, Unavailable
from ledger.tree.tiles import Bundle, Tile
from ledger.verify.fetch import LogClient


@contextmanager
def saying(*parts: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """A server that answers every connection with these bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def answer() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(4096)
                    for part in parts:
                        connection.sendall(part)
                        if done.wait(pause_s):
                            return
                except OSError:
                    continue

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def client(url: str, **more: Any) -> LogClient:
    return LogClient(url, **({"sleep": lambda _s: None, "timeout_s": 0.5} | more))


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "head", [OK + b"Content-Length: 9999999\r\n\r\n", OK + b"\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n"]
)
def test_no_more_is_read_than_may_be_there(head: bytes) -> None:
    with saying(head, b"x" * 200_000) as url, client(url) as log, pytest.raises(Malformed) as refused:
        log.get("checkpoint", limit=100)
    assert refused.value.code == "too-long"


@pytest.mark.parametrize("drip", [[b"HTTP/1.1 2"] + [b"0"] * 100, [OK + b"\r\n"] + [b"x"] * 100])
def test_an_answer_that_drips_is_given_up(drip: list[bytes]) -> None:
    begun = time.monotonic()
    with saying(*drip, pause_s=0.1) as url, client(url, tries=2) as log, pytest.raises(Unavailable) as refused:
        log.get("checkpoint", limit=1000)
    assert refused.value.code == "unreachable"
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"nonsense\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n"],
)
def test_what_is_cut_off_or_no_answer_is_asked_again_and_then_unavailable(said: bytes) -> None:
    pauses: list[float] = []
    with saying(said) as url, client(url, sleep=pauses.append) as log, pytest.raises(Unavailable):
        log.get("checkpoint", limit=1000)
    assert len(pauses) == 3
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1]


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (410, NotFound), (401, NotAllowed), (403, NotAllowed)])
def test_a_plain_no_is_not_asked_again(
    status: int, error: type[Exception], serve: Callable[..., Any], tmp_path: Any
) -> None:
    server = serve(tmp_path)
    server.instead["tile/0/000"] = status
    with client(server.url) as log, pytest.raises(error):
        log.tile(Tile(0, 0))
    assert server.paths == ["tile/0/000"]


def test_it_goes_on_within_one_machine_only(serve: Callable[..., Any], tmp_path: Any) -> None:
    server, other = serve(tmp_path), serve(tmp_path)
    (tmp_path / "there").write_bytes(b"note")
    server.instead["checkpoint"] = 302, {"Location": "/there"}
    with client(server.url) as log:
        assert log.checkpoint() == b"note"
        server.instead["checkpoint"] = 302, {"Location": f"{other.url}/there"}
        with pytest.raises(Unavailable, match="another machine"):
            log.checkpoint()
        server.instead["checkpoint"] = 302, {"Location": "/checkpoint"}
        with pytest.raises(Unavailable, match="circle"):
            log.checkpoint()
    assert other.paths == []


def test_a_ledger_is_found_below_log(serve: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "checkpoint").write_bytes(b"note")
    with client(serve(tmp_path).url) as log:
        assert log.checkpoint() == log.latest() == b"note"
        assert log.url.endswith("/log")


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "http://", "http://u:p@a", "http://a:0", "http://a b", "file:///etc", "x"]
)
def test_only_addresses_are_addresses(url: str) -> None:
    with pytest.raises(Malformed):
        LogClient(url)


@pytest.mark.parametrize("token", ["a\r\nX: y", "", "密"])
def test_a_token_is_one_line(token: str) -> None:
    with pytest.raises(Malformed):
        LogClient("http://a", token=token)


def test_tiles_of_a_wrong_length_are_refused(serve: Callable[..., Any], tmp_path: Any) -> None:
    server = serve(tmp_path)
    server.instead |= {"tile/0/000.p/2": b"x" * 63, "tile/entries/000": b"\0\1"}
    with client(server.url) as log:
        with pytest.raises(Malformed):
            log.tile(Tile(0, 0, 2))
        with pytest.raises(Malformed):
            log.bundle(Bundle(0, 1))  # cut from the full one, which is none

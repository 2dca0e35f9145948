"""C2SP tlog-witness over HTTP: what each request is answered, by a real process."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.tree.checkpoint import Checkpoint
from ledger.tree.cosignature import MAX_REQUEST_BYTES, AddCheckpoint
from ledger.tree.merkle import leaf_hash
from ledger.tree.note import SignatureLine, add_lines, open_note, split_note
from ledger.witness.server import MAX_CONNECTIONS, WitnessServer
from ledger.witness.state import State, origin_hash
from ledger.witness.witness import Witness


def test_each_growth_is_cosigned_and_shown(witness: Any, log: Any) -> None:
    old = 0
    before = int(time.time())
    for new in (0, 0, 2, 2, 7, 8, 300):
        reply = witness.send(log.request(old, new))
        assert (reply.status, reply.content_type) == (200, "text/plain; charset=utf-8")
        assert reply.body.startswith("— w1.example/witness ".encode())
        note = open_note(log.head(new).text.encode() + b"\n" + reply.body, [witness.key])
        assert before <= (note.verified[0].time_s or 0) <= time.time()
        shown = witness.send(None, method="GET", path=f"/{origin_hash(log.signer.name)}/checkpoint")
        assert shown.status == 200
        opened = open_note(shown.body, [witness.key, log.key])
        assert (Checkpoint.parse(opened.text), len(opened.verified)) == (log.head(new), 2)
        assert shown.body.endswith(reply.body)
        old = new


def test_a_log_that_is_not_trusted_is_404_whoever_signed(witness: Any, log_of: Any) -> None:
    stranger = log_of("other.example/log", seed=7)
    assert witness.send(stranger.request(0, 5)).status == 404
    assert witness.send(None, method="GET", path=f"/{origin_hash(stranger.signer.name)}/checkpoint").status == 404


def test_a_trusted_log_never_cosigned_shows_404(witness: Any, log: Any) -> None:
    assert witness.send(None, method="GET", path=f"/{origin_hash(log.signer.name)}/checkpoint").status == 404


def test_another_key_under_the_origin_is_403(witness: Any, log_of: Any) -> None:
    assert witness.send(log_of(seed=7).request(0, 5)).status == 403


def test_a_bad_line_of_the_logs_key_is_403(witness: Any, log: Any) -> None:
    spoilt = add_lines(split_note(log.note(5)), [SignatureLine(log.key.name, log.key.key_id, b"\1" * 64)])
    assert witness.send(AddCheckpoint(0, (), spoilt).to_bytes()).status == 403


def test_unknown_lines_are_ignored_and_not_kept(witness: Any, log: Any) -> None:
    stuffed = add_lines(split_note(log.note(5)), [SignatureLine(f"x{i}.example", bytes(4), b"sig") for i in range(99)])
    assert witness.send(AddCheckpoint(0, (), stuffed).to_bytes()).status == 200
    shown = witness.send(None, method="GET", path=f"/{origin_hash(log.signer.name)}/checkpoint")
    assert [line.name for line in split_note(shown.body).lines] == [log.key.name, witness.key.name]


def test_an_old_size_above_the_checkpoints_is_400(witness: Any, log: Any) -> None:
    assert witness.send(AddCheckpoint(6, (), log.note(5)).to_bytes()).status == 400


def test_an_old_size_that_is_not_ours_is_409_with_ours(witness: Any, log: Any) -> None:
    for cosigned, old, new in ((0, 3, 9), (9, 0, 12), (9, 8, 12), (9, 0, 3), (9, 3, 3)):
        if cosigned:
            assert witness.send(log.request(0, cosigned)).status in (200, 409)
        reply = witness.send(log.request(old, new))
        assert (reply.status, reply.content_type, reply.body) == (
            409,
            "text/x.tlog.size",
            f"{cosigned}\n".encode(),
        )


def test_a_fork_is_422_and_kept_as_evidence(witness: Any, log: Any, log_of: Any, say: Any) -> None:
    fork = log_of(fork_at=4)
    assert witness.send(log.request(0, 8)).status == 200
    same_size = witness.send(fork.request(8, 8))
    longer = witness.send(fork.request(8, 12))
    no_proof = witness.send(AddCheckpoint(8, (), log.note(12)).to_bytes())
    assert [same_size.status, longer.status, no_proof.status] == [422, 422, 422]
    _, listed = say("list", "--state", witness.folder)
    assert (listed["logs"][0]["size"], listed["logs"][0]["disputed"]) == (8, 3)
    kept = {file.read_bytes() for file in (witness.folder / "disputed").iterdir()}
    assert fork.request(8, 8) in kept
    assert witness.send(log.request(8, 12)).status == 200


MALFORMED = {
    "nothing": b"",
    "no old line": b"hello\n\nworld\n",
    "an old size of words": b"old many\n\n",
    "64 hashes": b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\n",
    "binary": bytes(range(256)),
}


def test_what_http_wants(witness: Any, log: Any) -> None:
    shown = f"/{origin_hash(log.signer.name)}/checkpoint"
    for method, path, status in (
        ("GET", "/add-checkpoint", 405),
        ("POST", shown, 405),
        ("DELETE", "/add-checkpoint", 405),
        ("BREW", "/", 405),
        ("POST", "/", 404),
        ("GET", "/", 404),
        ("GET", shown.upper(), 404),
        ("GET", "/../key", 404),
        ("GET", f"/{'a' * 64}/../key", 404),
        ("GET", shown + "?x", 404),
    ):
        reply = witness.send(b"x" if method == "POST" else None, method=method, path=path)
        assert (reply.status, "Allow" in reply.headers) == (status, status == 405), (method, path)
    assert witness.send(log.request(0, 3)).status == 200
    head = witness.send(None, method="HEAD", path=shown)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 100


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        got = b""
        with suppress(ConnectionError):
            while more := connection.recv(65536):
                got += more
        return got


START = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"
RAW = {
    "no length": (START + b"\r\n", b"411"),
    "chunked": (START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    "chunked and a length": (START + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", b"400"),
    "two lengths": (START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
    "a negative length": (START + b"Content-Length: -1\r\n\r\n", b"400"),
    "a length of words": (START + b"Content-Length: +5\r\n\r\nhello", b"400"),
    "a body cut short": (START + b"Content-Length: 50\r\n\r\nhello", b"400"),
    "too long": (
        START + f"Content-Length: {MAX_REQUEST_BYTES + 1}\r\n\r\n".encode() + b"x" * (MAX_REQUEST_BYTES + 1),
        b"413",
    ),
    "much too long": (START + b"Content-Length: 9999999999999999999\r\n\r\n" + b"x" * 10, b"413"),
    "a head too long": (START + b"X: " + b"y" * 60_000 + b"\r\n\r\n", b"431"),
    "heads too many": (START + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    "an address too long": (b"GET /" + b"y" * 60_000 + b" HTTP/1.1\r\n\r\n", b"431"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
}


def test_one_connection_serves_many_requests(witness: Any, log: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=20)
    connection.connect()
    first = connection.sock
    for old, new in ((0, 2), (2, 3), (1, 4), (3, 9)):
        connection.request("POST", "/add-checkpoint", log.request(old, new))
        with connection.getresponse() as response:
            assert response.status == (409 if old == 1 else 200)
            response.read()
        assert connection.sock is first
    connection.close()


# ------------------------------------------------------------------------------------------- bounds, in one process


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., WitnessServer]]:
    servers: list[WitnessServer] = []

    def serve(log: Any, *, clock: Callable[[], float] = time.time, **bounds: Any) -> WitnessServer:
        state = State.create(tmp_path_factory.mktemp("state") / "w", name="w.example")
        state.trust(log.key)
        server = WitnessServer(("127.0.0.1", 0), Witness(state, clock=clock), **bounds)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
        server.drain(5)


def post(server: WitnessServer, body: bytes, *, timeout_s: float = 20) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=timeout_s)
    try:
        connection.request("POST", "/add-checkpoint", body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_hundred_slow_connections_stop_nobody(served: Any, log: Any) -> None:
    server = served(log, max_connections=8)
    slow = []
    try:
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=5)
            connection.sendall(START + b"Content-Len")
            slow.append(connection)
        began = time.monotonic()
        assert [post(server, log.request(old, old + 1)) for old in range(5)] == [200] * 5
        assert time.monotonic() - began < 3
        assert len(server._open) <= 8
    finally:
        for connection in slow:
            connection.close()


def test_a_request_that_drips_is_ended_in_time(served: Any, log: Any) -> None:
    server = served(log, request_s=0.5)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        began = time.monotonic()
        # A reset or a broken pipe, as the system likes.
        with suppress(OSError):
            for byte in START + b"Content-Length: 500\r\n\r\n" + b"x" * 500:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        assert 0.4 < time.monotonic() - began < 3


def test_the_default_bounds_hold_memory_in_bounds() -> None:
    assert MAX_CONNECTIONS * MAX_REQUEST_BYTES < 100 << 20


@pytest.fixture(scope="module")
def shared(served: Any, log: Any) -> WitnessServer:
    return served(log)


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bodies_are_400(shared: WitnessServer, log: Any, head: bytes) -> None:
    assert post(shared, head + log.note(3)) == 400
    assert post(shared, head) == 400


@pytest.mark.parametrize(("data", "status"), RAW.values(), ids=RAW.keys())
def test_what_is_hardly_http_is_refused_in_few_words(shared: WitnessServer, data: bytes, status: bytes) -> None:
    got = raw(shared.server_port, data)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == status
    assert b"Connection: close" in head
    assert len(body) < 100
    assert b"Python" not in got


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_body_and_no_head_is_ever_our_fault(shared: WitnessServer, log: Any, data: st.DataObject) -> None:
    good = log.request(0, 5)
    body = data.draw(
        st.one_of(
            st.binary(max_size=400),
            st.builds(
                lambda at, mask: good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :],
                st.integers(0, len(good) - 1),
                st.integers(1, 255),
            ),
            st.builds(lambda a, b: good[:a] + good[b:], *[st.integers(0, len(good))] * 2),
        )
    )
    status = post(shared, body)
    assert 400 <= status < 500 or (status == 200 and body == good)
    answer = raw(shared.server_port, data.draw(st.binary(max_size=60)) + b"\r\n\r\n" + body)
    # 505 is what HTTP itself says to a version that does not exist.
    assert not answer or answer[:10] == b"HTTP/1.1 4" or answer[:12] == b"HTTP/1.1 505"


# ------------------------------------------------------------------------------------------- one history, one time


def test_eight_askers_at_once_never_get_two_roots_of_one_size(witness: Any, log: Any, log_of: Any) -> None:
    rivals = [log, *(log_of(fork_at=i) for i in range(7))]
    signed: list[tuple[int, bytes]] = []
    barrier = threading.Barrier(8)

    def press(rival: Any) -> None:
        barrier.wait()
        size = 0
        for new in range(1, 13):
            reply = witness.send(rival.request(size, new) if size <= new else rival.request(new, new))
            if reply.status == 200:
                signed.append((new, leaf_hash(rival.head(new).root)))
                size = new
            elif reply.status == 409:
                size = int(reply.body)

    threads = [threading.Thread(target=press, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert signed
    assert len(set(signed)) == len({size for size, _ in signed})


def test_a_clock_set_back_never_takes_a_time_back(served: Any, log: Any) -> None:
    now = [1_700_000_000.0]
    server = served(log, clock=lambda: now[0])
    times = []
    for size, time_s in ((1, 1_700_000_000), (2, 1_699_999_970), (3, 1_700_000_005)):
        now[0] = time_s
        answer = server.witness.add_checkpoint(log.request(size - 1, size))
        note = open_note(log.head(size).text.encode() + b"\n" + answer, [server.witness._state.signer.key])
        times.append(note.verified[0].time_s)
    assert times == [1_700_000_000, 1_700_000_000, 1_700_000_005]
    now[0] = 1_600_000_000
    assert post(server, log.request(3, 4)) == 503
    now[0] = 1_700_000_006
    assert post(server, log.request(3, 4)) == 200


def test_a_full_disk_signs_nothing(served: Any, log: Any, log_of: Any, tmp_path: Path) -> None:
    server = served(log)
    assert post(server, log.request(0, 3)) == 200
    heads: Path = server.witness._state.folder / "heads"
    # A folder in the place of the file written aside: it can neither be removed as a file nor written.
    blocked = heads / f".{origin_hash(log.signer.name)}.{os.getpid()}"
    (blocked / "x").mkdir(parents=True)
    assert post(server, log.request(3, 4)) == 503
    (blocked / "x").rmdir()
    blocked.rmdir()
    assert post(server, log_of(fork_at=3).request(3, 5)) == 200

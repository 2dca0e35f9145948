"""A log asks its witnesses: what it keeps, what it is told, and how it sees that it has gone back or been forked."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ledger.errors import Unavailable
from ledger.keys import SigningKey
from ledger.tree.checkpoint import open_checkpoint
from ledger.tree.cosignature import answer_of
from ledger.tree.note import Algorithm, Signer, add_lines, open_note, split_note
from ledger.tree.policy import Group, Log, Policy, Witness
from ledger.witness.ask import MAX_SKEW_S, Collector, Standing, ask, newest

LIAR = Signer("liar.example", SigningKey.from_seed(b"\7" * 32), Algorithm.COSIGNATURE_V1)


def policy_of(log: Any, witnesses: dict[str, tuple[Any, str | None]], need: int = 1) -> Policy:
    rows = tuple(Witness(name, key, url) for name, (key, url) in witnesses.items())
    return Policy((Log(log.key),), rows, (Group("enough", need, tuple(witnesses)),), "enough")


@pytest.fixture
def three(witness_at: Callable[..., Any], log: Any) -> dict[str, Any]:
    running = {name: witness_at(name) for name in ("w1", "w2", "w3")}
    for one in running.values():
        one.trust(log)
    return running


@pytest.fixture
def policy(three: dict[str, Any], log: Any) -> Policy:
    return policy_of(log, {name: (one.key, one.url) for name, one in three.items()}, need=2)


def standings(collected: Any) -> list[str]:
    return [str(outcome.standing) for outcome in collected.outcomes]


def test_all_witnesses_lines_come_into_the_note(policy: Policy, log: Any) -> None:
    collector = Collector(policy)
    for size in (2, 2, 9, 300):
        collected = collector.collect(log.note(size), log.prove)
        assert (standings(collected), collected.quorum_met) == (["ok"] * 3, True)
        assert len(open_checkpoint(collected.note, policy).cosignatures) == 3
        assert set(collector.sizes.values()) == {size}


def test_a_log_that_has_forgotten_is_told_the_sizes(policy: Policy, log: Any) -> None:
    Collector(policy).collect(log.note(9), log.prove)
    asked: list[tuple[int, int, int]] = []

    def prove(old: int, new: int) -> Any:
        asked.append((old, new, threading.get_ident()))
        return log.prove(old, new)

    assert standings(Collector(policy).collect(log.note(12), prove)) == ["ok"] * 3
    assert asked == [(9, 12, threading.get_ident())] * 3


def test_the_same_head_is_signed_anew_after_an_answer_was_lost(policy: Policy, log: Any) -> None:
    Collector(policy).collect(log.note(9), log.prove)
    assert standings(Collector(policy).collect(log.note(9), log.prove)) == ["ok"] * 3


def test_one_dead_witness_leaves_the_quorum(policy: Policy, log: Any, three: dict[str, Any]) -> None:
    three["w2"].end(signal.SIGKILL)
    collected = Collector(policy).collect(log.note(5), log.prove)
    assert (standings(collected), collected.quorum_met) == (["ok", "unreachable", "ok"], True)
    three["w3"].end(signal.SIGKILL)
    collected = Collector(policy).collect(log.note(5), log.prove)
    assert (standings(collected), collected.quorum_met) == (["ok", "unreachable", "unreachable"], False)


def test_a_log_gone_back_is_shown_what_the_witness_holds(policy: Policy, log: Any, three: dict[str, Any]) -> None:
    Collector(policy).collect(log.note(20), log.prove)
    for look in (Collector(policy).collect, Collector(policy).compare):
        collected = look(log.note(12), log.prove)
        assert standings(collected) == ["ahead"] * 3
        assert collected.note == log.note(12)
        evidence = collected.evidence[0]
        assert evidence.code == "witness-ahead"
        assert evidence.details["ours"].encode() == log.note(12)
        theirs = open_note(evidence.details["theirs"].encode(), [log.key, three["w1"].key])
        assert (theirs.text, len(theirs.verified)) == (log.head(20).text, 2)


@pytest.mark.parametrize("new", [8, 9, 50])
def test_a_forked_log_is_shown_the_other_history(policy: Policy, log: Any, log_of: Any, new: int) -> None:
    fork = log_of(fork_at=4)
    Collector(policy).collect(log.note(8), log.prove)
    for look in (Collector(policy).collect, Collector(policy).compare):
        collected = look(fork.note(new), fork.prove)
        assert standings(collected) == ["forked"] * 3
        assert collected.note == fork.note(new)
        assert not collected.quorum_met
        assert collected.evidence[0].details["ours"].encode() == fork.note(new)
        assert log.head(8).text in collected.evidence[0].details["theirs"]


def test_a_wrong_proof_of_our_own_is_refused_and_seen(policy: Policy, log: Any) -> None:
    Collector(policy).collect(log.note(8), log.prove)
    collector = Collector(policy)
    collected = collector.collect(log.note(12), lambda old, new: log.prove(old, new)[:-1])
    # Refused by the witness; that we cannot join its head to ours either, with stored hashes like these, alarms.
    assert standings(collected) == ["forked"] * 3


def test_comparing_asks_nobody_to_sign(policy: Policy, log: Any) -> None:
    assert standings(Collector(policy).compare(log.note(5), log.prove)) == ["behind"] * 3
    Collector(policy).collect(log.note(5), log.prove)
    assert standings(Collector(policy).compare(log.note(5), log.prove)) == ["ok"] * 3
    assert standings(Collector(policy).compare(log.note(7), log.prove)) == ["behind"] * 3
    shown = newest(policy.witnesses[0].url or "", log.signer.name)
    assert shown is not None
    assert open_checkpoint(shown, policy, need_quorum=False).checkpoint == log.head(5)
    assert newest(policy.witnesses[0].url or "", "unknown.example") is None


# --------------------------------------------------------------------------------------------------- hostile answers


class Liar(ThreadingHTTPServer):
    """Answers what it is told to; ``answer`` gets the handler after the request was read."""

    daemon_threads = True
    answer: Callable[[Any], None]

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.body = self.rfile.read(int(self.headers["Content-Length"]))
                self.speak()

            def do_GET(self) -> None:
                self.body = b""
                self.speak()

            def speak(self) -> None:
                with suppress(OSError):
                    self.server.answer(self)  # type: ignore[attr-defined]

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, status: int, body: bytes, content_type: str = "text/plain") -> Liar:
        def answer(handler: Any) -> None:
            handler.send_response(status)
            handler.send_header("Content-Type", content_type)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        self.answer = answer
        return self


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def line_of(log: Any, size: int, *, time_s: float | None = None) -> bytes:
    return answer_of([LIAR.sign(log.head(size).text, time_s=int(time.time() if time_s is None else time_s))])


ANSWERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "nothing": lambda log: (200, b""),
    "not a line": lambda log: (200, b"hello\n"),
    "a line on another head": lambda log: (200, line_of(log, 6)),
    "a line of a stranger": lambda log: (200, answer_of([log.signer.sign(log.head(6).text)])),
    "a time to come": lambda log: (200, line_of(log, 5, time_s=time.time() + MAX_SKEW_S + 60)),
    "a time long past": lambda log: (200, line_of(log, 5, time_s=1)),
    "a longer text": lambda log: (200, b"more\n\n" + line_of(log, 5)),
    "too much": lambda log: (200, b"x" * 2_000_000),
    "a size above ours": lambda log: (409, b"99\n", "text/x.tlog.size"),
    "a huge size": lambda log: (409, b"9" * 19 + b"\n", "text/x.tlog.size"),
    "a size that is none": lambda log: (409, b"-1\n", "text/x.tlog.size"),
    "a size of another type": lambda log: (409, b"3\n"),
    "somewhere else": lambda log: (307, b""),
    "an error": lambda log: (500, b"\xff\xfe"),
    "inconsistent, without showing why": lambda log: (422, b"no\n"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_lying_witness_gets_nothing_into_the_note(
    liar: Liar, log: Any, answer: Callable[[Any], tuple[Any, ...]]
) -> None:
    liar.says(*answer(log))
    collected = Collector(policy_of(log, {"liar": (LIAR.key, liar.url)})).collect(log.note(5), log.prove)
    assert standings(collected) == ["refused"]
    assert collected.outcomes[0].why
    assert (collected.note, collected.quorum_met, collected.evidence) == (log.note(5), False, ())


def test_a_witness_that_answers_another_size_each_time_is_behind(liar: Liar, log: Any) -> None:
    sizes = iter(range(1, 100))

    def answer(handler: Any) -> None:
        liar_says = Liar.says(liar, 409, f"{next(sizes)}\n".encode(), "text/x.tlog.size").answer
        liar.answer = answer
        liar_says(handler)

    liar.answer = answer
    collected = Collector(policy_of(log, {"liar": (LIAR.key, liar.url)})).collect(log.note(50), log.prove)
    assert (standings(collected), next(sizes)) == (["behind"], 3)


def test_a_witness_that_lost_its_memory_is_not_taken_back(liar: Liar, log: Any) -> None:
    collector = Collector(policy_of(log, {"liar": (LIAR.key, liar.url)}))
    liar.says(200, line_of(log, 5))
    assert standings(collector.collect(log.note(5), log.prove)) == ["ok"]
    liar.says(409, b"0\n", "text/x.tlog.size")
    collected = collector.collect(log.note(6), log.prove)
    assert collected.outcomes[0].standing is Standing.REFUSED
    assert "went back from size 5 to 0" in collected.outcomes[0].why


def test_one_witness_does_not_speak_for_another(liar: Liar, log: Any, witness: Any) -> None:
    """A good line of w1, handed in by the liar, is no answer of the liar."""
    good = ask(witness.url, log.request(0, 5)).body
    liar.says(200, good)
    policy = policy_of(log, {"liar": (LIAR.key, liar.url), "w1": (witness.key, None)})
    collected = Collector(policy).collect(log.note(5), log.prove)
    assert standings(collected) == ["refused", "unreachable"]


def test_what_is_no_evidence_is_not_called_so(liar: Liar, log: Any, log_of: Any) -> None:
    policy = policy_of(log, {"liar": (LIAR.key, liar.url)})
    fork, stranger = log_of(fork_at=2), log_of(seed=9)

    def cosigned(of: Any, size: int) -> bytes:
        return add_lines(split_note(of.note(size)), [LIAR.sign(of.head(size).text, time_s=1_700_000_000)])

    for shown in (stranger.note(9), cosigned(stranger, 9), fork.note(9), b"hello\n", b""):
        liar.says(200, shown)
        collected = Collector(policy).compare(log.note(5), log.prove)
        assert (standings(collected), collected.evidence) == (["refused"], ())
    for shown, standing in ((cosigned(fork, 4), "forked"), (cosigned(log, 9), "ahead"), (cosigned(log, 3), "behind")):
        liar.says(200, shown)
        assert standings(Collector(policy).compare(log.note(5), log.prove)) == [standing]


def test_a_witness_that_drips_delays_the_others_no_longer_than_told(liar: Liar, log: Any, witness: Any) -> None:
    def drip(handler: Any) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)

    liar.answer = drip
    policy = policy_of(log, {"liar": (LIAR.key, liar.url), "w1": (witness.key, witness.url)})
    began = time.monotonic()
    collected = Collector(policy, timeout_s=0.7).collect(log.note(5), log.prove)
    assert time.monotonic() - began < 2
    assert (standings(collected), collected.quorum_met) == (["unreachable", "ok"], True)
    assert "in time" in collected.outcomes[0].why


def test_a_witness_that_accepts_and_is_silent_is_unreachable(log: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(Unavailable) as gone:
            ask(f"http://127.0.0.1:{silent.getsockname()[1]}", log.request(0, 5), timeout_s=0.3)
        assert gone.value.code == "witness-unreachable"


@pytest.mark.parametrize("url", ["ftp://w.example", "w.example", "http://", "http://w:99999", "http://w?x", "file:///"])
def test_a_url_that_is_none_is_unreachable(log: Any, url: str) -> None:
    with pytest.raises(Unavailable) as refused:
        ask(url, log.request(0, 5), timeout_s=0.3)
    assert refused.value.code == "witness-url"

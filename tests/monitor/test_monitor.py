"""Every lie that a log could tell to one who follows it is noticed, and written down so that others can check it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.exchange.generate import generate_xes
from ledger.keys import SigningKey
from ledger.statement import instant_text, statement_id
from ledger.tree.note import Algorithm, Signer, VerifierKey, add_lines, sign_note, split_note
from ledger.tree.policy import Log, Policy, Witness
from ledger.verify.cli import main

VERIFY = Path(sys.executable).with_name("mingjian-verify")
CALM = ("--once", "--jobs", "1", "--max-age", "1e8", "--max-cosigned-age", "1e8")


@pytest.fixture
def watch(say: Any, served: Any, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """One look at a log; what was kept stays for the next."""

    def look(url: str, *more: object) -> tuple[int, dict[str, Any]]:
        code, found = say("monitor", url, "--policy", served.policy, "--state", tmp_path / "state", *CALM, *more)
        return code, found

    return look


@pytest.fixture
def shown(say: Any, served: Any) -> Callable[..., dict[str, Any]]:
    """What the evidence of a look's first finding shows, checked again by the command."""

    def check(found: dict[str, Any]) -> dict[str, Any]:
        code, answer = say("evidence", found["findings"][0]["evidence"], "--policy", served.policy)
        assert code == 0, answer
        return dict(answer)

    return check


# ── An honest log ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_real_server_is_followed(served: Any, watch: Any, tmp_path: Path) -> None:
    code, first = watch(served.base, "--token-file", served.token)
    assert (code, first["ok"], first["alarms"], first["findings"]) == (0, True, [], [])
    assert first["size"] == first["entries"] == first["signatures"] == first["latest"]
    served.grow("followed")
    code, second = watch(served.base, "--token-file", served.token)
    assert (code, second["ok"]) == (0, True)
    assert second["entries"] == second["size"] > first["size"]
    # Judged again from the first entry, but no signature is checked twice beside those on which others hang.
    assert second["signatures"] == second["size"] - first["size"] + 2
    assert not (tmp_path / "state" / "evidence").exists()


def test_a_monitor_that_goes_on_reads_only_what_is_new(history: Any, served: Any, serve: Any, tmp_path: Path) -> None:
    server = serve(history.write(tmp_path / "source", history.batches[3]))
    words = ["monitor", server.url, "--policy", served.policy, "--state", tmp_path / "state", "--json"]
    words += ["--interval", "0.05", "--max-age", "1e8"]
    process = subprocess.Popen([VERIFY, *map(str, words)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["size"] == history.batches[3]
        history.write(tmp_path / "source")
        sizes = {0}
        while max(sizes) < len(history.entries):
            line = json.loads(process.stdout.readline())
            # Renewed file by file, the folder is for a moment neither log: that is no contradiction.
            sizes.add(line["entries"] if line["ok"] else 0)
        assert process.poll() is None
        history.changed(3).write(tmp_path / "source")
        while process.poll() is None and (text := process.stdout.readline()):
            line = json.loads(text)
        assert (process.wait(timeout=20), line["code"]) == (1, "fork")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_mingjian_up_is_followed_and_copied_by_the_commands_alone(tmp_path: Path) -> None:
    """As an auditor does it: a policy by hand, a token, and nothing else of the server."""
    generate_xes(tmp_path / "log.xes.gz", cases=20, seed=4)
    data, mingjian = tmp_path / "data", VERIFY.with_name("mingjian")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"

    def run(*words: object) -> tuple[int, dict[str, Any]]:
        done = subprocess.run([*map(str, words), "--json"], capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    assert run(mingjian, "init", "--data", data)[0] == 0
    assert run(mingjian, "import", "xes", tmp_path / "log.xes.gz", "--source", "permits", "--data", data)[0] == 0
    words = ["up", "--data", data, "--port", port]
    server = subprocess.Popen([mingjian, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            assert server.poll() is None
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        token = run(mingjian, "token", "auditor", "--data", data)[1]["token"]
        (tmp_path / "token").write_text(token)
        common = ("--policy", data / "published" / "policy", "--token-file", tmp_path / "token")
        for _ in range(40):
            # Alarms are for heads that wait for their witnesses: at the start they do, for a moment.
            code, looked = run(VERIFY, "monitor", base, *common, "--state", tmp_path / "state", "--once")
            if code != 4:
                break
            time.sleep(0.5)
        assert (code, looked["ok"], looked["alarms"]) == (0, True, [])
        code, copied = run(VERIFY, "mirror", base, tmp_path / "copy", *common)
        assert (code, copied["size"] >= looked["size"] > 100) == (0, True)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
    code, audited = run(VERIFY, "log", tmp_path / "copy", "--policy", data / "published" / "policy")
    assert (code, audited["size"]) == (0, copied["size"])


@pytest.mark.parametrize(("lang", "words"), [("zh", "未见异常"), ("en", "nothing wrong")])
def test_people_are_told_in_both_languages(
    lang: str, words: str, history: Any, served: Any, serve: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(history.write(tmp_path / "source", history.batches[-1]))
    common = ["--policy", str(served.policy), "--lang", lang]
    look = ["monitor", server.url, "--state", str(tmp_path / "state"), *CALM, *common]
    assert main(look) == 0
    assert words in capsys.readouterr().out
    assert main(["mirror", server.url, str(tmp_path / "copy"), *common]) == 0
    assert str(history.batches[-1]) in capsys.readouterr().out
    history.changed(1).write(tmp_path / "source")
    assert main(look) == 1
    path = next((tmp_path / "state" / "evidence").iterdir())
    assert str(path) in capsys.readouterr().out
    assert main(["evidence", str(path), *common]) == 0
    assert ("此文件本身足以证明" if lang == "zh" else "PROVES IT ALONE") in capsys.readouterr().out


# ── Two histories ──────────────────────────────────────────────────────────────────────────────────────────


def independent_fork(evidence: Path, vkey: str) -> tuple[int, int]:
    """Two heads of one size under one key, by nothing but hashes and the standard signature: their sizes."""
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(vkey.split("+", 2)[2])[1:])
    notes = json.loads(evidence.read_text())["notes"]
    roots = set()
    for note in notes:
        text, lines = note.split("\n\n")
        public.verify(base64.b64decode(lines.split()[2])[4:], f"{text}\n".encode())
        roots.add(text.split("\n")[2])
    assert len(roots) == 2
    return tuple(int(note.split("\n")[1]) for note in notes)  # type: ignore[return-value]


def test_a_log_that_shows_another_tree_of_one_size_is_a_fork(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    assert watch(server.url)[0] == 0
    history.changed(len(history.entries) - 1).write(tmp_path / "source")
    code, found = watch(server.url)
    assert (code, found["ok"], found["code"]) == (1, False, "fork")
    vkey = str(VerifierKey(history.origin, history.key.public))
    size = len(history.entries)
    assert independent_fork(Path(found["findings"][0]["evidence"]), vkey) == (size, size)
    assert shown(found)["stands"] == "alone"
    # What was kept is kept.
    assert (tmp_path / "state/log/checkpoint").read_bytes() == history.note()


@pytest.mark.parametrize("batch", [1, 2, 3, -1])
def test_a_log_that_grew_from_another_history_is_a_fork(
    batch: int, history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    size = history.batches[batch]
    server = serve(history.write(tmp_path / "source", size))
    assert watch(server.url)[0] == 0
    other = history.changed(1)
    other.write(tmp_path / "source")
    code, found = watch(server.url)
    assert (code, found["code"]) == (1, "fork")
    answer = shown(found)
    assert (answer["stands"], answer["size"]) == ("alone", size)
    # RFC 6962 by hand: the later tree has another root at the earlier size than was signed.
    assert base64.b64decode(json.loads(Path(found["findings"][0]["evidence"]).read_text())["root"]) == tree(
        [statement_id(entry) for entry in other.entries[:size]]
    )


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def test_evidence_that_shows_nothing_is_refused(
    history: Any, served: Any, serve: Any, watch: Any, say: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source", history.batches[-1]))
    watch(server.url)
    history.changed(1).write(tmp_path / "source")
    path = Path(watch(server.url)[1]["findings"][0]["evidence"])
    body = json.loads(path.read_text())
    honest, stranger = history.note().decode(), sign_note("x\n1\n\n", Signer("x", SigningKey.generate())).decode()
    broken: list[dict[str, Any]] = [
        {"notes": [body["notes"][0], honest]},  # these two belong together
        {"notes": [body["notes"][0]] * 2, "path": [], "root": body["notes"][0].split("\n")[2]},
        {"notes": body["notes"][::-1]},
        {"notes": [stranger, body["notes"][1]]},
        {"notes": [body["notes"][0].replace("\n7\n", "\n8\n"), body["notes"][1][:-9] + "AAAAAA==\n"]},
        {"path": body["path"][1:]},
        {"path": ["AA=="]},
        {"root": base64.b64encode(bytes(32)).decode()},
        {"notes": None},
        {"kind": "rollback"},
        {"kind": "miracle"},
        {"format": "mingjian-evidence@v2"},
    ]
    for number, change in enumerate(broken):
        other = tmp_path / f"{number}.json"
        other.write_text(json.dumps(body | change))
        code, answer = say("evidence", other, "--policy", served.policy)
        assert (code, answer["ok"]) == (1, False), change
    for content in (b"", b"{}", b"[]", b"\xff", b"[" * 2000):
        (tmp_path / "none.json").write_bytes(content)
        assert say("evidence", tmp_path / "none.json", "--policy", served.policy)[0] == 1


# ── Going back, and not showing ────────────────────────────────────────────────────────────────────────────


def test_a_log_that_went_back_is_caught_and_what_is_newer_is_kept(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    assert watch(server.url)[0] == 0
    history.write(tmp_path / "source", history.batches[-1])
    code, found = watch(server.url)
    assert (code, found["code"], found["size"]) == (1, "rollback", len(history.entries))
    answer = shown(found)
    assert (answer["stands"], answer["signed"], answer["shown"]) == (
        "as-observed",
        len(history.entries),
        history.batches[-1],
    )
    # Having gone back and grown again it has two histories, and that is proved for good.
    history.changed(history.batches[-1] + 1).write(tmp_path / "source")
    code, found = watch(server.url)
    assert (code, found["code"], shown(found)["stands"]) == (1, "fork", "alone")


def test_a_newest_head_that_is_taken_back_is_caught(history: Any, serve: Any, watch: Any, tmp_path: Path) -> None:
    """The settled head stands still; the newest of all was shown once and then was never there."""
    history.write(tmp_path / "source")
    server = serve(history.write(tmp_path / "source", history.batches[-1], keep=True))
    server.instead |= {"checkpoint": history.note(history.batches[-1]), "checkpoint/latest": history.note()}
    code, found = watch(server.url)
    assert (code, found["uncosigned"]) == (0, len(history.entries) - history.batches[-1])
    server.instead["checkpoint/latest"] = history.note(history.batches[-1])
    code, found = watch(server.url)
    assert (code, found["code"]) == (1, "rollback")


def test_a_newest_head_beside_the_settled_one_is_a_fork(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    other = history.changed(0)
    good = serve(history.write(tmp_path / "source", history.batches[-1]))
    assert watch(good.url)[0] == 0
    good.folder = other.write(tmp_path / "other")
    good.instead |= {"checkpoint": history.note(history.batches[-1]), "checkpoint/latest": other.note()}
    code, found = watch(good.url)
    assert (code, found["code"], shown(found)["stands"]) == (1, "fork", "alone")


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"])
def test_a_file_that_is_withheld_is_named(
    name: str, history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    server.instead[name] = 404
    code, found = watch(server.url)
    assert (code, found["code"], found["size"]) == (1, "withheld", 0)
    assert shown(found)["name"] == name
    del server.instead[name]
    assert watch(server.url)[0] == 0


def test_a_changed_entry_is_shown_beside_the_signed_one(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    good = (tmp_path / "source/tile/entries/000").read_bytes()
    at = good.index(history.entries[100]) + 50
    server.instead["tile/entries/000"] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    code, found = watch(server.url)
    assert (code, found["code"]) == (1, "changed")
    answer = shown(found)
    assert (answer["index"], answer["hash"]) == (100, statement_id(history.entries[100]).hex())
    # It asked again before it said so: a line may lose a bit.
    assert server.paths.count("tile/entries/000") == 2
    server.instead.clear()
    assert watch(server.url)[0] == 0


@pytest.mark.parametrize(
    ("name", "kind"), [("tile/0/000", "unproven"), ("tile/1/000.p/1", "changed"), ("tile/0/001.p/{}", "unproven")]
)
def test_a_changed_tile_is_no_tile_of_the_tree(
    name: str, kind: str, history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    name = name.format(len(history.entries) - 256)
    good = (tmp_path / "source" / name).read_bytes()
    server.instead[name] = bytes([good[0] ^ 1]) + good[1:]
    code, found = watch(server.url)
    assert (code, found["code"]) == (1, kind)
    assert shown(found)["stands"] == "as-observed"


def test_an_entry_that_breaks_a_rule_is_evidence_of_the_log_s_own_making(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    """The tree is in order; what stands in it was never signed by whom it says."""
    index = 100
    server = serve(history.changed(index).write(tmp_path / "source", history.batches[-1]))
    code, found = watch(server.url)
    assert (code, found["code"]) == (1, "rule")
    answer = shown(found)
    assert answer["stands"] == "with-copy"
    # The next statement of the stream still names the one that was changed; a signature is asked after that.
    assert answer["index"] >= index
    again = watch(server.url)[1]
    assert again["findings"][0]["evidence"] == found["findings"][0]["evidence"]


@pytest.mark.parametrize("note", ["stranger", "bent", "empty", "long"])
def test_a_head_that_is_not_signed_is_no_head(note: str, history: Any, serve: Any, watch: Any, tmp_path: Path) -> None:
    server = serve(history.write(tmp_path / "source"))
    assert watch(server.url)[0] == 0
    text = split_note(history.note()).text
    server.instead["checkpoint"] = {
        "stranger": sign_note(text, Signer(history.origin, SigningKey.generate())),
        "bent": history.note().replace(b"\n2", b"\n9", 1).replace(b"\n3", b"\n8", 1),
        "empty": b"",
        "long": b"x" * 2_000_000,
    }[note]
    code, found = watch(server.url)
    assert (code, found["ok"], found["findings"]) == (1, False, [])
    assert found["size"] == len(history.entries)


# ── Age, witnesses, copies ─────────────────────────────────────────────────────────────────────────────────


def test_a_head_that_stands_still_alarms_by_its_age(
    history: Any, serve: Any, say: Any, served: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    words = ["monitor", server.url, "--policy", served.policy, "--state", tmp_path / "state", "--once", "--jobs", "1"]
    time.sleep(0.2)
    code, found = say(*words, "--max-age", "0.1")
    assert (code, found["ok"], [alarm["code"] for alarm in found["alarms"]]) == (4, True, ["old"])
    assert say(*words, "--max-age", "1e8")[0] == 0


def test_a_log_that_cannot_be_had_is_neither_good_nor_bad(history: Any, serve: Any, watch: Any, tmp_path: Path) -> None:
    server = serve(history.write(tmp_path / "source"))
    assert watch(server.url)[0] == 0
    server.instead["checkpoint"] = 503
    code, found = watch(server.url)
    assert (code, found["reached"], found["ok"]) == (3, False, True)
    assert [alarm["code"] for alarm in found["alarms"]] == ["unreachable"]


@pytest.fixture
def witness_key() -> Signer:
    return Signer("w.example/1", SigningKey.generate(), Algorithm.COSIGNATURE_V1)


def cosigned(note: bytes, witness: Signer, *, age_s: int = 0) -> bytes:
    split = split_note(note)
    return add_lines(split, [witness.sign(split.text, time_s=int(time.time()) - age_s)])


def test_witnesses_that_are_no_longer_asked_are_noticed(
    history: Any, serve: Any, say: Any, witness_key: Signer, tmp_path: Path
) -> None:
    policy = Policy(
        logs=(Log(VerifierKey(history.origin, history.key.public)),),
        witnesses=(Witness("w", witness_key.key),),
        quorum="w",
    )
    (tmp_path / "policy").write_bytes(policy.to_bytes())
    history.write(tmp_path / "source")
    server = serve(history.write(tmp_path / "source", history.batches[-1], keep=True))
    server.instead["checkpoint/latest"] = history.note()
    words = ["monitor", server.url, "--policy", tmp_path / "policy", "--state", tmp_path / "state", "--once"]
    words += ["--jobs", "1", "--max-age", "1e8"]
    # Never cosigned: the policy does not accept it.
    code, found = say(*words)
    assert (code, [alarm["code"] for alarm in found["alarms"]]) == (4, ["quorum-not-met"])
    # Older than it was, by less than would put the batches outside what the witness says.
    server.instead["checkpoint"] = cosigned(history.note(history.batches[-1]), witness_key, age_s=200)
    code, found = say(*words, "--max-cosigned-age", "100")
    assert (code, [alarm["code"] for alarm in found["alarms"]]) == (4, ["cosigned-old"])
    assert 200 <= found["cosigned_age_s"] < 290
    assert found["uncosigned"] == len(history.entries) - history.batches[-1]
    server.instead["checkpoint"] = cosigned(history.note(history.batches[-1]), witness_key)
    code, found = say(*words)
    assert (code, found["alarms"]) == (0, [])


def test_witnesses_and_copies_that_hold_the_same_log_agree(
    history: Any, serve: Any, watch: Any, tmp_path: Path
) -> None:
    server, copy = serve(history.write(tmp_path / "source")), serve(history.write(tmp_path / "copy", 256))
    witness = serve(tmp_path / "nothing")
    witness.instead[witnessed(history)] = history.note(history.batches[-1])
    code, found = watch(server.url, "--mirror", copy.url, "--witness", witness.url)
    assert code == 0, found
    assert [one["state"] for one in found["witnesses"] + found["mirrors"]] == ["agrees", "agrees"]
    witness.instead.clear()
    code, found = watch(server.url, "--witness", witness.url)
    assert (code, found["witnesses"][0]["state"]) == (4, "empty")


def witnessed(history: Any) -> str:
    return f"{hashlib.sha256(history.origin.encode()).hexdigest()}/checkpoint"


@pytest.mark.parametrize("size", [None, 256])
def test_a_witness_that_was_shown_another_history_holds_the_evidence(
    size: int | None, history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server, witness = serve(history.write(tmp_path / "source")), serve(tmp_path / "nothing")
    witness.instead[witnessed(history)] = history.changed(9).note(size)
    code, found = watch(server.url, "--witness", witness.url)
    assert (code, found["code"], found["witnesses"][0]["state"]) == (1, "fork", "fork")
    assert shown(found)["stands"] == "alone"


def test_a_tail_that_only_a_witness_has_seen_is_missed(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    """The ledger was restored from an older copy before we ever saw it."""
    server, witness = serve(history.write(tmp_path / "source", history.batches[-1])), serve(tmp_path / "nothing")
    witness.instead[witnessed(history)] = history.note()
    code, found = watch(server.url, "--witness", witness.url)
    assert (code, found["code"]) == (1, "rollback")
    assert shown(found)["signed"] == len(history.entries)


def test_a_copy_of_another_history_that_is_ahead_proves_the_fork_by_its_own_tiles(
    history: Any, serve: Any, watch: Any, shown: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source", history.batches[-1]))
    copy = serve(history.changed(20).write(tmp_path / "copy"))
    code, found = watch(server.url, "--mirror", copy.url)
    assert (code, found["code"], shown(found)["stands"]) == (1, "fork", "alone")


def test_a_copy_that_is_broken_accuses_nobody(history: Any, serve: Any, watch: Any, tmp_path: Path) -> None:
    server, copy = serve(history.write(tmp_path / "source", 256 + 45)), serve(history.write(tmp_path / "copy"))
    copy.instead |= {"tile/1/000.p/1": bytes(32)}
    _code, found = watch(server.url, "--mirror", copy.url)
    assert found["code"] != "fork"
    assert [alarm["code"] for alarm in found["alarms"]] == ["mirror-broken"]
    copy.instead["checkpoint"] = b"nothing"
    assert watch(server.url, "--mirror", copy.url)[1]["mirrors"][0]["state"] == "refused"


# ── Promises ───────────────────────────────────────────────────────────────────────────────────────────────


def test_promises_are_held_against_the_log(
    served: Any, history: Any, serve: Any, watch: Any, shown: Any, say: Any, tmp_path: Path
) -> None:
    receipt = Signer(history.origin, served.hall.keyring.own("receipt"))

    def promise(name: str, id_: bytes, by_us: int, signer: Signer = receipt) -> Path:
        text = f"mingjian promise v1\n{history.origin}\n{id_.hex()}\n{instant_text(by_us)}\n"
        path = tmp_path / name
        path.write_bytes(sign_note(text, signer))
        return path

    now, there = time.time_ns() // 1000, statement_id(history.entries[50])
    hour = 3_600_000_000
    kept = promise("kept", there, now + hour)
    early = promise("late", there, now - 24 * hour)
    open_ = promise("open", hashlib.sha256(b"x").digest(), now + hour)
    broken = promise("broken", hashlib.sha256(b"x").digest(), now - 24 * hour)
    forged = promise("forged", there, now - hour, Signer(history.origin, SigningKey.generate()))
    server = serve(history.write(tmp_path / "source"))
    code, found = watch(server.url, "--promise", kept, open_)
    assert (code, [one["state"] for one in found["promises"]]) == (0, ["kept", "open"])
    code, found = watch(server.url, "--promise", forged)
    assert (code, [one["state"] for one in found["promises"]]) == (4, ["unknown"])
    code, found = watch(server.url, "--promise", early, broken)
    assert (code, [one["state"] for one in found["promises"]]) == (1, ["broken", "broken"])
    assert {one["kind"] for one in found["findings"]} == {"promise"}
    assert shown(found)["stands"] == "alone"

    # By hand: the promise is signed, the leaves are the signed tree's, and the statement is not among them.
    body = json.loads(Path(found["findings"][1]["evidence"]).read_text())
    text, lines = body["promise"].split("\n\n")
    Ed25519PublicKey.from_public_bytes(receipt.private_key.public).verify(
        base64.b64decode(lines.split()[2])[4:], f"{text}\n".encode()
    )
    raw = base64.b64decode(body["leaves"])
    leaves = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    assert base64.b64encode(tree(leaves)).decode() == body["note"].split("\n")[2]
    assert bytes.fromhex(text.split("\n")[2]) not in leaves

    # A kept promise cannot be made to look broken.
    body["promise"] = kept.read_text()
    (tmp_path / "false.json").write_text(json.dumps(body))
    assert say("evidence", tmp_path / "false.json", "--policy", served.policy)[0] == 1


def test_the_promise_that_the_ledger_gives_is_one(served: Any, watch: Any, tmp_path: Path) -> None:
    (tmp_path / "promise").write_text(served.hall.promise(served.hall.reader.entries(50, 51)[0]))
    code, found = watch(served.base, "--token-file", served.token, "--promise", tmp_path / "promise")
    assert (code, found["promises"][0]["state"]) == (0, "kept")

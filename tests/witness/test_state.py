"""What a witness keeps: through kills, restarts and damage, and under whose eyes."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MingjianError, NotFound, Refused, Unavailable
from ledger.tree.note import open_note
from ledger.witness.cli import main
from ledger.witness.state import State, origin_hash
from ledger.witness.witness import Witness


@pytest.mark.fault
def test_a_kill_at_any_moment_loses_nothing_that_was_answered(witness: Any, log: Any, log_of: Any) -> None:
    fork, size = log_of(fork_at=1), 0
    for round_ in range(6):
        answered = [size]

        def press(answered: list[int] = answered) -> None:
            for new in range(answered[-1] + 1, 300):
                try:
                    reply = witness.send(log.request(answered[-1], new))
                except OSError:
                    return
                assert reply.status == 200
                answered.append(new)

        thread = threading.Thread(target=press)
        thread.start()
        thread.join(0.05 + 0.02 * round_)
        witness.end(signal.SIGKILL)
        thread.join()
        witness.start()
        # Saved and not answered is possible, one at most; answered and not saved is not.
        told = witness.send(log.request(0, 1))
        size = int(told.body) if told.status == 409 else 1
        assert answered[-1] <= size <= answered[-1] + 1
        if size > 1:
            assert witness.send(fork.request(size, size)).status == 422
        assert witness.send(log.request(size, size)).status == 200
    assert size > 6


def test_a_restart_keeps_key_trust_and_heads(witness: Any, log: Any) -> None:
    assert witness.send(log.request(0, 5)).status == 200
    key = witness.key
    assert witness.end(signal.SIGTERM) == 0
    witness.start()
    assert witness.key == key
    assert witness.send(log.request(0, 9)).body == b"5\n"
    assert witness.send(log.request(5, 9)).status == 200
    assert witness.end(signal.SIGINT) == 0


def test_a_running_witness_sees_at_once_whom_to_trust(witness_at: Callable[..., Any], log: Any, log_of: Any) -> None:
    witness, rotated = witness_at(), log_of(seed=5)
    assert witness.send(log.request(0, 3)).status == 404
    witness.trust(log)
    assert witness.send(log.request(0, 3)).status == 200
    assert witness.send(rotated.request(3, 4)).status == 403
    witness.trust(rotated)
    assert witness.send(rotated.request(3, 4)).status == 200
    assert main(["distrust", str(log.key), "--state", str(witness.folder)]) == 0
    assert witness.send(log.request(4, 5)).status == 403
    assert main(["distrust", log.signer.name, "--state", str(witness.folder)]) == 0
    assert witness.send(rotated.request(4, 5)).status == 404
    # What was signed stays signed: trust that comes back goes on where it stopped.
    witness.trust(log)
    assert witness.send(log.request(0, 5)).body == b"4\n"


def test_one_folder_has_one_witness(witness: Any, say: Any) -> None:
    code, answer = say("run", "--listen", "127.0.0.1:0", "--state", witness.folder)
    assert (code, answer["error"]["code"]) == (3, "witness-running")


def test_the_key_is_the_owners_alone(tmp_path: Path, say: Any) -> None:
    code, answer = say("key", "--state", tmp_path / "w", "--name", "w.example")
    assert code == 0
    assert answer["vkey"].startswith("w.example+")
    assert say("key", "--state", tmp_path / "w")[1] == answer
    key = tmp_path / "w" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    code, refused = say("key", "--state", tmp_path / "w")
    assert (code, refused["error"]["code"]) == (1, "witness-key")


def test_a_key_keeps_its_name(tmp_path: Path, say: Any) -> None:
    say("key", "--state", tmp_path / "w", "--name", "w.example")
    code, refused = say("key", "--state", tmp_path / "w", "--name", "v.example")
    assert (code, refused["error"]["code"]) == (1, "witness-name")


def test_a_folder_without_a_witness_is_said_to_be_one(tmp_path: Path, log: Any, say: Any) -> None:
    for words in (("trust", str(log.key)), ("distrust", "x"), ("list",)):
        code, refused = say(*words, "--state", tmp_path / "none")
        assert (code, refused["error"]["code"]) == (1, "witness-state")
    assert not (tmp_path / "none").exists()


def test_only_log_keys_are_trusted(tmp_path: Path, log: Any, say: Any) -> None:
    _, key = say("key", "--state", tmp_path / "w", "--name", "w.example")
    assert say("trust", key["vkey"], "--state", tmp_path / "w")[0] == 1
    assert say("trust", "nonsense", "--state", tmp_path / "w")[0] == 1
    assert say("trust", str(log.key), "--state", tmp_path / "w")[1]["new"] is True
    assert say("trust", str(log.key), "--state", tmp_path / "w")[1]["new"] is False
    assert say("distrust", "nobody", "--state", tmp_path / "w")[0] == 1


def test_the_list_says_what_was_cosigned(witness: Any, log: Any, say: Any, capsys: pytest.CaptureFixture[str]) -> None:
    row = say("list", "--state", witness.folder)[1]["logs"]
    assert row == [
        {
            "origin": log.signer.name,
            "vkeys": [str(log.key)],
            "size": None,
            "root": None,
            "cosigned_at": None,
            "disputed": 0,
        }
    ]
    witness.send(log.request(0, 5))
    assert say("list", "--state", witness.folder)[1]["logs"][0]["size"] == 5
    assert main(["list", "--state", str(witness.folder)]) == 0
    assert "hall.example/log  size 5" in capsys.readouterr().out


@pytest.fixture
def kept(tmp_path: Path, log: Any) -> State:
    """A state that has cosigned size 5 of ``log``, nobody running on it."""
    state = State.create(tmp_path / "w", name="w.example")
    state.trust(log.key)
    Witness(state).add_checkpoint(log.request(0, 5))
    return state


def other_state(folder: Path, log: Any) -> State:
    state = State.create(folder, name="w.example")
    state.trust(log.key)
    return state


DAMAGE: dict[str, Callable[[Path, Path], Any]] = {
    "the head is gone": lambda _, head: head.unlink(),
    "the head is empty": lambda _, head: head.write_bytes(b""),
    "the head is cut": lambda _, head: head.write_bytes(head.read_bytes()[:-9]),
    "a bit of the head is another": lambda _, head: head.write_bytes(head.read_bytes().replace(b"\n5\n", b"\n4\n")),
    "the head is only the log's": lambda _, head: head.write_bytes(head.read_bytes().rpartition("—".encode())[0]),
    "the head is under another name": lambda _, head: head.rename(head.with_name("0" * 64)),
    "a stranger's file lies among the heads": lambda _, head: head.with_name("notes.txt").write_text("x"),
    "the heads are gone": lambda folder, _: (folder / "heads").rename(folder / "elsewhere"),
    "the trusted logs are gone": lambda folder, _: (folder / "trusted").unlink(),
    "the trusted logs are no keys": lambda folder, _: (folder / "trusted").write_text("hall.example/log\n"),
    "the trusted logs are binary": lambda folder, _: (folder / "trusted").write_bytes(b"\xff\xfe"),
    "the key is empty": lambda folder, _: (folder / "key").write_bytes(b""),
    "the key is cut": lambda folder, _: (folder / "key").write_bytes((folder / "key").read_bytes()[:-40]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_state_refuses_to_start_in_clear_words(
    kept: State, log: Any, say: Any, damage: Callable[[Path, Path], Any]
) -> None:
    damage(kept.folder, kept.folder / "heads" / origin_hash(log.signer.name))
    code, answer = say("run", "--listen", "127.0.0.1:0", "--state", kept.folder)
    assert (code, answer["error"]["code"]) == (3, "witness-state")
    assert str(kept.folder) in answer["error"]["message"]
    assert "retire this key" in answer["error"]["mend"]


def test_a_lost_key_is_not_made_anew(kept: State, say: Any) -> None:
    (kept.folder / "key").unlink()
    code, answer = say("run", "--listen", "127.0.0.1:0", "--state", kept.folder)
    assert (code, answer["error"]["code"]) == (3, "witness-state")


def test_the_heads_of_two_logs_are_not_mixed(kept: State, log: Any, log_of: Any) -> None:
    other = log_of("other.example/log", seed=3)
    kept.trust(other.key)
    Witness(kept).add_checkpoint(other.request(0, 9))
    heads = kept.folder / "heads"
    (heads / origin_hash(log.signer.name)).write_bytes((heads / origin_hash(other.signer.name)).read_bytes())
    with pytest.raises(Unavailable, match="head of another log"):
        kept.check()


def test_the_keys_of_two_witnesses_are_not_mixed(kept: State, log: Any, tmp_path: Path, say: Any) -> None:
    other = other_state(tmp_path / "v", log)
    (kept.folder / "key").write_bytes((other.folder / "key").read_bytes())
    code, answer = say("run", "--listen", "127.0.0.1:0", "--state", kept.folder)
    assert (code, answer["error"]["code"]) == (3, "witness-state")
    mixed = str(other.signer.key).encode() + b"\n" + kept.signer.private_key.to_pem()
    (other.folder / "key").write_bytes(mixed)
    with pytest.raises(Unavailable, match="not a pair"):
        State.open(other.folder)


def test_damage_while_running_is_503_and_tells_strangers_nothing(witness: Any, log: Any) -> None:
    assert witness.send(log.request(0, 5)).status == 200
    head = witness.folder / "heads" / origin_hash(log.signer.name)
    head.write_bytes(b"")
    for reply in (
        witness.send(log.request(5, 6)),
        witness.send(None, method="GET", path=f"/{head.name}/checkpoint"),
    ):
        assert reply.status == 503
        assert str(witness.folder).encode() not in reply.body
    assert str(head) in witness.stderr
    assert "Traceback" not in witness.stderr


def test_a_first_start_that_died_half_way_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "w" / "heads").mkdir(parents=True)
    (tmp_path / "w" / ".key").write_bytes(b"half")
    with pytest.raises(NotFound):
        State.open(tmp_path / "w")
    state = State.create(tmp_path / "w", name="w.example")
    state.check()
    assert State.open(tmp_path / "w").signer.key == state.signer.key


def test_a_head_half_written_is_as_if_it_never_was(kept: State, log: Any) -> None:
    head = kept.folder / "heads" / origin_hash(log.signer.name)
    head.with_name(f".{head.name}").write_bytes(log.note(9)[:50])
    kept.check()
    cosigned = kept.head(log.signer.name)
    assert cosigned is not None
    assert cosigned.checkpoint == log.head(5)
    assert open_note(cosigned.note, [log.key, kept.signer.key]).unknown == ()


def test_evidence_does_not_fill_the_disk(kept: State, log: Any, log_of: Any) -> None:
    fork, witness = log_of(fork_at=2), Witness(kept)
    for new in range(5, 60):
        with pytest.raises(MingjianError):
            witness.add_checkpoint(fork.request(5, new))
    assert kept.count_disputed(log.signer.name) == 20


@pytest.mark.parametrize("listen", ["8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:80"])
def test_a_bad_address_is_wrong_usage(tmp_path: Path, listen: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--listen", listen, "--state", str(tmp_path / "w")])
    assert ended.value.code == 2


def test_a_taken_port_is_said(witness: Any, tmp_path: Path, say: Any) -> None:
    code, answer = say("run", "--listen", f"127.0.0.1:{witness.port}", "--state", tmp_path / "v")
    assert (code, answer["error"]["code"]) == (3, "witness-listen")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, say: Any) -> None:
    (tmp_path / "file").write_text("x")
    code, answer = say("key", "--state", tmp_path / "file" / "w")
    assert (code, answer["error"]["code"]) == (3, "witness-disk")


def test_a_name_that_no_line_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        State.create(tmp_path / "w", name="two words")


def test_the_witness_needs_no_server_library() -> None:
    """The base install is enough: nothing of the web framework or of the database is imported."""
    code = "import sys, json, ledger.witness.cli, ledger.witness.ask; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"fastapi", "psycopg", "typer", "eventsourcing", "pydantic", "httpx"} & set(loaded)

"""The monitor beside real witnesses, processes of their own: what they hold convicts a log, and their silence shows."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.tree.cosignature import AddCheckpoint
from ledger.tree.note import VerifierKey, add_lines, split_note
from ledger.tree.policy import Log, Policy, Witness
from ledger.witness.ask import ask, newest
from ledger.witness.cli import main as witness_main
from ledger.witness.state import State
from tests.witnesses.conftest import Running


class Scene:
    """A witness that trusts the log of ``history``, a policy that names it, and one look after another."""

    def __init__(self, history: Any, say: Any, tmp_path: Path) -> None:
        self.history, self._say, self._folder = history, say, tmp_path
        self.witness = Running(tmp_path / "w1").start()
        log = VerifierKey(history.origin, history.key.public)
        assert witness_main(["trust", str(log), "--state", str(self.witness.folder), "--json"]) == 0
        names = Witness("w1", VerifierKey.parse(self.witness.vkey))
        self.policy = tmp_path / "policy"
        self.policy.write_bytes(Policy((Log(log),), (names,), (), "w1").to_bytes())

    def cosign(self, size: int, history: Any = None) -> int:
        """Show the witness a head, which is its first; the status."""
        note = (history or self.history).note(size)
        return int(ask(self.witness.url, AddCheckpoint(0, (), note).to_bytes()).status)

    def held(self) -> bytes:
        note = newest(self.witness.url, self.history.origin, timeout_s=5)
        assert note is not None
        return bytes(note)

    def look(self, url: str, *more: object) -> tuple[int, dict[str, Any]]:
        words = ("--policy", self.policy, "--state", self._folder / "state", "--once", "--jobs", "1")
        ages = ("--max-age", "1e8", "--max-cosigned-age", "1e8")
        code, found = self._say("monitor", url, *words, *ages, "--witness", self.witness.url, *more)
        return int(code), found


@pytest.fixture
def scene(history: Any, say: Any, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(history, say, tmp_path)
    yield made
    made.witness.end(signal.SIGKILL)


Serve = Callable[[Path], Any]


def test_a_witness_that_cosigned_the_log_agrees(scene: Scene, serve: Serve, tmp_path: Path) -> None:
    folder = scene.history.write(tmp_path / "source")
    assert scene.cosign(len(scene.history.entries)) == 200
    (folder / "checkpoint").write_bytes(scene.held())
    code, found = scene.look(serve(folder).url)
    assert (code, found["witnesses"][0]["state"], found["alarms"]) == (0, "agrees", []), found


def test_a_witness_that_was_shown_another_history_convicts_the_log(
    scene: Scene, serve: Serve, say: Any, tmp_path: Path
) -> None:
    size = scene.history.batches[-1]
    folder = scene.history.write(tmp_path / "source", size)
    (folder / "checkpoint").write_bytes(cosigned_by(scene, size))
    assert scene.cosign(size, scene.history.changed(min(9, size - 1))) == 200
    code, found = scene.look(serve(folder).url)
    assert (code, found["code"], found["witnesses"][0]["state"]) == (1, "fork", "fork")
    evidence = found["findings"][0]["evidence"]
    assert say("evidence", evidence, "--policy", scene.policy)[1]["stands"] == "alone"


def test_a_witness_that_is_ahead_shows_that_the_log_went_back(scene: Scene, serve: Serve, tmp_path: Path) -> None:
    size = scene.history.batches[-1]
    folder = scene.history.write(tmp_path / "source", size)
    (folder / "checkpoint").write_bytes(cosigned_by(scene, size))
    assert scene.cosign(len(scene.history.entries)) == 200
    code, found = scene.look(serve(folder).url)
    assert (code, found["code"], found["witnesses"][0]["size"]) == (1, "rollback", len(scene.history.entries))


def test_a_witness_that_falls_silent_is_told_and_convicts_nobody(scene: Scene, serve: Serve, tmp_path: Path) -> None:
    folder = scene.history.write(tmp_path / "source")
    assert scene.cosign(len(scene.history.entries)) == 200
    (folder / "checkpoint").write_bytes(scene.held())
    server = serve(folder)
    assert scene.look(server.url)[0] == 0
    scene.witness.end()
    code, found = scene.look(server.url)
    assert (code, found["ok"], [alarm["code"] for alarm in found["alarms"]]) == (4, True, ["unreachable"])
    scene.witness.start()
    assert scene.look(server.url)[0] == 0


def test_a_head_that_only_the_witness_holds_bounds_the_time_of_older_batches(
    scene: Scene, serve: Serve, tmp_path: Path
) -> None:
    """The log says a later hour than the one at which the witness had its batches before its eyes already."""
    history, size = scene.history, scene.history.batches[-1]
    folder = history.write(tmp_path / "source")
    (folder / "checkpoint").write_bytes(cosigned_by(scene, len(history.entries)))
    assert scene.cosign(size) == 200
    code, found = scene.look(serve(folder).url)
    assert (code, found["witnesses"][0]["size"]) == (0, size), found
    other = serve(tmp_path / "elsewhere")
    yesterday = int(time.time()) - 86_400
    other.instead[f"{sha256(history.origin.encode()).hexdigest()}/checkpoint"] = cosigned_by(scene, size, at=yesterday)
    code, found = scene.look(serve(folder).url, "--witness", other.url)
    assert (code, found["code"]) == (1, "rule"), found
    assert "bracket" in found["reason"]


def cosigned_by(scene: Scene, size: int, *, at: int | None = None) -> bytes:
    """A head with the witness's line on it, as if it had been asked at that time."""
    split = split_note(scene.history.note(size))
    signer = State.open(scene.witness.folder).signer
    return bytes(add_lines(split, [signer.sign(split.text, time_s=int(time.time()) if at is None else at)]))

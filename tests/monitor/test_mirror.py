"""A copy is always a whole log that an audit accepts; it grows only by what continues it, and survives being killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Conflict, Evidence
from ledger.tree.policy import Policy
from ledger.verify.copy import open_copy
from ledger.verify.fetch import LogClient

VERIFY = Path(sys.executable).with_name("mingjian-verify")


def audit(say: Any, folder: Path, policy: Path) -> int:
    """The offline audit of a copy; the size it vouches for."""
    code, found = say("log", folder, "--policy", policy, "--jobs", "1")
    assert code == 0, found
    return int(found["entries"])


def test_a_copy_of_the_real_server_passes_the_audit_and_grows(served: Any, say: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    words = ["mirror", f"{served.base}/log", copy, "--policy", served.policy, "--token-file", served.token]
    code, first = say(*words)
    assert (code, first["ok"], first["before"]) == (0, True, 0)
    assert audit(say, copy, served.policy) == first["size"]
    assert say(*words)[1] | {"before": first["size"], "files": 0} == say(*words)[1]
    served.grow("growing")
    code, second = say(*words)
    assert (code, second["before"]) == (0, first["size"])
    assert second["size"] > first["size"]
    assert audit(say, copy, served.policy) == second["size"]
    # It holds what an export holds, byte for byte, and nothing else.
    names = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
    assert names[:2] == ["checkpoint", "policy"]
    assert (copy / "checkpoint").read_bytes() == (served.hall.data / "published" / "checkpoint").read_bytes()


def test_a_copy_can_serve_another_copy_without_a_token(
    history: Any, served: Any, say: Any, serve: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    assert say("mirror", server.url, tmp_path / "a", "--policy", served.policy)[0] == 0
    second = serve(tmp_path / "a")
    assert say("mirror", second.url, tmp_path / "b", "--policy", served.policy)[0] == 0
    assert audit(say, tmp_path / "b", served.policy) == len(history.entries)


def test_entries_are_for_auditors(served: Any, say: Any, tmp_path: Path) -> None:
    code, found = say("mirror", served.base, tmp_path / "copy", "--policy", served.policy)
    assert code == 2
    assert found["error"]["code"] == "token"
    assert not (tmp_path / "copy" / "checkpoint").exists()


def test_the_token_goes_to_entries_only_and_never_to_another_machine(
    history: Any, served: Any, say: Any, serve: Any, tmp_path: Path
) -> None:
    server, thief = serve(history.write(tmp_path / "source")), serve(tmp_path / "empty")
    words = ["--policy", served.policy, "--token-file", served.token]
    assert say("mirror", server.url, tmp_path / "copy", *words)[0] == 0
    assert {bool(token) for name, token in server.tokens if name.startswith("tile/entries")} == {True}
    assert {token for name, token in server.tokens if not name.startswith("tile/entries")} == {None}
    server.instead["tile/entries/000"] = 302, {"Location": f"{thief.url}/tile/entries/000"}
    code, found = say("mirror", server.url, tmp_path / "other", *words)
    assert (code, found["error"]["code"]) == (3, "redirect")
    assert thief.paths == []


@pytest.mark.parametrize("size", [2, 255, 256, 257, 300])
def test_every_size_grows_into_every_other(
    size: int, history: Any, served: Any, say: Any, serve: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source", size))
    words = ["mirror", server.url, tmp_path / "copy", "--policy", served.policy]
    assert say(*words)[1]["size"] == size
    history.write(tmp_path / "source")
    assert say(*words)[1] | {"files": 0} == say(*words)[1] | {"before": size}
    assert audit(say, tmp_path / "copy", served.policy) == len(history.entries)


def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one(
    history: Any, served: Any, say: Any, serve: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source"))
    server.instead["checkpoint"] = history.note(200)  # the files are those of the whole log
    code, found = say("mirror", server.url, tmp_path / "copy", "--policy", served.policy)
    assert (code, found["size"]) == (0, 200)
    assert (tmp_path / "copy" / "tile/entries/000.p/200").is_file()


def test_it_survives_kill_9_at_any_request(history: Any, served: Any, say: Any, serve: Any, tmp_path: Path) -> None:
    copy, first = tmp_path / "copy", history.batches[2]
    server = serve(history.write(tmp_path / "source", first))
    words = ["mirror", server.url, copy, "--policy", served.policy]
    assert say(*words)[0] == 0
    history.write(tmp_path / "source")
    for deadly in range(1, 8):
        server.paths.clear()
        process = subprocess.Popen([VERIFY, *map(str, words)], stdout=subprocess.DEVNULL)

        def kill(_path: str, pid: int = process.pid, deadly: int = deadly) -> None:
            if len(server.paths) == deadly:
                os.kill(pid, signal.SIGKILL)

        server.asked = kill
        assert process.wait(timeout=30) in (-signal.SIGKILL, 0)
        server.asked = lambda _path: None
        assert audit(say, copy, served.policy) in (first, len(history.entries))
    assert say(*words)[1]["size"] == len(history.entries)
    assert audit(say, copy, served.policy) == len(history.entries)


class _Killed(BaseException):
    """As if the process had ended here."""


def test_it_survives_an_end_at_any_rename(
    history: Any, served: Any, say: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also between the point of no return and the last move, where the next start does the rest, offline."""
    policy = Policy.parse(served.policy.read_bytes())
    begun, first = tmp_path / "begun", history.batches[-2]
    server = serve(history.write(tmp_path / "source", first))
    assert say("mirror", server.url, begun, "--policy", served.policy)[0] == 0
    history.write(tmp_path / "source")
    replace, unlink = Path.replace, Path.unlink

    def counting(left: list[int], do: Callable[..., Any]) -> Callable[..., Any]:
        def deadly(path: Path, *args: Any, **how: Any) -> Any:
            # Ledgers of other tests in this process write files too.
            if path.is_relative_to(tmp_path):
                left[0] -= 1
                if left[0] < 0:
                    raise _Killed
            return do(path, *args, **how)

        return deadly

    for moves in range(200):
        copy = tmp_path / f"copy{moves}"
        shutil.copytree(begun, copy)
        left = [moves]
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", counting(left, replace))
            patched.setattr(Path, "unlink", counting(left, unlink))
            try:
                with open_copy(copy, policy) as one, LogClient(server.url) as log:
                    one.sync(log)
                ended = True
            except _Killed:
                ended = False
        with open_copy(copy, policy) as one:
            assert one.held is not None
            size = one.held.checkpoint.size
        assert audit(say, copy, served.policy) == size
        assert size in (first, len(history.entries))
        if ended:
            break
    assert ended
    assert moves > 6


def test_what_was_proved_is_never_replaced_by_other_bytes(
    history: Any, served: Any, say: Any, serve: Any, tmp_path: Path
) -> None:
    server = serve(history.write(tmp_path / "source", 300))
    copy = tmp_path / "copy"
    words = ["mirror", server.url, copy, "--policy", served.policy]
    assert say(*words)[0] == 0
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    history.changed(10).write(tmp_path / "source")
    code, found = say(*words)
    assert (code, found["code"], found["size"]) == (1, "fork", 300)
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert say("evidence", found["evidence"], "--policy", served.policy)[1]["stands"] == "alone"


def test_a_copy_that_somebody_changed_is_named_and_not_served_on(
    history: Any, served: Any, serve: Any, tmp_path: Path
) -> None:
    policy = Policy.parse(served.policy.read_bytes())
    copy = history.write(tmp_path / "copy", 300)
    tile = copy / "tile/0/001.p/44"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    with pytest.raises(Evidence, match="not what was proved"), open_copy(copy, policy):
        pass


def test_two_processes_do_not_write_one_copy(served: Any, tmp_path: Path) -> None:
    policy = Policy.parse(served.policy.read_bytes())
    with (
        open_copy(tmp_path / "copy", policy),
        pytest.raises(Conflict, match="another process"),
        open_copy(tmp_path / "copy", policy),
    ):
        pass


def test_a_folder_with_other_things_is_left_alone(served: Any, say: Any, serve: Any, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    server = serve(tmp_path / "nothing")
    code, found = say("mirror", server.url, tmp_path / "home", "--policy", served.policy)
    assert (code, found["error"]["code"]) == (2, "folder-not-empty")

"""A server runs in a data folder while anybody uses it, and none is left behind.

Real servers, real processes, real kills. Users that must be killed are processes of their own, `USER`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from ledger.errors import Unavailable
from ledger.store import embedded
from ledger.store.embedded import SETTING, embedded_server

ROOT = os.geteuid() == 0
REPOSITORY = Path(embedded.__file__).parents[2]

# Uses the folder named in its environment until told to go on; says the URL and the server's birth.
USER = """
import os, sys
from pathlib import Path
import psycopg
from ledger.store.embedded import embedded_server
print("here", flush=True)
with embedded_server(Path(os.environ["FOLDER"])) as url:
    with psycopg.connect(url) as connection:
        born = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0]
    print(url, born, sep="|", flush=True)
    sys.stdin.readline()
    with psycopg.connect(url) as connection:
        print(connection.execute("SELECT 'still here'").fetchone()[0], flush=True)
"""


@contextmanager
def user(
    folder: Path, *, script: str = USER, prefix: tuple[str, ...] = (), **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the server; killed at the end if it is still there."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"FOLDER": str(folder)} | environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def arrived(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait until a user has its server: the URL and the server's birth."""
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    said = process.stdout.readline()
    assert said, process.communicate()[1]
    url, born = said.strip().split("|")
    return url, born


def servants(folder: Path) -> dict[int, str]:
    """Every living process that works for the folder: keepers, PostgreSQL's, initdb."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            stands_in = str((process / "cwd").readlink())
        except OSError:
            continue
        serves = str(folder) in command or stands_in.startswith(str(folder))
        if command and serves and int(process.name) != os.getpid():
            found[int(process.name)] = command
    return found


def eventually(true: Callable[[], object], *, within_s: float) -> None:
    give_up_at = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up_at, "not in time"
        time.sleep(0.02)


def kill_all(folder: Path) -> None:
    """The keeper first, or it would start the server again."""
    for pid in sorted(found := servants(folder), key=lambda pid: "keeper.py" not in found[pid]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not servants(folder), within_s=5)


def postmaster(folder: Path) -> int:
    return int((folder / "postgres/cluster/postmaster.pid").read_text().split()[0])


def ask(url: str, question: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A folder with a cluster in it, closed to others as a user's would be."""
    folder = Path(tempfile.mkdtemp(prefix="mj-"))
    with embedded_server(folder):
        pass
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """The same folder again, to each test at rest and left at rest by it."""
    yield made
    eventually(lambda: not servants(made), within_s=5)


# -- coming and going ---------------------------------------------------------------------------------


def test_a_server_runs_while_it_is_used_and_none_is_left_behind(folder: Path) -> None:
    with embedded_server(folder) as url:
        assert ask(url, "SELECT current_user || current_database()") == "mingjianmingjian"
        assert any("keeper.py" in command for command in servants(folder).values())
    assert servants(folder) == {}
    assert not (folder / "postgres/run").exists()


def test_what_was_committed_is_there_the_next_time(folder: Path) -> None:
    with embedded_server(folder) as url:
        fill(url)
    with embedded_server(folder) as url:
        assert ask(url, "SELECT sum(n) FROM kept") == "500500"


def test_durability_cannot_be_switched_off_by_a_file_of_the_cluster(folder: Path) -> None:
    overrides = folder / "postgres/cluster/postgresql.auto.conf"
    overrides.write_text("fsync = off\nlisten_addresses = '*'\nfull_page_writes = off\n")
    try:
        with embedded_server(folder) as url:
            shown = {name: ask(url, f"SHOW {name}") for name in [*embedded.PROMISED, "data_checksums"]}
    finally:
        overrides.write_text("")
    assert shown["data_checksums"] == "on"
    assert {name: shown[name] for name in embedded.PROMISED} == embedded.PROMISED


def test_nobody_else_may_enter_the_cluster_or_its_socket(folder: Path) -> None:
    with embedded_server(folder):
        for inside in ("cluster", "run", "server.log"):
            assert stat.S_IMODE((folder / "postgres" / inside).stat().st_mode) & 0o077 == 0


def test_two_processes_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    with user(folder) as first, user(folder) as second:
        assert arrived(first) == arrived(second)
        assert first.communicate("go\n")[0] == "still here\n"
        assert servants(folder)
        assert second.communicate("go\n")[0] == "still here\n"
        assert servants(folder) == {}


def test_six_that_start_at_once_get_one_server(folder: Path) -> None:
    with ExitStack() as stack:
        users = [stack.enter_context(user(folder)) for _ in range(6)]
        assert len({arrived(process) for process in users}) == 1
        for process in users:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in users:
            process.wait(timeout=10)
        assert servants(folder) == {}


def test_users_that_come_and_go_always_find_a_server(folder: Path) -> None:
    """Coming falls together with the going of the last one, again and again."""
    script = """
import os, random, time
from pathlib import Path
from ledger.store.embedded import embedded_server
import psycopg
for _ in range(6):
    with embedded_server(Path(os.environ["FOLDER"])) as url, psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
    time.sleep(random.random() * 0.05)
print("done")
"""
    with ExitStack() as stack:
        users = [stack.enter_context(user(folder, script=script)) for _ in range(3)]
        assert [process.communicate(timeout=60) for process in users] == [("done\n", "")] * 3
    assert servants(folder) == {}


def test_threads_and_nested_uses_of_one_process_share_it_too(folder: Path) -> None:
    births = []

    def use() -> None:
        with embedded_server(folder) as url:
            births.append(ask(url, "SELECT pg_postmaster_start_time()"))

    with embedded_server(folder) as url:
        threads = [threading.Thread(target=use) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(births) == {ask(url, "SELECT pg_postmaster_start_time()")}
        assert len(births) == 5
    assert servants(folder) == {}


def test_a_forked_child_takes_nothing_away_when_it_ends_and_holds_nothing_when_it_stays(folder: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from ledger.store.embedded import embedded_server
import psycopg
with embedded_server(Path(os.environ["FOLDER"])) as url:
    if (ends := os.fork()) == 0:
        sys.exit(0)  # unwinds the context it inherited
    os.waitpid(ends, 0)
    psycopg.connect(url).close()
    if (stays := os.fork()) == 0:
        os.close(1), os.close(2), time.sleep(30), os._exit(0)
    with embedded_server(Path(os.environ["FOLDER"])) as again:
        assert again == url
print("gone", stays, flush=True)
"""
    with user(folder, script=script) as process:
        said, complaint = process.communicate(timeout=20)
        assert complaint == ""
        stays = int(said.split()[1])
        assert servants(folder) == {}
        os.kill(stays, signal.SIGKILL)


@pytest.mark.parametrize("name", ["long" * 40, "数据 夹,逗号"], ids=["too long for a socket", "not plain"])
def test_any_path_will_do(made: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    shutil.copytree(made, folder)
    with embedded_server(folder) as url:
        socket_dir = Path(url.split("host=")[1].split("&")[0])
        assert ask(url, "SELECT 1") == "1"
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert not socket_dir.exists()
    assert servants(folder) == {}

    # A stand-in folder that others may enter could be another's trap.
    socket_dir.mkdir()
    socket_dir.chmod(0o755)
    try:
        with pytest.raises(Unavailable, match="is not a folder that only"), embedded_server(folder):
            pass
    finally:
        socket_dir.rmdir()


# -- whose programs, which user -----------------------------------------------------------------------


def sources() -> dict[str, Path]:
    """Every server found here: the system's, and the package's."""
    places = [*embedded._system_places(), *embedded._wheel_place()]
    usable = {place: embedded._version(place) or 0 for place in dict.fromkeys(places)}
    return {f"PostgreSQL {version}": place for place, version in usable.items() if version >= embedded.OLDEST}


def test_a_server_is_always_at_hand() -> None:
    assert any(place in embedded._wheel_place() for place in sources().values())


@pytest.mark.parametrize("source", sources().values(), ids=sources().keys())
def test_each_source_makes_and_serves_a_cluster(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(source))
    with embedded_server(tmp_path) as url:
        fill(url)
        version = int(ask(url, "SHOW server_version_num")) // 10000
    assert version == embedded._version(source)
    # Later it is its own version's programs that run it, whatever else there is.
    monkeypatch.delenv(SETTING)
    with embedded_server(tmp_path) as url:
        assert int(ask(url, "SHOW server_version_num")) // 10000 == version
        assert ask(url, "SELECT sum(n) FROM kept") == "500500"


@pytest.mark.parametrize("with_setting", [True, False])
def test_a_cluster_of_a_version_not_at_hand_says_which_and_how_to_get_it(
    with_setting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_setting:
        monkeypatch.setenv(SETTING, str(next(iter(sources().values()))))
    cluster = tmp_path / "postgres/cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("14\n")
    with pytest.raises(Unavailable, match="made by PostgreSQL 14") as caught, embedded_server(tmp_path):
        pass
    assert "postgresql-14" in caught.value.mend
    assert SETTING in caught.value.mend


def test_a_setting_that_names_no_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    with pytest.raises(Unavailable, match=str(tmp_path)), embedded_server(tmp_path):
        pass


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may pass into."""
    folder = Path(tempfile.mkdtemp(prefix="mj-open-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    eventually(lambda: not servants(folder), within_s=5)
    shutil.rmtree(folder)


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    """A machine that has `setpriv`, but where root may not make user namespaces."""
    programs = open_folder / "programs"
    programs.mkdir()
    (programs / "unshare").write_text("#!/bin/sh\necho unshare: Operation not permitted >&2; exit 1\n")
    (programs / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)


@pytest.mark.skipif(not ROOT, reason="only root must change users")
def test_root_runs_it_in_a_namespace_and_the_files_stay_roots(folder: Path) -> None:
    if subprocess.run(["unshare", "--user", "true"], check=False).returncode:
        pytest.skip("this machine forbids user namespaces")
    with embedded_server(folder):
        namespace = Path("/proc/self/ns/user").readlink()
        assert Path(f"/proc/{postmaster(folder)}/ns/user").readlink() != namespace
    assert {path.stat().st_uid for path in (folder / "postgres").rglob("*")} == {0}


@pytest.mark.skipif(not ROOT, reason="only root must change users")
@pytest.mark.usefixtures("no_namespaces")
def test_root_without_namespaces_runs_it_as_another_user(open_folder: Path) -> None:
    with embedded_server(open_folder) as url:
        fill(url)
        assert Path(f"/proc/{postmaster(open_folder)}").stat().st_uid != 0
    with embedded_server(open_folder) as url:
        assert ask(url, "SELECT sum(n) FROM kept") == "500500"


@pytest.mark.skipif(not ROOT, reason="only root must change users")
@pytest.mark.usefixtures("no_namespaces")
def test_root_with_no_way_at_all_hears_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(Unavailable, match="unshare: Operation not permitted") as caught, embedded_server(tmp_path):
        pass
    assert "ordinary user" in caught.value.mend


@pytest.mark.skipif(not ROOT, reason="another user is only root's to become")
def test_an_ordinary_user_runs_it_and_root_may_use_it_too(open_folder: Path) -> None:
    """In a folder of that user, with whichever Python that user can reach."""
    # What setpriv runs it still finds with root's eyes; what `env` runs, it does not.
    become = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env")
    packages = os.pathsep.join([str(REPOSITORY), *(path for path in sys.path if "site-packages" in path)])
    minor = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(minor, path="/usr/bin:/usr/local/bin") or minor):
        environment = {"PYTHONPATH": packages, "HOME": "/", "PATH": "/usr/bin:/bin"}
        command = [*become, python, "-c", USER]
        tried = subprocess.run(
            [*command[:-1], "import psycopg, ledger"], check=False, capture_output=True, env=environment
        )
        if tried.returncode == 0:
            break
    else:
        pytest.skip("no Python that an ordinary user can reach")
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    for _ in range(2):  # the second time after root was here
        process = subprocess.Popen(
            command,
            env=environment | {"FOLDER": str(data)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _, born = arrived(process)
        assert Path(f"/proc/{postmaster(data)}").stat().st_uid == 65534
        with embedded_server(data) as url:
            assert ask(url, "SELECT pg_postmaster_start_time()::text") == born
        assert process.communicate("go\n") == ("still here\n", "")
        assert servants(data) == {}
        with embedded_server(data) as url:
            fill(url)
        assert {path.stat().st_uid for path in (data / "postgres/cluster").rglob("*")} == {65534}


# -- faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before_it", ["a stop", "a kill"])
def test_a_server_that_cannot_start_says_why_at_once_and_starts_when_mended(before_it: str, folder: Path) -> None:
    if before_it == "a kill":
        with user(folder) as process:
            arrived(process)
            kill_all(folder)
    settings = folder / "postgres/cluster/postgresql.conf"
    before = settings.read_text()
    settings.write_text(before + "nonsense = 1\n")
    try:
        complaint = 'unrecognized configuration parameter "nonsense"'
        with pytest.raises(Unavailable, match=complaint) as caught, embedded_server(folder):
            pass
    finally:
        settings.write_text(before)
    assert "server.log" in caught.value.mend
    with embedded_server(folder) as url:
        assert ask(url, "SELECT 1") == "1"


@pytest.mark.fault
def test_of_a_killed_user_nothing_is_left_within_three_seconds(folder: Path) -> None:
    with user(folder) as process:
        arrived(process)
        process.kill()
        eventually(lambda: not servants(folder), within_s=3)


@pytest.mark.fault
def test_a_killed_user_takes_no_server_from_the_others(folder: Path) -> None:
    with user(folder) as killed, user(folder) as other:
        arrived(killed)
        arrived(other)
        killed.kill()
        time.sleep(1)
        assert other.communicate("go\n")[0] == "still here\n"
        assert servants(folder) == {}


@pytest.mark.fault
def test_a_user_killed_at_any_moment_of_its_coming_leaves_a_folder_that_works(tmp_path: Path) -> None:
    """Also in the middle of making the cluster."""
    chance = random.Random(11)
    for _ in range(4):
        with user(tmp_path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.8))
            process.kill()
        eventually(lambda: not servants(tmp_path), within_s=3)
    with embedded_server(tmp_path) as url:
        assert ask(url, "SELECT 1") == "1"
    assert [path.name for path in (tmp_path / "postgres").glob("cluster*")] == ["cluster"]


@pytest.mark.fault
def test_a_killed_server_comes_back_under_its_users_with_what_was_committed(folder: Path) -> None:
    with embedded_server(folder) as url:
        fill(url)
        killed = postmaster(folder)
        os.kill(killed, signal.SIGKILL)
        with embedded_server(folder) as again:
            assert again == url
            assert postmaster(folder) != killed
            assert ask(url, "SELECT sum(n) FROM kept") == "500500"


@pytest.mark.fault
@pytest.mark.parametrize("pid_file", ["as it was", "names a living stranger"])
def test_after_everything_was_killed_the_next_use_recovers(folder: Path, pid_file: str) -> None:
    """As after a power cut; and after a restart, when the old process number is somebody else's."""
    with user(folder) as process:
        url, _ = arrived(process)
        fill(url)
        process.kill()
        kill_all(folder)
    pid_path = folder / "postgres/cluster/postmaster.pid"
    lines = pid_path.read_text().splitlines(keepends=True)
    if pid_file == "names a living stranger":
        stranger = subprocess.Popen(["sleep", "60"])
        pid_path.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        try:
            with embedded_server(folder) as url:
                assert ask(url, "SELECT sum(n) FROM kept") == "500500"
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()
    else:
        with embedded_server(folder) as url:
            assert ask(url, "SELECT sum(n) FROM kept") == "500500"


@pytest.mark.fault
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_does_not_outlive_its_keeper(folder: Path, how: signal.Signals) -> None:
    with embedded_server(folder) as url:
        fill(url)
        keepers = [pid for pid, command in servants(folder).items() if "keeper.py" in command]
        assert len(keepers) == 1
        os.kill(keepers[0], how)
        eventually(lambda: not servants(folder), within_s=3)
        with embedded_server(folder) as url:
            assert ask(url, "SELECT sum(n) FROM kept") == "500500"


@pytest.mark.fault
@pytest.mark.skipif(not ROOT, reason="needs to mount a small disk")
def test_a_full_disk_is_named_and_nothing_is_lost_by_it(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", tmp_path], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        filler = tmp_path / "filler"
        filler.write_bytes(b"\0" * 155_000_000)
        with pytest.raises(Unavailable, match=r"The disk has only \d+ MB left"), embedded_server(tmp_path):
            pass
        filler.unlink()
        with user(tmp_path) as process:
            url, _ = arrived(process)
            fill(url)
            kill_all(tmp_path)
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(b"\0" * 200_000_000)
        with pytest.raises(Unavailable, match=r"The disk has only \d+ MB left"), embedded_server(tmp_path):
            pass
        filler.unlink()
        with embedded_server(tmp_path) as url:
            assert ask(url, "SELECT sum(n) FROM kept") == "500500"
    finally:
        eventually(lambda: not servants(tmp_path), within_s=5)
        subprocess.run(["umount", tmp_path], check=True)

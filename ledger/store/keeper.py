"""The keeper: one small process beside each embedded server, which sees that none is left behind.

It promises that the PostgreSQL server it started runs while somebody uses the data folder, is started
again when it crashes meanwhile, and is stopped when the last user has gone, whichever way that user went.
It is run by path, with the standard library alone, so that it starts in milliseconds and holds little
memory:

    python -I -S keeper.py KEEPER_FD FOLDER SOCKET_DIR COMMAND…

KEEPER_FD is the locked ``keeper.lock``, which lives exactly as long as this process: whoever can lock that
file knows that nobody keeps a server there. The server is a child of the keeper, so the one stopped is
surely the one started; no process is ever found by a number written in a file. ``embedded.py`` tells what
the locks mean and in which order they are taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

# How soon it is seen that the last user was killed, or that the server died.
TICK_S = 0.4
# A fast stop that takes longer is turned into an immediate one: safe, and recovered from at the next start.
STOP_LIMIT_S = 60.0
# Processes of a killed server may hold its shared memory a moment longer than it lived.
LINGER_LIMIT_S = 10.0
# The log is begun anew above this: it is for finding why a start failed, not an archive.
LOG_LIMIT_BYTES = 5_000_000
LOG_FD = 1  # our standard output, and the server's
# Both as PostgreSQL words them in the locale C, which `embedded.py` sets.
LINGERING = b"is still in use"
READY = b"ready"
WAS_READY = b"database system is ready to accept connections"


def keep(keeper_fd: int, folder: Path, socket_dir: Path, command: list[str]) -> None:
    """Run the server until nobody uses it, or until it cannot run."""
    os.set_inheritable(keeper_fd, False)
    server_fd = os.open(folder / "server.lock", os.O_RDWR)
    users_fd = os.open(folder / "users.lock", os.O_RDWR)
    # Opened for writing too: otherwise it reads as ended once the first who wrote to it has gone.
    stop_fd = os.open(socket_dir / "stop", os.O_RDWR | os.O_NONBLOCK)
    lingering_until = time.monotonic() + LINGER_LIMIT_S
    while True:
        log_start = os.fstat(LOG_FD).st_size
        was_ready = False
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command
        try:
            while child.poll() is None:
                asked, _, _ = select.select([stop_fd], [], [], TICK_S)
                was_ready = was_ready or ready(folder, child.pid)
                if was_ready and os.fstat(LOG_FD).st_size > LOG_LIMIT_BYTES:
                    os.ftruncate(LOG_FD, 0)  # Who writes to it appends, and goes on at the new end.
                # A start in progress is not cut short for want of users: a recovery that were, each time,
                # would never come to its end. Whoever asks is obeyed at once.
                if asked or (was_ready and unused(server_fd, users_fd)):
                    stop(child)
                    return
        finally:
            stop(child)
        # One that lived for less than a tick was not seen to be ready: its log still says so.
        if was_ready or says(folder / "server.log", log_start, WAS_READY):
            # It crashed under its users. They come back to the same socket.
            lingering_until = time.monotonic() + LINGER_LIMIT_S
        elif not says(folder / "server.log", log_start, LINGERING) or time.monotonic() > lingering_until:
            return  # The log says why; the one who waits for the start shows it.
        time.sleep(0.1)


def ready(folder: Path, pid: int | None = None) -> bool:
    """Whether the server (that of `pid`) says in its pid file, line 8, that it takes connections."""
    try:
        lines = (folder / "cluster" / "postmaster.pid").read_bytes().splitlines()
    except OSError:
        return False
    # Where a server was killed, its file still says so: line 1 tells whose it is.
    return len(lines) > 7 and lines[7].strip() == READY and pid in (None, int(lines[0]))


def unused(server_fd: int, users_fd: int) -> bool:
    """Whether nobody uses the server. If so both locks are now held, and nobody comes in any more."""
    if not lock(server_fd):
        return False  # Somebody is coming or going.
    if lock(users_fd):
        return True
    fcntl.flock(server_fd, fcntl.LOCK_UN)
    return False


def lock(fd: int) -> bool:
    """Take the file for oneself, if nobody else has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop(child: subprocess.Popen[bytes]) -> None:
    """End the server: its clients are cut off, what was committed is flushed."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        harder = threading.Timer(STOP_LIMIT_S, child.send_signal, [signal.SIGQUIT])
        harder.start()
        child.wait()
        harder.cancel()


def says(log: Path, log_start: int, words: bytes) -> bool:
    """Whether the log holds these words since that place (that a start failed only for processes that still end)."""
    try:
        return words in log.read_bytes()[log_start:]
    except OSError:
        return False


def main(arguments: list[str]) -> None:
    """Step away from whoever started us, so that no user has us for a child, and keep."""
    keeper_fd, folder, socket_dir, *command = arguments
    if os.fork():
        os._exit(0)
    os.chdir("/")
    # A polite end (a machine shutting down) stops the server on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        keep(int(keeper_fd), Path(folder), Path(socket_dir), command)
    finally:
        (Path(socket_dir) / "stop").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            # Fails where a crashed server left its socket; the next start clears that away.
            Path(socket_dir).rmdir()


if __name__ == "__main__":
    main(sys.argv[1:])

"""``mingjian up``: sequencer, projector, system clock and HTTP server over one ledger in one process, until Ctrl-C.

Cards are raised by the rule packs that two persons adopted in the log, and by no others: the shipped samples are
nobody's rules, and serve the demo alone. Deemed acceptance and lapses are the law's and need none.

Each part lives on by itself: one that dies of a database that restarts tries again, and what it did not do is done
by the ordinary path when it comes back.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg
import structlog
from granian.constants import Interfaces
from granian.server.embed import Server

from api.app import create_app
from api.clip_films import sweep_films
from api.demo_rules import adopt_rules
from api.demo_witnesses import demo_witnesses, register
from api.recorders import recording
from api.sessions import Sessions
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.door.heads import state_due_heads
from ledger.errors import MingjianError, Refused
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.exchange.notices import Notices
from ledger.facts.card_rules import read_pack
from ledger.facts.clocks import SHANGHAI
from ledger.store.sequencer import now_us
from oversight.clock import run_clock, sample
from oversight.complaints import run_holds
from oversight.flagged import run_anomalies
from projections.runner import Projector

HEARTBEAT_S: Final = 600.0
DEMO_SOURCE: Final = "permits"
DEMO_SCALE: Final = 0.02
DEMO_SEED: Final = 1
DEMO_ACTORS: Final = ("staff/supervisor-1", "staff/investigator-1", "staff/complaints-1")
"""Of the played district's people those who have most to do on the pages."""
DOI: Final = "doi 10.4121/uuid:a07386a5-7be3-4367-9535-70bc9e77dbe6"
REAL_LOG: Final = Path("../shared/data/Receipt.xes.gz")
_POLL_S: Final = 0.1
_PAUSE_S: Final = 1.0
_HEADS_S: Final = 60.0
_FILMS_S: Final = 600.0
_QUIET_HOUR: Final = 3

log = structlog.get_logger("up")


def up(
    data: Path,
    *,
    port: int,
    demo: bool,
    demo_log: Path | None,
    rules: Path | None = None,
    scale: float = DEMO_SCALE,
) -> None:
    """Serve ``data`` on 127.0.0.1:``port``. With ``demo`` a district is played and a log imported when it is new, and
    witnesses of its own run beside it; ``scale``: how much happens in the district.

    ``rules``: of a demo, the file of the pack that it adopts in the place of the sample when it is new.
    """
    if rules is not None and not demo:
        raise Refused(
            "rules hold because two persons adopted them in the log, not because the server was started with them",
            code="rules-adopted",
            mend=f"mingjian cards propose {rules} --as ONE, then: mingjian cards confirm ID --as ANOTHER",
        )
    pack = sample() if rules is None else rules.read_bytes()
    read_pack(pack)
    _check_port(port)
    if demo:
        _play_demo(data, scale, pack)
    elif not (data / "keys").exists():
        print(f"opening a new ledger in {data} …", file=sys.stderr)
        create_ledger(data)
    with ExitStack() as stack:
        # Before the ledger: at its start it asks them whether they know more.
        watching = stack.enter_context(demo_witnesses(data)) if demo else []
        hall = stack.enter_context(open_ledger(data))
        stack.enter_context(hall.sequencing(heartbeat_s=HEARTBEAT_S))
        if demo:
            register(hall, watching)
            adopt_rules(hall, pack)
        stack.enter_context(_kept_up(hall))
        stack.enter_context(hall.sweeping())
        stack.enter_context(recording(data, demo=demo))
        if demo:
            # Last: whoever comes in finds cameras that record, and projections that are not far behind.
            _import_demo(hall, demo_log)
        sessions = Sessions(data)
        sessions.served_at(f"http://127.0.0.1:{port}")
        print(f"Mingjian 明鉴 is up. Your way in, once, within ten minutes: {sessions.link()}", file=sys.stderr)
        print(f"Another one: mingjian link --data {data}   The end: Ctrl-C", file=sys.stderr)
        if demo:
            for actor in DEMO_ACTORS:
                if hall.keyring.keeps(actor):
                    print(f"As {actor}, who may also read complaints: {sessions.link(actor=actor)}", file=sys.stderr)
        asyncio.run(_serve(hall, port))
    print("ended; the data stays", file=sys.stderr)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Refused(
                f"port {port} of 127.0.0.1 is not to be had: {error.strerror}",
                code="port",
                mend="end what uses it, or choose another: mingjian up --port N, make demo PORT=N",
            ) from error


@contextmanager
def _kept_up(hall: Hall) -> Iterator[None]:
    """While this lasts, the projections follow the log, clocks run out on time, and case heads are stated when due."""
    stop = threading.Event()
    projector, notices = Projector(hall.database), Notices(data=hall.data)
    work: dict[str, tuple[Callable[[], object], float]] = {
        "projections": (lambda: projector.catch_up(stop=stop), _POLL_S),
        "films": (lambda: sweep_films(hall), _FILMS_S),
        "notices": (lambda: notices.step(hall, stop=stop), _PAUSE_S),
        "heads": (lambda: state_due_heads(hall, quiet=_is_quiet()), _HEADS_S),
    }
    threads = [
        threading.Thread(target=_again, args=(name, one, pause_s, stop), name=name, daemon=True)
        for name, (one, pause_s) in work.items()
    ]
    # These try again by themselves.
    threads.append(threading.Thread(target=run_clock, args=(hall, stop), name="clock", daemon=True))
    threads.append(threading.Thread(target=run_anomalies, args=(hall, stop), name="anomalies", daemon=True))
    threads.append(threading.Thread(target=run_holds, args=(hall, stop), name="holds", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)


def _is_quiet() -> bool:
    """Whether the hall sleeps: between three and four in the morning, its time."""
    return datetime.fromtimestamp(now_us() / 1e6, SHANGHAI).hour == _QUIET_HOUR


def _again(name: str, work: Callable[[], object], pause_s: float, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            work()
            stop.wait(pause_s)
        except (MingjianError, psycopg.Error) as error:
            # It stays visible: pages show their position, and /metrics how far behind it is.
            log.warning("this does not get on; trying again", what=name, error=str(error).strip())
            stop.wait(max(pause_s, _PAUSE_S))


def _play_demo(data: Path, scale: float, rules: bytes) -> None:
    """The demo's district, where there is no ledger yet. One that was cut off is not gone on with."""
    from api.demo.seed import check_whole, seed, shown_progress, yesterday

    if (data / "keys").exists():
        check_whole(data)
        return
    print(f"playing the history of a district into {data} …", file=sys.stderr)
    with shown_progress() as progress:
        done = seed(data, scale=scale, seed=DEMO_SEED, end=yesterday(), rules=rules, progress=progress)
    print(f"{done.cases} cases, {done.events} statements: all of it is made up, and says so", file=sys.stderr)


def _import_demo(hall: Hall, log: Path | None) -> None:
    """The demo's log: the one named, the real one where it lies, else a generated one. A repeat appends nothing."""
    if log is None and hall.reader.stream(f"import/{DEMO_SOURCE}"):
        return
    with tempfile.TemporaryDirectory(dir=hall.data) as folder:
        path = log or (REAL_LOG if REAL_LOG.exists() else None)
        if path is None:
            path = Path(folder) / "generated.xes.gz"
            generate_xes(path)
            print(f"no real log at hand: a generated one is used; a real one: {DOI}", file=sys.stderr)
        print(f"importing {path} …", file=sys.stderr)
        done = import_xes(hall, path, source=DEMO_SOURCE)
        print(f"{done.added} statements signed and placed", file=sys.stderr)


async def _serve(hall: Hall, port: int) -> None:
    server = Server(create_app(hall), address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    await server.serve()

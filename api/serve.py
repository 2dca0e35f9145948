"""``mingjian up``: sequencer and HTTP server over one ledger in one process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from granian.constants import Interfaces
from granian.server.embed import Server

from api.app import create_app
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes

HEARTBEAT_S: Final = 600.0
DEMO_SOURCE: Final = "permits"
DOI: Final = "doi 10.4121/uuid:a07386a5-7be3-4367-9535-70bc9e77dbe6"
REAL_LOG: Final = Path("../shared/data/Receipt.xes.gz")


def up(data: Path, *, port: int, demo: bool, demo_log: Path | None) -> None:
    """Serve ``data`` on 127.0.0.1:``port``; with ``demo`` open the ledger and import a log when it is new."""
    fresh = not (data / "keys").exists()
    if fresh:
        print(f"opening a new ledger in {data} …", file=sys.stderr)
        create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing(heartbeat_s=HEARTBEAT_S):
        if demo:
            _import_demo(hall, demo_log)
        print(f"Mingjian 明鉴 is up: http://127.0.0.1:{port}/  (Ctrl-C ends it)", file=sys.stderr)
        asyncio.run(_serve(hall, port))
    print("ended; the data stays", file=sys.stderr)


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

"""What a healthy hall needs, looked at piece by piece; each thing that is wrong with the command that mends it.

The promise of ``examine``: it changes nothing, it does not stop at the first thing that is wrong, and what it does not
report it has looked at. A check that cannot be made is itself a finding.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from ledger.door.hall import Hall, open_ledger
from ledger.errors import MingjianError
from ledger.store.sequencer import LEADER_LOCK, now_us
from projections.check import check_projections

LEAST_ROOM_BYTES: Final = 1_000_000_000
STALL_S: Final = 5.0
SKEW_S: Final = 5.0
PLACED_WITHIN_S: Final = 3.0

Finding = dict[str, Any]


@dataclass(slots=True)
class Report:
    """What was looked at, by part, and what is wrong."""

    parts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, part: str, code: str, message: str, mend: str) -> None:
        """Something is wrong, and this mends it."""
        self.findings.append({"part": part, "code": code, "message": message, "mend": mend})

    def error(self, part: str, error: MingjianError) -> None:
        """An error of the three families, as a finding."""
        self.findings.append({"part": part, **error.as_json()["error"]})

    def as_json(self) -> dict[str, Any]:
        """``{"ok", "environment", "ledger", "sweep", "projections", "findings"}``."""
        return {"ok": not self.findings, **self.parts, "findings": self.findings}


def examine(data: Path) -> Report:
    """Look at everything in and around the ledger of ``data``."""
    report = Report()
    _machine(report, data)
    try:
        with open_ledger(data) as hall:
            parts: dict[str, Callable[[Report, Hall], None]] = {
                "environment": _server,
                "ledger": _ledger,
                "sweep": _sweep,
                "projections": _projections,
            }
            for part, look in parts.items():
                try:
                    look(report, hall)
                except MingjianError as error:
                    report.error(part, error)
    except MingjianError as error:
        report.error("environment" if error.code in ("database", "unavailable", "server-version") else "ledger", error)
    return report


def sweep(hall: Hall) -> Report:
    """One whole pass over table, tree, tiles and files."""
    report = Report()
    _sweep(report, hall)
    return report


# ── The machine ────────────────────────────────────────────────────────────────────────────────────────────


def _machine(report: Report, data: Path) -> None:
    """Room on the disk, and who may read the secrets."""
    if not data.exists():
        return
    free = shutil.disk_usage(data).free
    report.parts["environment"] = {"data": str(data), "free_bytes": free}
    if free < LEAST_ROOM_BYTES:
        report.wrong(
            "environment",
            "disk",
            f"the disk of {data} has only {free // 1_000_000} MB left",
            f"make room (df -h {data}); the ledger itself can never be made smaller, so move it to a larger disk",
        )
    for path in _secrets(data):
        mode = path.lstat().st_mode
        if mode & 0o077:
            rights = "700" if stat.S_ISDIR(mode) else "600"
            report.wrong(
                "environment",
                "key-rights",
                f"{path} is open to others (mode {stat.S_IMODE(mode):o})",
                f"chmod {rights} {path}; if others may have read it, rotate the key",
            )
        if path.lstat().st_uid != os.geteuid() and os.geteuid() != 0:
            report.wrong("environment", "key-owner", f"{path} belongs to another user", f"chown $(id -un) {path}")


def _secrets(data: Path) -> Iterator[Path]:
    if (data / "keys").is_dir():
        yield data / "keys"
        yield from sorted(path for path in (data / "keys").rglob("*") if path.is_file())
    yield from (path for path in (data / "vault.sqlite",) if path.exists())


def _server(report: Report, hall: Hall) -> None:
    """PostgreSQL's version, and the clocks of server, machine and log against each other."""
    with hall.database.use("reader") as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8,"
            " current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
        ).fetchone()
    now_s = time.time()
    assert row is not None
    version, server_s, *durable = row
    environment = report.parts.setdefault("environment", {})
    environment |= {"postgresql": version, "embedded": "MINGJIAN_DATABASE_URL" not in os.environ}
    if abs(server_s - now_s) > SKEW_S:
        report.wrong(
            "environment",
            "clock-skew",
            f"the clocks of this machine and of the database server differ by {abs(server_s - now_s):.0f} s",
            "set both by a time server: timedatectl set-ntp true",
        )
    recorded_us = hall.reader.head().recorded_us
    if recorded_us > now_us() + SKEW_S * 1e6:
        report.wrong(
            "environment",
            "clock-back",
            f"this machine's clock is {(recorded_us - now_us()) / 1e6:.0f} s behind the newest batch",
            "timedatectl set-ntp true; until then every batch bears the time of the newest one",
        )
    for name, value in zip(("fsync", "synchronous_commit", "full_page_writes"), durable, strict=True):
        if value == "off":
            report.wrong(
                "environment",
                "durability",
                f"the server runs with {name} = off: what was acknowledged may be lost",
                f'psql -c "ALTER SYSTEM SET {name} = on" and restart it',
            )


# ── The ledger ─────────────────────────────────────────────────────────────────────────────────────────────


def _ledger(report: Report, hall: Hall) -> None:
    """Keys, head, guard and checkpoint; who places statements, and what keeps them waiting."""
    for name in ("log", "receipt", "clock"):
        try:
            key = hall.keyring.own(name)
        except MingjianError as error:
            report.error("ledger", error)
            continue
        if key.public.hex() != hall.registry.genesis[f"{name}_key"]:
            report.wrong(
                "ledger",
                "key-other",
                f"the key file {name}.pem is not the key that entry 0 names",
                f"put back {hall.keyring.folder / name}.pem from the backup of this ledger's keys",
            )
    try:
        hall.publisher.check_start()
    except MingjianError as error:
        report.error("ledger", error)
    head = hall.reader.head()
    leader, waiting = _waiting(hall)
    published = hall.publisher.checkpoint()
    lag = head.size - (0 if published is None else published.size)
    report.parts["ledger"] = {
        "origin": hall.origin,
        "size": head.size,
        "published": 0 if published is None else published.size,
        "age_s": round((now_us() - head.recorded_us) / 1e6, 1),
        "sequencer": leader,
        **{name: len(rows) for name, rows in waiting.items()},
    }
    # One that leads may be between commit and publication; one that does not lead never publishes.
    if lag > 0 and leader is None:
        report.wrong("ledger", "not-published", f"{lag} entries are placed but not published", _up(hall))
    stalls = list(_stalls(hall))
    report.parts["ledger"]["stalls"] = stalls
    for stall in stalls:
        report.wrong(
            "ledger",
            "stall",
            f"{stall['what']} in database {stall['database']} is open for {stall['age_s']:.0f} s:"
            " no statement that came after it began can be placed",
            stall["mend"],
        )
    if waiting["waiting"] and leader is None:
        text = f"{len(waiting['waiting'])} acknowledged statements wait for a place and nobody places them"
        report.wrong("ledger", "no-sequencer", text, _up(hall))
    elif waiting["waiting"] and not stalls and _still_waiting(hall, waiting["waiting"]):
        text = f"statements wait for a place though a sequencer leads (first row: {waiting['waiting'][0]})"
        report.wrong("ledger", "not-placed", text, "see what the sequencer's log says, then restart mingjian up")
    for row in waiting["held"]:
        text = f"the row {row} waits for a statement that has no place"
        report.wrong("ledger", "row-held", text, "mingjian sweep names it; keep a copy of the database as evidence")
    for row in waiting["refused"]:
        text = f"the row {row} was written past the door and is refused a place"
        report.wrong("ledger", "row-forged", text, "keep a copy of the database as evidence, find out who wrote it")


def _up(hall: Hall) -> str:
    return f"mingjian up --data {hall.data}"


def _waiting(hall: Hall) -> tuple[int | None, dict[str, list[int]]]:
    """The process id of the leading sequencer's connection, and the rows without a place by why (at most 100 each)."""
    with hall.database.use("reader") as connection:
        leader = connection.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (classid::bigint << 32 | objid::bigint) = %s",
            (LEADER_LOCK,),
        ).fetchone()
        head = connection.execute("SELECT done_xid::text, held, refused FROM ledger.head").fetchone()
        assert head is not None
        rows = connection.execute(
            "SELECT insertion_id FROM ledger.statements s WHERE xid >= %s::xid8 AND NOT insertion_id = ANY(%s)"
            " AND NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id)"
            " ORDER BY insertion_id LIMIT 100",
            (head[0], [*head[1], *head[2]]),
        ).fetchall()
    waiting = {"waiting": [row for (row,) in rows], "held": head[1][:100], "refused": head[2][:100]}
    return None if leader is None else int(leader[0]), waiting


def _still_waiting(hall: Hall, rows: list[int]) -> bool:
    until = time.monotonic() + PLACED_WITHIN_S
    while time.monotonic() < until:
        with hall.database.use("reader") as connection:
            placed = connection.execute(
                "SELECT count(*) FROM ledger.leaves WHERE insertion_id = ANY(%s)", (rows,)
            ).fetchone()
        if placed is not None and placed[0] >= len(rows):
            return False
        time.sleep(0.1)
    return True


def _stalls(hall: Hall) -> Iterator[dict[str, Any]]:
    """Transactions that write, anywhere in the cluster, and have been open for long: the horizon is the cluster's."""
    with hall.database.connect("owner") as connection:
        sessions = connection.execute(
            "SELECT pid, datname, extract(epoch FROM now() - xact_start)::float8 FROM pg_stat_activity"
            " WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
            " AND now() - xact_start > make_interval(secs => %s) ORDER BY xact_start",
            (STALL_S,),
        ).fetchall()
        prepared = connection.execute(
            "SELECT gid, database, extract(epoch FROM now() - prepared)::float8 FROM pg_prepared_xacts"
            " ORDER BY prepared"
        ).fetchall()
    for pid, database, age_s in sessions:
        mend = f'psql -d {database} -c "SELECT pg_terminate_backend({pid})"'
        yield {"what": f"a transaction of process {pid}", "database": database, "age_s": age_s, "mend": mend}
    for gid, database, age_s in prepared:
        mend = f"psql -d {database} -c \"ROLLBACK PREPARED '{gid}'\""
        yield {"what": f"the prepared transaction {gid}", "database": database, "age_s": age_s, "mend": mend}


# ── What is stored twice ───────────────────────────────────────────────────────────────────────────────────


def _sweep(report: Report, hall: Hall) -> None:
    began = time.monotonic()
    size, found = hall.reader.head().size, 0
    for error in hall.sweep().whole():
        report.error("sweep", error)
        found += 1
        if found == 1000:
            report.wrong("sweep", "more", "there is more", "mend what is named, then: mingjian sweep")
            break
    report.parts["sweep"] = {"size": size, "found": found, "seconds": round(time.monotonic() - began, 3)}


def _projections(report: Report, hall: Hall) -> None:
    began = time.monotonic()
    try:
        position, found = check_projections(hall.database)
    except psycopg.Error as error:
        mend = "mingjian rebuild"
        report.wrong("projections", "projection-broken", f"the projections cannot be read: {error}", mend)
        return
    for each in found:
        report.error("projections", each)
    report.parts["projections"] = {
        "position": position,
        "found": len(found),
        "seconds": round(time.monotonic() - began, 3),
    }

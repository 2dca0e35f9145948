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

from api.calendar_commands import waiting_for
from ledger.door.hall import Hall, open_ledger
from ledger.errors import MingjianError
from ledger.store import standing
from ledger.store.sequencer import now_us
from projections import clocks
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
                "calendar": _calendar,
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
        server = standing.server(connection)
    now_s = time.time()
    environment = report.parts.setdefault("environment", {})
    environment |= {"postgresql": server.version, "embedded": "MINGJIAN_DATABASE_URL" not in os.environ}
    if abs(server.clock_s - now_s) > SKEW_S:
        report.wrong(
            "environment",
            "clock-skew",
            f"the clocks of this machine and of the database server differ by {abs(server.clock_s - now_s):.0f} s",
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
    for name, value in server.durability.items():
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
    with hall.database.use("reader") as connection:
        leader, unplaced = standing.leader(connection), standing.unplaced_rows(connection)
    published = hall.publisher.checkpoint()
    lag = head.size - (0 if published is None else published.size)
    report.parts["ledger"] = {
        "origin": hall.origin,
        "size": head.size,
        "published": 0 if published is None else published.size,
        "age_s": round((now_us() - head.recorded_us) / 1e6, 1),
        "sequencer": leader,
        "waiting": len(unplaced.waiting),
        "held": len(unplaced.held),
        "refused": len(unplaced.refused),
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
    if unplaced.waiting and leader is None:
        text = f"{len(unplaced.waiting)} acknowledged statements wait for a place and nobody places them"
        report.wrong("ledger", "no-sequencer", text, _up(hall))
    elif unplaced.waiting and not stalls and _still_waiting(hall, unplaced.waiting):
        text = f"statements wait for a place though a sequencer leads (first row: {unplaced.waiting[0]})"
        report.wrong("ledger", "not-placed", text, "see what the sequencer's log says, then restart mingjian up")
    for row in unplaced.held:
        text = f"the row {row} waits for a statement that has no place"
        report.wrong("ledger", "row-held", text, "mingjian sweep names it; keep a copy of the database as evidence")
    for row in unplaced.refused:
        text = f"the row {row} was written past the door and is refused a place"
        report.wrong("ledger", "row-forged", text, "keep a copy of the database as evidence, find out who wrote it")


def _up(hall: Hall) -> str:
    return f"mingjian up --data {hall.data}"


def _still_waiting(hall: Hall, rows: list[int]) -> bool:
    until = time.monotonic() + PLACED_WITHIN_S
    while time.monotonic() < until:
        with hall.database.use("reader") as connection:
            if standing.count_placed(connection, rows) >= len(rows):
                return False
        time.sleep(0.1)
    return True


def _stalls(hall: Hall) -> Iterator[dict[str, Any]]:
    """Transactions that write and have been open for long, and how to end each."""
    with hall.database.connect("owner") as connection:
        found = standing.long_writing(connection, over_s=STALL_S)
    for one in found:
        if one.gid is None:
            what, end = f"a transaction of process {one.pid}", f'"SELECT pg_terminate_backend({one.pid})"'
        else:
            what, end = f"the prepared transaction {one.gid}", f"\"ROLLBACK PREPARED '{one.gid}'\""
        yield {"what": what, "database": one.database, "age_s": one.age_s, "mend": f"psql -d {one.database} -c {end}"}


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


def _calendar(report: Report, hall: Hall) -> None:
    """Whether clocks wait for a year's schedule: nothing is wrong, but somebody has to publish it."""
    last = max(schedule.year for schedule in hall.door.registry()[1].calendar().schedules)
    try:
        with hall.database.use("reader") as connection:
            waiting = clocks.unknown(connection)
    except psycopg.Error:
        return  # the part before this one says what is wrong
    warning = waiting_for(waiting, last)
    report.parts["calendar"] = {"known_to": f"{last}-12-31", **waiting, "warning": warning}

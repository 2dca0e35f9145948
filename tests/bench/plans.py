"""Every query of the board, a case, the queues, the complaints and the figures: how long it takes, and by which plan.

    python -m tests.bench.plans DIR [--write docs/design/plans.md]

``DIR`` is a ledger's folder; for the full size, one that ``mingjian demo seed --scale 1 --data DIR`` left. The pages
are asked for as a browser does, and what they send to the database is noted there and then: no list of queries is
kept that might forget one. Each page is asked for once to warm up, then with a stopwatch, then once more
with ``EXPLAIN (ANALYZE, BUFFERS)`` before each query, in the same transaction. Nothing is stated in the ledger.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from fastapi.testclient import TestClient

from api.app import create_app
from api.metric_questions import figure, listed
from api.sessions import Sessions
from ledger.door.hall import Hall, open_ledger
from ledger.errors import NotFound
from ledger.store.database import Connection, Database
from projections.runner import Projector
from tests.bench import table
from tests.bench.rounds import say, seconds

BEGIN, END = "<!-- plans: begin -->", "<!-- plans: end -->"
ROUNDS: Final = 15  # by the twelfth the driver has prepared it and the planner keeps one plan for all values
_LAST: Final = 4
_AGAIN_MS: Final = 5.0
WITHIN_MS: Final = 50.0
FIGURE_WITHIN_MS: Final = 1000.0
_ROOT: Final = Path(__file__).resolve().parents[2]
_ROOMS: Final = ("projections", "ledger", "oversight", "api")
_READS: Final = ("SELECT", "WITH")


@dataclass(slots=True)
class Query:
    """One query of a page: where it is written, what each asking took, and its plan."""

    text: str
    where: str
    took_ms: list[float] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def ms(self) -> float:
        """The least that one of the last askings took, to the first answer: others' work on the machine only adds."""
        return min(self.took_ms[-_LAST:], default=0.0)


class Notes:
    """What is sent to the database while this stands open; ``explaining`` asks for the plans too."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self.queries: dict[tuple[str, str], Query] = {}
        self.explaining = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Note from here on, whichever pool and thread it comes from."""
        notes, plain = self, Database.use

        class Noting(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
                text = query if isinstance(query, str) else _text(query, self.connection)
                if not text.startswith(_READS):
                    return super().execute(query, params, **more)
                where = _where()
                noted = notes.queries.setdefault((text, where), Query(text, where))
                if notes.explaining:
                    if not noted.plan:
                        with psycopg.Cursor(self.connection) as asking:
                            asking.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}".encode(), params)
                            (found,) = asking.fetchone() or ([{}],)
                        noted.plan = found[0]
                    return super().execute(query, params, **more)
                began = time.perf_counter()
                try:
                    return super().execute(query, params, **more)
                finally:
                    noted.took_ms.append((time.perf_counter() - began) * 1000)

        @contextmanager
        def use(database: Database, role: Any) -> Iterator[Connection]:
            with plain(database, role) as connection:
                before = connection.cursor_factory
                connection.cursor_factory = Noting
                try:
                    yield connection
                finally:
                    connection.cursor_factory = before

        Database.use = use  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            Database.use = plain  # type: ignore[method-assign]


def _text(query: Any, connection: Any) -> str:
    return query.decode() if isinstance(query, bytes) else str(query.as_string(connection))


def _where() -> str:
    """The nearest function of ours that is neither this one nor a helper of the driver."""
    for frame, _ in traceback.walk_stack(None):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _ROOMS:
            return f"{path.relative_to(_ROOT)} {frame.f_code.co_qualname}"
    return "?"


@dataclass(slots=True)
class Page:
    """What one page took as a whole, by the wall and of our own processor time, and its queries."""

    name: str
    ms: float
    cpu_ms: float
    queries: list[Query]


def measure(name: str, ask: Callable[[], object], *, rounds: int = ROUNDS) -> Page:
    """Ask: once unseen, ``rounds`` times with a stopwatch, once for the plans."""
    ask()
    notes = Notes()
    with notes.open():
        took = [_timed(ask) for _ in range(rounds)][-_LAST:]
        notes.explaining = True
        ask()
    ms, cpu_ms = (min(times) for times in zip(*took, strict=True))
    say(f"  {name}: {ms:.1f} ms, {cpu_ms:.1f} ms of the processor")
    return Page(name, ms, cpu_ms, sorted(notes.queries.values(), key=lambda query: -query.ms))


def _timed(ask: Callable[[], object]) -> tuple[float, float]:
    busy = time.process_time()
    return seconds(ask) * 1000, (time.process_time() - busy) * 1000


INVESTIGATOR: Final = "staff/investigator-1"
"""Of the played district, who reads complaints."""


# ── What is asked for ──────────────────────────────────────────────────────────────────────────────────────


def pages(hall: Hall) -> Iterator[Page]:
    """Board, cases, queues, complaints, lists; each as it is now and, where one can ask so, as of then."""
    found = _examples(hall)
    with TestClient(create_app(hall), base_url="http://127.0.0.1", headers={"Accept": "text/html"}) as client:

        def get(path: str) -> Callable[[], object]:
            def ask() -> None:
                answer = client.get(path)
                assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])

            return ask

        sessions = Sessions(hall.data)
        try:
            sessions.base()
        except NotFound:  # where a server ran, its own address is left as it is
            sessions.served_at("http://127.0.0.1")
        get(sessions.link())()
        half = hall.reader.head().size // 2
        for name, path in {
            "the board": "/board",
            "the board of one unit": f"/board?unit={found['unit']}",
            "a case, the one with most acts": f"/cases/{found['case']}",
            "a case as of then": f"/cases/{found['case']}?as_of={found['case_last']}",
            "an open case": f"/cases/{found['open']}",
            "the hall's screen": "/screen",
            "the hall's screen of a zone": "/screen?zone=social",
            "the queues": "/queues",
            "the queue of one unit": f"/queues?unit={found['unit']}",
            "the queues as of then": f"/queues?as_of={half}",
            "the complaints": "/complaints",
            "the complaints as of then": f"/complaints?as_of={half}",
            "a complaint, to a browser that only reads": f"/complaints/{found['complaint']}",
        }.items():
            yield measure(f"{name}, `{re.sub('=[^&]+', '=…', path)}`" if "?" in path else name, get(path))
        get(sessions.link(actor=INVESTIGATOR))()
        yield measure("a complaint's file", get(f"/complaints/{found['complaint']}"))


def figures(hall: Hall) -> Iterator[Page]:
    """Every figure by its name, over the whole log."""
    for one in listed()["metrics"]:
        name = one["name"]
        yield measure(name, lambda name=name: figure(hall, name), rounds=3)  # type: ignore[misc]


def _examples(hall: Hall) -> dict[str, Any]:
    with hall.database.use("reader") as connection:

        def first(query: str) -> Any:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None, query
            return row

        case, last = first(
            "SELECT stream, last_index FROM projections.approvals WHERE stage = 'closed' ORDER BY acts DESC, stream"
        )
        (still,) = first("SELECT stream FROM projections.approval_open WHERE to_index IS NULL ORDER BY 1")
        (unit,) = first("SELECT unit FROM projections.approvals GROUP BY 1 ORDER BY count(*) DESC, 1")
        (complaint,) = first(
            "SELECT complaint FROM (SELECT stream AS complaint FROM projections.complaints UNION ALL"
            " SELECT complaint FROM projections.complaint_holds) AS each GROUP BY 1 ORDER BY count(*) DESC, 1"
        )
    return {
        "case": case,
        "case_last": last,
        "open": still,
        "unit": unit,
        "complaint": complaint.partition("/")[2],
    }


# ── What is said of it ─────────────────────────────────────────────────────────────────────────────────────


def _scans(plan: dict[str, Any]) -> list[str]:
    """The leaves of a plan: by which index how many rows of which table were read, how many times."""
    under = [line for child in plan.get("Plans", ()) for line in _scans(child)]
    if "Relation Name" not in plan and "Index Name" not in plan:
        return under
    rows, loops = plan["Actual Rows"], plan["Actual Loops"]
    index = plan.get("Index Name")
    what = "all of it" if index is None and plan["Node Type"] == "Seq Scan" else index or "by the bitmap"
    read = f"{round(rows * loops):,} rows" + (f" in {loops:,} goes" if loops > 1 else "")
    dropped = plan.get("Rows Removed by Filter", 0) * loops
    beside = f", {round(dropped):,} read for nothing" if dropped else ""
    return [f"{plan.get('Relation Name', '')} [{what}] {read}{beside}".strip(), *under]


def _lines(page: Page, shown: set[str]) -> Iterator[str]:
    fresh = [query for query in page.queries if query.text not in shown or query.ms >= _AGAIN_MS]
    shown.update(query.text for query in fresh)
    for number, query in enumerate(fresh, start=1):
        plan = query.plan.get("Plan", {})
        took = f"{query.ms:.1f} ms" if query.took_ms else "–"
        yield f"{number}. `{query.where}`: **{took}**"
        if plan:
            hit, read = plan["Shared Hit Blocks"], plan["Shared Read Blocks"]
            yield (
                f"    plan {query.plan['Planning Time']:.1f} ms, run {query.plan['Execution Time']:.1f} ms,"
                f" {plan['Actual Rows'] * plan['Actual Loops']:,} rows, buffers {hit:,} hit, {read:,} read"
            )
            yield from (f"    - {scan}" for scan in dict.fromkeys(_scans(plan)))
        yield ""
        yield "    ```sql"
        yield f"    {' '.join(query.text.split())}"
        yield "    ```"
        yield ""
    if len(fresh) < len(page.queries):
        yield f"And {len(page.queries) - len(fresh)} that stand above, each under {_AGAIN_MS:g} ms here too."


def report(hall: Hall, found: list[Page], counted: list[Page]) -> Iterator[str]:
    """The document's lines: sizes, a table of all pages, then each with its plans."""
    with hall.database.use("reader") as connection:
        sizes = connection.execute(
            "SELECT relname, reltuples::bigint FROM pg_class WHERE relnamespace = 'projections'::regnamespace"
            " AND relkind = 'r' AND reltuples > 0 ORDER BY reltuples DESC"
        ).fetchall()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    yield f"{hall.reader.head().size:,} entries. {table.machine()}; load {load} (1, 5, 15 min) at the end."
    yield ""
    yield "Rows (the planner's count): " + ", ".join(f"{name} {rows:,}" for name, rows in sizes) + "."
    yield ""
    yield "| page | whole | our processor time | queries | the slowest | within 50 ms |"
    yield "|---|---|---|---|---|---|"
    for page in found:
        slow = max((query.ms for query in page.queries), default=0.0)
        verdict = "yes" if slow < WITHIN_MS else "**no**"
        times = f"{page.ms:.0f} ms | {page.cpu_ms:.0f} ms"
        yield f"| {page.name} | {times} | {len(page.queries)} | {slow:.1f} ms | {verdict} |"
    yield ""
    yield "| figure | whole | our processor time | the slowest query | within a second |"
    yield "|---|---|---|---|---|"
    for page in counted:
        slow = max((query.ms for query in page.queries), default=0.0)
        verdict = "yes" if page.ms < FIGURE_WITHIN_MS else "**no**"
        yield f"| {page.name} | {page.ms:.0f} ms | {page.cpu_ms:.0f} ms | {slow:.1f} ms | {verdict} |"
    shown: set[str] = set()
    for page in found:
        yield ""
        yield f"## {page.name[0].upper()}{page.name[1:]}: {page.ms:.0f} ms"
        yield ""
        yield from _lines(page, shown)
    if counted:
        slowest = max(counted, key=lambda page: page.ms)
        yield ""
        yield f"## The slowest figure, {slowest.name}: {slowest.ms:.0f} ms"
        yield ""
        yield from _lines(slowest, shown)


def main() -> int:
    """Measure and print, or write into the document."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.plans", description="The plans of every query.")
    parser.add_argument("data", type=Path, metavar="DIR", help="a ledger's folder")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="put them between its markers")
    options = parser.parse_args()
    with open_ledger(options.data) as hall:
        Projector(hall.database).catch_up()
        text = "\n".join(report(hall, list(pages(hall)), list(figures(hall)))).strip() + "\n"
    if options.write is None:
        print(text)
        return 0
    before, _, rest = options.write.read_text("utf-8").partition(BEGIN)
    options.write.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

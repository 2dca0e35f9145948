"""The live log as the anomaly detectors read it: one statement per question, streamed, up to one position.

Promise: what is judged comes from ``ledger.facts.anomalies`` and from nowhere else; here is only what it is fed with.
Only the registries are held in memory. What a projection says beyond the position asked for is left out; where it keeps
no history (when a ticket was called), what was recorded after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import count, groupby
from operator import itemgetter
from typing import Any, Final

import orjson

from ledger.facts.anomalies.found import Stroke
from ledger.facts.anomalies.live import (
    GRACE_US,
    NOBODY,
    Act,
    Case,
    Item,
    Overdue,
    Raised,
    Rated,
    Register,
    Run,
    Served,
    Span,
    Turn,
)
from ledger.facts.calendar import Calendar, calendar_with
from ledger.facts.case_clocks import day_at, parse_item
from ledger.facts.clocks import SHANGHAI
from ledger.facts.types import verb_of
from ledger.store.database import Connection
from ledger.store.reading import read_ids

_FETCH: Final = 5000
_NUMBERS: Final = count()
_VISITS: Final = 5
_FEW_DAYS_US: Final = 12 * 86_400_000_000  # no row of days off is longer
_ON_A_DAY_OFF: Final = "((data ->> 'day')::date = ANY(%s) OR extract(isodow FROM (data ->> 'day')::date) > 5)"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_APART: Final = ("ticket", "rating", "footage", "grant", "redaction", "live")  # asked for by themselves, or not at all
_NAMED: Final = ("complaint", "grant")  # streams whose acts name each other
# What has clocks: its stream, and the leaf that began it.
_BEGUN: Final = (
    "(SELECT stream, first_index FROM projections.approvals UNION ALL"
    " SELECT stream, min(leaf_index) FROM projections.matter_acts WHERE kind = 'trading' GROUP BY stream)"
)


@dataclass(frozen=True)
class LiveRows:
    """A live log up to ``position`` leaves; hold it in one snapshot. ``until_us``: recorded time of the last."""

    connection: Connection
    position: int
    until_us: int
    _versions: dict[str, Item] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------- registries

    @cached_property
    def register(self) -> Register:
        """The registries as the log has them up to the position, each version of an item by its statement."""
        days_off, weekends = self._calendar()
        opened = self.connection.execute(
            "SELECT min(at_us) FROM projections.registry_versions WHERE kind = 'ledger'"
        ).fetchone()
        things = list(self._things())
        items: dict[str, list[Item]] = {}
        persons, staff = dict[str, str](), dict[str, list[Span]]()
        units, windows = dict[str, tuple[int, Span]](), dict[str, tuple[int, Span, str]]()
        cameras: dict[str, tuple[int, Sequence[str], int]] = {}
        for leaf, kind, stream, statement, closed, at_us, text in things:
            code, data = stream.partition("/")[2], orjson.loads(text)
            if kind == "staff":
                persons.setdefault(stream, data.get("person", stream))
                _hold(staff.setdefault(stream, []), at_us, closed=closed)
            elif kind == "unit":
                units[code] = (units[code][0] if code in units else leaf, _span(units.get(code), at_us, closed=closed))
            elif kind == "window":
                known = windows.get(code)
                unit = data.get("unit", "" if known is None else known[2])
                windows[code] = (leaf if known is None else known[0], _span(known, at_us, closed=closed), unit)
            elif kind == "camera" and not closed:
                first = cameras[code][0] if code in cameras else leaf
                cameras[code] = (first, data.get("windows", ()), data.get("retention_days", 0))
            elif kind == "item":
                self._item(items.setdefault(code, []), statement, code, data, at_us, closed=closed)
        return Register(
            persons=persons,
            staff=staff,
            units=units,
            windows=windows,
            items=items,
            cameras=cameras,
            rostered=self._rosters("data ->> 'hours' IS NOT NULL"),
            rostered_days=self._rosters(_ON_A_DAY_OFF, sorted(days_off)),
            days_off=days_off,
            working_weekends=weekends,
            opened_us=None if opened is None else opened[0],
        )

    def _things(self) -> Iterator[tuple[Any, ...]]:
        return self._rows(
            "SELECT leaf_index, kind, stream, statement, closed, at_us, data::text FROM projections.registry_versions"
            " WHERE kind = ANY(%s) AND NOT proposal AND leaf_index < %s ORDER BY leaf_index",
            ["staff", "unit", "window", "item", "camera"],
            self.position,
        )

    def _rosters(self, wanted: str, *values: Any) -> frozenset[tuple[str, date]]:
        query = (
            "SELECT data ->> 'window', (data ->> 'day')::date FROM projections.registry_versions"
            " WHERE kind = 'roster' AND NOT proposal AND leaf_index < %s AND "
        )
        return frozenset(self._rows(query + wanted, self.position, *values))

    def _calendar(self) -> tuple[frozenset[date], frozenset[date]]:
        of_log = [
            orjson.loads(text)
            for (text,) in self._rows(
                "SELECT data::text FROM projections.registry_versions WHERE kind = 'calendar' AND NOT proposal"
                " AND leaf_index < %s ORDER BY leaf_index",
                self.position,
            )
        ]
        calendar = calendar_with(Calendar.from_json(of_log).schedules)
        known = calendar.as_known(day_at(self.until_us)).schedules.values()
        return (
            frozenset().union(*(schedule.days_off for schedule in known)),
            frozenset().union(*(schedule.working_weekends for schedule in known)),
        )

    def _item(
        self, known: list[Item], statement: str, code: str, data: Mapping[str, Any], at_us: int, *, closed: bool
    ) -> None:
        if closed:
            known[:] = [one._replace(to_us=at_us) if one.to_us is None else one for one in known]
            return
        rules = parse_item(data)
        since = at_us if data.get("valid_from") is None else _midnight_us(date.fromisoformat(data["valid_from"]))
        item = Item(code, rules.unit, rules.on_the_spot, rules.grace_us, since, None, rules.steps)
        known.append(item)
        self._versions[statement] = item

    # ------------------------------------------------------------------------------------------- cases

    def cases(self) -> Iterator[Case]:
        """Approvals, by stream."""
        assert self.register is not None  # it fills the versions
        due = self._near_due()
        about = self._rows(
            "SELECT a.stream, a.item_version, t.called_us, CASE WHEN t.stage = 'served' THEN t.ended_us END"
            " FROM projections.approvals a LEFT JOIN projections.approval_acts x"
            " ON x.stream = a.stream AND x.leaf_index = a.first_index"
            " LEFT JOIN projections.tickets t ON t.stream = 'ticket/' || (x.data ->> 'ticket')"
            " WHERE a.first_index < %s ORDER BY a.stream",
            self.position,
        )
        acts = self._rows(
            "SELECT stream, leaf_index, recorded_us, at_us, type, actor, role, unit, win, data::text"
            " FROM projections.approval_acts WHERE leaf_index < %s ORDER BY stream, leaf_index",
            self.position,
        )
        grouped = groupby(acts, key=itemgetter(0))
        for (stream, version, called, served), (of, rows) in zip(about, grouped, strict=True):
            assert stream == of
            its = [_act(row) for row in rows]
            ticket = None if called is None else Served(self._by_then(called), self._by_then(served))
            mine = {act.leaf: due[act.leaf] for act in its if act.leaf in due}
            yield Case(its[0].leaf, "approval", stream, its, self._versions.get(version), ticket, mine)

    def matters(self, *kinds: str) -> Iterator[Case]:
        """Other streams, by stream; unless given, of all kinds but tickets, ratings and what is about footage."""
        rows = self._rows(
            "SELECT stream, leaf_index, recorded_us, at_us, type, actor, role, unit, win, data::text, kind"
            " FROM projections.matter_acts WHERE leaf_index < %s AND CASE WHEN %s::text[] = '{}'"
            " THEN kind <> ALL(%s) ELSE kind = ANY(%s) END ORDER BY stream, leaf_index",
            self.position,
            list(kinds),
            list(_APART),
            list(kinds),
        )
        for stream, its in groupby(rows, key=itemgetter(0)):
            found = list(its)
            kind = found[0][10]
            ids = read_ids(self.connection, [row[1] for row in found]) if kind in _NAMED else {}
            acts = [_act(row, ids.get(row[1])) for row in found]
            yield Case(acts[0].leaf, kind, stream, acts)

    def _near_due(self) -> dict[int, int]:
        """Pauses and withdrawals within a working day before a clock of the case was due, by leaf."""
        rows = self._rows(
            "SELECT a.leaf_index, a.type, a.recorded_us, min(c.due_us) FROM projections.approval_acts a"
            " JOIN projections.clock_runs c ON c.stream = a.stream AND c.from_index < a.leaf_index"
            " AND (c.to_index IS NULL OR c.to_index >= a.leaf_index) AND c.clock IN ('promise', 'statutory', 'joint')"
            " AND c.stopped_us IS NULL WHERE a.type IN ('approval.suspended.v1', 'approval.withdrawn.v1')"
            " AND a.leaf_index < %s AND c.due_us < a.recorded_us + %s GROUP BY 1, 2, 3",
            self.position,
            _FEW_DAYS_US,
        )
        return {
            leaf: due_us
            for leaf, type_, recorded_us, due_us in rows
            if self._is_near(recorded_us, due_us) and (due_us > recorded_us or type_ == "approval.withdrawn.v1")
        }

    def _is_near(self, us: int, due_us: int) -> bool:
        """Whether at most one working day lies between: the due day itself, or the one before it."""
        day, due, worked = day_at(us), day_at(due_us - 1), 0  # a day that ends at 24:00 is that day
        while day < due and worked < 2:
            day += timedelta(days=1)
            worked += self.register.is_worked(day)
        return worked < 2

    # ------------------------------------------------------------------------------------------- the rest

    def strokes(self) -> Iterator[Stroke]:
        """Acts of people on approvals and tickets, by act, actor and the time that decides."""
        query = (
            "SELECT x.type, x.actor, CASE WHEN abs(x.recorded_us - x.at_us) <= %s THEN x.at_us ELSE x.recorded_us END"
            " AS us, c.first_index, x.leaf_index FROM projections.{} x JOIN projections.{} c ON c.stream = x.stream"
            " WHERE x.role <> ALL(%s) AND x.leaf_index < %s"
        )
        one, two = query.format("approval_acts", "approvals"), query.format("matter_acts", "tickets")
        values = (GRACE_US, sorted(NOBODY), self.position)
        for type_, actor, us, case, leaf in self._rows(f"{one} UNION ALL {two} ORDER BY 1, 2, 3, 5", *values, *values):
            yield Stroke(verb_of(type_), actor, us, case, leaf)

    def turns(self) -> Iterator[Turn]:
        """Acts on tickets, in the order of the log."""
        for leaf, recorded_us, ticket, type_, queue, channel, window in self._rows(
            "SELECT x.leaf_index, x.recorded_us, t.first_index, x.type, x.data ->> 'queue', x.data ->> 'channel',"
            " x.data ->> 'window' FROM projections.matter_acts x JOIN projections.tickets t ON t.stream = x.stream"
            " WHERE x.kind = 'ticket' AND x.leaf_index < %s ORDER BY x.leaf_index",
            self.position,
        ):
            yield Turn(leaf, recorded_us, ticket, verb_of(type_), queue, channel, window)

    def ratings(self) -> Iterator[Rated]:
        """Ratings of visits to a window, by window and time; the visit is the ticket, or the case where it has none."""
        yield from (
            Rated(*row)
            for row in self._rows(
                "SELECT coalesce(t.win, a.win), x.recorded_us, coalesce(t.first_index, a.first_index),"
                " (x.data ->> 'level')::bigint, x.leaf_index"
                " FROM projections.matter_acts x"
                " LEFT JOIN projections.tickets t ON t.stream = 'ticket/' || (x.data ->> 'visit')"
                " LEFT JOIN projections.approvals a ON a.stream = 'approval/' || (x.data ->> 'visit')"
                " WHERE x.type = 'rating.given.v1' AND x.kind = 'rating' AND coalesce(t.win, a.win) IS NOT NULL"
                " AND x.leaf_index < %s ORDER BY 1, 2, 3",
                self.position,
            )
        )

    def runs(self) -> Iterator[Run]:
        """Promise runs that stopped."""
        yield from (
            Run(*row)
            for row in self._rows(
                "SELECT a.first_index, a.unit, c.started_us, c.due_us, c.stopped_us, c.from_index"
                " FROM projections.clock_runs c JOIN projections.approvals a USING (stream)"
                " WHERE c.clock = 'promise' AND c.stopped_us IS NOT NULL AND c.due_us IS NOT NULL"
                " AND c.from_index < %s AND (c.to_index IS NULL OR c.to_index >= %s) ORDER BY c.from_index",
                self.position,
                self.position,
            )
        )

    def raised(self) -> Iterator[Raised]:
        """Cards on clocks, each with its run as that stood when the card was raised."""
        yield from (
            Raised(*row)
            for row in self._rows(
                "SELECT a.first_index, c.raised_index, c.rule, c.colour, c.clock, c.due_us, c.fired_us, c.raised_us,"  # noqa: S608 constants
                f" r.due_us, r.stopped_us, r.stream IS NOT NULL FROM projections.cards c JOIN {_BEGUN} a"
                " ON a.stream = c.case_stream LEFT JOIN projections.clock_runs r"
                " ON (r.stream, r.clock, r.branch, r.step, r.number)"
                " = (c.case_stream, c.clock, coalesce(c.branch, ''), coalesce(c.step, ''), c.run)"
                " AND r.from_index < c.raised_index AND (r.to_index IS NULL OR r.to_index >= c.raised_index)"
                " WHERE c.clock IS NOT NULL AND c.raised_index < %s ORDER BY c.raised_index",
                self.position,
            )
        )

    def overdue(self) -> Iterator[Overdue]:
        """Runs that passed their due instant since the first card was due, and the rules of their case's cards."""
        for case, clock, due_us, leaf, rules in self._rows(
            "SELECT a.first_index, r.clock, r.due_us, r.from_index,"  # noqa: S608 constants
            " array(SELECT c.rule FROM projections.cards c WHERE c.case_stream = r.stream AND c.raised_index < %s)"
            f" FROM projections.clock_runs r JOIN {_BEGUN} a USING (stream)"
            " WHERE r.from_index < %s AND (r.to_index IS NULL OR r.to_index >= %s)"
            " AND r.due_us < coalesce(r.stopped_us, %s) AND r.due_us < %s - 3600000000"
            " AND r.due_us > (SELECT min(fired_us) FROM projections.cards WHERE raised_index < %s)"
            " ORDER BY r.from_index, r.clock",
            self.position,
            self.position,
            self.position,
            self.until_us,
            self.until_us,
            self.position,
        ):
            yield Overdue(case, clock, due_us, leaf, frozenset(rules))

    def visits(self, window: str, since_us: int, until_us: int) -> list[int]:
        """The leaves of acts on tickets at a window in a span, the first few."""
        rows = self.connection.execute(
            "SELECT leaf_index FROM projections.matter_acts WHERE win = %s AND recorded_us >= %s AND recorded_us < %s"
            " AND kind = 'ticket' AND leaf_index < %s ORDER BY leaf_index LIMIT %s",
            (window, since_us, until_us, self.position, _VISITS),
        ).fetchall()
        return [leaf for (leaf,) in rows]

    def _by_then(self, us: int | None) -> int | None:
        return us if us is None or us <= self.until_us else None

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        with self.connection.cursor(name=f"live_{next(_NUMBERS)}") as cursor:
            cursor.itersize = _FETCH
            cursor.execute(query.encode(), values, binary=True)
            yield from cursor


def streams_at(connection: Connection, leaves: Sequence[int]) -> dict[int, str]:
    """The streams of live statements and of registries, by leaf."""
    rows = connection.execute(
        "SELECT first_index, stream FROM projections.approvals WHERE first_index = ANY(%(leaves)s)"
        " UNION SELECT leaf_index, stream FROM projections.matter_acts WHERE leaf_index = ANY(%(leaves)s)"
        " UNION SELECT leaf_index, stream FROM projections.registry_versions WHERE leaf_index = ANY(%(leaves)s)",
        {"leaves": sorted(set(leaves))},
    )
    return dict(rows.fetchall())


def _act(row: tuple[Any, ...], id_: bytes | None = None) -> Act:
    _, leaf, recorded_us, at_us, type_, actor, role, unit, window, data, *_ = row
    said = "" if id_ is None else id_.hex()
    return Act(leaf, recorded_us, at_us, verb_of(type_), actor, role, unit, window, orjson.loads(data), said)


def _hold(spans: list[Span], at_us: int, *, closed: bool) -> None:
    if closed:
        spans[-1] = spans[-1]._replace(to_us=at_us)
    elif not spans or spans[-1].to_us is not None:
        spans.append(Span(at_us, None))


def _span(known: tuple[int, Span] | tuple[int, Span, str] | None, at_us: int, *, closed: bool) -> Span:
    spans = [] if known is None else [known[1]]
    _hold(spans, at_us, closed=closed)
    return spans[-1]


def _midnight_us(day: date) -> int:
    moment = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
    return (moment - _EPOCH) // timedelta(microseconds=1)

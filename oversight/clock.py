"""The system clock: deemed acceptance, lapses of gaps and cards, each when it is due, also when nobody asks.

Promise: each act is stated once, at the first tick after its instant, in the order of the instants; after an outage
likewise, with the time it was due beside the time it was recorded. What was stated is known from the log alone (a
card's stream is named by its case, rule and run), so a kill at any moment, a second clock or a lost hint repeats
nothing. Instants come from ``ledger.facts``.

A clock that was started or moved with effect in the past raises only the highest card passed, once. Where a clock is
recomputed (a schedule that came late, a confirmed late entry) so that a card was not due yet, its revocation is
proposed; a supervisor decides. The highest is found from the log: among the instants that lay before the moment at
which the run, as it stands, came to be known.

One tick reads the cases that changed since the last one, and those of which an instant has come. ``clock.json`` in the
data folder is a hint of how far the last tick came; without it every case is looked at once.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import structlog

from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import Conflict, MingjianError, Refused
from ledger.facts.calendar import Calendar
from ledger.facts.card_rules import (
    BeforeDue,
    Firing,
    Pack,
    PastDue,
    Rule,
    Share,
    Streak,
    Without,
    fires_at,
    firings,
    read_pack,
)
from ledger.facts.cards import stream_of
from ledger.facts.case_clocks import (
    CaseClocks,
    ClockRun,
    ItemRules,
    TimedAct,
    case_clocks,
    day_at,
    instant_at,
    parse_item,
)
from ledger.facts.clocks import SHANGHAI, Awaits, local_day
from ledger.facts.registry import CLOCK_ACTOR, Registry
from ledger.facts.types import TYPES, verb_of
from ledger.statement import StatementId, instant_text, open_statement
from ledger.store.database import Connection
from ledger.store.sequencer import now_us
from projections import cards, cases, clocks
from projections.runner import Projector, read_position, swap_lock

SAMPLES: Final = Path(__file__).parent / "packs"
_CASES: Final = 200
_POLL_S: Final = 1.0
_PAUSE_S: Final = 10.0
_HINT: Final = "clock.json"
_DAY: Final = timedelta(days=1)
_NO_RULES: Final = Pack("none", (0, 0), (), hashlib.sha256(b"").hexdigest())
log = structlog.get_logger()


def sample(name: str = "ninety") -> Pack:
    """A shipped pack: ``ninety`` or ``day-before``. They are samples: no rule of the district is known."""
    return read_pack((SAMPLES / f"{name}.json").read_bytes())


def run_clock(hall: Hall, stop: threading.Event, *, pack: Pack | None = None) -> None:
    """Tick until ``stop``. ``pack``: the rules of cards in force; without it no card is raised."""
    clock = SystemClock(hall, pack=pack)
    while not stop.is_set():
        try:
            clock.tick()
            stop.wait(_POLL_S)
        except (MingjianError, psycopg.Error) as error:
            log.warning("the system clock does not get on; trying again", error=str(error).strip())
            stop.wait(_PAUSE_S)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a tick stated: in which stream, of which type, and when it was due (µs)."""

    stream: str
    type: str
    due_us: int


@dataclass(frozen=True, slots=True, order=True)
class _Wish:
    due_us: int
    stream: str
    type: str
    values: dict[str, Any] = field(compare=False)


@dataclass(slots=True)
class _Case:
    """One case as the log has it. ``known``: run → since when it is known as it stands; ``cards``: raised on it."""

    stream: str
    version: str
    unit: str
    acts: list[TimedAct] = field(default_factory=list)
    leaves: dict[int, int] = field(default_factory=dict)  # seq → leaf
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    cards: list[dict[str, Any]] = field(default_factory=list)


class SystemClock:
    """The system clock of one ledger. ``now``: what time it is (µs)."""

    def __init__(self, hall: Hall, *, pack: Pack | None = None, now: Callable[[], int] = now_us) -> None:
        """``pack``: the rules of cards in force; without it there are only deemed acceptances and lapses."""
        self._hall = hall
        self._now = now
        self._pack = pack or _NO_RULES
        self._projector = Projector(hall.database)
        self._desk = Desk(
            door=hall.door, actor=CLOCK_ACTOR, key=hall.keyring.own("clock"), role="system_clock", clock=now
        )
        self._position: int | None = None
        self._waiting: list[tuple[int, str]] = []
        self._again: set[str] = set()
        self._rules: dict[str, ItemRules] = {}

    def tick(self) -> list[Stated]:
        """State what is due by now; returns it in order."""
        try:
            self._projector.catch_up()
            wishes, position = self._due(self._now())
            # Should we die between two of these, the next tick finds the rest still due.
            stated = [Stated(wish.stream, wish.type, wish.due_us) for wish in sorted(wishes) if self._state(wish)]
        except BaseException:
            # What was taken from the waiting ones is not lost: begin as after a start.
            self._position = None
            raise
        # What hangs on cards just raised is asked once they are in the projections.
        self._again = {wish.values["case"] for wish in wishes if wish.type == "card.raised.v1"} if stated else set()
        if position != self._position:
            (self._hall.data / _HINT).write_bytes(orjson.dumps({"position": position}))
            self._position = position
        return stated

    @property
    def pack(self) -> Pack:
        """The rules it goes by."""
        return self._pack

    def would_raise(self) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """The cards that these rules would have raised by now, and those that stand in the log, by stream.

        Validity is not applied; nothing is stated.
        """
        self._projector.catch_up()
        registry, now = self._hall.door.registry()[1], self._now()
        calendar = registry.calendar()
        would: dict[str, dict[str, Any]] = {}
        raised: dict[str, dict[str, Any]] = {}
        with self._hall.database.use("reader") as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            swap_lock(connection)
            streams = cases.streams(connection)
            for low in range(0, len(streams), _CASES):
                for case in self._load(connection, streams[low : low + _CASES]):
                    reckoned = case_clocks(self._rules_of(case, registry), case.acts, as_of_us=now, calendar=calendar)
                    found = firings(self._pack, reckoned, calendar=calendar.as_known(day_at(now)), validity=False)
                    wishes = [
                        self._card(case, firing.rule, _run_key(firing.run), _us(firing.at), firing.run)
                        for firing in passed(found, case.known, now)
                    ]
                    for wish in (*wishes, *self._patterns(case, validity=False)):
                        would[wish.stream] = {**wish.values, "fired_us": wish.due_us}
                    raised |= {card["stream"]: card for card in case.cards if card["stage"] != "revoked"}
        return would, raised

    # ------------------------------------------------------------------------------------------- what is due

    def _due(self, now: int) -> tuple[list[_Wish], int]:
        registry = self._hall.door.registry()[1]
        calendar = registry.calendar()
        wishes: list[_Wish] = []
        with self._hall.database.use("reader") as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            swap_lock(connection)
            position = read_position(connection).position
            streams = sorted(self._streams(connection, now))
            for low in range(0, len(streams), _CASES):
                for case in self._load(connection, streams[low : low + _CASES]):
                    wishes += self._of_case(connection, case, registry, calendar, now)
            wishes += self._lapses(connection, now)
        return wishes, position

    def _streams(self, connection: Connection, now: int) -> set[str]:
        """The cases to look at: changed since the last tick, an instant come; at the start also all that are open."""
        since, found = self._position, self._again
        if since is None:
            since = self._hint()
            found |= clocks.running(connection)
        while self._waiting and self._waiting[0][0] <= now:
            found.add(heapq.heappop(self._waiting)[1])
        return found | clocks.changed_since(connection, since)

    def _hint(self) -> int:
        try:
            return int(orjson.loads((self._hall.data / _HINT).read_bytes())["position"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _load(self, connection: Connection, streams: Sequence[str]) -> Iterator[_Case]:
        found = {row[0]: _Case(*row) for row in cases.rules_of(connection, streams)}
        for stream, leaf, act in cases.timed_acts(connection, streams):
            found[stream].acts.append(act)
            found[stream].leaves[act.seq] = leaf
        self._load_known(connection, found)
        for card in cards.cards_of(connection, streams):
            found[card["case"]].cards.append(card)
        return iter(found.values())

    def _load_known(self, connection: Connection, found: dict[str, _Case]) -> None:
        """Since when each run is known as it stands: the leaf from which its start, limit and due are what they are."""
        since: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]] = {}
        for stream, clock, branch, step, number, leaf, *values in clocks.run_versions(connection, list(found)):
            key = (stream, clock, branch or None, step or None, number)
            if key not in since or since[key][1] != tuple(values):
                since[key] = leaf, tuple(values)
        recorded = self._hall.reader.recorded_us(sorted({leaf for leaf, _ in since.values()}))
        for (stream, *run), (leaf, _) in since.items():
            found[stream].known[tuple(run)] = recorded[leaf]

    def _of_case(
        self, connection: Connection, case: _Case, registry: Registry, calendar: Calendar, now: int
    ) -> Iterator[_Wish]:
        rules, view = self._rules_of(case, registry), calendar.as_known(day_at(now))
        reckoned = case_clocks(rules, case.acts, as_of_us=now, calendar=calendar)
        yield from self._deemed(case, reckoned, now)
        found = firings(self._pack, reckoned, calendar=view)
        coming = [_us(firing.at) for firing in found]
        coming += [deemed_at(run) for run in reckoned.runs if run.clock == "gap_notice" and run.due.known]
        ahead = [moment for moment in coming if moment > now]
        if ahead:
            heapq.heappush(self._waiting, (min(ahead), case.stream))
        raised = {card["stream"] for card in case.cards}
        for firing in passed(found, case.known, now):
            wish = self._card(case, firing.rule, _run_key(firing.run), _us(firing.at), firing.run)
            if wish.stream not in raised:
                yield wish
        for wish in (*self._patterns(case), *self._streaks(connection, case, reckoned)):
            if wish.stream not in raised:
                yield wish
        yield from self._revocations(case, rules, calendar, now)

    def _rules_of(self, case: _Case, registry: Registry) -> ItemRules:
        if case.version not in self._rules:
            version = registry.item_versions[StatementId(bytes.fromhex(case.version))]
            self._rules[case.version] = parse_item(version.data)
        return self._rules[case.version]

    def _deemed(self, case: _Case, reckoned: CaseClocks, now: int) -> Iterator[_Wish]:
        """Nobody told gaps within the notice: accepted since its receipt."""
        for run in reckoned.runs:
            if run.clock != "gap_notice" or run.stopped is not None or run.due.at is None:
                continue
            if deemed_at(run) <= now:
                values = {"received": local_day(run.started).isoformat(), "due": _due_day(run).isoformat()}
                yield _Wish(deemed_at(run), case.stream, "approval.deemed_accepted.v1", values)

    def _lapses(self, connection: Connection, now: int) -> Iterator[_Wish]:
        """Gaps that were not filled by their day."""
        for stream, last in cases.gaps_to_lapse(connection, day=day_at(now)):
            yield _Wish(_day_after(last), stream, "approval.gaps_lapsed.v1", {"fill_by": last.isoformat()})

    def _card(self, case: _Case, rule: Rule, run: tuple[Any, ...], fired_us: int, of: ClockRun | None = None) -> _Wish:
        clock, branch, step, number = run
        values = {
            "case": case.stream,
            "rule": rule.id,
            "colour": str(rule.colour),
            "pack": self._pack.name,
            "version": rule.version,
            "rules": self._pack.sha256,
            "unit": case.unit,
            "clock": clock,
            "branch": branch,
            "step": step,
            "run": number,
            "due": None if of is None or of.last_instant is None else instant_text(_us(of.last_instant)),
            "fired": instant_text(fired_us),
        }
        return _Wish(fired_us, stream_of(case.stream, rule.id, *run), "card.raised.v1", values)

    def _patterns(self, case: _Case, *, validity: bool = True) -> Iterator[_Wish]:
        """Statements that lack what a rule wants them to have."""
        for rule in self._pack.rules:
            if not isinstance(rule.when, Without):
                continue
            sealed = set(TYPES[rule.when.type].sealed)
            for act in case.acts:
                if act.type != rule.when.type or (validity and not rule.holds_on(day_at(act.known_us))):
                    continue
                lacks = not any(name in act.data for name in rule.when.fields)
                if lacks and sealed.intersection(rule.when.fields):
                    leaf = case.leaves[act.seq]
                    lacks = not open_statement(self._hall.reader.entries(leaf, leaf + 1)[0].entry).sd
                if lacks:
                    yield self._card(case, rule, (None, None, None, act.seq), act.known_us)

    def _streaks(self, connection: Connection, case: _Case, reckoned: CaseClocks) -> Iterator[_Wish]:
        """The unit's last promise cases to stop each had that card."""
        stopped = reckoned.latest("promise")
        for rule in self._pack.rules:
            if not isinstance(rule.when, Streak) or stopped is None or stopped.stopped is None:
                continue
            at = _us(stopped.stopped)
            of, many = rule.when.rule, rule.when.cases
            had = cards.last_promises(connection, unit=case.unit, rule=of, until_us=at, limit=many)
            if len(had) == many and all(had) and rule.holds_on(day_at(at)):
                yield self._card(case, rule, _run_key(stopped), at, stopped)

    def _revocations(self, case: _Case, rules: ItemRules, calendar: Calendar, now: int) -> Iterator[_Wish]:
        """Cards that were not due when they were raised, as one reckons now."""
        by_id = {rule.id: rule for rule in self._pack.rules}
        for card in case.cards:
            rule = by_id.get(card["rule"])
            if rule is None or rule.version != card["version"] or card["stage"] == "revoked" or card["proposed"]:
                continue
            run = (card["clock"], card["branch"], card["step"], card["run"])
            if not isinstance(rule.when, Share | BeforeDue | PastDue):
                continue
            at = recomputed(case.acts, rules, rule, run, self._pack, calendar, card["raised_us"], now)
            if at is None or at > card["fired_us"]:
                values = {"reason": "recomputed", "fires": None if at is None else instant_text(at)}
                yield _Wish(now, card["stream"], "card.revocation_proposed.v1", values)

    # ------------------------------------------------------------------------------------------- stating it

    def _state(self, wish: _Wish) -> bool:
        request = hashlib.sha256(f"{wish.type}\n{wish.stream}\n{wish.due_us}".encode()).hexdigest()[:32]
        try:
            self._desk.say(wish.stream, wish.type, wish.values, request=request)
        except (Refused, Conflict) as error:
            # Somebody was faster: the case moved on, or another clock stated it. If it is still due, it comes again.
            log.info("not stated", stream=wish.stream, type=wish.type, why=str(error))
            return False
        return True


def deemed_at(run: ClockRun) -> int:
    """When an application is deemed accepted (µs): the day after the notice of gaps was due, as the law counts days."""
    return _day_after(_due_day(run))


def _due_day(run: ClockRun) -> date:
    assert run.due.at is not None
    return local_day(run.due.at) if isinstance(run.due.at, datetime) else run.due.at


def _day_after(day: date) -> int:
    return _us(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + _DAY)


def passed(found: Iterable[Firing], known: dict[tuple[Any, ...], int], now: int) -> list[Firing]:
    """Of a case's instants up to ``now``, the cards to raise: of those already past when their run came to be known
    as it stands, only the highest of each such moment.
    """
    usual: list[Firing] = []
    late: dict[int, list[Firing]] = defaultdict(list)
    for firing in found:
        if _us(firing.at) > now:
            continue
        since = known.get(_run_key(firing.run), 0)
        if _us(firing.at) <= since:
            late[since].append(firing)
        else:
            usual.append(firing)
    highest = [max(firings_, key=lambda firing: firing.height) for firings_ in late.values()]
    return sorted([*usual, *highest], key=lambda firing: firing.at)


def recomputed(
    acts: Sequence[TimedAct],
    rules: ItemRules,
    rule: Rule,
    run: tuple[Any, ...],
    pack: Pack,
    calendar: Calendar,
    raised_us: int,
    now: int,
) -> int | None:
    """When a raised card was due (µs), by what is known now of what had happened then; None: not at all.

    What happened after the card (a pause, an extension, a decision) does not undo it; a schedule that came late and a
    late entry that was confirmed do.
    """
    confirmed = {act.data["seq"] for act in acts if verb_of(act.type) == "late_entry_confirmed"}
    then = [
        act
        for act in acts
        if act.known_us <= raised_us or act.seq in confirmed or verb_of(act.type) == "late_entry_confirmed"
    ]
    reckoned = case_clocks(rules, then, as_of_us=now, calendar=calendar)
    assert isinstance(rule.when, Share | BeforeDue | PastDue)
    for found in reckoned.runs:
        if _run_key(found) == run:
            if found.due.awaits is Awaits.PAUSE_END:
                return raised_us  # a pause that is open at most delays what comes after it
            at = fires_at(rule.when, found, calendar=calendar.as_known(day_at(now)), opens=pack.opens)
            return None if at is None or (found.stopped is not None and found.stopped < at) else _us(at)
    return None


def _run_key(run: ClockRun) -> tuple[Any, ...]:
    return (run.clock, run.branch, run.step, run.number)


_EPOCH: Final = instant_at(0)
_MICROSECOND: Final = timedelta(microseconds=1)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


__all__ = ["SAMPLES", "Stated", "SystemClock", "deemed_at", "passed", "recomputed", "run_clock", "sample"]

"""The system clock: what is due by law and by rule is stated when it is due, also when nobody asks.

Promise: each act is stated once, at the first tick after its instant, in the order of the instants; after an outage
likewise, with the time it was due beside the time it was recorded. What is due says ``ledger.facts.duties``, by the
cases, the calendar and the rule packs that the log holds and by nothing else. What was stated is known from the log
alone (a card's stream is named by its case, rule and run), so a kill at any moment, a second clock or a lost hint
repeats nothing.

Beside these duties it states that a schedule of working days moved what is due, and proposes to revoke a card that was
not due when it was raised, as one reckons by now; a supervisor decides.

One tick reads the cases that changed since the last one, and those of which an instant has come; when other rules are
in force, all of which a clock runs. ``clock.json`` in the data folder is a hint of how far the last tick came; without
it every case is looked at once.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import structlog

from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import Conflict, MingjianError, Refused
from ledger.facts.calendar import Calendar, YearSchedule
from ledger.facts.card_rules import Adopted, ClockWhen, Pack, firings, in_force, trading_rules
from ledger.facts.case_clocks import ItemRules, TimedAct, day_at, parse_item, us_of
from ledger.facts.duties import (
    Duty,
    RunKey,
    Seen,
    card,
    case_duties,
    day_after,
    expiry,
    known_since,
    lapse,
    missed,
    passed,
    patterns,
    reckon,
    recomputed,
    run_key,
    unbegun,
)
from ledger.facts.registry import CLOCK_ACTOR, Registry
from ledger.facts.trading_clocks import TradingRules
from ledger.statement import StatementId, instant_text, open_statement
from ledger.store.database import Connection
from ledger.store.sequencer import now_us
from projections import cards, cases, clocks, lapses, registries, tickets, trades
from projections.runner import Projector, read_position, unmoved

SAMPLES: Final = Path(__file__).parent / "packs"
_CASES: Final = 200
_POLL_S: Final = 1.0
_PAUSE_S: Final = 10.0
_HINT: Final = "clock.json"
_LAPSES: Final = {"appointment": missed, "reservation": unbegun}
log = structlog.get_logger()


def sample(name: str = "ninety") -> bytes:
    """The file of a shipped pack: ``ninety``, ``day-before``, ``trading``. Samples all: no rule of ours is known."""
    return (SAMPLES / f"{name}.json").read_bytes()


def run_clock(hall: Hall, stop: threading.Event) -> None:
    """Tick until ``stop``."""
    clock = SystemClock(hall, stop=stop)
    while not stop.is_set():
        try:
            clock.tick()
            stop.wait(_POLL_S)
        except _StoppedError:
            return
        except (MingjianError, psycopg.Error) as error:
            # It stays visible: pages show their position, and /metrics how far behind it is.
            log.warning("the system clock does not get on; trying again", error=str(error).strip())
            stop.wait(_PAUSE_S)


class _StoppedError(Exception):
    """Told to stop within a tick: the next start finds the rest."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a tick stated: in which stream, of which type, and when it was due (µs)."""

    stream: str
    type: str
    due_us: int


@dataclass(slots=True)
class _Case:
    """One case as the log has it. ``known``: run → since when it is known as it stands; ``cards``: raised on it;
    ``rules``: of a trading procedure, which no item stands behind.
    """

    stream: str
    version: str
    unit: str
    acts: list[TimedAct] = field(default_factory=list)
    leaves: dict[int, int] = field(default_factory=dict)  # seq → leaf
    known: dict[RunKey, int] = field(default_factory=dict)
    cards: list[dict[str, Any]] = field(default_factory=list)
    rules: TradingRules | None = None


class SystemClock:
    """The system clock of one ledger. ``now``: what time it is (µs)."""

    def __init__(self, hall: Hall, *, now: Callable[[], int] = now_us, stop: threading.Event | None = None) -> None:
        """Nothing is read yet. ``stop``: ends a tick on its way, as a kill would."""
        self._hall = hall
        self._stop = stop or threading.Event()
        self._now = now
        self._projector = Projector(hall.database)
        self._desk = Desk(
            door=hall.door, actor=CLOCK_ACTOR, key=hall.keyring.own("clock"), role="system_clock", clock=now
        )
        self._position: int | None = None
        self._waiting: list[tuple[int, str]] = []
        self._again: set[str] = set()
        self._adopted: list[Adopted] = []
        self._moved_from = 0  # schedules before that leaf moved nothing that was not stated
        self._rules: dict[str, ItemRules] = {}

    def tick(self) -> list[Stated]:
        """State what is due by now; returns it in order."""
        try:
            self._projector.catch_up(stop=self._stop)
            duties, position = self._due(self._now())
            # Should we die between two of these, the next tick finds the rest still due.
            stated = [Stated(duty.stream, duty.type, duty.due_us) for duty in sorted(duties) if self._state(duty)]
        except BaseException:
            # What was taken from the waiting ones is not lost: begin as after a start.
            self._position = None
            raise
        # What hangs on cards just raised is asked once they are in the projections.
        self._again = {duty.values["case"] for duty in duties if duty.type == "card.raised.v1"} if stated else set()
        if position != self._position:
            (self._hall.data / _HINT).write_bytes(orjson.dumps({"position": position}))
            self._position = position
        return stated

    def would_raise(self, pack: Pack) -> Iterator[tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]]:
        """The cards that ``pack`` would have raised by now had it always been in force, and those that stand in the
        log, by stream; some cases at a time, each of them once.

        Validity is not applied; nothing is stated.
        """
        self._projector.catch_up()
        registry, now, always = self._hall.door.registry()[1], self._now(), Adopted(pack)
        calendar = registry.calendar()
        with self._hall.database.use("reader") as connection, unmoved(connection):
            streams = cases.streams(connection) + trades.streams(connection)
            for low in range(0, len(streams), _CASES):
                would: dict[str, dict[str, Any]] = {}
                raised: dict[str, dict[str, Any]] = {}
                for case in self._load(connection, streams[low : low + _CASES], trading_rules([pack])):
                    seen = self._seen(case, registry)
                    reckoned = reckon(seen.rules, case.acts, as_of_us=now, calendar=calendar)
                    found = firings(always, reckoned, calendar=calendar.as_known(day_at(now)), validity=False)
                    duties = [
                        card(seen, pack, each.rule, run_key(each.run), us_of(each.at), of=each.run, by_us=0)
                        for each in passed(found, case.known, now)
                    ]
                    for duty in (*duties, *patterns(seen, [always], validity=False)):
                        would[duty.stream] = {**duty.values, "fired_us": duty.due_us}
                    raised |= {one["stream"]: one for one in case.cards if one["stage"] != "revoked"}
                yield would, raised

    # ------------------------------------------------------------------------------------------- what is due

    def _due(self, now: int) -> tuple[list[Duty], int]:
        registry = self._hall.door.registry()[1]
        calendar = registry.calendar()
        duties: list[Duty] = []
        with self._hall.database.use("reader") as connection, unmoved(connection):
            position = read_position(connection).position

            def streaks(unit: str, rule: str, until_us: int, many: int) -> list[bool]:
                return cards.last_promises(connection, unit=unit, rule=rule, until_us=until_us, limit=many)

            streams = sorted(self._streams(connection, now))
            trading = trading_rules(each.pack for each in self._adopted)
            for low in range(0, len(streams), _CASES):
                for case in self._load(connection, streams[low : low + _CASES], trading):
                    self._check_stop()
                    seen = self._seen(case, registry)
                    found = case_duties(seen, self._adopted, calendar=calendar, now_us=now, streaks=streaks)
                    if found.next_us is not None:
                        heapq.heappush(self._waiting, (found.next_us, case.stream))
                    duties += found.due
                    duties += self._revocations(case, seen.rules, calendar, now)
            duties += [lapse(*each) for each in cases.gaps_to_lapse(connection, day=day_at(now))]
            today_us = day_after(day_at(now) - timedelta(days=1))
            duties += [expiry(*each) for each in tickets.taken_before(connection, today_us)]
            duties += [_LAPSES[kind](stream, over_us) for stream, kind, over_us in lapses.due(connection, now)]
            duties += self._recomputed(connection, position)
        return duties, position

    def _streams(self, connection: Connection, now: int) -> set[str]:
        """The cases to look at: changed since the last tick, an instant come; at the start also all that are open."""
        since, found = self._position, self._again
        adopted = in_force(
            (row["stream"], row["type"], row["data"], row["recorded_us"])
            for row in registries.published(connection, "rulepack")
        )
        if since is None or adopted != self._adopted:
            found |= clocks.running(connection) | set(trades.opened(connection))
            self._adopted = adopted
        if since is None:
            since = self._hint()
        while self._waiting and self._waiting[0][0] <= now:
            found.add(heapq.heappop(self._waiting)[1])
        return found | clocks.changed_since(connection, since)

    def _hint(self) -> int:
        try:
            return int(orjson.loads((self._hall.data / _HINT).read_bytes())["position"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _load(self, connection: Connection, streams: Sequence[str], trading: TradingRules) -> Iterator[_Case]:
        procedures = [stream for stream in streams if stream.startswith("trading/")]
        yield from self._load_trades(connection, procedures, trading)
        streams = [stream for stream in streams if not stream.startswith("trading/")]
        found = {row[0]: _Case(*row) for row in cases.rules_of(connection, streams)}
        for stream, leaf, act in cases.timed_acts(connection, streams):
            found[stream].acts.append(act)
            found[stream].leaves[act.seq] = leaf
        self._load_known(connection, found)
        for one in cards.cards_of(connection, streams):
            found[one["case"]].cards.append(one)
        yield from found.values()

    def _load_trades(self, connection: Connection, streams: Sequence[str], rules: TradingRules) -> Iterator[_Case]:
        if not streams:
            return
        found: dict[str, _Case] = {}
        for stream, leaf, act in trades.timed_acts(connection, streams):
            case = found.get(stream)
            if case is None:
                case = found[stream] = _Case(stream, "", act.data["buyer"], rules=rules)
            case.acts.append(act)
            case.leaves[act.seq] = leaf
        for one in cards.cards_of(connection, streams):
            found[one["case"]].cards.append(one)
        schedules = [
            (row["recorded_us"], YearSchedule.from_json(row["data"]))
            for row in registries.published(connection, "calendar")
        ]
        for case in found.values():
            case.known = known_since(rules, case.acts, schedules)
            yield case

    def _load_known(self, connection: Connection, found: dict[str, _Case]) -> None:
        """Since when each run is known as it stands: the leaf from which its start, limit and due are what they are."""
        since: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]] = {}
        for stream, clock, branch, step, number, leaf, *values in clocks.run_versions(connection, list(found)):
            key = (stream, clock, branch or None, step or None, number)
            if key not in since or since[key][1] != tuple(values):
                since[key] = leaf, tuple(values)
        recorded = self._hall.reader.recorded_us(sorted({leaf for leaf, _ in since.values()}))
        for (stream, clock, branch, step, number), (leaf, _) in since.items():
            found[stream].known[clock, branch, step, number] = recorded[leaf]

    def _seen(self, case: _Case, registry: Registry) -> Seen:
        if case.rules is None and case.version not in self._rules:
            version = registry.item_versions[StatementId(bytes.fromhex(case.version))]
            self._rules[case.version] = parse_item(version.data)
        return Seen(
            stream=case.stream,
            unit=case.unit,
            rules=case.rules or self._rules[case.version],
            acts=case.acts,
            raised=frozenset(one["stream"] for one in case.cards),
            known=lambda: case.known,
            sealed=lambda seq: self._seals(case.leaves[seq]),
        )

    def _seals(self, leaf: int) -> bool:
        return bool(open_statement(self._hall.reader.entries(leaf, leaf + 1)[0].entry).sd)

    def _revocations(
        self, case: _Case, rules: ItemRules | TradingRules, calendar: Calendar, now: int
    ) -> Iterator[Duty]:
        """Cards that were not due when they were raised, as one reckons now."""
        known = {(rule.id, rule.version): (rule, each.pack) for each in self._adopted for rule in each.pack.rules}
        for one in case.cards:
            rule, pack = known.get((one["rule"], one["version"]), (None, None))
            if rule is None or pack is None or one["stage"] == "revoked" or one["proposed"]:
                continue
            if not isinstance(rule.when, ClockWhen):
                continue
            run = (one["clock"], one["branch"], one["step"], one["run"])
            at = recomputed(case.acts, rules, rule, run, pack, calendar, one["raised_us"], now)
            if at is None or at > one["fired_us"]:
                values = {"reason": "recomputed", "fires": None if at is None else instant_text(at)}
                yield Duty(now, one["stream"], "card.revocation_proposed.v1", values)

    def _recomputed(self, connection: Connection, position: int) -> Iterator[Duty]:
        """Cases of which a schedule of working days moved or settled a due date, and which does not say so yet."""
        moved: dict[tuple[str, str], Duty] = {}
        for row in clocks.moved_by_schedule(connection, since=self._moved_from):
            values = {"reason": "calendar", "calendar": row["calendar"], "runs": {}}
            duty = Duty(row["recorded_us"], row["stream"], "approval.clocks_recomputed.v1", values)
            runs = moved.setdefault((row["stream"], row["calendar"]), duty).values["runs"]
            run = "/".join(str(row[name]) for name in ("clock", "branch", "step", "number"))
            runs[run] = [None if us is None else instant_text(us) for us in (row["before_us"], row["after_us"])]
        if not moved:
            self._moved_from = position
        return iter(moved.values())

    # ------------------------------------------------------------------------------------------- stating it

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _state(self, duty: Duty) -> bool:
        self._check_stop()
        cause = duty.values.get("calendar", "")
        request = hashlib.sha256(f"{duty.type}\n{duty.stream}\n{duty.due_us}{cause}".encode()).hexdigest()[:32]
        try:
            outcome = self._desk.say(duty.stream, duty.type, duty.values, request=request)
        except (Refused, Conflict) as error:
            # Somebody was faster: the case moved on, or another clock stated it. If it is still due, it comes again.
            log.info("not stated", stream=duty.stream, type=duty.type, why=str(error))
            return False
        # What was stated and has no place in the tree yet is still due as far as one reads.
        return not outcome.repeated

"""The clocks on an approval: which runs there are, what held them, when each is due and how it stands.

Promise: the same item, acts, calendar and moment give the same answer anywhere. Nothing here reads a clock; a
figure that needs a calendar year not known then is ``None`` or "not yet known", never a guess.

An item's ``clocks`` say all there is to say. Name → object, every member but ``limit`` optional::

    {"statutory": {"limit": 20, "unit": "working-day", "start": "accepted", "last_instant": "24:00",
                   "roll": true, "pauses": ["hearing"], "extend": {"days": 10, "times": 1},
                   "branch_pauses": false},
     "joint":     {"limit": 45, "extend": {"days": 15, "times": 1}}, "promise": {"limit": 3}}

    clock       runs from                                    to
    statutory   its start rule                               decided
    joint       as statutory, in whose place it stands       decided
                once the case has branches
    promise     its start rule                               decided
    gap_notice  each receipt of papers (applied, supplied)   told, accepted in any way, refused
    branch      branch opened                                branch finished
    step        step started                                 step finished
    delivery    decided                                      delivered

Withdrawal, lapsed gaps, refusal and closing stop whatever runs. Reopening starts statutory (or joint) and promise
again as a new run, or the notice of gaps if the case had never been accepted.

- Start rules: ``applied`` · ``accepted`` (any acceptance; a deemed one from the receipt of the papers) ·
  ``complete`` (accepted with nothing missing, or the last gap filled). Default ``accepted``.
- ``pauses``: the kinds that hold the clock. statutory, joint and branch know the law's eight unless they say
  otherwise, the others none. ``missing_document`` holds from acceptance with gaps to the last gap filled.
- A pause may name the clocks it holds (else: all that know its kind). A branch's pause holds what runs in the
  branch, and a clock of the whole case only if that clock says ``branch_pauses``.
- ``extend``: by at most so many units, at most so often in a run. Without it the clock cannot be extended.

Which time decides: a claimed time within the item's grace (``grace_minutes``, 5 unless given) of the recorded one
counts as claimed; further off, the recorded time decides and the act is flagged A2. From a second person's
confirmation on, the claimed time of a late entry decides all the same. A statement not yet in the tree has only its
claim. A pause, extension or joint review *recorded* after the due instant never moves it, confirmed or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, Protocol

from ledger.errors import Malformed
from ledger.facts.calendar import Calendar, CalendarUnknown, WorkingDays
from ledger.facts.clocks import (
    Awaits,
    ClockSpec,
    Due,
    Pause,
    Unit,
    due,
    elapsed,
    last_instant_of,
    local_day,
    may_still_move,
)
from ledger.facts.types import check_value, verb_of
from ledger.facts.upcasts import current_form
from ledger.statement import Statement

LEGAL_PAUSES: Final = frozenset(
    {"hearing", "tender", "auction", "inspection", "test", "quarantine", "appraisal", "expert_review"}
)
MISSING_DOCUMENT: Final = "missing_document"

# Clocks of the whole case: only these have a start rule of the item's choice and can be extended.
WHOLE_CASE: Final = ("statutory", "joint", "promise")
CLOCK_NAMES: Final = frozenset({*WHOLE_CASE, "gap_notice", "branch", "step", "delivery"})
START_RULES: Final = frozenset({"applied", "accepted", "complete"})

_KNOW_LEGAL_PAUSES: Final = frozenset({"statutory", "joint", "branch"})
_MEMBERS: Final = frozenset({"limit", "unit", "start", "last_instant", "roll", "pauses", "extend", "branch_pauses"})
_LONGEST: Final = 3_650  # of any unit: a longer limit is a slip, and would run off the calendar
_GRACE_MINUTES: Final = 5
_MAX_GRACE_MINUTES: Final = 24 * 60
_GAP_DAYS: Final = 15
_MAX_GAP_DAYS: Final = 366
_MINUTE_US: Final = 60_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_YEARS: Final = range(2, 9999)  # a local day and its neighbours exist in all of these


# ── Item data ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ItemClock:
    """One clock of an item, as its data says."""

    name: str
    spec: ClockSpec
    start: str
    pauses: frozenset[str]
    branch_pauses: bool
    extend_by: int  # in the clock's units; 0: not at all
    extend_times: int


class ClockData(Protocol):
    """What the clocks of a matter are reckoned by: an item's rules, or a pack's for trading."""

    @property
    def clocks(self) -> Mapping[str, ItemClock]:
        """Name → clock."""

    @property
    def grace_us(self) -> int:
        """How far a claimed time may be off and still counts."""


@dataclass(frozen=True, slots=True)
class ItemRules:
    """What an item says about the handling of its cases."""

    unit: str
    on_the_spot: bool
    clocks: Mapping[str, ItemClock]
    grace_us: int
    gap_days: int  # working days from an acceptance with gaps to the last day on which they may be filled
    fees: frozenset[tuple[str | None, int]] = frozenset()  # the schedule: (code, fen); None: the one that has no code
    steps: tuple[str, ...] = ()  # mandatory, in their order

    @property
    def pauses(self) -> frozenset[str]:
        """The kinds for which a case of this item may be suspended."""
        named = frozenset[str]().union(*(clock.pauses for clock in self.clocks.values()))
        return (LEGAL_PAUSES | named) - {MISSING_DOCUMENT}


def parse_item(data: Mapping[str, Any]) -> ItemRules:
    """The rules in an item's data, or Malformed with the first thing that is wrong."""
    if data["handling"] not in ("on_the_spot", "promise"):
        raise Malformed(f"an item is handled on_the_spot or promise, not {data['handling']!r}", code="item-handling")
    grace = data.get("grace_minutes", _GRACE_MINUTES)
    if grace > _MAX_GRACE_MINUTES:
        raise Malformed(f"a grace of {grace} minutes is over a day", code="item-grace")
    gap_days = data.get("gap_days", _GAP_DAYS)
    if not 1 <= gap_days <= _MAX_GAP_DAYS:
        raise Malformed(f"gaps are filled within 1 to {_MAX_GAP_DAYS} working days, not {gap_days}", code="item-gaps")
    steps = tuple(data.get("steps", ()))
    if len(set(steps)) < len(steps):
        raise Malformed("an item names each of its steps once", code="item-steps", mend="leave the second one out")
    clocks = {name: parse_clock(name, raw) for name, raw in data["clocks"].items()}
    if "joint" in clocks and "statutory" not in clocks:
        raise Malformed("a joint clock stands in the place of a statutory one: give both", code="item-clock")
    on_the_spot = data["handling"] == "on_the_spot"
    if on_the_spot and "promise" in clocks:
        raise Malformed("an item handled on the spot has no promise clock", code="item-clock")
    return ItemRules(
        unit=data["unit"],
        on_the_spot=on_the_spot,
        clocks=clocks,
        grace_us=grace * _MINUTE_US,
        gap_days=gap_days,
        fees=_parse_fees(data),
        steps=steps,
    )


def _parse_fees(data: Mapping[str, Any]) -> frozenset[tuple[str | None, int]]:
    schedule = data.get("fees", {})
    if not all(check_value("code", code) and check_value("fen", fen) for code, fen in schedule.items()):
        raise Malformed(
            "a schedule of fees is a code and whole fen for each", code="item-fees", mend='write {"copy": 500}'
        )
    one = {(None, data["fee_fen"])} if "fee_fen" in data else set[tuple[str | None, int]]()
    return frozenset({*schedule.items(), *one})


def last_fill_day(rules: ItemRules, accepted_on: date, calendar: WorkingDays) -> date:
    """The last day on which the gaps of a case accepted that day may be filled (CalendarUnknown beyond its end)."""
    found = due(ClockSpec(rules.gap_days), accepted_on, calendar=calendar).at
    assert found is not None
    return found


def parse_clock(
    name: str, raw: Any, *, names: Collection[str] = CLOCK_NAMES, members: frozenset[str] = _MEMBERS
) -> ItemClock:
    """One clock of an item's or a pack's data, or Malformed. ``names`` and ``members``: those that it may have."""

    def wrong(why: str) -> Malformed:
        return Malformed(f"clock {name!r:.80}: {why}", code="item-clock", clock=name[:80])

    def whole(value: Any, what: str) -> int:
        if type(value) is not int or not 1 <= value <= _LONGEST:
            raise wrong(f"{what} is a whole number from 1 to {_LONGEST}")
        return value

    if name not in names:
        raise wrong(f"known clocks are {', '.join(sorted(names))}")
    if not isinstance(raw, dict) or "limit" not in raw or not raw.keys() <= members:
        raise wrong(f"a clock has a limit and perhaps {', '.join(sorted(members - {'limit'}))}")
    if raw.get("unit", Unit.WORKING_DAY) not in list(Unit):
        raise wrong(f"its unit is one of {', '.join(Unit)}")
    for member in ("roll", "branch_pauses"):
        if type(raw.get(member, True)) is not bool:
            raise wrong(f"{member} is true or false")
    if not isinstance(raw.get("last_instant", "24:00"), str):
        raise wrong("last_instant is a time of day HH:MM")
    spec = ClockSpec(
        limit=whole(raw["limit"], "its limit"),
        unit=Unit(raw.get("unit", Unit.WORKING_DAY)),
        roll=raw.get("roll", True),
        last_instant=raw.get("last_instant", "24:00"),
    )
    start = raw.get("start", "accepted")
    if start not in sorted(START_RULES) or ("start" in raw and name not in ("statutory", "promise")):
        raise wrong("statutory and promise may start at applied, accepted or complete; the others' is fixed")
    pauses = raw.get("pauses", sorted(LEGAL_PAUSES) if name in _KNOW_LEGAL_PAUSES else [])
    if not isinstance(pauses, list) or not all(isinstance(kind, str) for kind in pauses):
        raise wrong("pauses is a list of kinds")
    extend = raw.get("extend")
    by = times = 0
    if extend is not None:
        if name not in WHOLE_CASE or not isinstance(extend, dict) or extend.keys() != {"days", "times"}:
            raise wrong("statutory, joint and promise may say extend: days and times")
        by, times = whole(extend["days"], "extend.days"), whole(extend["times"], "extend.times")
    return ItemClock(
        name=name,
        spec=spec,
        start=start,
        pauses=frozenset(pauses),
        branch_pauses=raw.get("branch_pauses", False),
        extend_by=by,
        extend_times=times,
    )


# ── Moments ────────────────────────────────────────────────────────────────────────────────────────────────


def instant_at(us: int) -> datetime:
    """The aware instant of a count of microseconds since 1970 (Malformed where no local day exists)."""
    try:
        moment = _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        moment = None
    if moment is None or moment.year not in _YEARS:
        raise Malformed("the time lies outside the years 2 to 9998", code="instant")
    return moment


def us_of(moment: datetime) -> int:
    """The count of microseconds since 1970 at an aware instant."""
    return (moment - _EPOCH) // _MICROSECOND


def day_at(us: int) -> date:
    """The local day (Asia/Shanghai) of a count of microseconds since 1970."""
    return local_day(instant_at(us))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedAct:
    """An act of the case with its two times. ``recorded_us``: None while it is not in the tree."""

    seq: int
    type: str
    data: dict[str, Any]
    claimed_us: int
    recorded_us: int | None

    @classmethod
    def of(cls, act: Statement, recorded_us: int | None) -> TimedAct:
        """The act of a statement."""
        return cls(seq=act.seq, type=act.type, data=act.data, claimed_us=act.at_us, recorded_us=recorded_us)

    @property
    def known_us(self) -> int:
        """From when on the act was on record."""
        return self.claimed_us if self.recorded_us is None else self.recorded_us

    def decides_us(self, grace_us: int) -> int:
        """The time that counts for the clocks."""
        return self.claimed_us if abs(self.known_us - self.claimed_us) <= grace_us else self.known_us


# ── The answer ─────────────────────────────────────────────────────────────────────────────────────────────


class ClockState(StrEnum):
    """How a run stands at the moment asked about."""

    RUNNING = "running"
    PAUSED = "paused"
    OVERDUE = "overdue"
    STOPPED_IN_TIME = "stopped_in_time"
    STOPPED_LATE = "stopped_late"
    STOPPED_EARLY = "stopped_early"  # of a least time, told ahead when it would end
    NOT_YET_KNOWN = "not_yet_known"  # past the bound, and the year's schedule is still missing


@dataclass(frozen=True, slots=True)
class Held:
    """A pause as it held one run. ``seq``: of the act that began it."""

    kind: str
    branch: str | None
    seq: int
    pause: Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRun:
    """One run of one clock. Days are local days, instants UTC; ``limit`` includes the extension."""

    clock: str
    number: int  # 1, 2, … of this clock, in this branch and step
    branch: str | None
    step: str | None
    spec: ClockSpec
    started: datetime
    held: tuple[Held, ...]
    extension: int
    limit: int
    due: Due
    last_instant: datetime | None  # None while the due date is not known
    stopped: datetime | None
    elapsed: int | Fraction | None  # at the stop, else at the moment asked; None: needs a missing year
    state: ClockState
    too_late: tuple[int, ...]  # seq of pauses and extensions recorded past the due: they moved nothing
    told: bool = False  # a least time (``trading_clocks``): ``stopped`` was told ahead, and may still lie ahead
    short: datetime | None = None  # of such: when it was first told that less than the limit is left


@dataclass(frozen=True, slots=True)
class BackDated:
    """Flag A2: an act whose claimed time is off by more than the grace, or earlier than an act's before it."""

    seq: int
    claimed_us: int
    recorded_us: int | None
    off_grace: bool
    confirmed: bool  # a late entry whose claimed time a second person confirmed


@dataclass(frozen=True, slots=True)
class CaseClocks:
    """All runs of a case, in the order in which they started, and its back-dated acts."""

    runs: tuple[ClockRun, ...]
    back_dated: tuple[BackDated, ...]

    def latest(self, clock: str, *, branch: str | None = None, step: str | None = None) -> ClockRun | None:
        """The newest run of a clock (in that branch and step), or None."""
        mine = [r for r in self.runs if (r.clock, r.branch, r.step) == (clock, branch, step)]
        return mine[-1] if mine else None


def case_clocks(
    item: ClockData,
    acts: Iterable[TimedAct],
    *,
    as_of_us: int,
    calendar: Calendar,
    known_on: date | None = None,
    fold: type[Fold] | None = None,
) -> CaseClocks:
    """The clocks of a case as of a recorded moment: acts recorded later are left out.

    ``acts``: the case's valid acts in ``seq`` order. ``known_on``: the calendar as known on that day, the
    moment's own unless given. ``fold``: how acts move clocks, an approval's unless given.
    """
    folded = _folded(fold or Fold, item, [act for act in acts if act.known_us <= as_of_us], calendar)
    view, as_of = calendar.as_known(known_on or day_at(as_of_us)), instant_at(as_of_us)
    return CaseClocks(
        runs=tuple(_answer(run, as_of, view) for run in folded.runs),
        back_dated=tuple(folded.back_dated),
    )


class ClocksByAct:
    """A case's clocks after each of its acts: what ``case_clocks`` says, at the cost of the new act alone."""

    def __init__(
        self, item: ClockData, acts: Iterable[TimedAct], calendar: Calendar, *, fold: type[Fold] | None = None
    ) -> None:
        """``acts``: those so far, valid, in ``seq`` order and recorded already."""
        self._item = item
        self._acts = list(acts)
        self._calendar = calendar
        self._how = fold or Fold
        self._fold = _folded(self._how, item, self._acts, calendar)

    def take(self, act: TimedAct) -> None:
        """The next act."""
        self._acts.append(act)
        if verb_of(act.type) == "late_entry_confirmed":  # another time counts for an act before it
            self._fold = _folded(self._how, self._item, self._acts, self._calendar)
        else:
            self._fold.take(act)

    def runs(self, as_of_us: int) -> Iterator[ClockRun]:
        """The runs as of a recorded moment, not before the last act's; ``elapsed`` is left out."""
        view, as_of = self._calendar.as_known(day_at(as_of_us)), instant_at(as_of_us)
        return (_answer(run, as_of, view, measured=False) for run in self._fold.runs)


# ── The fold ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenPause:
    """A pause not resumed yet. ``clocks``: those it names, None for all that know its kind."""

    kind: str
    branch: str | None
    clocks: frozenset[str] | None
    seq: int
    start: datetime


@dataclass(slots=True)
class Run:
    clock: ItemClock
    number: int
    branch: str | None
    step: str | None
    start: datetime
    held: list[Held] = field(default_factory=list)
    extension: int = 0
    stop: datetime | None = None
    too_late: list[int] = field(default_factory=list)
    told: bool = False
    short: datetime | None = None

    def is_held_by(self, pause: OpenPause) -> bool:
        if pause.kind not in self.clock.pauses:
            return False
        if pause.clocks is not None and self.clock.name not in pause.clocks:
            return False
        if pause.branch is None or pause.branch == self.branch:
            return True
        return self.branch is None and self.clock.branch_pauses

    def hold(self, pause: OpenPause) -> None:
        held = Pause(max(pause.start, self.start))
        self.held.append(Held(pause.kind, pause.branch, pause.seq, held))

    def due(self, view: WorkingDays) -> Due:
        return due(
            self.clock.spec,
            self.start,
            calendar=view,
            pauses=[held.pause for held in self.held],
            extension=self.extension,
            beyond="not-yet-known",
        )


class Fold:
    """Reads the acts in order; afterwards ``runs`` holds every run with its pauses, extension and stop."""

    def __init__(self, item: ClockData, calendar: Calendar, confirmed: frozenset[int]) -> None:
        self.item = item
        self.calendar = calendar
        self.confirmed = confirmed
        self.runs: list[Run] = []
        self.back_dated: list[BackDated] = []
        self.pauses: list[OpenPause] = []
        self.gaps: set[str] = set()
        self.receipt = _EPOCH
        self.was_accepted = False
        self.is_joint = False
        self.newest_claim_us: int | None = None

    def take(self, act: TimedAct) -> None:
        self._flag(act)
        type_name, data = current_form(act.type, act.data)
        when = instant_at(self._decides_us(act))
        branch, step = data.get("branch"), data.get("step")
        match verb_of(type_name):
            case "applied":
                self._receive(when)
                self._start_by("applied", when)
            case "supplied":
                self._receive(when)
            case "gaps_told":
                self._stop(when, "gap_notice")
            case "accepted":
                self._accept(when, when)
            case "accepted_with_gaps":
                self.gaps = set(data["gaps"])
                self._accept(when, when)
                self._suspend(act, OpenPause(MISSING_DOCUMENT, None, None, act.seq, when))
            case "deemed_accepted":
                self._accept(when, self.receipt)
            case "gap_filled":
                self.gaps.discard(data["gap"])
                if not self.gaps:
                    self._resume(MISSING_DOCUMENT, None, when)
                    self._start_by("complete", when)
            case "branch_opened":
                self._go_joint(act)
                self._start("branch", when, branch=branch)
            case "branch_finished":
                self._stop(when, "branch", branch=branch)
            case "step_started":
                self._start("step", when, branch=branch, step=step)
            case "step_finished":
                self._stop(when, "step", branch=branch, step=step)
            case "suspended":
                clocks = frozenset(data["clocks"]) if "clocks" in data else None
                self._suspend(act, OpenPause(data["pause"], branch, clocks, act.seq, when))
            case "resumed":
                self._resume(data["pause"], branch, when)
            case "extended":
                self._extend(act)
            case "decided":
                self._stop(when, *WHOLE_CASE)
                self._start("delivery", when)
            case "delivered":
                self._stop(when, "delivery")
            case "refused" | "withdrawn" | "gaps_lapsed" | "closed":
                self._stop_all(when)
            case "reopened":
                self._reopen(when)

    def _decides_us(self, act: TimedAct) -> int:
        # A confirmed claim of a time still to come would be no late entry.
        if act.seq in self.confirmed and act.claimed_us < act.known_us:
            return act.claimed_us
        return act.decides_us(self.item.grace_us)

    def _flag(self, act: TimedAct) -> None:
        off_grace = abs(act.known_us - act.claimed_us) > self.item.grace_us
        if off_grace or (self.newest_claim_us is not None and act.claimed_us < self.newest_claim_us):
            self.back_dated.append(
                BackDated(act.seq, act.claimed_us, act.recorded_us, off_grace, act.seq in self.confirmed)
            )
        self.newest_claim_us = max(act.claimed_us, self.newest_claim_us or act.claimed_us)

    # What several acts have in common.

    def _receive(self, when: datetime) -> None:
        self.receipt = when
        self._start("gap_notice", when)

    def _accept(self, when: datetime, since: datetime) -> None:
        self.was_accepted = True
        self._stop(when, "gap_notice")
        self._start_by("accepted", since)
        if not self.gaps:
            self._start_by("complete", since)

    def _reopen(self, when: datetime) -> None:
        self.pauses.clear()
        self.is_joint = False
        if not self.was_accepted:
            self._receive(when)
            self._start_by("applied", when)
            return
        for name in ("statutory", "promise"):
            self._start(name, when)

    def _go_joint(self, act: TimedAct) -> None:
        """The first branch puts the joint clock in the statutory one's place, unless that is past its due."""
        joint = self.item.clocks.get("joint")
        if joint is None or self.is_joint:
            return
        statutory = next((run for run in self._open_runs() if run.clock.name == "statutory"), None)
        if statutory is not None:
            if not self._may_move(statutory, act):
                return
            self.runs.remove(statutory)
            run = self._start("joint", statutory.start)
            assert run is not None
            # What held the one holds the other, where it knows the kind; open pauses it has taken over already.
            known = {held.seq for held in run.held}
            run.held = [
                held for held in statutory.held if held.kind in joint.pauses and held.seq not in known
            ] + run.held
        self.is_joint = True

    # Runs.

    def _open_runs(self) -> list[Run]:
        return [run for run in self.runs if run.stop is None]

    def _start_by(self, rule: str, when: datetime) -> None:
        for name in ("statutory", "promise"):
            clock = self.item.clocks.get(name)
            if clock is not None and clock.start == rule:
                self._start("joint" if name == "statutory" and self.is_joint else name, when)

    def _start(self, name: str, when: datetime, *, branch: str | None = None, step: str | None = None) -> Run | None:
        clock = self.item.clocks.get(name)
        if clock is None:
            return None
        key = (name, branch, step)
        number = 1 + sum((run.clock.name, run.branch, run.step) == key for run in self.runs)
        run = Run(clock, number, branch, step, when)
        for pause in self.pauses:
            if run.is_held_by(pause):
                run.hold(pause)
        self.runs.append(run)
        return run

    def _stop(self, when: datetime, *names: str, branch: str | None = None, step: str | None = None) -> None:
        for run in self._open_runs():
            if run.clock.name in names and (run.branch, run.step) == (branch, step):
                run.stop = max(when, run.start)  # claims within the grace may cross

    def _stop_all(self, when: datetime) -> None:
        for run in self._open_runs():
            run.stop = max(when, run.start)

    # What may move a due date.

    def _may_move(self, run: Run, act: TimedAct) -> bool:
        known = instant_at(act.known_us)
        view = self.calendar.as_known(local_day(known))
        if may_still_move(run.due(view), run.clock.spec, known):
            return True
        run.too_late.append(act.seq)
        return False

    def _suspend(self, act: TimedAct, pause: OpenPause) -> None:
        self.pauses.append(pause)
        for run in self._open_runs():
            if run.is_held_by(pause) and self._may_move(run, act):
                run.hold(pause)

    def _resume(self, kind: str, branch: str | None, when: datetime) -> None:
        ended = {p.seq for p in self.pauses if (p.kind, p.branch) == (kind, branch)}
        self.pauses = [p for p in self.pauses if p.seq not in ended]
        for run in self._open_runs():
            run.held = [
                Held(h.kind, h.branch, h.seq, Pause(h.pause.start, max(when, h.pause.start)))
                if h.seq in ended and h.pause.end is None
                else h
                for h in run.held
            ]

    def _extend(self, act: TimedAct) -> None:
        for run in self._open_runs():
            if run.clock.name == act.data["clock"] and self._may_move(run, act):
                run.extension += act.data["days"]


def _folded(how: type[Fold], item: ClockData, acts: Sequence[TimedAct], calendar: Calendar) -> Fold:
    fold = how(
        item, calendar, frozenset(act.data["seq"] for act in acts if verb_of(act.type) == "late_entry_confirmed")
    )
    for act in acts:
        fold.take(act)
    return fold


def _answer(run: Run, as_of: datetime, view: WorkingDays, *, measured: bool = True) -> ClockRun:
    spec = run.clock.spec
    when = as_of if run.stop is None else min(run.stop, as_of) if run.told else run.stop
    found = run.due(view)
    ran: int | Fraction | None = None
    if measured:
        with suppress(CalendarUnknown):
            ran = elapsed(spec, run.start, when, calendar=view, pauses=[held.pause for held in run.held])
    return ClockRun(
        clock=run.clock.name,
        number=run.number,
        branch=run.branch,
        step=run.step,
        spec=spec,
        started=run.start,
        held=tuple(run.held),
        extension=run.extension,
        limit=spec.limit + run.extension,
        due=found,
        last_instant=last_instant_of(found, spec) if found.known else None,
        stopped=run.stop,
        elapsed=ran,
        state=_state_ahead(run, found, as_of) if run.told else _state(run, found, when),
        too_late=tuple(run.too_late),
        told=run.told,
        short=run.short,
    )


def _state(run: Run, found: Due, when: datetime) -> ClockState:
    # While a pause is open and holds the clock, it has not run out: only the bounds of a calendar may be passed.
    bound = found if found.known else Due(found.not_before)
    past = found.awaits is not Awaits.PAUSE_END and when > last_instant_of(bound, run.clock.spec)
    if past and not found.known:
        return ClockState.NOT_YET_KNOWN
    if run.stop is not None:
        return ClockState.STOPPED_LATE if past else ClockState.STOPPED_IN_TIME
    if past:
        return ClockState.OVERDUE
    if any(held.pause.end is None for held in run.held):
        return ClockState.PAUSED
    return ClockState.RUNNING


def is_short(found: Due, stop: datetime) -> bool:
    """Whether a least time that ends at ``stop`` is less than its limit; False while its due is not known."""
    if found.at is None:
        return False
    return stop < found.at if isinstance(found.at, datetime) else local_day(stop) < found.at


def _state_ahead(run: Run, found: Due, as_of: datetime) -> ClockState:
    assert run.stop is not None
    if run.stop > as_of:
        return ClockState.RUNNING
    return ClockState.STOPPED_EARLY if is_short(found, run.stop) else ClockState.STOPPED_IN_TIME

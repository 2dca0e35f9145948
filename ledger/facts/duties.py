"""What the system clock must have stated by an instant: deemed acceptance, lapses, expired tickets, cards.

Promise: the same acts, calendar, rules and instant give the same duties anywhere. The clock states what follows from
here and nothing else; the outsider asks the same of the log and tells what should have been stated and was not
(``Followed``). Nothing here reads a clock.

    duty                           due                                                 stated in
    approval.deemed_accepted.v1    the day after the notice of gaps was due            the case
    approval.gaps_lapsed.v1        the day after the last day to fill the gaps         the case
    ticket.expired.v1              the day after it was taken                          the ticket
    appointment.missed.v1          the day after the one of its slot                   the appointment
    reservation.lapsed.v1          the day after its own, once it was confirmed        the reservation
    card.raised.v1                 the instant of its rule (``card_rules``)            a stream of its own
    card.revocation_proposed.v1    when, reckoned anew, the card was not due then      the card

No storm: of the instants that lay before the moment at which a run, as it stands, came to be known (a start with effect
in the past, a moved clock), or before its rule was in force, only the highest card is raised, once for each moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from ledger.errors import Malformed
from ledger.facts.appointment import Appointment
from ledger.facts.approval import Approval, Stage
from ledger.facts.calendar import Calendar, YearSchedule, calendar_with
from ledger.facts.card_rules import (
    Adopted,
    ClockWhen,
    Firing,
    Pack,
    Rule,
    Streak,
    Unscheduled,
    Without,
    fires_at,
    firings,
    in_force,
    trading_rules,
)
from ledger.facts.cards import stream_of
from ledger.facts.case_clocks import CaseClocks, ClockRun, ItemRules, TimedAct, case_clocks, day_at, us_of
from ledger.facts.clocks import SHANGHAI, Awaits, local_day
from ledger.facts.reservation import Reservation
from ledger.facts.ticket import Stage as TicketStage
from ledger.facts.ticket import Ticket
from ledger.facts.trading import Trading
from ledger.facts.trading_clocks import ENDED, TradingFold, TradingRules
from ledger.facts.types import TYPES, verb_of
from ledger.statement import Statement, instant_text

RunKey = tuple[str, str | None, str | None, int]
"""Clock, branch, step and number of a run."""
Streaks = Callable[[str, str, int, int], Sequence[bool]]
"""(unit, rule, until µs, n) → of the unit's last n promise runs to stop by then, whether each had that rule's card."""

_DAY: Final = timedelta(days=1)
_GAPPED: Final = (Stage.ACCEPTED_WITH_GAPS, Stage.IN_REVIEW)


@dataclass(frozen=True, slots=True, order=True)
class Duty:
    """What must be stated. ``due_us``: its own instant; ``by_us``: when it could be known, which may be later."""

    due_us: int
    stream: str
    type: str
    values: dict[str, Any] = field(compare=False)
    by_us: int = field(compare=False, default=0)


@dataclass(slots=True)
class Seen:
    """A case as the log has it. ``sealed``: whether its act of that seq seals a value; ``raised``: cards' streams."""

    stream: str
    unit: str
    rules: ItemRules | TradingRules
    acts: Sequence[TimedAct]
    raised: frozenset[str]
    known: Callable[[], Mapping[RunKey, int]]
    sealed: Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class CaseDuties:
    """What is due on a case and not stated, and when (µs) its next instant comes, as far as one can tell today."""

    due: list[Duty]
    next_us: int | None


def case_duties(
    case: Seen, adopted: Sequence[Adopted], *, calendar: Calendar, now_us: int, streaks: Streaks | None = None
) -> CaseDuties:
    """Deemed acceptance and cards of one case by ``now_us``; without ``streaks`` none that hang on other cases."""
    reckoned = reckon(case.rules, case.acts, as_of_us=now_us, calendar=calendar)
    view = calendar.as_known(day_at(now_us))
    found = _once(firing for each in adopted for firing in firings(each, reckoned, calendar=view))
    due = list(_deemed(case, reckoned, now_us))
    past = (firing for firing in found if us_of(firing.at) <= now_us)
    if any(stream_of(case.stream, firing.rule.id, *run_key(firing.run)) not in case.raised for firing in past):
        known = case.known()
        due += [_of_firing(case, firing, known) for firing in passed(found, known, now_us)]
    due += patterns(case, adopted)
    if streaks is not None:
        due += _streaks(case, adopted, reckoned, streaks)
    coming = [us_of(firing.at) for firing in found]
    coming += [deemed_at(run) for run in reckoned.runs if run.clock == "gap_notice" and run.due.known]
    next_us = min((moment for moment in coming if moment > now_us), default=None)
    return CaseDuties([one for one in due if one.stream not in case.raised], next_us)


def reckon(
    rules: ItemRules | TradingRules, acts: Iterable[TimedAct], *, as_of_us: int, calendar: Calendar
) -> CaseClocks:
    """The clocks of an approval, or of a trading procedure."""
    fold = TradingFold if isinstance(rules, TradingRules) else None
    return case_clocks(rules, acts, as_of_us=as_of_us, calendar=calendar, fold=fold)


def lapse(stream: str, last: date) -> Duty:
    """Gaps that were not filled by their last day."""
    at = day_after(last)
    return Duty(at, stream, "approval.gaps_lapsed.v1", {"fill_by": last.isoformat()}, at)


def expiry(stream: str, taken_us: int) -> Duty:
    """A ticket is good for the day on which it was taken."""
    at = day_after(day_at(taken_us))
    return Duty(at, stream, "ticket.expired.v1", {}, at)


def missed(stream: str, over_us: int) -> Duty:
    """An appointment that nobody kept or cancelled on its day."""
    return Duty(over_us, stream, "appointment.missed.v1", {}, over_us)


def unbegun(stream: str, over_us: int) -> Duty:
    """A confirmed reservation of which the review was not begun."""
    return Duty(over_us, stream, "reservation.lapsed.v1", {}, over_us)


def appointment_over(slot_us: int) -> int | None:
    """When (µs) it is missed; None for a slot at the end of time, whose day has none after it."""
    try:
        return day_after(day_at(slot_us))
    except (Malformed, OverflowError):
        return None


def reservation_over(day: str) -> int | None:
    """When (µs) it lapses; None likewise."""
    try:
        return day_after(date.fromisoformat(day))
    except OverflowError:
        return None


def _deemed(case: Seen, reckoned: CaseClocks, now_us: int) -> Iterator[Duty]:
    """Nobody told gaps within the notice: accepted since its receipt."""
    for run in reckoned.runs:
        if run.clock != "gap_notice" or run.stopped is not None or run.due.at is None:
            continue
        at = deemed_at(run)
        if at <= now_us:
            values = {"received": local_day(run.started).isoformat(), "due": _due_day(run).isoformat()}
            yield Duty(at, case.stream, "approval.deemed_accepted.v1", values, at)


def deemed_at(run: ClockRun) -> int:
    """When an application is deemed accepted (µs): the day after the notice of gaps was due, as the law counts days."""
    return day_after(_due_day(run))


def _due_day(run: ClockRun) -> date:
    assert run.due.at is not None
    return local_day(run.due.at) if isinstance(run.due.at, datetime) else run.due.at


def day_after(day: date) -> int:
    """The first instant (µs) after a local day."""
    return us_of(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + _DAY)


# ── Cards ──────────────────────────────────────────────────────────────────────────────────────────────────


def card(
    case: Seen, pack: Pack, rule: Rule, run: tuple[Any, ...], fired_us: int, *, of: ClockRun | None = None, by_us: int
) -> Duty:
    """The card that ``rule`` raises on a run of a case; of a pattern, the run's number is the seq of the act."""
    clock, branch, step, number = run
    values = {
        "case": case.stream,
        "rule": rule.id,
        "colour": str(rule.colour),
        "pack": pack.name,
        "version": rule.version,
        "rules": pack.sha256,
        "unit": case.unit,
        "clock": clock,
        "branch": branch,
        "step": step,
        "run": number,
        "due": None if of is None or of.last_instant is None else instant_text(us_of(of.last_instant)),
        "fired": instant_text(fired_us),
    }
    return Duty(fired_us, stream_of(case.stream, rule.id, *run), "card.raised.v1", values, max(fired_us, by_us))


def _of_firing(case: Seen, firing: Firing, known: Mapping[RunKey, int]) -> Duty:
    at_us, by_us = us_of(firing.at), _known(firing, known)
    return card(case, firing.pack, firing.rule, run_key(firing.run), at_us, of=firing.run, by_us=by_us)


def _known(firing: Firing, known: Mapping[RunKey, int]) -> int:
    return max(known.get(run_key(firing.run), 0), firing.since_us)


def _once(found: Iterable[Firing]) -> list[Firing]:
    """In order; a rule that stands in two packs counts in the one that was in force first."""
    first: dict[tuple[str, RunKey], Firing] = {}
    for firing in sorted(found, key=lambda each: each.since_us):
        first.setdefault((firing.rule.id, run_key(firing.run)), firing)
    return sorted(first.values(), key=lambda firing: (firing.at, firing.rule.colour.rank, firing.rule.id))


def passed(found: Iterable[Firing], known: Mapping[RunKey, int], now_us: int) -> list[Firing]:
    """Of a case's instants up to ``now_us``, the cards to raise: of those already past when their run came to be known
    as it stands, or their rule to be in force, only the highest of each such moment.
    """
    usual: list[Firing] = []
    late: dict[int, list[Firing]] = defaultdict(list)
    for firing in found:
        if us_of(firing.at) > now_us:
            continue
        since = _known(firing, known)
        if us_of(firing.at) <= since:
            late[since].append(firing)
        else:
            usual.append(firing)
    highest = [max(each, key=lambda firing: firing.height) for each in late.values()]
    return sorted([*usual, *highest], key=lambda firing: firing.at)


def patterns(case: Seen, adopted: Sequence[Adopted], *, validity: bool = True) -> Iterator[Duty]:
    """Statements that lack what a rule wants them to have, or charge what the item does not; since the rule holds."""
    for each in adopted:
        for rule in each.pack.rules:
            when = rule.when
            if not isinstance(when, Without | Unscheduled):
                continue
            for act in case.acts:
                if act.type != when.type or act.known_us < each.since(rule):
                    continue
                if validity and not rule.holds_on(day_at(act.known_us)):
                    continue
                if _is_odd(when, act, case):
                    run = (None, None, None, act.seq)
                    yield card(case, each.pack, rule, run, act.known_us, by_us=act.known_us)


def _is_odd(when: Without | Unscheduled, act: TimedAct, case: Seen) -> bool:
    if isinstance(when, Unscheduled):
        return isinstance(case.rules, ItemRules) and (act.data.get("fee"), act.data["fen"]) not in case.rules.fees
    if any(name in act.data for name in when.fields):
        return False
    return not (set(TYPES[when.type].sealed).intersection(when.fields) and case.sealed(act.seq))


def _streaks(case: Seen, adopted: Sequence[Adopted], reckoned: CaseClocks, streaks: Streaks) -> Iterator[Duty]:
    """The unit's last promise cases to stop each had that card."""
    stopped = reckoned.latest("promise")
    if stopped is None or stopped.stopped is None:
        return
    at = us_of(stopped.stopped)
    for each in adopted:
        for rule in each.pack.rules:
            if not isinstance(rule.when, Streak) or at < each.since(rule) or not rule.holds_on(day_at(at)):
                continue
            had = streaks(case.unit, rule.when.rule, at, rule.when.cases)
            if len(had) == rule.when.cases and all(had):
                yield card(case, each.pack, rule, run_key(stopped), at, of=stopped, by_us=at)


def recomputed(
    acts: Sequence[TimedAct],
    rules: ItemRules | TradingRules,
    rule: Rule,
    run: tuple[Any, ...],
    pack: Pack,
    calendar: Calendar,
    raised_us: int,
    now_us: int,
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
    reckoned = reckon(rules, then, as_of_us=now_us, calendar=calendar)
    assert isinstance(rule.when, ClockWhen)
    for found in reckoned.runs:
        if run_key(found) == run:
            if found.due.awaits is Awaits.PAUSE_END:
                return raised_us  # a pause that is open at most delays what comes after it
            at = fires_at(rule.when, found, calendar=calendar.as_known(day_at(now_us)), opens=pack.opens)
            return None if at is None or (found.stopped is not None and found.stopped < at) else us_of(at)
    return None


def run_key(run: ClockRun) -> RunKey:
    """What tells one run of a case from another."""
    return (run.clock, run.branch, run.step, run.number)


def known_since(
    rules: ItemRules | TradingRules, acts: Sequence[TimedAct], schedules: Sequence[tuple[int, YearSchedule]]
) -> dict[RunKey, int]:
    """Since when (recorded, µs) each run is known as it stands: since then its start, limit and due are what they are.

    ``schedules``: those that the log holds, each with its recorded time, in order.
    """
    since: dict[RunKey, tuple[int, tuple[Any, ...]]] = {}
    moments = [(act.known_us, False) for act in acts] + [(at_us, True) for at_us, _ in schedules]
    taken, running = 0, False
    for at_us, is_schedule in sorted(moments):
        if is_schedule and not running:
            continue
        taken += not is_schedule
        calendar = calendar_with(tuple(one for us, one in schedules if us <= at_us))
        found = reckon(rules, acts[:taken], as_of_us=at_us, calendar=calendar)
        running = any(run.stopped is None for run in found.runs)
        for run in found.runs:
            values = (run.started, run.limit, run.last_instant, run.short)
            if since.get(run_key(run), (0, None))[1] != values:
                since[run_key(run)] = at_us, values
    return {key: at_us for key, (at_us, _) in since.items()}


# ── The outsider's half ────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Open:
    state: Approval | Trading
    unit: str
    acts: list[TimedAct] = field(default_factory=list)
    sealed: set[int] = field(default_factory=set)
    raised: set[str] = field(default_factory=set)


class Followed:
    """What duties hang on, as one reads the log: give it every valid act in order, then ask what is overdue.

    Only what is open is kept: of a case that was closed nothing is asked any more, also when it is opened again. Cards
    that hang on other cases (``streak``) and proposed revocations are not asked either.
    """

    __slots__ = ("_cases", "_packs", "_schedules", "_tickets", "_visits")

    def __init__(self) -> None:
        """Before entry 0."""
        self._cases: dict[str, _Open] = {}
        self._tickets: dict[str, int] = {}
        self._visits: dict[str, Appointment | Reservation] = {}
        self._packs: list[tuple[str, str, dict[str, Any], int]] = []
        self._schedules: list[tuple[int, YearSchedule]] = []

    def take(self, act: Statement, recorded_us: int, state: Any) -> None:
        """A valid act; ``state``: its stream's, after it (None for governing ones)."""
        if act.type.endswith(".change_proposed.v1"):
            return
        match act.kind:
            case "approval" | "trading":
                self._take_case(act, recorded_us, state)
            case "ticket":
                self._take_ticket(act, recorded_us, state)
            case "appointment" | "reservation":
                if state.stage in ("made", "asked", "confirmed"):
                    self._visits[act.stream] = state
                else:
                    self._visits.pop(act.stream, None)
            case "card" if verb_of(act.type) == "raised" and act.data["case"] in self._cases:
                self._cases[act.data["case"]].raised.add(act.stream)
            case "rulepack":
                self._packs.append((act.stream, act.type, dict(act.data), recorded_us))
            case "calendar":
                self._schedules.append((recorded_us, YearSchedule.from_json(act.data)))

    def _take_case(self, act: Statement, recorded_us: int, state: Approval | Trading) -> None:
        if act.seq == 1:
            unit = state.rules.unit if isinstance(state, Approval) else act.data["buyer"]
            self._cases[act.stream] = _Open(state, unit)
        case = self._cases.get(act.stream)
        if case is None:
            return
        if state.stage is Stage.CLOSED or state.stage in ENDED:
            del self._cases[act.stream]
            return
        case.state = state
        case.acts.append(TimedAct.of(act, recorded_us))
        if act.sd:
            case.sealed.add(act.seq)

    def _take_ticket(self, act: Statement, recorded_us: int, state: Ticket) -> None:
        if act.seq == 1:
            self._tickets[act.stream] = recorded_us
        elif state.stage in (TicketStage.SERVED, TicketStage.EXPIRED):
            self._tickets.pop(act.stream, None)

    def overdue(self, now_us: int, *, grace_us: int = 0) -> list[Duty]:
        """What should have been stated by ``grace_us`` before ``now_us`` and was not, in the order of the instants."""
        calendar = calendar_with(tuple(schedule for _, schedule in self._schedules))
        adopted = in_force(self._packs)
        trading = trading_rules(each.pack for each in adopted)
        found = [expiry(stream, taken_us) for stream, taken_us in self._tickets.items()]
        for stream, visit in self._visits.items():
            if isinstance(visit, Appointment):
                over_us, told = appointment_over(visit.slot_us), missed
            else:
                over_us, told = (reservation_over(visit.day) if visit.stage == "confirmed" else None), unbegun
            if over_us is not None:
                found.append(told(stream, over_us))
        for stream, case in self._cases.items():
            state = case.state
            if isinstance(state, Approval) and state.stage in _GAPPED and state.gaps and state.fill_by is not None:
                found.append(lapse(stream, date.fromisoformat(state.fill_by)))
            rules = state.rules if isinstance(state, Approval) else trading
            found += case_duties(self._seen(stream, case, rules), adopted, calendar=calendar, now_us=now_us).due
        return sorted(duty for duty in found if duty.by_us + grace_us < now_us)

    def _seen(self, stream: str, case: _Open, rules: ItemRules | TradingRules) -> Seen:
        return Seen(
            stream=stream,
            unit=case.unit,
            rules=rules,
            acts=case.acts,
            raised=frozenset(case.raised),
            known=lambda: known_since(rules, case.acts, self._schedules),
            sealed=case.sealed.__contains__,
        )

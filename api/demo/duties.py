"""The system clock of a play: what ``ledger.facts.duties`` asks for is stated at its very instant.

Promise: at the end of a play nothing is owed; the real system clock, asked for the same moment, finds nothing to add.
It looks at a case when one of its acts may have set a clock going, and again at the instant that it was told then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import partial
from random import Random
from typing import Any, Final

from api.demo.play import MINUTE, SECOND, Play, Script, at, once
from ledger.door.desk import Desk
from ledger.facts.calendar import china_mainland
from ledger.facts.card_rules import Adopted, Pack, in_force, trading_rules
from ledger.facts.case_clocks import ItemRules, TimedAct, day_at
from ledger.facts.duties import Duty, RunKey, Seen, case_duties, day_after, known_since, lapse, recomputed
from ledger.facts.types import verb_of
from ledger.statement import Statement, instant_text

# Acts that may set a clock going, or move what is due.
_MOVES: Final = frozenset(
    [
        "applied",
        "supplied",
        "accepted",
        "accepted_with_gaps",
        "deemed_accepted",
        "gap_filled",
        "branch_opened",
        "step_started",
        "suspended",
        "resumed",
        "extended",
        "refused",
        "fee_charged",
        "reopened",
        "late_entry_confirmed",
    ]
)
_OPEN: Final = ("accepted_with_gaps", "in_review")


@dataclass(slots=True)
class _Watched:
    unit: str
    rules: ItemRules | None  # None: a trading procedure, of which the packs say the limits
    acts: list[TimedAct] = field(default_factory=list)
    sealed: set[int] = field(default_factory=set)
    raised: set[str] = field(default_factory=set)
    wakes_us: int | None = None


class Duties:
    """The clock of one play. ``play.door.heard`` tells it what is said."""

    def __init__(self, play: Play, rng: Random) -> None:
        self._play, self._rng = play, rng
        self._desk: Desk = play.system()
        self._cases: dict[str, _Watched] = {}
        self._packs: list[tuple[str, str, dict[str, Any], int]] = []
        self._adopted: list[Adopted] = []
        self._calendar = play.door.registry()[1].calendar()
        self.cards = 0
        play.door.heard = self.hear
        for schedule in china_mainland().schedules:
            play.begin(at(schedule.known_from) + MINUTE, once(self._look_again))

    @property
    def pack(self) -> Pack:
        """The rules in force for approvals."""
        return next((each.pack for each in self._adopted if not each.pack.clocks), self._adopted[0].pack)

    def hear(self, act: Statement) -> None:
        """Take in an act."""
        if act.kind in ("approval", "trading"):
            self._hear_case(act)
        elif act.type == "card.raised.v1" and act.data["case"] in self._cases:
            self._cases[act.data["case"]].raised.add(act.stream)
        elif act.kind == "rulepack" and not act.type.endswith(".change_proposed.v1"):
            self._packs.append((act.stream, act.type, act.data, self._play.now_us))
            self._adopted = in_force(self._packs)
        elif act.type.startswith("ticket.taken."):
            self._play.begin(day_after(day_at(act.at_us)), once(partial(self._expire, act.stream)))

    def _hear_case(self, act: Statement) -> None:
        verb = verb_of(act.type)
        if verb == "applied":
            state = self._play.door.state(act.stream)
            if state.rules.on_the_spot:
                return
            self._cases[act.stream] = _Watched(state.rules.unit, state.rules)
        elif verb == "planned" and act.seq == 1:
            self._cases[act.stream] = _Watched(act.data["buyer"], None)
        case = self._cases.get(act.stream)
        if case is None:
            return
        if verb in ("closed", "completed", "cancelled"):
            del self._cases[act.stream]
            return
        case.acts.append(TimedAct.of(act, self._play.now_us))
        if act.sd:
            case.sealed.add(act.seq)
        if verb == "accepted_with_gaps":
            last = date.fromisoformat(act.data["fill_by"])
            self._play.begin(day_after(last), once(partial(self._lapse, act.stream, last)))
        if verb in _MOVES or act.kind == "trading":
            self._play.begin(self._play.now_us + 1, once(partial(self._look, act.stream)))

    # ---------------------------------------------------------------------------------------------- scripts

    def _look(self, stream: str) -> None:
        """State what is due on a case, and come back when more is."""
        case = self._cases.get(stream)
        if case is not None:
            self._do(stream, case)

    def _look_again(self) -> None:
        """A year's schedule became known: what was due beyond the calendar has a day now."""
        for stream, case in list(self._cases.items()):
            self._do(stream, case)

    def _do(self, stream: str, case: _Watched) -> None:
        now = self._play.now_us
        rules = case.rules or trading_rules(each.pack for each in self._adopted)
        seen = Seen(
            stream=stream,
            unit=case.unit,
            rules=rules,
            acts=case.acts,
            raised=frozenset(case.raised),
            known=lambda: known_since(rules, case.acts, ()),
            sealed=case.sealed.__contains__,
        )
        found = case_duties(seen, self._adopted, calendar=self._calendar, now_us=now)
        for duty in sorted(found.due):
            self._state(duty)
            if duty.type == "card.raised.v1":
                self.cards += 1
                self._play.begin(self._play.now_us + SECOND, self._answered(duty.stream, case.unit))
        if found.next_us is not None and (case.wakes_us is None or not now < case.wakes_us <= found.next_us):
            case.wakes_us = found.next_us
            self._play.begin(found.next_us, once(partial(self._look, stream)))

    def take_back(self, stream: str, card: str, rule_id: str, run: RunKey) -> None:
        """Propose to revoke a card just raised that is not due, as the clock does at its next look."""
        case, now = self._cases[stream], self._play.now_us
        assert case.rules is not None
        rule = next(rule for rule in self.pack.rules if rule.id == rule_id)
        due = recomputed(case.acts, case.rules, rule, run, self.pack, self._calendar, now, now)
        values = {"reason": "recomputed", "fires": None if due is None else instant_text(due)}
        self._desk.say(card, "card.revocation_proposed.v1", values)

    def _lapse(self, stream: str, last: date) -> None:
        state = self._play.door.state(stream)
        if state is not None and str(state.stage) in _OPEN and state.gaps and state.fill_by == last.isoformat():
            self._state(lapse(stream, last))

    def _expire(self, stream: str) -> None:
        state = self._play.door.state(stream)
        if state is not None and str(state.stage) in ("taken", "called", "skipped"):
            self._desk.say(stream, "ticket.expired.v1", {})
            self._play.leave(stream)

    def _state(self, duty: Duty) -> None:
        self._desk.say(duty.stream, duty.type, duty.values)

    def _answered(self, stream: str, unit: str) -> Script:
        """The unit's head answers, mostly in time; a few appeal, and a supervisor decides."""
        play, rng = self._play, self._rng
        head, supervisor = play.desk(f"staff/head-{unit}"), play.desk(f"staff/supervisor-{1 + rng.randrange(2)}")
        if rng.random() < 0.06:
            return
        yield play.later(1 if rng.random() < 0.9 else 2)
        head.say(stream, "card.answered.v1", {"answer": "已督办，限期整改"})
        if rng.random() < 0.15:
            yield play.now_us + 40 * MINUTE
            head.say(stream, "card.appealed.v1", {"grounds": "申请人材料往返耽搁"})
            yield play.later(rng.randrange(1, 4))
            if rng.random() < 0.3:
                supervisor.say(stream, "card.revoked.v1", {"reason": "not_at_fault", "reasons": "情况属实"})
            else:
                supervisor.say(stream, "card.upheld.v1", {"reasons": "理由不成立"})
        play.leave(stream)

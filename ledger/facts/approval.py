"""An approval (办件): what may follow what, and what the case is after each act.

Promise: ``FOLD.check`` refuses every act that this page does not allow, with a code, the reason and what may be
done instead; ``FOLD.apply`` takes in an allowed act and is pure. Rights are the registry's matter, due dates
those of ``case_clocks``. Nothing here depends on recorded time, so the door and the verifier cannot disagree.

    (nothing) ── applied ──▶ applied ◀── supplied ── gaps_told
                               │ └──── gaps_told ───────▲ │
                               ├── refused ──▶ refused ◀──┘ refused
                               ├── accepted ───────────▶ accepted ◀────────────────┐ the last gap filled
                               ├── accepted_with_gaps ─▶ accepted_with_gaps ───────┘
                               └── deemed_accepted ────▶ deemed_accepted

    accepted · accepted_with_gaps · deemed_accepted
        ── branch_opened · step_started · suspended ──▶ in_review
        (in_review: branches, steps and pauses open and end in pairs; gap_filled, extended)

    any of these four ── decided ──▶ granted · denied ── delivered ──▶ delivered ── closed ──▶ closed
    before the decision ── withdrawn ──▶ withdrawn;   with gaps open ── gaps_lapsed ──▶ lapsed
    refused · denied · withdrawn · lapsed ── closed ──▶ closed
    closed ── reopened ──▶ in_review, or applied if the case had never been accepted

Beyond the order:

- The application names the version of the item that is valid on its claimed day; those rules stay the case's.
- All gaps are told at once: a second time only after papers were supplied.
- Acceptance with gaps names them and a later day to fill them, within the item's ``gap_days`` working days; they
  lapse after that day, and nothing is granted while one is open.
- A decision waits for every open branch, step and pause. An act in a branch is its unit's.
- A pause is of the law's eight kinds or one that the item names, and holds clocks that are in place and know it.
- An extension is of a clock in place, by as much and as often as the item says.
- A fee is stated as it was charged, until the case is closed; whether the item has it is for a card to say. The
  system clock states at any stage that a schedule of working days moved what is due.
- An act may say that it was entered late, from paper or after an outage. At any stage another person than the one
  who entered it may confirm it, once: from then on its claimed time counts (``case_clocks``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.calendar import CalendarUnknown
from ledger.facts.case_clocks import ItemClock, ItemRules, day_at, last_fill_day
from ledger.facts.registry import Registry
from ledger.facts.stages import check_names, hand_of, out_of_order, words
from ledger.facts.types import verb_of
from ledger.facts.upcasts import current
from ledger.statement import Statement, StatementId


class Stage(StrEnum):
    """Where a case stands."""

    APPLIED = "applied"
    GAPS_TOLD = "gaps_told"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    ACCEPTED_WITH_GAPS = "accepted_with_gaps"
    DEEMED_ACCEPTED = "deemed_accepted"
    IN_REVIEW = "in_review"
    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    DELIVERED = "delivered"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Branch:
    """One unit's part of a parallel review."""

    name: str
    unit: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The state of one case. Persons are the registry's pseudonyms, actors are ids."""

    stage: Stage
    item: str
    rules: ItemRules  # the item's, as they were at application
    opener: str  # actor
    receiver: str  # person who took the application
    accepted_by: str | None = None  # person; of a deemed acceptance the receiver
    gaps: frozenset[str] = frozenset()  # told, or accepted with and not filled yet
    fill_by: str | None = None
    branches: tuple[Branch, ...] = ()
    steps: frozenset[tuple[str | None, str]] = frozenset()  # open: (branch, step)
    pauses: frozenset[tuple[str | None, str]] = frozenset()  # open: (branch, kind)
    extensions: tuple[str, ...] = ()  # clocks extended in this run, one for each time
    outcome: str | None = None
    late: frozenset[tuple[int, str]] = frozenset()  # late entries not confirmed yet: (seq, person who entered it)

    @property
    def on_the_spot(self) -> bool:
        """Whether the window itself decides."""
        return self.rules.on_the_spot

    def unit_of(self, act: Statement) -> str | None:
        """The unit whose act this is: the item's. None inside a branch, where ``check`` asks for the branch's."""
        inside = "branch" in act.data and verb_of(act.type) != "branch_opened"
        return None if inside else self.rules.unit

    @property
    def acceptor(self) -> str | None:
        """Who may not decide: the person who accepted. Nobody, where the item is handled on the spot."""
        return None if self.rules.on_the_spot else self.accepted_by

    @property
    def is_suspended(self) -> bool:
        """Whether a pause of the whole case is open."""
        return self.stage is Stage.IN_REVIEW and any(branch is None for branch, _ in self.pauses)

    @property
    def clocks_in_place(self) -> Mapping[str, ItemClock]:
        """The item's clocks, of statutory and joint only the one that stands for the whole case now."""
        away = "statutory" if self.branches and "joint" in self.rules.clocks else "joint"
        return {name: clock for name, clock in self.rules.clocks.items() if name != away}

    def branch(self, name: str) -> Branch | None:
        """The branch of that name, open or finished."""
        return next((branch for branch in self.branches if branch.name == name), None)


_BEFORE: Final = frozenset({Stage.APPLIED})
_WITH: Final = frozenset({Stage.ACCEPTED, Stage.ACCEPTED_WITH_GAPS, Stage.DEEMED_ACCEPTED, Stage.IN_REVIEW})
_REVIEW: Final = frozenset({Stage.IN_REVIEW})
_GAPPED: Final = frozenset({Stage.ACCEPTED_WITH_GAPS, Stage.IN_REVIEW})

# Act → the stages it may come in, and the stage after it (None: it stays, or the act's content decides).
TABLE: Final[Mapping[str, tuple[frozenset[Stage], Stage | None]]] = {
    "applied": (frozenset(), Stage.APPLIED),
    "gaps_told": (_BEFORE, Stage.GAPS_TOLD),
    "supplied": (frozenset({Stage.GAPS_TOLD}), Stage.APPLIED),
    "accepted": (_BEFORE, Stage.ACCEPTED),
    "accepted_with_gaps": (_BEFORE, Stage.ACCEPTED_WITH_GAPS),
    "deemed_accepted": (_BEFORE, Stage.DEEMED_ACCEPTED),
    "refused": (frozenset({Stage.APPLIED, Stage.GAPS_TOLD}), Stage.REFUSED),
    "gap_filled": (_GAPPED, None),
    "gaps_lapsed": (_GAPPED, Stage.LAPSED),
    "branch_opened": (_WITH, Stage.IN_REVIEW),
    "branch_finished": (_REVIEW, None),
    "step_started": (_WITH, Stage.IN_REVIEW),
    "step_finished": (_REVIEW, None),
    "suspended": (_WITH, Stage.IN_REVIEW),
    "resumed": (_REVIEW, None),
    "extended": (_WITH, None),
    "decided": (_WITH, None),
    "withdrawn": (_BEFORE | {Stage.GAPS_TOLD} | _WITH, Stage.WITHDRAWN),
    "delivered": (frozenset({Stage.GRANTED, Stage.DENIED}), Stage.DELIVERED),
    "closed": (
        frozenset({Stage.DELIVERED, Stage.REFUSED, Stage.DENIED, Stage.WITHDRAWN, Stage.LAPSED}),
        Stage.CLOSED,
    ),
    "reopened": (frozenset({Stage.CLOSED}), None),
    "fee_charged": (frozenset(Stage) - {Stage.CLOSED}, None),
    "clocks_recomputed": (frozenset(Stage), None),
    "late_entry_confirmed": (frozenset(Stage), None),
}
# What is stated beside the course of a case, and changes nothing in it.
BESIDE: Final = frozenset({"fee_charged", "clocks_recomputed"})
LATE: Final = frozenset({"paper", "outage"})
# Where no schedule says which days are worked, so many days for each working day are certainly too many.
_DAYS_PER_WORKING_DAY: Final = 3


def possible(state: Approval | None) -> list[str]:
    """The acts whose turn it may be now, by name; what each must hold is for ``FOLD.check``."""
    if state is None:
        return ["applied"]
    in_turn = [verb for verb, (stages, _) in TABLE.items() if state.stage in stages and verb not in BESIDE]
    return in_turn if state.late else [verb for verb in in_turn if verb != "late_entry_confirmed"]


class _ApprovalFold:
    """The fold of ``approval`` streams."""

    def check(self, state: Approval | None, act: Statement, registry: Registry) -> None:
        """Refuse ``act`` when the case, or the catalogue, forbids it."""
        act = current(act)
        verb, data = verb_of(act.type), act.data
        if data.get("late", "paper") not in LATE:
            raise Refused(f"{data['late']} is no reason for a late entry", code="late", mend="name paper or outage")
        if state is None and verb == "applied":
            _check_application(act, registry)
            return
        if state is None or verb not in TABLE or state.stage not in TABLE[verb][0]:
            raise out_of_order(
                verb,
                kind="approval",
                thing="the case",
                stage=None if state is None else str(state.stage),
                unopened="not applied for yet",
                possible=possible(state),
            )
        if "branch" in data and verb != "branch_opened":
            _check_branch(state, act)
        if verb in ("decided", "branch_finished") and state.acceptor == data.get("hand", ""):
            raise NotAllowed("whoever accepted the case does not decide it", code="not-acceptor")
        match verb:
            case "gaps_told":
                check_names(data["gaps"], "gaps")
            case "supplied":
                check_names(data["papers"], "papers")
            case "accepted_with_gaps":
                check_names(data["gaps"], "gaps")
                _check_fill_by(state, act, registry)
            case "gap_filled":
                if data["gap"] not in state.gaps:
                    raise Refused(
                        f"{data['gap']} is no open gap of this case",
                        code="gap",
                        mend=f"open gaps: {', '.join(sorted(state.gaps)) or 'none'}",
                    )
            case "gaps_lapsed":
                _check_lapse(state, act)
            case "deemed_accepted":
                _check_deemed(state, act)
            case "branch_opened":
                if state.branch(data["branch"]) is not None:
                    raise Refused(
                        f"there is a branch {data['branch']} already",
                        code="branch-known",
                        mend="give the new branch another name",
                    )
            case "branch_finished":
                _check_nothing_open(state, "finish the branch", branch=data["branch"])
            case "step_started" | "step_finished":
                is_open = (data.get("branch"), data["step"]) in state.steps
                if is_open == (verb == "step_started"):
                    raise Refused(
                        f"the step {data['step']} is {'open already' if is_open else 'not open'}",
                        code="step-open" if is_open else "step-not-open",
                        mend="finish it first" if is_open else "start it first",
                    )
            case "suspended":
                _check_pause(state, data)
            case "resumed":
                if (data.get("branch"), data["pause"]) not in state.pauses:
                    raise Refused(
                        f"no pause for {words(data['pause'])} is open here",
                        code="pause-not-open",
                        mend=f"open pauses: {', '.join(sorted(kind for _, kind in state.pauses)) or 'none'}",
                    )
            case "extended":
                _check_extension(state, data)
            case "decided":
                _check_decision(state, data["outcome"])
            case "late_entry_confirmed":
                _check_late_entry(state, act, registry)

    def apply(self, state: Approval | None, act: Statement, recorded_us: int | None, registry: Registry) -> Approval:
        """The case after a valid ``act``, under the registry as it stood there or at any later position."""
        act = current(act)
        verb, data = verb_of(act.type), act.data
        late = frozenset({(act.seq, registry.person_of(act.actor))}) if "late" in data else frozenset()
        if state is None:
            version = registry.item_versions[StatementId(bytes.fromhex(data["item_version"]))]
            return Approval(
                stage=Stage.APPLIED,
                item=data["item"],
                rules=version.rules,
                opener=act.actor,
                receiver=hand_of(act, registry),
                late=late,
            )
        state = replace(state, stage=TABLE[verb][1] or state.stage, late=state.late | late)
        branch = data.get("branch")
        match verb:
            case "gaps_told":
                return replace(state, gaps=frozenset(data["gaps"]))
            case "supplied":
                return replace(state, gaps=frozenset())
            case "accepted":
                return replace(state, accepted_by=hand_of(act, registry))
            case "accepted_with_gaps":
                return replace(
                    state,
                    accepted_by=hand_of(act, registry),
                    gaps=frozenset(data["gaps"]),
                    fill_by=data["fill_by"],
                )
            case "deemed_accepted":
                return replace(state, accepted_by=state.receiver)
            case "gap_filled":
                gaps = state.gaps - {data["gap"]}
                if gaps:
                    return replace(state, gaps=gaps)
                waited = state.stage is Stage.ACCEPTED_WITH_GAPS
                return replace(state, gaps=gaps, stage=Stage.ACCEPTED if waited else state.stage)
            case "branch_opened":
                return replace(state, branches=(*state.branches, Branch(data["branch"], data["unit"], True)))
            case "branch_finished":
                closed = (replace(b, is_open=b.is_open and b.name != branch) for b in state.branches)
                return replace(state, branches=tuple(closed))
            case "step_started":
                return replace(state, steps=state.steps | {(branch, data["step"])})
            case "step_finished":
                return replace(state, steps=state.steps - {(branch, data["step"])})
            case "suspended":
                return replace(state, pauses=state.pauses | {(branch, data["pause"])})
            case "resumed":
                return replace(state, pauses=state.pauses - {(branch, data["pause"])})
            case "extended":
                return replace(state, extensions=(*state.extensions, data["clock"]))
            case "decided":
                return replace(state, stage=Stage(data["outcome"]), outcome=data["outcome"])
            case "reopened":
                # What was open when the case ended is void; gaps that were never filled still are gaps.
                return replace(
                    state,
                    stage=Stage.APPLIED if state.accepted_by is None else Stage.IN_REVIEW,
                    gaps=frozenset() if state.accepted_by is None else state.gaps,
                    fill_by=None,
                    branches=(),
                    steps=frozenset(),
                    pauses=frozenset(),
                    extensions=(),
                    outcome=None,
                )
            case "late_entry_confirmed":
                return replace(state, late=frozenset(entry for entry in state.late if entry[0] != data["seq"]))
        return state


FOLD: Final = _ApprovalFold()


def _check_application(act: Statement, registry: Registry) -> None:
    day, code = day_at(act.at_us).isoformat(), act.data["item"]
    version = registry.item_valid_on(code, day)
    if version is not None:
        if act.data["item_version"] != version.id.hex():
            raise Refused(
                f"that is not the version of {code} valid on {day}",
                code="item-version",
                mend=f"apply under {version.id.hex()}",
                item_version=version.id.hex(),
            )
        return
    entry = registry.entries.get(f"item/{code}")
    if entry is None:
        why, mend = f"there is no item {code} in the catalogue", "name a published item"
    elif entry.closed:
        why, mend = f"the item {code} is retired", "name the item that has taken its place"
    else:
        why, mend = f"the item {code} is not valid yet on {day}", "apply when it is, or name another item"
    raise Refused(why, code="item", mend=mend)


def _check_fill_by(state: Approval, act: Statement, registry: Registry) -> None:
    day, fill_by = day_at(act.at_us), date.fromisoformat(act.data["fill_by"])
    if fill_by <= day:
        raise Refused(
            f"the day to fill the gaps, {fill_by}, is not after the day of acceptance",
            code="fill-by",
            mend="name a later day",
        )
    try:
        last = last_fill_day(state.rules, day, registry.calendar().as_known(day)).toordinal()
    except CalendarUnknown:
        last = day.toordinal() + _DAYS_PER_WORKING_DAY * state.rules.gap_days
    if fill_by.toordinal() > last:
        raise Refused(
            f"gaps are filled within {state.rules.gap_days} working days, and {fill_by} is later",
            code="fill-by",
            mend=f"name a day up to {date.fromordinal(min(last, date.max.toordinal()))}",
        )


def _check_late_entry(state: Approval, act: Statement, registry: Registry) -> None:
    person = next((person for seq, person in state.late if seq == act.data["seq"]), None)
    if person is None:
        waiting = ", ".join(str(seq) for seq, _ in sorted(state.late))
        raise Refused(
            f"statement {act.data['seq']} of this case is no late entry that waits for confirmation",
            code="late-entry",
            mend=f"late entries that wait: {waiting or 'none'}",
        )
    if person == registry.person_of(act.actor):
        raise NotAllowed(
            "a second person must confirm a late entry",
            code="two-persons",
            mend="have someone confirm it who did not enter it",
        )


def _check_lapse(state: Approval, act: Statement) -> None:
    if not state.gaps or state.fill_by is None:
        raise Refused("there is no gap that could lapse", code="gap", mend="nothing needs to be done")
    if act.data["fill_by"] != state.fill_by or day_at(act.at_us).isoformat() <= state.fill_by:
        raise Refused(
            f"the gaps may be filled up to and including {state.fill_by}",
            code="fill-by",
            mend="let them lapse the day after",
        )


def _check_deemed(state: Approval, act: Statement) -> None:
    if "gap_notice" not in state.rules.clocks:
        raise Refused(
            "the item sets no term for the notice of gaps",
            code="clock",
            mend="accept the application, or publish a gap_notice clock with the item",
        )
    if not act.data["received"] <= act.data["due"] < day_at(act.at_us).isoformat():
        raise Refused(
            "deemed acceptance comes after the due day, and that not before the day of receipt",
            code="deemed",
            mend="state it the day after the notice of gaps was due",
        )


def _check_branch(state: Approval, act: Statement) -> None:
    branch = state.branch(act.data["branch"])
    if branch is None or not branch.is_open:
        names = ", ".join(b.name for b in state.branches if b.is_open)
        raise Refused(
            f"{act.data['branch']} is no open branch of this case",
            code="branch",
            mend=f"open branches: {names or 'none'}",
        )
    if act.unit != branch.unit:
        raise Refused(
            f"the branch {branch.name} is {branch.unit}'s, not {act.unit}'s",
            code="branch-unit",
            mend=f"let {branch.unit} state it",
        )


def _check_nothing_open(state: Approval, wish: str, *, branch: str | None = None) -> None:
    """Refuse to ``wish`` while steps or pauses are open: of ``branch``, or (None) anywhere in the case."""
    for code, opened in (("steps-open", state.steps), ("pauses-open", state.pauses)):
        names = sorted(words(name) for within, name in opened if branch is None or within == branch)
        if names:
            raise Refused(
                f"to {wish} is not possible with open {code.removesuffix('-open')}: {', '.join(names)}",
                code=code,
                mend="finish the steps" if code == "steps-open" else "resume first",
            )


def _check_decision(state: Approval, outcome: str) -> None:
    if outcome not in (Stage.GRANTED, Stage.DENIED):
        raise Refused(
            f"a case is decided granted or denied, not {outcome}",
            code="outcome",
            mend="state granted or denied; a withdrawal is an act of its own",
        )
    if waiting := [branch.name for branch in state.branches if branch.is_open]:
        raise Refused(
            f"branches are still open: {', '.join(waiting)}",
            code="branches-open",
            mend="wait until each unit has finished: the result is told as one",
        )
    _check_nothing_open(state, "decide")
    if state.gaps and outcome == Stage.GRANTED:
        raise Refused(
            f"papers are still missing: {', '.join(sorted(state.gaps))}",
            code="gaps-open",
            mend="have the gaps filled first, or deny",
        )


def _check_pause(state: Approval, data: Mapping[str, Any]) -> None:
    kind = data["pause"]
    if kind not in state.rules.pauses:
        raise Refused(
            f"{words(kind)} is no reason to pause a case of {state.item}",
            code="pause-kind",
            mend=f"kinds: {', '.join(sorted(state.rules.pauses))}",
        )
    if (data.get("branch"), kind) in state.pauses:
        raise Refused(f"a pause for {words(kind)} is open already", code="pause-open", mend="resume it first")
    clocks = state.clocks_in_place
    for name in data.get("clocks", ()):
        if name not in clocks or kind not in clocks[name].pauses:
            raise Refused(
                f"a pause for {words(kind)} does not hold the clock {name}",
                code="pause-clock",
                mend="name clocks of the item that are in place and know this kind, or none for all that do",
            )


def _check_extension(state: Approval, data: Mapping[str, Any]) -> None:
    name, days = data["clock"], data["days"]
    clock = state.clocks_in_place.get(name)
    if clock is None or not clock.extend_by:
        able = ", ".join(n for n, c in state.clocks_in_place.items() if c.extend_by)
        raise Refused(
            f"the clock {name} cannot be extended in this case",
            code="clock",
            mend=f"clocks that can: {able or 'none'}",
        )
    if not 1 <= days <= clock.extend_by:
        raise Refused(
            f"the clock {name} is extended by 1 to {clock.extend_by}, not {days}",
            code="extension-days",
            mend=f"extend by at most {clock.extend_by}",
        )
    if state.extensions.count(name) >= clock.extend_times:
        raise Refused(
            f"the clock {name} has been extended {clock.extend_times} time(s), as often as it may be",
            code="extended-already",
            mend="decide within the extended term",
        )

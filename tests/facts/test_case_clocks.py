"""The clocks on an approval. March 2024 has no holiday: Mondays are the 4th, 11th, 18th and 25th."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.facts.calendar import Calendar, china_mainland
from ledger.facts.case_clocks import CaseClocks, ClocksByAct, ClockState, TimedAct, case_clocks, parse_item
from ledger.statement import instant_us

STATUTORY = {"limit": 20, "extend": {"days": 10, "times": 1}}


def item(handling: str = "promise", grace: int | None = None, **clocks: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"unit": "env", "handling": handling, "clocks": clocks}
    return data if grace is None else data | {"grace_minutes": grace}


def us(text: str) -> int:
    """A moment of March 2024 or later, local time: "05T09:00", "05" (nine o'clock), "2024-04-08T10:00"."""
    day, _, time = text.partition("T")
    day = day if len(day) > 2 else f"2024-03-{day}"
    time = time or "09:00"
    return instant_us(f"{day}T{time}{':00' if len(time) == 5 else ''}+08:00")


def acts(*told: tuple[Any, ...]) -> list[TimedAct]:
    """(verb, claimed[, data[, recorded]]); recorded as claimed unless given, None: not in the tree yet."""
    found = []
    for seq, (verb, claimed, *more) in enumerate(told, start=1):
        recorded = more[1] if len(more) > 1 else claimed
        found.append(
            TimedAct(
                seq=seq,
                type=f"approval.{verb}.v1",
                data=more[0] if more else {},
                claimed_us=us(claimed),
                recorded_us=None if recorded is None else us(recorded),
            )
        )
    return found


def clocks(
    rules: dict[str, Any], as_of: str, *told: tuple[Any, ...], calendar: Calendar | None = None, **how: Any
) -> CaseClocks:
    return case_clocks(
        parse_item(rules),
        acts(*told),
        as_of_us=us(as_of),
        calendar=calendar or china_mainland(),
        **how,
    )


def march(day: int) -> date:
    return date(2024, 3, day)


APPLIED, ACCEPTED = ("applied", "04"), ("accepted", "04T10:00")


# ── Which clock runs from when to when ─────────────────────────────────────────────────────────────────────


def test_the_example_of_the_plan() -> None:
    told = (
        APPLIED,
        ACCEPTED,
        ("suspended", "06", {"pause": "hearing"}),
        ("resumed", "08", {"pause": "hearing"}),
    )
    run = clocks(item(statutory={"limit": 5}), "12", *told).latest("statutory")
    assert run is not None
    assert (run.due.at, run.elapsed, run.state) == (march(13), 4, ClockState.RUNNING)
    assert run.last_instant == datetime(2024, 3, 13, 16, tzinfo=UTC)  # midnight in Shanghai


def test_an_item_has_only_the_clocks_it_names() -> None:
    told = (APPLIED, ("gaps_told", "05", {"gaps": ["map"]}), ("supplied", "06"), ("accepted", "07"))
    assert clocks(item("on_the_spot"), "08", *told).runs == ()


def test_a_promise_runs_from_acceptance_to_decision_and_delivery_after_it() -> None:
    rules = item(promise={"limit": 3}, delivery={"limit": 10})
    told = (APPLIED, ACCEPTED, ("decided", "07T16:00", {"outcome": "granted"}), ("delivered", "08"))
    found = clocks(rules, "29", *told)
    assert [(r.clock, r.elapsed, r.state) for r in found.runs] == [
        ("promise", 3, ClockState.STOPPED_IN_TIME),
        ("delivery", 1, ClockState.STOPPED_IN_TIME),
    ]


@pytest.mark.parametrize(
    ("decided", "state"),
    [
        ("07T17:30", ClockState.STOPPED_IN_TIME),  # the last instant itself is in time
        ("07T17:30:01", ClockState.STOPPED_LATE),
        ("08", ClockState.STOPPED_LATE),
    ],
)
def test_the_last_instant_divides_in_time_from_late(decided: str, state: ClockState) -> None:
    rules = item(promise={"limit": 3, "last_instant": "17:30"})
    found = clocks(rules, "29", APPLIED, ACCEPTED, ("decided", decided, {"outcome": "granted"}))
    assert [r.state for r in found.runs] == [state]


def test_an_open_clock_past_its_due_is_overdue_from_the_next_instant_on() -> None:
    rules = item(promise={"limit": 3, "last_instant": "17:30"})
    states = [clocks(rules, t, APPLIED, ACCEPTED).runs[0].state for t in ("07T17:30", "07T17:30:01")]
    assert states == [ClockState.RUNNING, ClockState.OVERDUE]


def test_what_was_recorded_later_is_not_seen_as_of_then() -> None:
    rules = item(promise={"limit": 3})
    told = (APPLIED, ACCEPTED, ("decided", "06", {"outcome": "granted"}))
    assert clocks(rules, "03", *told).runs == ()
    assert clocks(rules, "05", *told).runs[0].stopped is None
    assert clocks(rules, "06", *told).runs[0].stopped is not None


def test_each_supply_opens_a_new_run_of_the_notice() -> None:
    told = (
        APPLIED,
        ("gaps_told", "06", {"gaps": ["map"]}),
        ("supplied", "18"),
        ("accepted", "26"),
    )
    found = clocks(item(gap_notice={"limit": 5}), "26", *told)
    assert [(r.number, r.due.at, r.elapsed, r.state) for r in found.runs] == [
        (1, march(11), 2, ClockState.STOPPED_IN_TIME),
        (2, march(25), 6, ClockState.STOPPED_LATE),
    ]


def test_a_deemed_acceptance_starts_the_clocks_at_the_receipt() -> None:
    told = (APPLIED, ("gaps_told", "05", {"gaps": ["map"]}), ("supplied", "06"), ("deemed_accepted", "14"))
    found = clocks(item(statutory={"limit": 20}, gap_notice={"limit": 5}), "14", *told)
    run = found.latest("statutory")
    assert run is not None
    assert run.started == datetime(2024, 3, 6, 1, tzinfo=UTC)
    notice = found.latest("gap_notice")
    assert notice is not None
    assert notice.state is ClockState.STOPPED_LATE


@pytest.mark.parametrize(("rule", "day"), [("applied", 4), ("accepted", 5), ("complete", 8)])
def test_the_start_of_a_missing_document_case_is_the_items_choice(rule: str, day: int) -> None:
    told = (
        APPLIED,
        ("accepted_with_gaps", "05", {"gaps": ["map", "deed"], "fill_by": "2024-03-20"}),
        ("gap_filled", "06", {"gap": "map"}),
        ("gap_filled", "08", {"gap": "deed"}),
    )
    rules = item(promise={"limit": 3, "start": rule})
    (run,) = clocks(rules, "09", *told).runs
    assert run.started == datetime(2024, 3, day, 1, tzinfo=UTC)
    if rule == "complete":
        assert clocks(rules, "07", *told).runs == ()


def test_with_nothing_missing_complete_is_acceptance() -> None:
    (run,) = clocks(item(promise={"limit": 3, "start": "complete"}), "05", APPLIED, ACCEPTED).runs
    assert run.due.at == march(7)


def test_the_missing_document_pause_holds_a_clock_that_knows_it() -> None:
    told = (
        APPLIED,
        ("accepted_with_gaps", "04", {"gaps": ["map"], "fill_by": "2024-03-20"}),
        ("gap_filled", "08", {"gap": "map"}),
    )
    rules = item(statutory={"limit": 20}, promise={"limit": 3, "pauses": ["missing_document"]})
    before, after = clocks(rules, "07", *told), clocks(rules, "11", *told)
    promise = before.latest("promise")
    assert promise is not None
    assert (promise.state, promise.due.at, promise.elapsed) == (ClockState.PAUSED, None, 0)
    promise, statutory = after.latest("promise"), after.latest("statutory")
    assert promise is not None
    assert statutory is not None
    assert (promise.due.at, promise.held[0].kind) == (march(13), "missing_document")
    assert (statutory.elapsed, statutory.held) == (5, ())


def test_steps_run_one_by_one_and_again_when_repeated() -> None:
    step = {"step": "survey"}
    told = (
        APPLIED,
        ACCEPTED,
        ("step_started", "05", step),
        ("step_finished", "08", step),
        ("step_started", "11", step),
        ("step_started", "11", {"step": "sign"}),
    )
    found = clocks(item(step={"limit": 5}), "20", *told)
    assert [(r.step, r.number, r.elapsed, r.state) for r in found.runs] == [
        ("survey", 1, 3, ClockState.STOPPED_IN_TIME),
        ("survey", 2, 7, ClockState.OVERDUE),
        ("sign", 1, 7, ClockState.OVERDUE),
    ]


@pytest.mark.parametrize("end", ["withdrawn", "refused", "gaps_lapsed", "closed"])
def test_everything_stops_when_the_case_ends(end: str) -> None:
    rules = item(statutory={"limit": 20}, promise={"limit": 3}, step={"limit": 5})
    found = clocks(rules, "29", APPLIED, ACCEPTED, ("step_started", "05", {"step": "s"}), (end, "06"))
    assert {r.state for r in found.runs} == {ClockState.STOPPED_IN_TIME}
    assert {r.elapsed for r in found.runs} == {1, 2}


def test_reopened_starts_new_runs() -> None:
    told = (
        APPLIED,
        ACCEPTED,
        ("decided", "06", {"outcome": "granted"}),
        ("delivered", "06"),
        ("closed", "06"),
        ("reopened", "18"),
    )
    found = clocks(item(statutory=STATUTORY, promise={"limit": 3}), "19", *told)
    assert [(r.clock, r.number, r.stopped is None) for r in found.runs] == [
        ("statutory", 1, False),
        ("promise", 1, False),
        ("statutory", 2, True),
        ("promise", 2, True),
    ]


def test_reopened_without_ever_being_accepted_the_notice_runs_again() -> None:
    rules = item(gap_notice={"limit": 5}, promise={"limit": 3})
    found = clocks(rules, "12", APPLIED, ("refused", "05"), ("closed", "05"), ("reopened", "11"))
    assert [(r.clock, r.number) for r in found.runs] == [("gap_notice", 1), ("gap_notice", 2)]


def test_hours_are_plain_hours() -> None:
    rules = item(promise={"limit": 1, "unit": "hour"})
    (run,) = clocks(rules, "04T10:45", APPLIED, ACCEPTED).runs
    assert (run.elapsed, run.last_instant) == (Fraction(3, 4), datetime(2024, 3, 4, 3, tzinfo=UTC))


# ── Branches ───────────────────────────────────────────────────────────────────────────────────────────────

JOINT: dict[str, Any] = {
    "statutory": STATUTORY,
    "joint": {"limit": 45, "extend": {"days": 15, "times": 1}},
    "branch": {"limit": 20},
}


def test_the_first_branch_puts_the_joint_clock_in_the_statutory_ones_place() -> None:
    told = (
        APPLIED,
        ACCEPTED,
        ("suspended", "05", {"pause": "hearing"}),
        ("resumed", "06", {"pause": "hearing"}),
        ("branch_opened", "11", {"branch": "a"}),
        ("branch_opened", "12", {"branch": "b"}),
        ("branch_finished", "15", {"branch": "a"}),
    )
    assert [r.clock for r in clocks(item(**JOINT), "10", *told).runs] == ["statutory"]
    found = clocks(item(**JOINT), "18", *told)
    assert [(r.clock, r.branch, r.limit, r.elapsed) for r in found.runs] == [
        ("joint", None, 45, 9),  # from the 4th, less the 6th
        ("branch", "a", 20, 4),
        ("branch", "b", 20, 4),
    ]
    assert [h.kind for h in found.runs[0].held] == ["hearing"]


@pytest.mark.parametrize("named", [{}, {"clocks": ["statutory"]}])
def test_a_pause_open_when_the_joint_clock_takes_over_holds_it_until_resumed(named: dict[str, Any]) -> None:
    told = (
        APPLIED,
        ACCEPTED,
        ("suspended", "05", {"pause": "hearing"} | named),
        ("branch_opened", "06", {"branch": "a"}),
        ("resumed", "08", {"pause": "hearing"}),
    )
    joint = clocks(item(**JOINT), "07", *told).latest("joint")
    assert joint is not None
    assert (joint.state, joint.elapsed, len(joint.held)) == (ClockState.PAUSED, 1, 1)
    joint = clocks(item(**JOINT), "11", *told).latest("joint")
    assert joint is not None
    assert (joint.state, joint.elapsed, len(joint.held)) == (ClockState.RUNNING, 2, 1)


def test_a_branch_opened_after_the_statutory_due_rescues_nothing() -> None:
    told = (APPLIED, ACCEPTED, ("branch_opened", "2024-04-15", {"branch": "a"}))
    found = clocks(item(**JOINT), "2024-04-16", *told)
    run = found.latest("statutory")
    assert run is not None
    assert (run.state, run.too_late) == (ClockState.OVERDUE, (3,))
    assert found.latest("joint") is None


@pytest.mark.parametrize("says_so", [False, True])
def test_a_branchs_pause_stops_the_joint_clock_only_if_the_item_says_so(says_so: bool) -> None:
    rules = item(**(JOINT | {"joint": {"limit": 45, "branch_pauses": says_so}}))
    told = (
        APPLIED,
        ACCEPTED,
        ("branch_opened", "05", {"branch": "a"}),
        ("branch_opened", "05", {"branch": "b"}),
        ("suspended", "06", {"pause": "test", "branch": "a"}),
    )
    states = [r.state for r in clocks(rules, "07", *told).runs]
    joint = ClockState.PAUSED if says_so else ClockState.RUNNING
    assert states == [joint, ClockState.PAUSED, ClockState.RUNNING]


def test_a_pause_of_the_whole_case_holds_its_branches_too_also_those_opened_in_it() -> None:
    told = (
        APPLIED,
        ACCEPTED,
        ("branch_opened", "05", {"branch": "a"}),
        ("suspended", "06", {"pause": "test"}),
        ("branch_opened", "07", {"branch": "b"}),
        ("resumed", "11", {"pause": "test"}),
    )
    found = clocks(item(**JOINT), "12", *told)
    assert [(r.branch, r.elapsed) for r in found.runs] == [(None, 3), ("a", 2), ("b", 1)]


# ── Pauses and extensions ──────────────────────────────────────────────────────────────────────────────────


def test_a_pause_holds_the_clocks_it_names_and_that_know_its_kind() -> None:
    rules = item(statutory={"limit": 20}, promise={"limit": 7, "pauses": ["hearing"]}, step={"limit": 5})
    begin = (APPLIED, ACCEPTED, ("step_started", "04", {"step": "s"}))
    all_that_know = clocks(rules, "06", *begin, ("suspended", "05", {"pause": "hearing"}))
    assert [r.state for r in all_that_know.runs] == ["paused", "paused", "running"]
    named = clocks(rules, "06", *begin, ("suspended", "05", {"pause": "hearing", "clocks": ["promise"]}))
    assert [r.state for r in named.runs] == ["running", "paused", "running"]


def test_overlapping_pauses_count_once() -> None:
    told = (
        APPLIED,
        ACCEPTED,
        ("suspended", "05", {"pause": "hearing"}),
        ("suspended", "06", {"pause": "test"}),
        ("resumed", "07", {"pause": "hearing"}),
        ("resumed", "08", {"pause": "test"}),
    )
    (run,) = clocks(item(statutory={"limit": 5}), "11", *told).runs
    assert (run.due.at, run.elapsed) == (march(14), 2)


def test_an_open_pause_leaves_the_due_unknown_but_not_before() -> None:
    told = (APPLIED, ACCEPTED, ("suspended", "05", {"pause": "hearing"}))
    (run,) = clocks(item(statutory={"limit": 5}), "29", *told).runs
    assert (run.due.at, run.due.not_before, run.last_instant) == (None, march(11), None)
    assert (run.state, run.elapsed) == (ClockState.PAUSED, 1)


def test_an_extension_moves_the_due_by_as_much() -> None:
    told = (APPLIED, ACCEPTED, ("extended", "05", {"clock": "statutory", "days": 10}))
    (run,) = clocks(item(statutory={"limit": 5, "extend": {"days": 10, "times": 1}}), "05", *told).runs
    assert (run.due.at, run.limit, run.extension) == (march(25), 15, 10)


@pytest.mark.parametrize(
    "late",
    [
        ("suspended", "11T23:59", {"pause": "hearing"}, "12T00:01"),  # claimed in time, within the grace
        ("suspended", "08", {"pause": "hearing"}, "12"),
        ("extended", "11T23:59", {"clock": "statutory", "days": 10}, "12T00:01"),
        ("extended", "12", {"clock": "statutory", "days": 10}),
    ],
)
def test_what_is_recorded_after_the_due_instant_never_moves_it(late: tuple[Any, ...]) -> None:
    rules = item(statutory={"limit": 5, "extend": {"days": 10, "times": 1}})
    (run,) = clocks(rules, "13", APPLIED, ACCEPTED, late).runs
    assert (run.due.at, run.state, run.too_late) == (march(11), ClockState.OVERDUE, (3,))


def test_what_is_recorded_at_the_last_instant_still_moves_it() -> None:
    rules = item(statutory={"limit": 5, "extend": {"days": 10, "times": 1}})
    told = (APPLIED, ACCEPTED, ("extended", "12T00:00", {"clock": "statutory", "days": 10}))
    (run,) = clocks(rules, "13", *told).runs
    assert (run.state, run.too_late) == (ClockState.RUNNING, ())


# ── Which time decides ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claimed", "recorded", "state", "flagged"),
    [
        ("07T23:58", "08T00:03", ClockState.STOPPED_IN_TIME, False),  # five minutes: the claim counts
        ("07T23:57:59", "08T00:03", ClockState.STOPPED_LATE, True),
        ("05", "08", ClockState.STOPPED_LATE, True),  # back-dated past the due
        ("08T00:05", "07T23:59", ClockState.STOPPED_IN_TIME, True),  # claimed in the future
        ("07T23:59", None, ClockState.STOPPED_IN_TIME, False),  # not in the tree: only a claim
    ],
)
def test_a_claim_counts_within_the_grace_of_the_record(
    claimed: str, recorded: str | None, state: ClockState, flagged: bool
) -> None:
    told = (APPLIED, ACCEPTED, ("decided", claimed, {"outcome": "granted"}, recorded))
    found = clocks(item(promise={"limit": 3}), "29", *told)
    assert [r.state for r in found.runs] == [state]
    assert [b.seq for b in found.back_dated] == ([3] if flagged else [])


def test_the_grace_is_the_items() -> None:
    told = (APPLIED, ACCEPTED, ("decided", "07T23:00", {"outcome": "granted"}, "08T00:00"))
    assert not clocks(item(promise={"limit": 3}, grace=60), "29", *told).back_dated
    (flag,) = clocks(item(promise={"limit": 3}, grace=59), "29", *told).back_dated
    assert flag.off_grace


def test_a_claim_before_an_earlier_acts_claim_is_flagged_and_nothing_runs_backwards() -> None:
    told: tuple[tuple[Any, ...], ...] = (
        ("applied", "04T09:04", {}, "04T09:00"),
        ("accepted", "04T09:03", {}, "04T09:01"),
        ("suspended", "04T09:06", {"pause": "hearing"}, "04T09:02"),
        ("resumed", "04T08:58", {"pause": "hearing"}, "04T09:03"),
        ("decided", "04T08:59", {"outcome": "granted"}, "04T09:04"),
    )
    found = clocks(item(statutory={"limit": 20, "unit": "hour"}), "05", *told)
    assert [(b.seq, b.off_grace) for b in found.back_dated] == [(2, False), (4, False), (5, False)]
    (run,) = found.runs
    assert run.stopped == run.started
    assert run.elapsed == 0


# ── The calendar's two times and its end ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("known_on", "day"), [("2020-01-20", 1), ("2020-01-28", 4)])
def test_a_revised_calendar_is_used_as_known_then(known_on: str, day: int) -> None:
    told = (("applied", "2020-01-20"), ("accepted", "2020-01-20"))
    rules = item(statutory={"limit": 5})
    (run,) = clocks(rules, f"{known_on}T12:00", *told).runs
    assert run.due.at == date(2020, 2, day)
    (run,) = clocks(rules, "2020-01-21", *told, known_on=date.fromisoformat(known_on)).runs
    assert run.due.at == date(2020, 2, day)


def test_beyond_the_calendar_nothing_is_guessed() -> None:
    short = Calendar([s for s in china_mainland().schedules if s.year <= 2024])
    told = (("applied", "2024-12-30"), ("accepted", "2024-12-30"))
    rules = item(statutory={"limit": 5})
    (run,) = clocks(rules, "2024-12-31", *told, calendar=short).runs
    assert (run.due.at, run.due.not_before, run.state) == (None, date(2025, 1, 4), ClockState.RUNNING)
    (run,) = clocks(rules, "2025-01-06", *told, calendar=short).runs
    assert (run.elapsed, run.state) == (None, ClockState.NOT_YET_KNOWN)


# ── Properties ─────────────────────────────────────────────────────────────────────────────────────────────

DAYS = st.integers(0, 60)


@st.composite
def _stories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """A case accepted on 4 March with some pauses and an extension, each on its day, in order."""
    days = sorted(draw(st.lists(DAYS, max_size=8)))
    told: list[tuple[Any, ...]] = [APPLIED, ACCEPTED]
    is_open = False
    for day in days:
        when = date.fromordinal(march(4).toordinal() + day).isoformat() + "T15:00"
        if draw(st.booleans()):
            told.append(("extended", when, {"clock": "statutory", "days": draw(st.integers(1, 10))}))
        else:
            told.append(("resumed" if is_open else "suspended", when, {"pause": "hearing"}))
            is_open = not is_open
    return told


@given(told=_stories(), first=DAYS, later=DAYS)
def test_elapsed_never_falls_and_an_overdue_run_never_comes_back(
    told: list[tuple[Any, ...]], first: int, later: int
) -> None:
    rules = item(statutory=STATUTORY)
    runs = []
    for day in (first, first + later):
        when = date.fromordinal(march(4).toordinal() + day).isoformat() + "T23:00"
        (run,) = clocks(rules, when, *told).runs
        runs.append(run)
    assert runs[0].elapsed is not None
    assert runs[1].elapsed is not None
    assert runs[0].elapsed <= runs[1].elapsed
    if runs[0].state is ClockState.OVERDUE:
        assert (runs[1].state, runs[1].due) == (ClockState.OVERDUE, runs[0].due)


@given(told=_stories(), day=DAYS)
def test_the_same_story_gives_the_same_answer(told: list[tuple[Any, ...]], day: int) -> None:
    when = date.fromordinal(march(4).toordinal() + day).isoformat() + "T23:00"
    assert clocks(item(statutory=STATUTORY), when, *told) == clocks(item(statutory=STATUTORY), when, *told)


@given(told=_stories(), known=st.integers(0, 3), joint=st.booleans())
def test_told_act_by_act_the_clocks_are_those_of_the_whole_case(
    told: list[tuple[Any, ...]], known: int, joint: bool
) -> None:
    last = told[-1][1]
    if joint:
        told = [*told, ("branch_opened", last, {"branch": "a"})]
    claimed_before = ("decided", "05T09:00", {"outcome": "granted"}, last)
    told = [*told, claimed_before, ("late_entry_confirmed", last, {"seq": len(told) + 1}), ("closed", last)]
    clocked = item(statutory=STATUTORY, joint={"limit": 9}, branch={"limit": 2}, delivery={"limit": 5})
    rules, calendar = parse_item(clocked), china_mainland()
    whole = acts(*told)
    fold = ClocksByAct(rules, whole[:known], calendar)
    for count, act in enumerate(whole[known:], start=known + 1):
        fold.take(act)
        as_of_us = act.known_us
        expected = case_clocks(rules, whole[:count], as_of_us=as_of_us, calendar=calendar).runs
        assert list(fold.runs(as_of_us)) == [replace(run, elapsed=None) for run in expected]


# ── Item data ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "bad",
    [
        {"lunch": {"limit": 1}},
        {"promise": {}},
        {"promise": 3},
        {"promise": {"limit": 0}},
        {"promise": {"limit": True}},
        {"promise": {"limit": 3_651}},
        {"promise": {"limit": 3, "unit": "week"}},
        {"promise": {"limit": 3, "unit": ["hour"]}},
        {"promise": {"limit": 3, "start": "whenever"}},
        {"promise": {"limit": 3, "start": []}},
        {"step": {"limit": 3, "start": "accepted"}},
        {"promise": {"limit": 3, "last_instant": "25:00"}},
        {"promise": {"limit": 3, "last_instant": 17}},
        {"promise": {"limit": 3, "roll": 1}},
        {"promise": {"limit": 3, "branch_pauses": "yes"}},
        {"promise": {"limit": 3, "pauses": "hearing"}},
        {"promise": {"limit": 3, "pauses": [{}]}},
        {"promise": {"limit": 3, "extend": 10}},
        {"promise": {"limit": 3, "extend": {"days": 10}}},
        {"promise": {"limit": 3, "extend": {"days": 10, "times": 0}}},
        {"step": {"limit": 3, "extend": {"days": 10, "times": 1}}},
        {"promise": {"limit": 3, "colour": "red"}},
        {"joint": {"limit": 45}},
    ],
)
def test_an_items_clocks_must_be_sound(bad: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_item({"unit": "env", "handling": "promise", "clocks": bad})


def test_handling_and_grace_must_be_sound() -> None:
    with pytest.raises(Malformed):
        parse_item(item("slowly"))
    with pytest.raises(Malformed):
        parse_item(item(grace=1441))
    with pytest.raises(Malformed, match="on the spot"):
        parse_item(item("on_the_spot", promise={"limit": 1}))

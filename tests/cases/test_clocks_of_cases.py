"""The clocks of cases that went through the real door, from what the log holds: acts, recorded times, calendar.

The clock on the wall is the tests': claimed and recorded times are those of March 2024, which has no holiday.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger.cases import approval
from ledger.errors import MingjianError
from ledger.facts.calendar import china_mainland
from ledger.facts.case_clocks import CaseClocks, ClockRun, ClockState, TimedAct, case_clocks
from ledger.registry import catalogue
from ledger.statement import instant_us, open_statement
from projections.clocks import case_runs, due_list
from projections.runner import Projector

Place = Any


@pytest.fixture(scope="module", autouse=True)
def cases(place: Place) -> Iterator[None]:
    """Day by day, what happens to the cases below."""
    clerk, reviewer, head = place.desk("staff/chen"), place.desk("staff/qian"), place.desk("staff/head")
    for case in ("paused", "extended", "late", "tried", "branches", "gaps", "silent", "too-late"):
        approval.apply_for(clerk, case, "permit", applicant="张三")
        if case not in ("gaps", "silent"):
            approval.accept(clerk, case)
    approval.accept_with_gaps(clerk, "gaps", ["map"], fill_by=date(2024, 3, 12))
    approval.open_branch(clerk, "branches", "fire", "fire")
    approval.extend(head, "extended", "statutory", 10, approval="a-1")
    place.done(approval.suspend(reviewer, "too-late", "hearing", notice="n-1"))
    place.at("2024-03-05T09:00")
    place.done(approval.resume(reviewer, "too-late", "hearing"))
    place.at("2024-03-06T09:00")
    place.done(approval.suspend(reviewer, "paused", "hearing", notice="n-2"))
    place.at("2024-03-08T09:00")
    place.done(approval.resume(reviewer, "paused", "hearing"))
    # Found on the 8th: what was decided on the 5th is only on paper.
    approval.decide(place.desk("staff/sun").afterwards("2024-03-05T15:00:00+08:00", "paper"), "late", "granted")
    outage = place.desk("staff/sun").afterwards("2024-03-05T15:00:00+08:00", "outage")
    place.done(approval.decide(outage, "tried", "granted"))
    place.at("2024-03-11T09:00")
    place.done(approval.confirm_late_entry(head, "late", 3))
    place.at("2024-03-12T09:00")
    place.done(approval.fill_gap(clerk, "gaps", "map"))
    # The case to which nobody said a word within five working days.
    received, due = date(2024, 3, 4), date(2024, 3, 11)
    place.done(approval.deem_accepted(place.system(), "silent", received=received, due=due))
    # A pause past the promise (seven days: the 13th) moves the statutory clock only.
    place.at("2024-03-14T09:00")
    place.done(approval.suspend(reviewer, "too-late", "site_visit", notice="n-3"))
    place.at("2024-03-15T09:00")


def clocks(place: Place, case: str, as_of: str = "2024-03-15T09:30") -> CaseClocks:
    place.placed()
    rows = [row for row in place.hall.reader.stream(f"approval/{case}") if row[0] is not None]
    recorded = place.hall.reader.recorded_us([index for index, _, _ in rows])
    acts = [TimedAct.of(open_statement(entry), recorded[index]) for index, _, entry in rows]
    registry = place.hall.door.registry()[1]
    return case_clocks(
        place.state(f"approval/{case}").rules,
        acts,
        as_of_us=instant_us(f"{as_of}:00+08:00"),
        calendar=registry.calendar(),
    )


def run(place: Place, case: str, clock: str, **more: Any) -> ClockRun:
    found = clocks(place, case, **more).latest(clock)
    assert found is not None
    return found


def test_a_pause_moves_the_statutory_clock_and_not_the_promise(place: Place) -> None:
    # Twenty working days after the 4th are the 1st of April; two held days (7th, 8th) and Qingming (4th, 5th).
    assert run(place, "paused", "statutory").due.at == date(2024, 4, 3)
    assert run(place, "paused", "promise").due.at == date(2024, 3, 13)


def test_while_the_pause_is_open_the_due_date_is_not_yet_known(place: Place) -> None:
    then = run(place, "paused", "statutory", as_of="2024-03-07T09:00")
    assert (then.state, then.due.at, then.due.not_before) == (ClockState.PAUSED, None, date(2024, 4, 1))


def test_an_extension_adds_its_days_to_the_statutory_clock(place: Place) -> None:
    found = run(place, "extended", "statutory")
    assert (found.limit, found.due.at) == (30, date(2024, 4, 16))  # Qingming off, the 7th of April worked for it


def test_with_branches_the_joint_clock_stands_in_the_statutory_ones_place(place: Place) -> None:
    found = clocks(place, "branches")
    assert {each.clock for each in found.runs} == {"gap_notice", "promise", "joint", "branch"}
    assert run(place, "branches", "joint").limit == 45


def test_a_case_accepted_with_gaps_stands_still_until_the_last_is_filled(place: Place) -> None:
    # The promise knows this pause: held from the 5th to the 12th, seven days after it.
    assert run(place, "gaps", "promise").due.at == date(2024, 3, 21)
    assert run(place, "gaps", "statutory").due.at == date(2024, 4, 1)


def test_what_nobody_answered_is_accepted_since_its_receipt(place: Place) -> None:
    assert run(place, "silent", "gap_notice").state is ClockState.STOPPED_LATE
    promise = run(place, "silent", "promise")
    assert (promise.started.date(), promise.due.at) == (date(2024, 3, 4), date(2024, 3, 13))


def test_a_pause_after_the_due_instant_never_moves_it(place: Place) -> None:
    found = run(place, "too-late", "promise")
    assert (found.state, found.due.at) == (ClockState.OVERDUE, date(2024, 3, 13))
    assert found.too_late == (5,)


# ── Late entries ───────────────────────────────────────────────────────────────────────────────────────────


def stopped(place: Place, case: str, **more: Any) -> str:
    found = run(place, case, "promise", **more)
    assert found.stopped is not None
    return found.stopped.date().isoformat()


def test_a_late_entry_counts_as_recorded_until_a_second_person_confirms_it(place: Place) -> None:
    assert stopped(place, "late", as_of="2024-03-10T09:00") == "2024-03-08"
    assert stopped(place, "late") == "2024-03-05"
    assert stopped(place, "tried") == "2024-03-08"


def test_it_stays_flagged_as_back_dated_and_says_that_it_was_confirmed(place: Place) -> None:
    assert [(each.seq, each.confirmed) for each in clocks(place, "late").back_dated] == [(3, True)]
    assert [(each.seq, each.confirmed) for each in clocks(place, "tried").back_dated] == [(3, False)]


def test_only_a_second_person_confirms_a_late_entry_and_only_once(place: Place) -> None:
    own = place.desk("staff/sun")
    with pytest.raises(MingjianError) as caught:
        approval.confirm_late_entry(own, "tried", 3)
    assert caught.value.code == "two-persons"
    for case, seq in (("late", 3), ("tried", 2), ("tried", 99)):
        with pytest.raises(MingjianError) as caught:
            approval.confirm_late_entry(place.desk("staff/head"), case, seq)
        assert caught.value.code == "late-entry"


def test_a_late_entry_gives_its_ground(place: Place) -> None:
    with pytest.raises(MingjianError) as caught:
        approval.deliver(place.desk("staff/chen").afterwards("2024-03-05T15:00:00+08:00", "forgot"), "late", "post")
    assert caught.value.code == "late"


def us(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


CASES = ("paused", "extended", "late", "tried", "branches", "gaps", "silent", "too-late")


def projected(place: Place, case: str) -> list[tuple[Any, ...]]:
    with place.hall.database.use("reader") as connection:
        rows = case_runs(connection, f"approval/{case}")
    return [(r["clock"], r["branch"], r["number"], r["started_us"], r["stopped_us"], r["due_us"]) for r in rows]


def test_what_is_projected_is_what_the_fold_says(place: Place) -> None:
    place.placed()
    Projector(place.hall.database).catch_up()
    for case in CASES:
        runs = clocks(place, case).runs
        found = [(r.clock, r.branch or "", r.number, us(r.started), us(r.stopped), us(r.last_instant)) for r in runs]
        assert sorted(projected(place, case)) == sorted(found), case


def test_running_clocks_come_by_due_date_and_stopped_ones_not_at_all(place: Place) -> None:
    Projector(place.hall.database).catch_up()
    with place.hall.database.use("reader") as connection:
        found = due_list(connection, limit=100)
    due = [run["due_us"] for run in found["runs"] if run["due_us"] is not None]
    assert len(found["runs"]) == found["n"] > 10
    assert due == sorted(due)
    assert all(run["stopped_us"] is None for run in found["runs"])


@pytest.mark.parametrize("batch", [1, 7, 50_000])
def test_the_length_of_a_chunk_never_shows(place: Place, batch: int) -> None:
    projector = Projector(place.hall.database)
    projector.catch_up()
    before = projector.digest()
    assert projector.rebuild(batch=batch).digest == before


def test_a_revised_calendar_moves_what_runs_and_then_is_still_seen_as_it_was(place: Place) -> None:
    place.placed()
    Projector(place.hall.database).catch_up()
    before, position = projected(place, "paused"), place.hall.reader.head().size
    # A typhoon: Monday the 18th of March becomes a day off.
    known = next(s for s in china_mainland().schedules if s.year == 2024)
    revised = replace(known, known_from=date(2024, 3, 15), days_off=known.days_off | {date(2024, 3, 18)})
    proposal = catalogue.schedule(place.desk("staff/cat-a"), revised)
    place.agreed(proposal, place.desk("staff/cat-b"))
    place.placed()
    Projector(place.hall.database).catch_up()
    after = projected(place, "paused")
    moved = {run[0]: run[5] - then[5] for run, then in zip(after, before, strict=True) if run[5] != then[5]}
    # The 3rd of April goes to the 7th, a Sunday worked for Qingming.
    assert moved == {"statutory": 4 * 86_400_000_000}
    with place.hall.database.use("reader") as connection:
        then = case_runs(connection, "approval/paused", position=position)
        listed = due_list(connection, position=position, limit=1000)["runs"]
    assert [run["due_us"] for run in then] == [run[5] for run in before]
    due = {run["clock"]: run["due_us"] for run in listed if run["stream"] == "approval/paused"}
    assert due == {run["clock"]: run["due_us"] for run in then if run["stopped_us"] is None}
    assert due != {run[0]: run[5] for run in after}
    assert Projector(place.hall.database).rebuild(batch=3).digest == Projector(place.hall.database).digest()

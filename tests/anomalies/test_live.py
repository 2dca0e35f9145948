"""What each detector of a live log calls odd, and what it lets pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from ledger.facts.anomalies.found import Anomaly
from ledger.facts.anomalies.live import Overdue, Raised, Rated, Run, Served, Span, Turn
from ledger.statement import instant_text, instant_us
from tests.anomalies.memory import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    OPENED,
    PERMIT,
    SECOND,
    STAMP,
    MemoryHall,
    working_hall,
)

LATE = MONDAY + 63 * DAY  # a Monday after all the usual work


@pytest.fixture
def hall() -> MemoryHall:
    return working_hall()


def cases(rows: list[Anomaly]) -> list[int]:
    return sorted(row.case for row in rows)


def test_a_hall_that_works_as_it_should_shows_nothing(hall: MemoryHall) -> None:
    assert hall.found() == []


def test_an_empty_hall_shows_nothing() -> None:
    assert MemoryHall().found() == []


def test_words_are_chinese_and_english_and_name_the_act(hall: MemoryHall) -> None:
    hall.permit(LATE, claimed={"decided": LATE + DAY})
    (row,) = hall.found("A2")
    assert "“决定”" in row.zh
    assert "“decided”" in row.en


# ── A1, A12 ──


def test_a_permit_without_the_step_that_all_others_have_skipped_it(hall: MemoryHall) -> None:
    one = hall.permit(LATE, (HOUR, "branch_opened", "sun", {"branch": "fire", "unit": "fire"}))
    assert cases(hall.found("A1")) == [one.leaf]
    assert hall.found("A12") == []


STEPPED = PERMIT._replace(code="stepped", steps=("visit", "examine"))


@pytest.mark.parametrize(
    ("steps", "outcome", "wrong"),
    [
        (["visit", "examine"], "granted", None),
        (["visit", "measure", "examine"], "granted", None),
        (["examine", "visit"], "granted", "“examine” was finished without “visit”"),
        (["visit"], "granted", "it was granted without “examine”"),
        (["visit"], "denied", None),
        (["examine"], "denied", "“examine” was finished without “visit”"),
    ],
)
def test_steps_that_the_catalogue_makes_mandatory_come_in_its_order(
    hall: MemoryHall, steps: list[str], outcome: str, wrong: str | None
) -> None:
    acts = [(HOUR * (2 + number), "step_finished", "qian", {"step": step}) for number, step in enumerate(steps)]
    start = (HOUR, "step_started", "qian", {"step": "visit"})
    one = hall.put("approval", start, *acts, (DAY, "decided", "sun", {"outcome": outcome}), at=LATE, item=STEPPED)
    rows = hall.found("A1")
    assert cases(rows) == ([] if wrong is None else [one.leaf])
    assert wrong is None or wrong in rows[0].en


def test_no_order_is_mined_where_the_catalogue_names_the_steps(hall: MemoryHall) -> None:
    one = hall.permit(LATE, (HOUR, "branch_opened", "sun", {"branch": "fire", "unit": "fire"}))
    assert cases(hall.found("A1")) == [one.leaf]
    named = [case._replace(item=PERMIT._replace(steps=("sign",))) if case is one else case for case in hall.of]
    hall.of[:] = named
    (row,) = hall.found("A1")
    assert "“sign”" in row.en
    hall.of[-1] = hall.of[-1]._replace(item=PERMIT._replace(steps=("never-due",)), acts=one.acts[:2])
    assert hall.found("A1") == []


def test_a_permit_that_nobody_looked_into_was_decided_without_review_and_not_a_skipped_step(hall: MemoryHall) -> None:
    one = hall.put(
        "approval",
        (0, "applied", "chen", {"channel": "window"}),
        (MINUTE, "accepted", "chen", {}),
        (DAY, "decided", "sun", {"outcome": "granted"}),
        at=LATE,
        item=PERMIT,
    )
    assert cases(hall.found("A12")) == [one.leaf]
    assert hall.found("A1") == []


def test_where_reviews_are_not_recorded_nobody_lacks_one() -> None:
    hall = MemoryHall()
    for number in range(50):
        hall.put(
            "approval",
            (0, "applied", "chen", {"channel": "window"}),
            (DAY, "decided", "sun", {"outcome": "granted"}),
            at=MONDAY + number * HOUR,
            item=PERMIT,
        )
    assert hall.found("A12") == []


def test_two_cases_of_one_item_on_one_ticket_are_taken_in_twice(hall: MemoryHall) -> None:
    one, other = hall.permit(LATE, ticket="t-x"), hall.permit(LATE + HOUR, ticket="t-x")
    hall.stamp(LATE + HOUR, ticket="t-x")  # another item of the same visit is another matter
    rows = hall.found("A12")
    assert cases(rows) == [one.leaf, other.leaf]
    assert {leaf for row in rows for leaf in row.leaves} == {one.leaf, other.leaf}


# ── A2 ──


def test_a_time_within_the_grace_is_none_a_time_beyond_it_is_back_dated(hall: MemoryHall) -> None:
    hall.permit(LATE, claimed={"decided": LATE + 2 * DAY - 4 * MINUTE})
    one = hall.permit(LATE + HOUR, claimed={"decided": LATE + HOUR + 2 * DAY - 6 * MINUTE})
    assert cases(hall.found("A2")) == [one.leaf]


def test_a_late_entry_that_a_second_person_confirmed_is_not_back_dated(hall: MemoryHall) -> None:
    steps = ((HOUR, "step_started", "qian", {"step": "examine", "late": "paper"}),)
    confirmed = (3 * HOUR, "late_entry_confirmed", "sun", {"seq": 3})
    hall.permit(LATE, *steps, confirmed, claimed={"step_started": LATE - DAY})
    other = hall.permit(LATE, *steps, claimed={"step_started": LATE - DAY})
    assert cases(hall.found("A2")) == [other.leaf]


# ── A3, A5, A7, A9, A10: what imported logs have too, by recorded time ──


def test_a_step_that_waited_for_weeks_is_a_stall(hall: MemoryHall) -> None:
    one = hall.permit(LATE, (30 * DAY, "step_started", "qian", {"step": "examine"}))
    assert one.leaf in cases(hall.found("A3"))


def test_five_cases_accepted_within_a_minute_by_one_person_are_a_batch(hall: MemoryHall) -> None:
    batch = [hall.stamp(LATE + n * 10 * SECOND) for n in range(5)]
    assert cases(hall.found("A5")) == [one.leaf for one in batch]


def test_gaps_told_twice_are_a_loop(hall: MemoryHall) -> None:
    told = [(n * HOUR, "gaps_told", "chen", {"gaps": ["photo"]}) for n in (1, 2)]
    one = hall.permit(LATE, *told, (DAY, "step_started", "qian", {"step": "examine"}))
    assert cases(hall.found("A7")) == [one.leaf]


def test_whoever_accepted_and_decided_by_another_account_is_one_person(hall: MemoryHall) -> None:
    hall.register = replace(hall.register, persons={**hall.register.persons, "staff/sun": "chen"})
    one = hall.permit(LATE)
    assert one.leaf in cases(hall.found("A10"))


def test_a_reviewer_who_decides_his_own_reviews_where_two_always_do(hall: MemoryHall) -> None:
    one = hall.permit(LATE, (HOUR, "step_started", "sun", {"step": "examine"}))
    assert cases(hall.found("A10")) == [one.leaf]


# ── A4 ──


def runs(unit: str, n: int, left: Fraction, first: int) -> list[Run]:
    span = 10 * DAY
    return [
        Run(first + k, unit, MONDAY, MONDAY + span, MONDAY + span - int(left * span) - k, first + k) for k in range(n)
    ]


def test_a_unit_that_decides_at_the_last_moment_is_named_and_only_its_cases() -> None:
    hall = MemoryHall()
    hall.all_runs = [*runs("env", 12, Fraction(1, 50), 1000), *runs("fire", 100, Fraction(1, 2), 2000)]
    assert cases(hall.found("A4")) == list(range(1000, 1012))


@pytest.mark.parametrize(
    ("env", "left"), [(9, Fraction(1, 50)), (12, Fraction(1, 2)), (12, Fraction(-1, 10))], ids=["few", "early", "late"]
)
def test_few_runs_early_ones_and_late_ones_hug_nothing(env: int, left: Fraction) -> None:
    hall = MemoryHall()
    hall.all_runs = [*runs("env", env, left, 1000), *runs("fire", 100, Fraction(1, 2), 2000)]
    assert hall.found("A4") == []


def test_where_all_units_decide_late_none_stands_out() -> None:
    hall = MemoryHall()
    hall.all_runs = [*runs("env", 30, Fraction(1, 50), 1000), *runs("fire", 30, Fraction(1, 50), 2000)]
    assert hall.found("A4") == []


# ── A6 ──


def test_work_at_night_and_on_a_sunday_is_after_hours(hall: MemoryHall) -> None:
    night, sunday = hall.stamp(LATE + 13 * HOUR), hall.stamp(LATE - DAY)
    assert cases(hall.found("A6")) == [night.leaf, sunday.leaf]


def test_a_roster_makes_that_window_and_day_normal(hall: MemoryHall) -> None:
    night, sunday = date(2024, 5, 6), date(2024, 5, 5)
    hall.stamp(LATE + 13 * HOUR)
    other = hall.stamp(LATE - DAY, window="w2")
    hall.stamp(LATE - DAY)
    hall.register = replace(
        hall.register,
        rostered=frozenset({("w1", night)}),
        rostered_days=frozenset({("w1", night), ("w1", sunday)}),
    )
    assert cases(hall.found("A6")) == [other.leaf]


def test_a_make_up_saturday_is_worked_and_a_holiday_is_not(hall: MemoryHall) -> None:
    saturday, holiday = date(2024, 5, 11), date(2024, 5, 1)
    hall.register = replace(hall.register, working_weekends=frozenset({saturday}), days_off=frozenset({holiday}))
    hall.stamp(instant_us("2024-05-11T09:00:00+08:00"))
    one = hall.stamp(instant_us("2024-05-01T09:00:00+08:00"))
    assert cases(hall.found("A6")) == [one.leaf]


# ── A8 ──


def paused(hall: MemoryHall, *, hours: int = 2, notice: str = "", **more: object) -> int:
    steps = (
        (HOUR, "step_started", "qian", {"step": "examine"}),
        (2 * HOUR, "suspended", "qian", {"pause": "hearing", "notice": notice or f"n-{hall.leaf}"}),
        ((2 + hours) * HOUR, "resumed", "qian", {"pause": "hearing"}),
    )
    return hall.permit(LATE + hall.leaf * MINUTE, *steps, **more).leaf  # type: ignore[arg-type]


def test_short_pauses_with_a_notice_of_their_own_are_none(hall: MemoryHall) -> None:
    for _ in range(30):
        paused(hall)
    assert hall.found("A8") == []


def test_an_empty_notice_and_one_of_another_case_are_named(hall: MemoryHall) -> None:
    for _ in range(28):
        paused(hall)
    paused(hall, notice="n-1")
    odd = [paused(hall, notice="none"), paused(hall, notice="n-1")]
    assert cases(hall.found("A8")) == odd


def test_a_pause_over_half_of_the_time_is_named(hall: MemoryHall) -> None:
    for _ in range(28):
        paused(hall)
    one = paused(hall, hours=6 * 24)
    assert cases(hall.found("A8")) == [one]


def test_a_pause_just_before_the_clock_was_due_is_named(hall: MemoryHall) -> None:
    for _ in range(28):
        paused(hall)
    one = paused(hall, due={"suspended": LATE + 400 * DAY})
    assert cases(hall.found("A8")) == [one]


def test_a_withdrawal_as_the_clock_runs_out_and_a_new_application_at_once(hall: MemoryHall) -> None:
    for number in range(20):
        hall.put(
            "approval", (0, "applied", "zhao", {}), (DAY, "withdrawn", "zhao", {}), at=LATE + number * HOUR, item=PERMIT
        )
    gone = hall.put(
        "approval",
        (0, "applied", "chen", {}),
        (DAY, "withdrawn", "chen", {}),
        at=LATE,
        item=PERMIT,
        due={"withdrawn": LATE + DAY + HOUR},
        window="w2",
    )
    assert hall.found("A8") == []
    again = hall.permit(LATE + DAY + HOUR, window="w2")
    (row,) = hall.found("A8")
    assert (row.case, row.leaves) == (gone.leaf, (gone.acts[1].leaf, again.leaf))


# ── A11 ──


def test_an_on_the_spot_case_without_a_ticket_and_one_served_in_nineteen_seconds(hall: MemoryHall) -> None:
    none = hall.stamp(LATE, ticket=None)
    fast = hall.stamp(LATE + HOUR, ticket="t-f")
    slow = hall.stamp(LATE + 2 * HOUR, ticket="t-s")
    hall.of[-2] = fast._replace(ticket=Served(LATE, LATE + 19 * SECOND))
    hall.of[-1] = slow._replace(ticket=Served(LATE, LATE + 20 * SECOND))
    assert cases(hall.found("A11")) == [none.leaf, fast.leaf]


def test_a_channel_without_a_queue_needs_no_ticket(hall: MemoryHall) -> None:
    for number in range(10):
        hall.put(
            "approval",
            (0, "applied", "chen", {"channel": "website"}),
            (DAY, "decided", "chen", {"outcome": "granted"}),
            at=LATE + number * HOUR,
            item=STAMP,
        )
    assert hall.found("A11") == []


# ── A13 ──


def rated(n: int, apart: int, *, level: int = 5, window: str = "w1", first: int = 5000) -> list[Rated]:
    return [Rated(window, MONDAY + k * apart, first + k, level, first + k) for k in range(n)]


@pytest.mark.parametrize(("n", "apart", "rows"), [(5, 30 * SECOND, 5), (4, SECOND, 0), (5, 31 * SECOND, 0), (9, 0, 9)])
def test_five_ratings_alike_of_one_window_within_two_minutes_are_a_burst(n: int, apart: int, rows: int) -> None:
    hall = MemoryHall()
    hall.all_ratings = [*rated(n, apart), *rated(60, HOUR, window="w2", first=9000)]
    assert len(hall.found("A13")) == rows


def test_five_of_several_levels_are_no_burst() -> None:
    hall = MemoryHall()
    hall.all_ratings = [*rated(3, SECOND), *rated(2, SECOND, level=4), *rated(60, HOUR, window="w2", first=9000)]
    assert hall.found("A13") == []


# ── A14, A19 ──


def queue(
    hall: MemoryHall, order: list[int], *, day: int = 0, apart: int = 2 * MINUTE, wait: int = 10 * MINUTE
) -> None:
    """Tickets 0, 1, 2 … taken at ``apart``, called in ``order`` from the last one's taking on."""
    base, first = MONDAY + day * DAY, 10_000 + day * 1000
    for k in sorted(order):
        hall.all_turns.append(Turn(first + k, base + k * apart, first + k, "taken", "env", "counter", None))
    for place, k in enumerate(order):
        when = base + k * apart + wait if order == sorted(order) else base + len(order) * apart + place * MINUTE
        hall.all_turns.append(Turn(first + 500 + k, when, first + k, "called", None, None, "w1"))


def test_calls_in_the_order_of_the_tickets_are_none() -> None:
    hall = MemoryHall()
    queue(hall, list(range(50)))
    assert hall.found("A14") == []


def test_a_ticket_that_overtook_three_is_named_and_they_are_not() -> None:
    hall = MemoryHall()
    queue(hall, [0, 1, 5, 2, 3, 4, *range(6, 40)])
    (row,) = hall.found("A14")
    assert row.case == 10_005
    assert row.leaves[0] == 10_505


def test_one_who_was_passed_over_by_many_is_named_and_they_are_not() -> None:
    hall = MemoryHall()
    queue(hall, [0, 2, 3, 4, 5, 1, *range(6, 40)])
    assert cases(hall.found("A14")) == [10_001]


def test_two_that_came_within_a_minute_may_change_places() -> None:
    hall = MemoryHall()
    queue(hall, [1, 0, *range(2, 40)], apart=50 * SECOND)
    assert hall.found("A14") == []


def test_a_week_of_long_waits_is_a_drift_of_that_unit() -> None:
    hall = MemoryHall()
    for week in range(10):
        queue(hall, list(range(20)), day=week * 7, wait=(50 if week == 7 else 10 + week % 3) * MINUTE)
    (row,) = hall.found("A19")
    assert row.case == 1
    assert all(17_000 + 42_000 <= leaf < 70_000 for leaf in row.leaves)


def test_weeks_like_each_other_and_few_weeks_are_no_drift() -> None:
    hall = MemoryHall()
    for week in range(10):
        queue(hall, list(range(20)), day=week * 7, wait=(10 + week % 3) * MINUTE)
    assert hall.found("A19") == []
    few = MemoryHall()
    for week in range(4):
        queue(few, list(range(20)), day=week * 7, wait=(50 if week == 3 else 10) * MINUTE)
    assert few.found("A19") == []


def test_a_week_in_which_much_less_was_in_time_is_a_drift() -> None:
    hall = MemoryHall()
    for week in range(10):
        due = MONDAY + week * 7 * DAY
        for k in range(20):
            late = week == 6 and k < 12
            leaf = 20_000 + week * 100 + k
            hall.all_runs.append(Run(leaf, "env", due - 5 * DAY, due, due + (HOUR if late else -2 * DAY), leaf))
    (row,) = hall.found("A19")
    assert row.case == 1
    assert {leaf // 100 for leaf in row.leaves} == {206}


# ── A15 ──


FILM = {"since": instant_text(LATE), "until": instant_text(LATE + MINUTE)}
GRANTED = {"viewer": "staff/cha", "complained_of": [], "expires": instant_text(LATE + 5 * DAY), **FILM}
SEEN = {"viewer": "staff/cha", "rendition": "clip", "complaint": "planted", **FILM}


def granted(hall: MemoryHall, *looked: tuple[int, dict[str, Any]], more: dict[str, Any] | None = None) -> int:
    """A complaint of staff/chen, and a grant that names it; then what was seen when, after ``LATE``."""
    said = ("accepted", "complaint_head", {"complained_of": ["staff/chen"]})
    hall.put("complaint", (0, *said), at=LATE - DAY, stream="complaint/planted")
    steps = [(when, "clip_viewed", "system_clock", SEEN | seen) for when, seen in looked]
    return hall.put("grant", (0, "clip_granted", "complaint_head", GRANTED | (more or {})), *steps, at=LATE).leaf


@pytest.mark.parametrize(
    ("when", "seen", "more", "wrong"),
    [
        (DAY, {}, {}, False),
        (DAY, {"viewer": "staff/zhao"}, {}, True),
        (6 * DAY, {}, {}, True),
        (DAY, {"until": instant_text(LATE + 2 * MINUTE)}, {}, True),
        (DAY, {"viewer": "staff/chen", "rendition": "redacted"}, {"viewer": "staff/chen"}, False),
        (DAY, {"viewer": "staff/chen"}, {"viewer": "staff/chen"}, True),
        (DAY, {"viewer": "staff/qian"}, {"viewer": "staff/qian", "complained_of": ["staff/qian"]}, True),
    ],
    ids=[
        "as granted",
        "another viewer",
        "after its end",
        "beyond the span",
        "redacted, to the complained-of",
        "as it was cut, to whom only the complaint names as complained of",
        "as it was cut, to whom the grant names as complained of",
    ],
)
def test_a_viewing_is_held_against_its_grant(
    hall: MemoryHall, when: int, seen: dict[str, Any], more: dict[str, Any], wrong: bool
) -> None:
    one = granted(hall, (when, seen), more=more)
    assert cases(hall.found("A15")) == ([one] if wrong else [])


def test_a_viewing_that_nobody_granted_and_one_after_it_was_withdrawn(hall: MemoryHall) -> None:
    alone = hall.put("grant", (0, "clip_viewed", "system_clock", SEEN), at=LATE)
    steps = ("clip_granted", "complaint_head", GRANTED), ("grant_withdrawn", "complaint_head", {})
    withdrawn = hall.put(
        "grant", (0, *steps[0]), (HOUR, *steps[1]), (DAY, "clip_viewed", "system_clock", SEEN), at=LATE
    )
    assert set(cases(hall.found("A15"))) == {alone.leaf, withdrawn.leaf}


def test_a_film_watched_in_many_pieces_is_watched_once_and_eleven_watchings_are_many(hall: MemoryHall) -> None:
    granted(hall, *[(DAY + piece * 10 * SECOND, {}) for piece in range(60)])
    granted(hall, *[(DAY + k * HOUR + piece * 10 * SECOND, {}) for k in range(10) for piece in range(3)])
    assert hall.found("A15") == []
    one = granted(hall, *[(DAY + k * HOUR, {}) for k in range(11)])
    (row,) = hall.found("A15")
    assert row.case == one
    assert row.en.startswith("watched 11 times under one grant")


def watched(hall: MemoryHall, at: int, *, who: str = "staff/cha", **data: Any) -> int:
    return hall.put("live", (0, "live_viewed", who, {"camera": "c1", "purpose": "patrol"} | data), at=at).leaf


def test_a_live_viewing_for_a_complaint_names_one_that_is_open(hall: MemoryHall) -> None:
    wrong = [watched(hall, MONDAY, purpose="complaint"), watched(hall, MONDAY, purpose="complaint", complaint="later")]
    hall.put("complaint", (0, "received", "citizen", {}), at=MONDAY, stream="complaint/open")
    hall.put("complaint", (0, "received", "citizen", {}), (1, "closed", "complaint_head", {}), stream="complaint/over")
    hall.put("complaint", (0, "received", "citizen", {}), at=MONDAY, stream="complaint/later")
    watched(hall, MONDAY, purpose="complaint", complaint="open")
    wrong.append(watched(hall, MONDAY, purpose="complaint", complaint="over"))
    assert cases(hall.found("A15")) == wrong


def test_who_watches_at_night_or_on_a_day_off_has_an_incident_or_a_roster_for_it(hall: MemoryHall) -> None:
    night, sunday = MONDAY + 17 * HOUR, MONDAY + 6 * DAY
    watched(hall, MONDAY + HOUR)
    watched(hall, night, purpose="incident")
    wrong = [watched(hall, night), watched(hall, sunday)]
    assert set(cases(hall.found("A15"))) == set(wrong)


def test_who_watches_far_more_often_in_a_day_than_others_is_named_once(hall: MemoryHall) -> None:
    for day in range(5):
        for k in range(2):
            watched(hall, MONDAY + day * DAY + k * HOUR, who="staff/du")
    for k in range(11):
        watched(hall, MONDAY + k * MINUTE)
    assert hall.found("A15") == []
    watched(hall, MONDAY + 12 * MINUTE)
    (row,) = hall.found("A15")
    assert row.en.startswith("watched live 12 times in a day, of others the median is 2")


# ── A16 ──


def test_a_gap_while_its_window_was_at_work_is_missing_footage(hall: MemoryHall) -> None:
    hall.all_turns.append(Turn(99_999, LATE + 3 * MINUTE, 99_998, "called", None, None, "w1"))
    gap = ((0, "gap_detected", "recorder_device", {"at": instant_text(LATE)}),)
    ended = (
        10 * MINUTE,
        "gap_ended",
        "recorder_device",
        {"at": instant_text(LATE + 10 * MINUTE), "since": instant_text(LATE)},
    )
    one = hall.put("footage", *gap, ended, at=LATE, stream="footage/c1")
    (row,) = hall.found("A16")
    assert (row.case, row.leaves) == (one.leaf, (one.acts[0].leaf, one.acts[1].leaf, 99_999))


def test_a_gap_while_nobody_worked_there_is_none(hall: MemoryHall) -> None:
    gap = (0, "gap_detected", "recorder_device", {"at": instant_text(LATE)})
    hall.put("footage", gap, at=LATE, stream="footage/c1")
    assert hall.found("A16") == []


@pytest.mark.parametrize(("age", "camera", "wrong"), [(10, "c1", True), (50, "c1", False), (10, "c9", False)])
def test_a_clip_that_should_still_be_there_and_is_not(hall: MemoryHall, age: int, camera: str, wrong: bool) -> None:
    since = instant_text(LATE - age * DAY)
    missing = {"camera": camera, "reason": "disk", "since": since, "until": since}
    one = hall.put(
        "complaint", (0, "received", "citizen", {}), (HOUR, "clip_missing", "video_custodian", missing), at=LATE
    )
    assert cases(hall.found("A16")) == ([one.leaf] if wrong else [])


# ── A17 ──

CARD = Raised(1, 900, "R-OVER", "red", "promise", LATE, LATE + 1, LATE + SECOND, LATE, None, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_due_us": LATE + DAY},
        {"has_run": False, "run_due_us": None},
        {"stopped_us": LATE - HOUR},
        {"recorded_us": LATE - HOUR},
    ],
    ids=["another due instant", "no such run", "had stopped", "before its time"],
)
def test_a_card_that_a_replay_does_not_give_is_named(hall: MemoryHall, wrong: dict[str, int | None]) -> None:
    hall.all_cards = [CARD._replace(case=n, leaf=900 + n) for n in range(2, 20)] + [CARD._replace(**wrong)]
    assert cases(hall.found("A17")) == [1]


def test_a_run_that_went_past_its_due_instant_without_the_card_all_others_have(hall: MemoryHall) -> None:
    hall.all_cards = [CARD._replace(case=n, leaf=900 + n) for n in range(2, 30)]
    hall.all_overdue = [Overdue(n, "promise", LATE, 800 + n, frozenset({"R-OVER"})) for n in range(2, 30)]
    hall.all_overdue.append(Overdue(31, "promise", LATE, 831, frozenset()))
    (row,) = hall.found("A17")
    assert (row.case, row.leaves) == (31, (831,))


# ── A18 ──


def purchase(
    hall: MemoryHall,
    *,
    bids: dict[str, int] | None = None,
    days: int = 25,
    amended: int = 0,
    raised: int = 100,
    buyer: str = "school",
    winner: str = "a",
) -> int:
    prices = {"a": 100_000, "b": 110_000, "c": 120_000} if bids is None else bids
    at, closes = LATE, {"closes": instant_text(LATE + days * DAY)}
    steps = [
        (0, "planned", "trading_officer", {"method": "open", "buyer": buyer, "fen": 100_000}),
        (1, "tender_published", "trading_officer", closes),
        *((HOUR * (k + 1), "tender_amended", "trading_officer", closes) for k in range(amended)),
        *((DAY, "bid_received", "trading_officer", {"bidder": bidder}) for bidder in prices),
        (days * DAY + 1, "bids_opened", "trading_officer", {"prices": prices}),
        (days * DAY + HOUR, "awarded", "trading_officer", {"supplier": winner, "fen": 100_000}),
        (days * DAY + 2 * HOUR, "contract_signed", "trading_officer", {"fen": 100_000}),
        (days * DAY + 3 * HOUR, "contract_amended", "trading_officer", {"fen": 1000 * raised}),
    ]
    return hall.put("trading", *steps, at=at).leaf


Odd = Callable[[MemoryHall], int]


@pytest.mark.parametrize(
    "odd",
    [
        lambda hall: purchase(hall, bids={"a": 100_000}),
        lambda hall: purchase(hall, days=19),
        lambda hall: purchase(hall, bids={"a": 100_000, "b": 100_005}),
        lambda hall: purchase(hall, bids={"a": 100_000, "b": 200_000, "c": 300_001}),
        lambda hall: purchase(hall, amended=2),
        lambda hall: purchase(hall, raised=111),
    ],
    ids=["single bid", "short period", "alike", "spread", "amended twice", "raised by over a tenth"],
)
def test_each_sign_names_its_purchase_and_a_sound_one_is_not_named(hall: MemoryHall, odd: Odd) -> None:
    purchase(hall, raised=110, amended=1, days=21)
    one = odd(hall)
    assert cases(hall.found("A18")) == [one]


def test_one_who_wins_nearly_all_of_a_buyers_purchases_is_a_pattern(hall: MemoryHall) -> None:
    for n in range(6):
        purchase(hall, buyer="hospital", winner="abc"[n % 3])
    won = [purchase(hall) for _ in range(6)]
    assert cases(hall.found("A18")) == won


# ── A20 ──


@pytest.mark.parametrize(
    "change",
    [
        lambda here: replace(here, staff={**here.staff, "staff/chen": [Span(OPENED, LATE - DAY)]}),
        lambda here: replace(here, windows={**here.windows, "w1": (3, Span(LATE + DAY, None), "env")}),
        lambda here: replace(here, items={"stamp": [STAMP._replace(to_us=LATE - DAY)]}),
        lambda here: replace(here, opened_us=LATE + DAY),
    ],
    ids=["had left", "window not there", "item retired", "before the centre"],
)
def test_what_the_registries_exclude_cannot_have_happened(change: Callable[[object], object]) -> None:
    hall = MemoryHall()
    hall.stamp(LATE)
    assert hall.found("A20") == []
    hall.register = change(hall.register)  # type: ignore[assignment]
    assert len(hall.found("A20")) == 1


def test_a_claim_of_a_time_to_come_is_impossible(hall: MemoryHall) -> None:
    one = hall.permit(LATE, claimed={"decided": LATE + 5 * DAY})
    assert cases(hall.found("A20")) == [one.leaf]

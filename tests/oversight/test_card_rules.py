"""Rule packs: what is refused, when rules fire, and the calendar revision of 27 January 2020 played through."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.facts.calendar import Calendar, china_mainland
from ledger.facts.card_rules import Adopted, Pack, firings, read_pack
from ledger.facts.case_clocks import TimedAct, case_clocks, parse_item
from ledger.facts.clocks import SHANGHAI
from ledger.facts.duties import passed, recomputed
from ledger.facts.terms import Terms
from ledger.statement import instant_us
from oversight.clock import sample

NINETY = {"clock": "promise", "share": "0.9"}


def rule(**changes: Any) -> dict[str, Any]:
    return {
        "id": "Y-90",
        "colour": "yellow",
        "when": NINETY,
        "legal_basis": "样例",
        "source": "sample",
        "valid_from": None,
        "valid_to": None,
        "version": 1,
    } | changes


def pack(*rules: dict[str, Any], **more: Any) -> Pack:
    return read_pack(json.dumps({"pack": "test", "rules": list(rules)} | more).encode())


# ── Reading ──


def test_the_shipped_packs_are_read_and_say_that_they_are_samples() -> None:
    for name in ("ninety", "day-before", "trading"):
        found = read_pack(sample(name))
        assert found.name == f"sample-{name}"
        assert all("sample" in rule.source for rule in found.rules)


def test_terms_are_whole_working_days_of_those_that_are_known_and_the_others_stay_samples() -> None:
    found = pack(rule(), terms={"card_answer": 2}).terms
    assert found is not None
    assert (found.card_answer, found.complaint_finish) == (2, Terms().complaint_finish)
    for wrong in ({}, {"lunch": 1}, {"card_answer": 0}, {"card_answer": "2"}, {"card_answer": True}, []):
        with pytest.raises(Malformed):
            pack(rule(), terms=wrong)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"when": {"clock": "lunch", "share": "0.9"}}, "there is no clock"),
        ({"when": {"clock": "promise", "share": "0"}}, "no clock is at 0 of its limit"),
        ({"when": {"clock": "promise", "share": "11"}}, "no clock is at 11"),
        ({"when": {"clock": "promise", "days_before_due": 0}}, "no number of days"),
        ({"when": {"clock": "promise", "past_due": True, "unless_past": "promise"}}, "whenever it is"),
        ({"when": {"event": "approval.eaten.v1", "without": ["x"]}}, "no statement type"),
        ({"when": {"event": "approval.refused.v1", "without": ["fee"]}}, "has no field"),
        ({"when": {"event": "approval.decided.v1", "without": ["outcome"]}}, "no approval.decided.v1 is without"),
        ({"when": {"streak": 3, "of": "P-1D"}}, "no other rule of the pack"),
        ({"when": {"streak": 3, "of": "Y-90"}}, "no other rule of the pack"),
        ({"when": {"clock": "contract", "past_due": True}}, "says no limit of contract"),
        ({"when": {"clock": "promise", "too_short": True}}, "no least time"),
        ({"valid_from": "2024-02-01", "valid_to": "2024-01-01"}, "ends before it begins"),
    ],
)
def test_a_rule_that_can_never_fire_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Malformed, match="could never fire") as refused:
        pack(rule(**changes))
    assert says in refused.value.message
    assert refused.value.code == "rule-never"
    assert refused.value.mend


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"pack": "a", "rules": []}',
        b'{"pack": "", "rules": [{}]}',
        b'{"pack": "a", "pack": "b", "rules": []}',
        json.dumps({"pack": "a", "rules": [rule()], "opens": "25:00"}).encode(),
        json.dumps({"pack": "a", "rules": [rule(), rule()]}).encode(),
        *(
            json.dumps({"pack": "a", "rules": [rule(**{name: value})]}).encode()
            for name, value in (
                ("id", ""),
                ("colour", "green"),
                ("legal_basis", " "),
                ("source", None),
                ("version", True),
                ("valid_from", "2024-02-30"),
                ("when", {}),
                ("when", {"clock": "promise"}),
                ("when", NINETY | {"more": 1}),
                ("when", {"clock": "promise", "share": "1e3"}),
                ("when", {"event": "approval.refused.v1", "without": []}),
            )
        ),
    ],
)
def test_a_pack_that_does_not_parse_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        read_pack(data)
    assert refused.value.mend


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_whatever_stands_for_when_is_read_or_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        pack(rule(when=value))


# ── Instants ──

ITEM = parse_item(
    {
        "handling": "promise",
        "unit": "env",
        "clocks": {"statutory": {"limit": 20}, "promise": {"limit": 5, "pauses": ["site_visit"]}, "step": {"limit": 2}},
    }
)


def us(text: str) -> int:
    return instant_us(f"{text}:00+08:00")


def act(seq: int, verb: str, at: str, **data: Any) -> TimedAct:
    return TimedAct(seq=seq, type=f"approval.{verb}.v1", data=data, claimed_us=us(at), recorded_us=us(at))


def fired(
    of: Pack, acts: list[TimedAct], *, now: str = "2024-06-01T00:00", calendar: Calendar | None = None
) -> list[tuple[str, str]]:
    calendar = calendar or china_mainland()
    day = date.fromisoformat(now[:10])
    clocks = case_clocks(ITEM, acts, as_of_us=us(now), calendar=calendar)
    found = firings(Adopted(of), clocks, calendar=calendar.as_known(day))
    return [(each.rule.id, each.at.astimezone(SHANGHAI).isoformat(timespec="microseconds")[:26]) for each in found]


ACCEPTED = act(1, "accepted", "2024-03-04T10:00")  # a Monday: five working days are the 11th


def test_ninety_percent_is_the_day_on_which_that_share_has_run_when_it_opens() -> None:
    assert fired(pack(rule()), [ACCEPTED]) == [("Y-90", "2024-03-11T09:00:00.000000")]
    fifth = rule(when={"clock": "promise", "share": "0.2"})
    assert fired(pack(fifth, opens="08:30"), [ACCEPTED]) == [("Y-90", "2024-03-05T08:30:00.000000")]


def test_a_day_before_due_is_a_working_day_before_it_and_needs_a_longer_limit() -> None:
    before = rule(id="P-1D", colour="prompt", when={"clock": "promise", "days_before_due": 1})
    assert fired(pack(before), [ACCEPTED]) == [("P-1D", "2024-03-08T09:00:00.000000")]
    five = rule(id="P-5D", colour="prompt", when={"clock": "promise", "days_before_due": 5})
    assert fired(pack(five), [ACCEPTED]) == []


def test_past_due_is_the_first_instant_after_the_due_day_even_before_a_weekend() -> None:
    over = rule(id="R-OVER", colour="red", when={"clock": "promise", "past_due": True})
    friday = act(1, "accepted", "2024-03-01T10:00")
    assert fired(pack(over), [friday]) == [("R-OVER", "2024-03-09T00:00:00.000001")]


def test_a_clock_that_stopped_before_fires_nothing_and_one_that_stopped_at_the_instant_does() -> None:
    in_time = act(2, "decided", "2024-03-11T08:59", outcome="granted")
    at_once = act(2, "decided", "2024-03-11T09:00", outcome="granted")
    assert fired(pack(rule()), [ACCEPTED, in_time]) == []
    assert fired(pack(rule()), [ACCEPTED, at_once]) == [("Y-90", "2024-03-11T09:00:00.000000")]


def test_a_step_overtime_counts_only_while_the_whole_is_in_time() -> None:
    step = rule(id="Y-STEP", when={"clock": "step", "past_due": True, "unless_past": "promise"})
    early = [ACCEPTED, act(2, "step_started", "2024-03-04T11:00", step="look")]
    late = [ACCEPTED, act(2, "step_started", "2024-03-11T11:00", step="look")]
    assert fired(pack(step), early) == [("Y-STEP", "2024-03-07T00:00:00.000001")]
    assert fired(pack(step), late) == []


def test_a_rule_holds_on_its_days_only() -> None:
    assert fired(pack(rule(valid_to="2024-03-10")), [ACCEPTED]) == []
    assert len(fired(pack(rule(valid_from="2024-03-11", valid_to="2024-03-11")), [ACCEPTED])) == 1


def test_while_a_pause_is_open_nothing_is_due_and_afterwards_it_is_later() -> None:
    paused = [ACCEPTED, act(2, "suspended", "2024-03-06T10:00", pause="site_visit", notice="n")]
    assert fired(pack(rule()), paused) == []
    resumed = [*paused, act(3, "resumed", "2024-03-08T10:00", pause="site_visit")]
    assert fired(pack(rule()), resumed) == [("Y-90", "2024-03-13T09:00:00.000000")]


@given(limit=st.integers(1, 40), share=st.integers(1, 99), start=st.integers(0, 300))
def test_a_share_never_fires_after_past_due(limit: int, share: int, start: int) -> None:
    item = parse_item({"handling": "promise", "unit": "env", "clocks": {"promise": {"limit": limit}}})
    begun = datetime(2023, 1, 3, 10, tzinfo=SHANGHAI) + timedelta(days=start)
    one = act(1, "accepted", begun.isoformat()[:16])
    both = pack(
        rule(when={"clock": "promise", "share": f"0.{share:02d}"}),
        rule(id="R", colour="red", when={"clock": "promise", "past_due": True}),
    )
    clocks = case_clocks(item, [one], as_of_us=us("2024-06-01T00:00"), calendar=china_mainland())
    found = firings(Adopted(both), clocks, calendar=china_mainland().as_known())
    assert [each.rule.id for each in found] == ["Y-90", "R"]
    assert found[0].at > begun or share * limit <= 100


# ── 27 January 2020: the holiday is prolonged to 2 February, and the make-up Saturday falls away ──

PROMPT = rule(id="P-1D", colour="prompt", when={"clock": "promise", "days_before_due": 1})
STARTED = act(1, "accepted", "2020-01-20T10:00")
AS_FIRST_KNOWN = Calendar([s for s in china_mainland().schedules if s.known_from < date(2020, 1, 27)])


def test_as_known_before_the_revision_the_prompt_is_due_on_31_january() -> None:
    assert fired(pack(PROMPT), [STARTED], now="2020-01-20T12:00") == [("P-1D", "2020-01-31T09:00:00.000000")]


def test_as_known_after_it_the_prompt_is_due_on_3_february() -> None:
    assert fired(pack(PROMPT), [STARTED], now="2020-01-28T12:00") == [("P-1D", "2020-02-03T09:00:00.000000")]


def test_a_prompt_raised_before_the_revision_was_on_record_was_not_due_then_and_is_so_found() -> None:
    of = pack(PROMPT)
    run, raised = ("promise", None, None, 1), us("2020-01-31T09:00")
    as_raised = (of, AS_FIRST_KNOWN, raised, us("2020-01-31T10:00"))
    assert recomputed([STARTED], ITEM, of.rules[0], run, *as_raised) == us("2020-01-31T09:00")
    after = (of, china_mainland(), raised, us("2020-02-01T10:00"))
    assert recomputed([STARTED], ITEM, of.rules[0], run, *after) == us("2020-02-03T09:00")


def test_a_pause_after_the_prompt_does_not_make_it_wrong() -> None:
    of = pack(PROMPT)
    acts = [ACCEPTED, act(2, "suspended", "2024-03-08T10:00", pause="site_visit", notice="n")]
    raised = us("2024-03-08T09:00")
    run = ("promise", None, None, 1)
    later = us("2024-03-11T10:00")
    assert recomputed(acts, ITEM, of.rules[0], run, of, china_mainland(), raised, later) == raised


# ── No storm ──


def test_of_what_was_past_when_it_became_known_only_the_highest_is_raised() -> None:
    of = pack(PROMPT, rule(), rule(id="R-OVER", colour="red", when={"clock": "promise", "past_due": True}))
    clocks = case_clocks(ITEM, [ACCEPTED], as_of_us=us("2024-03-20T00:00"), calendar=china_mainland())
    found = firings(Adopted(of), clocks, calendar=china_mainland().as_known())
    run = ("promise", None, None, 1)
    now = us("2024-03-20T00:00")

    def raised(known: str, now: int = now) -> list[str]:
        return [each.rule.id for each in passed(found, {run: us(known)}, now)]

    assert raised("2024-03-04T10:00") == ["P-1D", "Y-90", "R-OVER"]
    assert raised("2024-03-08T12:00") == ["P-1D", "Y-90", "R-OVER"]
    assert raised("2024-03-11T12:00") == ["Y-90", "R-OVER"]
    assert raised("2024-03-19T12:00") == ["R-OVER"]
    assert raised("2024-03-04T10:00", us("2024-03-10T00:00")) == ["P-1D"]

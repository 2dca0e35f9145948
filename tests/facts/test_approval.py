"""What may follow what in an approval, and what each act must hold."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import MingjianError, NotAllowed, Refused
from ledger.facts.approval import BESIDE, FOLD, TABLE, Stage, possible
from ledger.facts.types import TYPES

LATE = "2024-03-25T09:00:00+08:00"

# How a case gets into each situation, and the only acts that may come next. Everything else is refused.
SITUATIONS: dict[str, tuple[str, str]] = {
    "not applied for yet": ("", "applied"),
    "applied": (
        "applied",
        "gaps_told accepted accepted_with_gaps deemed_accepted refused withdrawn",
    ),
    "gaps told": ("applied gaps_told", "supplied refused withdrawn"),
    "supplied": (
        "applied gaps_told supplied",
        "gaps_told accepted accepted_with_gaps deemed_accepted refused withdrawn",
    ),
    "accepted": (
        "applied accepted",
        "branch_opened step_started suspended extended decided withdrawn",
    ),
    "accepted with gaps": (  # decided granted must wait for the paper
        "applied accepted_with_gaps",
        "gap_filled gaps_lapsed branch_opened step_started suspended extended withdrawn",
    ),
    "gap filled": (
        "applied accepted_with_gaps gap_filled",
        "branch_opened step_started suspended extended decided withdrawn",
    ),
    "deemed accepted": (
        "applied deemed_accepted",
        "branch_opened step_started suspended extended decided withdrawn",
    ),
    "in review, nothing open": (
        "applied accepted step_started step_finished",
        "branch_opened step_started suspended extended decided withdrawn",
    ),
    "in review, a step open": (
        "applied accepted step_started",
        "branch_opened step_finished suspended extended withdrawn",
    ),
    "in review, suspended": (
        "applied accepted suspended",
        "branch_opened step_started resumed extended withdrawn",
    ),
    "in review, a branch open": (  # the statutory clock, which `extended` names here, has given way to joint
        "applied accepted branch_opened",
        "branch_finished step_started suspended withdrawn",
    ),
    "in review, with a gap": (
        "applied accepted_with_gaps step_started step_finished",
        "gap_filled gaps_lapsed branch_opened step_started suspended extended withdrawn",
    ),
    "granted": ("applied accepted decided", "delivered"),
    "denied": ("applied accepted denied", "delivered closed"),
    "refused": ("applied refused", "closed"),
    "withdrawn": ("applied withdrawn", "closed"),
    "lapsed": ("applied accepted_with_gaps gaps_lapsed", "closed"),
    "delivered": ("applied accepted decided delivered", "closed"),
    "closed": ("applied accepted decided delivered closed", "reopened"),
    "reopened": (
        "applied accepted decided delivered closed reopened",
        "branch_opened step_started suspended extended decided withdrawn",
    ),
    "reopened, never accepted": (
        "applied refused closed reopened",
        "gaps_told accepted accepted_with_gaps deemed_accepted refused withdrawn",
    ),
}


def at(verb: str) -> dict[str, Any]:
    return {"at": LATE} if verb in ("deemed_accepted", "gaps_lapsed") else {}


def bring(hall: Any, path: str, case: str = "c", **applied: Any) -> Any:
    for verb in path.split():
        data: dict[str, Any] = {"outcome": "denied"} if verb == "denied" else {}
        verb = "decided" if verb == "denied" else verb
        hall.on(case, verb, applied if verb == "applied" else data, **at(verb))
    return hall.states.get(f"approval/{case}")


def refusal(hall: Any, verb: str, data: dict[str, Any] | None = None, case: str = "c", **how: Any) -> str:
    """The code with which the act is refused; every refusal says how to mend it, and changes nothing."""
    with pytest.raises(Refused) as caught:
        hall.check(hall.about(case, verb, data, **how))
    assert isinstance(caught.value, NotAllowed) or caught.value.mend
    return caught.value.code


def test_the_table_speaks_of_every_declared_type() -> None:
    declared = {name for name, of in TYPES.items() if of.stream_kind == "approval"}
    assert {f"approval.{verb}.v1" for verb in TABLE} == declared


def test_every_stage_is_reached_by_some_situation(hall: Any) -> None:
    states = [bring(hall, path, case=str(n)) for n, (path, _) in enumerate(SITUATIONS.values())]
    assert {state.stage for state in states if state} == set(Stage)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_acts_may_come(hall: Any, situation: str) -> None:
    path, expected = SITUATIONS[situation]
    state = bring(hall, path)
    for verb in TABLE.keys() - BESIDE:
        if verb in expected.split():
            hall.check(hall.about("c", verb, **at(verb)))
            assert verb in possible(state)
        else:
            assert refusal(hall, verb, **at(verb))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_folding_again_under_a_later_registry_gives_the_same_state(hall: Any, situation: str, items: Any) -> None:
    path, _ = SITUATIONS[situation]
    was = bring(hall, path)
    revised = items["permit"] | {"handling": "on_the_spot", "clocks": {}}
    hall.publish("permit", revised, type_="item.revised.v1")
    hall.agree("item.retired.v1", "item/permit", {})
    hall.agree("staff.left.v1", "staff/chen", {})
    again = None
    for act in hall.streams.get("approval/c", []):
        again = FOLD.apply(again, act, None, hall.registry)
    assert again == was


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_fee_is_charged_while_a_case_is_open_and_changes_nothing_in_it(hall: Any, situation: str) -> None:
    before = bring(hall, SITUATIONS[situation][0])
    if before is None or before.stage is Stage.CLOSED:
        assert refusal(hall, "fee_charged", {"fen": 500}) == "approval-order"
        return
    hall.on("c", "fee_charged", {"fen": 500})
    assert hall.states["approval/c"] == before
    assert "fee_charged" not in possible(before)


def test_a_refusal_out_of_order_says_what_can_come(hall: Any) -> None:
    bring(hall, "applied accepted decided")
    with pytest.raises(Refused, match="the case is granted") as caught:
        hall.on("c", "accepted")
    assert caught.value.code == "approval-order"
    assert caught.value.mend == "what can come now: delivered"


# ── Stories ────────────────────────────────────────────────────────────────────────────────────────────────


def test_story_a_promise_case_from_counter_to_closing(hall: Any) -> None:
    state = bring(hall, "applied accepted step_started step_finished decided delivered closed")
    assert (state.stage, state.outcome, state.opener) == (Stage.CLOSED, "granted", "staff/chen")


def test_story_whoever_accepted_a_promise_case_does_not_decide_it(hall: Any) -> None:
    bring(hall, "applied accepted")
    assert refusal(hall, "decided", actor="staff/chen", role="approver", unit="env") == "not-acceptor"
    hall.on("c", "decided", actor="staff/sun")


def test_story_on_the_spot_the_acceptor_may_decide(hall: Any) -> None:
    bring(hall, "applied accepted", item="stamp")
    clerk = {"actor": "staff/chen", "role": "window_clerk", "window": "w1", "unit": None}
    hall.on("c", "decided", **clerk)
    assert hall.states["approval/c"].acceptor is None
    assert hall.states["approval/c"].accepted_by is not None


def test_the_acceptor_is_a_person_also_under_a_second_actor_id(hall: Any) -> None:
    bring(hall, "applied accepted")
    content = hall.staff_content("staff/chen", roles=["approver"], unit="env")
    hall.agree("staff.appointed.v1", "staff/chen-too", content)
    hall.add_key("staff/chen-too")
    assert refusal(hall, "decided", actor="staff/chen-too") == "not-acceptor"


def test_the_acceptor_who_left_and_came_back_is_still_the_acceptor(hall: Any) -> None:
    bring(hall, "applied accepted")
    hall.agree("staff.left.v1", "staff/chen", {})
    hall.appoint("staff/chen", roles=["approver"], unit="env")
    assert refusal(hall, "decided", actor="staff/chen") == "not-acceptor"


def test_a_deemed_acceptance_binds_whoever_took_the_application(hall: Any) -> None:
    bring(hall, "applied deemed_accepted")
    assert refusal(hall, "decided", actor="staff/chen") == "not-acceptor"
    hall.on("c", "decided")


def test_story_gaps_are_told_at_once_and_again_only_after_a_supply(hall: Any) -> None:
    bring(hall, "applied gaps_told")
    assert refusal(hall, "gaps_told") == "approval-order"
    assert refusal(hall, "accepted") == "approval-order"
    state = bring(hall, "supplied gaps_told supplied accepted")
    assert (state.stage, state.gaps) == (Stage.ACCEPTED, frozenset())


@pytest.mark.parametrize("verb", ["gaps_told", "accepted_with_gaps"])
@pytest.mark.parametrize("gaps", [[], ["map", "map"]])
def test_gaps_are_named_each_once(hall: Any, verb: str, gaps: list[str]) -> None:
    bring(hall, "applied")
    assert refusal(hall, verb, {"gaps": gaps}) == "names"


def test_story_missing_document_acceptance(hall: Any) -> None:
    bring(hall, "applied")
    hall.on("c", "accepted_with_gaps", {"gaps": ["map", "deed"]})
    bring(hall, "step_started step_finished")
    assert refusal(hall, "decided") == "gaps-open"
    assert refusal(hall, "gap_filled", {"gap": "photo"}) == "gap"
    bring(hall, "gap_filled")
    assert refusal(hall, "gap_filled") == "gap"  # filled already
    assert refusal(hall, "decided") == "gaps-open"
    hall.on("c", "gap_filled", {"gap": "deed"})
    assert bring(hall, "decided").stage is Stage.GRANTED


def test_with_gaps_open_a_case_can_still_be_denied(hall: Any) -> None:
    assert bring(hall, "applied accepted_with_gaps denied").stage is Stage.DENIED


@pytest.mark.parametrize("day", ["2024-03-03", "2024-03-04"])
def test_the_day_to_fill_gaps_lies_after_the_day_of_acceptance(hall: Any, day: str) -> None:
    bring(hall, "applied")
    assert refusal(hall, "accepted_with_gaps", {"fill_by": day}) == "fill-by"


def test_the_claimed_day_is_the_local_one(hall: Any) -> None:
    bring(hall, "applied")
    # 17:00 of the 4th in UTC is 01:00 of the 5th in Shanghai.
    how = {"at": "2024-03-04T17:00:00Z"}
    assert refusal(hall, "accepted_with_gaps", {"fill_by": "2024-03-05"}, **how) == "fill-by"
    hall.on("c", "accepted_with_gaps", {"fill_by": "2024-03-06"}, **how)


@pytest.mark.parametrize(("fill_by", "when"), [("2024-03-20", "2024-03-20T23:59:59+08:00"), ("2024-03-19", LATE)])
def test_gaps_lapse_only_after_their_day(hall: Any, fill_by: str, when: str) -> None:
    bring(hall, "applied accepted_with_gaps")
    assert refusal(hall, "gaps_lapsed", {"fill_by": fill_by}, at=when) == "fill-by"
    hall.on("c", "gaps_lapsed", at="2024-03-21T00:00:00+08:00")


def test_story_parallel_branches_end_in_one_result(hall: Any) -> None:
    bring(hall, "applied accepted branch_opened")
    hall.on("c", "branch_opened", {"branch": "fire", "unit": "fire"})
    assert refusal(hall, "branch_opened") == "branch-known"
    fire = {"actor": "staff/fire", "unit": "fire"}
    hall.on("c", "step_started", {"branch": "fire"}, **fire)
    hall.on("c", "step_started", {"branch": "env"})  # the same step in another branch is another
    assert refusal(hall, "step_started", {"branch": "fire"}, **fire) == "step-open"
    assert refusal(hall, "step_finished") == "step-not-open"  # of the whole case none was started
    assert refusal(hall, "step_finished", {"branch": "fire"}) == "branch-unit"
    assert refusal(hall, "branch_finished", {"branch": "fire"}, **fire) == "steps-open"
    hall.on("c", "step_finished", {"branch": "fire"}, **fire)
    hall.on("c", "branch_finished", {"branch": "fire"}, **fire)
    assert refusal(hall, "step_started", {"branch": "fire"}, **fire) == "branch"
    for outcome in ("granted", "denied"):
        assert refusal(hall, "decided", {"outcome": outcome}) == "branches-open"
    hall.on("c", "step_finished", {"branch": "env"})
    hall.on("c", "branch_finished")
    assert bring(hall, "decided").stage is Stage.GRANTED


def test_story_suspension(hall: Any) -> None:
    state = bring(hall, "applied accepted suspended")
    assert state.is_suspended
    assert refusal(hall, "suspended") == "pause-open"
    assert refusal(hall, "resumed", {"pause": "test"}) == "pause-not-open"
    assert refusal(hall, "decided") == "pauses-open"
    hall.on("c", "suspended", {"pause": "test", "notice": "n-2"})
    assert bring(hall, "resumed").pauses == {(None, "test")}
    hall.on("c", "resumed", {"pause": "test"})
    assert not hall.states["approval/c"].is_suspended
    bring(hall, "decided")


@pytest.mark.parametrize(
    "kind",
    ["hearing", "tender", "auction", "inspection", "test", "quarantine", "appraisal", "expert_review", "site_visit"],
)
def test_a_pause_is_of_the_eight_kinds_or_one_of_the_items(hall: Any, kind: str) -> None:
    bring(hall, "applied accepted")
    hall.check(hall.about("c", "suspended", {"pause": kind}))


@pytest.mark.parametrize("kind", ["holiday", "missing_document", "hearings"])
def test_no_other_pause_is_one(hall: Any, kind: str) -> None:
    bring(hall, "applied accepted")
    assert refusal(hall, "suspended", {"pause": kind}) == "pause-kind"


def test_a_pause_needs_its_notice(hall: Any) -> None:
    bring(hall, "applied accepted")
    act = hall.act("approval.suspended.v1", "approval/c", {"pause": "hearing"}, **hall.how("suspended"))
    with pytest.raises(MingjianError, match="notice"):
        hall.check(act)


def test_a_pause_names_only_clocks_in_place_that_know_its_kind(hall: Any) -> None:
    bring(hall, "applied accepted")
    hall.check(hall.about("c", "suspended", {"clocks": ["statutory"]}))
    for clocks in (["promise"], ["joint"], ["lunch"]):
        assert refusal(hall, "suspended", {"clocks": clocks}) == "pause-clock"
    bring(hall, "branch_opened")
    hall.check(hall.about("c", "suspended", {"clocks": ["joint"]}))
    assert refusal(hall, "suspended", {"clocks": ["statutory"]}) == "pause-clock"


def test_a_branch_is_paused_and_resumed_by_itself(hall: Any) -> None:
    state = bring(hall, "applied accepted branch_opened")
    hall.on("c", "suspended", {"branch": "env"})
    assert not hall.states["approval/c"].is_suspended
    assert refusal(hall, "resumed") == "pause-not-open"
    assert refusal(hall, "branch_finished") == "pauses-open"
    hall.on("c", "resumed", {"branch": "env"})
    assert hall.states["approval/c"].branches == state.branches


def test_extension_as_much_and_as_often_as_the_item_says(hall: Any) -> None:
    bring(hall, "applied accepted")
    assert refusal(hall, "extended", {"days": 11}) == "extension-days"
    assert refusal(hall, "extended", {"days": 0}) == "extension-days"
    for clock in ("promise", "step", "joint", "lunch"):
        assert refusal(hall, "extended", {"clock": clock}) == "clock"
    bring(hall, "extended")
    assert refusal(hall, "extended", {"days": 1}) == "extended-already"
    bring(hall, "branch_opened")
    hall.on("c", "extended", {"clock": "joint", "days": 15})


def test_story_refusal_then_reopened_starts_again_at_the_counter(hall: Any) -> None:
    state = bring(hall, "applied refused closed reopened accepted decided delivered closed")
    assert state.stage is Stage.CLOSED


@pytest.mark.parametrize(
    "path",
    [
        "applied",
        "applied gaps_told",
        "applied accepted",
        "applied accepted_with_gaps",
        "applied accepted suspended step_started branch_opened",
    ],
)
def test_story_withdrawal_is_possible_until_the_decision(hall: Any, path: str) -> None:
    assert bring(hall, path + " withdrawn").stage is Stage.WITHDRAWN


def test_story_reopened_has_a_clean_table_and_may_be_extended_once_more(hall: Any) -> None:
    path = "applied accepted extended branch_opened suspended withdrawn closed reopened"
    state = bring(hall, path)
    assert (state.stage, state.branches, state.pauses, state.extensions) == (
        Stage.IN_REVIEW,
        (),
        frozenset(),
        (),
    )
    bring(hall, "extended branch_opened")


def test_a_case_is_decided_granted_or_denied_only(hall: Any) -> None:
    bring(hall, "applied accepted")
    for outcome in ("withdrawn", "closed", "perhaps"):
        assert refusal(hall, "decided", {"outcome": outcome}) == "outcome"


@pytest.mark.parametrize(
    ("received", "due", "when"),
    [
        ("2024-03-04", "2024-03-11", "2024-03-11T23:59:59+08:00"),  # the due day is not over
        ("2024-03-12", "2024-03-11", LATE),
    ],
)
def test_deemed_acceptance_comes_after_the_due_day(hall: Any, received: str, due: str, when: str) -> None:
    bring(hall, "applied")
    assert refusal(hall, "deemed_accepted", {"received": received, "due": due}, at=when) == "deemed"


def test_deemed_acceptance_needs_a_term_for_the_notice(hall: Any) -> None:
    bring(hall, "applied", item="stamp")
    assert refusal(hall, "deemed_accepted", at=LATE) == "clock"


# ── The catalogue ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_item_nobody_published_cannot_be_applied_for(hall: Any) -> None:
    assert refusal(hall, "applied", {"item": "unicorn"}) == "item"


def test_a_retired_item_cannot_be_applied_for_but_its_open_cases_go_on(hall: Any) -> None:
    bring(hall, "applied")
    hall.agree("item.retired.v1", "item/permit", {})
    assert refusal(hall, "applied", case="d") == "item"
    bring(hall, "accepted decided delivered closed")


def test_an_item_not_valid_yet_cannot_be_applied_for(hall: Any, items: Any) -> None:
    hall.publish("later", items["permit"] | {"valid_from": "2024-03-05"})
    assert refusal(hall, "applied", {"item": "later"}, at="2024-03-04T15:59:59Z") == "item"
    hall.on("c", "applied", {"item": "later"}, at="2024-03-04T16:00:00Z")  # midnight in Shanghai


def test_a_revision_for_later_leaves_the_present_version_in_force_until_then(hall: Any, items: Any) -> None:
    (now,) = hall.registry.items["item/permit"]
    revised = items["permit"] | {"valid_from": "2024-04-01", "handling": "on_the_spot", "clocks": {}}
    later = hall.publish("permit", revised, type_="item.revised.v1")
    march, april = {"item_version": now.id.hex()}, {"item_version": later.id.hex()}
    in_april = {"at": "2024-04-01T09:00:00+08:00"}
    assert refusal(hall, "applied", april) == "item-version"
    assert refusal(hall, "applied", march, **in_april) == "item-version"
    hall.on("m", "applied", march)
    hall.on("a", "applied", april, **in_april)
    assert not hall.states["approval/m"].rules.on_the_spot
    assert hall.states["approval/a"].rules.on_the_spot


def test_a_case_keeps_the_rules_it_was_applied_for_under(hall: Any, items: Any) -> None:
    bring(hall, "applied accepted")
    no_extension = items["permit"] | {"clocks": {"promise": {"limit": 1}}}
    hall.publish("permit", no_extension, type_="item.revised.v1")
    bring(hall, "extended")
    bring(hall, "applied accepted", case="d")
    assert refusal(hall, "extended", case="d") == "clock"


def test_a_time_outside_every_calendar_is_refused_not_an_accident(hall: Any) -> None:
    for when in ("9999-12-31T20:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"):
        with pytest.raises(MingjianError) as caught:
            hall.check(hall.about("c", "applied", at=when))
        assert caught.value.code == "instant"


# ── Gaps have a last day, and late entries a second person ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "fill_by", "allowed"),
    [
        ("2024-03-04", "2024-03-04", False),  # not after the day of acceptance
        ("2024-03-04", "2024-03-25", True),  # the fifteenth working day
        ("2024-03-04", "2024-03-26", False),
        ("2024-02-05", "2024-03-01", True),  # over the Spring Festival: 10th to 17th off, the 18th worked for it
        ("2024-02-05", "2024-03-04", False),
        ("2031-03-03", "2031-04-17", True),  # no schedule of that year: three days for each working day
        ("2031-03-03", "2031-04-18", False),
    ],
)
def test_gaps_are_filled_within_fifteen_working_days(hall: Any, at: str, fill_by: str, allowed: bool) -> None:
    how = {"at": f"{at}T09:00:00+08:00"}
    hall.on("c", "applied", **how)
    data = {"gaps": ["map"], "fill_by": fill_by}
    if allowed:
        hall.on("c", "accepted_with_gaps", data, **how)
    else:
        assert refusal(hall, "accepted_with_gaps", data, **how) == "fill-by"


def test_an_item_may_give_fewer_days_to_fill_gaps(hall: Any, items: Any) -> None:
    hall.publish("quick", items["permit"] | {"gap_days": 3})
    hall.on("c", "applied", {"item": "quick"})
    assert refusal(hall, "accepted_with_gaps", {"gaps": ["map"], "fill_by": "2024-03-08"}) == "fill-by"
    hall.on("c", "accepted_with_gaps", {"gaps": ["map"], "fill_by": "2024-03-07"})


def test_a_late_entry_waits_for_one_confirmation_by_another_person(hall: Any) -> None:
    hall.on("c", "applied", {"late": "paper"})
    hall.on("c", "accepted", {"late": "outage"}, actor="staff/zhao")
    state = hall.states["approval/c"]
    assert sorted(seq for seq, _ in state.late) == [1, 2]
    assert "late_entry_confirmed" in possible(state)
    hall.on("c", "late_entry_confirmed", {"seq": 2})
    assert refusal(hall, "late_entry_confirmed", {"seq": 2}) == "late-entry"
    # Under whatever role, the person who entered it does not vouch for it.
    hall.agree(
        "staff.appointed.v1", "staff/chen-head", hall.staff_content("staff/chen", roles=["unit_head"], unit="env")
    )
    hall.add_key("staff/chen-head")
    assert refusal(hall, "late_entry_confirmed", {"seq": 1}, actor="staff/chen-head") == "two-persons"
    hall.on("c", "late_entry_confirmed", {"seq": 1})
    assert "late_entry_confirmed" not in possible(hall.states["approval/c"])


def test_a_late_entry_is_of_paper_or_an_outage(hall: Any) -> None:
    assert refusal(hall, "applied", {"late": "forgot"}) == "late"

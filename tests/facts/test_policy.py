"""Rights as data: what a policy may say, and what the first one allows to whom."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Malformed, MingjianError, NotAllowed
from ledger.facts.policy import FIRST_POLICY, PREDICATES, parse_policy
from ledger.facts.types import TYPES

CLERK = """ticket.taken ticket.called ticket.served ticket.skipped ticket.expired approval.applied
approval.gaps_told approval.supplied approval.accepted approval.accepted_with_gaps approval.gap_filled
approval.refused approval.branch_opened approval.withdrawn approval.delivered approval.closed approval.decided
key.rotated"""
REVIEWER = """approval.step_started approval.step_finished approval.branch_finished approval.suspended
approval.resumed key.rotated"""
# Everything a role may append; all the rest it may not.
MAY = {
    "key_officer": """key.change_proposed staff.change_proposed policy.change_proposed key.added key.revoked
        key.rotated staff.appointed staff.changed staff.left policy.changed""",
    "catalogue_admin": """unit.change_proposed window.change_proposed item.change_proposed
        roster.change_proposed calendar.change_proposed unit.registered unit.changed unit.closed
        window.opened window.changed window.closed item.published item.revised item.retired
        waiver.change_proposed waiver.granted roster.set calendar.schedule_published key.rotated""",
    "source_adapter": "imported.case imported.event import.started import.finished key.rotated",
    "window_clerk": CLERK,
    "reviewer": REVIEWER,
    "approver": REVIEWER + " approval.branch_opened approval.decided approval.reopened approval.late_entry_confirmed",
    "unit_head": "approval.extended approval.reopened approval.late_entry_confirmed key.rotated",
    "system_clock": """log.batch log.voided approval.deemed_accepted approval.gaps_lapsed ticket.expired
        key.rotated""",
    "auditor": "",
}


@pytest.mark.parametrize("role", MAY)
def test_every_role_may_append_exactly_these_types(role: str) -> None:
    policy = parse_policy(FIRST_POLICY)
    allowed = {name for name in TYPES if policy.rules_for(role, name)}
    assert {name.rpartition(".")[0] for name in allowed} == set(MAY[role].split())


def test_the_first_policy_speaks_of_no_other_role_and_every_type_has_somebody() -> None:
    policy = parse_policy(FIRST_POLICY)
    assert set(policy.rules) == MAY.keys() - {"auditor"}
    orphans = {name for name in TYPES if not any(policy.rules_for(role, name) for role in MAY)}
    assert orphans == {"ledger.opened.v1", "ledger.confirmed.v1"}


def test_what_needs_two_persons_needs_them_under_every_rule() -> None:
    policy = parse_policy(FIRST_POLICY)
    for name, declared in TYPES.items():
        if "proposal" in declared.fields:
            rules = [rule for role in MAY for rule in policy.rules_for(role, name)]
            assert all("two_persons" in rule.when for rule in rules), name


def _rules(*rules: Any, **changes: Any) -> dict[str, Any]:
    return {"vocabulary": 1, "term_days": 10, "rules": list(rules)} | changes


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        _rules() | {"more": 1},
        _rules(vocabulary=2),
        _rules(vocabulary=True),
        _rules(vocabulary="1"),
        _rules(term_days=0),
        _rules(term_days=True),
        _rules(term_days="10"),
        _rules(rules={}),
        _rules("everything"),
        _rules({"role": "a"}),
        _rules({"role": "a", "types": "ticket.*"}),
        _rules({"role": "a", "types": [1]}),
        _rules({"role": 1, "types": []}),
        _rules({"role": ["a"], "types": []}),
        _rules({"role": "a", "types": [], "when": ["at_full_moon"]}),
        _rules({"role": "a", "types": [], "when": [[]]}),
        _rules({"role": "a", "types": [], "unless": []}),
    ],
)
def test_an_unsound_policy_is_refused(bad: Any) -> None:
    with pytest.raises(Malformed):
        parse_policy(bad)


def test_an_unknown_predicate_is_refused_by_name_and_all_known_ones_are_taken() -> None:
    with pytest.raises(Malformed, match="at_full_moon") as caught:
        parse_policy(_rules({"role": "a", "types": [], "when": ["own_unit", "at_full_moon"]}))
    assert caught.value.code == "policy-predicate"
    parse_policy(_rules({"role": "a", "types": ["ticket.*"], "when": sorted(PREDICATES)}))


def test_a_prefix_names_whole_words_only() -> None:
    policy = parse_policy(_rules({"role": "a", "types": ["import.*", "ticket.taken.v1"]}))
    named = {name for name in TYPES if policy.rules_for("a", name)}
    assert named == {"import.started.v1", "import.finished.v1", "ticket.taken.v1"}


# ── The predicates, at work ────────────────────────────────────────────────────────────────────────────────


def code_of(hall: Any, verb: str, **how: Any) -> str:
    with pytest.raises(NotAllowed) as caught:
        hall.check(hall.about("c", verb, **how))
    return caught.value.code


def test_a_role_one_does_not_hold_and_a_type_ones_role_does_not_have(hall: Any) -> None:
    assert code_of(hall, "applied", role="unit_head") == "role"
    hall.on("c", "applied")
    assert code_of(hall, "accepted", actor="staff/sun", role="approver", unit="env") == "right"


@pytest.mark.parametrize("window", [None, "w9"])
def test_a_clerk_acts_at_an_own_window(hall: Any, window: str | None) -> None:
    assert code_of(hall, "applied", window=window) == "own-window"


@pytest.mark.parametrize("unit", [None, "fire"])
def test_a_reviewer_acts_for_the_own_unit(hall: Any, unit: str | None) -> None:
    hall.on("c", "applied")
    hall.on("c", "accepted")
    assert code_of(hall, "step_started", unit=unit) == "own-unit"


def test_a_case_of_ones_own_by_policy(hall: Any) -> None:
    rules = [
        rule | {"when": ["own_case"]} if "approval.withdrawn.v1" in rule["types"] else rule
        for rule in FIRST_POLICY["rules"]
    ]
    hall.agree("policy.changed.v1", "policy", {"policy": {**FIRST_POLICY, "rules": rules}})
    hall.on("c", "applied")
    assert code_of(hall, "withdrawn", actor="staff/zhao") == "own-case"
    hall.on("c", "withdrawn")


def test_a_changed_policy_counts_from_its_confirmation_on(hall: Any) -> None:
    nothing = {**FIRST_POLICY, "rules": [r for r in FIRST_POLICY["rules"] if r["role"] != "window_clerk"]}
    proposal = hall.propose("policy.changed.v1", "policy", {"policy": nothing})
    hall.on("c", "applied")
    hall.take(hall.confirmation("policy.changed.v1", "policy", {"policy": nothing}, proposal.id))
    assert code_of(hall, "accepted") == "right"


def test_a_statement_for_another_log_or_in_the_wrong_stream_is_refused(hall: Any) -> None:
    how = hall.how("applied")
    for type_, stream, changes, code in (
        ("ticket.taken.v1", "ticket/t", {"audience": "example.org/other"}, "audience"),
        ("ticket.taken.v1", "ticket/t", {"audience": None}, "audience"),
        ("ticket.taken.v1", "approval/t", {}, "stream-kind"),
        ("ticket.torn.v1", "ticket/t", {}, "unknown-type"),
    ):
        data = {"number": "A1", "queue": "env"}
        with pytest.raises(MingjianError) as caught:
            hall.check(hall.act(type_, stream, data, **how, **changes))
        assert caught.value.code == code


# ── What a case asks of who acts on it ─────────────────────────────────────────────────────────────────────


def test_the_unit_of_the_case_decides_and_reviews_it_and_no_other(hall: Any) -> None:
    hall.on("c", "applied")
    hall.on("c", "accepted")
    assert code_of(hall, "step_started", actor="staff/fire", unit="fire") == "case-unit"
    hall.on("c", "branch_opened", {"branch": "fire", "unit": "fire"})
    hall.on("c", "step_started", {"step": "survey", "branch": "fire"}, actor="staff/fire", unit="fire")


def test_a_branch_is_opened_by_the_unit_of_the_case(hall: Any) -> None:
    hall.appoint("staff/fire-sun", roles=["approver"], unit="fire")
    hall.add_key("staff/fire-sun")
    hall.on("c", "applied")
    hall.on("c", "accepted")
    other = {"actor": "staff/fire-sun", "role": "approver", "window": None}
    assert code_of(hall, "branch_opened", unit="fire", **other) == "case-unit"
    # Inside a branch the person who accepted does not finish it either.
    hall.on("c", "branch_opened")
    own = {"actor": "staff/chen", "role": "approver", "unit": "env"}
    assert code_of(hall, "branch_finished", **own) == "not-acceptor"


@pytest.mark.parametrize("percent", [0, 101, True, "35", None, 35.5])
def test_the_promise_limit_is_a_percentage(percent: Any) -> None:
    with pytest.raises(Malformed):
        parse_policy(_rules(promise_percent=percent))
    assert parse_policy(_rules(promise_percent=35)).promise_percent == 35
    assert parse_policy(_rules()).promise_percent is None

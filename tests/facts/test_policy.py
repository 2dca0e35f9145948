"""Rights as data: what a policy may say, and what the first one allows to whom."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Malformed, MingjianError, NotAllowed
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.policy import PREDICATES, parse_policy
from ledger.facts.types import TYPES

CLERK = """ticket.taken ticket.called ticket.served ticket.skipped ticket.expired approval.applied
approval.gaps_told approval.supplied approval.accepted approval.accepted_with_gaps approval.gap_filled
approval.refused approval.branch_opened approval.withdrawn approval.delivered approval.closed approval.decided
approval.fee_charged key.rotated
bundle.* referral.* assistance.requested mediation.filed proxy.consented proxy.withdrawn
appointment.* reservation.asked reservation.withdrawn
complaint.received complaint.review_asked complaint.replied"""
# As one whose act is complained of.
COMPLAINED_OF = " complaint.replied"
RESERVE = " reservation.confirmed reservation.declined reservation.begun"
REVIEWER = """approval.step_started approval.step_finished approval.branch_finished approval.suspended
approval.resumed key.rotated grid.handled"""
REVIEWER += RESERVE + COMPLAINED_OF
# All that the people of an approval may, but to confirm late entries.
APPROVING = """approval.applied approval.gaps_told approval.supplied approval.accepted approval.accepted_with_gaps
approval.gap_filled approval.refused approval.branch_opened approval.branch_finished approval.step_started
approval.step_finished approval.suspended approval.resumed approval.extended approval.decided approval.withdrawn
approval.delivered approval.closed approval.reopened approval.fee_charged key.rotated"""
# Everything a role may append; all the rest it may not.
MAY = {
    "key_officer": """key.change_proposed staff.change_proposed policy.change_proposed key.added key.revoked
        key.rotated staff.appointed staff.changed staff.left policy.changed
        authority.change_proposed authority.accepted authority.dropped erasure.made
        witness.change_proposed witness.added witness.removed witness.policy_set
        camera.registered camera.changed camera.retired footage.hold_released""",
    "witness_liaison": """witness.change_proposed witness.added witness.removed witness.policy_set
        key.rotated""",
    "catalogue_admin": """unit.change_proposed window.change_proposed item.change_proposed
        roster.change_proposed calendar.change_proposed unit.registered unit.changed unit.closed
        window.opened window.changed window.closed item.published item.revised item.retired
        waiver.change_proposed waiver.granted roster.set calendar.schedule_published key.rotated
        site.change_proposed site.registered site.changed site.closed
        handdown.change_proposed handdown.made handdown.taken_back
        rulepack.change_proposed rulepack.adopted rulepack.withdrawn""",
    "source_adapter": """imported.case imported.event import.started import.finished key.rotated
        emergency.alarm_raised grid.reported trading.planned complaint.received""",
    "approval_adapter": APPROVING,
    "queue_adapter": "ticket.* key.rotated",
    "rating_adapter": "rating.given key.rotated",
    "grid_adapter": "grid.* key.rotated",
    "hotline_adapter": "complaint.received key.rotated",
    "fire_adapter": "emergency.alarm_raised key.rotated",
    "site_adapter": "emergency.alarm_raised inspection.* key.rotated",
    "trading_adapter": "trading.* key.rotated",
    "portal_adapter": """appointment.made appointment.moved appointment.cancelled reservation.asked
        reservation.withdrawn complaint.received complaint.review_asked grid.reported assistance.requested
        key.rotated""",
    "window_clerk": CLERK,
    "reviewer": REVIEWER,
    "approver": REVIEWER.replace("grid.handled", "")
    + " approval.branch_opened approval.decided approval.reopened approval.late_entry_confirmed",
    "unit_head": "approval.extended approval.reopened approval.late_entry_confirmed key.rotated"
    " grid.handled rating.followed_up card.answered card.appealed" + COMPLAINED_OF,
    "system_clock": """log.batch log.voided log.time_token heads.stated approval.deemed_accepted
        approval.gaps_lapsed ticket.expired key.rotated
        appointment.missed reservation.lapsed complaint.evidence_held
        card.raised card.revocation_proposed approval.clocks_recomputed""",
    "privacy_officer": "erasure.proposed erasure.made hold.placed hold.released disclosure.granted key.rotated",
    "investigator": """hold.placed hold.released key.rotated complaint.received complaint.registered
        complaint.evidence_held complaint.investigated
        complaint.reply_lapsed complaint.finding_made complaint.told complaint.called_back""",
    "complaint_head": """complaint.registered complaint.accepted complaint.assigned complaint.refused
        complaint.forwarded complaint.extended complaint.decided
        complaint.told complaint.called_back complaint.closed complaint.review_decided key.rotated""",
    "citizen": """rating.given complaint.received complaint.review_asked assistance.requested emergency.alarm_raised
        grid.reported appointment.made appointment.moved appointment.cancelled reservation.asked
        reservation.withdrawn proxy.withdrawn key.rotated""",
    "supervisor": "rulepack.change_proposed complaint.received rating.followed_up card.upheld card.revoked key.rotated",
    "mediator": "mediation.* referral.* key.rotated",
    "host": "consultation.* referral.* key.rotated",
    "help_officer": "assistance.* referral.* key.rotated",
    "duty_officer": "emergency.* plan.* drill.* duty.* inspection.* referral.* key.rotated",
    "trading_officer": "trading.* key.rotated",
    "enterprise_officer": """enterprise_help.* bundle.* referral.* appointment.made appointment.moved
        appointment.cancelled reservation.asked reservation.withdrawn key.rotated""",
    "tier_dispatcher": """grid.dispatched grid.rejected grid.escalated grid.verified grid.sent_back grid.closed
        proxy.assigned proxy.ended referral.* key.rotated""",
    "grid_worker": """grid.reported grid.escalated grid.handled grid.verified grid.sent_back proxy.*
        emergency.alarm_raised inspection.carried_out assistance.requested mediation.filed appointment.made
        appointment.moved appointment.cancelled key.rotated"""
    + COMPLAINED_OF,
    "proxy": "proxy.acted proxy.ended key.rotated",
    "video_custodian": """camera.change_proposed camera.registered camera.changed camera.retired footage.clip_extracted
        footage.hold_placed footage.hold_release_proposed footage.hold_released footage.purged key.rotated
        complaint.evidence_held complaint.clip_sealed complaint.clip_missing complaint.holds_released""",
    "recorder_device": """segments.sealed footage.recording_started footage.recording_stopped footage.gap_detected
        footage.gap_ended footage.clock_stepped footage.tampered footage.recovered footage.purged key.rotated""",
    "registrar": "attestation.made key.rotated",
    "auditor": "attestation.made key.rotated",
}

READERS = """window_clerk reviewer approver unit_head supervisor investigator complaint_head video_custodian
    privacy_officer auditor registrar mediator host help_officer duty_officer trading_officer enterprise_officer
    tier_dispatcher grid_worker"""
MAY |= {role: f"{MAY[role]} read.made" for role in READERS.split()}

# Whoever may be given a grant, also the complained-of: what each grant allows is the grant's.
VIEWERS = "window_clerk reviewer approver unit_head grid_worker supervisor investigator"
VIEWER = """footage.clip_requested footage.clip_viewed footage.clip_downloaded footage.clip_shared footage.clip_verified
    footage.link_issued"""
MAY |= {role: f"{MAY[role]} {VIEWER}" for role in VIEWERS.split()}
WATCHERS = "investigator complaint_head supervisor"
WATCHER = "footage.live_viewed footage.live_ended footage.hold_placed patrol.marked"
MAY |= {role: f"{MAY[role]} {WATCHER}" for role in WATCHERS.split()}
MORE = {
    "complaint_head": """footage.clip_granted footage.clip_refused footage.grant_withdrawn footage.hold_extended
        footage.link_issued footage.redaction_confirmed footage.redaction_rejected""",
    "investigator": "footage.hold_extended footage.redaction_confirmed footage.redaction_rejected patrol.complained",
    "supervisor": "anomaly.confirmed anomaly.dismissed patrol.complained",
    "system_clock": """complaint.evidence_missing footage.clip_downloaded footage.clip_viewed footage.hold_deferred
        footage.hold_extended footage.hold_lapsed footage.hold_placed footage.live_ended""",
    "video_custodian": """complaint.evidence_missing footage.clip_derived footage.clip_redacted footage.clip_shared
        footage.hold_extended footage.link_issued footage.redaction_confirmed footage.redaction_rejected""",
    "recorder_device": "footage.held_space_passed footage.held_space_freed",
}
MAY |= {role: f"{MAY[role]} {more}" for role, more in MORE.items()}


def spelt_out(text: str) -> set[str]:
    """``ticket.*`` stands for every type of the kind."""
    every = {name.rpartition(".")[0] for name in TYPES}
    return {
        name
        for word in text.split()
        for name in ({n for n in every if n.startswith(word[:-1])} if word[-1] == "*" else {word})
    }


@pytest.fixture(scope="module")
def staffed_once(new_hall: Any) -> Any:
    return new_hall.staffed()


@pytest.mark.parametrize("role", MAY)
def test_every_role_may_append_exactly_these_types(role: str) -> None:
    policy = parse_policy(FIRST_POLICY)
    allowed = {name for name in TYPES if policy.rules_for(role, name)}
    assert {name.rpartition(".")[0] for name in allowed} == spelt_out(MAY[role])


@pytest.mark.parametrize(
    "role", [role for role in MAY if role not in ("source_adapter", "recorder_device", "system_clock")]
)
def test_at_the_door_every_role_is_refused_every_other_type(staffed_once: Any, role: str) -> None:
    actor, hall = f"staff/as-{role}", staffed_once
    hall.appoint(actor, roles=[role])
    for name in TYPES:
        act = hall.act(name, f"{TYPES[name].stream_kind}/x", {}, actor=actor, role=role)
        may = name.rpartition(".")[0] in spelt_out(MAY[role])
        code = None
        try:
            hall.registry.check_rights(act)
        except NotAllowed as why:
            code = why.code
        # Other codes are of a condition of the rule, such as the own window.
        assert (code != "right") == may, name


def test_the_first_policy_speaks_of_no_other_role_and_every_type_has_somebody() -> None:
    policy = parse_policy(FIRST_POLICY)
    assert set(policy.rules) == MAY.keys()
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

"""The first policy of a new ledger: the roles of the domain, and what each may append.

It is data like every later one, and stands in entry 0; what its predicates mean, ``policy`` says. The rules of the
centres' streams are read off the tables of their acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.facts import adapters, grants, patrol
from ledger.facts.courses import RULES
from ledger.facts.policy import VOCABULARY


def _rule(role: str, types: str, *when: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"role": role, "types": types.split()}
    return rule | {"when": list(when)} if when else rule


_PEOPLE = "key.{0} staff.{0} policy.{0} authority.{0}"
_CATALOGUE = "unit.{0} window.{0} item.{0} waiver.{0} roster.{0} calendar.{0} site.{0} handdown.{0} rulepack.{0}"
_PROPOSED = "change_proposed.v1"


def _confirmations(kinds: tuple[str, ...], facts: Mapping[str, str]) -> str:
    return " ".join(f"{kind}.{fact}" for kind in kinds for fact in facts[kind].split())


_FACTS: Final = {
    "key": "added.v1 revoked.v1",
    "staff": "appointed.v1 changed.v1 left.v1",
    "policy": "changed.v1",
    "authority": "accepted.v1 dropped.v1",
    "unit": "registered.v1 changed.v1 closed.v1",
    "window": "opened.v1 changed.v1 closed.v1",
    "item": "published.v1 revised.v1 retired.v1",
    "waiver": "granted.v1",
    "roster": "set.v1",
    "calendar": "schedule_published.v1",
    "camera": "registered.v1 changed.v1 retired.v1",
    "site": "registered.v1 changed.v1 closed.v1",
    "handdown": "made.v1 taken_back.v1",
    "rulepack": "adopted.v1 withdrawn.v1",
    "witness": "added.v1 removed.v1 policy_set.v1",
}

_CENTRES_ROLES: Final = (
    "citizen",
    "complaint_head",
    "duty_officer",
    "enterprise_officer",
    "grid_worker",
    "help_officer",
    "host",
    "mediator",
    "proxy",
    "supervisor",
    "tier_dispatcher",
    "trading_officer",
)

# Whoever may see somebody's data says so when they do.
_READERS: Final = (
    *("window_clerk", "reviewer", "approver", "unit_head", "supervisor", "investigator", "complaint_head"),
    *("video_custodian", "privacy_officer", "auditor", "registrar", "mediator", "host", "help_officer"),
    *("duty_officer", "trading_officer", "enterprise_officer", "tier_dispatcher", "grid_worker"),
)

# The first policy of a new ledger: the roles of the domain that this version has streams for.
FIRST_POLICY: Final[dict[str, Any]] = {
    "vocabulary": VOCABULARY,
    "term_days": 10,
    "promise_percent": 35,
    "rules": [
        _rule("key_officer", _PEOPLE.format(_PROPOSED)),
        _rule("key_officer", _confirmations(("key", "staff", "policy", "authority"), _FACTS), "two_persons"),
        _rule("key_officer", "key.rotated.v1", "own_key"),
        _rule("catalogue_admin", _CATALOGUE.format(_PROPOSED)),
        _rule(
            "catalogue_admin",
            _confirmations(
                ("unit", "window", "item", "waiver", "roster", "calendar", "site", "handdown", "rulepack"), _FACTS
            ),
            "two_persons",
        ),
        _rule("catalogue_admin", "key.rotated.v1", "own_key"),
        # Who watches proposes rules too; they hold when a second person of the catalogue confirms.
        _rule("supervisor", "rulepack.change_proposed.v1"),
        _rule("source_adapter", "imported.* import.*", "own_source"),
        _rule("source_adapter", "key.rotated.v1", "own_key"),
        _rule(
            "window_clerk",
            "ticket.* approval.applied.v1 approval.gaps_told.v1 approval.supplied.v1 approval.accepted.v1"
            " approval.accepted_with_gaps.v1 approval.gap_filled.v1 approval.refused.v1"
            " approval.branch_opened.v1 approval.withdrawn.v1 approval.delivered.v1 approval.closed.v1"
            " approval.fee_charged.v1",
            "own_window",
        ),
        _rule("window_clerk", "approval.decided.v1", "own_window", "on_the_spot"),
        _rule("window_clerk", "key.rotated.v1", "own_key"),
        _rule(
            "reviewer",
            "approval.step_started.v1 approval.step_finished.v1 approval.suspended.v1 approval.resumed.v1",
            "own_unit",
            "case_unit",
        ),
        _rule("reviewer", "approval.branch_finished.v1", "own_unit", "case_unit", "not_acceptor"),
        _rule("reviewer", "key.rotated.v1", "own_key"),
        _rule(
            "approver",
            "approval.step_started.v1 approval.step_finished.v1 approval.branch_opened.v1"
            " approval.suspended.v1 approval.resumed.v1 approval.reopened.v1 approval.late_entry_confirmed.v1",
            "own_unit",
            "case_unit",
        ),
        _rule("approver", "approval.decided.v1 approval.branch_finished.v1", "own_unit", "case_unit", "not_acceptor"),
        _rule("approver", "key.rotated.v1", "own_key"),
        _rule(
            "unit_head",
            "approval.extended.v1 approval.reopened.v1 approval.late_entry_confirmed.v1",
            "own_unit",
            "case_unit",
        ),
        _rule("unit_head", "key.rotated.v1", "own_key"),
        _rule("privacy_officer", "erasure.proposed.v1 hold.placed.v1 hold.released.v1 disclosure.granted.v1"),
        # The second person may be another privacy officer, or a key officer where there is but one.
        _rule("privacy_officer", "erasure.made.v1", "two_persons"),
        _rule("privacy_officer", "key.rotated.v1", "own_key"),
        _rule("key_officer", "erasure.made.v1", "two_persons"),
        _rule("investigator", "hold.placed.v1 hold.released.v1"),
        _rule("investigator", "key.rotated.v1", "own_key"),
        *(
            rule
            for role in ("key_officer", "witness_liaison")
            for rule in (
                _rule(role, "witness.change_proposed.v1"),
                _rule(role, _confirmations(("witness",), _FACTS), "two_persons"),
            )
        ),
        _rule("witness_liaison", "key.rotated.v1", "own_key"),
        _rule("video_custodian", "camera.change_proposed.v1"),
        # As with erasures, a key officer confirms where there is but one custodian.
        _rule("video_custodian", _confirmations(("camera",), _FACTS), "two_persons"),
        _rule("key_officer", _confirmations(("camera",), _FACTS), "two_persons"),
        _rule(
            "video_custodian",
            "footage.clip_extracted.v1 footage.clip_derived.v1 footage.hold_placed.v1 footage.hold_extended.v1"
            " footage.hold_release_proposed.v1 footage.purged.v1",
        ),
        _rule("investigator", "footage.hold_placed.v1 footage.hold_extended.v1"),
        _rule("complaint_head", "footage.hold_extended.v1"),
        _rule("video_custodian", "footage.hold_released.v1", "two_persons"),
        _rule("key_officer", "footage.hold_released.v1", "two_persons"),
        _rule("video_custodian", "key.rotated.v1", "own_key"),
        _rule(
            "recorder_device",
            "segments.sealed.v1 footage.recording_started.v1 footage.recording_stopped.v1 footage.gap_detected.v1"
            " footage.gap_ended.v1 footage.clock_stepped.v1 footage.tampered.v1 footage.recovered.v1 footage.purged.v1"
            " footage.held_space_passed.v1 footage.held_space_freed.v1",
            "own_camera",
        ),
        _rule("recorder_device", "key.rotated.v1", "own_key"),
        _rule("registrar", "attestation.made.v1"),
        _rule("registrar", "key.rotated.v1", "own_key"),
        _rule("auditor", "attestation.made.v1"),
        _rule("auditor", "key.rotated.v1", "own_key"),
        _rule(
            "system_clock",
            "log.batch.v1 log.voided.v1 log.time_token.v1 heads.stated.v1"
            " approval.deemed_accepted.v1 approval.gaps_lapsed.v1 approval.clocks_recomputed.v1 ticket.expired.v1"
            " footage.hold_placed.v1 footage.hold_extended.v1 footage.hold_lapsed.v1 footage.hold_deferred.v1",
        ),
        _rule("system_clock", "key.rotated.v1", "own_key"),
        # The centres' streams: who may state what stands in the last column of each one's table.
        *RULES,
        *grants.RULES,
        *patrol.RULES,
        *adapters.RULES,
        *(_rule(role, "key.rotated.v1", "own_key") for role in _CENTRES_ROLES),
        *(_rule(role, "read.made.v1") for role in _READERS),
    ],
}

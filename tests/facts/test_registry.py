"""Who may change keys, people, rules and catalogue: genesis, two-person acts, keys, and who stands for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.errors import Malformed, MingjianError, NotAllowed, Refused
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.registry import CLOCK_ACTOR, Registry, next_key_digest

SMALL_ORDER = "01" + "00" * 31  # the neutral element
NON_CANONICAL = "ee" + "ff" * 30 + "7f"  # y = 1 again, written as p + 1


def code_of(refused: Callable[[], Any]) -> str:
    with pytest.raises(MingjianError) as caught:
        refused()
    return caught.value.code


# ── Genesis ────────────────────────────────────────────────────────────────────────────────────────────────


def test_entry_0_pins_the_origin_and_names_officers_and_clock(hall: Any) -> None:
    registry = hall.registry
    assert registry.origin == f"example.org/hall/{registry.first_id[:16].hex()}"
    assert registry.officers == ("staff/lin", "staff/wu")
    assert registry.appointment_of(CLOCK_ACTOR).roles == {"system_clock"}


def _officers(genesis: Any, which: str, **changes: Any) -> dict[str, Any]:
    data = genesis()
    data["officers"][which] = {**data["officers"][which], **changes}
    return {"officers": data["officers"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "staff/lin"},
        {"actor": 7},
        {"actor": CLOCK_ACTOR},
        {"actor": ["staff/wu"]},
        {"person": None},
        {"person": "Wu"},
        {"key": "zz"},
        {"key": "abc"},
        {"key": 5},
        {"key": ""},
        {"key": "00"},
        {"key": SMALL_ORDER},
        {"key": NON_CANONICAL},
        {"custody": {}},
        {"custody": "pocket"},
        {"extra": 1},
    ],
)
def test_officers_must_be_two_sound_persons(new_hall: Any, genesis: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        new_hall(genesis(**_officers(genesis, "second", **changes)))


@pytest.mark.parametrize("officers", [{}, {"first": {}}, {"first": 1, "second": 2}])
def test_there_are_exactly_two_officers(new_hall: Any, genesis: Any, officers: Any) -> None:
    with pytest.raises(Malformed):
        new_hall(genesis(officers=officers))


def test_two_officers_who_are_one_person_are_refused(new_hall: Any, genesis: Any) -> None:
    first = genesis()["officers"]["first"]
    with pytest.raises(Malformed, match="one"):
        new_hall(genesis(**_officers(genesis, "second", person=first["person"])))


@pytest.mark.parametrize("purpose", ["clock_key", "receipt_key", "log_key"])
def test_keys_of_the_ledger_are_sound_and_serve_one_purpose_each(new_hall: Any, genesis: Any, purpose: str) -> None:
    for key in (genesis()["officers"]["first"]["key"], SMALL_ORDER, NON_CANONICAL, "00"):
        with pytest.raises(Malformed):
            new_hall(genesis(**{purpose: key}))


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "staff/lin"},
        {"data": {"opened": "00" * 32}},
        {"data": {}},
        {"data": {"opened": 1}},
        {"audience": "example.org/other"},
        {"audience": None},
        {"role": "auditor"},
        {"type_": "ledger.opened.v1"},
        {"sd": ("A" * 43,)},
    ],
)
def test_entry_1_is_the_second_officers_confirmation_of_entry_0(new_hall: Any, changes: dict[str, Any]) -> None:
    hall = new_hall()
    good = {
        "type_": "ledger.confirmed.v1",
        "stream": "ledger",
        "data": {"opened": hall.registry.first_id.hex()},
        "actor": "staff/wu",
        "role": "key_officer",
    }
    hall.registry.confirm_opening(hall.act(**good))
    with pytest.raises(Malformed, match="entry 1"):
        hall.registry.confirm_opening(hall.act(**(good | changes)))


def test_a_ledger_is_opened_once_whatever_a_policy_says(hall: Any, genesis: Any) -> None:
    policy = {**FIRST_POLICY, "rules": [*FIRST_POLICY["rules"], {"role": "key_officer", "types": ["ledger.*"]}]}
    hall.agree("policy.changed.v1", "policy", {"policy": policy})
    again = hall.act("ledger.opened.v1", "ledger", genesis(), actor="staff/lin", role="key_officer")
    assert code_of(lambda: hall.check(again)) == "genesis"


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "example.org/hall"},
        {"seq": 2, "prev": bytes(32)},
        {"stream": "ledger/second"},
        {"type_": "ledger.confirmed.v1"},
        {"actor": "staff/wu"},
        {"role": "catalogue_admin"},
    ],
)
def test_entry_0_is_the_first_officers_opening_of_the_ledger(hall: Any, genesis: Any, changes: dict[str, Any]) -> None:
    good = {
        "type_": "ledger.opened.v1",
        "stream": "ledger",
        "data": genesis(),
        "actor": "staff/lin",
        "role": "key_officer",
        "audience": None,
        "seq": 1,
        "prev": None,
    }
    Registry.opened(hall.act(**good))
    assert code_of(lambda: Registry.opened(hall.act(**(good | changes)))) == "genesis"


# ── Two-person acts ────────────────────────────────────────────────────────────────────────────────────────

UNIT = {"name": "环保局", "tier": "district"}
REGISTER = ("unit.registered.v1", "unit/env", UNIT)


def test_story_proposed_by_one_confirmed_by_another(hall: Any) -> None:
    proposal = hall.propose(*REGISTER)
    assert "unit/env" not in hall.registry.entries
    hall.take(hall.confirmation(*REGISTER, proposal.id))
    assert hall.registry.entries["unit/env"].data == UNIT


def test_the_same_person_does_not_confirm_also_under_another_actor_id(hall: Any) -> None:
    proposal = hall.propose(*REGISTER)
    same = hall.confirmation(*REGISTER, proposal.id, actor="staff/cat-a")
    assert code_of(lambda: hall.check(same)) == "two-persons"
    content = hall.staff_content("staff/cat-a", roles=["catalogue_admin"])
    hall.agree("staff.appointed.v1", "staff/cat-a-too", content)
    hall.add_key("staff/cat-a-too")
    same = hall.confirmation(*REGISTER, proposal.id, actor="staff/cat-a-too")
    assert code_of(lambda: hall.check(same)) == "two-persons"


@pytest.mark.parametrize(
    "content", [{"name": "环保", "tier": "district"}, {"name": "环保局", "tier": "district", "centre": "x"}]
)
def test_changed_content_is_not_what_was_proposed(hall: Any, content: dict[str, Any]) -> None:
    proposal = hall.propose(*REGISTER)
    changed = hall.confirmation("unit.registered.v1", "unit/env", content, proposal.id)
    assert code_of(lambda: hall.check(changed)) == "proposal-content"


def test_content_is_compared_as_json_not_as_python_where_true_is_one(hall: Any) -> None:
    proposal = hall.propose("policy.changed.v1", "policy", {"policy": FIRST_POLICY})
    changed = {"policy": {**FIRST_POLICY, "vocabulary": True}}
    act = hall.confirmation("policy.changed.v1", "policy", changed, proposal.id)
    assert code_of(lambda: hall.check(act)) == "proposal-content"


def test_sealed_values_are_confirmed_too(hall: Any) -> None:
    content = hall.staff_content("staff/new", roles=["window_clerk"])
    name = ("staff.appointed.v1", "staff/new", content)
    proposal = hall.propose(*name, sd=("A" * 43,))
    for sd in ((), ("B" * 43,)):
        act = hall.confirmation(*name, proposal.id, sd=sd)
        with pytest.raises(NotAllowed) as caught:
            hall.check(act)
        assert caught.value.code == "proposal-content"
    hall.take(hall.confirmation(*name, proposal.id, sd=("A" * 43,)))


def test_another_change_than_the_proposed_is_refused(hall: Any) -> None:
    hall.agree(*REGISTER)
    proposal = hall.propose("unit.changed.v1", "unit/env", UNIT)
    closing = hall.confirmation("unit.closed.v1", "unit/env", {}, proposal.id)
    assert code_of(lambda: hall.check(closing)) == "proposal-content"


def test_a_proposal_made_in_one_stream_is_not_confirmed_in_another(hall: Any) -> None:
    content = hall.staff_content("staff/new", roles=["window_clerk"])
    proposal = hall.propose("staff.appointed.v1", "staff/new", content)
    elsewhere = hall.confirmation("staff.appointed.v1", "staff/other", content, proposal.id)
    assert code_of(lambda: hall.check(elsewhere)) == "proposal"


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("2024-03-14T09:00:00+08:00", None),
        ("2024-03-14T09:00:01+08:00", "proposal-term"),
        ("2024-03-04T08:55:00+08:00", None),  # two clocks may stand apart
        ("2024-03-04T08:54:59+08:00", "proposal-term"),
    ],
)
def test_a_confirmation_comes_within_the_term(hall: Any, when: str, code: str | None) -> None:
    proposal = hall.propose(*REGISTER)
    act = hall.confirmation(*REGISTER, proposal.id, at=when)
    if code is None:
        hall.check(act)
    else:
        assert code_of(lambda: hall.check(act)) == code


def test_a_proposal_is_confirmed_once(hall: Any) -> None:
    proposal = hall.propose(*REGISTER)
    hall.take(hall.confirmation(*REGISTER, proposal.id))
    hall.agree("unit.closed.v1", "unit/env", {})
    again = hall.confirmation(*REGISTER, proposal.id)
    assert code_of(lambda: hall.check(again)) == "proposal"


def test_without_a_proposal_nothing_is_confirmed(hall: Any) -> None:
    act = hall.act(
        "unit.registered.v1", "unit/env", UNIT | {"proposal": "00" * 32}, actor="staff/cat-b", role="catalogue_admin"
    )
    assert code_of(lambda: hall.check(act)) == "proposal"


def test_a_proposer_who_has_left_or_lost_the_role_proposes_nothing(hall: Any) -> None:
    proposal = hall.propose(*REGISTER)
    act = hall.confirmation(*REGISTER, proposal.id)
    hall.agree("staff.changed.v1", "staff/cat-a", hall.staff_content("staff/cat-a", roles=["auditor"]))
    assert code_of(lambda: hall.check(act)) == "proposal-role"
    hall.agree("staff.left.v1", "staff/cat-a", {})
    assert code_of(lambda: hall.check(act)) == "proposal-role"


@pytest.mark.parametrize(
    ("change", "content"),
    [
        ("window.opened.v1", {"unit": "env", "name": "1"}),  # of another kind of stream
        ("unit.change_proposed.v1", {"change": "unit.closed.v1", "content": {}}),
        ("unit.abolished.v1", {}),
        ("unit.registered.v1", {"name": "x"}),
        ("unit.registered.v1", UNIT | {"colour": "red"}),
        ("unit.registered.v1", UNIT | {"proposal": "00" * 32}),
    ],
)
def test_only_a_sound_change_of_the_stream_is_proposed(hall: Any, change: str, content: Any) -> None:
    act = hall.act(
        "unit.change_proposed.v1",
        "unit/env",
        {"change": change, "content": content},
        actor="staff/cat-a",
        role="catalogue_admin",
    )
    with pytest.raises(Refused):
        hall.check(act)


@pytest.mark.parametrize(
    ("change", "stream", "content", "code"),
    [
        ("policy.changed.v1", "policy", {"policy": {}}, "policy"),
        ("item.published.v1", "item/x", {"clocks": {"lunch": {}}}, "item-clock"),
        ("item.published.v1", "item/x", {"handling": "slowly"}, "item-handling"),
        ("calendar.schedule_published.v1", "calendar/cn", {"days_off": ["2024-01-06"]}, None),
        ("calendar.schedule_published.v1", "calendar/cn", {"year": 99999}, None),
    ],
)
def test_unsound_content_is_refused_when_it_is_proposed(
    hall: Any, items: Any, change: str, stream: str, content: Any, code: str | None
) -> None:
    full = {
        "policy": {},
        "item": items["permit"],
        "calendar": {
            "year": 2024,
            "known_from": "2023-10-25",
            "days_off": [],
            "working_weekends": [],
            "source": "notice",
        },
    }[stream.partition("/")[0]] | content
    found = code_of(lambda: hall.propose(change, stream, full))
    assert code in (None, found)


def test_a_registry_thing_is_opened_once_changed_while_open_and_opened_again_after_closing(hall: Any) -> None:
    changed = ("unit.changed.v1", "unit/env", UNIT)
    assert code_of(lambda: hall.agree(*changed)) == "not-open"
    hall.agree(*REGISTER)
    assert code_of(lambda: hall.agree(*REGISTER)) == "already-open"
    hall.agree(*changed)
    hall.agree("unit.closed.v1", "unit/env", {})
    assert code_of(lambda: hall.agree(*changed)) == "not-open"
    assert code_of(lambda: hall.agree("unit.closed.v1", "unit/env", {})) == "not-open"
    hall.agree(*REGISTER)


def test_an_actor_id_stands_for_one_person_for_ever(hall: Any) -> None:
    other = hall.staff_content("staff/somebody", roles=["window_clerk"])
    assert code_of(lambda: hall.agree("staff.changed.v1", "staff/chen", other)) == "actor-person"
    hall.agree("staff.left.v1", "staff/chen", {})
    assert code_of(lambda: hall.agree("staff.appointed.v1", "staff/chen", other)) == "actor-person"
    assert hall.registry.person_of("staff/chen") == hall.staff_content("staff/chen")["person"]


def test_whoever_left_may_do_nothing(hall: Any) -> None:
    hall.agree("staff.left.v1", "staff/chen", {})
    assert code_of(lambda: hall.on("c", "applied")) == "no-appointment"


# ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_story_rotation_to_the_key_committed_in_advance(hall: Any, keys: Any) -> None:
    new = keys("staff/chen", 2)
    content = hall.key_content("staff/chen", new)
    data = {name: content[name] for name in ("key", "proof")}
    how = {"actor": "staff/chen", "role": "window_clerk"}
    hall.say("key.rotated.v1", "key/staff/chen", data, **how)
    assert code_of(lambda: hall.on("c", "applied")) == "key-revoked"
    hall.on("c", "applied", key=new)
    assert hall.registry.active_keys("staff/chen") == [new.thumbprint]
    # It committed to no further key, so there is no rotation after it.
    third = hall.key_content("staff/chen", keys("staff/chen", 3))
    data = {name: third[name] for name in ("key", "proof")}
    assert code_of(lambda: hall.say("key.rotated.v1", "key/staff/chen", data, **how, key=new)) == "key-next"


def test_a_key_that_was_not_committed_is_not_rotated_to(hall: Any, keys: Any) -> None:
    content = hall.key_content("staff/chen", keys("staff/chen", 3))
    data = {name: content[name] for name in ("key", "proof")}
    how = {"actor": "staff/chen", "role": "window_clerk"}
    assert code_of(lambda: hall.say("key.rotated.v1", "key/staff/chen", data, **how)) == "key-next"


def test_nobody_rotates_a_key_of_another(hall: Any, keys: Any) -> None:
    content = hall.key_content("staff/zhao", keys("staff/zhao", 2))
    data = {name: content[name] for name in ("key", "proof")}
    how = {"actor": "staff/chen", "role": "window_clerk"}
    assert code_of(lambda: hall.say("key.rotated.v1", "key/staff/zhao", data, **how)) == "own-key"


def test_a_rotation_under_a_key_that_is_not_there_is_refused_not_an_accident(hall: Any, keys: Any) -> None:
    content = hall.key_content("staff/chen", keys("staff/chen", 2))
    data = {name: content[name] for name in ("key", "proof")}
    stranger = hall.act(
        "key.rotated.v1", "key/staff/chen", data, actor="staff/chen", role="window_clerk", key=keys("stranger")
    )
    assert code_of(lambda: hall.registry.check_state(stranger)) == "key-unknown"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"proof": "00" * 64}, "key-proof"),
        ({"proof": "00"}, "key-proof"),
        ({"actor": "staff/zhao"}, "key-stream"),
        ({"custody": "pocket"}, "key-custody"),
        ({"key": SMALL_ORDER}, "key-point"),
        ({"key": NON_CANONICAL}, "key-point"),
        ({"key": "00" * 31}, "key-length"),
        ({"key": "0"}, "field-kind"),
        ({"key": "GG"}, "field-kind"),
    ],
)
def test_an_unsound_key_is_not_added(hall: Any, keys: Any, changes: dict[str, Any], code: str) -> None:
    content = hall.key_content("staff/chen", keys("staff/chen", 5)) | changes
    assert code_of(lambda: hall.agree("key.added.v1", "key/staff/chen", content)) == code


def test_a_proof_of_possession_is_for_one_actor_and_one_log(hall: Any, keys: Any) -> None:
    key = keys("staff/chen", 5)
    other_actor = hall.key_content("staff/zhao", key) | {"actor": "staff/chen"}
    assert code_of(lambda: hall.agree("key.added.v1", "key/staff/chen", other_actor)) == "key-proof"


@pytest.mark.parametrize("taken", ["staff/zhao", "log", "receipt", CLOCK_ACTOR])
def test_a_key_serves_one_purpose(hall: Any, keys: Any, taken: str) -> None:
    content = hall.key_content("staff/chen", keys(taken))
    assert code_of(lambda: hall.agree("key.added.v1", "key/staff/chen", content)) == "key-known"


def test_story_revocation_by_two_officers_with_a_suspect_range(hall: Any, keys: Any) -> None:
    kid = keys("staff/chen").thumbprint
    content = {"kid": kid.hex(), "reason": "lost", "suspect_from": 3, "suspect_to": 9}
    hall.agree("key.revoked.v1", "key/staff/chen", content)
    record = hall.registry.keys[kid]
    assert (record.is_revoked, record.suspect) == (True, (3, 9))
    assert code_of(lambda: hall.on("c", "applied")) == "key-revoked"
    assert code_of(lambda: hall.agree("key.revoked.v1", "key/staff/chen", content)) == "key-unknown"


@pytest.mark.parametrize(
    ("stream", "changes", "code"),
    [
        ("key/staff/zhao", {}, "key-unknown"),
        ("key/staff/chen", {"kid": "00" * 32}, "key-unknown"),
        ("key/staff/chen", {"kid": "00"}, "field-kind"),
        ("key/staff/chen", {"suspect_from": 9, "suspect_to": 3}, "key-suspect"),
        ("key/staff/chen", {"suspect_to": 3}, "key-suspect"),
    ],
)
def test_an_unsound_revocation_is_refused(
    hall: Any, keys: Any, stream: str, changes: dict[str, Any], code: str
) -> None:
    content = {"kid": keys("staff/chen").thumbprint.hex(), "reason": "lost"} | changes
    assert code_of(lambda: hall.agree("key.revoked.v1", stream, content)) == code


def test_a_statement_under_a_key_of_another_actor_is_refused(hall: Any, keys: Any) -> None:
    act = hall.about("c", "applied", key=keys("staff/zhao"))
    with pytest.raises(NotAllowed) as caught:
        hall.check(act)
    assert caught.value.code == "key-actor"


def test_a_source_adapter_appends_to_its_own_source_only(hall: Any, keys: Any) -> None:
    hall.agree(
        "key.added.v1",
        "key/source/receipt",
        hall.key_content("source/receipt", keys("source/receipt"), custody="device"),
    )
    how = {"actor": "source/receipt", "role": "source_adapter"}
    hall.say("imported.case.v1", "imported/receipt/1", {"case_no": 1}, **how)
    hall.say("imported.event.v1", "imported/receipt/1", {"ordinal": 1}, **how)
    assert code_of(lambda: hall.say("imported.case.v1", "imported/other/1", {"case_no": 1}, **how)) == "own-source"
    first = hall.act("imported.event.v1", "imported/receipt/2", {"ordinal": 1}, **how)
    assert code_of(lambda: hall.check(first)) == "imported-order"


def test_next_key_digest_is_of_the_raw_key(keys: Any) -> None:
    assert len(bytes.fromhex(next_key_digest(keys("a").public))) == 32


# ── What the catalogue refuses ─────────────────────────────────────────────────────────────────────────────


def _item(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "unit": "env", "centre": "administrative", "handling": "promise", "clocks": {}} | changes


def _limits(promise: Any, statutory: Any) -> dict[str, Any]:
    def clock(of: Any) -> dict[str, Any]:
        return {"limit": of} if isinstance(of, int) else {"limit": of[0], "unit": of[1]}

    return _item(clocks={"promise": clock(promise), "statutory": clock(statutory)})


@pytest.mark.parametrize(
    ("promise", "statutory", "within"),
    [
        (7, 20, True),  # 35 % to the day
        (8, 20, False),
        (1, 2, False),
        ((7, "calendar-day"), 20, True),  # so many days are no longer than as many working days
        ((8, "hour"), 3, True),
        ((26, "hour"), 3, False),
        (1, (20, "calendar-day"), False),  # a working day may last a week: nothing follows from the numbers
        ((7, "calendar-day"), (20, "calendar-day"), True),
    ],
)
def test_a_promise_is_at_most_35_percent_of_the_statutory_limit(
    hall: Any, promise: Any, statutory: Any, within: bool
) -> None:
    propose = lambda: hall.propose("item.published.v1", "item/x", _limits(promise, statutory))  # noqa: E731
    if within:
        propose()
    else:
        assert code_of(propose) == "promise-limit"


def test_a_waiver_is_of_one_item_and_a_later_one_replaces_it(hall: Any) -> None:
    def waive(percent: int) -> None:
        hall.agree("waiver.granted.v1", "waiver/x", {"percent": percent, "reason": "评审"})

    waive(50)
    hall.agree("item.published.v1", "item/x", _limits(10, 20))
    assert code_of(lambda: hall.propose("item.published.v1", "item/y", _limits(10, 20))) == "promise-limit"
    waive(1)
    assert code_of(lambda: hall.propose("item.revised.v1", "item/x", _limits(10, 20))) == "promise-limit"
    hall.propose("item.revised.v1", "item/x", _limits(7, 20))  # a waiver never takes away
    for percent in (0, 101):
        assert code_of(lambda percent=percent: waive(percent)) == "promise-limit"


def test_a_waiver_that_is_only_proposed_waives_nothing(hall: Any) -> None:
    hall.propose("waiver.granted.v1", "waiver/x", {"percent": 50, "reason": "评审"})
    assert code_of(lambda: hall.propose("item.published.v1", "item/x", _limits(10, 20))) == "promise-limit"


@pytest.mark.parametrize("days", [0, 367])
def test_gaps_are_filled_within_a_sane_number_of_days(hall: Any, days: int) -> None:
    assert code_of(lambda: hall.propose("item.published.v1", "item/x", _item(gap_days=days))) == "item-gaps"


# ── Nobody is locked out ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("type_", "stream", "content"),
    [
        ("policy.changed.v1", "policy", {"policy": {**FIRST_POLICY, "rules": []}}),
        (
            "policy.changed.v1",
            "policy",
            {
                "policy": {
                    **FIRST_POLICY,
                    "rules": [r for r in FIRST_POLICY["rules"] if "log.batch.v1" not in r["types"]],
                }
            },
        ),
    ],
)
def test_a_policy_under_which_nothing_could_be_mended_or_placed_is_refused(
    hall: Any, type_: str, stream: str, content: dict[str, Any]
) -> None:
    assert code_of(lambda: hall.propose(type_, stream, content)) in ("quorum", "clock")


def test_a_third_officer_may_go_as_long_as_two_persons_stay(hall: Any) -> None:
    # Two actor ids of one person are not two persons.
    hall.agree("staff.appointed.v1", "staff/lin-too", hall.staff_content("staff/lin", roles=["key_officer"]))
    hall.add_key("staff/lin-too")
    kid = next(kid.hex() for kid, key in hall.registry.keys.items() if key.actor == "staff/wu")
    revoke = lambda: hall.propose("key.revoked.v1", "key/staff/wu", {"kid": kid, "reason": "lost"})  # noqa: E731
    assert code_of(revoke) == "quorum"
    hall.appoint("staff/third", roles=["key_officer"])
    assert code_of(revoke) == "quorum"  # without a key nobody confirms
    hall.add_key("staff/third")
    revoke()
    changed = hall.staff_content("staff/third", roles=["window_clerk"])
    hall.agree("staff.changed.v1", "staff/third", changed)
    assert code_of(revoke) == "quorum"

"""Changes by two persons through the real door, and the registries as of any position."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.disclosure import pseudonym
from ledger.errors import MingjianError
from ledger.facts.calendar import YearSchedule
from ledger.keys import SigningKey, thumbprint
from ledger.registry import catalogue, changes, keys, people
from ledger.statement import open_statement
from projections import registries
from projections.runner import Projector

CLOCKS = {"statutory": {"limit": 20}, "promise": {"limit": 7}}


def code_of(refused: Any) -> str:
    with pytest.raises(MingjianError) as caught:
        refused()
    return caught.value.code


def held(office: Any, kind: str, position: int | None = None) -> dict[str, Any]:
    """What the projections say held in a registry as of a position: stream → content."""
    Projector(office.hall.database).catch_up()
    with office.hall.database.use("reader") as connection:
        rows = registries.entries(connection, kind, position=position)
        return {row["stream"]: {k: v for k, v in row["data"].items() if k != "proposal"} for row in rows}


# ── Two persons ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proposal_changes_nothing_until_another_person_confirms_it(office: Any) -> None:
    proposal = catalogue.unit(office.admin(1), "env", name="环保局", tier="district")
    office.hall.wait_placed([proposal], timeout_s=20)
    assert held(office, "unit") == {}
    assert code_of(lambda: changes.confirm(office.admin(1), proposal.id)) == "two-persons"
    office.agreed(proposal, office.admin(2))
    assert held(office, "unit") == {"unit/env": {"name": "环保局", "tier": "district"}}
    assert code_of(lambda: changes.confirm(office.admin(2), proposal.id)) == "proposal"


def test_who_may_not_change_a_registry_cannot_confirm_it_either(office: Any) -> None:
    proposal = catalogue.unit(office.admin(1), "fire", name="消防", tier="district")
    assert code_of(lambda: changes.confirm(office.officer(1), proposal.id)) == "right"
    assert code_of(lambda: catalogue.unit(office.officer(1), "x", name="x", tier="district")) == "right"


def test_what_waits_for_its_second_person_is_listed(office: Any) -> None:
    proposal = catalogue.window(office.admin(1), "w7", unit="env", name="七号窗口")
    registry = office.hall.door.registry()[1]
    assert proposal.id in {each.id for each in changes.waiting(registry)}
    office.agreed(proposal, office.admin(2))
    registry = office.hall.door.registry()[1]
    assert proposal.id not in {each.id for each in changes.waiting(registry)}


def test_a_persons_name_stands_nowhere_and_a_confirmation_repeats_its_digests(office: Any) -> None:
    rows = office.hall.reader.stream("staff/cat-1")
    proposal, fact = (open_statement(entry) for _, _, entry in rows)
    assert proposal.sd == fact.sd
    assert len(fact.sd) == 1
    assert all("林".encode() not in entry for _, _, entry in rows)
    assert office.hall.vault.open(fact.sd)[fact.sd[0]].value == "林"
    assert fact.data["person"] == pseudonym(office.hall.keyring.secret("names"), "person", "001")
    assert office.hall.vault.names([fact.data["person"]]) == {fact.data["person"]: "001"}


# ── As of any position ─────────────────────────────────────────────────────────────────────────────────────


def test_units_windows_and_items_as_of_any_position(office: Any) -> None:
    one, two = office.admin(1), office.admin(2)
    before = office.size()
    office.agreed(catalogue.window(one, "w1", unit="env", name="一号窗口"), two)
    opened = office.size()
    office.agreed(catalogue.window(one, "w1", unit="env", name="一号窗口", zone="construction"), two)
    changed = office.size()
    office.agreed(catalogue.end(one, "window", "w1"), two)
    assert "window/w1" not in held(office, "window", before)
    assert held(office, "window", opened)["window/w1"] == {"unit": "env", "name": "一号窗口"}
    assert held(office, "window", changed)["window/w1"]["zone"] == "construction"
    assert "window/w1" not in held(office, "window")


def test_an_item_is_revised_and_its_former_version_stays_readable(office: Any) -> None:
    one, two = office.admin(1), office.admin(2)
    item = {"name": "许可", "unit": "env", "centre": "administrative", "handling": "promise"}
    first = office.agreed(catalogue.item(one, "permit", **item, clocks=CLOCKS, gap_days=10), two)
    position = office.size()
    shorter = {**CLOCKS, "promise": {"limit": 3}}
    second = office.agreed(catalogue.item(one, "permit", **item, clocks=shorter, valid_from=date(2030, 1, 1)), two)
    assert held(office, "item", position)["item/permit"]["clocks"] == CLOCKS
    assert held(office, "item")["item/permit"]["clocks"] == shorter
    registry = office.hall.door.registry()[1]
    assert registry.item_valid_on("permit", "2029-12-31").id == first.id
    assert registry.item_valid_on("permit", "2030-01-01").id == second.id


def test_people_rosters_and_calendars_as_of_any_position(office: Any) -> None:
    one, two = office.officer(1), office.officer(2)
    before = office.size()
    office.agreed(people.appoint(one, "staff/zhao", person="009", roles=["reviewer"], unit="env"), two)
    office.agreed(people.appoint(one, "staff/zhao", person="009", roles=["reviewer", "approver"], unit="env"), two)
    day = date(2024, 3, 4)
    office.agreed(catalogue.roster(office.admin(1), "w7", day, ["staff/zhao"], hours="extended"), office.admin(2))
    schedule = YearSchedule(2027, date(2026, 11, 20), frozenset({date(2027, 1, 1)}), frozenset(), "国办发明电")
    office.agreed(catalogue.schedule(office.admin(1), schedule), office.admin(2))
    assert "staff/zhao" not in held(office, "staff", before)
    assert held(office, "staff")["staff/zhao"]["roles"] == ["reviewer", "approver"]
    assert held(office, "roster")["roster/w7/2024-03-04"]["staff"] == ["staff/zhao"]
    assert held(office, "calendar", before) == {}
    assert held(office, "calendar")["calendar/cn"]["year"] == 2027
    known = office.hall.door.registry()[1].calendar().as_known(date(2026, 11, 20))
    assert not known.is_working_day(date(2027, 1, 1))
    office.agreed(people.dismiss(one, "staff/zhao"), two)
    assert "staff/zhao" not in held(office, "staff")


# ── The catalogue's own rules ──────────────────────────────────────────────────────────────────────────────

ITEM = {"name": "许可", "unit": "env", "centre": "administrative", "handling": "promise"}


def test_a_promise_over_35_percent_is_refused_unless_waived_and_only_as_far(office: Any) -> None:
    one, two = office.admin(1), office.admin(2)
    long = {"statutory": {"limit": 20}, "promise": {"limit": 8}}
    assert code_of(lambda: catalogue.item(one, "slow", **ITEM, clocks=long)) == "promise-limit"
    office.agreed(catalogue.waiver(one, "slow", percent=40, reason="专家评审无法缩短"), two)
    office.agreed(catalogue.item(one, "slow", **ITEM, clocks=long), two)
    longer = {"statutory": {"limit": 20}, "promise": {"limit": 9}}
    assert code_of(lambda: catalogue.item(one, "slow", **ITEM, clocks=longer)) == "promise-limit"
    assert code_of(lambda: catalogue.item(one, "other", **ITEM, clocks=long)) == "promise-limit"


def test_what_needs_the_back_office_is_not_handled_on_the_spot(office: Any) -> None:
    item = {**ITEM, "clocks": {}, "back_office": ["hearing"]}
    assert code_of(lambda: catalogue.item(office.admin(1), "x", **{**item, "handling": "on_the_spot"})) == "back-office"
    assert code_of(lambda: catalogue.item(office.admin(1), "x", **{**item, "back_office": ["mood"]})) == "back-office"
    catalogue.item(office.admin(1), "x", **item)


# ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_added_with_proof_rotated_as_committed_and_revoked(office: Any) -> None:
    one, two, actor = office.officer(1), office.officer(2), "staff/cat-3"
    office.agreed(people.appoint(one, actor, person="003", roles=["catalogue_admin"]), two)
    second, third = SigningKey.generate(), SigningKey.generate()
    first = office.key(actor, next_public_key=second.public)
    desk = office.admin(3)
    assert code_of(lambda: keys.rotate(desk, third)) == "key-next"
    rotated = keys.rotate(desk, second, next_public_key=third.public)
    assert office.hall.wait_placed([rotated], timeout_s=20)
    # The old key is worth nothing now, the new one is.
    unit = {"name": "x", "tier": "town"}
    assert code_of(lambda: catalogue.unit(desk, "town", **unit)) == "key-revoked"
    office.keys[actor] = second
    catalogue.unit(office.admin(3), "town", **unit)
    # Revoked by two officers, with the range in which it is suspect.
    office.agreed(keys.revoke(one, second.thumbprint.hex(), reason="stolen", suspect_from=5, suspect_to=9), two)
    assert code_of(lambda: catalogue.unit(office.admin(3), "town-2", **unit)) == "key-revoked"
    record = office.hall.door.registry()[1].keys[second.thumbprint]
    assert (record.is_revoked, record.suspect) == (True, (5, 9))
    assert code_of(lambda: keys.revoke(one, first.thumbprint.hex(), reason="lost")) == "key-unknown"


def test_a_key_without_possession_is_refused(office: Any) -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    proof = keys.prove_possession(office.hall.origin, "staff/cat-1", other)
    assert code_of(lambda: keys.add(office.officer(1), "staff/cat-1", key.public, proof)) == "key-proof"


def test_two_officers_cannot_lock_everybody_out(office: Any) -> None:
    one, two = office.officer(1), office.officer(2)
    for desk in (one, two):
        kid = desk.key.thumbprint.hex()
        assert code_of(lambda kid=kid: keys.revoke(one, kid, reason="lost")) == "quorum"
    clock = thumbprint(bytes.fromhex(office.hall.door.registry()[1].genesis["clock_key"])).hex()
    assert code_of(lambda: keys.revoke(one, clock, reason="lost")) == "clock"
    # With a third officer who has a key, one of the two may go; then the next may not.
    office.agreed(people.appoint(one, "staff/third", person="third", roles=["key_officer"]), two)
    assert code_of(lambda: keys.revoke(one, two.key.thumbprint.hex(), reason="lost")) == "quorum"
    office.key("staff/third")
    keys.revoke(one, two.key.thumbprint.hex(), reason="lost")  # sound, so it may be proposed
    office.agreed(people.dismiss(one, "staff/third"), two)
    assert code_of(lambda: keys.revoke(one, two.key.thumbprint.hex(), reason="lost")) == "quorum"

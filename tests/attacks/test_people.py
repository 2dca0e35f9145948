"""Acts in other people's names, acts denied, acts dated back: what keys, two persons and the log's order say of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.disclosure import pseudonym
from ledger.door.desk import Desk
from ledger.door.hall import open_ledger
from ledger.errors import NotAllowed
from ledger.exchange.bundle import export_bundle
from ledger.facts.case_clocks import TimedAct, case_clocks
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.registry import possession_message
from ledger.keys import SigningKey, public_pem
from ledger.statement import instant_text, open_statement
from ledger.verify.bundle_format import Scope

DAY_US = 86_400_000_000


@pytest.fixture
def added(operator: Any, audit: Any, say: Any, town: Any, tmp_path: Path) -> Any:
    """What an auditor says when these are appended, with the index counted from the first of them; and the reason."""

    def judge(*signed: Any) -> tuple[Any, ...]:
        entries = operator.rewrite(append=[operator.batch(len(signed)), *signed])
        folder = operator.write(tmp_path / "log", entries)
        _, found = say("log", folder, "--policy", town.pinned, "--jobs", "1")
        first = len(operator.entries) + 1
        where = found["first_bad"]
        return (where - first if isinstance(where, int) else where), found["code"], found["reason"] or ""

    return judge


class Hand:
    """Drafts of changes by two persons, and of a clerk's act."""

    def __init__(self, operator: Any, town: Any) -> None:
        self.operator, self.town = operator, town

    def key_for(self, actor: str, key: SigningKey) -> dict[str, Any]:
        proof = key.sign(possession_message(self.operator.origin, actor, key.public)).hex()
        return {"actor": actor, "key": key.public.hex(), "custody": "actor", "proof": proof}

    def change(
        self, type_: str, stream: str, content: dict[str, Any], first: Any, second: Any, *, at: int = 1
    ) -> list[Any]:
        """``first`` and ``second``: actor and key; ``at``: the proposal's place in the batch."""
        kind = type_.partition(".")[0]
        words = {"change": type_, "content": content}
        one = self.operator.draft(f"{kind}.change_proposed.v1", stream, words, actor=first[0], role="key_officer")
        two = self.operator.draft(type_, stream, content | {"proposal": f"@{at}"}, actor=second[0], role="key_officer")
        return [(one, first[1]), (two, second[1])]

    def ticket(self, key: SigningKey, *, actor: str = "staff/chen", **more: Any) -> tuple[Any, SigningKey]:
        data = {"number": "A9", "queue": "q", "channel": "counter"}
        draft = self.operator.draft(
            "ticket.taken.v2", "ticket/t-9", data, actor=actor, role="window_clerk", window="w1", **more
        )
        return draft, key


@pytest.fixture
def hand(operator: Any, town: Any) -> Hand:
    return Hand(operator, town)


def test_the_same_done_lawfully_is_accepted(hand: Hand, town: Any, added: Any) -> None:
    """Two officers add a key, the clerk takes a ticket: no alarm."""
    officers = [(actor, town.keys[actor]) for actor in ("officer/1", "officer/2")]
    key = SigningKey.generate()
    change = hand.change("key.added.v1", "key/staff/chen", hand.key_for("staff/chen", key), *officers)
    assert added(*change, hand.ticket(key))[1] is None


@pytest.mark.attack("forged-act", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(
    ("how", "where", "code", "reason"),
    [
        ("a key of its own that nobody registered", 0, "invalid", "key-unknown"),
        ("the key that it keeps for the adapter", 0, "invalid", "key-actor"),
        ("the officer's key of the opening, given up since", 0, "invalid", "key-revoked"),
        ("the signature of another act", 0, "signature", ""),
        ("no signature", 0, "signature", ""),
    ],
)
def test_the_operator_acts_in_a_clerks_name(
    hand: Hand, operator: Any, town: Any, added: Any, how: str, where: int, code: str, reason: str
) -> None:
    """An act that a clerk never made is placed in her name, with whatever key or signature the machine has."""
    match how.split()[1]:
        case "key" if "nobody" in how:
            act: Any = hand.ticket(SigningKey.generate())
        case "key":
            act = hand.ticket(operator.keyring.actor("source/permits"))
        case "officer's":
            act = hand.ticket(operator.keyring.actor("officer/1"), actor="officer/1")
        case _:
            # Written by her key's name, and signed by nobody: her last signature, or zeros.
            hers = operator.acts[operator.find(id=town.acts["withdrawn"].id)]
            entries = operator.rewrite(append=[operator.batch(1), hand.ticket(town.keys["staff/chen"])])
            tail = bytes(64) if how == "no signature" else hers.entry[-64:]
            act = entries[-1][:-64] + tail
    got, found, why = added(act)
    assert (got, found) == (where, code)
    assert reason in why


@pytest.mark.attack("forged-act", ("verifiers not ours", "cwt, scitt-cose"))
def test_a_forged_act_before_judges_not_ours(
    hand: Hand, operator: Any, town: Any, by_cwt: Any, by_scitt_cose: Any
) -> None:
    """Given the clerk's key as the log registers it, they accept what she signed and nothing else."""
    true = operator.entries[operator.find(id=town.acts["accepted-1"].id)]
    forged = operator.rewrite(append=[operator.batch(1), hand.ticket(SigningKey.generate())])[-1]
    bent = operator.rewrite(
        lambda i, act: [replace(act, at=instant_text(act.at_us - DAY_US)) if act.entry == true else act]
    )[operator.entries.index(true)]
    key = registered(operator, "staff/chen")
    for entry, good in ((true, True), (forged, False), (bent, False)):
        act = open_statement(entry)
        size = entry.index(b'{"at"') if b'{"at"' in entry else entry.index(b'{"')
        case = {"data": entry, "pem": public_pem(key), "kid": act.kid, "payload": entry[size:-66]}
        assert by_cwt([case]) == [good]
        statement = {"kind": "statement", "data": entry, "pem": public_pem(key), "names": f"{act.actor} {act.stream}"}
        assert by_scitt_cose([statement]) == [good]


def registered(operator: Any, actor: str) -> bytes:
    """The key that the log registers for an actor."""
    at = operator.find(type="key.added.v1", stream=f"key/{actor}")
    return bytes.fromhex(operator.acts[at].data["key"])


@pytest.mark.attack("forged-act", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(
    "who", ["the keys of the opening", "one officer twice", "one person under two names", "not even proposed"]
)
def test_the_operator_registers_a_key_of_its_own(hand: Hand, operator: Any, town: Any, added: Any, who: str) -> None:
    """With its own key registered for a clerk the operator could act as her; that takes two persons."""
    mine = SigningKey.generate()
    content = hand.key_for("staff/chen", mine)
    one, two = (("officer/1", town.keys["officer/1"]), ("officer/2", town.keys["officer/2"]))
    stream = "key/staff/chen"
    match who:
        case "the keys of the opening":
            old = [(actor, operator.keyring.actor(actor)) for actor in ("officer/1", "officer/2")]
            signed, expected = hand.change("key.added.v1", stream, content, *old), (0, "key-revoked")
        case "one officer twice":
            signed, expected = hand.change("key.added.v1", stream, content, one, one), (1, "two-persons")
        case "one person under two names":
            # Both officers appoint her lawfully under another id: her person is the same.
            person = pseudonym(operator.keyring.secret("names"), "person", "officer/1")
            known = operator.acts[0].data["officers"]["first"]["person"]
            assert person == known
            alias = SigningKey.generate()
            roles = {"person": person, "roles": ["key_officer"]}
            signed = [
                *hand.change("staff.appointed.v1", "staff/lin", roles, one, two, at=1),
                *hand.change("key.added.v1", "key/staff/lin", hand.key_for("staff/lin", alias), one, two, at=3),
                *hand.change("key.added.v1", stream, content, one, ("staff/lin", alias), at=5),
            ]
            expected = (5, "two-persons")
        case _:
            signed = hand.change("key.added.v1", stream, content, one, two)[1:]
            signed = [(replace(signed[0][0], data=content | {"proposal": "00" * 32}), two[1])]
            expected = (0, "proposal")
    where, code, why = added(*signed, hand.ticket(mine))
    assert (where, code) == (expected[0], "invalid")
    assert expected[1] in why


@pytest.mark.attack("forged-act", ("auditor", "mingjian-verify log"))
def test_the_operator_gives_itself_rights(hand: Hand, town: Any, added: Any) -> None:
    """A policy without two persons is itself a change by two persons."""
    rules = [{"role": "key_officer", "types": ["key.added.v1"]}, *FIRST_POLICY["rules"]]
    one = ("officer/1", town.keys["officer/1"])
    signed = hand.change("policy.changed.v1", "policy", {"policy": FIRST_POLICY | {"rules": rules}}, one, one)
    where, code, why = added(*signed)
    assert (where, code, "two-persons" in why) == (1, "invalid", True)


@pytest.mark.attack("forged-act", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize("reason", ["signature", "key-revoked", "own-window"])
def test_the_operator_voids_a_lawful_act(operator: Any, town: Any, audit: Any, tmp_path: Path, reason: str) -> None:
    """The clock says that a clerk's act is void, for a reason that does not hold; the verifier derives it again."""
    at = operator.find(id=town.acts["withdrawn"].id)
    clock = operator.keyring.own("clock")
    last = next(act for act in operator.acts if act.type == "log.batch.v1")

    def change(i: int, act: Any) -> list[Any]:
        if i != at:
            return [act]
        batch = max(n for n in range(at) if operator.acts[n].type == "log.batch.v1")
        data = {"statement": act.id.hex(), "reason": reason}
        draft = operator.draft("log.voided.v1", "log", data, actor=last.actor, role=last.role, seen_size=batch)
        return [act, (draft, clock)]

    entries = operator.rewrite(change, more_keys=town.keys.values())
    assert audit(operator.write(tmp_path / "log", entries)) == (at + 1, "void")


def test_what_is_voided_for_its_true_reason_has_no_effect_and_is_counted(
    hand: Hand, operator: Any, town: Any, say: Any, tmp_path: Path
) -> None:
    """The other way round: an act that slipped past the door stays, is named, and every verifier derives the reason."""
    clock = operator.keyring.own("clock")
    void = operator.draft(
        "log.voided.v1", "log", {"statement": "@1", "reason": "key-unknown"}, actor="system/clock", role="system_clock"
    )
    entries = operator.rewrite(append=[operator.batch(2), hand.ticket(SigningKey.generate()), (void, clock)])
    code, found = say("log", operator.write(tmp_path / "log", entries), "--policy", town.pinned)
    assert (code, found["voided"]) == (0, 1)


# ── Clerks ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.attack("clerk", ("auditor", "mingjian-verify log"), ("verifiers not ours", "cwt, scitt-cose"))
def test_a_clerk_denies_an_act(operator: Any, town: Any, audit: Any, by_cwt: Any, by_scitt_cose: Any) -> None:
    """Her signature holds under the key that two officers registered for her with her proof that she has it."""
    index = operator.find(id=town.acts["accepted-1"].id)
    act = operator.acts[index]
    at = operator.find(type="key.added.v1", stream="key/staff/chen")
    added = operator.acts[at]
    assert at < index
    assert bytes.fromhex(added.data["key"]) == town.keys["staff/chen"].public
    proposal = operator.acts[operator.find(id=bytes.fromhex(added.data["proposal"]))]
    assert {proposal.actor, added.actor} == {"officer/1", "officer/2"}
    assert audit(town.honest)[0] == "good"
    pem = public_pem(bytes.fromhex(added.data["key"]))
    case = {"kind": "statement", "data": act.entry, "pem": pem, "names": f"staff/chen {act.stream}"}
    assert by_scitt_cose([case]) == [True]
    # The key is nowhere on the operator's machine.
    assert town.keys["staff/chen"].thumbprint not in operator.keys
    assert town.keys["staff/chen"].thumbprint == act.kid


@pytest.mark.attack("clerk", ("the door", "prepare, sign, commit"), ("auditor", "mingjian-verify log"))
def test_a_clerk_signs_with_a_colleagues_name_or_key(hand: Hand, operator: Any, town: Any, added: Any) -> None:
    """Zhao acts as Chen with the key that is his own; the door refuses it, and a door that looked away is found out."""
    zhao = town.keys["staff/zhao"]
    draft, _ = hand.ticket(zhao)
    where, code, why = added((draft, zhao))
    assert (where, code, "key-actor" in why) == (0, "invalid", True)
    with open_ledger(operator.data) as hall, pytest.raises(NotAllowed) as caught:
        Desk(door=hall.door, actor="staff/chen", key=zhao, role="window_clerk", window="w1").say(
            draft.stream, draft.type, draft.data
        )
    assert caught.value.code == "key-actor"


@pytest.mark.attack("clerk", ("auditor", "mingjian-verify log"))
def test_a_clerk_uses_a_colleagues_stolen_key(hand: Hand, operator: Any, town: Any, say: Any, tmp_path: Path) -> None:
    """Until it is noticed it is her signature; the revocation names the range, and every act in it is flagged."""
    officers = [(actor, town.keys[actor]) for actor in ("officer/1", "officer/2")]
    start = operator.find(id=town.acts["applied-2"].id)
    hers = sum(act.actor == "staff/chen" for act in operator.acts[start:])
    content = {"kid": town.keys["staff/chen"].thumbprint.hex(), "reason": "stolen", "suspect_from": start}
    change = hand.change("key.revoked.v1", "key/staff/chen", content, *officers)
    entries = operator.rewrite(append=[operator.batch(2), *change])
    code, found = say("log", operator.write(tmp_path / "log", entries), "--policy", town.pinned)
    assert (code, found["suspect"]) == (0, hers)
    assert hers > 2
    # And from there on it signs nothing more.
    after = operator.rewrite(append=[operator.batch(3), *change, hand.ticket(town.keys["staff/chen"])])
    code, found = say("log", operator.write(tmp_path / "log", after), "--policy", town.pinned)
    assert (code, found["code"], found["first_bad"]) == (1, "invalid", len(after) - 1)


@pytest.mark.attack("clerk", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize("late", [None, "paper"])
def test_a_clerk_dates_an_act_back_past_a_card(
    hand: Hand, operator: Any, town: Any, say: Any, tmp_path: Path, late: str | None
) -> None:
    """The card was red yesterday, so the act claims to be of last week: it is flagged with its bracket."""
    at = instant_text(operator.acts[-1].at_us - 7 * DAY_US)
    case = operator.acts[operator.find(id=town.acts["accepted-1"].id)]
    data = {"late": late} if late else {}
    act = operator.draft(
        "approval.withdrawn.v1", case.stream, data, actor="staff/chen", role="window_clerk", window="w1", at=at
    )
    entries = operator.rewrite(append=[operator.batch(1), (act, town.keys["staff/chen"])])
    code, found = say("log", operator.write(tmp_path / "log", entries), "--policy", town.pinned)
    assert (code, found["outside"]) == (0, 1), found
    (one,) = found["outside_first"]
    assert (one["index"], one["at"]) == (len(entries) - 1, at)


@pytest.fixture
def place(holder_of_all_keys: Any) -> Iterator[Any]:
    """A ledger that places statements, and the clerk whose key it keeps."""
    with open_ledger(holder_of_all_keys.data) as hall, hall.sequencing():
        yield hall


@pytest.mark.attack("clerk", ("anyone", "mingjian case due"))
def test_the_clock_of_a_case_runs_on_recorded_time(place: Any) -> None:
    """Accepted a month ago, says the clerk today: the deadline is counted from when the ledger heard of it."""
    hall = place
    now = time.time_ns() // 1000
    clerk = Desk(
        door=hall.door, actor="staff/chen", key=hall.keyring.actor("staff/chen"), role="window_clerk", window="w1",
        clock=lambda: now - 30 * DAY_US,
    )  # fmt: skip
    version = open_statement(hall.reader.stream("item/permit")[-1][2]).id
    values = {"item": "permit", "item_version": version.hex(), "channel": "window", "applicant": "张三"}
    clerk.say("approval/a-9", "approval.applied.v1", values)
    done = clerk.say("approval/a-9", "approval.accepted.v1", {})
    assert hall.wait_placed([done], timeout_s=20)
    rows = hall.reader.stream("approval/a-9")
    recorded = hall.reader.recorded_us([index for index, _, _ in rows])
    acts = [TimedAct.of(open_statement(entry), recorded[index]) for index, _, entry in rows]
    _, registry = hall.door.registry()
    clocks = case_clocks(
        hall.door.stream(registry, "approval/a-9").state.rules,
        acts,
        as_of_us=time.time_ns() // 1000,
        calendar=registry.calendar(),
    )
    running = clocks.latest("statutory")
    assert running is not None
    assert abs(running.started.timestamp() * 1_000_000 - recorded[rows[-1][0]]) < DAY_US
    assert len(clocks.back_dated) == 2


# ── Where the machine keeps the officers' keys ─────────────────────────────────────────────────────────────


@pytest.fixture
def taken_over(holder_of_all_keys: Any, say: Any, tmp_path: Path) -> Any:
    """A key of the operator's own is registered for a clerk with the officers' keys that the machine keeps; it acts."""
    holder = holder_of_all_keys
    mine = SigningKey.generate()
    proof = mine.sign(possession_message(holder.origin, "staff/chen", mine.public)).hex()
    content = {"actor": "staff/chen", "key": mine.public.hex(), "custody": "actor", "proof": proof}
    words = {"stream": "key/staff/chen", "role": "key_officer"}
    one = holder.draft(
        "key.change_proposed.v1", data={"change": "key.added.v1", "content": content}, actor="officer/1", **words
    )
    two = holder.draft("key.added.v1", data=content | {"proposal": "@1"}, actor="officer/2", **words)
    act = holder.draft(
        "ticket.taken.v2", "ticket/t-9", {"number": "A9", "queue": "q", "channel": "counter"},
        actor="staff/chen", role="window_clerk", window="w1",
    )  # fmt: skip
    officers = [holder.keyring.actor(officer) for officer in ("officer/1", "officer/2")]
    holder.install(holder.rewrite(append=[holder.batch(3), (one, officers[0]), (two, officers[1]), (act, mine)]))
    with open_ledger(holder.data) as hall:
        policy = tmp_path / "policy"
        policy.write_bytes(hall.publisher.policy.to_bytes())
        note = (holder.data / "published/latest").read_bytes()
        for stream in ("approval/a-1", "ticket/t-9"):
            path = tmp_path / f"{stream.partition('/')[2]}.mjb"
            export_bundle(hall, path, Scope(kind="case", stream=stream), note=note)
    return lambda case: say("bundle", tmp_path / f"{case}.mjb", "--policy", policy)


@pytest.mark.attack("forged-act", ("whoever is given a bundle", "mingjian-verify bundle"))
def test_acts_under_keys_that_the_machine_keeps_are_said_to_be_that(taken_over: Any) -> None:
    """Where a clerk's key lies with the ledger, a bundle says that the operator could have signed too."""
    code, found = taken_over("a-1")
    assert (code, found.get("reason"), "server" in found["not_proved"]) == (0, None, True)


@pytest.mark.attack("forged-act", ("whoever is given a bundle", "mingjian-verify bundle"))
def test_a_key_that_kept_keys_registered_is_no_better_than_they(taken_over: Any) -> None:
    """With both officers' keys on the machine the operator registers a key as the clerk's own, and acts with it."""
    code, found = taken_over("t-9")
    assert (code, found.get("reason"), "server" in found["not_proved"]) == (0, None, True)

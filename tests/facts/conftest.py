"""A small hall with real keys: every statement in these tests is signed, opened and checked as the door does it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.registry import CLOCK_ACTOR, Registry, next_key_digest, possession_message
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.types import TYPES
from ledger.keys import SigningKey
from ledger.statement import (
    Draft,
    Statement,
    StatementId,
    check_statement_signature,
    open_statement,
    sign_statement,
)

MORNING = "2024-03-04T09:00:00+08:00"  # a Monday
SEALED = "A" * 43  # stands for a digest

PERMIT = {
    "name": "排污许可",
    "unit": "env",
    "centre": "administrative",
    "handling": "promise",
    "clocks": {
        "statutory": {"limit": 20, "extend": {"days": 10, "times": 1}},
        "joint": {"limit": 45, "extend": {"days": 15, "times": 1}},
        "promise": {"limit": 7, "pauses": ["missing_document", "site_visit"]},
        "gap_notice": {"limit": 5},
        "branch": {"limit": 20},
        "step": {"limit": 5},
        "delivery": {"limit": 10},
    },
}
STAMP = {
    "name": "盖章",
    "unit": "env",
    "centre": "administrative",
    "handling": "on_the_spot",
    "clocks": {"statutory": {"limit": 20}},
}


def person_of(actor: str) -> str:
    """The pseudonym of whoever is behind an actor id."""
    return hashlib.sha256(actor.encode()).hexdigest()[:32]


def key_of(actor: str, number: int = 1) -> SigningKey:
    """The n-th key of an actor."""
    return SigningKey.from_seed(hashlib.sha256(f"{actor} {number}".encode()).digest())


def genesis_data(**changes: Any) -> dict[str, Any]:
    officers = {
        which: {
            "actor": actor,
            "person": person_of(actor),
            "key": key_of(actor).public.hex(),
            "custody": "actor",
        }
        for which, actor in (("first", "staff/lin"), ("second", "staff/wu"))
    }
    return {
        "name": "example.org/hall",
        "officers": officers,
        "clock_key": key_of(CLOCK_ACTOR).public.hex(),
        "receipt_key": key_of("receipt").public.hex(),
        "log_key": key_of("log").public.hex(),
        "time_authorities": {},
        "policy": FIRST_POLICY,
    } | changes


class Hall:
    """Registry, streams and their states, fed statement by statement."""

    def __init__(self, genesis: dict[str, Any] | None = None) -> None:
        self.streams: dict[str, list[Statement]] = {}
        self.states: dict[str, Any] = {}
        self.count = 0
        self.origin: str | None = None
        first = self.act("ledger.opened.v1", "ledger", genesis or genesis_data(), actor="staff/lin", role="key_officer")
        self.registry = Registry.opened(first)
        self.origin = self.registry.origin
        self.streams["ledger"] = [first]

    @classmethod
    def staffed(cls) -> Hall:
        """With its officers confirmed, people, and two items."""
        hall = cls()
        second = hall.act(
            "ledger.confirmed.v1",
            "ledger",
            {"opened": hall.registry.first_id.hex()},
            actor="staff/wu",
            role="key_officer",
        )
        hall.registry.confirm_opening(second)
        hall.streams["ledger"].append(second)
        for actor, roles, unit, windows in (
            ("staff/cat-a", ["catalogue_admin"], None, []),
            ("staff/cat-b", ["catalogue_admin"], None, []),
            ("staff/chen", ["window_clerk", "approver"], "env", ["w1", "w2"]),
            ("staff/zhao", ["window_clerk"], "env", ["w1", "w2"]),
            ("staff/qian", ["reviewer"], "env", []),
            ("staff/fire", ["reviewer"], "fire", []),
            ("staff/sun", ["approver"], "env", []),
            ("staff/head", ["unit_head"], "env", []),
        ):
            hall.appoint(actor, roles=roles, unit=unit, windows=windows)
            hall.add_key(actor)
        hall.publish("permit", PERMIT)
        hall.publish("stamp", STAMP)
        return hall

    # ------------------------------------------------------------------ one statement

    def act(
        self,
        type_: str,
        stream: str,
        data: dict[str, Any],
        *,
        actor: str,
        role: str,
        at: str = MORNING,
        unit: str | None = None,
        window: str | None = None,
        sd: tuple[str, ...] = (),
        key: SigningKey | None = None,
        **changes: Any,
    ) -> Statement:
        """A signed and opened statement, next in its stream; nothing of it is checked yet."""
        before = self.streams.get(stream, [])
        self.count += 1
        draft = Draft(
            actor=actor,
            stream=stream,
            type=type_,
            seq=len(before) + 1,
            prev=before[-1].id if before else None,
            seen_size=0,
            seen_root=bytes(32),
            at=at,
            role=role,
            request=f"r-{self.count}",
            data=data,
            unit=unit,
            window=window,
            sd=sd,
            audience=self.origin,
        )
        for name, value in changes.items():
            object.__setattr__(draft, name, value)
        return open_statement(sign_statement(draft, key or key_of(actor)))

    def check(self, act: Statement) -> None:
        """Refuse what the door would refuse."""
        assert check_statement_signature(act.entry, self.registry.key_of(act).public)
        check_act(self.registry, act, self.states.get(act.stream))

    def take(self, act: Statement) -> Statement:
        """Check and take in."""
        self.check(act)
        self.streams.setdefault(act.stream, []).append(act)
        if TYPES[act.type].governs:
            self.registry.apply(act, sum(map(len, self.streams.values())))
        elif act.kind in FOLDS:
            self.states[act.stream] = FOLDS[act.kind].apply(self.states.get(act.stream), act, None, self.registry)
        return act

    def say(self, type_: str, stream: str, data: dict[str, Any], **how: Any) -> Statement:
        """Make, check and take in."""
        return self.take(self.act(type_, stream, data, **how))

    # ------------------------------------------------------------------ two persons

    def propose(self, type_: str, stream: str, content: dict[str, Any], **how: Any) -> Statement:
        role, actor, _ = self._pair(type_)
        how = {"actor": actor, "role": role} | how
        kind = type_.partition(".")[0]
        return self.say(f"{kind}.change_proposed.v1", stream, {"change": type_, "content": content}, **how)

    def confirmation(
        self, type_: str, stream: str, content: dict[str, Any], proposal: StatementId, **how: Any
    ) -> Statement:
        role, _, actor = self._pair(type_)
        how = {"actor": actor, "role": role} | how
        return self.act(type_, stream, content | {"proposal": proposal.hex()}, **how)

    def agree(self, type_: str, stream: str, content: dict[str, Any]) -> Statement:
        """Propose and confirm."""
        proposal = self.propose(type_, stream, content)
        return self.take(self.confirmation(type_, stream, content, proposal.id))

    @staticmethod
    def _pair(type_: str) -> tuple[str, str, str]:
        if type_.partition(".")[0] in ("key", "staff", "policy"):
            return "key_officer", "staff/lin", "staff/wu"
        return "catalogue_admin", "staff/cat-a", "staff/cat-b"

    def staff_content(self, actor: str, **of: Any) -> dict[str, Any]:
        content = {"person": person_of(actor), **of}
        return {name: value for name, value in content.items() if value is not None}

    def appoint(self, actor: str, **of: Any) -> Statement:
        return self.agree("staff.appointed.v1", actor, self.staff_content(actor, **of))

    def key_content(self, actor: str, key: SigningKey, **more: Any) -> dict[str, Any]:
        proof = key.sign(possession_message(self.registry.origin, actor, key.public)).hex()
        return {"actor": actor, "key": key.public.hex(), "custody": "actor", "proof": proof} | more

    def add_key(self, actor: str) -> Statement:
        content = self.key_content(actor, key_of(actor), next=next_key_digest(key_of(actor, 2).public))
        return self.agree("key.added.v1", f"key/{actor}", content)

    def publish(self, code: str, data: dict[str, Any], *, type_: str = "item.published.v1") -> Statement:
        return self.agree(type_, f"item/{code}", data)

    # ------------------------------------------------------------------ one case

    def how(self, verb: str) -> dict[str, Any]:
        """Who states this of a case, as what."""
        if verb in ("deemed_accepted", "gaps_lapsed"):
            return {"actor": CLOCK_ACTOR, "role": "system_clock"}
        if verb in ("decided", "reopened"):
            return {"actor": "staff/sun", "role": "approver", "unit": "env"}
        if verb in ("extended", "late_entry_confirmed"):
            return {"actor": "staff/head", "role": "unit_head", "unit": "env"}
        if verb in ("step_started", "step_finished", "suspended", "resumed", "branch_finished"):
            return {"actor": "staff/qian", "role": "reviewer", "unit": "env"}
        return {"actor": "staff/chen", "role": "window_clerk", "window": "w1"}

    def about(self, case: str, verb: str, data: dict[str, Any] | None = None, **how: Any) -> Statement:
        """An act on a case, with plain content where none is given; nothing of it is checked yet."""
        if verb == "applied":
            item = (data or {}).get("item", "permit")
            versions = self.registry.items.get(f"item/{item}", [])
            version = versions[-1].id.hex() if versions else "00" * 32
            data = {"item": item, "item_version": version, "channel": "window"} | (data or {})
        content = DEFAULTS.get(verb, {}) | (data or {})
        return self.act(f"approval.{verb}.v1", f"approval/{case}", content, **(self.how(verb) | how))

    def on(self, case: str, verb: str, data: dict[str, Any] | None = None, **how: Any) -> Statement:
        """An act on a case, taken in."""
        return self.take(self.about(case, verb, data, **how))


DEFAULTS: dict[str, dict[str, Any]] = {
    "gaps_told": {"gaps": ["map"]},
    "supplied": {"papers": ["map"]},
    "accepted_with_gaps": {"gaps": ["map"], "fill_by": "2024-03-20"},
    "gap_filled": {"gap": "map"},
    "gaps_lapsed": {"fill_by": "2024-03-20"},
    "deemed_accepted": {"received": "2024-03-04", "due": "2024-03-11"},
    "branch_opened": {"branch": "env", "unit": "env"},
    "branch_finished": {"branch": "env", "outcome": "agreed"},
    "step_started": {"step": "survey"},
    "step_finished": {"step": "survey"},
    "suspended": {"pause": "hearing", "notice": "n-1"},
    "resumed": {"pause": "hearing"},
    "extended": {"clock": "statutory", "days": 10, "approval": "a-1"},
    "decided": {"outcome": "granted"},
    "delivered": {"how": "counter"},
    "reopened": {"reason": "complaint"},
    "late_entry_confirmed": {"seq": 1},
}


@pytest.fixture
def hall() -> Hall:
    return Hall.staffed()


@pytest.fixture(scope="session")
def new_hall() -> type[Hall]:
    """Opens a hall with officers only, from entry 0's data; ``.staffed()`` as ``hall``."""
    return Hall


@pytest.fixture(scope="session")
def genesis() -> Callable[..., dict[str, Any]]:
    return genesis_data


@pytest.fixture(scope="session")
def keys() -> Callable[..., SigningKey]:
    return key_of


@pytest.fixture(scope="session")
def items() -> dict[str, dict[str, Any]]:
    return {"permit": PERMIT, "stamp": STAMP}

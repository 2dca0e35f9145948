"""How a ledger is opened by two officers whose keys lie elsewhere: entry 0 as a draft, entry 0, entry 1.

    draft          the machine writes it: its own keys, the officers' public keys, the first policy; the signature is
                   64 zero bytes
    entry 0        the first officer signs the draft; from here on the log's origin is fixed
    entry 1        the second officer confirms entry 0

Promise: what is opened here is an opening that every verifier accepts, and each officer signs exactly one of the two.
The files go from hand to hand; nothing but these bytes is needed to check them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import Malformed, NotAllowed
from ledger.facts.registry import GENESIS_STREAM, Registry
from ledger.keys import SIGNATURE_BYTES, thumbprint
from ledger.statement import (
    Draft,
    Statement,
    check_statement_signature,
    draft_bytes,
    join_signature,
    open_statement,
)
from ledger.tree.merkle import EMPTY_ROOT

UNSIGNED: Final = bytes(SIGNATURE_BYTES)


@dataclass(frozen=True, slots=True)
class Officer:
    """An officer at the opening. ``person``: the pseudonym of whoever that is; ``public``: the raw key."""

    actor: str
    person: str
    public: bytes
    custody: str

    def as_json(self) -> dict[str, str]:
        """As entry 0 names it."""
        return {"actor": self.actor, "person": self.person, "key": self.public.hex(), "custody": self.custody}


def opening(content: Mapping[str, Any], first: Officer, second: Officer, *, at: str) -> Draft:
    """Entry 0; ``content``: its data without the officers."""
    return Draft(
        actor=first.actor,
        stream=GENESIS_STREAM,
        type="ledger.opened.v1",
        seq=1,
        prev=None,
        seen_size=0,
        seen_root=EMPTY_ROOT,
        at=at,
        role="key_officer",
        request="ledger-opened",
        data={**content, "officers": {"first": first.as_json(), "second": second.as_json()}},
        audience=None,
    )


def confirmation(entry0: Statement, *, at: str) -> Draft:
    """Entry 1."""
    registry = Registry.opened(entry0)
    return Draft(
        actor=registry.officers[1],
        stream=GENESIS_STREAM,
        type="ledger.confirmed.v1",
        seq=2,
        prev=entry0.id,
        seen_size=0,
        seen_root=EMPTY_ROOT,
        at=at,
        role="key_officer",
        request="ledger-confirmed",
        data={"opened": entry0.id.hex()},
        audience=registry.origin,
    )


def unsigned(draft: Draft, public: bytes) -> bytes:
    """The draft as a file for whoever has the key to ``public``."""
    protected, payload, _ = draft_bytes(draft, thumbprint(public))
    return join_signature(protected, payload, UNSIGNED)


def next_to_sign(data: bytes, public: bytes, *, at: str) -> Draft:
    """What the officer with the key to ``public`` signs: the draft in ``data`` itself, or entry 1 behind entry 0.

    NotAllowed when it is not this officer's turn, Malformed when it is no opening.
    """
    act = open_statement(data)
    officers = Registry.opened(act).genesis["officers"]
    if data.endswith(UNSIGNED):
        _check_turn(officers["first"], public, "first")
        return act
    _check_signed(act, officers["first"], "entry 0")
    _check_turn(officers["second"], public, "second")
    return confirmation(act, at=at)


def open_pair(entry0: bytes, entry1: bytes) -> tuple[Registry, tuple[Statement, Statement]]:
    """The registry that the two open, both signed by whom they name (Malformed otherwise)."""
    first, second = open_statement(entry0), open_statement(entry1)
    registry = Registry.opened(first)
    registry.confirm_opening(second)
    _check_signed(first, registry.genesis["officers"]["first"], "entry 0")
    _check_signed(second, registry.genesis["officers"]["second"], "entry 1")
    return registry, (first, second)


def _check_turn(officer: Mapping[str, str], public: bytes, which: str) -> None:
    if officer["key"] != public.hex():
        raise NotAllowed(
            f"it is signed with the {which} officer's key, of {officer['actor']}: {officer['key']}",
            code="officer-key",
            mend=f"give it to {officer['actor']}",
        )


def _check_signed(act: Statement, officer: Mapping[str, str], name: str) -> None:
    if act.kid != thumbprint(bytes.fromhex(officer["key"])):
        raise Malformed(f"{name} is not signed with the key of {officer['actor']}", code="genesis")
    if not check_statement_signature(act.entry, bytes.fromhex(officer["key"])):
        raise Malformed(f"the signature of {name} does not hold", code="genesis")

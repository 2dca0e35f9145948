"""What came in between is signed past only where it is known to leave the act alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import Evidence, Refused
from ledger.facts.types import TYPES
from ledger.keys import SigningKey
from ledger.signer.draft import Checked, check_between, touches
from ledger.statement import (
    Draft,
    Statement,
    StatementId,
    open_statement,
    preview_statement,
    sign_statement,
    statement_id,
)

KEY = SigningKey.from_seed(b"\1" * 32)


def act(type_: str, seq: int = 1, prev: StatementId | None = None, **data: Any) -> Statement:
    kind = type_.partition(".")[0]
    draft = Draft(
        actor="staff/lin",
        stream=f"{kind}/x",
        type=type_,
        seq=seq,
        prev=prev,
        seen_size=2,
        seen_root=bytes(32),
        at="2026-01-05T09:00:00+08:00",
        role="reviewer",
        request=f"r-{seq}",
        data=data,
        audience="hall.example/log/x",
    )
    return preview_statement(draft, KEY.thumbprint)


STEP = "approval.step_finished.v1"


@pytest.mark.parametrize(
    ("ours", "other", "touched"),
    [
        (act(STEP, step="s"), act(STEP, step="s"), True),
        (act(STEP, step="s", branch="a"), act(STEP, step="s", branch="b"), False),
        (act(STEP, step="s", branch="a"), act(STEP, step="t", branch="a"), True),
        (act(STEP, step="s", branch="a"), act("approval.suspended.v1", pause="p", notice="n"), True),
        (act("approval.decided.v1", outcome="granted"), act(STEP, step="s", branch="b"), True),
        (act("approval.decided.v1", outcome="granted"), act("approval.late_entry_confirmed.v1", seq=1), False),
        (act("attestation.made.v1"), act("attestation.made.v1"), False),
        (act("ticket.called.v1", window="w1"), act("ticket.skipped.v1"), True),
    ],
)
def test_the_rule(ours: Statement, other: Statement, touched: bool) -> None:
    assert touches(ours, other) is touched


def test_whatever_is_not_known_to_leave_a_case_alone_touches_it() -> None:
    ours = act("approval.decided.v1", outcome="granted")
    leaving = {name for name in TYPES if name.startswith("approval.") and not touches(ours, act(name))}
    assert leaving == {"approval.late_entry_confirmed.v1"}


def chain(count: int) -> list[bytes]:
    entries: list[bytes] = []
    prev: StatementId | None = None
    for seq in range(1, count + 1):
        entries.append(sign_statement(act(STEP, seq, prev, step="s"), KEY))
        prev = statement_id(entries[-1])
    return entries


def test_all_of_what_came_in_between_is_shown_or_it_is_refused() -> None:
    entries = chain(4)
    before = act(STEP, 2, statement_id(entries[0]), step="mine")
    now = act(STEP, 5, statement_id(entries[3]), step="mine")
    came = check_between(before, Checked(now, (), tuple(entries[1:])))
    assert [each.seq for each in came] == [2, 3, 4]
    assert came[0] == open_statement(entries[1])
    for shown in (entries[1:3], entries[2:], entries, [*entries[1:], entries[3]], [entries[1], entries[3]], [b"x"]):
        with pytest.raises(Evidence):
            check_between(before, Checked(now, (), tuple(shown)))
    with pytest.raises(Refused, match="shows nothing new"):
        check_between(before, Checked(replace(before), (), ()))

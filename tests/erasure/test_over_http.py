"""An erasure that two persons sign elsewhere is carried out as soon as it stands in the tree, not at the next start."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from api.app import create_app
from ledger.door.desk import Desk
from ledger.door.door import Wish
from ledger.facts.erasure import MADE, erasure_stream
from ledger.registry import erasure
from ledger.statement import instant_text, join_signature
from ledger.store.sequencer import now_us
from projections.runner import Projector


def signed(desk: Desk, subject: str, content: dict[str, Any]) -> bytes:
    """What the second person sends: drafted by the hall, signed where their key is."""
    wish = Wish(
        actor=desk.actor,
        role=desk.role,
        stream=erasure_stream(subject),
        type=MADE,
        at=instant_text(now_us()),
        request=f"http-{subject}",
        values=content,
    )
    draft = desk.door.prepare(wish, desk.key.public)
    return join_signature(draft.protected, draft.payload, desk.key.sign(draft.to_be_signed))


def post(office: Any, path: str, body: dict[str, Any]) -> httpx.Response:
    async def ask() -> httpx.Response:
        there = httpx.ASGITransport(create_app(office.hall))
        async with httpx.AsyncClient(transport=there, base_url="http://hall") as client:
            return await client.post(path, json=body)

    return asyncio.run(ask())


def test_values_go_with_the_answer_to_the_commit(office: Any) -> None:
    stream = office.streams()[5]
    digests = office.digests(stream)
    [proposal] = erasure.propose(office.one, office.hall, stream, ground="pipl-47")
    office.settle(proposal)
    content = {"ground": "pipl-47", "digests": digests, "proposal": proposal.id.hex()}
    entry = signed(office.other, stream, content)
    assert office.hall.vault.held(digests) == set(digests)
    Projector(office.hall.database).ensure()
    answer = post(office, "/api/statements", {"entry": entry.hex()})
    assert answer.status_code == 201, answer.text
    until = time.monotonic() + 20
    while office.hall.vault.held(digests):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert office.hall.findings.all() == []
    assert list(office.hall.sweep().whole()) == []

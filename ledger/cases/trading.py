"""The commands of a public purchase or sale (公共资源交易), in the stages of OCDS. Sums are whole fen.

    plan ─▶ publish_tender ─▶ receive_bid … ─▶ open_bids ─▶ award ─▶ sign_contract ─▶ start ─▶ pay … ─▶ complete
    amend_tender, fail_tender, challenge and settle on the way; amend_contract; cancel before the contract

What may follow what is decided by ``ledger.facts.trading``.
``procedure`` is its own name, the stream ``trading/PROCEDURE``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(procedure: str) -> str:
    """The stream of a procedure."""
    return f"trading/{procedure}"


def plan(
    desk: Desk,
    procedure: str,
    project: str,
    *,
    buyer: str,
    method: str,
    fen: int,
    ocid: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Plan a procedure. ``method``: open, selective, limited or direct."""
    return act(
        desk, stream_of(procedure), "planned", request, project=project, buyer=buyer, method=method, fen=fen, ocid=ocid
    )


def publish_tender(
    desk: Desk, procedure: str, closes: str, *, document: str | None = None, request: str | None = None
) -> Outcome:
    """Ask for bids up to an instant (RFC 3339)."""
    return act(desk, stream_of(procedure), "tender_published", request, closes=closes, document=document)


def amend_tender(
    desk: Desk, procedure: str, closes: str, reason: str, *, document: str | None = None, request: str | None = None
) -> Outcome:
    """Change the tender while bids still may come."""
    return act(desk, stream_of(procedure), "tender_amended", request, closes=closes, reason=reason, document=document)


def receive_bid(
    desk: Desk, procedure: str, bidder: str, *, document: str | None = None, request: str | None = None
) -> Outcome:
    """Take a bid, unopened."""
    return act(desk, stream_of(procedure), "bid_received", request, bidder=bidder, document=document)


def open_bids(
    desk: Desk, procedure: str, *, prices: Mapping[str, int] | None = None, request: str | None = None
) -> Outcome:
    """Open the bids. ``prices``: bidder → fen."""
    return act(desk, stream_of(procedure), "bids_opened", request, prices=None if prices is None else dict(prices))


def fail_tender(desk: Desk, procedure: str, reason: str, *, request: str | None = None) -> Outcome:
    """State that the tender failed; it may be planned again."""
    return act(desk, stream_of(procedure), "tender_failed", request, reason=reason)


def challenge(
    desk: Desk, procedure: str, name: str, *, words: str | None = None, request: str | None = None
) -> Outcome:
    """Take an objection."""
    return act(desk, stream_of(procedure), "challenged", request, challenge=name, words=words)


def settle(desk: Desk, procedure: str, name: str, outcome: str, *, request: str | None = None) -> Outcome:
    """Settle an objection."""
    return act(desk, stream_of(procedure), "challenge_settled", request, challenge=name, outcome=outcome)


def award(
    desk: Desk, procedure: str, supplier: str, fen: int, *, document: str | None = None, request: str | None = None
) -> Outcome:
    """Award it to a bidder."""
    return act(desk, stream_of(procedure), "awarded", request, supplier=supplier, fen=fen, document=document)


def sign_contract(
    desk: Desk, procedure: str, fen: int, *, document: str | None = None, request: str | None = None
) -> Outcome:
    """Sign the contract."""
    return act(desk, stream_of(procedure), "contract_signed", request, fen=fen, document=document)


def amend_contract(desk: Desk, procedure: str, fen: int, reason: str, *, request: str | None = None) -> Outcome:
    """Change the contract's sum."""
    return act(desk, stream_of(procedure), "contract_amended", request, fen=fen, reason=reason)


def start(desk: Desk, procedure: str, *, request: str | None = None) -> Outcome:
    """Begin to carry it out."""
    return act(desk, stream_of(procedure), "started", request)


def pay(desk: Desk, procedure: str, fen: int, *, request: str | None = None) -> Outcome:
    """Pay on the contract."""
    return act(desk, stream_of(procedure), "paid", request, fen=fen)


def complete(desk: Desk, procedure: str, *, request: str | None = None) -> Outcome:
    """End it."""
    return act(desk, stream_of(procedure), "completed", request)


def cancel(desk: Desk, procedure: str, reason: str, *, request: str | None = None) -> Outcome:
    """Give it up."""
    return act(desk, stream_of(procedure), "cancelled", request, reason=reason)

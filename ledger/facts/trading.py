"""A public purchase or sale (公共资源交易), in the stages of the Open Contracting Data Standard.

    (nothing) ── planned ──▶ planned ── tender_published ──▶ tender ── bids_opened ──▶ bids_opened ── awarded ──▶ award
                             ▲ └ planned                     │ tender_amended · bid_received  │
                             └───────── tender_failed ◀──────┴────────────────────────────────┘
    award ── contract_signed ──▶ contract ── started ──▶ implementation ── completed ──▶ complete
             (contract_amended in both, paid in the second)
    before the contract ── cancelled ──▶ cancelled;   from tender to award challenged, challenge_settled

Promise: as for ``stages``. Bids come up to the closing instant and are opened after it; the award goes to one of the
bidders; while an objection (``challenged``) is not settled there is no award and no contract; what is paid is not
more than the contract's sum. Sums are whole fen. Bidders are organisations and stand in clear by their codes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_amount, course
from ledger.facts.types import verb_of
from ledger.statement import instant_us

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

METHODS: Final = frozenset({"open", "selective", "limited", "direct"})  # OCDS procurementMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading(Matter):
    """The state of a procedure. ``closes_us``: until when bids come; ``challenges``: not settled yet."""

    method: str = ""
    closes_us: int = 0
    bidders: tuple[str, ...] = ()
    challenges: frozenset[str] = frozenset()
    supplier: str | None = None
    contract_fen: int = 0
    paid_fen: int = 0


COURSE: Final = course(
    "trading",
    """
    -                         planned           planned         trading_officer,source_adapter+own_source
    planned                   planned           planned         trading_officer
    planned                   tender_published  tender          trading_officer
    tender                    tender_amended    =               trading_officer
    tender                    bid_received      =               trading_officer
    tender                    bids_opened       bids_opened     trading_officer
    tender,bids_opened        tender_failed     planned         trading_officer
    tender,bids_opened,award  challenged        =               trading_officer
    tender,bids_opened,award  challenge_settled  =              trading_officer
    bids_opened               awarded           award           trading_officer
    award                     contract_signed   contract        trading_officer
    contract                  started           implementation  trading_officer
    contract,implementation   contract_amended  =               trading_officer
    implementation            paid              =               trading_officer
    implementation            completed         complete        trading_officer
    planned,tender,bids_opened,award  cancelled  cancelled      trading_officer
    """,
)


def _check(state: Trading | None, act: Statement, registry: Registry) -> None:
    verb, data = verb_of(act.type), act.data
    if "fen" in data:
        check_amount(data["fen"])
    if verb == "planned":
        check_code(data["method"], METHODS, "procurement method")
    if state is None:
        return
    match verb:
        case "tender_published" | "tender_amended" if instant_us(data["closes"]) <= act.at_us:
            raise Refused("the tender would be closed already", code="closes", mend="give a later instant")
        case "bid_received" if act.at_us >= state.closes_us:
            raise Refused("the tender is closed", code="bid-late", mend="return the bid unopened")
        case "bid_received" if data["bidder"] in state.bidders:
            raise Refused(
                f"{data['bidder']} has bid already", code="bid-known", mend="one bid for each; open what came first"
            )
        case "bids_opened" if act.at_us < state.closes_us:
            raise Refused("bids still may come", code="bids-early", mend="open them when the tender is closed")
        case "bids_opened" if not state.bidders:
            raise Refused("there are no bids to open", code="no-bids", mend="state that the tender failed")
        case "bids_opened" if not all(
            bidder in state.bidders and type(fen) is int and fen >= 0 for bidder, fen in data.get("prices", {}).items()
        ):
            raise Refused("prices are whole fen, of those who bid", code="amount", mend="give bidder and fen")
        case "awarded" if strangers := {data["supplier"], *data.get("partners", ())} - {*state.bidders}:
            raise Refused(f"{min(strangers)} did not bid", code="bidder", mend=f"bidders: {', '.join(state.bidders)}")
        case "awarded" | "contract_signed" if state.challenges:
            raise Refused(
                f"objections are not settled: {', '.join(sorted(state.challenges))}",
                code="challenged",
                mend="settle them first",
            )
        case "challenged" if data["challenge"] in state.challenges:
            raise Refused(f"{data['challenge']} is known already", code="challenge-known", mend="settle it")
        case "challenge_settled" if data["challenge"] not in state.challenges:
            raise Refused(
                f"{data['challenge']} is no open objection",
                code="challenge",
                mend=f"open: {', '.join(sorted(state.challenges)) or 'none'}",
            )
        case "paid" if data["fen"] > (rest := state.contract_fen - state.paid_fen):
            raise Refused(
                f"{data['fen']} fen is more than is left of the contract",
                code="over-contract",
                mend=f"pay at most {rest} fen, or amend the contract",
                rest_fen=rest,
            )


def _take(state: Trading, act: Statement, registry: Registry) -> Trading:
    data = act.data
    match verb_of(act.type):
        case "planned":
            return replace(state, method=data["method"])
        case "tender_published":
            return replace(state, closes_us=instant_us(data["closes"]), bidders=())
        case "tender_amended":
            return replace(state, closes_us=instant_us(data["closes"]))
        case "bid_received":
            return replace(state, bidders=(*state.bidders, data["bidder"]))
        case "challenged":
            return replace(state, challenges=state.challenges | {data["challenge"]})
        case "challenge_settled":
            return replace(state, challenges=state.challenges - {data["challenge"]})
        case "awarded":
            return replace(state, supplier=data["supplier"])
        case "contract_signed" | "contract_amended":
            return replace(state, contract_fen=data["fen"])
        case "paid":
            return replace(state, paid_fen=state.paid_fen + data["fen"])
    return state


FOLD: Final = StageFold(COURSE, Trading, check=_check, take=_take)

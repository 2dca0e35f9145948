"""Why a record could not be taken, in both languages, by the code of its refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.translations import N_, translations

if TYPE_CHECKING:
    from ledger.store.deadletters import DeadLetter

# What is wrong and what helps, for whoever keeps the system that the record came from.
REASONS: Final[dict[str, tuple[str, str]]] = {
    "json": (N_("the record is no JSON"), N_("mend it at its source and send it again")),
    "ragged": (N_("the row has too few or too many columns"), N_("mend it at its source and send it again")),
    "record": (N_("this is no record"), N_("send records as the contract has them")),
    "record-size": (N_("the record is too large"), N_("send less in one record")),
    "missing-field": (N_("something that the contract asks for is missing"), N_("send the record with that field")),
    "field-kind": (N_("a field is not of its kind"), N_("send it as the contract has it")),
    "unknown-field": (N_("the contract knows no such field"), N_("leave the field out")),
    "adapter-act": (N_("systems of this kind state no such act"), N_("use an act of the contract")),
    "instant": (N_("the time cannot be read"), N_("write it like 2024-03-04T09:30:00+08:00")),
    "before-centre": (
        N_("the time is before the centre existed"),
        N_("mend the time; older history is imported as a log"),
    ),
    "time-future": (N_("the time is still to come"), N_("set the clock of the source, and send it then")),
    "record-changed": (
        N_("the same record was taken before and reads otherwise now"),
        N_("what is recorded stays; send a correction as a record of its own"),
    ),
    "item": (N_("there is no such item, or not on that day"), N_("have the item published, then retry")),
    "site": (N_("the site is not registered"), N_("have the site registered, then retry")),
    "order": (
        N_("this cannot come now: the case is not there yet, or is past it"),
        N_("send what comes before it, then retry; a closed case takes nothing more"),
    ),
    "amount": (N_("the amount is not whole fen"), N_("give the amount in whole fen, at least one")),
    "currency": (N_("the amount is in another currency"), N_("give it in CNY, by the rate of its day")),
    "suppliers": (N_("the award has not exactly one supplier"), N_("send an award for each supplier")),
    "ocds": (N_("this is no OCDS release"), N_("send releases as OCDS 1.1 has them")),
    "ocds-nothing": (N_("the release tells nothing that is kept here"), N_("dismiss it")),
    "not-acceptor": (N_("whoever accepted the case also decided it"), N_("look at the case with its unit")),
    "two-persons": (
        N_("the same person did what two must do, or nobody is named"),
        N_("send whose act it was, and look at the case with its unit"),
    ),
    "disputed": (
        N_("the complaint does not say what it is about"),
        N_("send the disputed events, or the window with a span of time"),
    ),
    "level": (N_("the rating is not one of the five levels"), N_("send a level from 1 to 5")),
    "bid-late": (N_("the bid came after the tender was closed"), N_("mend the date at its source")),
    "bidder": (N_("the supplier did not bid"), N_("send the bids with the award")),
    "over-contract": (N_("more is paid than is left of the contract"), N_("send the contract's amendment first")),
    "letter-gone": (N_("what the record said was erased"), N_("have its source send it again")),
}
_OTHER: Final = (N_("the ledger's rules do not allow it"), N_("look at the exact reason of the record"))


def reason(code: str) -> dict[str, str]:
    """``{"zh", "en", "zh_mend", "en_mend"}`` of a refusal's code."""
    known = REASONS.get(code) or (REASONS["order"] if code.endswith("-order") else _OTHER)
    chinese = translations("zh").gettext
    return {"zh": chinese(known[0]), "en": known[0], "zh_mend": chinese(known[1]), "en_mend": known[1]}


def letter_shown(letter: DeadLetter) -> dict[str, Any]:
    """A letter without what its record says, and its reason in both languages."""
    return {
        "id": letter.number,
        "source": letter.source,
        "kind": letter.kind,
        "state": letter.state,
        "file": letter.file,
        "place": letter.place,
        "line": letter.line,
        "code": letter.code,
        **reason(letter.code),
        "first_us": letter.first_us,
        "last_us": letter.last_us,
        "tries": letter.tries,
    }

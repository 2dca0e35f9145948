"""The rows of the other centres, of cards and of complaints.

    measure            at            value                                      kind
    granted, paid      statement     fen; reversed ones fall away               of assistance
    recovered          statement     fen                                        of assistance
    mediated           its end       1 agreed, 0 failed                         of dispute
    petition           its end       µs until the petition came again, or −1    of dispute
    performed          statement     1 performed, 0 breached                    of dispute
    alarm              alarm         1, unless it was false                     of emergency
    dispatch, arrival  alarm         µs to the first forces sent, the first there
    drill_…            see ``met``   due: the end of the day it was first set for
    inspection_…       see ``met``   due: the end of its day
    card               raising       1 revoked, else 0                          colour
    answer_…           see ``met``   yellow and red: answered or appealed within its term           colour
    complaint          receipt       1: footage it asked for had expired
    hold               receipt       µs until footage was held
    accept_…           see ``met``   accepted, refused or forwarded in time
    finish_…           see ``met``   of accepted ones: decided in time, the extension included
    complaint_decided  decision      1 upheld or partly, 0 not                  the decision
    lead               application   µs since its papers were listed, and 1 if by its day   the item

    crossed            first contact 1: two systems or more, of matters that name any    the systems, with + between

What is cancelled or called off in time has no row; a drill or inspection cancelled past its day was not held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ledger.facts.figures.journal import (
    Fact,
    Journal,
    Look,
    Place,
    Subject,
    day_end_us,
    met,
    of_unit,
    of_window,
    term_us,
)
from ledger.statement import Statement, instant_us

EXPIRED: Final = frozenset({"expired", "purged"})


def _begin(journal: Journal, act: Statement, look: Look, centre: str, unit: str | None = None) -> None:
    """The place of a matter of a centre: of the unit named, else of whoever states it."""
    place = of_window(look, act.window) if unit is None and act.window else of_unit(look, unit or act.unit or "")
    journal.place = place._replace(centre=centre)


# ── Assistance, mediation ──────────────────────────────────────────────────────────────────────────────────


def _take_assistance(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept, data = journal.kept, act.data
    match verb:
        case "requested":
            _begin(journal, act, look, "assistance")
            kept |= {"kind": data["kind"], "entries": {}}
        case "triaged" if data.get("unit"):
            _begin(journal, act, look, "assistance", data["unit"])
        case "granted" | "paid" | "recovered":
            kept["entries"][act.id.hex()] = [verb, us, data["fen"]]
        case "reversed":
            kept["entries"].pop(data["entry"], None)


def _assistance(journal: Journal) -> Iterator[Fact]:
    for verb, us, fen in journal.kept["entries"].values():
        yield Fact(verb, us, journal.place, journal.kept["kind"], fen)


def _take_mediation(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept = journal.kept
    match verb:
        case "filed":
            _begin(journal, act, look, "mediation", act.data.get("studio"))
            kept["dispute"] = act.data["dispute"]
        case "agreed" | "failed":
            kept["ended"] = [us, verb == "agreed"]
        case "performed" | "breached":
            kept["kept"] = [us, verb == "performed"]
        case "petition_repeated" if "ended" in kept:
            kept.setdefault("repeated", us - kept["ended"][0])


def _mediation(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    if "ended" in kept:
        ended, agreed = kept["ended"]
        yield Fact("mediated", ended, place, kept["dispute"], int(agreed))
        yield Fact("petition", ended, place, kept["dispute"], kept.get("repeated", -1))
    if "kept" in kept:
        yield Fact("performed", kept["kept"][0], place, kept["dispute"], int(kept["kept"][1]))


# ── Emergencies, drills, inspections ───────────────────────────────────────────────────────────────────────


def _take_emergency(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    if verb == "alarm_raised":
        _begin(journal, act, look, "emergency")
        journal.kept |= {"kind": act.data["kind"], "alarm": us}
    elif verb in ("dispatched", "arrived", "false_alarm"):
        journal.kept.setdefault(verb, us)


def _emergency(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    if "false_alarm" in kept:
        return
    alarm, kind = kept["alarm"], kept["kind"]
    yield Fact("alarm", alarm, place, kind)
    for verb, measure in (("dispatched", "dispatch"), ("arrived", "arrival")):
        if verb in kept:
            yield Fact(measure, alarm, place, kind, kept[verb] - alarm)


def _take_planned(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept = journal.kept
    match verb:
        case "scheduled" | "planned":
            if "due" not in kept:
                _begin(journal, act, look, "emergency")
                kept["due"] = day_end_us(act.data["day"] if verb == "scheduled" else act.data["due"])
        case "held" | "carried_out":
            kept["done"] = us
        case "cancelled":
            kept["off"] = us <= kept["due"]


def _planned(measure: str, journal: Journal) -> Iterator[Fact]:
    kept = journal.kept
    if not kept.get("off", False):
        yield from met(measure, journal.place, kept["due"], kept.get("done"))


# ── Cards, complaints ──────────────────────────────────────────────────────────────────────────────────────


def _take_card(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept, data = journal.kept, act.data
    match verb:
        case "raised":
            place = look.place(data["case"]) or Place()
            unit = data.get("unit")
            journal.place = place if unit in (None, place.unit) else of_unit(look, unit, item=place.item)
            kept |= {"raised": us, "colour": data["colour"], "revoked": False}
            kept["due"] = term_us(look, us, look.terms().card_answer)
        case "answered" | "appealed":
            kept.setdefault("answered", us)
        case "upheld":
            kept["over"] = True
        case "revoked":
            kept |= {"revoked": True, "over": True}


def _card(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    yield Fact("card", kept["raised"], place, kept["colour"], int(kept["revoked"]))
    answered = kept.get("answered")
    if kept["colour"] in ("yellow", "red") and (answered is not None or "over" not in kept):
        yield from met("answer", place, kept["due"], answered, kept["colour"])


def _take_complaint(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept, data = journal.kept, act.data
    match verb:
        case "received":
            window = data.get("window")
            if window is None:
                _begin(journal, act, look, "")
            else:
                journal.place = of_window(look, window)
            terms = look.terms()
            kept |= {"received": us, "accept_due": term_us(look, us, terms.complaint_accept)}
            kept |= {"days": terms.complaint_finish, "finish_due": term_us(look, us, terms.complaint_finish)}
        case "evidence_held":
            kept.setdefault("held", us)
        case "evidence_missing" | "clip_missing" if data["reason"] in EXPIRED:
            kept["expired"] = True
        case "accepted":
            kept.setdefault("answered", us)
            kept["accepted"] = True
        case "refused" | "forwarded":
            kept.setdefault("answered", us)
        case "extended":
            kept["days"] += data["days"]
            kept["finish_due"] = term_us(look, kept["received"], kept["days"])
        case "decided":
            kept.setdefault("decided", [us, data["outcome"]])


def _complaint(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    received, decided = kept["received"], kept.get("decided")
    yield Fact("complaint", received, place, value=int("expired" in kept))
    if "held" in kept:
        yield Fact("hold", received, place, value=kept["held"] - received)
    yield from met("accept", place, kept["accept_due"], kept.get("answered"))
    if "accepted" in kept:
        yield from met("finish", place, kept["finish_due"], None if decided is None else decided[0])
    if decided is not None:
        us, outcome = decided
        yield Fact("complaint_decided", us, place, outcome, int(outcome in ("upheld", "partly")))


# ── Help for enterprises ───────────────────────────────────────────────────────────────────────────────────


def _take_help(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept, data = journal.kept, act.data
    match verb:
        case "visited" if not kept:
            _begin(journal, act, look, "administrative")
            kept |= {"listed": {}, "leads": []}
        case "papers_listed":
            kept["listed"][data["milestone"]] = [act.at_us, data["item"], day_end_us(data["apply_by"])]
        case "milestone_dropped":
            kept["listed"].pop(data["milestone"], None)
        case "applied_for":
            listed, item, due = kept["listed"].pop(data["milestone"])
            applied = instant_us(data["applied"])
            kept["leads"].append([applied, item, applied - listed, int(applied <= due)])


def _help(journal: Journal) -> Iterator[Fact]:
    for applied, item, lead, in_time in journal.kept["leads"]:
        yield Fact("lead", applied, journal.place, item, lead, in_time)


# ── Matters of which only the first contact counts ─────────────────────────────────────────────────────────


def _take_contact(centre: str) -> Callable[[Journal, str, Statement, int, Look], None]:
    def take(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
        if act.seq == 1:
            _begin(journal, act, look, centre)

    return take


SUBJECTS: Final[Mapping[str, Subject]] = {
    **{
        kind: Subject(_take_contact(centre), lambda journal: iter(()))
        for kind, centre in (("grid", "emergency"), ("consultation", "consultation"), ("bundle", "administrative"))
    },
    "assistance": Subject(_take_assistance, _assistance),
    "mediation": Subject(_take_mediation, _mediation),
    "emergency": Subject(_take_emergency, _emergency),
    "drill": Subject(_take_planned, lambda journal: _planned("drill", journal)),
    "inspection": Subject(_take_planned, lambda journal: _planned("inspection", journal)),
    "card": Subject(_take_card, _card),
    "complaint": Subject(_take_complaint, _complaint),
    "enterprise_help": Subject(_take_help, _help),
}

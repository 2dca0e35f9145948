"""The rows of approvals and their clocks, of the catalogue, of tickets and of ratings.

    measure           at              value                                   second
    applied           receipt         1
    unticketed        receipt         1: nobody called a ticket for it
    accepted          acceptance      1, in whatever way
    on_the_spot       acceptance      1: handled on the spot, closed on the local day of its receipt
    closed_first      first closing   1: no gap told, none accepted, not reopened; else 0; of accepted cases
    closed            each closing    µs until it was reopened, or −1
    done              last closing    visits                                  persons of the staff who acted
    touch             last closing    µs in which a step was open             µs since receipt; of cases with steps
    parallel          last branch     sum of the branches' µs                 µs from the first's start; ≥ 2 branches
    band_decided      decision        1 granted, 0 denied; kind: the applicant's band
    promise_stopped   stop            1 in time, 0 late                       1: in the first half of its time
    promise_running   due             due
    promise_unknown   stop            1: its due date is not known
    step_…            as promise_…; in a branch the branch's unit
    compression       statement       promised limit                          statutory limit; kind: their unit
    wait              ticket taken    µs to the first call
    served            ticket taken    µs from the last call
    expired           ticket taken    1: never served
    rated             rating          level, 1 to 5
    rated_on          rating          level, 1 to 5; kind: what was rated beside the whole

A visit is a local day on which the window took something from the applicant (application, papers, a withdrawal) or
handed the result over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ledger.facts.case_clocks import ClockRun, day_at, us_of
from ledger.facts.clocks import Due, last_instant_of
from ledger.facts.figures.journal import Fact, Journal, Look, Place, Subject, of_unit, of_window
from ledger.facts.types import check_value, verb_of
from ledger.statement import Statement

_VISITS: Final = frozenset({"applied", "supplied", "gap_filled", "withdrawn", "delivered"})
_HANDED: Final = frozenset({"counter", "window"})
_NO_HANDS: Final = frozenset({"citizen", "system_clock", "source_adapter"})


# ── Approvals ──────────────────────────────────────────────────────────────────────────────────────────────


def _take_approval(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept, data = journal.kept, act.data
    if verb == "applied":
        item = look.item(data["item_version"])
        journal.place = of_unit(
            look, item["unit"], item=data["item"], centre=item["centre"], zone=item.get("zone") or "",
            window=act.window or "", class_=item.get("class") or "",
        )  # fmt: skip
        kept |= {"applied": us, "spot": item["handling"] == "on_the_spot", "ticket": "ticket" in data, "right": True}
        kept |= {"hands": [], "days": [], "closings": [], "branches": {}, "steps": [], "touch": 0, "parallel": []}
        kept["band"] = data.get("applicant_band")
    if act.role not in _NO_HANDS and (person := look.person(act.actor)) not in kept["hands"]:
        kept["hands"].append(person)
    day = day_at(us).toordinal()
    if verb in _VISITS and act.window is not None and data.get("how", "counter") in _HANDED and day not in kept["days"]:
        kept["days"].append(day)
    match verb:
        case "gaps_told":
            kept["right"] = False
        case "accepted" | "accepted_with_gaps" | "deemed_accepted":
            kept.setdefault("accepted", us)
            kept["right"] = kept["right"] and verb != "accepted_with_gaps"
        case "branch_opened":
            kept["branches"][data["branch"]] = [us, None]
        case "branch_finished":
            kept["branches"][data["branch"]][1] = us
        case "step_started":
            if not kept["steps"]:
                kept["since"] = us
            kept["steps"].append([data.get("branch"), data["step"]])
        case "step_finished":
            kept["steps"].remove([data.get("branch"), data["step"]])
            _lift(kept, us)
        case "decided":
            kept["decided"] = [us, data["outcome"] == "granted"]
            _join(kept)
        case "closed":
            kept["steps"] = []
            _lift(kept, us)
            kept["closings"].append([us, -1])
            kept["done"] = [us, len(kept["days"]), len(kept["hands"])]
        case "reopened":
            kept["closings"][-1][1] = us - kept["closings"][-1][0]
            kept |= {"right": False, "branches": {}, "steps": []}


def _lift(kept: dict[str, Any], us: int) -> None:
    """The last open step ended: what was touched since the first began."""
    if not kept["steps"] and "since" in kept:
        kept["touch"] += us - kept.pop("since")
        kept["touched"] = True


def _join(kept: dict[str, Any]) -> None:
    """Decided as one: what several branches took, and how long that was."""
    branches = kept["branches"].values()
    if len(branches) > 1:
        last, first = max(end for _, end in branches), min(start for start, _ in branches)
        kept["parallel"].append([last, sum(end - start for start, end in branches), last - first])


def _approval(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    applied, accepted, closings = kept["applied"], kept.get("accepted"), kept["closings"]
    yield Fact("applied", applied, place)
    if not kept["ticket"]:
        yield Fact("unticketed", applied, place)
    if accepted is not None:
        yield Fact("accepted", accepted, place)
        if closings:
            if kept["spot"] and day_at(closings[0][0]) == day_at(applied):
                yield Fact("on_the_spot", accepted, place)
            yield Fact("closed_first", closings[0][0], place, value=int(kept["right"]))
    for closed, reopened_after in closings:
        yield Fact("closed", closed, place, value=reopened_after)
    if "done" in kept:
        done, visits, hands = kept["done"]
        yield Fact("done", done, place, value=visits, second=hands)
        if "touched" in kept:
            yield Fact("touch", done, place, value=kept["touch"], second=done - applied)
    for last, spent, elapsed in kept["parallel"]:
        yield Fact("parallel", last, place, value=spent, second=elapsed)
    if kept["band"] and "decided" in kept:
        yield Fact("band_decided", kept["decided"][0], place, kept["band"], int(kept["decided"][1]))


# ── Clocks ─────────────────────────────────────────────────────────────────────────────────────────────────

RunKey = tuple[str, str, str, int]
"""Clock, branch, step (``""`` where there is none), number."""
RunRow = tuple[str, int, int, int, int | None, bool, int | None, int | None]
"""Unit, limit, extension, started_us, stopped_us, paused, due_us, not_before_us (where the due is not known)."""

COUNTED_CLOCKS: Final = ("promise", "step")


def run_row(run: ClockRun) -> tuple[RunKey, RunRow]:
    """A run as a row of integers."""
    due_us = bound_us = None
    if run.last_instant is not None:
        due_us = us_of(run.last_instant)
    else:
        bound_us = us_of(last_instant_of(Due(run.due.not_before), run.spec))
    return (run.clock, run.branch or "", run.step or "", run.number), (
        str(run.spec.unit),
        run.limit,
        run.extension,
        us_of(run.started),
        None if run.stopped is None else us_of(run.stopped),
        run.stopped is None and any(held.pause.end is None for held in run.held),
        due_us,
        bound_us,
    )


def run_facts(key: RunKey, row: RunRow, place: Place) -> Iterator[Fact]:
    """The rows of one run, whose place ``branch_place`` found."""
    clock, (_, _, _, started, stopped, _, due, _) = key[0], row
    if clock not in COUNTED_CLOCKS:
        return
    if stopped is None:
        if due is not None:
            yield Fact(f"{clock}_running", due, place, value=due)
    elif due is None:
        yield Fact(f"{clock}_unknown", stopped, place)
    else:
        early = 2 * (stopped - started) <= due - started
        yield Fact(f"{clock}_stopped", stopped, place, value=int(stopped <= due), second=int(early))


def branch_units(acts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Whose each branch is, by the last act (type, data) that opened one of that name."""
    return {data["branch"]: data["unit"] for type_, data in acts if verb_of(type_) == "branch_opened"}


def branch_place(place: Place, unit: str | None) -> Place:
    """The place of what runs in a branch: its unit's. Of that unit nothing else is known here."""
    return place if unit in (None, place.unit) else place._replace(unit=unit or "", tier="", window="")


# ── Catalogue ──────────────────────────────────────────────────────────────────────────────────────────────


def _take_item(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    if verb == "retired":
        journal.kept = {}
    elif verb in ("published", "revised"):
        data, code = act.data, act.stream.partition("/")[2]
        more = {name: data.get(name.rstrip("_")) or "" for name in ("zone", "class_")}
        journal.place = of_unit(look, data["unit"], item=code, centre=data["centre"], **more)
        limits = [data["clocks"].get(name, {}) for name in ("promise", "statutory")]
        units = {clock.get("unit", "working-day") for clock in limits if clock}
        same = all(limits) and len(units) == 1
        journal.kept = {"us": us, "unit": units.pop(), "limits": [c["limit"] for c in limits]} if same else {}


def _item(journal: Journal) -> Iterator[Fact]:
    if kept := journal.kept:
        yield Fact("compression", kept["us"], journal.place, kept["unit"], *kept["limits"])


# ── Visits ─────────────────────────────────────────────────────────────────────────────────────────────────


def _take_ticket(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    kept = journal.kept
    if verb == "taken":
        kept["taken"] = us
    elif verb == "called":
        if "called" not in kept:
            journal.place = of_window(look, act.data["window"])
            kept["called"] = us
        kept["last"] = us
    elif verb in ("served", "expired"):
        kept[verb] = us


def _ticket(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    if "called" in kept:
        yield Fact("wait", kept["taken"], place, value=kept["called"] - kept["taken"])
    if "served" in kept:
        yield Fact("served", kept["taken"], place, value=kept["served"] - kept["last"])
    if "expired" in kept:
        yield Fact("expired", kept["taken"], place)


def visited(visit: str) -> tuple[str, ...]:
    """The streams that a rating's ``visit`` may mean."""
    return (visit, f"ticket/{visit}", f"approval/{visit}")


def _take_rating(journal: Journal, verb: str, act: Statement, us: int, look: Look) -> None:
    if verb == "given":
        found = (look.place(stream) for stream in visited(act.data["visit"]))
        journal.place = next((place for place in found if place is not None), Place())
        rated = {name: level for name, level in act.data.get("dimensions", {}).items() if check_value("code", name)}
        journal.kept = {"us": us, "level": act.data["level"], "on": rated}


def _rating(journal: Journal) -> Iterator[Fact]:
    kept, place = journal.kept, journal.place
    yield Fact("rated", kept["us"], place, value=kept["level"])
    for name, level in kept["on"].items():
        yield Fact("rated_on", kept["us"], place, name, level)


SUBJECTS: Final[Mapping[str, Subject]] = {
    "approval": Subject(_take_approval, _approval),
    "item": Subject(_take_item, _item),
    "ticket": Subject(_take_ticket, _ticket),
    "rating": Subject(_take_rating, _rating),
}

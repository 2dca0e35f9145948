"""What adds up about footage: what recorders sealed, and what is held, released and destroyed.

    recorder/NAME/DATE   segments.sealed …      lines of the recorder's journal, without a hole between batches
    footage/CAMERA       footage.gap_detected ─▶ gap_ended · tampered ─▶ recovered · clip_extracted
                         footage.hold_placed ─▶ hold_release_proposed ─▶ hold_released, by two persons
                                             ─▶ hold_extended · hold_lapsed, while it is provisional
                         footage.hold_deferred: a person must say so first, by placing it
                         footage.held_space_passed ─▶ held_space_freed: holds wait for a person in between
                         footage.purged         refused while a hold on any of its span stands

One stream of a recorder is one UTC day long, so that it is folded quickly.

Promise: in a log whose acts pass ``check``, no purge stands behind a hold of the same span that was not released or
lapsed before it, and no batch leaves out a line between two others of its day. Where a recorder's day begins after
the line with which the last one ended, its verifier sees it: lines are numbered through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.errors import Refused
from ledger.facts.registry import Proposal, Registry
from ledger.statement import Statement, StatementId, instant_us

SEALED: Final = "segments.sealed.v1"
PURGED: Final = "footage.purged.v1"
HOLD_PLACED: Final = "footage.hold_placed.v1"
RELEASE_PROPOSED: Final = "footage.hold_release_proposed.v1"
HOLD_RELEASED: Final = "footage.hold_released.v1"
HOLD_EXTENDED: Final = "footage.hold_extended.v1"
HOLD_LAPSED: Final = "footage.hold_lapsed.v1"
HOLD_DEFERRED: Final = "footage.hold_deferred.v1"
SPACE_PASSED: Final = "footage.held_space_passed.v1"
SPACE_FREED: Final = "footage.held_space_freed.v1"
MAX_LINES: Final = 10_000
"""In one batch; a recorder that was cut off for long sends several."""


def recorder_stream(recorder: str, day: str) -> str:
    """Where a recorder (``recorder/NAME``) seals what it wrote on ``day`` (UTC, YYYY-MM-DD)."""
    return f"{recorder}/{day}"


def footage_stream(camera: str) -> str:
    """Where all that happens to one camera's footage stands."""
    return f"footage/{camera}"


@dataclass(frozen=True, slots=True)
class Hold:
    """Footage of ``since_us`` ≤ t < ``until_us`` must not go; with an expiry it ends by itself."""

    since_us: int
    until_us: int
    ground: str
    expires_us: int | None
    provisional: bool = False
    about: frozenset[str] = frozenset()  # cases and tickets

    def covers(self, since_us: int, until_us: int, *, now_us: int) -> bool:
        """Whether it stands at ``now_us`` and takes in any of the span."""
        lapsed = self.expires_us is not None and self.expires_us <= now_us
        return not lapsed and self.since_us < until_us and since_us < self.until_us


@dataclass(frozen=True, slots=True)
class Footage:
    """What stands of one camera's footage: its holds by their statements' ids, the releases proposed, what waits.

    ``deferred``: holds that a person must place; ``is_full``: held footage is past its share of the recorder's disk.
    """

    holds: Mapping[StatementId, Hold] = field(default_factory=dict)
    proposals: Mapping[StatementId, Proposal] = field(default_factory=dict)
    deferred: Mapping[StatementId, Hold] = field(default_factory=dict)
    is_full: bool = False

    def held(self, since_us: int, until_us: int, *, now_us: int) -> list[StatementId]:
        """The holds that keep any of the span."""
        return [id_ for id_, hold in self.holds.items() if hold.covers(since_us, until_us, now_us=now_us)]


class _Recorders:
    """``recorder/NAME/DATE``. Its state is the last line that is sealed."""

    def check(self, state: int | None, act: Statement, registry: Registry) -> None:
        """Refuse a batch that does not go on where the last one ended."""
        first, last = act.data["first"], act.data["last"]
        if act.stream.count("/") != 2:
            raise Refused("a recorder seals by day", code="recorder-stream", mend="recorder/NAME/YYYY-MM-DD")
        if not 1 <= first <= last + 1 <= first + MAX_LINES:
            raise Refused(f"there is no batch from line {first} to {last}", code="batch-lines")
        if state is not None and first != state + 1:
            raise Refused(
                f"line {state + 1} is next, not {first}", code="batch-order", mend="seal the lines before it first"
            )

    def apply(self, state: int | None, act: Statement, recorded_us: int | None, registry: Registry) -> int:
        """The last line."""
        return int(act.data["last"])


class _Footage:
    def check(self, state: Footage | None, act: Statement, registry: Registry) -> None:
        """Refuse a purge under a hold, and the release of a hold that does not stand."""
        state = state or Footage()
        if "until" in act.data and not instant_us(act.data["since"]) < instant_us(act.data["until"]):
            raise Refused("a span ends after it begins", code="span")
        if act.type == PURGED:
            since, until = instant_us(act.data["since"]), instant_us(act.data["until"])
            if holds := state.held(since, until, now_us=act.at_us):
                raise Refused(
                    "nothing of this span is destroyed while a hold stands",
                    code="hold",
                    mend="have the hold released first, when its ground is over: mingjian-camera release",
                    holds=[id_.hex() for id_ in holds],
                )
        elif "hold" in act.data:
            hold = state.holds.get(StatementId(bytes.fromhex(act.data["hold"])))
            if hold is None:
                raise Refused("there is no such hold", code="hold-unknown", mend="mingjian-camera holds shows them")
            _check_hold(hold, act)
        elif act.type == HOLD_PLACED and act.role == "system_clock" and not (act.data["provisional"] and act.causes):
            raise Refused("the clock's holds are provisional, and name their cause", code="hold-clock")

    def apply(self, state: Footage | None, act: Statement, recorded_us: int | None, registry: Registry) -> Footage:
        """The footage after ``act``."""
        state = state or Footage()
        match act.type:
            case "footage.hold_placed.v1":
                expires = act.data.get("expires")
                hold = Hold(
                    instant_us(act.data["since"]),
                    instant_us(act.data["until"]),
                    act.data["ground"],
                    None if expires is None else instant_us(expires),
                    act.data["provisional"],
                    frozenset(act.data.get("about", ())),
                )
                waiting = {id_: one for id_, one in state.deferred.items() if not _answers(hold, one)}
                return replace(state, holds={**state.holds, act.id: hold}, deferred=waiting)
            case "footage.hold_deferred.v1":
                until = instant_us(act.data["footage_until"])
                since, end = instant_us(act.data["since"]), instant_us(act.data["until"])
                about = frozenset(act.data.get("about", ()))
                waits = Hold(since, end, act.data["ground"], until, provisional=True, about=about)
                return replace(state, deferred={**state.deferred, act.id: waits})
            case "footage.hold_extended.v1":
                id_, expires = StatementId(bytes.fromhex(act.data["hold"])), act.data.get("expires")
                until_us = None if expires is None else instant_us(expires)
                extended = replace(state.holds[id_], expires_us=until_us, provisional=until_us is not None)
                return replace(state, holds={**state.holds, id_: extended})
            case "footage.hold_lapsed.v1":
                gone = bytes.fromhex(act.data["hold"])
                return replace(state, holds={id_: hold for id_, hold in state.holds.items() if id_ != gone})
            case "footage.held_space_passed.v1" | "footage.held_space_freed.v1":
                return replace(state, is_full=act.type == SPACE_PASSED)
            case "footage.hold_release_proposed.v1":
                proposal = registry.proposal(act, HOLD_RELEASED, act.data)
                return replace(state, proposals={**state.proposals, act.id: proposal})
            case "footage.hold_released.v1":
                gone, made = bytes.fromhex(act.data["hold"]), bytes.fromhex(act.data["proposal"])
                return replace(
                    state,
                    holds={id_: hold for id_, hold in state.holds.items() if id_ != gone},
                    proposals={id_: one for id_, one in state.proposals.items() if id_ != made},
                )
            case _:
                return state


def _check_hold(hold: Hold, act: Statement) -> None:
    """Refuse to extend what is over, and to let lapse what was confirmed or is not due."""
    over = hold.expires_us is not None and hold.expires_us <= act.at_us
    if act.type == HOLD_EXTENDED and over:
        raise Refused("the hold is over", code="hold-over", mend="place another: mingjian-camera hold")
    if act.type == HOLD_LAPSED and not (hold.provisional and (over or hold.expires_us is None)):
        raise Refused(
            "the hold was confirmed, or is not over yet", code="hold-stands", mend="release it by two persons"
        )


def _answers(hold: Hold, waits: Hold) -> bool:
    same = hold.ground == waits.ground
    return same and hold.since_us <= waits.since_us and waits.until_us <= hold.until_us


RECORDERS: Final[Any] = _Recorders()
FOOTAGE: Final[Any] = _Footage()

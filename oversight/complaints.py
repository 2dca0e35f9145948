"""What follows at once from a complaint: holds on the footage of what it disputes, and their end.

    received ─▶ a provisional hold on every camera that covered the window then, naming the complaint in ``causes``,
                and ``evidence_held`` in the complaint; or ``evidence_missing``, with the reason
    accepted ─▶ its holds are provisional no more: they stay until two persons release them
    refused  ─▶ ten working days later its provisional holds lapse, by event, unless somebody extended them

Promise: nobody waits for anybody: the clock does it at the next look, a fraction of a second later, before anyone has
read the complaint. One that names its events and came since the clock began is read from the log itself, so that its
hold waits for no derived table; all others are found there, for they must be counted. Each thing is stated once,
whatever dies on the way: its request is made of the complaint's id. The rules are ``ledger.facts.disputed``'s. A hold
that a rule keeps back (too many complaints about one ticket or through one channel, held footage past its share of the
disk) is put off by an event that says until when the footage lives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import structlog

from ledger.cases.cameras import cameras_as_of
from ledger.door.desk import Desk
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.errors import Conflict, Evidence, MingjianError, Refused
from ledger.facts.case_clocks import day_at
from ledger.facts.disputed import (
    CONFIRM_DAYS,
    DAY_US,
    LAPSE_DAYS,
    PER_CHANNEL,
    PER_SUBJECT,
    Moment,
    complaint_of,
    footage_until,
    named_span,
    of_event,
    spans_on,
    working_days_after,
)
from ledger.facts.footage import (
    HOLD_DEFERRED,
    HOLD_EXTENDED,
    HOLD_LAPSED,
    HOLD_PLACED,
    Footage,
    footage_stream,
)
from ledger.facts.registry import CLOCK_ACTOR
from ledger.statement import Statement, StatementId, instant_text, open_statement
from ledger.store.database import Connection
from ledger.store.reading import FOLLOW_LIMIT
from ledger.store.sequencer import now_us
from projections import complaints
from projections.runner import read_position, unmoved

POLL_S: Final = 0.2
_PAUSE_S: Final = 5.0
_PUT_BACK_US: Final = 60_000_000
_ENDS_EVERY: Final = 50  # looks between two looks at what ends
_RECEIVED: Final = "complaint.received.v1"
_ANSWERS: Final = frozenset({"complaint.evidence_held.v1", "complaint.evidence_missing.v1"})
log = structlog.get_logger()


def run_holds(hall: Hall, stop: threading.Event) -> None:
    """Look until ``stop``. The projections must be kept up beside it."""
    keeper, looks = None, 0
    while not stop.is_set():
        try:
            keeper = keeper or HoldKeeper(hall)
            keeper.hold()
            if looks % _ENDS_EVERY == 0:
                keeper.end()
            looks += 1
            stop.wait(POLL_S)
        except (MingjianError, psycopg.Error) as error:
            log.warning("holds do not get on; trying again", error=str(error).strip())
            stop.wait(_PAUSE_S)


@dataclass(frozen=True, slots=True)
class Disputed:
    """What a complaint disputes: where and when, which cases and tickets, and as of which leaf cameras are asked."""

    moments: tuple[Moment, ...]
    subjects: tuple[str, ...]
    position: int


class HoldKeeper:
    """Places and ends the holds of one ledger's complaints. ``now``: what time it is (µs)."""

    def __init__(self, hall: Hall, *, now: Callable[[], int] = now_us) -> None:
        self._hall, self._now = hall, now
        self._put_back: dict[str, int] = {}  # complaint → until when
        self._followed = hall.reader.head().size
        self._new: dict[str, dict[str, Any]] = {}  # complaint → what came behind what is folded
        self._desk = Desk(
            door=hall.door, actor=CLOCK_ACTOR, key=hall.keyring.own("clock"), role="system_clock", clock=now
        )

    # ------------------------------------------------------------------------------------------------- at once

    def hold(self) -> list[str]:
        """Look for footage of every complaint for which nobody has; their streams.

        One that cannot be helped now is put back for a while, and keeps no other waiting.
        """
        now = self._now()
        self._put_back = {stream: until for stream, until in self._put_back.items() if until > now}
        position, found = self._folded()
        self._follow(position)
        found += [one for stream, one in self._new.items() if stream not in self._put_back]
        held = []
        for one in found:
            try:
                done = self._hold(one)
            except (Refused, Evidence) as error:
                log.warning("a complaint's footage was not looked for", complaint=one["stream"], why=str(error))
                done = False
            self._new.pop(one["stream"], None)  # or it is found among what is folded, when it is
            if done:
                held.append(one["stream"])
            else:
                self._put_back[one["stream"]] = now + _PUT_BACK_US
        return held

    def _folded(self) -> tuple[int, list[dict[str, Any]]]:
        """How far the projections are, and the complaints there for which nobody has looked."""
        try:
            with self._read() as connection:
                found = complaints.unsought(connection, without=sorted(self._put_back))
                return read_position(connection).position, found
        except psycopg.errors.UndefinedTable:
            return 0, []  # they are not made yet

    def _follow(self, position: int) -> None:
        """Take in the complaints about events that came since the last look, but for what the projections have."""
        self._new = {stream: one for stream, one in self._new.items() if one["received_index"] >= position}
        self._followed, size = max(self._followed, position), self._hall.reader.head().size
        while self._followed < size:
            stop = min(size, self._followed + FOLLOW_LIMIT)
            entries = self._hall.reader.entries(self._followed, stop)
            acts = {one.index: open_statement(one.entry) for one in entries if _RECEIVED.encode() in one.entry}
            recorded = self._hall.reader.recorded_us(sorted(acts)) if acts else {}
            voided = self._hall.reader.voided([act.id for act in acts.values()]) if acts else set()
            for index, act in acts.items():
                if act.type == _RECEIVED and act.data.get("events") and act.id not in voided:
                    said = {"stream": act.stream, "channel": act.data["channel"]}
                    self._new[act.stream] = said | {"received_index": index, "received_us": recorded[index]}
            self._followed = stop

    def _hold(self, complaint: Mapping[str, Any]) -> bool:
        stream, act = complaint["stream"], self._received(complaint)
        if self._is_answered(stream):
            return True
        disputed = read_disputed(self._hall, act, complaint["received_index"])
        cameras = cameras_as_of(self._hall, disputed.position)
        spans = spans_on(cameras, disputed.moments)
        if not spans:
            return self._say([self._missing(act, "no_camera" if disputed.moments else "no_window")])
        states = {camera: self._footage(camera) for camera in spans}
        placed = [id_.hex() for one in states.values() for id_, hold in one.holds.items() if hold.ground == stream]
        waiting = [
            (camera, hold.expires_us or 0, "deferred")
            for camera, one in states.items()
            for hold in one.deferred.values()
            if hold.ground == stream
        ]
        if not placed and not waiting:  # else by one who died before the complaint said so
            try:
                placed, waiting = self._place(complaint, act, disputed, spans, cameras, states)
            except (Refused, Conflict) as error:
                log.warning("a hold was not placed", complaint=stream, why=str(error))
                return False
        told = [self._held(act, placed)] if placed else []
        if waiting:
            names = sorted({camera for camera, _, _ in waiting})
            told.append(self._missing(act, waiting[0][2], names, min(until for _, until, _ in waiting)))
        return self._say(told)

    def _place(
        self,
        complaint: Mapping[str, Any],
        act: Statement,
        disputed: Disputed,
        spans: Mapping[str, Sequence[tuple[int, int]]],
        cameras: Mapping[str, Mapping[str, Any]],
        states: Mapping[str, Footage],
    ) -> tuple[list[str], list[tuple[str, int, str]]]:
        """Place or put off what is to be held, all at once: the holds' ids, and what waits (camera, until, why)."""
        wishes, waiting = [], []
        why = _kept_back(act, disputed, states.values(), 0 if disputed.subjects else self._others(complaint))
        for camera, held in spans.items():
            until = footage_until(held, cameras[camera]["retention_days"])
            reason = why or ("held_space" if states[camera].is_full else None)
            if reason is not None:
                waiting.append((camera, until, reason))
            for number, (since_us, until_us) in enumerate(held):
                values: dict[str, Any] = {
                    "since": instant_text(since_us),
                    "until": instant_text(until_us),
                    "ground": act.stream,
                    "about": list(disputed.subjects) or None,
                }
                if reason is None:
                    values |= {"provisional": True, "expires": self._confirm_by(complaint, disputed)}
                else:
                    values |= {"reason": reason, "footage_until": instant_text(until)}
                wishes.append(
                    self._desk.wish(
                        footage_stream(camera),
                        HOLD_PLACED if reason is None else HOLD_DEFERRED,
                        values,
                        request=f"hold-{act.id.hex()[:32]}-{camera}-{number}",
                        causes=(act.id,),
                    )
                )
        outcomes = self._hall.door.submit_all(wishes, self._desk.key)
        placed = [out.id.hex() for wish, out in zip(wishes, outcomes, strict=True) if wish.type == HOLD_PLACED]
        return placed, waiting

    def _received(self, complaint: Mapping[str, Any]) -> Statement:
        index = complaint["received_index"]
        return open_statement(self._hall.reader.entries(index, index + 1)[0].entry)

    def _is_answered(self, stream: str) -> bool:
        return any(open_statement(entry).type in _ANSWERS for _, _, entry in self._hall.reader.stream(stream))

    def _others(self, complaint: Mapping[str, Any]) -> int:
        """How many complaints that name no event came through the same channel within a day before."""
        since, index = complaint["received_us"] - DAY_US, complaint["received_index"]
        with self._read() as connection:
            return complaints.earlier_unnamed(connection, complaint["channel"], since_us=since, before_index=index)

    def _confirm_by(self, complaint: Mapping[str, Any], disputed: Disputed) -> str | None:
        if disputed.subjects:
            return None
        calendar = self._hall.door.registry()[1].calendar().as_known(day_at(complaint["received_us"]))
        by = working_days_after(complaint["received_us"], CONFIRM_DAYS, calendar)
        # Where the calendar ends, three days: over a weekend, and no promise beyond.
        return instant_text(complaint["received_us"] + 3 * DAY_US if by is None else by)

    def _footage(self, camera: str) -> Footage:
        found = self._desk.state(footage_stream(camera))
        return found if isinstance(found, Footage) else Footage()

    def _held(self, act: Statement, holds: Sequence[str]) -> Wish:
        return self._desk.wish(
            act.stream,
            "complaint.evidence_held.v1",
            {"holds": list(holds)},
            request=f"held-{act.id.hex()[:32]}",
            causes=(act.id,),
        )

    def _missing(self, act: Statement, reason: str, cameras: Sequence[str] = (), expires_us: int | None = None) -> Wish:
        values = {
            "reason": reason,
            "cameras": list(cameras) or None,
            "expires": None if expires_us is None else instant_text(expires_us),
        }
        return self._desk.wish(
            act.stream,
            "complaint.evidence_missing.v1",
            values,
            request=f"missing-{act.id.hex()[:32]}",
            causes=(act.id,),
        )

    # --------------------------------------------------------------------------------------------------- the end

    def end(self) -> list[Outcome]:
        """Let lapse what nobody confirmed, and what was refused ten working days ago; keep what was accepted."""
        now = self._now()
        try:
            with self._read() as connection:
                lapsing = complaints.to_lapse(connection, now_us=now)
                accepted = complaints.to_keep(connection)
                refused = complaints.refused(connection)
        except psycopg.errors.UndefinedTable:
            return []
        done: list[Outcome] = []
        for hold in accepted:
            if hold["expires_us"] is None or hold["expires_us"] > now:
                done += self._turn(HOLD_EXTENDED, hold, "accepted", hold["accepted_id"])
        for hold in lapsing:
            done += self._turn(HOLD_LAPSED, hold, "unconfirmed", hold["hold"])
        calendar = self._hall.door.registry()[1].calendar()
        for hold in refused:
            due = working_days_after(hold["refused_us"], LAPSE_DAYS, calendar.as_known(day_at(now)))
            if due is not None and due <= now:
                done += self._turn(HOLD_LAPSED, hold, "refused", hold["refused_id"])
        return done

    def _turn(self, type_: str, hold: Mapping[str, Any], ground: str, cause: str) -> Iterator[Outcome]:
        values = {"hold": hold["hold"], "ground": ground}
        wish = self._desk.wish(
            footage_stream(hold["camera"]),
            type_,
            values,
            request=f"{ground}-{hold['hold'][:32]}-{cause[:32]}",
            causes=(StatementId(bytes.fromhex(cause)),),
        )
        try:
            yield self._hall.door.submit(wish, self._desk.key)
        except (Refused, Conflict) as error:
            log.info("a hold was not ended", hold=hold["hold"], why=str(error))

    # --------------------------------------------------------------------------------------------------- the parts

    def _say(self, wishes: Sequence[Wish]) -> bool:
        try:
            self._hall.door.submit_all(wishes, self._desk.key)
        except (Refused, Conflict) as error:
            # The complaint was decided meanwhile: it says so, and the holds stand.
            log.info("not stated", stream=wishes[0].stream, why=str(error))
            return False
        return True

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._hall.database.use("reader") as connection, unmoved(connection):
            yield connection


def _kept_back(act: Statement, disputed: Disputed, states: Iterable[Footage], others: int) -> str | None:
    """Why this complaint's holds wait for a person; None when they do not."""
    if not disputed.subjects:
        return "rate_channel" if others >= PER_CHANNEL else None
    about = {
        hold.ground
        for state in states
        for hold in (*state.holds.values(), *state.deferred.values())
        if hold.about.intersection(disputed.subjects) and complaint_of(hold.ground) not in (None, act.stream)
    }
    return "rate_subject" if len(about) >= PER_SUBJECT else None


def read_disputed(hall: Hall, received: Statement, received_index: int) -> Disputed:
    """What a complaint disputes. An event's cameras are asked as of the event, a span's as of the complaint."""
    ids = [bytes.fromhex(one) for one in received.data.get("events", ())]
    if not ids:
        moment = named_span(received.data)
        return Disputed((moment,) if moment else (), (), received_index)
    placed = hall.reader.placed(ids)
    recorded = hall.reader.recorded_us(sorted(placed.values()))
    moments: list[Moment] = []
    subjects: list[str] = []
    for index in sorted(placed.values()):
        act = open_statement(hall.reader.entries(index, index + 1)[0].entry)
        moments += of_event(act, recorded[index])
        subjects.append(act.stream)
    position = max(placed.values(), default=received_index) + 1
    return Disputed(tuple(moments), tuple(dict.fromkeys(subjects)), position)

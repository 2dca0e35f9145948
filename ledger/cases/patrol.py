"""Watching a window live, and marking what one sees there (巡查).

    open_view ─▶ end_view;    mark ─▶ complain

What may follow what, and who may do it, is decided by ``ledger.facts.patrol``. A mark and its holds are one
transaction: there is no moment at which something is marked and its footage may go. The holds are the officer's own
word, so they are no provisional ones: two persons release them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from ledger.cases import complaint
from ledger.cases.acts import hexes
from ledger.cases.tracking import new_tracking_code, tracking_digest
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import NotAllowed
from ledger.facts.disputed import MARGIN_US, Moment, spans_on
from ledger.facts.footage import HOLD_PLACED, footage_stream
from ledger.facts.patrol import COMPLAINED, ENDED, MARKED, VIEWED, live_stream, patrol_stream
from ledger.facts.registry import Registry
from ledger.statement import StatementId, instant_text

CHANNEL = "patrol"


@dataclass(frozen=True, slots=True)
class Marked:
    """A moment that was marked: its name, its statement, and the hold on each camera of the window."""

    mark: str
    outcome: Outcome
    holds: dict[str, str]  # camera → statement, hex


def role_for(registry: Registry, actor: str, type_name: str) -> str | None:
    """The role in which ``actor`` may state ``type_name`` under the policy that stands; None for none."""
    held = registry.appointments.get(actor)
    roles = () if held is None else sorted(held.roles)
    return next((role for role in roles if registry.policy.rules_for(role, type_name)), None)


def watcher(hall: Hall, actor: str, *, to: str = VIEWED) -> Desk:
    """The desk of somebody who may watch (or whatever ``to`` states) and whose key is kept here (NotAllowed)."""
    _, registry = hall.door.registry()
    role = role_for(registry, actor, to)
    if role is None:
        raise NotAllowed(
            f"{actor} may not state {to}",
            code="live-right",
            mend="investigators, complaint heads and supervisors watch; who does is a rule of the policy",
        )
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=role)


def open_view(
    desk: Desk,
    camera: str,
    *,
    purpose: str,
    window: str | None = None,
    complaint: str | None = None,
    words: str | None = None,
) -> tuple[str, Outcome]:
    """State that the desk's actor watches ``camera`` from now on, and what for; the viewing's name."""
    view = secrets.token_hex(8)
    values = {"camera": camera, "window": window, "purpose": purpose, "complaint": complaint, "words": words}
    return view, desk.say(live_stream(view), VIEWED, values, request=f"view-{view}")


def end_view(desk: Desk, view: str, *, cause: str, span_us: tuple[int, int] | None) -> Outcome:
    """State that a viewing is over, why, and the footage that was shown in it (None: no picture was)."""
    since, until = (None, None) if span_us is None else map(instant_text, span_us)
    values = {"cause": cause, "since": since, "until": until}
    return desk.say(live_stream(view), ENDED, values, request=f"view-over-{view}")


def mark(
    desk: Desk,
    window: str,
    *,
    camera: str | None = None,
    view: str | None = None,
    words: str | None = None,
    margin_us: int = MARGIN_US,
) -> Marked:
    """Mark this moment at a window, and hold it on every camera that covers the window now.

    Where no camera covers it the mark stands, and there is no hold.
    """
    _, registry = desk.door.registry()
    window, at_us = window.removeprefix("window/"), desk.clock()
    desk = replace(desk, clock=lambda: at_us)  # one moment, in every statement of it
    name = secrets.token_hex(8)
    moment = Moment(window, at_us - margin_us, at_us + margin_us)
    cameras = {stream.partition("/")[2]: said for stream, said in registry.cameras()}
    since, until = instant_text(moment.since_us), instant_text(moment.until_us)
    values = {"window": window, "camera": camera, "view": view, "words": words, "since": since, "until": until}
    stream = patrol_stream(name)
    wishes = [desk.wish(stream, MARKED, values, request=f"mark-{name}")]
    held = [one for one, spans in spans_on(cameras, [moment]).items() for _ in spans]
    for one in held:
        span = {"since": since, "until": until, "ground": stream, "provisional": False, "about": [stream]}
        wishes.append(desk.wish(footage_stream(one), HOLD_PLACED, span, request=f"mark-{name}-{one}"))
    made, *holds = desk.door.submit_all(wishes, desk.key)
    return Marked(name, made, {one: out.id.hex() for one, out in zip(held, holds, strict=True)})


def complain(
    desk: Desk, name: str, marked: StatementId, allegations: list[str], *, words: str, complaint_name: str | None = None
) -> tuple[str, list[Outcome]]:
    """Open a complaint about a marked moment, without a citizen; its name. Its holds follow as of any complaint.

    Nobody follows it by a tracking code: the code is made, as each complaint has one, and thrown away.
    """
    about = complaint_name or f"patrol-{name}"
    values = {
        "allegations": allegations,
        "tracking": tracking_digest(new_tracking_code()),
        "words": words,
        "events": hexes([marked]),
        "channel": CHANNEL,
    }
    return about, desk.door.submit_all(
        [
            desk.wish(complaint.stream_of(about), "complaint.received.v1", values, causes=(marked,)),
            desk.wish(patrol_stream(name), COMPLAINED, {"complaint": about}, causes=(marked,)),
        ],
        desk.key,
    )

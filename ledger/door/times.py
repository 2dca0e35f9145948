"""Outside time stated: an authority's token over the newest head, put into the log by its clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.errors import Unavailable
from ledger.facts.registry import CLOCK_ACTOR
from ledger.facts.times import TIME_STREAM, TIME_TYPE, authorities, token_data
from ledger.statement import instant_text
from ledger.store.sequencer import now_us
from ledger.store.time_tokens import TIMEOUT_S, Token, ask_authority
from ledger.tree.checkpoint import Checkpoint

_PLACED_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class StatedTime:
    """A token as it stands in the log at leaf ``index``, over ``head``."""

    head: Checkpoint
    token: Token
    outcome: Outcome
    index: int


def accept_authority(hall: Hall, name: str, certificate: bytes) -> Outcome:
    """Have the two officers whose keys are kept here accept the authority of ``certificate`` (DER)."""
    return hall.change(f"authority/{name}", "authority.accepted.v1", {"certificate": certificate.hex()})


def state_time(hall: Hall, url: str, *, timeout_s: float = TIMEOUT_S) -> StatedTime:
    """Ask the authority at ``url`` to stamp the newest published head, and have the clock state its token.

    Whoever calls places statements meanwhile, or another process does. Unavailable when it is not placed in time.
    """
    head = hall.publisher.checkpoint()
    if head is None:
        raise Unavailable("nothing is published yet", code="no-checkpoint", mend="try again in a moment")
    _, registry = hall.door.registry()
    token = ask_authority(url, head, accepted=authorities(registry), timeout_s=timeout_s)
    outcome = hall.door.submit(
        Wish(
            actor=CLOCK_ACTOR,
            role="system_clock",
            stream=TIME_STREAM,
            type=TIME_TYPE,
            at=instant_text(now_us()),
            request=f"time-{head.size}-{token.authority}-{token.stamp.latest_us}",
            values=token_data(size=head.size, root=head.root, authority=token.authority, token=token.token),
        ),
        hall.keyring.own("clock"),
    )
    placed = hall.wait_placed([outcome], timeout_s=_PLACED_S)
    if not placed:
        raise Unavailable("the token is stated, but not placed in the tree yet", code="being-placed")
    return StatedTime(head, token, outcome, placed[outcome.id])

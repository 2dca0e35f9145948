"""What a live system that is brought in may state, by the kind of system: for the first policy, and for the contracts.

The adapter of such a system acts as ``adapter/KIND/SOURCE`` in the role ``KIND_adapter``, under a key of its own, and
appends only to streams of its source: ``approval/SOURCE/…``. A hotline's key states no approvals.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.facts.types import TYPES

# The clock's own, and a second person's.
_NOT_THEIRS: Final = frozenset(
    {
        "approval.deemed_accepted.v1",
        "approval.gaps_lapsed.v1",
        "approval.clocks_recomputed.v1",
        "approval.late_entry_confirmed.v1",
    }
)


def _all(*kinds: str) -> tuple[str, ...]:
    return tuple(name for name, one in TYPES.items() if one.stream_kind in kinds and name not in _NOT_THEIRS)


ADAPTERS: Final[dict[str, tuple[str, ...]]] = {
    "approval": _all("approval"),
    "queue": _all("ticket"),
    "rating": ("rating.given.v1",),
    "grid": _all("grid"),
    "hotline": ("complaint.received.v1",),
    "fire": ("emergency.alarm_raised.v1",),
    "site": ("emergency.alarm_raised.v1", *_all("inspection")),
    "trading": _all("trading"),
    # What a resident does from home, through a website or an app of the district.
    "portal": (
        "appointment.made.v1",
        "appointment.moved.v1",
        "appointment.cancelled.v1",
        "reservation.asked.v1",
        "reservation.withdrawn.v1",
        "complaint.received.v1",
        "complaint.review_asked.v1",
        "grid.reported.v1",
        "assistance.requested.v1",
    ),
}
"""Kind of system → the types its adapter may append."""

RULES: Final[list[dict[str, Any]]] = [
    rule
    for kind, types in ADAPTERS.items()
    for rule in (
        {"role": f"{kind}_adapter", "types": list(types), "when": ["own_source"]},
        {"role": f"{kind}_adapter", "types": ["key.rotated.v1"], "when": ["own_key"]},
    )
]

"""A drill (应急演练) of a plan: scheduled, held, reviewed.

    (nothing) ── scheduled ──▶ scheduled ── held ──▶ held ── reviewed ──▶ reviewed
                                 ▲ └─ scheduled  └─ cancelled ──▶ cancelled

Promise: as for ``stages``. It may be put off as often as need be; each new day is on record.
"""

from __future__ import annotations

from typing import Final

from ledger.facts.stages import Matter, StageFold, course

COURSE: Final = course(
    "drill",
    """
    -          scheduled  scheduled  duty_officer
    scheduled  scheduled  =          duty_officer
    scheduled  held       held       duty_officer
    scheduled  cancelled  cancelled  duty_officer
    held       reviewed   reviewed   duty_officer
    """,
)

FOLD: Final = StageFold(COURSE, Matter)

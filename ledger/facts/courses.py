"""Every kind of stream that goes by a table of ``stages``: for the folds, and for the rules of the first policy."""

from __future__ import annotations

from typing import Any, Final

from ledger.facts import (
    appointment,
    assistance,
    bundle,
    cards,
    complaint,
    consultation,
    drill,
    duty,
    emergency,
    enterprise_help,
    grid,
    inspection,
    mediation,
    patrol,
    plan,
    proxy,
    rating,
    referral,
    reservation,
    trading,
    triage,
)
from ledger.facts.stages import StageFold

_STREAMS: Final = (
    appointment,
    assistance,
    bundle,
    cards,
    complaint,
    consultation,
    drill,
    duty,
    emergency,
    enterprise_help,
    grid,
    inspection,
    mediation,
    patrol,
    plan,
    proxy,
    rating,
    referral,
    reservation,
    trading,
    triage,
)
FOLDS: Final[dict[str, StageFold[Any]]] = {stream.COURSE.kind: stream.FOLD for stream in _STREAMS}
RULES: Final[list[dict[str, Any]]] = [rule for stream in _STREAMS for rule in stream.COURSE.rules()]

"""What a supervisor makes of an anomaly (异常线索): a reason to open the file that was one, or was none.

    (nothing) ── confirmed ──▶ confirmed ◀── confirmed · dismissed ──▶ dismissed ◀── dismissed ── (nothing)

Promise: as for ``stages``. The stream's name is made of the kind, the case and the evidence (``stream_of``): what was
judged is that evidence, and when the case shows more, it is looked at anew. Whoever thinks otherwise later says so, and
both stand in the log. Neither moves the case, and neither is a verdict on anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, course

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

KINDS: Final = frozenset(f"A{number}" for number in range(1, 21))
TRIAGED: Final = ("confirmed", "dismissed")


def stream_of(kind: str, case: str, evidence: Iterable[str]) -> str:
    """The stream in which it is said what that anomaly was. ``case``: its stream; ``evidence``: statement ids, hex."""
    parts = "\x1f".join((kind, case, *sorted(evidence)))
    return f"anomaly/{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


COURSE: Final = course(
    "anomaly",
    """
    -          confirmed  confirmed  supervisor
    -          dismissed  dismissed  supervisor
    dismissed  confirmed  confirmed  supervisor
    confirmed  dismissed  dismissed  supervisor
    """,
)


def _check(state: Matter | None, act: Statement, registry: Registry) -> None:
    data = act.data
    check_code(data["kind"], KINDS, "kind of anomaly")
    if not data["evidence"]:
        raise Refused("it names no evidence", code="evidence", mend="name the statements that show it")
    stream = stream_of(data["kind"], data["case"], data["evidence"])
    if act.stream != stream:
        raise Refused(
            "what is said of an anomaly stands in the stream of its kind, case and evidence",
            code="anomaly-stream",
            mend=f"use {stream}",
        )


FOLD: Final = StageFold(COURSE, Matter, check=_check)

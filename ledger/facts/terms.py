"""The terms within which the hall itself must act, in working days: data of a rule pack, samples where none says them.

A pack may say any of them (``terms`` of a pack, see ``card_rules``); one pack in force does. A term is the one that was
in force when what it runs from was recorded: a complaint keeps those of its receipt, a card those of its raising. ::

    {"terms": {"card_answer": 1, "complaint_clip": 3, "complaint_accept": 5, "complaint_reply": 5,
               "complaint_finish": 30}}
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from ledger.errors import Malformed

_LONGEST: Final = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Working days. No rule of the district is known: these are samples."""

    card_answer: int = 1
    complaint_clip: int = 3
    """From the hold to the sealed clip, or to why there is none."""
    complaint_accept: int = 5
    complaint_reply: int = 5
    complaint_finish: int = 30

    def as_json(self) -> dict[str, int]:
        """``{"card_answer", …}``."""
        return asdict(self)


def parse_terms(raw: Any) -> Terms:
    """The terms that a pack says, the others as the samples have them; or Malformed."""
    known = {each.name for each in fields(Terms)}
    if not isinstance(raw, dict) or not raw or not raw.keys() <= known:
        raise Malformed(
            "the terms are not those that are known", code="rules-malformed", mend=f"any of {', '.join(sorted(known))}"
        )
    for name, days in raw.items():
        if type(days) is not int or not 1 <= days <= _LONGEST:
            raise Malformed(
                f"{name} is no number of working days", code="rules-malformed", mend=f"write 1 to {_LONGEST}"
            )
    return Terms(**raw)

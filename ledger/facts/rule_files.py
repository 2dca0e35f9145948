"""A file of rules, read strictly: UTF-8 JSON in which each key stands once, and refusals that name a place.

Promise: what two JSON readers could read as two things is refused (``Malformed``), with the place and what to write.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any, Final

from ledger.errors import Malformed

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_rules(data: bytes, *, decimals_as_text: bool = False) -> Any:
    """The JSON in ``data``. ``decimals_as_text``: 0.9 is read as "0.9", which is exact and may stand in a statement."""
    try:
        found = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=str if decimals_as_text else None,
        )
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise bad_rules(f"the file is not JSON in UTF-8: {error}", mend="mend the place named") from None
    return found


def day_or_none(value: Any, what: str) -> date | None:
    """A day as it is written in JSON; None is no limit."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass  # a day of that form which no calendar has
    raise bad_rules(f"{what} is not a day", mend="write it like 2024-01-31, or null for no limit")


def bad_rules(what: str, *, mend: str, **details: Any) -> Malformed:
    """Why a file of rules cannot be used."""
    return Malformed(f"The card rules cannot be used: {what}", code="rules-malformed", mend=mend, **details)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values under one key, JSON readers disagree which counts.
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return dict(pairs)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")

"""Values that are one of a known few."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ledger.errors import Refused


def check_code(value: Any, known: Collection[str], what: str) -> None:
    """Refuse a code that is none of ``known``."""
    if not isinstance(value, str) or value not in known:
        raise Refused(f"{value} is no {what}", code=what.replace(" ", "-"), mend=f"one of: {', '.join(sorted(known))}")

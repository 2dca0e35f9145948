"""Reads: who looked at somebody's data, and to what end (``read/ACTOR``, one stream for each who reads).

Promise: a read stands in the stream of the one who read, so that looking never stands in the way of acting. What was
looked at is named by its stream; the purpose is a code. It keeps no state: a read forbids nothing.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.errors import Refused
from ledger.facts.registry import Registry
from ledger.statement import Statement

READ_TYPE: Final = "read.made.v1"


def read_stream(actor: str) -> str:
    """The stream in which ``actor`` says what they read."""
    return f"read/{actor}"


class _Reads:
    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        """Refuse a read that stands in the stream of another."""
        if act.stream != read_stream(act.actor):
            raise Refused(
                "who reads says so in a stream of their own",
                code="read-stream",
                mend=f"use {read_stream(act.actor)}",
            )

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> None:
        """Nothing is kept."""


READS: Final = _Reads()

"""Reads: who looked at somebody's data, and to what end (``read/ACTOR``, one stream for each who reads).

Promise: a read stands in the stream of the one who read, so that looking never stands in the way of acting. What was
looked at is named by its stream; the purpose is a code. It keeps no state: a read forbids nothing.

Who may say that they read may read, and nobody else: ``reading_role`` finds the role in which somebody may, ``READS``
refuses at the door, and to every verifier, what it would not have found.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.registry import Registry
from ledger.statement import Statement

READ_TYPE: Final = "read.made.v1"
FILES: Final = frozenset({"complaint", "grant", "redaction", "patrol", "live"})
"""Kinds of stream that are a complaint's file: itself, and who saw which footage, and why."""
FILE_READERS: Final = frozenset(
    {"investigator", "complaint_head", "video_custodian", "supervisor", "auditor", "privacy_officer"}
)
"""Roles whose holders read such files, where the policy lets them read at all."""


def read_stream(actor: str) -> str:
    """The stream in which ``actor`` says what they read."""
    return f"read/{actor}"


def is_file(subject: str) -> bool:
    """Whether a stream is of a complaint's file."""
    return subject.partition("/")[0] in FILES


def reading_role(registry: Registry, actor: str, subject: str) -> str | None:
    """The role in which ``actor`` may read ``subject`` under the policy that stands; None for none."""
    held = registry.appointments.get(actor)
    roles = () if held is None else sorted(held.roles & FILE_READERS if is_file(subject) else held.roles)
    return next((role for role in roles if registry.policy.rules_for(role, READ_TYPE)), None)


class _Reads:
    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        """Refuse a read that stands in the stream of another, or of a file that the role does not read."""
        if is_file(act.data["subject"]) and act.role not in FILE_READERS:
            raise NotAllowed(
                "the file of a complaint is for those who work on it", code="complaint-file", role=act.role
            )
        if act.stream != read_stream(act.actor):
            raise Refused(
                "who reads says so in a stream of their own",
                code="read-stream",
                mend=f"use {read_stream(act.actor)}",
            )

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> None:
        """Nothing is kept."""


READS: Final = _Reads()

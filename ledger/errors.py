"""Three families of error, drawn by whose fault it is.

    MingjianError
    ├── Refused          the caller's doing: what, why, what to do            exit 1, HTTP 4xx
    │   ├── NotAllowed   the actor has no right to it                          HTTP 403
    │   ├── NotFound     the thing named is not there                          HTTP 404
    │   ├── Conflict     it collides with what is recorded already             HTTP 409
    │   └── Malformed    the bytes or values given are not what they must be   HTTP 422
    ├── Evidence         the log is not what it must be; carries the proof     exit 1, HTTP 500
    └── Unavailable      try again: server, disk or lock is not there now      exit 3, HTTP 503

A bug is an assertion, never one of these. Every error has a stable ``code`` for machines and screens
(a message id that the screens translate), a ``message`` for a person, and ``details`` as JSON values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class MingjianError(Exception):
    """What could not be done, why, and how to mend it."""

    code: str = "error"

    def __init__(self, message: str, *, code: str | None = None, mend: str = "", **details: Any) -> None:
        """Keep what a person needs (``message``, ``mend``) and what a machine needs (``code``, ``details``)."""
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.details: Mapping[str, Any] = details
        if code is not None:
            self.code = code

    def as_json(self) -> dict[str, Any]:
        """The error as one JSON object: ``{"error": {"code", "message", "mend", …details}}``."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.mend:
            body["mend"] = self.mend
        return {"error": body | dict(self.details)}


class Refused(MingjianError):
    """The caller's doing. Nothing was changed."""

    code = "refused"


class NotAllowed(Refused):
    """The actor has no right to this act, here and now."""

    code = "not-allowed"


class NotFound(Refused):
    """The thing named is not there."""

    code = "not-found"


class Conflict(Refused):
    """It collides with what is recorded already."""

    code = "conflict"


class Malformed(Refused):
    """Bytes or values that are not what they must be."""

    code = "malformed"


class Evidence(MingjianError):
    """The log is not what it must be. ``details`` name the entry, row or file and both values."""

    code = "evidence"


class Unavailable(MingjianError):
    """A part that must answer does not. Nothing was changed, or it will be found on the next try."""

    code = "unavailable"

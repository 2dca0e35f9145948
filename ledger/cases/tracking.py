"""Tracking codes: what lets a citizen, and nobody else, follow their own matter.

Promise: a code has 80 random bits, is shown once and written so that it can be read aloud (``7K2M-X9QD-…``, without
I, L, O and U); what stands in the log is its SHA-256 alone. Capitals, spaces and hyphens do not matter when typed.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 16


def new_tracking_code() -> str:
    """A code for one matter, in groups of four."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return "-".join(letters[at : at + 4] for at in range(0, _LENGTH, 4))


def tracking_digest(code: str) -> str:
    """What stands of a code in the log."""
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()

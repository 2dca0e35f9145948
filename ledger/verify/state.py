"""What an audit keeps for the next one: how far the log was verified, and what the rules remember at that place.

    mingjian-verify state v1\\n
    32 bytes                     SHA-256 of all that follows
    …                            zlib of a pickle, of plain values and of the classes named below only

Promise: ``load_state`` gives back what ``save_state`` kept, for the same policy and the same version of the rules, or
None: a damaged, foreign or outdated file is as if there were none, and the audit begins at entry 0. The file is the
auditor's own and is believed as the auditor's disk is; still, reading it runs nothing but the making of such objects.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import Unavailable
from ledger.files import replace_file
from ledger.tree.policy import Policy

RULES: Final = 4
"""Of ``replay``: a change of what it asks or remembers is a new number, and old files are not read any more."""
_MAGIC: Final = b"mingjian-verify state v1\n"
_ROOMS: Final = ("ledger.facts.", "ledger.statement.", "ledger.tree.", "ledger.verify.")
_OTHERS: Final = frozenset(
    {
        ("array", "array"),
        ("array", "_array_reconstructor"),
        ("builtins", "bytearray"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("collections", "deque"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far: the tree of ``size`` entries and ``root``, all of whose rules were found kept."""

    size: int
    root: bytes
    whole: bytes
    """The frontier after the last full bundle below ``size``."""
    note: bytes | None
    """The signed head at ``size``; None when the audit was broken off on its way to one."""
    signatures: int | None
    """How many held; None when they were left out."""
    replay: Mapping[str, Any]


def save_state(path: Path, state: State, policy: Policy) -> None:
    """Keep it, whole or not at all."""
    values = {name: getattr(state, name) for name in State.__dataclass_fields__}
    body = zlib.compress(pickle.dumps((_made_for(policy), values), protocol=5), level=1)
    try:
        replace_file(path, _MAGIC + hashlib.sha256(body).digest() + body, durable=True)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror or error}", code="state", mend="name another file for --state"
        ) from error


def load_state(path: Path, policy: Policy, *, signatures: bool) -> State | None:
    """What was kept for this policy; None also where signatures are wanted and were left out then."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error.strerror or error}", code="state", mend="name another file for --state"
        ) from error
    digest, body = raw[len(_MAGIC) : len(_MAGIC) + 32], raw[len(_MAGIC) + 32 :]
    if not raw.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        return None
    try:
        made_for, values = _Reader(io.BytesIO(zlib.decompress(body))).load()
        state = State(**values)
    except Exception:  # a file that carries its digest and still does not load is of another version
        return None
    if made_for != _made_for(policy) or (signatures and state.signatures is None):
        return None
    return state


def _made_for(policy: Policy) -> tuple[int, str, bytes]:
    return RULES, sys.implementation.cache_tag or "", hashlib.sha256(policy.to_bytes()).digest()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _OTHERS or module.startswith(_ROOMS):
            found = super().find_class(module, name)
            if isinstance(found, type) or (module, name) in _OTHERS:
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")

"""Older versions of a type, read as the newest one.

Promise: a statement's bytes, id and place stay what was signed; only whoever folds or counts reads an older version
as if it had been stated in today's words. A version is never taken out: what was signed once is read for ever. Which
versions may still be appended is the policy's matter, as every right is: its rules name types in their versions.

    from               to                 what the older one meant
    ticket.taken.v1    ticket.taken.v2    channel: counter
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from ledger.statement import Statement

Data = dict[str, Any]

_UPCASTS: Final[Mapping[str, tuple[str, Callable[[Data], Data]]]] = {
    "ticket.taken.v1": ("ticket.taken.v2", lambda data: {**data, "channel": "counter"}),
}


def current_form(type_name: str, data: Data) -> tuple[str, Data]:
    """The newest version of a type and its data; both as they are when there is no newer one."""
    while (step := _UPCASTS.get(type_name)) is not None:
        type_name, data = step[0], step[1](data)
    return type_name, data


def current(act: Statement) -> Statement:
    """The act in its type's newest version. ``entry`` and ``id`` stay those of what was signed."""
    if act.type not in _UPCASTS:
        return act
    type_name, data = current_form(act.type, act.data)
    return replace(act, type=type_name, data=data)

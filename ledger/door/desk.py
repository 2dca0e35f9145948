"""Where somebody works: who acts, as what and from where, so that a command says only what is done.

A desk holds no state. It makes wishes whose key is kept here and sends them through the door; the same wish can be
had with ``wish`` alone, to prepare it for a key kept elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ledger.door.door import Door, Outcome, Wish
from ledger.keys import SigningKey
from ledger.statement import instant_text, instant_us
from ledger.store.sequencer import now_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One actor in one role. ``clock``: gives the claimed time (µs); ``late``: why an entry comes afterwards."""

    door: Door
    actor: str
    key: SigningKey
    role: str
    unit: str | None = None
    window: str | None = None
    clock: Callable[[], int] = now_us
    late: str | None = None

    def afterwards(self, at: str, ground: str) -> Self:
        """The desk for late entries: from ``paper`` or after an ``outage``, of what happened at ``at`` (RFC 3339)."""
        then = instant_us(at)
        return replace(self, clock=lambda: then, late=ground)

    def wish(self, stream: str, type_name: str, values: Mapping[str, Any], **more: Any) -> Wish:
        """What this actor wants stated now; None among ``values`` is left out.

        ``more``: the fields of ``Wish``; without ``request`` the wish gets one of its own.
        """
        return Wish(
            actor=self.actor,
            role=self.role,
            stream=stream,
            type=type_name,
            at=instant_text(self.clock()),
            values={name: value for name, value in values.items() if value is not None},
            unit=self.unit,
            window=self.window,
            **({"request": secrets.token_hex(16)} | more),
        )

    def say(self, stream: str, type_name: str, values: Mapping[str, Any], **more: Any) -> Outcome:
        """State it."""
        return self.door.submit(self.wish(stream, type_name, values, **more), self.key)

    def state(self, stream: str) -> Any:
        """What the stream's statements add up to now, unsealed ones included; None when there are none."""
        _, registry = self.door.registry()
        found = self.door.stream(registry, stream)
        return None if found is None else found.state

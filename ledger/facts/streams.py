"""How the statements of one stream add up: a fold per kind of stream.

A fold has two pure halves. ``check`` refuses an act that the stream's state forbids (``Refused``, with a code, a
reason and what to do). ``apply`` takes in a valid act and returns the next state. Aggregates call both before they
sign, the sequencer and the outsider's verifier call both on what stands in the log, projections call ``apply``.

``check`` asks the registry as it stands at the act's place. ``apply`` asks it only for what never changes once it
is there (whose an actor id is, what an item's version says), so a stream may be folded again under any later
registry and comes out the same.

Governing streams (keys, people, catalogue …) have no fold here: their state is the ``Registry``.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from ledger.errors import Malformed, NotAllowed, Refused
from ledger.facts import approval, attested, courses, erasure, footage, grants, patrol, read, ticket, times
from ledger.facts.registry import Registry, adapter_of
from ledger.facts.types import TYPES, check_data, type_named
from ledger.statement import Statement


class Fold(Protocol):
    """The fold of one kind of stream. States are frozen; None is the state before the first statement."""

    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        """Refuse ``act`` when ``state`` (or the catalogue) forbids it."""

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> Any:
        """The state after ``act``; ``recorded_us`` is its batch's time (None: not yet in the tree)."""


class _Imported:
    """Imported history: any activity, no forbidden transition; the case comes first, then its events."""

    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        if (act.seq == 1) != (act.type == "imported.case.v1") and act.type != "imported.case.v1":
            raise Refused("an imported case begins with imported.case.v1", code="imported-order")

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> Any:
        return None


FOLDS: Final[dict[str, Fold]] = {
    "approval": approval.FOLD,
    "ticket": ticket.FOLD,
    "imported": _Imported(),
    "heads": attested.HEADS,
    "attestation": attested.ATTESTATIONS,
    "erasure": erasure.ERASURES,
    "disclosure": erasure.DISCLOSURES,
    "log": times.LOG,
    "recorder": footage.RECORDERS,
    "footage": footage.FOOTAGE,
    "read": read.READS,
    "grant": grants.GRANTS,
    "redaction": grants.REDACTIONS,
    "live": patrol.LIVE,
    **courses.FOLDS,
}


def check_act(registry: Registry, act: Statement, state: Any) -> None:
    """Everything that makes an act valid beside its signature and its place: type, claims, data, rights, state.

    ``state`` is the state of the act's stream before it (None for streams without a fold). Raises a ``Refused``
    whose ``code`` is the reason that a ``log.voided.v1`` would state.
    """
    declared = type_named(act.type)
    if act.audience != registry.origin:
        raise Malformed("the statement is meant for another log", code="audience")
    if act.kind != declared.stream_kind:
        raise Malformed(f"{act.type} does not belong in {act.stream}", code="stream-kind")
    check_data(declared, act.data, len(act.sd))
    if "hand" in act.data and adapter_of(act.actor) is None:
        raise NotAllowed("only an adapter says whose act it was", code="hand", mend="leave it out, and act yourself")
    if state is None:
        registry.check_rights(act)
    else:
        unit_of = getattr(state, "unit_of", None)
        registry.check_rights(
            act,
            acceptor=getattr(state, "acceptor", None),
            opener=getattr(state, "opener", None),
            case_unit=None if unit_of is None else unit_of(act),
            on_the_spot=getattr(state, "on_the_spot", None),
            proposals=getattr(state, "proposals", None),
        )
    if declared.governs:
        registry.check_state(act)
    fold = FOLDS.get(declared.stream_kind)
    if fold is not None:
        fold.check(state, act, registry)


def governs(type_name: str) -> bool:
    """Whether a statement of this type changes what is valid at the door."""
    declared = TYPES.get(type_name)
    return declared is not None and declared.governs

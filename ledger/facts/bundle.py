"""A bundle: several linked cases that are one matter to the citizen (a house sale: title, water, power, gas).

Promise: as for ``stages``; a bundle is closed only when every one of its cases is done.

    (nothing) ── opened ──▶ open ── child_finished, of the last one ──▶ done ── closed ──▶ closed
                            │  ▲ child_added · child_finished            │
                            └──┘ ◀─────────────── child_added ───────────┘

Children are streams. That one is finished is stated with the statement that ended it among the causes; that this
statement is the child's can only be seen where the whole log is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.stages import Matter, StageFold, check_causes, check_names, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(Matter):
    """The state of a bundle. ``children``: stream → its outcome, None while it goes on."""

    children: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def waiting(self) -> list[str]:
        """The children that are not finished."""
        return [child for child, outcome in self.children.items() if outcome is None]


COURSE: Final = course(
    "bundle",
    """
    -          opened          open    window_clerk+own_window,enterprise_officer
    open,done  child_added     open    window_clerk+own_window,enterprise_officer
    open       child_finished  open|done  window_clerk+own_window,enterprise_officer
    done       closed          closed  window_clerk+own_window,enterprise_officer
    """,
)


def _check(state: Bundle | None, act: Statement, registry: Registry) -> None:
    verb = verb_of(act.type)
    children = {} if state is None else state.children
    if verb == "opened":
        check_names(act.data["children"], "cases")
    elif verb == "child_added" and act.data["child"] in children:
        raise Refused(f"{act.data['child']} is in this bundle already", code="child-known", mend="name another case")
    elif verb == "child_finished":
        if children.get(act.data["child"], "") is not None:
            waiting = ", ".join(child for child, outcome in children.items() if outcome is None)
            raise Refused(
                f"{act.data['child']} is no case that this bundle waits for",
                code="child",
                mend=f"it waits for: {waiting}",
            )
        check_causes(act, "statement that ended the case")


def _take(state: Bundle, act: Statement, registry: Registry) -> Bundle:
    match verb_of(act.type):
        case "opened":
            return replace(state, children=dict.fromkeys(act.data["children"]))
        case "child_added":
            return replace(state, children={**state.children, act.data["child"]: None})
        case "child_finished":
            state = replace(state, children={**state.children, act.data["child"]: act.data["outcome"]})
            return state if state.waiting else replace(state, stage="done")
    return state


FOLD: Final = StageFold(COURSE, Bundle, check=_check, take=_take)

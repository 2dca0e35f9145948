"""Acting for somebody (代办): the consent comes first, and whoever acts is the one it names.

    (nothing) ── consented ──▶ consented ── assigned ──▶ assigned ── acted (again and again) ──▶ assigned
                                  │                        │ ▲ assigned, to another
                                  │ withdrawn              │ └─┘
                                  ▼                        ├── withdrawn ──▶ withdrawn
                               withdrawn                   └── ended ──▶ ended

Promise: as for ``stages``. Nobody acts before the consent, after its last day, outside what it is for, or once it is
withdrawn; the one who recorded the consent says in which form it was given. Whose consent it is stands sealed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.case_clocks import day_at
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_names, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

FORMS: Final = frozenset({"written", "witnessed", "recorded", "guardian"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy(Matter):
    """The state of a proxy. ``scope``: items it is for; ``until``: the consent's last day, ISO; ``agent``: actor."""

    scope: frozenset[str] = frozenset()
    until: str = ""
    agent: str | None = None
    cases: tuple[str, ...] = ()


COURSE: Final = course(
    "proxy",
    """
    -                   consented  consented  grid_worker,window_clerk+own_window
    consented,assigned  assigned   assigned   grid_worker,tier_dispatcher
    assigned            acted      =          grid_worker,proxy
    consented,assigned  withdrawn  withdrawn  grid_worker,window_clerk+own_window,citizen
    assigned            ended      ended      grid_worker,proxy,tier_dispatcher
    """,
)


def _check(state: Proxy | None, act: Statement, registry: Registry) -> None:
    verb, data = verb_of(act.type), act.data
    if verb == "consented":
        check_code(data["form"], FORMS, "form of consent")
        check_names(data["scope"], "items")
        if data["until"] < day_at(act.at_us).isoformat():
            raise Refused("the consent would be over already", code="until", mend="name a last day to come")
    elif verb == "assigned":
        registry.appointment_of(data["agent"])
    elif state is not None and verb == "acted":
        if act.actor != state.agent:
            raise NotAllowed(
                f"{state.agent} acts here, not {act.actor}", code="agent", mend=f"let {state.agent} act, or assign anew"
            )
        if data["item"] not in state.scope:
            raise NotAllowed(
                f"the consent is not for {data['item']}",
                code="scope",
                mend=f"it is for: {', '.join(sorted(state.scope))}; have a new consent recorded",
            )
        if day_at(act.at_us).isoformat() > state.until:
            raise NotAllowed(
                f"the consent ended on {state.until}", code="until", mend="have a new consent recorded first"
            )


def _take(state: Proxy, act: Statement, registry: Registry) -> Proxy:
    match verb_of(act.type):
        case "consented":
            return replace(state, scope=frozenset(act.data["scope"]), until=act.data["until"])
        case "assigned":
            return replace(state, agent=act.data["agent"])
        case "acted":
            return replace(state, cases=(*state.cases, act.data["case"]))
    return state


FOLD: Final = StageFold(COURSE, Proxy, check=_check, take=_take)

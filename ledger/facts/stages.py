"""How a stream is told that goes from stage to stage: a table in words, and the one fold that reads it.

Promise: an act comes only where a line of the table has it; who is refused learns what can come now. Beside the table
a stream has its own rules as plain code (``check``) and keeps what it needs of its acts (``take``). As everywhere,
``apply`` is pure and asks the registry only for what never changes.

A line of a table reads

    stages before      act         stage after    who may state it
    named,in_session   session_held   in_session     mediator

``-`` before: nothing yet, the act opens the stream; ``=`` after: it stays where it is; ``open|done``: what the act says
decides (the first unless the stream's own code says otherwise). Who: roles, each perhaps with
predicates of the policy (``window_clerk+own_window``). The table's last column is the first policy's; from then on the
policy in the log decides, and the table only where an act may come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ledger.errors import NotAllowed, Refused
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

NOTHING: Final = "-"
STAYS: Final = "="


def words(name: str) -> str:
    """A code as one reads it: ``gaps_told`` → “gaps told”."""
    return name.replace("_", " ")


def out_of_order(
    verb: str, *, kind: str, thing: str, stage: str | None, unopened: str, possible: Iterable[str]
) -> Refused:
    """Why ``verb`` cannot come now, and what can. ``thing``: “the case”; ``unopened``: what it is before it begins."""
    return Refused(
        f"“{words(verb)}” cannot come now: {thing} is {unopened if stage is None else words(stage)}",
        code=f"{kind}-order",
        mend=f"what can come now: {', '.join(map(words, possible)) or 'nothing'}",
        stage=stage,
    )


@dataclass(frozen=True, slots=True)
class Course:
    """A parsed table. ``moves``: act → stage before → stages after; ``who``: act → roles with their predicates."""

    kind: str
    moves: Mapping[str, Mapping[str, tuple[str, ...]]]
    who: Mapping[str, tuple[str, ...]]

    @property
    def stages(self) -> frozenset[str]:
        """Every stage that an act leads to."""
        return frozenset(stage for ends in self.moves.values() for afters in ends.values() for stage in afters)

    def possible(self, stage: str | None) -> list[str]:
        """The acts whose turn it may be at ``stage`` (None: before the first)."""
        return [verb for verb, ends in self.moves.items() if (stage or NOTHING) in ends]

    def rules(self) -> list[dict[str, Any]]:
        """The rules of a policy that allow what the last column says, one for each role and its predicates."""
        types: dict[str, list[str]] = {}
        for verb, roles in self.who.items():
            for role in roles:
                types.setdefault(role, []).append(f"{self.kind}.{verb}.v1")
        made = []
        for spoken, names in types.items():
            role, *when = spoken.split("+")
            made.append({"role": role, "types": names} | ({"when": when} if when else {}))
        return made


def course(kind: str, table: str) -> Course:
    """The table of the streams of ``kind``."""
    moves: dict[str, dict[str, tuple[str, ...]]] = {}
    who: dict[str, tuple[str, ...]] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        before, verb, after, roles = line.split()
        ends = moves.setdefault(verb, {})
        for stage in before.split(","):
            afters = tuple(stage if each == STAYS else each for each in after.split("|"))
            assert ends.setdefault(stage, afters) == afters, f"{kind}: {verb} has two ends after {stage}"
        who[verb] = tuple(dict.fromkeys((*who.get(verb, ()), *roles.split(","))))
    found = Course(kind, moves, who)
    befores = {stage for ends in moves.values() for stage in ends}
    assert befores - {NOTHING} <= found.stages, f"{kind}: no act leads to {befores - found.stages}"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """Where something stands that goes from stage to stage. ``hands``: act → the person who did it last."""

    stage: str
    opener: str  # actor
    unit: str | None = None  # whose turn it is, where the stream says so
    hands: Mapping[str, str] = field(default_factory=dict)

    def unit_of(self, act: Statement) -> str | None:
        """The unit whose act this is."""
        return self.unit


M = TypeVar("M", bound=Matter)


class StageFold(Generic[M]):
    """The fold of the streams of one course. ``check`` and ``take`` are called in turn, after the table agreed."""

    def __init__(
        self,
        of: Course,
        state: type[M],
        *,
        check: Callable[[M | None, Statement, Registry], None] | None = None,
        take: Callable[[M, Statement, Registry], M] | None = None,
    ) -> None:
        self.course = of
        self._state = state
        self._check = check
        self._take = take

    def check(self, state: M | None, act: Statement, registry: Registry) -> None:
        """Refuse ``act`` when the table or the stream's own rule forbids it."""
        verb, stage = verb_of(act.type), None if state is None else state.stage
        if (stage or NOTHING) not in self.course.moves.get(verb, {}):
            raise out_of_order(
                verb,
                kind=self.course.kind,
                thing=f"{act.stream:.100}",
                stage=stage,
                unopened="not opened yet",
                possible=self.course.possible(stage),
            )
        if self._check is not None:
            self._check(state, act, registry)

    def apply(self, state: M | None, act: Statement, recorded_us: int | None, registry: Registry) -> M:
        """The matter after a valid ``act``."""
        verb = verb_of(act.type)
        after = self.course.moves[verb][NOTHING if state is None else state.stage][0]
        hands = {**({} if state is None else state.hands), verb: hand_of(act, registry)}
        if state is None:
            state = self._state(stage=after, opener=act.actor, hands=hands)
        else:
            state = replace(state, stage=after, hands=hands)
        return state if self._take is None else self._take(state, act, registry)


def hand_of(act: Statement, registry: Registry) -> str:
    """Whose act it is: whom an adapter names (``hand``), else the person behind the actor."""
    return str(act.data.get("hand") or registry.person_of(act.actor))


# ── What the streams' own rules share ──────────────────────────────────────────────────────────────────────


def check_second_person(state: Matter, act: Statement, registry: Registry, first: str) -> None:
    """Refuse the person who did ``first`` last: this act is another's (four eyes)."""
    if state.hands.get(first) == hand_of(act, registry):
        raise NotAllowed(
            f"whoever stated “{words(first)}” does not state “{words(verb_of(act.type))}”",
            code="two-persons",
            mend="have another person state it",
        )


def check_causes(act: Statement, what: str) -> None:
    """Refuse an act that does not name the statement it rests on."""
    if not act.causes:
        raise Refused(f"it names no {what}", code="causes", mend=f"give the id of the {what} among the causes")


def check_amount(fen: int) -> None:
    """Refuse to state that no money moved."""
    if fen < 1:
        raise Refused("an amount is at least one fen", code="amount", mend="state what moved, in whole fen")


def check_names(names: Collection[str], what: str) -> None:
    """Refuse an empty list, or one that names something twice."""
    if not names or len(set(names)) != len(names):
        raise Refused(
            f"the {what} are none, or one is named twice", code="names", mend="name each once, and all of them"
        )

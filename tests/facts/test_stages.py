"""The table form itself, and what every stream that is told by a table owes its readers."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.courses import FOLDS
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.policy import PREDICATES
from ledger.facts.stages import NOTHING, check_amount, check_names, course, out_of_order
from ledger.facts.types import TYPES

# What is for everybody to read; every other free text is sealed.
PUBLIC_TEXTS = {
    "consultation.proposed.v1": {"topic"},
    "consultation.scheduled.v1": {"place"},
    "consultation.released.v1": {"title"},
    "plan.drafted.v1": {"title"},
    "trading.planned.v1": {"project"},
}
# The centres' streams, and where nothing comes any more; each goes on from anywhere else.
LAST_STAGES = {
    "appointment": {"kept", "missed", "cancelled"},
    "assistance": set(),  # after the closing an amount may still be reversed
    "bundle": {"closed"},
    "complaint": set(),  # after the closing a review may be asked for
    "consultation": {"closed"},
    "drill": {"reviewed", "cancelled"},
    "duty": set(),
    "emergency": {"reviewed"},
    "enterprise_help": {"closed"},
    "grid": {"closed"},
    "inspection": {"closed", "cancelled"},
    "mediation": set(),  # after the closing the petition may come up again
    "plan": {"retired"},
    "proxy": {"withdrawn", "ended"},
    "rating": {"followed_up"},
    "referral": {"taken"},
    "reservation": {"begun", "declined", "lapsed", "withdrawn"},
    "trading": {"complete", "cancelled"},
}
kinds = pytest.mark.parametrize("kind", LAST_STAGES)


@pytest.mark.parametrize("kind", FOLDS)
def test_every_act_of_the_table_has_its_type_and_every_type_its_act(kind: str) -> None:
    declared = {name.split(".")[1] for name, of in TYPES.items() if of.stream_kind == kind}
    assert declared == set(FOLDS[kind].course.moves)


@kinds
def test_every_act_is_drawn_in_the_words_of_its_file(kind: str) -> None:
    drawn = sys.modules[f"ledger.facts.{kind}"].__doc__ or ""
    assert not [verb for verb in FOLDS[kind].course.moves if not re.search(rf"\b{verb}\b", drawn)]


@kinds
def test_every_stage_is_reached_and_only_the_last_ones_end(kind: str) -> None:
    of = FOLDS[kind].course
    reached, new = set(), {NOTHING}
    while new:
        reached |= new
        new = {
            after for ends in of.moves.values() for stage in reached & ends.keys() for after in ends[stage]
        } - reached
    assert reached == of.stages | {NOTHING}
    assert {stage for stage in of.stages if not of.possible(stage)} == LAST_STAGES[kind]


@pytest.mark.parametrize("kind", FOLDS)
def test_who_may_act_is_said_in_words_that_the_policy_knows(kind: str) -> None:
    roles = {rule["role"] for rule in FIRST_POLICY["rules"]}
    for rule in FOLDS[kind].course.rules():
        assert rule["role"] in roles
        assert set(rule.get("when", [])) <= PREDICATES


@kinds
def test_free_text_is_sealed_but_for_what_is_for_everybody(kind: str) -> None:
    for name, of in TYPES.items():
        if of.stream_kind == kind:
            texts = {field for field, said in of.fields.items() if said.kind == "text" and said.privacy == "public"}
            assert texts == PUBLIC_TEXTS.get(name, set()), name


def test_a_line_says_before_act_after_and_who() -> None:
    found = course(
        "door",
        """
        -        built   closed       joiner
        closed   opened  open|broken  porter,guest+own_unit
        open     shut    closed       porter
        open     held    =            guest
        """,
    )
    assert found.possible(None) == ["built"]
    assert found.possible("open") == ["shut", "held"]
    assert found.moves["opened"] == {"closed": ("open", "broken")}
    assert found.moves["held"] == {"open": ("open",)}
    assert found.rules()[1:] == [
        {"role": "porter", "types": ["door.opened.v1", "door.shut.v1"]},
        {"role": "guest", "types": ["door.opened.v1"], "when": ["own_unit"]},
        {"role": "guest", "types": ["door.held.v1"]},
    ]


@pytest.mark.parametrize("table", ["- a one x\ntwo b one x", "- a one x\none b one x\none b two x\n two c one x"])
def test_a_table_that_contradicts_itself_or_hangs_in_the_air_is_a_bug(table: str) -> None:
    with pytest.raises(AssertionError):
        course("door", table)


def test_who_is_refused_learns_what_can_come_now() -> None:
    of: dict[str, Any] = {"kind": "door", "thing": "the door", "unopened": "not built yet"}
    why = out_of_order("swung_open", stage=None, possible=["built"], **of)
    assert (str(why), why.code, why.mend) == (
        "“swung open” cannot come now: the door is not built yet",
        "door-order",
        "what can come now: built",
    )
    assert out_of_order("built", stage="shut_off", possible=[], **of).mend == "what can come now: nothing"


@pytest.mark.parametrize("bad", ["x", "", None, 3, ["a"], {"a": 1}])
def test_a_code_is_one_of_those_known(bad: Any) -> None:
    with pytest.raises(Refused) as caught:
        check_code(bad, {"a", "b"}, "kind of door")
    assert (caught.value.code, caught.value.mend) == ("kind-of-door", "one of: a, b")


def test_an_amount_is_at_least_one_fen_and_names_come_once() -> None:
    check_amount(1)
    check_names(["a", "b"], "doors")
    for wrong in (lambda: check_amount(0), lambda: check_names([], "doors"), lambda: check_names(["a", "a"], "doors")):
        with pytest.raises(Refused):
            wrong()

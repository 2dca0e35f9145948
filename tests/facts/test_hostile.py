"""Whatever well-formed statement comes in, the answer is yes or a refusal of ours, never an accident."""

from __future__ import annotations

import base64
import contextlib
import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import MingjianError
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.types import TYPES, Field


def encode_bytes(raw: bytes) -> str:
    """A digest as ``_sd`` holds it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# Deep enough for a policy in a proposal, and rich in what is nearly right.
NEARLY = st.sampled_from(
    [
        "",
        "0",
        "zz",
        "00" * 16,
        "00" * 32,
        "01" + "00" * 31,
        "c",
        "env",
        "permit",
        "hearing",
        "statutory",
        "granted",
        "staff/chen",
        "source/",
        "source/a/b",
        "2024-03-05",
        "2024-02-30",
        "9999-12-31",
        "9999-12-31T23:59:59-23:59",
        "promise",
        "actor",
        *sorted(TYPES)[::7],
    ]
)
SCALARS = (st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | NEARLY | st.text(max_size=8)).filter(
    lambda value: not isinstance(value, str) or value.isprintable()
)
NAMES = st.sampled_from(sorted({name for of in TYPES.values() for name in of.fields})) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126), max_size=6
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
DATES = st.dates().map(lambda day: day.isoformat())
WORDS = ["env", "permit", "hearing", "statutory", "joint", "granted", "denied", "map", "c", "survey", "w1"]
CODES = st.sampled_from(WORDS) | st.from_regex(r"[a-z][a-z._/-]{0,8}", fullmatch=True)
HEX = st.binary(min_size=1, max_size=40).map(bytes.hex)
CLOCK = st.fixed_dictionaries(
    {}, optional={name: JSON for name in ["limit", "unit", "start", "pauses", "roll", "extend", "last_instant"]}
)
POLICIES = st.just(FIRST_POLICY) | st.fixed_dictionaries(
    {"vocabulary": st.just(1), "term_days": JSON, "rules": st.lists(st.dictionaries(NAMES, JSON) | JSON, max_size=2)}
)


def content_of(fields: dict[str, Field]) -> st.SearchStrategy[dict[str, Any]]:
    """Data of the right shape: every field of its own kind, so that what is behind the shape is reached."""

    def value(name: str, field: Field) -> st.SearchStrategy[Any]:
        if name == "content":
            return st.sampled_from(sorted(TYPES)).flatmap(lambda change: content_of(dict(TYPES[change].fields)))
        if name == "policy":
            return POLICIES
        if name == "clocks" and field.kind == "object":
            return st.dictionaries(st.sampled_from(["statutory", "promise", "joint", "step", "x"]), CLOCK)
        if field.privacy == "pseudonym":
            return st.binary(min_size=16, max_size=16).map(bytes.hex)
        return {
            "code": CODES | st.sampled_from(sorted(TYPES)),
            "codes": st.lists(CODES | DATES, max_size=3),
            "date": DATES,
            "text": st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=5),
            "id": st.binary(min_size=32, max_size=32).map(bytes.hex),
            "ids": st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=3, unique=True),
            "digests": st.lists(st.binary(min_size=32, max_size=32).map(encode_bytes), max_size=3, unique=True).map(
                sorted
            ),
            "hex": HEX | st.just("01" + "00" * 31) | st.binary(min_size=32, max_size=32).map(bytes.hex),
            "bool": st.booleans(),
            "int": st.integers(-(2**53) + 1, 2**53 - 1),
            "count": st.integers(0, 2**53 - 1),
            "fen": st.integers(0, 2**53 - 1),
            "instant": st.just("2024-03-04T09:00:00Z"),
            "object": st.dictionaries(NAMES, JSON, max_size=3),
            "values": st.lists(st.just(["a", "string", "b"]), max_size=2),
        }[field.kind]

    open_fields = {name: value(name, field) for name, field in fields.items() if field.privacy != "sealed"}
    needed = {name: made for name, made in open_fields.items() if fields[name].required}
    return st.fixed_dictionaries(
        needed, optional={name: made for name, made in open_fields.items() if name not in needed}
    )


ROLES = {
    "key_officer": "staff/lin",
    "catalogue_admin": "staff/cat-a",
    "window_clerk": "staff/chen",
    "approver": "staff/sun",
    "reviewer": "staff/qian",
    "unit_head": "staff/head",
    "system_clock": "system/clock",
}
PATHS = ["", "applied", "applied gaps_told", "applied accepted", "applied accepted_with_gaps step_started"]
TIMES = st.sampled_from(
    ["2024-03-04T09:00:00+08:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2024-03-30T09:00:00Z"]
)


def everybody_may(hall: Any) -> None:
    """A policy under which rights stop nobody, so that what comes after them is reached."""
    kinds = sorted({f"{name.partition('.')[0]}.*" for name in TYPES})
    rules = [*FIRST_POLICY["rules"], *({"role": role, "types": kinds} for role in ROLES)]
    hall.agree("policy.changed.v1", "policy", {"policy": {**FIRST_POLICY, "rules": rules}})


@pytest.fixture(scope="module")
def all_halls(new_hall: Any) -> list[Any]:
    """A hall for each stage of a case, under the first policy and under one that allows all."""
    found = []
    for path in PATHS:
        for lax in (False, True):
            hall = new_hall.staffed()
            for verb in path.split():
                hall.on("c", verb)
            if lax:
                everybody_may(hall)
            found.append(hall)
    return found


@pytest.mark.parametrize("type_", sorted(TYPES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(draw=st.data())
def test_check_act_answers_or_refuses(all_halls: list[Any], type_: str, draw: st.DataObject) -> None:
    hall = draw.draw(st.sampled_from(all_halls))
    data = draw.draw(content_of(dict(TYPES[type_].fields)) | st.dictionaries(NAMES, JSON, max_size=4))
    role, actor = draw.draw(st.sampled_from(sorted(ROLES.items())))
    kind = TYPES[type_].stream_kind
    stream = draw.draw(st.sampled_from([f"{kind}/c", kind, "key/staff/chen", "approval/c", "item/permit"]))
    act = hall.act(
        type_,
        stream,
        data,
        actor=actor,
        role=role,
        at=draw.draw(TIMES),
        unit=draw.draw(st.sampled_from(["env", None])),
        window=draw.draw(st.sampled_from(["w1", None])),
        sd=draw.draw(st.sampled_from([(), ("A" * 43,)])),
    )
    state = hall.states.get(act.stream)
    with contextlib.suppress(MingjianError):
        check_act(hall.registry, act, state)
        if act.kind in FOLDS:
            FOLDS[act.kind].apply(state, act, None, hall.registry)
        elif TYPES[type_].governs:
            copy.deepcopy(hall.registry).apply(act, 99)


@given(data=st.dictionaries(NAMES, JSON, max_size=4) | content_of(dict(TYPES["ledger.opened.v1"].fields)))
@settings(max_examples=100, deadline=None)
def test_any_opening_is_taken_or_refused(new_hall: Any, data: dict[str, Any]) -> None:
    with contextlib.suppress(MingjianError):
        new_hall(data)


OFFICER = st.fixed_dictionaries({name: JSON for name in ("actor", "person", "key", "custody")}) | JSON


@given(officers=st.fixed_dictionaries({"first": OFFICER, "second": OFFICER}) | JSON)
@settings(max_examples=100, deadline=None)
def test_any_officers_are_taken_or_refused(new_hall: Any, genesis: Any, officers: Any) -> None:
    with contextlib.suppress(MingjianError):
        new_hall(genesis(officers=officers))


@given(act_data=JSON)
@settings(max_examples=100, deadline=None)
def test_registry_questions_alone_refuse_too(all_halls: list[Any], act_data: Any) -> None:
    """``check_rights`` is also asked without ``check_data`` before it."""
    hall = all_halls[0]
    registry: Registry = hall.registry
    act = hall.act("unit.registered.v1", "unit/c", {"proposal": act_data}, actor="staff/cat-b", role="catalogue_admin")
    with contextlib.suppress(MingjianError):
        registry.check_rights(act)

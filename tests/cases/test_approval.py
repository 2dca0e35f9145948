"""An approval through the real door: what may follow what, who may do it, and that nothing refused leaves a trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.cases import approval
from ledger.errors import Conflict, MingjianError, NotAllowed, Refused
from ledger.facts.approval import BESIDE, TABLE, Stage

Place = Any
Command = Callable[[Place, str], Any]

# Each command with plain content, stated by somebody whose act it is.
COMMANDS: dict[str, Command] = {
    "apply": lambda p, c: approval.apply_for(p.desk("staff/chen"), c, "permit", applicant="张三", papers=["form"]),
    "apply for a stamp": lambda p, c: approval.apply_for(p.desk("staff/chen"), c, "stamp", applicant="张三"),
    "tell gaps": lambda p, c: approval.tell_gaps(p.desk("staff/chen"), c, ["map"]),
    "supply": lambda p, c: approval.supply(p.desk("staff/chen"), c, ["map"]),
    "accept": lambda p, c: approval.accept(p.desk("staff/chen"), c, note="齐全"),
    "accept with gaps": lambda p, c: approval.accept_with_gaps(p.desk("staff/chen"), c, ["map"]),
    "fill gap": lambda p, c: approval.fill_gap(p.desk("staff/chen"), c, "map"),
    "refuse": lambda p, c: approval.refuse(p.desk("staff/chen"), c, reason="scope", reasons="不属本单位"),
    "open branch": lambda p, c: approval.open_branch(p.desk("staff/chen"), c, "fire", "fire"),
    "finish branch": lambda p, c: approval.finish_branch(p.desk("staff/fire"), c, "fire", "agreed"),
    "start step": lambda p, c: approval.start_step(p.desk("staff/qian"), c, "survey"),
    "finish step": lambda p, c: approval.finish_step(p.desk("staff/qian"), c, "survey"),
    "suspend": lambda p, c: approval.suspend(p.desk("staff/qian"), c, "hearing", notice="n-1"),
    "resume": lambda p, c: approval.resume(p.desk("staff/qian"), c, "hearing"),
    "extend": lambda p, c: approval.extend(p.desk("staff/head"), c, "statutory", 10, approval="a-1", reasons="复杂"),
    "grant": lambda p, c: approval.decide(p.desk("staff/sun"), c, "granted"),
    "deny": lambda p, c: approval.decide(p.desk("staff/sun"), c, "denied", reasons="不符"),
    "withdraw": lambda p, c: approval.withdraw(p.desk("staff/chen"), c, reason="不办了"),
    "deliver": lambda p, c: approval.deliver(p.desk("staff/chen"), c, "counter"),
    "close": lambda p, c: approval.close(p.desk("staff/chen"), c),
    "reopen": lambda p, c: approval.reopen(p.desk("staff/head"), c, "complaint"),
    # These come by the passing of time, and have tests of their own.
    "lapse gaps": lambda p, c: approval.lapse_gaps(p.system(), c),
    "deem accepted": lambda p, c: approval.deem_accepted(
        p.system(), c, received=date(2024, 3, 4), due=date(2024, 3, 4)
    ),
    "confirm late entry": lambda p, c: approval.confirm_late_entry(p.desk("staff/head"), c, 1),
}
REVIEW = "open branch, start step, suspend, extend, grant, deny, withdraw"

# The situation in words: how a case gets there, and the only commands that may come next.
SITUATIONS: dict[str, tuple[str, str]] = {
    "not applied for yet": ("", "apply, apply for a stamp"),
    "applied for": ("apply", "tell gaps, accept, accept with gaps, refuse, withdraw"),
    "all gaps told, once": ("apply, tell gaps", "supply, refuse, withdraw"),
    "papers supplied": ("apply, tell gaps, supply", "tell gaps, accept, accept with gaps, refuse, withdraw"),
    "accepted": ("apply, accept", REVIEW),
    "accepted with a gap: granted only when it is filled": (
        "apply, accept with gaps",
        "fill gap, open branch, start step, suspend, extend, deny, withdraw",
    ),
    "the gap filled": ("apply, accept with gaps, fill gap", REVIEW),
    "a step open: no decision": (
        "apply, accept, start step",
        "open branch, finish step, suspend, extend, withdraw",
    ),
    "the step finished": ("apply, accept, start step, finish step", REVIEW),
    "suspended: no decision": ("apply, accept, suspend", "open branch, start step, resume, extend, withdraw"),
    "resumed": ("apply, accept, suspend, resume", REVIEW),
    "a branch open: no decision, and the joint clock in the statutory one's place": (
        "apply, accept, open branch",
        "finish branch, start step, suspend, withdraw",
    ),
    "the branch finished": (
        "apply, accept, open branch, finish branch",
        "start step, suspend, grant, deny, withdraw",
    ),
    "extended, as often as it may be": (
        "apply, accept, extend",
        "open branch, start step, suspend, grant, deny, withdraw",
    ),
    "granted": ("apply, accept, grant", "deliver"),
    "denied": ("apply, accept, deny", "deliver, close"),
    "refused": ("apply, refuse", "close"),
    "withdrawn": ("apply, accept, withdraw", "close"),
    "delivered": ("apply, accept, grant, deliver", "close"),
    "closed": ("apply, accept, grant, deliver, close", "reopen"),
    "reopened": ("apply, accept, grant, deliver, close, reopen", REVIEW),
    "reopened, never accepted": (
        "apply, refuse, close, reopen",
        "tell gaps, accept, accept with gaps, refuse, withdraw",
    ),
}


def words(text: str) -> list[str]:
    return [word for word in text.split(", ") if word]


def refused(command: Callable[[], Any]) -> Refused | None:
    """With what the command was refused; None when it was done."""
    try:
        command()
    except Refused as why:
        return why
    return None


def do(place: Place, command: str, case: str) -> Any:
    return place.done(COMMANDS[command](place, case))


def bring(place: Place, path: str, case: str) -> Any:
    for command in words(path):
        do(place, command, case)
    return place.state(f"approval/{case}")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(
    place: Place, name: Callable[[], str], situation: str
) -> None:
    path, may = SITUATIONS[situation]
    case = name()
    before = bring(place, path, case)
    allowed = set()
    for command in COMMANDS:
        why = refused(lambda command=command, case=case: do(place, command, case))
        if why is None:
            allowed.add(command)
            case = name()
            before = bring(place, path, case)
        else:  # a refusal says what to do instead, and leaves nothing behind
            assert why.mend or isinstance(why, NotAllowed)
            assert place.state(f"approval/{case}") == before
    assert allowed == set(words(may))


def test_the_commands_speak_of_every_act() -> None:
    acts = {  # commands of one act, and acts that have another name as a command
        "apply": "applied",
        "apply for a stamp": "applied",
        "tell gaps": "gaps_told",
        "supply": "supplied",
        "fill gap": "gap_filled",
        "lapse gaps": "gaps_lapsed",
        "deem accepted": "deemed_accepted",
        "open branch": "branch_opened",
        "finish branch": "branch_finished",
        "start step": "step_started",
        "finish step": "step_finished",
        "suspend": "suspended",
        "withdraw": "withdrawn",
        "deliver": "delivered",
        "grant": "decided",
        "deny": "decided",
        "confirm late entry": "late_entry_confirmed",
        "accept": "accepted",
        "accept with gaps": "accepted_with_gaps",
        "refuse": "refused",
        "resume": "resumed",
        "extend": "extended",
        "close": "closed",
        "reopen": "reopened",
    }
    assert acts.keys() == COMMANDS.keys()
    assert set(acts.values()) == TABLE.keys() - BESIDE


# ── Whose act it is ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "command", "why"),
    [
        (
            "apply, accept",
            lambda p, c: approval.decide(p.desk("staff/chen", "approver"), c, "granted"),
            "not-acceptor",
        ),
        ("apply, accept", lambda p, c: approval.decide(p.desk("staff/zhao"), c, "granted"), "on-the-spot"),
        ("apply, accept", lambda p, c: approval.decide(p.desk("staff/fire-sun"), c, "granted"), "case-unit"),
        ("apply, accept", lambda p, c: approval.decide(p.desk("staff/qian"), c, "granted"), "right"),
        ("apply, accept", lambda p, c: approval.start_step(p.desk("staff/fire"), c, "survey"), "case-unit"),
        ("apply, accept", lambda p, c: approval.suspend(p.desk("staff/fire"), c, "hearing", notice="n"), "case-unit"),
        (
            "apply, accept, open branch",
            lambda p, c: approval.finish_branch(p.desk("staff/qian"), c, "fire", "agreed"),
            "branch-unit",
        ),
        ("apply", lambda p, c: approval.accept(p.desk("staff/sun"), c), "right"),
        (
            "",
            lambda p, c: approval.apply_for(p.desk("staff/chen", window="w9"), c, "permit", applicant="x"),
            "own-window",
        ),
        ("apply, accept", lambda p, c: approval.extend(p.desk("staff/sun"), c, "statutory", 1, approval="a"), "right"),
    ],
)
def test_what_is_not_ones_own_to_do_is_refused(
    place: Place, name: Callable[[], str], path: str, command: Command, why: str
) -> None:
    case = name()
    before = bring(place, path, case)
    with pytest.raises(Refused) as caught:
        command(place, case)
    assert caught.value.code == why
    assert place.state(f"approval/{case}") == before


def test_what_is_handled_on_the_spot_the_window_decides(place: Place, name: Callable[[], str]) -> None:
    case = name()
    bring(place, "apply for a stamp, accept", case)
    approval.decide(place.desk("staff/chen"), case, "granted")
    assert place.state(f"approval/{case}").stage is Stage.GRANTED


# ── What a command fills in, and what it must hold ─────────────────────────────────────────────────────────


def refusal(command: Callable[[], Any]) -> MingjianError:
    with pytest.raises(MingjianError) as caught:
        command()
    return caught.value


def test_an_unknown_item_is_refused_by_the_catalogue(place: Place, name: Callable[[], str]) -> None:
    desk = place.desk("staff/chen")
    error = refusal(lambda: approval.apply_for(desk, name(), "moon", applicant="张三"))
    assert (error.code, error.mend) == ("item", "name a published item")


def test_gaps_are_filled_within_the_days_that_the_item_allows(place: Place, name: Callable[[], str]) -> None:
    case = name()
    do(place, "apply", case)
    desk = place.desk("staff/chen")
    late = refusal(lambda: approval.accept_with_gaps(desk, case, ["map"], fill_by=date(2034, 3, 26)))
    assert late.code == "fill-by"
    approval.accept_with_gaps(desk, case, ["map"])
    fill_by = date.fromisoformat(place.state(f"approval/{case}").fill_by)
    assert late.mend == f"name a day up to {fill_by}"


def test_the_same_request_is_the_same_statement(place: Place, name: Callable[[], str]) -> None:
    case, desk = name(), place.desk("staff/chen")
    first = approval.apply_for(desk, case, "permit", applicant="张三", request=f"{case}-1")
    again = approval.apply_for(desk, case, "permit", applicant="张三", request=f"{case}-1")
    assert (again.id, again.repeated) == (first.id, True)
    with pytest.raises(Conflict):
        approval.apply_for(desk, case, "permit", applicant="李四", request=f"{case}-1")


def test_nothing_personal_stands_in_clear(place: Place, name: Callable[[], str]) -> None:
    case = name()
    bring(place, "apply, accept, deny", case)
    entries = b"".join(entry for _, _, entry in place.hall.reader.stream(f"approval/{case}"))
    for secret in ("张三", "齐全", "不符"):
        assert secret.encode() not in entries


# ── Any sequence ───────────────────────────────────────────────────────────────────────────────────────────

LIKELY = ["apply", "accept", "start step", "finish step", "suspend", "resume", "open branch", "finish branch", "grant"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(st.sampled_from(LIKELY) | st.sampled_from(sorted(COMMANDS)), max_size=14))
def test_whatever_was_tried_the_door_and_a_replay_of_the_log_agree(
    place: Place, outsider: Any, name: Callable[[], str], commands: list[str]
) -> None:
    case = name()
    do(place, "apply", case)
    said = 1
    for command in commands:
        said += refused(lambda command=command: do(place, command, case)) is None
    place.placed()
    outsider.catch_up()  # checks each statement again, in the order of the log
    assert outsider.states[f"approval/{case}"] == place.state(f"approval/{case}")
    assert outsider.seen[f"approval/{case}"] == said

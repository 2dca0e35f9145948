"""An efficiency complaint through the real door: who may do what to it, and what a finding must cite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ledger.cases import complaint, tracking
from ledger.errors import Conflict, MingjianError, NotAllowed
from ledger.statement import StatementId

Place = Any
EVENT, HOLD, CLIP = (StatementId(bytes([number]) * 32) for number in (1, 2, 3))
SINCE, UNTIL = "2024-03-04T08:30:00+08:00", "2024-03-04T08:40:00+08:00"


@pytest.fixture(scope="module", autouse=True)
def investigators(place: Place) -> None:
    for actor in ("staff/cha", "staff/cha-b", "staff/zhang"):
        place.desk(actor)


def portal(place: Place) -> Any:
    return place.desk("staff/portal")


def head(place: Place) -> Any:
    return place.desk("staff/zhang")


def second_head(place: Place) -> Any:
    return place.desk("staff/zhang-b")


def investigator(place: Place) -> Any:
    return place.desk("staff/cha")


def clerk(place: Place) -> Any:
    """The complained-of."""
    return place.desk("staff/zhao")


def custodian(place: Place) -> Any:
    return place.desk("staff/lu")


def receive(place: Place, one: str, **changes: Any) -> Any:
    about: dict[str, Any] = {"tracking": "secret-code", "words": "态度恶劣", "events": [EVENT], "complainant": "林某"}
    allegations = changes.pop("allegations", ["rude", "slow"])
    return complaint.receive(portal(place), one, allegations, **(about | changes))


COMMANDS: dict[str, Callable[[Place, str], Any]] = {
    "receive": receive,
    "register": lambda p, c: complaint.register(investigator(p), c, "2024-17"),
    "accept": lambda p, c: complaint.accept(head(p), c, ["staff/zhao"], "staff/cha"),
    "assign": lambda p, c: complaint.assign(head(p), c, "staff/cha"),
    "refuse": lambda p, c: complaint.refuse(head(p), c, "out_of_scope", reasons="不属受理范围"),
    "forward": lambda p, c: complaint.forward(head(p), c, "env", "theirs"),
    "hold": lambda p, c: complaint.hold_evidence(p.system(), c, [HOLD]),
    "seal clip": lambda p, c: complaint.seal_clip(custodian(p), c, CLIP),
    "miss clip": lambda p, c: complaint.miss_clip(custodian(p), c, "cam-1", "expired", since=SINCE, until=UNTIL),
    "investigate": lambda p, c: complaint.investigate(investigator(p), c, ["approval/a-1"], position=7),
    "reply": lambda p, c: complaint.reply(clerk(p), c, "当时系统故障"),
    "let the reply lapse": lambda p, c: complaint.lapse_reply(investigator(p), c, date(2024, 3, 3)),
    "find rude": lambda p, c: complaint.find(investigator(p), c, "rude", "upheld", events=[EVENT], clips=[CLIP]),
    "find slow": lambda p, c: complaint.find(investigator(p), c, "slow", "cannot_tell"),
    "extend": lambda p, c: complaint.extend(head(p), c, 10, approval="a-1"),
    "decide": lambda p, c: complaint.decide(head(p), c, "partly", reasons="部分属实"),
    "tell": lambda p, c: complaint.tell(head(p), c, "letter"),
    "call back": lambda p, c: complaint.call_back(investigator(p), c, satisfied=True),
    "close": lambda p, c: complaint.close(head(p), c),
    "ask review": lambda p, c: complaint.ask_review(portal(p), c, "不服"),
    "confirm on review": lambda p, c: complaint.decide_review(second_head(p), c, "confirmed"),
    "reopen on review": lambda p, c: complaint.decide_review(second_head(p), c, "reopened"),
    "release holds": lambda p, c: complaint.release_holds(custodian(p), c, [HOLD]),
}
FOOTAGE = "hold, seal clip, miss clip, release holds"
COURSE = ", ".join(command for command in COMMANDS if command not in FOOTAGE.split(", "))
EVIDENCE = "hold, seal clip, miss clip"
ACCEPTED = "receive, register, accept"
REPLIED = f"{ACCEPTED}, investigate, reply"
FOUND = f"{REPLIED}, find rude, find slow"
DECIDED = f"{FOUND}, decide"
SITUATIONS = {
    "nothing yet": ("", "receive"),
    "received": ("receive", "register, refuse, forward"),
    "registered": ("receive, register", "accept, refuse, forward"),
    "accepted": (ACCEPTED, "investigate, assign, extend"),
    "investigated: heard before anything is found": (
        f"{ACCEPTED}, investigate",
        "investigate, reply, let the reply lapse, assign, extend",
    ),
    "the complained-of replied, once": (REPLIED, "find rude, find slow, assign, extend"),
    "the time to reply is over": (
        f"{ACCEPTED}, investigate, let the reply lapse",
        "find rude, find slow, assign, extend",
    ),
    "one of two allegations found": (f"{REPLIED}, find rude", "find slow, assign, extend"),
    "every allegation has its finding": (FOUND, "decide, assign, extend"),
    "extended, once": (f"{ACCEPTED}, extend", "investigate, assign"),
    "decided": (DECIDED, "tell"),
    "told": (f"{DECIDED}, tell", "call back, close, ask review"),
    "called back": (f"{DECIDED}, tell, call back", "close, ask review"),
    "closed": (f"{DECIDED}, tell, close", "ask review"),
    "refused": ("receive, refuse", "close, ask review"),
    "forwarded": ("receive, forward", "close"),
    "a review asked for": (f"{DECIDED}, tell, ask review", "confirm on review, reopen on review"),
    "confirmed on review": (f"{DECIDED}, tell, ask review, confirm on review", "close"),
    "reopened on review: all is found anew": (
        f"{DECIDED}, tell, ask review, reopen on review",
        "investigate, assign, extend",
    ),
}
# What is said of footage, and when.
OF_FOOTAGE = {
    "nothing yet": ("", ""),
    "received: the holds do not wait for anybody": ("receive", EVIDENCE),
    "accepted": (ACCEPTED, EVIDENCE),
    "decided": (DECIDED, ""),
    "closed, with a hold that is not needed any more": (
        "receive, hold, forward, close",
        "release holds",
    ),
}


@pytest.mark.parametrize("situation", OF_FOOTAGE)
def test_in_each_situation_exactly_this_may_be_said_of_footage(table: Any, situation: str) -> None:
    table.check("complaint", COMMANDS, *OF_FOOTAGE[situation], of=FOOTAGE)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, situation: str) -> None:
    table.check("complaint", COMMANDS, *SITUATIONS[situation], of=COURSE)


@pytest.mark.parametrize(
    ("path", "command", "why"),
    [
        ("", lambda p, c: receive(p, c, events=[]), "disputed"),
        ("", lambda p, c: receive(p, c, events=[], window="w1", since=UNTIL, until=SINCE), "span"),
        ("", lambda p, c: receive(p, c, allegations=["rude", "rude"]), "names"),
        ("receive, register", lambda p, c: complaint.accept(head(p), c, ["staff/zhao"], "staff/sun"), "investigator"),
        ("receive, register", lambda p, c: complaint.accept(head(p), c, ["staff/zhang"], "staff/cha"), "complained-of"),
        ("receive, register", lambda p, c: complaint.accept(head(p), c, ["staff/cha"], "staff/cha"), "two-persons"),
        # Whoever accepts does not investigate, though they hold both roles.
        ("receive, register", lambda p, c: complaint.accept(head(p), c, ["staff/zhao"], "staff/zhang"), "two-persons"),
        (ACCEPTED, lambda p, c: complaint.investigate(p.desk("staff/cha-b"), c, ["approval/a"]), "investigator"),
        (
            ACCEPTED,
            lambda p, c: complaint.investigate(p.desk("staff/zhang", "investigator"), c, ["approval/a"]),
            "two-persons",
        ),
        (FOUND, lambda p, c: complaint.decide(p.desk("staff/cha", "complaint_head"), c, "upheld"), "two-persons"),
        (FOUND, lambda p, c: complaint.decide(head(p), c, "who_knows"), "decision"),
        (
            f"{ACCEPTED}, investigate",
            lambda p, c: complaint.reply(p.desk("staff/chen", "window_clerk"), c, "我也在"),
            "complained-of",
        ),
        (REPLIED, lambda p, c: complaint.find(investigator(p), c, "rude", "upheld"), "citation"),
        (REPLIED, lambda p, c: complaint.find(investigator(p), c, "corrupt", "upheld", events=[EVENT]), "allegation"),
        (REPLIED, lambda p, c: complaint.find(investigator(p), c, "rude", "guilty", events=[EVENT]), "finding"),
        (f"{DECIDED}, tell, ask review", lambda p, c: complaint.decide_review(head(p), c, "confirmed"), "two-persons"),
        ("receive, register", lambda p, c: complaint.accept(clerk(p), c, ["staff/zhao"], "staff/cha"), "right"),
    ],
)
def test_what_does_not_fit_or_is_not_ones_own_is_refused(table: Any, path: str, command: Any, why: str) -> None:
    one = table.bring("complaint", COMMANDS, path)
    before = table.place.state(f"complaint/{one}")
    with pytest.raises(MingjianError) as caught:
        command(table.place, one)
    assert caught.value.code == why
    assert table.place.state(f"complaint/{one}") == before


def test_a_window_and_a_span_will_do_where_no_event_is_known(place: Place, name: Callable[[], str]) -> None:
    receive(place, name(), events=[], window="w1", since=SINCE, until=UNTIL)


def test_two_are_complained_of_and_both_are_heard(place: Place, table: Any) -> None:
    one = table.bring("complaint", COMMANDS, "receive, register")
    complaint.accept(head(place), one, ["staff/zhao", "staff/sun"], "staff/cha")
    complaint.investigate(investigator(place), one, ["approval/a-1"])
    complaint.reply(place.desk("staff/sun"), one, "我在审批")
    assert place.state(f"complaint/{one}").stage == "investigated"
    with pytest.raises(NotAllowed):
        complaint.reply(place.desk("staff/sun"), one, "再说一次")
    place.done(complaint.reply(clerk(place), one, "在窗口"))
    assert place.state(f"complaint/{one}").stage == "replied"


def test_neither_the_tracking_code_nor_a_word_stands_in_clear(place: Place, table: Any) -> None:
    one = table.bring("complaint", COMMANDS, DECIDED)
    entries = b"".join(entry for _, _, entry in place.hall.reader.stream(f"complaint/{one}"))
    for secret in ("secret-code", "态度恶劣", "林某", "当时系统故障", "部分属实"):
        assert secret.encode() not in entries
    assert tracking.tracking_digest("secret-code").encode() in entries
    assert tracking.new_tracking_code() != tracking.new_tracking_code()


def test_the_same_request_is_the_same_complaint(place: Place, name: Callable[[], str]) -> None:
    one = name()
    first = receive(place, one, request=f"{one}-1")
    assert receive(place, one, request=f"{one}-1").id == first.id
    with pytest.raises(Conflict):
        receive(place, one, request=f"{one}-1", words="另一件事")


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, "complaint")

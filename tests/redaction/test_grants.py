"""Who may see a clip: what the door refuses, what an outsider finds again, what of a grant is used up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from ledger.cases import complaint, grants
from ledger.errors import NotAllowed, NotFound, Refused
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.types import TYPES
from ledger.statement import instant_text, instant_us, open_statement

NAMES = itertools.count(1)


def ask(rig: Any, actor: str = "staff/cha", **more: Any) -> str:
    given = {"purpose": "verify", "basis": "rule-12", "grant": f"g-{next(NAMES)}"} | more
    name, _ = grants.request_clip(rig.hall, rig.desk(actor), rig.clip_id, **given)
    return name


def granted(rig: Any, actor: str = "staff/cha", **more: Any) -> str:
    name = ask(rig, actor, **more)
    grants.grant_clip(rig.hall, rig.desk("staff/zhang"), name, expires=rig.later())
    return name


def code_of(act: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


@pytest.fixture(scope="module", autouse=True)
def staff(rig: Any) -> None:
    rig.hire("staff/both", "investigator", "complaint_head")
    rig.hire("staff/cha-b", "investigator")


def test_a_request_names_a_clip_that_there_is_and_a_span_of_it(rig: Any) -> None:
    desk = rig.desk("staff/cha")
    how = {"purpose": "verify", "basis": "rule-12"}
    with pytest.raises(NotFound):
        grants.request_clip(rig.hall, desk, "00" * 32, **how)
    with pytest.raises(NotFound):
        grants.request_clip(rig.hall, desk, "../../keys", **how)
    for since, until in ((rig.clip.since_us - 1, rig.clip.until_us), (rig.clip.since_us, rig.clip.until_us + 1)):
        span = {"since": instant_text(since), "until": instant_text(until)}
        assert code_of(lambda span=span: grants.request_clip(rig.hall, desk, rig.clip_id, **how, **span)) == "span"
    assert code_of(lambda: ask(rig, rights=["view", "keep"])) == "right"
    assert code_of(lambda: ask(rig, rights=["view"], tracks=["1"])) == "right"
    with pytest.raises(NotFound):
        ask(rig, complaint="none")


def test_whoever_asks_does_not_grant_nor_does_the_viewer(rig: Any) -> None:
    both = grants.desk_of(rig.hall, "staff/both", ["complaint_head"])
    rig.roles["staff/both"] = "investigator"
    own = ask(rig, "staff/both")
    assert code_of(lambda: grants.grant_clip(rig.hall, both, own, expires=rig.later())) == "two-persons"
    theirs = ask(rig, "staff/cha", viewer="staff/both")
    assert code_of(lambda: grants.grant_clip(rig.hall, both, theirs, expires=rig.later())) == "two-persons"
    other = ask(rig, "staff/cha")
    assert grants.grant_clip(rig.hall, both, other, expires=rig.later())
    # Nor does anybody who is no complaint head.
    with pytest.raises(NotAllowed):
        grants.grant_clip(rig.hall, rig.desk("staff/cha-b"), ask(rig), expires=rig.later())


def test_whoever_investigates_the_complaint_does_not_grant_a_clip_of_it(rig: Any) -> None:
    complaint_of = rig.complain()
    complaint.assign(rig.desk("staff/zhang"), complaint_of, "staff/both")
    both = grants.desk_of(rig.hall, "staff/both", ["complaint_head"])
    name = ask(rig, "staff/zhao", complaint=complaint_of)
    assert code_of(lambda: grants.grant_clip(rig.hall, both, name, expires=rig.later())) == "two-persons"
    assert grants.grant_clip(rig.hall, rig.desk("staff/zhang"), name, expires=rig.later())


def test_the_complained_of_neither_grant_nor_see_the_clip_as_it_was_cut(rig: Any) -> None:
    name = ask(rig, "staff/zhao", complaint=rig.complain(), rights=["view", "unblurred"])
    head = rig.desk("staff/zhang")
    assert code_of(lambda: grants.grant_clip(rig.hall, head, name, expires=rig.later())) == "complained-of"
    grants.grant_clip(rig.hall, head, name, expires=rig.later(), rights=["view"])
    state = grants.read_grant(rig.hall, name)
    assert state.rights == {"view"}
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/zhao")) == "unredacted"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"rights": ["view", "download"]}, "grant-asked"),
        ({"rights": ["view", "unblurred"], "tracks": []}, "grant-asked"),
        ({"rights": ["view", "unblurred"], "tracks": ["3"]}, "grant-asked"),
        ({"until": 1}, "grant-asked"),
        ({"expires": 24 * 31}, "grant-term"),
        ({"expires": -1}, "grant-term"),
    ],
)
def test_no_more_is_granted_than_was_asked_for(rig: Any, more: dict[str, Any], code: str) -> None:
    span = {"since": instant_text(rig.clip.since_us), "until": instant_text(rig.clip.until_us - 1_000_000)}
    rights = ["view", "unblurred"] if "tracks" in more else ["view"]
    name = ask(rig, rights=rights, tracks=["1"] if "tracks" in more else [], **span)
    expires = rig.later(more.pop("expires", 24))
    if "until" in more:
        more = {"until": instant_text(rig.clip.until_us)}
    head = rig.desk("staff/zhang")
    assert code_of(lambda: grants.grant_clip(rig.hall, head, name, expires=expires, **more)) == code


def test_a_grant_is_of_its_viewer_its_span_its_rights_and_its_time(rig: Any) -> None:
    name = granted(rig, rights=["view", "unblurred"], since=instant_text(rig.clip.since_us + 1_000_000))
    seen = grants.opened(rig.hall, name, viewer="staff/cha")
    assert (seen.rendition, seen.sha256, seen.since_us) == ("clip", rig.clip.sha256, rig.clip.since_us + 1_000_000)
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/cha-b")) == "grant-viewer"
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/cha", use="download")) == "grant-right"
    late = seen.expires_us
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/cha", at_us=late)) == "grant-expired"
    assert grants.state_view(rig.hall, seen, seen.since_us, seen.until_us)
    assert code_of(lambda: grants.state_view(rig.hall, seen, seen.since_us - 1, seen.until_us)) == "grant-span"
    grants.withdraw_grant(rig.desk("staff/zhang"), name, reason="mistake")
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/cha")) == "grant"
    with pytest.raises(Refused):
        grants.state_view(rig.hall, seen, seen.since_us, seen.until_us)


def test_a_refused_request_gives_nothing(rig: Any) -> None:
    name = ask(rig, rights=["view", "unblurred"])
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/cha")) == "grant"
    grants.refuse_clip(rig.desk("staff/zhang"), name, reason="bystanders", reasons="旁人过多")
    assert code_of(lambda: grants.opened(rig.hall, name, viewer="staff/cha")) == "grant"
    with pytest.raises(Refused):
        grants.grant_clip(rig.hall, rig.desk("staff/zhang"), name, expires=rig.later())


def test_nobody_says_of_another_that_they_looked(rig: Any) -> None:
    name = granted(rig, rights=["view", "unblurred"])
    seen = grants.opened(rig.hall, name, viewer="staff/cha")
    values = {
        "viewer": "staff/cha",
        "viewer_role": "investigator",
        "purpose": "verify",
        "rendition": "clip",
        "sha256": seen.sha256,
        "since": instant_text(seen.since_us),
        "until": instant_text(seen.until_us),
    }
    stream, type_ = f"grant/{name}", "footage.clip_viewed.v1"
    assert rig.desk("staff/cha").say(stream, type_, values)
    assert code_of(lambda: rig.desk("staff/cha-b").say(stream, type_, values)) == "grant-viewer"
    for lie in ({"purpose": "curious"}, {"viewer_role": "supervisor"}, {"complaint": "c-9"}):
        assert code_of(lambda lie=lie: rig.desk("staff/cha").say(stream, type_, values | lie)) == "grant-purpose"
    mine = values | {"viewer": "staff/cha-b"}
    assert code_of(lambda: rig.desk("staff/cha-b").say(stream, type_, mine)) == "grant-viewer"


def test_what_leaves_is_a_redaction_that_another_confirmed(rig: Any) -> None:
    name = granted(rig, rights=["view", "download", "unblurred"])
    share = {"viewer": "staff/cha", "use": "share"}
    assert code_of(lambda: grants.opened(rig.hall, name, **share)) == "unredacted"
    values = {"clip": rig.clip_id, "clip_sha256": rig.clip.sha256, "report": "aa" * 32, "tracks": 2, "masks": 0}
    values |= {"sha256": "bb" * 32, "uncovered": 2}
    maker, redaction = rig.custodian(), f"r-{next(NAMES)}"
    clear = values | {"clear": ["1"]}
    assert code_of(lambda: grants.state_redaction(maker, "bad", clear)) == "grant"
    grants.state_redaction(maker, redaction, values)
    assert code_of(lambda: grants.opened(rig.hall, name, redaction=redaction, **share)) == "unconfirmed"
    assert code_of(lambda: grants.confirm_redaction(rig.hall, maker, redaction, seen=2)) == "two-persons"
    head = rig.desk("staff/zhang")
    assert code_of(lambda: grants.confirm_redaction(rig.hall, head, redaction, seen=1)) == "uncovered"
    done = grants.confirm_redaction(rig.hall, head, redaction, seen=2)
    rig.hall.wait_placed([done])
    seen = grants.opened(rig.hall, name, redaction=redaction, **share)
    assert (seen.sha256, seen.redaction) == ("bb" * 32, done.id.hex())
    assert grants.share(rig.desk("staff/cha"), seen, receiver="court", how="disc")
    assert grants.state_download(rig.hall, seen)
    assert grants.state_verified(rig.desk("staff/cha"), name, sha256=seen.sha256, good=True)
    # Where somebody rejects it, it does not leave.
    grants.state_redaction(maker, f"{redaction}-2", values)
    grants.reject_redaction(rig.hall, head, f"{redaction}-2", reason="face-seen")
    assert code_of(lambda: grants.opened(rig.hall, name, redaction=f"{redaction}-2", **share)) == "unconfirmed"


def test_a_redaction_with_clear_faces_is_for_its_own_grant(rig: Any) -> None:
    mine = granted(rig, rights=["view", "unblurred"], tracks=["1"])
    other = granted(rig, rights=["view", "unblurred"], tracks=["1"])
    values = {"clip": rig.clip_id, "clip_sha256": rig.clip.sha256, "report": "aa" * 32, "tracks": 2, "masks": 0}
    values |= {"sha256": "cc" * 32, "uncovered": 0, "clear": ["1"], "grant": f"grant/{mine}"}
    assert code_of(lambda: grants.check_clear(rig.hall, mine, rig.clip_id, ["2"])) == "grant-tracks"
    redaction = f"r-{next(NAMES)}"
    grants.state_redaction(rig.custodian(), redaction, values)
    rig.hall.wait_placed([grants.confirm_redaction(rig.hall, rig.desk("staff/zhang"), redaction, seen=0)])
    assert grants.opened(rig.hall, mine, viewer="staff/cha", redaction=redaction)
    assert code_of(lambda: grants.opened(rig.hall, other, viewer="staff/cha", redaction=redaction)) == "redaction"
    # A grant for some faces is not one for the clip as it was cut.
    assert code_of(lambda: grants.opened(rig.hall, mine, viewer="staff/cha")) == "unredacted"


def test_an_outsider_finds_the_same_from_the_signed_bytes(rig: Any) -> None:
    name = granted(rig, rights=["view", "unblurred"])
    seen = grants.opened(rig.hall, name, viewer="staff/cha")
    rig.hall.wait_placed([grants.state_view(rig.hall, seen, seen.since_us, seen.since_us + 1_000_000)], timeout_s=10)
    head = rig.hall.reader.head()
    registry: Registry | None = None
    states: dict[str, Any] = {}
    for each in rig.hall.reader.entries(0, head.size):
        act = open_statement(each.entry)
        if registry is None:
            registry = Registry.opened(act)
            continue
        if each.index == 1:
            registry.confirm_opening(act)
            continue
        check_act(registry, act, states.get(act.stream))
        if TYPES[act.type].governs:
            registry.apply(act, each.index)
        elif act.kind in FOLDS:
            states[act.stream] = FOLDS[act.kind].apply(states.get(act.stream), act, 0, registry)
    mine = {stream: state for stream, state in states.items() if stream.startswith(("grant/", "redaction/"))}
    assert f"grant/{name}" in mine
    for stream, state in mine.items():
        assert state == rig.custodian().state(stream), stream
    assert mine[f"grant/{name}"].expires_us > instant_us(rig.later(1))

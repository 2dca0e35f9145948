"""An officer marks a live moment: a disputed event, held on every camera of the window, and a complaint if wanted."""

from __future__ import annotations

from typing import Any

import pytest

from camera_ingest.disputes import cameras_of_event
from ledger.cases.cameras import cameras_that_saw, read_event
from ledger.cases.patrol import mark
from ledger.errors import NotAllowed, Refused
from ledger.facts.disputed import MARGIN_US
from ledger.facts.footage import HOLD_PLACED
from ledger.facts.patrol import COMPLAINED, ENDED, MARKED, VIEWED
from ledger.statement import StatementId, instant_us

Office = Any


def marked(office: Office, actor: str) -> dict[str, Any]:
    with office.viewing(actor, "north") as view:
        answer = office.browser(actor).post(f"/live/views/{view}/mark")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json() | {"view": view}
    return found


def test_a_mark_holds_every_camera_of_the_window_in_the_same_breath(office: Office) -> None:
    made = marked(office, "staff/zhang")
    assert made["held"] == ["north", "south"]
    (act,) = office.acts(f"patrol/{made['mark']}")
    assert (act.type, act.actor, act.role) == (MARKED, "staff/zhang", "complaint_head")
    assert (act.data["window"], act.data["camera"], act.data["view"]) == ("w1", "north", made["view"])
    for camera in made["held"]:
        (hold,) = [
            one for one in office.acts(f"footage/{camera}") if one.data.get("ground") == f"patrol/{made['mark']}"
        ]
        assert (hold.type, hold.actor, hold.data["provisional"]) == (HOLD_PLACED, "staff/zhang", False)
        since, until = (instant_us(hold.data[name]) for name in ("since", "until"))
        assert (since, until) == (act.at_us - MARGIN_US, act.at_us + MARGIN_US)
        state = office.desk("staff/lu").state(f"footage/{camera}")
        assert state.held(act.at_us, act.at_us + 1, now_us=act.at_us + 400 * 86_400_000_000)


def test_from_a_mark_one_goes_to_its_cameras_as_from_any_disputed_event(office: Office) -> None:
    made = marked(office, "staff/su")
    id_ = office.acts(f"patrol/{made['mark']}")[0].id
    office.wait(lambda: office.hall.reader.placed([id_]))
    event = read_event(office.hall, id_.hex())
    assert event.window == "w1"
    assert [
        camera.id for camera in cameras_of_event(office.hall.data, event, cameras_that_saw(office.hall, event))
    ] == ["north", "south"]


def test_a_complaint_about_a_mark_needs_no_citizen_and_its_footage_is_held_as_of_any(office: Office) -> None:
    made = marked(office, "staff/cha")
    (mark_act,) = office.acts(f"patrol/{made['mark']}")
    address = f"/live/marks/{made['mark']}/complain?lang=en"
    said = {"allegation": "absence", "words": "窗口无人值守"}
    refused = office.browser("staff/zhang").post(address, data=said)
    assert refused.status_code == 403  # a head who opened it could not accept it
    answer = office.browser("staff/cha").post(address, data=said)
    assert answer.status_code == 303
    name = answer.headers["location"].removeprefix("/complaints/").partition("?")[0]
    received = office.acts(f"complaint/{name}")[0]
    assert (received.actor, received.data["channel"]) == ("staff/cha", "patrol")
    assert received.data["events"] == [mark_act.id.hex()]
    assert office.acts(f"patrol/{made['mark']}")[1].type == COMPLAINED
    office.wait(lambda: "complaint.evidence_held.v1" in [one.type for one in office.acts(f"complaint/{name}")])
    held = office.acts(f"complaint/{name}")[1].data["holds"]
    assert len(held) == 2
    page = office.browser("staff/cha").get(f"/complaints/{name}?lang=en")
    assert page.status_code == 200
    assert "Moment marked on patrol" in page.text
    again = office.browser("staff/cha").post(address, data=said)
    assert again.status_code in (400, 409)


def test_who_may_not_watch_may_not_mark_and_no_window_that_is_none_is_marked(office: Office) -> None:
    for actor in ("staff/chen", "staff/lu"):
        with pytest.raises(NotAllowed):
            mark(office.desk(actor), "w1")
    with pytest.raises(Refused, match="no open window"):
        mark(office.desk("staff/cha"), "w9")
    alone = mark(office.desk("staff/cha"), "w2")
    assert alone.holds == {}
    assert office.acts(f"patrol/{alone.mark}")[0].id == alone.outcome.id


def test_what_is_stated_of_a_viewing_is_of_its_viewer_and_has_an_order(office: Office) -> None:
    cha, su = office.desk("staff/cha"), office.desk("staff/su")
    cha.say("live/00000000000000aa", VIEWED, {"camera": "north", "purpose": "technical"})
    with pytest.raises(NotAllowed, match="another"):
        su.say("live/00000000000000aa", ENDED, {"cause": "left"})
    backwards = {"cause": "left", "since": "2026-01-01T00:00:01Z", "until": "2026-01-01T00:00:00Z"}
    with pytest.raises(Refused, match="after it begins"):
        cha.say("live/00000000000000aa", ENDED, backwards)
    cha.say("live/00000000000000aa", ENDED, {"cause": "left"})
    with pytest.raises(Refused):
        cha.say("live/00000000000000aa", ENDED, {"cause": "left"})
    with pytest.raises(NotAllowed):
        office.desk("staff/lu").say("live/00000000000000ab", VIEWED, {"camera": "north", "purpose": "technical"})
    with pytest.raises(Refused, match="cannot come now"):
        cha.say("patrol/00000000000000ab", COMPLAINED, {"complaint": "x"}, causes=(StatementId(b"\0" * 32),))

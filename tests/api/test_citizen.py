"""A citizen follows their own matter by the code on the slip, and sees who looked at it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from api.sessions import Sessions
from ledger.cases.tracking import new_tracking_code, tracking_digest

CODE = new_tracking_code()
ACTOR = "staff/overseer"


def text_of(answer: httpx.Response, *, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


@pytest.fixture(scope="module")
def citizen(served: Any) -> Iterator[httpx.Client]:
    """A browser without any session, after the case was applied for with the code."""
    _, registry = served.hall.door.registry()
    values = {
        "item": "permit",
        "item_version": registry.items["item/permit"][-1].id.hex(),
        "channel": "window",
        "applicant": "王五",
        "tracking": tracking_digest(CODE),
    }
    served.clerk("mine", "applied", values)
    with httpx.Client(base_url=served.base, headers={"Accept": "text/html"}, timeout=20) as client:
        for _ in range(100):
            if client.post("/my", data={"code": CODE}).status_code == 200:
                break
            time.sleep(0.05)
        yield client


@pytest.fixture(scope="module")
def overseer(served: Any) -> Iterator[httpx.Client]:
    """A browser that may act for a supervisor whose key the server keeps."""
    served.hire(ACTOR, "supervisor", key=served.hall.keyring.make_actor(ACTOR))
    with httpx.Client(base_url=served.base, headers={"Accept": "text/html"}, follow_redirects=True) as client:
        assert client.get(Sessions(served.hall.data).link(actor=ACTOR)).status_code == 200
        yield client


def test_the_code_shows_the_matter_in_plain_words(citizen: httpx.Client) -> None:
    shown = text_of(citizen.post("/my", params={"lang": "en"}, data={"code": CODE}))
    assert "排污许可" in shown
    assert "Applied" in shown
    assert "notice of gaps" in shown
    assert "王五" not in shown


def test_a_code_is_typed_as_people_type(citizen: httpx.Client) -> None:
    typed = CODE.lower().replace("-", " ")
    assert citizen.post("/my", data={"code": typed}).status_code == 200


@pytest.mark.parametrize("code", ["", "0000-0000-0000-0000", "x" * 40, "' OR 1=1"])
def test_another_code_shows_nothing(citizen: httpx.Client, code: str) -> None:
    shown = text_of(citizen.post("/my", params={"lang": "en"}, data={"code": code}), status=404)
    assert "Nothing belongs to this code" in shown


def test_the_code_stands_in_no_address_and_not_in_the_log(citizen: httpx.Client, served: Any) -> None:
    assert 'method="post"' in citizen.get("/my").text
    rows = served.hall.reader.stream("approval/mine")
    assert all(CODE.encode() not in entry for _, _, entry in rows)


def test_who_looked_is_shown_to_the_citizen_once_an_hour(
    citizen: httpx.Client, overseer: httpx.Client, served: Any
) -> None:
    before = text_of(citizen.post("/my", params={"lang": "en"}, data={"code": CODE}))
    assert "Nobody yet" in before
    for _ in range(3):
        assert overseer.get("/cases/approval/mine").status_code == 200
    for _ in range(100):
        after = text_of(citizen.post("/my", params={"lang": "en"}, data={"code": CODE}))
        if "Nobody yet" not in after:
            break
        time.sleep(0.05)
    assert "supervisor supervision" in after
    assert len(served.hall.reader.stream(f"read/{ACTOR}")) in (1, 2)  # two, where an hour ended in between


def test_whoever_looks_past_the_page_is_noted_too(overseer: httpx.Client, citizen: httpx.Client, served: Any) -> None:
    stream = "approval/2024-1"
    before = len(served.hall.reader.stream(f"read/{ACTOR}"))
    assert overseer.get(f"/api/cases/{stream}").json()["stream"] == stream
    assert len(served.hall.reader.stream(f"read/{ACTOR}")) == before + 1


def test_the_file_of_a_complaint_has_no_other_door_than_its_page(served: Any, overseer: httpx.Client) -> None:
    served.hire("staff/portal", "citizen")
    values = {"allegations": ["rude"], "tracking": tracking_digest(CODE), "words": "态度恶劣", "channel": "website"}
    values |= {"window": "w1", "since": "2024-03-04T01:00:00Z", "until": "2024-03-04T02:00:00Z"}
    served.state("staff/portal", "citizen", "complaint/c-1", "complaint.received.v1", values)
    assert overseer.get("/api/cases/complaint/c-1").json()["code"] == "complaint-file"
    answer = overseer.get("/cases/complaint/c-1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/complaints/c-1")


def test_who_may_not_say_that_they_look_may_not_look(served: Any, citizen: httpx.Client) -> None:
    served.hire("staff/nobody", "proxy", key=served.hall.keyring.make_actor("staff/nobody"))
    with httpx.Client(base_url=served.base, headers={"Accept": "text/html"}, follow_redirects=True) as client:
        client.get(Sessions(served.hall.data).link(actor="staff/nobody"))
        assert client.get("/cases/approval/mine").status_code == 403
        assert client.get("/api/cases/approval/mine").status_code == 403

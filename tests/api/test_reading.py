"""Who reads what: a complaint's file is for those who work on it, and every reading by a name is on record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from api.sessions import Sessions
from ledger.cases.tracking import new_tracking_code, tracking_digest
from ledger.errors import NotAllowed
from ledger.facts.policy import parse_policy
from ledger.facts.read import FILE_READERS, reading_role
from ledger.statement import open_statement

FILE = "complaint/read-1"
STAFF = {
    "staff/reader-clerk": ("window_clerk",),
    "staff/reader-head": ("complaint_head",),
    "staff/reader-help": ("help_officer",),
    "staff/reader-proxy": ("proxy",),
    "staff/reader-duty": ("duty_officer",),
    "staff/reader-both": ("mediator", "supervisor"),
}


@pytest.fixture(scope="module")
def disputed(served: Any) -> dict[str, str]:
    """A complaint about an entry of a case, from a portal; the ids of both."""
    served.hire("staff/reader-portal", "citizen")
    for actor, roles in STAFF.items():
        served.hire(actor, *roles, key=served.hall.keyring.make_actor(actor), unit="env", windows=["w1"])
    event = served.hall.reader.stream("approval/2024-1")[0][1].hex()
    values = {"allegations": ["rude-words"], "tracking": tracking_digest(new_tracking_code()), "words": "态度恶劣"}
    values |= {"channel": "website", "events": [event]}
    made = served.state("staff/reader-portal", "citizen", FILE, "complaint.received.v1", values)
    return {"event": event, "received": made.id.hex()}


@pytest.fixture(scope="module")
def people(served: Any, disputed: Any) -> Iterator[dict[str | None, httpx.Client]]:
    """A browser for each of the staff, and one without a name."""
    with ExitStack() as stack:
        found = {}
        for actor in (None, *STAFF):
            headers = {"Accept": "text/html"}
            client = httpx.Client(base_url=served.base, headers=headers, timeout=20, follow_redirects=True)
            found[actor] = stack.enter_context(client)
            client.get(Sessions(served.hall.data).link(actor=actor))
        yield found


def reads(served: Any, actor: str) -> list[tuple[str, str]]:
    acts = [open_statement(entry) for _, _, entry in served.hall.reader.stream(f"read/{actor}")]
    return [(act.data["subject"], act.data["purpose"]) for act in acts]


def test_a_session_without_a_name_sees_of_a_complaint_its_stage_its_clocks_and_how_many(
    people: dict[str | None, httpx.Client], disputed: dict[str, str]
) -> None:
    answer = people[None].get("/complaints/read-1?lang=en")
    assert answer.status_code == 200
    assert answer.text.count('<th scope="row" class="number"') == 11
    assert "received" in answer.text
    for secret in ("rude-words", "2024-1", "website", "staff/", disputed["event"], disputed["received"]):
        assert secret not in answer.text
    listed = people[None].get("/complaints?lang=en")
    assert listed.status_code == 200
    assert "/complaints/read-1" in listed.text


def test_nobody_without_a_name_reads_the_file_past_its_page(
    served: Any, people: dict[str | None, httpx.Client], disputed: dict[str, str]
) -> None:
    shown = people[None].get(f"/cases/{FILE}")
    assert shown.url.path == "/complaints/read-1"
    with served.client("reader") as machine:
        for path in (f"/api/cases/{FILE}", *of_entry(disputed["received"])):
            assert machine.get(path).json()["code"] == "complaint-file", path
            assert people[None].get(path).status_code == 403, path


@pytest.mark.parametrize("actor", ["staff/reader-clerk", "staff/reader-help", "staff/reader-proxy"])
def test_who_does_not_work_on_complaints_reads_neither_file_nor_list(
    people: dict[str | None, httpx.Client], disputed: dict[str, str], actor: str
) -> None:
    paths = ["/complaints", "/complaints/read-1", f"/cases/{FILE}", f"/api/cases/{FILE}"]
    for path in [*paths, *of_entry(disputed["received"])]:
        assert people[actor].get(path).status_code == 403, path


@pytest.mark.parametrize("actor", ["staff/reader-head", "staff/reader-both"])
def test_who_works_on_complaints_reads_the_file_and_it_is_on_record(
    served: Any, people: dict[str | None, httpx.Client], disputed: dict[str, str], actor: str
) -> None:
    assert people[actor].get("/complaints").status_code == 200
    page = people[actor].get("/complaints/read-1?lang=en")
    assert page.status_code == 200
    assert "rude-words" in page.text
    assert {(FILE, "complaint"), ("approval/2024-1", "complaint")} <= set(reads(served, actor))


def test_an_entry_read_by_its_id_is_on_record_like_the_page(
    served: Any, people: dict[str | None, httpx.Client], disputed: dict[str, str]
) -> None:
    actor = "staff/reader-help"
    for path in of_entry(disputed["event"]):
        assert people[actor].get(path).status_code == 200
    assert reads(served, actor) == [("approval/2024-1", "handling")]
    assert people["staff/reader-proxy"].get(of_entry(disputed["event"])[0]).status_code == 403


def test_a_browser_that_asks_for_everything_at_once_is_on_record_once(
    served: Any, people: dict[str | None, httpx.Client], disputed: dict[str, str]
) -> None:
    actor = "staff/reader-duty"
    ids = [id_.hex() for _, id_, _ in served.hall.reader.stream("approval/2024-2")]
    paths = [path for id_ in ids for path in of_entry(id_)] * 6
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(people[actor].get, paths))
    assert {answer.status_code for answer in answers} == {200}
    assert reads(served, actor) == [("approval/2024-2", "handling")]


def test_keys_and_what_is_registered_are_read_without_a_note(
    served: Any, people: dict[str | None, httpx.Client], disputed: dict[str, str]
) -> None:
    actor = "staff/reader-clerk"
    found = people[actor].get(of_entry(disputed["event"])[1]).json()["keys"]
    before = reads(served, actor)
    assert before == [("approval/2024-1", "handling")]
    for id_ in found:
        assert people[actor].get(of_entry(id_)[0]).status_code == 200
    assert reads(served, actor) == before


def of_entry(id_: str) -> list[str]:
    return [f"/api/statements/{id_}/entry", f"/api/statements/{id_}/keys"]


def test_the_door_refuses_what_the_page_refuses(served: Any, disputed: dict[str, str]) -> None:
    actor = "staff/reader-clerk"
    for stream in (FILE, "grant/1", "redaction/1", "live/1", "patrol/1"):
        with pytest.raises(NotAllowed) as refused:
            served.state(
                actor, "window_clerk", f"read/{actor}", "read.made.v1", {"subject": stream, "purpose": "handling"}
            )
        assert refused.value.code == "complaint-file"


def test_the_policy_in_the_log_decides_who_reads(served: Any, disputed: dict[str, str]) -> None:
    class Known:
        policy = parse_policy(
            {"vocabulary": 1, "term_days": 1, "rules": [{"role": "mediator", "types": ["read.*"]}]},
        )
        appointments = served.hall.door.registry()[1].appointments

    _, registry = served.hall.door.registry()
    known: Any = Known()
    assert reading_role(registry, "staff/reader-both", FILE) == "supervisor"
    assert reading_role(registry, "staff/reader-both", "approval/2024-1") == "mediator"
    assert reading_role(known, "staff/reader-both", FILE) is None
    assert reading_role(known, "staff/reader-both", "approval/2024-1") == "mediator"
    assert reading_role(registry, "staff/nobody-at-all", FILE) is None
    assert "window_clerk" not in FILE_READERS


def test_steps_and_clocks_run_on_recorded_time_like_the_board(
    served: Any, people: dict[str | None, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.store import sequencer

    later = sequencer.now_us() + 400 * 86_400_000_000
    for name in ("api.complaint_view.now_us", "api.questions.now_us"):
        monkeypatch.setattr(name, lambda: later, raising=False)
    page = people["staff/reader-head"].get("/complaints/read-1?lang=en").text
    assert re.search("overdue", page) is None
    with served.client("reader") as machine:
        clocks = machine.get("/api/cases/approval/2024-2").json()["clocks"]
    assert clocks
    assert {one["state"] for one in clocks} & {"overdue"} == set()

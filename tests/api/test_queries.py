"""Queries: the same answers as the projections give, each with its n and as of when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger.statement import instant_text
from projections import imported

SOURCE = "permits"


@pytest.fixture(scope="module")
def reader(served: Any) -> Iterator[httpx.Client]:
    with served.client("reader") as client:
        yield client


def get(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


ANSWERS = [
    ("/api/sources", {}),
    (f"/api/sources/{SOURCE}", {}),
    (f"/api/sources/{SOURCE}/imports", {}),
    (f"/api/sources/{SOURCE}/throughput", {}),
    (f"/api/sources/{SOURCE}/deadlines", {}),
    (f"/api/sources/{SOURCE}/as-of", {"event_time": "2024-06-01T00:00Z"}),
    ("/api/cases", {"source": SOURCE}),
    ("/api/cases/approval/2024-2", {}),
    ("/api/queues", {}),
    ("/api/clocks", {}),
    ("/api/tickets", {}),
    ("/api/registries/item", {}),
    ("/api/registries/staff", {}),
    ("/api/registries/item/permit", {}),
]


@pytest.mark.parametrize(("path", "query"), ANSWERS)
def test_every_answer_says_how_many_and_as_of_when(reader: httpx.Client, path: str, query: dict[str, Any]) -> None:
    found = get(reader, path, **query)
    assert found["n"] >= 0
    assert found["as_of"]["position"] > 400
    assert found["as_of"]["recorded"].endswith("Z")
    assert 0 <= found["as_of"]["age_s"] < 3600


def test_the_figures_are_those_of_the_projections(served: Any, reader: httpx.Client) -> None:
    with served.hall.database.use("reader") as connection:
        throughput = imported.throughput(connection, SOURCE)
        deadlines = imported.deadlines(connection, SOURCE)
    assert get(reader, f"/api/sources/{SOURCE}/throughput").items() >= throughput.as_json().items()
    assert get(reader, f"/api/sources/{SOURCE}/deadlines").items() >= deadlines.as_json().items()


def test_a_back_test_takes_two_shares_or_a_pack(reader: httpx.Client) -> None:
    pack = {
        "pack": "sample",
        "rules": [
            {
                "id": f"{colour}-1",
                "colour": colour,
                "threshold": share,
                "legal_basis": "none",
                "source": "sample",
                "valid_from": None,
                "valid_to": None,
                "version": 1,
            }
            for colour, share in (("yellow", "0.9"), ("red", "1.0"))
        ],
    }
    address = f"/api/sources/{SOURCE}/backtest"
    by_shares = reader.post(address, json={"yellow": "0.9", "red": "1.0"}).json()
    by_pack = reader.post(address, json={"pack": pack}).json()
    assert by_shares["red"] == get(reader, f"/api/sources/{SOURCE}/deadlines")["late"]
    assert {**by_shares, "as_of": 0} == {**by_pack, "as_of": 0}
    refused = reader.post(address, json={"yellow": "much"})
    assert refused.status_code == 422


def test_open_and_closed_cases_are_all_cases_and_pages_do_not_overlap(reader: httpx.Client) -> None:
    every = get(reader, "/api/cases", source=SOURCE, limit=1000)
    assert every["n"] == len(every["cases"]) == 60
    assert all(case["id"] for case in every["cases"])
    parts = [get(reader, "/api/cases", source=SOURCE, state=state)["n"] for state in ("open", "closed")]
    assert sum(parts) == every["n"]
    assert min(parts) > 0
    pages = [get(reader, "/api/cases", source=SOURCE, limit=25, offset=at)["cases"] for at in (0, 25, 50)]
    assert [case["stream"] for page in pages for case in page] == [case["stream"] for case in every["cases"]]


def test_a_case_is_found_by_its_stream_and_by_its_own_number(reader: httpx.Client, case: str) -> None:
    by_stream = get(reader, f"/api/cases/{case}")
    assert get(reader, f"/api/cases/{by_stream['id']}")["events"] == by_stream["events"]
    assert reader.get("/api/cases/no-such-case").status_code == 404


def test_a_case_by_claimed_time_shows_what_had_happened_by_then(reader: httpx.Client, case: str) -> None:
    whole = get(reader, f"/api/cases/{case}")
    second = whole["events"][2]["at"]
    then = get(reader, f"/api/cases/{case}", event_time=second)
    assert [one["seq"] for one in then["events"]] == [one["seq"] for one in whole["events"] if one["seq"] <= 3]


def test_a_live_case_and_its_queue_can_be_asked_as_of_before(reader: httpx.Client) -> None:
    now = get(reader, "/api/cases/approval/2024-2")
    told = now["events"][-1]
    assert now["state"]["stage"] == "gaps_told"
    before = get(reader, "/api/cases/approval/2024-2", as_of=str(told["index"]))
    assert (before["n"], before["state"]["stage"]) == (now["n"] - 1, "applied")
    assert before["as_of"]["position"] == told["index"]
    stages = {one["stream"]: one["stage"] for one in get(reader, "/api/queues", unit="env")["cases"]}
    assert stages["approval/2024-2"] == "gaps_told"
    stages = {one["stream"]: one["stage"] for one in get(reader, "/api/queues", as_of=str(told["index"]))["cases"]}
    assert stages["approval/2024-2"] == "applied"
    assert get(reader, "/api/queues", stage="gaps_told")["n"] == 1
    assert get(reader, "/api/queues", unit="fire")["n"] == 0


def test_running_clocks_are_those_that_the_checked_history_gives(reader: httpx.Client) -> None:
    told = get(reader, "/api/cases/approval/2024-1")["clocks"]
    assert {one["clock"] for one in told} == {"gap_notice"}
    assert told[0]["state"] == "running"
    runs = [one for one in get(reader, "/api/clocks")["runs"] if one["stream"] == "approval/2024-1"]
    assert [(one["clock"], one["limit_units"]) for one in runs] == [("gap_notice", told[0]["limit"])]
    assert get(reader, "/api/clocks", before="now")["n"] == 0
    assert get(reader, "/api/clocks", clock="delivery")["n"] == 0


def test_registries_are_as_of_a_position(reader: httpx.Client) -> None:
    item = get(reader, "/api/registries/item")["entries"][0]
    assert item["data"]["name"] == "排污许可"
    assert get(reader, "/api/registries/item", as_of=str(item["leaf_index"]))["n"] == 0
    assert get(reader, "/api/registries/item", as_of=str(item["leaf_index"] + 1))["n"] == 1
    assert [one["proposal"] for one in get(reader, "/api/registries/item/permit")["versions"]] == [True, False]


def test_a_position_beyond_the_log_is_refused(reader: httpx.Client) -> None:
    for path in ("/api/queues", "/api/cases/approval/2024-2"):
        answer = reader.get(path, params={"as_of": "99999999"})
        assert (answer.status_code, answer.json()["code"]) == (422, "position")


def test_as_of_a_recorded_time(reader: httpx.Client) -> None:
    told = get(reader, "/api/cases/approval/2024-2")["events"][-1]
    found = get(reader, "/api/cases/approval/2024-2", as_of=told["recorded"])
    assert found["n"] >= 2
    assert reader.get("/api/cases/approval/2024-2", params={"as_of": instant_text(0)}).status_code == 404


def test_the_log_tells_its_state(served: Any, reader: httpx.Client) -> None:
    found = get(reader, "/api/log")
    assert found["checkpoint"]["note"].split("\n")[0] == served.hall.origin
    assert found["batches"][0]["size"] == found["size"]
    assert {key["custody"] for key in found["keys"]} == {"server", "actor"}
    assert (found["unplaced"], found["refused"]) == (0, 0)


def test_metrics_count_what_waits_and_what_was_refused(served: Any, reader: httpx.Client) -> None:
    reader.get("/api/cases/no-such-case")
    lines = dict(line.rsplit(" ", 1) for line in reader.get("/metrics").text.splitlines() if not line.startswith("#"))
    assert float(lines["mingjian_log_size"]) == served.hall.reader.head().size
    assert float(lines["mingjian_projection_lag_entries"]) >= 0
    assert float(lines["mingjian_unplaced_statements"]) == 0
    assert float(lines["mingjian_checkpoint_age_seconds"]) >= 0
    assert float(lines['mingjian_refused_total{code="no-case"}']) >= 1


def test_an_unknown_address_and_method_are_problem_details(reader: httpx.Client) -> None:
    for method, path, status in (("GET", "/api/nothing", 404), ("DELETE", "/api/log", 405)):
        answer = reader.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_answers_are_not_kept_by_anyone_on_the_way(reader: httpx.Client) -> None:
    answer = reader.get("/api/sources")
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"

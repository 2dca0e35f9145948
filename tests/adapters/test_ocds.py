"""Open contracting data in and out: every stage, exact money, and the same statements after a round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.door.hall import create_ledger, open_ledger
from ledger.exchange.ocds_in import import_ocds
from ledger.exchange.ocds_out import export_ocds

Brought = Any
OCID = "ocds-213czf-000-00001"
BUYER = {"id": "XM-HC-01", "name": "海沧区建设局"}


def release(day: int, tag: str, **parts: Any) -> dict[str, Any]:
    date = f"2024-03-{day:02}T09:00:00+08:00"
    return {"ocid": OCID, "id": f"{OCID}-{day}", "date": date, "tag": [tag], "initiationType": "tender", **parts}


def value(amount: Any, currency: str = "CNY") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


PERIOD = {"startDate": "2024-03-02T09:00:00+08:00", "endDate": "2024-03-05T09:00:00+08:00"}
TENDER = {"id": "t1", "title": "道路", "status": "active", "procurementMethod": "open", "tenderPeriod": PERIOD}
BIDS = {
    "details": [
        {
            "id": "1",
            "date": "2024-03-03T10:00:00+08:00",
            "status": "valid",
            "tenderers": [{"id": "A"}],
            "value": value(9.1),
        },
        {
            "id": "2",
            "date": "2024-03-04T10:00:00+08:00",
            "status": "valid",
            "tenderers": [{"id": "B"}],
            "value": value(8),
        },
    ]
}
AWARD = {
    "id": "a1",
    "status": "active",
    "date": "2024-03-08T09:00:00+08:00",
    "value": value(8),
    "suppliers": [{"id": "B"}],
}
CONTRACT = {
    "id": "c1",
    "awardID": "a1",
    "value": value(8),
    "dateSigned": "2024-03-10T09:00:00+08:00",
    "status": "active",
}


def paid(number: str, day: int, amount: float) -> dict[str, Any]:
    return {"id": number, "date": f"2024-03-{day:02}T09:00:00+08:00", "value": value(amount)}


# As most publishers do it, each release tells again what the ones before it told.
WHOLE: list[dict[str, Any]] = [
    release(
        1,
        "planning",
        buyer=BUYER,
        planning={"budget": {"amount": value(10.25), "project": "道路"}},
        tender=TENDER | {"tenderPeriod": {}},
    ),
    release(2, "tender", buyer=BUYER, tender=TENDER | {"value": value(10.25)}),
    release(6, "tenderUpdate", buyer=BUYER, tender=TENDER | {"value": value(10.25)}, bids=BIDS),
    release(8, "award", buyer=BUYER, tender=TENDER, bids=BIDS, awards=[AWARD]),
    release(10, "contract", buyer=BUYER, tender=TENDER, bids=BIDS, awards=[AWARD], contracts=[CONTRACT]),
    release(
        12,
        "implementation",
        buyer=BUYER,
        tender=TENDER,
        awards=[AWARD],
        contracts=[CONTRACT | {"implementation": {"transactions": [paid("p1", 11, 3.5)]}}],
    ),
    release(
        14,
        "contractTermination",
        tender=TENDER,
        awards=[AWARD],
        contracts=[
            CONTRACT
            | {"status": "terminated", "implementation": {"transactions": [paid("p1", 11, 3.5), paid("p2", 13, 4.5)]}}
        ],
    ),
]
TOLD = (
    "planned tender_published bid_received bid_received bids_opened awarded contract_signed started paid paid completed"
)


def package(tmp_path: Path, releases: list[Any], name: str = "p.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps({"uri": "urn:x", "version": "1.1", "releases": releases}, indent=1, ensure_ascii=False))
    return path


def told(brought: Brought, source: str, ocid: str = OCID) -> str:
    return " ".join(act.type.split(".")[1] for act in brought.acts(f"trading/{source}/{ocid}"))


def test_a_package_of_releases_becomes_the_stages_each_once(brought: Brought, tmp_path: Path) -> None:
    taken = import_ocds(brought.hall, package(tmp_path, WHOLE), source="ocds")
    assert dict(taken.dead) == {}, [brought.letters.open(one)[1] for one in brought.letters.list(source="ocds")]
    acts = brought.acts(f"trading/ocds/{OCID}")
    assert told(brought, "ocds") == TOLD
    assert acts[0].data["fen"] == 1025
    assert acts[4].data["prices"] == {"A": 910, "B": 800}
    assert [act.at for act in acts][2:4] == ["2024-03-03T10:00:00+08:00", "2024-03-04T10:00:00+08:00"]
    again = import_ocds(brought.hall, package(tmp_path, WHOLE), source="ocds")
    assert (again.known, again.accepted) == (7, 0)
    assert len(brought.acts(f"trading/ocds/{OCID}")) == len(acts)


def lines(releases: list[Any]) -> str:
    return "\n".join(json.dumps(one, ensure_ascii=False) for one in releases)


SHAPES = {
    "lines of releases": lambda: lines(WHOLE),
    "releases in the wrong order": lambda: json.dumps({"releases": WHOLE[::-1]}),
    "a line of packages": lambda: lines([{"releases": WHOLE[:3]}, {"releases": WHOLE[3:]}]),
    "an array of releases": lambda: json.dumps(WHOLE),
    "a record package": lambda: json.dumps({"records": [{"ocid": OCID, "releases": WHOLE}]}, indent=2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_file_is_read(brought: Brought, tmp_path: Path, shape: str) -> None:
    source = f"shape{list(SHAPES).index(shape)}"
    path = tmp_path / "o.json"
    path.write_text(SHAPES[shape](), "utf-8")
    assert dict(import_ocds(brought.hall, path, source=source).dead) == {}
    assert told(brought, source) == TOLD


def test_a_compiled_release_alone_tells_everything(brought: Brought, tmp_path: Path) -> None:
    compiled = WHOLE[-1] | {"tag": ["compiled"], "buyer": BUYER, "bids": BIDS}
    compiled["tender"] = TENDER | {"value": value(10.25)}
    path = tmp_path / "r.json"
    path.write_text(
        json.dumps({"records": [{"ocid": OCID, "compiledRelease": compiled | {"tag": ["compiled", "tender"]}}]})
    )
    assert dict(import_ocds(brought.hall, path, source="compiled").dead) == {}
    assert told(brought, "compiled") == TOLD


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (10.255, "CNY", "amount"),
        ("10", "CNY", "amount"),
        (10, "USD", "currency"),
        (True, "CNY", "amount"),
        (0, "CNY", "amount"),
    ],
)
def test_money_that_is_not_whole_fen_in_cny_is_refused(
    brought: Brought, tmp_path: Path, amount: Any, currency: str, code: str
) -> None:
    planned = WHOLE[0] | {"planning": {"budget": {"amount": value(amount, currency)}}}
    source = f"money-{amount}-{currency}"
    assert dict(import_ocds(brought.hall, package(tmp_path, [planned]), source=source).dead) == {code: 1}
    assert len(brought.letters.list(source=source)) == 1


def test_sums_are_exact_where_a_double_is_not(brought: Brought, tmp_path: Path) -> None:
    path = tmp_path / "exact.json"
    text = json.dumps(WHOLE[0] | {"ocid": "ocds-x-big"}).replace("10.25", "90071992547409.77")
    path.write_text(text)
    assert dict(import_ocds(brought.hall, path, source="exact").dead) == {}
    [act] = brought.acts("trading/exact/ocds-x-big")
    assert act.data["fen"] == 9007199254740977
    brought.hall.wait_placed([outcome_of(act)], timeout_s=20)
    out = tmp_path / "out.json"
    export_ocds(brought.hall, out, source="exact")
    assert "90071992547409.77" in out.read_text()


def outcome_of(act: Any) -> Any:
    from ledger.door.door import Outcome

    return Outcome(act.id, act.stream, act.seq, repeated=False)


def test_a_release_that_does_not_fit_is_a_dead_letter_and_the_others_are_taken(
    brought: Brought, tmp_path: Path
) -> None:
    broken = [WHOLE[0], {"no": "ocid"}, WHOLE[4] | {"bids": {}, "tender": {"id": "t1"}}, "text", WHOLE[1]]
    taken = import_ocds(brought.hall, package(tmp_path, broken), source="broken")
    assert taken.accepted == 2
    assert dict(taken.dead) == {"ocds": 2, "bid-late": 1} or taken.dead.total() == 3
    assert told(brought, "broken").startswith("planned tender_published")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Any]:
    create_ledger(tmp_path / "elsewhere")
    with open_ledger(tmp_path / "elsewhere") as hall, hall.sequencing():
        yield hall


FAILED: list[dict[str, Any]] = [
    {"act": "planned", "project": "桥", "buyer": "XM-HC-01", "method": "open", "fen": 7},
    {"act": "tender_published", "closes": "2024-03-03T09:00:00+08:00", "document": "ab" * 32},
    {"act": "tender_amended", "closes": "2024-03-04T09:00:00+08:00", "reason": "longer"},
    {"act": "challenged", "challenge": "q1"},
    {"act": "challenge_settled", "challenge": "q1", "outcome": "rejected"},
    {"act": "tender_failed", "reason": "no_bids"},
    {"act": "planned", "project": "桥", "buyer": "XM-HC-01", "method": "open", "fen": 7},
    {"act": "tender_published", "closes": "2024-03-09T09:00:00+08:00"},
    {"act": "bid_received", "bidder": "A"},
    {"act": "bids_opened", "prices": {"A": 5}, "at": "2024-03-10T09:00:00+08:00"},
    {"act": "awarded", "supplier": "A", "fen": 5, "at": "2024-03-11T09:00:00+08:00"},
    {"act": "contract_signed", "fen": 5, "at": "2024-03-12T09:00:00+08:00"},
    {"act": "contract_amended", "fen": 6, "reason": "more", "at": "2024-03-13T09:00:00+08:00"},
    {"act": "started", "at": "2024-03-14T09:00:00+08:00"},
    {"act": "paid", "fen": 3, "at": "2024-03-15T09:00:00+08:00"},
    {"act": "paid", "fen": 3, "at": "2024-03-16T09:00:00+08:00"},
    {"act": "completed", "at": "2024-03-17T09:00:00+08:00"},
]


def test_what_is_exported_and_imported_elsewhere_is_exported_the_same(
    brought: Brought, elsewhere: Any, tmp_path: Path
) -> None:
    records = [
        {"id": str(number), "ref": "ocds-hc-1", "at": f"2024-03-{min(number, 8) + 1:02}T08:00:00+08:00", **one}
        for number, one in enumerate(FAILED)
    ]
    cancelled = [
        {"id": "x1", "ref": "ocds-hc-2", "at": "2024-03-01T08:00:00+08:00", **FAILED[0]},
        {"id": "x2", "ref": "ocds-hc-2", "at": "2024-03-02T08:00:00+08:00", "act": "cancelled", "reason": "no_money"},
    ]
    for one in (*records, *cancelled):
        one.setdefault("ocid", one["ref"]) if one["act"] == "planned" else None
    taken = brought.take("trading", "round", *records, *cancelled)
    assert dict(taken.dead) == {}
    brought.hall.wait_placed([taken.last], timeout_s=20)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    written = export_ocds(brought.hall, first, source="round")
    assert (written.procedures, written.releases) == (2, len(records) + 2)
    back = import_ocds(elsewhere, first, source="round")
    assert dict(back.dead) == {}
    elsewhere.wait_placed([back.last], timeout_s=20)
    export_ocds(elsewhere, second, source="round")
    one, other = (json.loads(path.read_text())["releases"] for path in (first, second))
    assert sorted(one, key=lambda each: each["id"]) == sorted(other, key=lambda each: each["id"])


def test_an_export_is_of_the_shape_that_the_standard_asks_for(brought: Brought, tmp_path: Path) -> None:
    taken = import_ocds(brought.hall, package(tmp_path, WHOLE), source="shape")
    brought.hall.wait_placed([taken.last], timeout_s=20)
    out = tmp_path / "out.json"
    export_ocds(brought.hall, out, source="shape")
    found = json.loads(out.read_text())
    assert found.keys() == {"uri", "version", "extensions", "publishedDate", "publisher", "releases"}
    ids = [one["id"] for one in found["releases"]]
    assert len(ids) == len(set(ids)) == len(TOLD.split())
    for one in found["releases"]:
        assert {"ocid", "id", "date", "tag", "initiationType"} <= one.keys()
        assert one["initiationType"] == "tender"
        for contract in one.get("contracts", []):
            assert {"id", "awardID"} <= contract.keys()


def test_a_purchase_told_without_bids_and_with_little_else_still_goes_through_its_stages(
    brought: Brought, tmp_path: Path
) -> None:
    tender = TENDER | {"value": value(10), "awardPeriod": {"startDate": "2024-03-01T00:00:00Z"}}
    contract = {"id": "c1", "awardID": "a1", "status": "active"}
    releases = [
        release(2, "tender", buyer={"name": "海沧区建设局"}, tender=tender),
        release(8, "award", awards=[{**AWARD, "suppliers": [{"name": "乙公司"}]}], tender=tender),
        release(10, "contract", awards=[{**AWARD, "suppliers": [{"name": "乙公司"}]}], contracts=[contract]),
    ]
    import_ocds(brought.hall, package(tmp_path, releases), source="little")
    assert [brought.letters.open(one)[1] for one in brought.letters.list(source="little")] == []
    assert told(brought, "little") == "planned tender_published bid_received bids_opened awarded contract_signed"
    acts = brought.acts(f"trading/little/{OCID}")
    assert acts[0].data["buyer"].startswith("x-")
    assert acts[2].data["bidder"] == acts[4].data["supplier"]
    assert acts[5].data["fen"] == 800


def test_a_release_that_tells_nothing_that_is_kept_is_not_lost_either(brought: Brought, tmp_path: Path) -> None:
    empty = {"ocid": OCID, "id": "e", "date": "2024-03-01T09:00:00+08:00", "tag": ["tenderUpdate"], "language": "zh"}
    for _ in range(2):
        taken = import_ocds(brought.hall, package(tmp_path, [WHOLE[0], empty]), source="empty")
        assert dict(taken.dead) == {"ocds-nothing": 1}
    assert len(brought.letters.list(source="empty")) == 1


LOTS = {"lots": [{"id": "1", "title": "路", "value": value(6)}, {"id": "2", "title": "灯", "value": value(4)}]}
SPLIT = [
    {"id": "a1", "status": "active", "relatedLots": ["1"], "value": value(5.5), "suppliers": [{"id": "A"}]},
    {
        "id": "a2",
        "status": "active",
        "relatedLots": ["2"],
        "value": value(3.5),
        "suppliers": [{"id": "B"}, {"id": "C"}],
    },
]
JOINT = {
    "details": [
        BIDS["details"][0] | {"relatedLots": ["1"]},
        BIDS["details"][1] | {"relatedLots": ["2"], "tenderers": [{"id": "B"}, {"id": "C"}]},
    ]
}


def in_lots() -> list[dict[str, Any]]:
    told_before: dict[str, Any] = {"buyer": BUYER, "tender": TENDER | LOTS | {"value": value(10)}}
    signed = [CONTRACT | {"id": f"c{n}", "awardID": f"a{n}", "value": one["value"]} for n, one in enumerate(SPLIT, 1)]
    return [
        release(2, "tender", **told_before),
        release(6, "tenderUpdate", **told_before, bids=JOINT),
        release(8, "award", **told_before, bids=JOINT, awards=SPLIT),
        release(10, "contract", **told_before, bids=JOINT, awards=SPLIT, contracts=signed),
    ]


def test_each_lot_is_a_procedure_with_its_own_bids_award_and_contract(
    brought: Brought, elsewhere: Any, tmp_path: Path
) -> None:
    taken = import_ocds(brought.hall, package(tmp_path, in_lots()), source="lots")
    assert dict(taken.dead) == {}, [brought.letters.open(one)[1] for one in brought.letters.list(source="lots")]
    stages = "planned tender_published {} bids_opened awarded contract_signed"
    assert told(brought, "lots", f"{OCID}-lot-1") == stages.format("bid_received")
    assert told(brought, "lots", f"{OCID}-lot-2") == stages.format("bid_received bid_received")
    one, two = (brought.acts(f"trading/lots/{OCID}-lot-{n}") for n in (1, 2))
    assert (one[0].data["fen"], one[0].data["project"], one[4].data["fen"], one[5].data["fen"]) == (600, "路", 550, 550)
    assert (two[5].data["supplier"], two[5].data["partners"], two[0].data["lot"]) == ("B", ["C"], "2")
    brought.hall.wait_placed([outcome_of(two[-1]), outcome_of(one[-1])], timeout_s=20)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    export_ocds(brought.hall, first, source="lots")
    back = import_ocds(elsewhere, first, source="lots")
    assert dict(back.dead) == {}
    elsewhere.wait_placed([back.last], timeout_s=20)
    export_ocds(elsewhere, second, source="lots")
    ours, theirs = (json.loads(path.read_text())["releases"] for path in (first, second))
    assert sorted(ours, key=lambda each: each["id"]) == sorted(theirs, key=lambda each: each["id"])
    assert len({each["id"] for each in ours}) == len(ours)


def test_of_several_awards_without_lots_each_is_carried_out_by_itself(brought: Brought, tmp_path: Path) -> None:
    awards = [{name: said for name, said in one.items() if name != "relatedLots"} for one in SPLIT]
    details = [{name: said for name, said in one.items() if name != "relatedLots"} for one in JOINT["details"]]
    plain: dict[str, Any] = {"tender": TENDER | {"value": value(10)}, "bids": {"details": details}, "awards": awards}
    releases = [one | {name: plain[name] for name in plain if name in one} for one in in_lots()]
    assert dict(import_ocds(brought.hall, package(tmp_path, releases), source="awards").dead) == {}
    main, other = (brought.acts(f"trading/awards/{name}") for name in (OCID, f"{OCID}-lot-award-a2"))
    assert [act.data["supplier"] for acts in (main, other) for act in acts if "supplier" in act.data] == ["A", "B"]
    again = import_ocds(brought.hall, package(tmp_path, releases), source="awards")
    assert (again.accepted, again.known) == (0, len(releases))


def test_a_record_that_only_links_to_its_releases_is_kept_with_what_to_do(brought: Brought, tmp_path: Path) -> None:
    links = [{"url": "https://example.org/r/1", "date": WHOLE[0]["date"], "tag": ["tender"]}]
    linked = {"ocid": OCID, "releases": links}
    compiled = {"ocid": "ocds-x-2", "releases": links, "compiledRelease": WHOLE[0] | {"ocid": "ocds-x-2"}}
    path = tmp_path / "linked.json"
    path.write_text(json.dumps({"records": [linked, compiled]}))
    taken = import_ocds(brought.hall, path, source="linked")
    assert (dict(taken.dead), taken.accepted) == ({"ocds-linked": 1}, 1)
    assert told(brought, "linked", "ocds-x-2") == "planned"


def test_packages_within_packages_without_end_are_not_opened_without_end(brought: Brought, tmp_path: Path) -> None:
    deep: Any = WHOLE[0]
    for _ in range(200):
        deep = {"releases": [deep]}
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(deep))
    assert dict(import_ocds(brought.hall, path, source="deep").dead) == {"ocds": 1}

"""Figures of a hall where something happened in every centre: what each says, and that an outsider says the same."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.metric_questions import figure
from api.tokens import Tokens
from ledger.cases import (
    approval,
    assistance,
    complaint,
    drill,
    emergency,
    enterprise_help,
    grid,
    inspection,
    mediation,
    rating,
    ticket,
)
from ledger.cases.acts import act
from ledger.errors import MingjianError
from ledger.exchange.export_log import export_log
from ledger.facts.calendar import china_mainland
from ledger.facts.card_rules import pack_object
from ledger.facts.cards import stream_of
from ledger.facts.figures.answers import SCORECARD, answerable
from ledger.facts.figures.definitions import DIMENSIONS, METRICS
from ledger.facts.figures.journal import day_end_us
from ledger.registry import catalogue, places
from ledger.statement import StatementId, instant_text
from ledger.verify import remembered
from ledger.verify.cli import main as verify
from oversight.clock import sample
from projections.check import check_projections
from projections.runner import Projector
from tests.cases.conftest import Place, staffed_place
from tests.facts.conftest import STAMP

DOCUMENT = "ab" * 32
EVENT = StatementId(b"\x05" * 32)


def say(place: Place, desk: Any, stream: str, verb: str, **data: Any) -> Any:
    return place.done(act(desk, stream, verb, None, **data))


def registries(place: Place) -> None:
    one, two = place.desk("staff/cat-a"), place.desk("staff/cat-b")
    for code, tier in (("env", "district"), ("fire", "town")):
        place.agreed(catalogue.unit(one, code, name=code, tier=tier, centre="administrative"), two)
    for code, zone in (("w1", "economic"), ("w2", "social")):
        place.agreed(catalogue.window(one, code, unit="env", name=code, zone=zone), two)
    place.publish("stamp", STAMP | {"class_": "taiwan_firm"})
    place.agreed(places.site(one, "plant", name="厂", kind="hazardous_chemicals", unit="env"), two)


def on_the_spot(place: Place) -> None:
    """Two closed at once, one on another day; a ticket for the first, and one that nobody called."""
    clerk = place.desk("staff/chen")
    place.at("2024-03-04T09:30")
    place.done(ticket.take(clerk, "t1", number="A1", queue="env", holder="甲"))
    place.done(ticket.take(clerk, "t2", number="A2", queue="env", holder="乙"))
    place.at("2024-03-04T09:40")
    place.done(ticket.call(clerk, "t1"))
    place.done(approval.apply_for(clerk, "s1", "stamp", applicant="甲", ticket="t1", applicant_band="newcomer"))
    place.done(approval.accept(clerk, "s1"))
    place.done(approval.decide(clerk, "s1", "granted"))
    place.done(approval.deliver(clerk, "s1", "counter"))
    place.done(approval.close(clerk, "s1"))
    place.at("2024-03-04T09:50")
    place.done(ticket.serve(clerk, "t1", case="s1"))
    place.done(rating.rate(place.desk("staff/portal"), "t1", 5, dimensions={"smile": 5, "waiting_area": 2}))
    for case, closes in (("s2", "2024-03-04T10:05"), ("s3", "2024-03-05T10:05")):
        place.done(approval.apply_for(clerk, case, "stamp", applicant="丙", applicant_band="resident"))
        place.done(approval.accept(clerk, case))
        place.at(closes)
        place.done(approval.decide(clerk, case, "denied"))
        place.done(approval.close(clerk, case))
        place.done(rating.rate(place.desk("staff/portal"), case, 3, dimensions={"smile": 3}))
    place.at("2024-03-05T11:00")
    place.done(ticket.expire(clerk, "t2"))


def papers_listed(place: Place) -> None:
    """A day before the permits are applied for: a list with time enough, one with too little, one dropped."""
    officer = place.desk("staff/qi")
    place.done(enterprise_help.visit(officer, "h1", "changhong"))
    for name, day in (("soon", 6), ("late", 5), ("never", 13)):
        place.done(enterprise_help.list_papers(officer, "h1", name, "permit", ["map"], date(2024, 3, day)))
    place.done(enterprise_help.drop_milestone(officer, "h1", "never", "abroad"))


def applied_for(place: Place) -> None:
    for name, case in (("soon", "p1"), ("late", "p3")):
        place.done(enterprise_help.link_application(place.hall, place.desk("staff/qi"), "h1", name, f"approval/{case}"))


def promised(place: Place) -> None:
    """In time with two units beside each other, late after a notice of gaps, open and overdue; one comes back."""
    clerk, reviewer, approver = place.desk("staff/chen"), place.desk("staff/qian"), place.desk("staff/sun")
    place.at("2024-03-06T09:00")
    for case in ("p1", "p2", "p3"):
        place.done(approval.apply_for(clerk, case, "permit", applicant="丁"))
    place.done(approval.tell_gaps(clerk, "p2", ["map"]))
    for case in ("p1", "p3"):
        place.done(approval.accept(clerk, case))
    place.at("2024-03-07T09:00")
    place.done(approval.supply(clerk, "p2", ["map"]))
    place.done(approval.accept(clerk, "p2"))
    for branch, desk in (("air", reviewer), ("fire", place.desk("staff/fire"))):
        place.done(approval.open_branch(clerk, "p1", branch, desk.unit))
        place.done(approval.start_step(desk, "p1", "look", branch=branch))
    place.at("2024-03-08T09:00")
    for branch, desk in (("air", reviewer), ("fire", place.desk("staff/fire"))):
        place.done(approval.finish_step(desk, "p1", "look", branch=branch))
        place.done(approval.finish_branch(desk, "p1", branch, "passed"))
    place.done(approval.decide(approver, "p1", "granted"))
    place.done(approval.deliver(clerk, "p1", "counter"))
    place.done(approval.close(clerk, "p1"))
    place.at("2024-03-20T09:00")
    place.done(approval.start_step(reviewer, "p2", "look"))
    place.at("2024-03-20T11:00")
    place.done(approval.finish_step(reviewer, "p2", "look"))
    place.done(approval.decide(approver, "p2", "denied"))
    place.done(approval.close(clerk, "p2"))
    place.at("2024-03-25T09:00")
    place.done(approval.reopen(place.desk("staff/head"), "p1", "error"))


def cards(place: Place) -> None:
    """On the late case a red card, answered in time; on the open one a yellow card that is revoked, and a red one."""
    head, supervisor = place.desk("staff/head"), place.desk("staff/du")

    def raised(case: str, rule: str, colour: str) -> str:
        stream = stream_of(f"approval/{case}", rule, "promise", None, None, 1)
        more = {"case": f"approval/{case}", "rule": rule, "colour": colour, "pack": "sample", "version": 1}
        more |= {"rules": "00", "unit": "env", "clock": "promise", "run": 1, "fired": instant_text(place.now_us)}
        say(place, place.system(), stream, "raised", **more)
        return stream

    place.at("2024-03-25T10:00")
    late, soon = raised("p2", "R-OVER", "red"), raised("p3", "Y-90", "yellow")
    raised("p3", "R-OVER", "red")
    place.at("2024-03-26T10:00")
    say(place, head, late, "answered", answer="人手不足")
    say(place, supervisor, soon, "revoked", reason="error")


def other_centres(place: Place) -> None:
    officer, other, duty = place.desk("staff/qiu"), place.desk("staff/bang"), place.desk("staff/ying")
    place.at("2024-03-26T11:00")
    place.done(assistance.ask(officer, "a1", "labour", person="戊", need="工资"))
    place.done(assistance.triage(officer, "a1", "urgent", unit="env"))
    place.done(assistance.assess(officer, "a1", entitled=True))
    grant = place.done(assistance.grant(other, "a1", 5_000, "fund"))
    wrong = place.done(assistance.pay(officer, "a1", 3_000, grant.id))
    place.done(assistance.reverse(officer, "a1", wrong.id, "wrong_account"))
    place.done(assistance.pay(officer, "a1", 5_000, grant.id))
    place.done(assistance.recover(officer, "a1", 70_000))
    mediators = {"staff/tiao": "people", "staff/jie": "judicial"}
    one, two = place.desk("staff/tiao"), place.desk("staff/jie")
    for name, end in (("m1", mediation.agree), ("m2", mediation.fail)):
        place.done(mediation.file(one, name, "labour", parties={"a": "己", "b": "庚"}, matter="欠薪", studio="fire"))
        place.done(mediation.consent(one, name))
        place.done(mediation.name_mediators(one, name, mediators))
        place.done(mediation.hold_session(one, name))
        place.done(end(two, name, "分期") if end is mediation.agree else end(two, name))
    place.at("2024-04-08T09:00")
    place.done(mediation.repeat_petition(one, "m2", "letter"))
    seen = grid.report_problem(place.desk("staff/grid"), "g1", "rubbish", place="桥下", systems=["grid"])
    place.done(seen)
    across = ["three_defences", "grid"]
    place.done(emergency.raise_alarm(duty, "e1", "fire", place="桥下", channel="grid", systems=across))
    place.done(emergency.acknowledge(duty, "e1"))
    place.at("2024-04-08T09:03")
    place.done(emergency.dispatch(duty, "e1", ["brigade"]))
    place.at("2024-04-08T09:11")
    place.done(emergency.arrive(duty, "e1", "brigade"))
    place.done(emergency.raise_alarm(duty, "e2", "flood", place="某处"))
    place.done(emergency.call_off(duty, "e2", "nothing"))
    say(place, duty, "plan/p", "drafted", kind="fire", title="预案", document=DOCUMENT)
    for name, day in (("d1", date(2024, 4, 9)), ("d2", date(2024, 4, 9)), ("d3", date(2024, 4, 9))):
        place.done(drill.schedule(duty, name, "p", day))
    for name in ("i1", "i2"):
        place.done(inspection.plan(duty, name, "plant", date(2024, 4, 9)))
    place.at("2024-04-09T15:00")
    place.done(drill.hold(duty, "d1", 20))
    place.done(drill.cancel(duty, "d3", "storm"))
    place.done(inspection.carry_out(duty, "i1"))
    place.at("2024-04-10T15:00")
    place.done(drill.hold(duty, "d2", 20))


def complaints(place: Place) -> None:
    portal, head, investigator = place.desk("staff/portal"), place.desk("staff/zhang"), place.desk("staff/cha")
    span = {"since": "2024-04-10T01:00:00Z", "until": "2024-04-10T01:10:00Z"}
    for name in ("c1", "c2"):
        place.done(
            complaint.receive(portal, name, ["rude"], tracking=f"secret-{name}", words="慢", window="w1", **span)
        )
    place.at("2024-04-10T15:02")
    place.done(complaint.hold_evidence(place.system(), "c1", [EVENT]))
    place.done(complaint.miss_clip(place.desk("staff/lu"), "c2", "cam-1", "expired", **span))
    place.done(complaint.register(investigator, "c1", "1"))
    place.done(complaint.accept(head, "c1", ["staff/zhao"], "staff/cha"))
    place.done(complaint.investigate(investigator, "c1", ["approval/s1"], position=7))
    place.done(complaint.reply(place.desk("staff/zhao"), "c1", "抱歉"))
    place.done(complaint.find(investigator, "c1", "rude", "upheld", events=[EVENT]))
    place.done(complaint.decide(head, "c1", "upheld"))
    place.at("2024-04-18T15:02")
    place.done(complaint.refuse(head, "c2", "out_of_scope", reasons="不受理"))


def a_schedule(place: Place) -> None:
    """A revision of the year's working days moves what is still running."""
    one, two = place.desk("staff/cat-a"), place.desk("staff/cat-b")
    known = china_mainland().as_known(date(2024, 4, 1)).schedules[2024]
    data = known.as_json() | {"known_from": "2024-04-18", "source": "test"}
    data["days_off"] = sorted({*data["days_off"], "2024-03-08", "2024-04-19"})
    place.agreed(catalogue.schedule(one, type(known).from_json(data)), two)


def other_terms(place: Place) -> None:
    """A pack says other terms; what came before keeps its own."""
    one, two = place.desk("staff/cat-a"), place.desk("staff/cat-b")
    pack = pack_object(sample("ninety")) | {"terms": {"complaint_accept": 10, "complaint_finish": 20}}
    place.agreed(catalogue.adopt_rules(one, pack), two)
    place.at("2024-04-18T16:00")
    portal, span = place.desk("staff/portal"), {"since": "2024-04-10T01:00:00Z", "until": "2024-04-10T01:10:00Z"}
    place.done(complaint.receive(portal, "c3", ["rude"], tracking="secret-c3", words="慢", window="w1", **span))
    place.at("2024-04-28T10:00")
    place.done(complaint.refuse(place.desk("staff/zhang"), "c3", "out_of_scope", reasons="不受理"))


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staffed_place(tmp_path_factory.mktemp("figures") / "data") as place:
        parts = (
            registries,
            on_the_spot,
            papers_listed,
            promised,
            applied_for,
            cards,
            other_centres,
            complaints,
            a_schedule,
            other_terms,
        )
        for part in parts:
            part(place)
        place.placed()
        Projector(place.hall.database).catch_up(batch=37)
        yield place


# ── What each figure says ──────────────────────────────────────────────────────────────────────────────────


def shares(answer: dict[str, Any]) -> dict[str, str]:
    """Every share of an answer as “part/n”."""
    return {
        name: f"{one['part']}/{one['n']}" for name, one in answer.items() if isinstance(one, dict) and "part" in one
    }


SAYS: dict[str, dict[str, Any]] = {
    "on-the-spot": {"on_the_spot": "2/6"},
    "on-time": {"on_time": "1/4"},  # the case that came back runs anew, and is overdue too
    "step-on-time": {"on_time": "3/3"},
    "wait": {"over_15_min": "0/1"},
    "abandonment": {"abandoned": "1/2"},
    "satisfaction": {"satisfied": "1/3"},
    "first-time-right": {"first_time_right": "3/5"},
    "reopened": {"reopened": "1/5"},
    "early-closing": {"early": "1/2", "reopened": "1/5"},
    "crossings": {"crossed": "1/2"},
    "mediation": {"success": "1/2", "petitioned_again": "1/2", "performed": "0/0"},
    "drills": {"on_schedule": "1/2"},
    "inspections": {"on_schedule": "1/2"},
    "cards": {"answered_on_time": "1/2", "revoked": "1/3"},
    "lead-time": {"by_the_day": "1/2"},
    "complaints": {
        "footage_expired": "1/3",
        "accepted_on_time": "2/3",
        "finished_on_time": "1/1",
        "upheld": "1/1",
    },
}


@pytest.mark.parametrize("name", SAYS)
def test_each_share_counts_what_its_words_say(hall: Place, name: str) -> None:
    assert shares(figure(hall.hall, name)) == SAYS[name]


def test_durations_sums_and_ratios_are_exact(hall: Place) -> None:
    def told(name: str) -> dict[str, Any]:
        return figure(hall.hall, name)

    assert told("wait")["median_s"]["value"] == pytest.approx(600, abs=0.01)
    assert told("response")["dispatch"]["median_s"]["value"] == pytest.approx(180, abs=0.01)
    assert told("response")["arrival"]["n"] == told("response")["n"] == 1
    assert told("parallel-gain")["gain"]["value"] == pytest.approx(2, abs=0.01)
    assert told("touch")["n"] == 2
    assert told("hands")["median"] == {"exact": "1/1", "value": 1.0}
    assert told("visits")["sum"] == 1 + 1 + 1 + 2 + 2
    assert told("lead-time")["median_days"]["value"] == pytest.approx(22 / 24, abs=0.001)
    money = told("money")
    assert money["granted"] == money["paid"] == [{"kind": "labour", "n": 1, "fen": 5_000}]
    assert money["recovered"] == [{"kind": "labour", "n": 1, "fen": 70_000}]
    assert "sum" not in money
    assert told("compression")["ratio_of_sums"] == {"exact": "7/20", "value": 0.35}
    assert told("cards")["per_1000_cases"]["red"] == {"exact": "1000/3", "value": 333.333333}


def test_a_term_is_the_one_of_the_receipt_and_the_answer_tells_those_in_force(
    hall: Place,
) -> None:
    told = figure(hall.hall, "complaints")["rules"]["terms"]
    assert (told["complaint_accept_working_days"], told["complaint_finish_working_days"]) == (10, 20)
    before = figure(hall.hall, "complaints", as_of="2024-04-18T07:00:00Z")
    assert before["rules"]["terms"]["complaint_accept_working_days"] == 5
    assert shares(before)["accepted_on_time"] == "1/1"


def test_satisfaction_is_told_of_each_thing_that_was_rated(hall: Place) -> None:
    told = figure(hall.hall, "satisfaction")["dimensions"]
    assert [(one["dimension"], shares(one)["satisfied"]) for one in told] == [("smile", "1/3"), ("waiting_area", "0/1")]
    at_windows = figure(hall.hall, "satisfaction", by="window")["groups"]
    rated = {one["window"]: [each["dimension"] for each in one["dimensions"]] for one in at_windows}
    assert rated["w1"] == ["smile", "waiting_area"]


def test_the_systems_that_a_matter_crossed_are_counted_by_their_path(hall: Place) -> None:
    paths = figure(hall.hall, "crossings")["paths"]
    assert paths == [{"systems": ["grid"], "n": 1}, {"systems": ["grid", "three_defences"], "n": 1}]


def test_items_of_a_class_have_figures_of_their_own(hall: Place) -> None:
    groups = {one["class"]: one["n"] for one in figure(hall.hall, "on-the-spot", by="class")["groups"]}
    assert groups == {None: 3, "taiwan_firm": 3}


@pytest.mark.parametrize(
    ("day", "last"), [("0001-01-01", -62135539543), ("2024-04-09", 1712678400), ("9999-12-31", 253402272000)]
)
def test_a_day_ends_with_its_last_instant_whatever_day_a_statement_names(day: str, last: int) -> None:
    assert day_end_us(day) == last * 1_000_000 - 1


def test_every_answer_says_what_it_stands_on(hall: Place) -> None:
    for name in METRICS:
        told = figure(hall.hall, name)
        assert {"n", "unit", "period", "as_of", "rules", "recomputable"} <= told.keys(), name
        assert told["as_of"].keys() == {"position", "recorded", "age_s"}
        definition = told["rules"]["definition"]
        assert (definition["id"], len(definition["digest"])) == (name, 64)


def test_a_unit_answers_for_its_own_branch_and_its_own_studio(hall: Place) -> None:
    steps = {one["unit"]: one["on_time"]["n"] for one in figure(hall.hall, "step-on-time", by="unit")["groups"]}
    assert steps == {"env": 2, "fire": 1}
    assert [one["unit"] for one in figure(hall.hall, "mediation", by="unit")["groups"]] == ["fire"]
    zones = figure(hall.hall, "wait", by="zone")["groups"]
    assert [(one["zone"], one["n"]) for one in zones] == [("economic", 1)]


def test_a_period_is_half_open_and_an_early_position_knows_nothing_later(hall: Place) -> None:
    assert figure(hall.hall, "on-the-spot", since="2024-03-04", until="2024-03-05")["n"] == 3
    assert figure(hall.hall, "on-the-spot", since="2024-03-05")["n"] == 3
    before = figure(hall.hall, "reopened", as_of="2024-03-24T00:00:00Z")
    assert shares(before) == {"reopened": "0/5"}
    assert shares(figure(hall.hall, "on-time", as_of="2024-03-16T00:00:00Z")) == {"on_time": "1/1"}


def test_small_cells_of_applicants_are_always_hidden(hall: Place) -> None:
    told = figure(hall.hall, "fairness")
    assert (told["n"], told["floor"]) == (None, 10)
    assert [one.get("suppressed") for one in told["bands"]] == [True, True]
    assert told["period"] == {
        "from": "2023-12-31T16:00:00.000000Z",
        "to": "2024-03-31T16:00:00.000000Z",
    }
    with pytest.raises(MingjianError, match="whole quarter"):
        figure(hall.hall, "fairness", since="2024-03-04", until="2024-03-06")


def test_a_public_figure_is_of_one_quarter_and_hides_what_is_small(hall: Place) -> None:
    quarter = {"since": "2024-01-01", "until": "2024-04-01"}
    told = figure(hall.hall, "wait", by="unit", public=True, **quarter)
    assert told["n"] is None
    assert told["groups"] == [{"unit": "env", "n": None, "suppressed": True}]
    for wrong in (
        {"since": "2024-01-01", "until": "2024-03-01"},
        {"since": "2024-04-01", "until": "2024-07-01"},
        quarter | {"as_of": "100"},
        quarter | {"by": "window"},
    ):
        with pytest.raises(MingjianError):
            figure(hall.hall, "wait", public=True, **wrong)
    with pytest.raises(MingjianError):
        figure(hall.hall, "money", public=True, **quarter)


# ── An outsider ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def exported(hall: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export_log(hall.hall, folder / "log", latest=True)
    return folder


ASKED: list[dict[str, Any]] = [
    {},
    *({"by": dimension} for dimension in DIMENSIONS),
    {"by": "unit", "since": "2024-03-05", "until": "2024-04-09T04:00:00Z"},
    {"as_of": "2024-03-21T00:00:00Z"},
    {"as_of": "POSITION"},
    {"public": True, "by": "unit", "since": "2024-01-01", "until": "2024-04-01"},
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: " ".join(map(str, asked.values())) or "whole")
def test_an_outsider_makes_every_figure_again_bit_for_bit(
    hall: Place,
    exported: Path,
    asked: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remembered, "HELD", 3)  # most of what it remembers lies on disk
    position = json.loads(json.dumps(asked))
    if asked.get("as_of") == "POSITION":
        position["as_of"] = str(hall.hall.reader.head().size // 2)
    words = [
        word
        for name, option in (("by", "--by"), ("since", "--from"), ("until", "--to"), ("as_of", "--as-of"))
        if name in position
        for word in (option, position[name])
    ]
    words += ["--public"] if "public" in position else []
    policy = str(hall.hall.publisher.root / "policy")
    assert verify(["metrics", str(exported / "log"), "--policy", policy, *words, "--jobs", "1", "--json"]) == 0
    outside = {one["metric"]: one for one in json.loads(capsys.readouterr().out)["metrics"]}
    names = answerable(by=position.get("by"), public="public" in position)
    assert list(outside) == names
    for name in names:
        if name == "compression" and "since" in position:
            continue
        inside = figure(hall.hall, name, **position)
        inside["as_of"].pop("age_s")
        assert json.dumps(outside[name], ensure_ascii=False) == json.dumps(inside, ensure_ascii=False), name


def test_a_log_that_does_not_hold_has_no_figures(
    hall: Place, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(shutil.copytree(exported / "log", tmp_path / "broken"))
    bundle = next(path for path in (broken / "tile" / "entries").rglob("*") if path.is_file())
    raw = bundle.read_bytes()
    bundle.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    policy = str(hall.hall.publisher.root / "policy")
    assert verify(["metrics", str(broken), "--policy", policy, "--jobs", "1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["metrics"]) == (False, [])


# ── The tables ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tables_are_what_the_log_says_however_it_was_cut(hall: Place) -> None:
    projector = Projector(hall.hall.database)
    before = projector.digest()
    _, wrong = check_projections(hall.hall.database)
    assert wrong == []
    assert projector.rebuild(batch=1000).digest == before


@pytest.mark.parametrize("name", [*METRICS, SCORECARD])
def test_the_sum_over_a_dimension_is_the_whole(hall: Place, name: str) -> None:
    if name == SCORECARD or not METRICS[name].grouped:
        return
    told = figure(hall.hall, name, by="centre")
    assert sum(one["n"] for one in told["groups"]) == told["n"]


# ── Over HTTP ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_interface_tells_the_same_and_monitoring_reads_the_hall_now(hall: Place) -> None:
    headers = {"Authorization": f"Bearer {Tokens(hall.hall.data).make('reader')}"}
    asked = {"by": "unit", "since": "2024-03-01"}

    async def ask() -> tuple[list[httpx.Response], str]:
        transport = httpx.ASGITransport(create_app(hall.hall))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [
                await client.get("/api/metrics/wait"),
                await client.get("/api/metrics/cards", params=asked, headers=headers),
                await client.get("/api/metrics", headers=headers),
                await client.get("/api/metrics/speed", headers=headers),
            ], (await client.get("/metrics")).text

    (closed, cards_told, listed, unknown), text = asyncio.run(ask())
    assert (closed.status_code, unknown.status_code) == (403, 404)
    inside = figure(hall.hall, "cards", **asked)
    assert cards_told.json() | {"as_of": None} == json.loads(json.dumps(inside | {"as_of": None}))
    assert [one["name"] for one in listed.json()["metrics"]] == [*METRICS, SCORECARD]
    assert 'mingjian_cards_raised{colour="red"} 1.0' in text
    assert 'mingjian_clocks_overdue{clock="promise"} 2.0' in text
    assert 'mingjian_open_cases{stage="in_review"} 1.0' in text


def test_a_score_shows_every_component_with_its_n(hall: Place) -> None:
    told = figure(hall.hall, "scorecard", by="unit")
    assert [one["unit"] for one in told["groups"]] == ["env", "fire"]
    for one in told["groups"]:
        assert len(one["components"]) == len(told["formula"]["components"])
        assert all({"n", "weight", "value"} <= part.keys() for part in one["components"])

"""The anomalies of a live ledger: listed as of then, judged by a supervisor, counted, and kept for the pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from ledger.cases import approval, ticket
from ledger.errors import Refused
from ledger.facts.triage import stream_of
from oversight.flagged import judge, refresh
from projections import anomalies
from projections.runner import Projector
from tests.cases.conftest import Outsider, Place, staffed_place

EARLY = "2024-03-01T10:00:00+08:00"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sound case on each of two days, one that claims a time before the centre, and one sound one after it."""
    with staffed_place(tmp_path_factory.mktemp("flags") / "data") as found:
        clerk, reviewer, approver = found.desk("staff/chen"), found.desk("staff/qian"), found.desk("staff/sun")
        found.at("2024-03-05T09:00")
        ticket.take(clerk, "t1", number="A1", queue="env")
        ticket.call(clerk, "t1")
        for name, late in (("a-1", False), ("a-2", True), ("a-3", False)):
            found.done(
                approval.apply_for(clerk, name, "permit", applicant="李四", ticket="t1" if name == "a-1" else None)
            )
            found.done(approval.accept(clerk, name))
            found.done(approval.start_step(reviewer, name, "examine"))
            found.done(approval.finish_step(reviewer, name, "examine"))
            desk = approver.afterwards(EARLY, "paper") if late else approver
            found.done(approval.decide(desk, name, "granted"))
        found.placed()
        yield found


@pytest.fixture(scope="module")
def told(place: Place) -> Callable[..., Any]:
    def told(*words: object, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["anomalies", *map(str, words), "--data", str(place.hall.data), "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout.splitlines()[0])

    return told


def test_a_live_case_is_named_by_its_stream_with_the_statement_that_shows_it(
    place: Place, told: Callable[..., Any]
) -> None:
    rows = told("list")
    row = next(row for row in rows if row["kind"] == "A20")
    assert list(row) == ["case", "kind", "score", "evidence", "base_rate", "zh", "en"]
    assert row["case"] == "approval/a-2"
    ids = {id_.hex() for _, id_, _ in place.hall.reader.stream("approval/a-2")}
    assert ids.issuperset(row["evidence"])
    keys = [(-one["score"], one["case"], one["kind"]) for one in rows]
    assert keys == sorted(keys)
    assert len({key[1:] for key in keys}) == len(keys)


def test_as_of_before_it_was_said_nothing_is_odd(place: Place, told: Callable[..., Any]) -> None:
    (decided,) = [index for index, _, _ in place.hall.reader.stream("approval/a-2")][-1:]
    assert not [row for row in told("list", "--as-of", decided) if row["kind"] == "A20"]
    assert [row["case"] for row in told("list", "--as-of", decided + 1) if row["kind"] == "A20"] == ["approval/a-2"]


def test_a_supervisor_judges_and_precision_counts_the_last_word(place: Place, told: Callable[..., Any]) -> None:
    assert told("precision")["kinds"] == []
    told("confirm", "a-2", "A20", "--reason", "电话核实")
    assert [row["triage"] for row in told("list") if row["kind"] == "A20"] == ["confirmed"]
    (kind,) = told("precision")["kinds"]
    assert (kind["kind"], kind["version"], kind["confirmed"], kind["n"], kind["value"]) == ("A20", 1, 1, 1, 1.0)
    assert 0.2 < kind["low"] < 0.21
    said = told("dismiss", "approval/a-2", "A20", "--reason", "钟表有误")
    assert said["stream"] == stream_of("A20", "approval/a-2", said["evidence"])
    (kind,) = told("precision")["kinds"]
    assert (kind["confirmed"], kind["n"]) == (0, 1)


def test_what_is_not_listed_cannot_be_judged_and_a_reason_is_wanted(told: Callable[..., Any]) -> None:
    assert told("confirm", "a-1", "A20", "--reason", "x", code=1)["error"]["code"] == "no-anomaly"
    assert told("confirm", "a-2", "A20", "--reason", " ", code=1)["error"]["code"] == "usage"


def test_only_a_supervisor_says_it_and_only_of_that_evidence(place: Place) -> None:
    shown = ["ab" * 32]
    with pytest.raises(Refused):
        judge(place.desk("staff/sun"), "confirmed", "A20", "approval/a-2", shown, "x")
    supervisor = place.desk("staff/du")
    values = {"kind": "A20", "version": 1, "case": "approval/a-2", "evidence": shown, "reason": "x"}
    with pytest.raises(Refused, match="stream of its kind, case and evidence"):
        supervisor.say("anomaly/other", "anomaly.confirmed.v1", values)
    place.done(judge(supervisor, "dismissed", "A19", "unit/env", shown, "x"))
    with pytest.raises(Refused):
        judge(supervisor, "dismissed", "A19", "unit/env", shown, "x")
    place.done(judge(supervisor, "confirmed", "A19", "unit/env", shown, "y"))


def test_the_reason_is_sealed_and_an_outsider_folds_the_same(place: Place) -> None:
    place.placed()
    outsider = Outsider(place.hall)
    outsider.catch_up()
    found = {stream: state for stream, state in outsider.states.items() if stream.startswith("anomaly/")}
    assert found
    for stream, state in found.items():
        assert state == place.state(stream)
        assert "电话" not in "".join(entry.decode("latin-1") for _, _, entry in place.hall.reader.stream(stream))


def test_the_rows_kept_for_pages_say_as_of_when_and_what_was_judged_since(place: Place) -> None:
    place.placed()
    Projector(place.hall.database).catch_up()
    done = refresh(place.hall)
    assert refresh(place.hall) == done
    with place.hall.database.use("reader") as connection:
        kept = anomalies.stored(connection, limit=50)
        open_ = anomalies.stored(connection, limit=50, open_only=True)
    assert kept["position"] == done["position"]
    assert kept["found"] == len(kept["anomalies"]) == done["n"]
    row = next(row for row in kept["anomalies"] if row["kind"] == "A20")
    assert (row["case"], row["stage"]) == ("approval/a-2", "dismissed")
    assert "A20" not in {one["kind"] for one in open_["anomalies"]}


def test_a_rebuild_makes_the_same_triage_again(place: Place) -> None:
    projector = Projector(place.hall.database)
    projector.catch_up()
    before = projector.digest()
    assert projector.rebuild().digest == before

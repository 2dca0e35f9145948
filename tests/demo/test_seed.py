"""The demo district: how much there is of it, that it is sound, that it says what it is, and what was planted."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from api.demo.play import at
from api.demo.seed import CASES, LEAST, ON_THE_SPOT, RECIPE, seed
from api.demo.stories import STORIES
from api.log_questions import is_simulated
from api.metric_questions import figure
from api.questions import snapshot
from ledger.door.desk import Desk
from ledger.door.hall import create_ledger, open_ledger
from ledger.errors import Conflict, Refused
from ledger.exchange.export_log import export_log
from ledger.facts.streams import FOLDS
from ledger.statement import open_statement
from ledger.store.published import log_policy
from ledger.verify.log import verify_log
from oversight.clock import SystemClock
from oversight.flagged import flagged_live
from tests.demo.conftest import END, SCALE, Played, Small

REGISTERED = {"unit": 44, "window": 92, "item": 600, "camera": 182}


def test_the_registries_are_whole_at_any_scale(played: Played) -> None:
    _, registry = played.hall.door.registry()
    kinds = Counter(stream.partition("/")[0] for stream, entry in registry.entries.items() if not entry.closed)
    assert {kind: kinds[kind] for kind in REGISTERED} == REGISTERED
    units = [entry.data["tier"] for stream, entry in registry.entries.items() if stream.startswith("unit/")]
    assert set(units) == {"district", "town", "village"}
    sites = Counter(entry.data["kind"] for stream, entry in registry.entries.items() if stream.startswith("site/"))
    assert (sites["hazardous_chemicals"] + sites["fuel"], sites["crowded_place"]) == (26, 61)
    assert kinds["roster"] > 0
    limits = [
        [registry.entries[f"item/env-eia-{promise}"].data["clocks"][name]["limit"] for name in ("statutory", "promise")]
        for promise in (3, 7, 10)
    ]
    assert limits == [[15, 3], [30, 7], [45, 10]]


def test_it_has_exactly_the_cases_of_its_scale_and_closes_the_right_number_on_the_spot(played: Played) -> None:
    applied: dict[str, bool] = {}
    closed: set[str] = set()
    _, registry = played.hall.door.registry()
    for act in played.acts():
        if act.type == "approval.applied.v1":
            applied[act.stream] = registry.entries[f"item/{act.data['item']}"].data["handling"] == "on_the_spot"
        elif act.type == "approval.closed.v1":
            closed.add(act.stream)
    spot = {case for case, is_spot in applied.items() if is_spot}
    assert (len(applied), len(spot)) == (round(CASES * SCALE), round(ON_THE_SPOT * SCALE))
    assert spot <= closed
    assert not applied.keys() <= closed, "some are still open at the end"
    told = played.answer.as_json()
    assert (told["cases"], told["events"]) == (len(applied), played.hall.reader.head().size)
    assert told["on_the_spot_ratio"] == pytest.approx(len(spot) / len(applied), abs=1e-6)


def test_every_stream_of_the_hall_has_something_to_show(played: Played) -> None:
    seen = {act.kind for act in played.acts()}
    played_here = {"approval", "ticket", "rating", "card", "complaint", "assistance", "mediation", "consultation"}
    played_here |= {"emergency", "grid", "trading", "enterprise_help", "appointment", "reservation", "proxy"}
    played_here |= {"referral", "bundle", "plan", "drill", "duty", "inspection"}
    assert played_here <= seen
    assert played_here <= FOLDS.keys()


def test_the_six_stories_are_told_to_their_end(played: Played) -> None:
    ends = {
        "assistance/clearance": "closed",
        "consultation/stalls": "closed",
        "emergency/bridge": "reviewed",
        "mediation/land": "closed",
        "proxy/subsidy": "ended",
        "bundle/house": "closed",
    }
    assert len(ends) == len(STORIES)
    registry = played.hall.door.registry()[1]
    for stream, stage in ends.items():
        found = played.hall.door.stream(registry, stream)
        assert found is not None, stream
        assert found.state.stage == stage


def test_an_outsider_finds_it_sound_and_is_told_that_it_is_simulated(small: Small, tmp_path: Path) -> None:
    with open_ledger(small.data) as hall:
        export_log(hall, tmp_path / "log")
        policy = log_policy(hall.origin, hall.keyring.own("log").public)
        batches = hall.door.stream(hall.registry, "log")
        assert batches is not None
        assert is_simulated(hall)
    verdict = verify_log(tmp_path / "log", policy, workers=1)
    assert (verdict.ok, verdict.voided, verdict.overdue) == (True, 0, 0)
    assert verdict.simulated == batches.version


def test_time_never_goes_back_and_ends_with_the_last_day(played: Played) -> None:
    size = played.hall.reader.head().size
    recorded = [us for _, us in sorted(played.hall.reader.recorded_us(range(size)).items())]
    assert recorded == sorted(recorded)
    assert at(END) - 3 * 86_400_000_000 < recorded[-1] < at(END + timedelta(days=1))


def test_the_system_clock_owes_nothing_when_the_play_is_over(played: Played) -> None:
    (played.data / "clock.json").unlink(missing_ok=True)  # or it would not look at what is closed
    clock = SystemClock(played.hall, now=lambda: at(END + timedelta(days=1)) - 1)
    before = played.hall.reader.head().size
    assert clock.tick() == []
    assert played.hall.reader.head().size == before


def test_complaints_say_that_there_is_no_footage(played: Played) -> None:
    received, missing = set(), set()
    for act in played.acts():
        if act.type == "complaint.received.v1":
            received.add(act.stream)
        elif act.type == "complaint.evidence_missing.v1":
            missing.add(act.stream)
            assert act.data["reason"] == "not_recorded"
    assert received == missing
    assert received


def test_all_twenty_kinds_are_planted_and_found_where_the_key_says(played: Played) -> None:
    key = played.key()
    assert {row["kind"] for row in key} == {f"A{number}" for number in range(1, 21)}
    known = {act.id.hex() for act in played.acts()}
    assert all(set(row["events"]) <= known for row in key)
    with snapshot(played.hall) as (connection, _):
        rows = flagged_live(connection, position=played.hall.reader.head().size)
    found = {(row["case"], row["kind"]) for row in rows}
    missed = {(row["case"], row["kind"]) for row in key} - found
    assert missed == set()


def test_the_list_of_papers_is_followed_by_applications_and_trading_has_cards(played: Played) -> None:
    told = figure(played.hall, "lead-time")
    assert told["n"] > 0
    raised = [act.data for act in played.acts() if act.type == "card.raised.v1"]
    assert "R-NOTICE" in {card["rule"] for card in raised if card["case"].startswith("trading/")}
    for name in ("crossings", "satisfaction"):
        assert figure(played.hall, name)["n"] > 0
    assert {one["class"] for one in figure(played.hall, "on-the-spot", by="class")["groups"]} >= {"port_policy"}


def test_the_same_seed_and_end_are_the_same_log_to_the_last_byte(small: Small, tmp_path: Path) -> None:
    seed(tmp_path / "data", scale=LEAST, seed=3, end=END)
    assert (tmp_path / "data" / "published" / "latest").read_bytes() == small.latest


def test_history_goes_on_by_the_real_clock_and_still_says_that_it_began_as_a_play(small: Small) -> None:
    with open_ledger(small.data) as hall, hall.sequencing():
        before = hall.reader.head()
        key = hall.keyring.actor("staff/duty-1")
        desk = Desk(door=hall.door, actor="staff/duty-1", key=key, role="duty_officer")
        values = {"kind": "fire", "place": "海沧", "channel": "phone"}
        said = desk.say("emergency/now", "emergency.alarm_raised.v1", values)
        placed = hall.wait_placed([said], timeout_s=20)
        last = hall.reader.last_entry("log")
        assert last is not None
        assert hall.reader.recorded_us([placed[said.id]])[placed[said.id]] > before.recorded_us
        assert "simulated" not in open_statement(last).data
        assert is_simulated(hall)


def test_a_real_ledger_is_not_played_over(tmp_path: Path) -> None:
    create_ledger(tmp_path / "data")
    with pytest.raises(Conflict, match="empty folder"):
        seed(tmp_path / "data", scale=SCALE, seed=1, end=END)
    assert not (tmp_path / "data" / RECIPE).exists()


def test_a_play_that_was_cut_off_is_begun_anew_and_not_gone_on_with(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(tmp_path / "data", scale=LEAST, seed=1, end=END, progress=stop)
    with pytest.raises(Conflict, match="cut off") as refused:
        seed(tmp_path / "data", scale=LEAST, seed=1, end=END)
    assert "begin anew" in refused.value.mend


@pytest.mark.parametrize(
    ("scale", "end", "why"),
    [
        (0.0, END, "scale"),
        (11.0, END, "scale"),
        (SCALE, date(2099, 1, 1), "not over"),
        (SCALE, date(2013, 5, 1), "calendar"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is_made(
    tmp_path: Path, scale: float, end: date, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        seed(tmp_path / "data", scale=scale, seed=1, end=end)
    assert not (tmp_path / "data").exists()

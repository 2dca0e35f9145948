"""One event changed as the database's owner: page, sweep and the outsider's tool name it; nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.demo.tamper import COPY, check_demo, tamper
from api.questions import case_history, find_stream
from ledger.door.hall import open_ledger
from ledger.errors import Evidence, Refused
from ledger.store.published import log_policy
from ledger.verify.log import verify_log
from tests.demo.conftest import Small


def test_a_ledger_that_is_no_demo_is_not_tampered_with(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no played history"):
        check_demo(tmp_path)


def test_a_changed_decision_is_named_by_page_sweep_and_verifier(small: Small) -> None:
    with open_ledger(small.data) as hall:
        told = tamper(hall)
        case, index = told["case"], told["index"]
        with pytest.raises(Evidence, match=f"entry {index} were changed"):
            case_history(hall, find_stream(hall, case.partition("/")[2]), as_of=None, event_time=None)
        changed = [found for found in hall.sweep().whole() if found.code == "entry-changed"]
        assert [found.details["entry"] for found in changed] == [index]
        policy = log_policy(hall.origin, hall.keyring.own("log").public)
        assert index in [fault.where for fault in verify_log(small.data / COPY, policy, workers=1).faults]
        again = tamper(hall)
        assert again["index"] != index, "what is changed already is no victim"

"""What is asked right after a statement is answered on a head that its witnesses signed, or the answer says not."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.registry.disclosed import disclose_values
from ledger.tree.policy import Policy
from ledger.verify.cli import main as verify


def test_a_proof_and_a_disclosure_wait_for_the_witnesses(
    hall: Hall, witness: Any, register: Any, state: Any, until: Any, tmp_path: Path
) -> None:
    from api.log_proofs import prove_entry

    one = witness("w1")
    with hall.sequencing(carry_s=0.2):
        register(hall, one)
        until(lambda: hall.publisher.served() is not None)
        (tmp_path / "policy").write_bytes(hall.policy().to_bytes())
        for number in range(5):
            index = state(hall, number)
            proof = prove_entry(hall, index, "tlog", wait_s=10)
            assert proof.head.witnessed
            (tmp_path / "proof").write_bytes(proof.content)
            (tmp_path / "entry").write_bytes(hall.reader.entries(index, index + 1)[0].entry)
            words = ["proof", str(tmp_path / "proof"), "--entry", str(tmp_path / "entry")]
            assert verify([*words, "--policy", str(tmp_path / "policy"), "--json"]) == 0
        key = hall.source_key("s")
        desk = Desk(door=hall.door, actor="source/s", key=key, role="source_adapter")
        case = desk.say("imported/s/c1", "imported.case.v1", {"case_no": 1, "rest": {"name": "张三"}})
        hall.wait_placed([case], timeout_s=10)
        told = disclose_values(
            hall, "imported/s/c1", ["rest"], to="auditor/1", purpose="audit", path=tmp_path / "shown"
        )
        assert told["witnessed"] is True
        assert verify(["proof", str(tmp_path / "shown"), "--policy", str(tmp_path / "policy"), "--json"]) == 0
        assert Policy.parse((tmp_path / "policy").read_bytes()).witnesses


def test_while_the_witnesses_are_silent_an_answer_comes_in_time_and_says_so(
    hall: Hall, witness: Any, register: Any, state: Any, until: Any
) -> None:
    from api.log_proofs import prove_entry

    one = witness("w1")
    with hall.sequencing(carry_s=0.2):
        register(hall, one)
        until(lambda: hall.publisher.served() is not None)
        one.end()
        index = state(hall, 1)
        began = time.monotonic()
        proof = prove_entry(hall, index, "json", wait_s=0.5)
        assert 0.5 <= time.monotonic() - began < 5
        assert proof.head.as_json()["witnessed"] is False
        assert json.loads(proof.content)["index"] == index


def test_what_a_redaction_is_proved_by_has_the_signatures_that_its_policy_asks_for(
    hall: Hall, witness: Any, register: Any, state: Any, until: Any, tmp_path: Path
) -> None:
    from camera_ingest.clips import signed_head
    from camera_ingest.redaction import proved

    one = witness("w1")
    with hall.sequencing(carry_s=0.2):
        register(hall, one)
        until(lambda: hall.publisher.served() is not None)
        (tmp_path / "policy").write_bytes(hall.policy().to_bytes())
        state(hall, 1)
        ids = [id_ for _, id_, _ in hall.reader.stream("policy")][-1:]
        told = proved(hall, signed_head(hall, ids), "policy", "policy.change_proposed.v1")
        (tmp_path / "proof").write_text(json.dumps(told["proof"]))
        (tmp_path / "entry").write_bytes(base64.b64decode(told["entry"]))
        words = ["proof", str(tmp_path / "proof"), "--entry", str(tmp_path / "entry")]
        assert verify([*words, "--policy", str(tmp_path / "policy"), "--json"]) == 0

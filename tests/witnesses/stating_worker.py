"""States one thing after another in a ledger whose witnesses are asked, until it is killed."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from ledger.door.desk import Desk
from ledger.door.hall import open_ledger
from ledger.facts.first_policy import FIRST_POLICY
from ledger.store.sequencer import now_us

with open_ledger(Path(sys.argv[1])) as hall, hall.sequencing(carry_s=0.1):
    (officer, key), _ = hall.officers()
    desk = Desk(door=hall.door, actor=officer, key=key, role="key_officer")
    begun = now_us()
    print("begun", flush=True)
    for number in count():
        values = {"change": "policy.changed.v1", "content": {"policy": FIRST_POLICY}}
        desk.say("policy", "policy.change_proposed.v1", values, request=f"{begun}-{number}")

"""A source out as OCEL 2.0 JSON, read back by pm4py: with as many events and cases as the ledger says it wrote.

python -m tests.bench --rows ocel
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator

from tests.bench.rounds import seconds
from tests.bench.stand import Stand, program, run
from tests.bench.table import Row

# pm4py greets whoever imports it on standard output: the last line is ours.
_COUNT = """
import json, sys, pm4py
log = pm4py.read_ocel2_json(sys.argv[1])
of = log.relations.groupby("ocel:oid").size()
print(json.dumps({"events": len(log.events), "cases": len(log.objects), "relations": len(log.relations),
                  "most": int(of.max()), "activities": int(log.events["ocel:activity"].nunique())}))
"""
_WRITE = "import sys, pm4py; pm4py.write_ocel2_json(pm4py.read_ocel2_json(sys.argv[1]), sys.argv[2])"


def rows(stand: Stand) -> Iterator[Row]:
    """The export beside pm4py's own reading and writing of the same file; other counts than ours are an error."""
    if importlib.util.find_spec("pm4py") is None:
        raise RuntimeError("pm4py is not installed: make bench does that")
    data, path = stand.folder("disk", "ocel"), stand.folder("disk", "ocel.json")
    run(program("mingjian"), "init", "--data", data, "--json")
    command = (program("mingjian"), "import", "xes", stand.xes, "--source", "bench", "--data", data, "--json")
    known = json.loads(run(*command))
    command = (program("mingjian"), "export", "ocel", path, "--source", "bench", "--data", data, "--json")
    answers: list[str] = []
    ours = seconds(lambda: answers.append(run(*command)))
    wrote = json.loads(answers[0])
    counted = json.loads(run(sys.executable, "-W", "ignore", "-c", _COUNT, path).splitlines()[-1])
    for name in ("events", "cases"):
        assert counted[name] == wrote[name] == known[name], (name, counted, wrote, known)
    assert counted["relations"] == known["events"], counted
    assert counted["activities"] == known["activities"], counted
    rival = seconds(lambda: run(sys.executable, "-W", "ignore", "-c", _WRITE, path, path.with_suffix(".again.json")))
    shutil.rmtree(data)
    yield Row(
        name="ocel",
        what=f"export {wrote['events']:,} events as OCEL 2.0, each checked against the tree; pm4py counts the same",
        ours=f"{ours:.1f} s",
        rival=f"pm4py, reading and writing that file {rival:.1f} s",
        ratio=ours / rival,
        aims=(),
        limit="checking each statement, opening each sealed value",
    )

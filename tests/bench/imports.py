"""An XES log in, every event signed and in the tree, beside ``pm4py.read_xes`` of it, process to process."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator

from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Stand, program, run
from tests.bench.table import Row, at_most

_READ = "import sys, pm4py; pm4py.read_xes(sys.argv[1])"


def rows(stand: Stand) -> Iterator[Row]:
    """The import row: on disk with fsync, the private server's start and stop included, a new ledger each time."""
    if importlib.util.find_spec("pm4py") is None:
        raise RuntimeError("pm4py is not installed: make bench does that")
    log, counts = stand.xes, [0]

    def ours() -> float:
        data = stand.folder("disk", "import")
        run(program("mingjian"), "init", "--data", data, "--json")
        command = (program("mingjian"), "import", "xes", log, "--source", "bench", "--data", data, "--json")
        answers: list[str] = []
        took = seconds(lambda: answers.append(run(*command)))
        answer = json.loads(answers[0])
        assert answer["log_size"] > answer["added"] == answer["cases"] + answer["events"], answer
        counts[0] = answer["events"]
        shutil.rmtree(data)
        return took

    found = alternate(
        {"ours": ours, "pm4py": lambda: seconds(lambda: run(sys.executable, "-c", _READ, log))}, rounds=stand.rounds
    )
    ratio = found["ours"] / found["pm4py"]
    yield Row(
        name="import",
        what=f"import an XES log of {counts[0]:,} events, all signed and in the tree",
        ours=f"{found['ours']:.1f} s",
        rival=f"pm4py.read_xes alone {found['pm4py']:.1f} s",
        ratio=ratio,
        aims=(at_most(ratio, 1.5),),
        limit="reading the file: about the rival's figure",
    )

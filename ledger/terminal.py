"""What the tools for outsiders say at a terminal: in whose language, and without believing what they were sent.

Promise: no text that passes ``plain`` moves the cursor, rewrites a line or breaks a JSON encoder: what a person reads
is what was said. ``complain`` lets nothing else out.
"""

from __future__ import annotations

import os
import sys
from typing import Literal

from ledger.errors import MingjianError

Lang = Literal["zh", "en"]


def language() -> Lang:
    """The language of the person at this terminal: Chinese, or English for everybody else."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"


def plain(text: str) -> str:
    """``text`` with all that is not printable written as an escape, line ends too."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def complain(error: MingjianError, *, as_json: bool) -> None:
    """Say what could not be done: one line of JSON on standard output, or words on the other."""
    if as_json:
        import orjson  # only where something went wrong: it takes as long to load as hashing some thousand entries

        print(orjson.dumps(error.as_json(), default=str).decode(), flush=True)
        return
    print(plain(f"error: {error.message}"), file=sys.stderr)
    if error.mend:
        print(plain(f"       {error.mend}"), file=sys.stderr)

"""How commands speak: with ``--json`` exactly one line on standard output; progress and errors in words on the other.

Exit codes: 0 done · 1 refused or not verified · 2 wrong usage · 3 unavailable.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import typer

from ledger.errors import MingjianError, Unavailable


def answer(result: dict[str, Any], *, as_json: bool) -> None:
    """Print one result."""
    if as_json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
        return
    for name, value in result.items():
        print(f"{name:>24}  {value}")


@contextmanager
def speaking(*, as_json: bool) -> Iterator[None]:
    """Turn the three families of error into words (or one JSON line) and an exit code."""
    try:
        yield
    except MingjianError as error:
        if as_json:
            sys.stdout.write(orjson.dumps(error.as_json(), default=str).decode() + "\n")
        else:
            print(f"error: {error.message}", file=sys.stderr)
            if error.mend:
                print(f"       {error.mend}", file=sys.stderr)
        raise typer.Exit(3 if isinstance(error, Unavailable) else 1) from error

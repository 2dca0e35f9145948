"""How commands speak: with ``--json`` exactly one line on standard output; progress and errors in words on the other.

Exit codes: 0 done · 1 refused or not verified · 2 wrong usage · 3 unavailable.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
import typer

from ledger.errors import MingjianError, Unavailable
from ledger.statement import instant_text

if TYPE_CHECKING:
    from rich.console import Console

_INSTANT: Final = re.compile(r"[0-9-]{10}T[0-9:]{8}(\.[0-9]+)?Z", re.ASCII)


def log_to_stderr() -> None:
    """Programs' logs go to standard error: standard output is for results."""
    import structlog  # a tenth of a second that commands without a ledger need not wait

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def dated(value: Any) -> Any:
    """``value`` with its ``…_us`` members (µs since 1970) as RFC 3339 texts named without the suffix."""
    if isinstance(value, Mapping):
        return {
            name.removesuffix("_us"): instant_text(inner)
            if name.endswith("_us") and isinstance(inner, int)
            else dated(inner)
            for name, inner in value.items()
        }
    return [dated(inner) for inner in value] if isinstance(value, list) else value


def answer(result: Mapping[str, Any], *, as_json: bool, columns: Mapping[str, str] | None = None) -> None:
    """Print one result: a line of JSON, or for people names and values, and lists as tables.

    ``columns``: of a list's table, those that people are shown, with a space between; all of them unless given. What
    comes behind a ``|`` stands by its name in a line below its row: ids, which are copied whole from there.
    """
    result = dated(result)
    if as_json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    tables = {name: value for name, value in result.items() if _is_table(value)}
    wide = max(map(len, result), default=0)
    for name, value in result.items():
        if name not in tables:
            # Never cut or broken: a link or a secret is copied from here.
            console.print(f"{name:<{wide}}  {_words(value)}", soft_wrap=True, markup=False)
    for name, rows in tables.items():
        above, _, below = (columns or {}).get(name, " ".join(rows[0])).partition("|")
        if below:
            _print_rows(console, name, rows, above.split(), below.split())
            continue
        table = Table(title=name, title_justify="left")
        shown = above.split()
        for column in shown:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row.get(column)) for column in shown))
        console.print(table)


def _print_rows(
    console: Console, name: str, rows: Sequence[Mapping[str, Any]], above: Sequence[str], below: Sequence[str]
) -> None:
    """A table for narrow windows: short values in columns, long ones under their row, never broken."""
    from rich.cells import cell_len, set_cell_size

    cells = [[_cell(row.get(column)) for column in above] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(above, *cells, strict=True)]
    # Never cut or broken, as above.
    say = partial(console.print, soft_wrap=True, markup=False)
    say(f"\n{name}")
    for line, row in zip([above, *cells], [None, *rows], strict=True):
        say("  ".join(set_cell_size(text, width) for text, width in zip(line, widths, strict=True)).rstrip())
        told = [
            f"{column} {_words(row[column])}" for column in below if row is not None and row.get(column) is not None
        ]
        for text in told:
            say(f"    {text}")


def _is_table(value: Any) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _cell(value: Any) -> str:
    """As ``_words``, an instant to the minute: the whole of it is in the JSON."""
    text = _words(value)
    return f"{text[:10]} {text[11:16]}Z" if _INSTANT.fullmatch(text) else text


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return " · ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


@contextmanager
def speaking(*, as_json: bool) -> Iterator[None]:
    """Turn the three families of error into words (or one JSON line) and an exit code."""
    try:
        yield
    except MingjianError as error:
        complain(error, as_json=as_json)
        raise typer.Exit(3 if isinstance(error, Unavailable) else 1) from error
    except OSError as error:
        told = Unavailable(
            f"{error.filename or 'the system'}: {error.strerror or error}",
            code="system",
            mend="look at the path, its rights and the room on its disk; mingjian doctor looks at all of them",
        )
        complain(told, as_json=as_json)
        raise typer.Exit(3) from error


def complain(error: MingjianError, *, as_json: bool) -> None:
    """Say what could not be done: one line of JSON on standard output, or words on the other."""
    if as_json:
        sys.stdout.write(orjson.dumps(error.as_json(), default=str).decode() + "\n")
        return
    print(f"error: {error.message}", file=sys.stderr)
    if error.mend:
        print(f"       {error.mend}", file=sys.stderr)

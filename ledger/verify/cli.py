"""``mingjian-verify``: the auditor's own tool. Offline; with ``--json`` exactly one line on standard output.

Exit codes: 0 verified · 1 not verified · 2 wrong usage · 3 unavailable.

Each command is a module that declares its arguments and sets ``run``, which answers with an exit code.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

import orjson

from ledger.errors import MingjianError, Unavailable
from ledger.verify import log_command, proof_command
from ledger.verify.words import Lang, plain

_COMMANDS = (log_command, proof_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="mingjian-verify", description="Check what a Mingjian ledger says, without trusting it."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer with one line of JSON")
    common.add_argument("--lang", choices=("zh", "en"), default=_language(), help="of the report (default: by LANG)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.declare(commands, common)
    options = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if options.json else None, errors="backslashreplace")
    try:
        code: int = options.run(options)
    except MingjianError as error:
        if options.json:
            print(orjson.dumps(error.as_json(), default=str).decode())
        else:
            print(plain(f"error: {error.message}"), file=sys.stderr)
            if error.mend:
                print(plain(f"       {error.mend}"), file=sys.stderr)
        return 3 if isinstance(error, Unavailable) else 2
    except KeyboardInterrupt:
        return 130
    return code


def _language() -> Lang:
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"

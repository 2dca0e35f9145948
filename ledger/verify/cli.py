"""``mingjian-verify``: the auditor's own tool. Offline; with ``--json`` exactly one line on standard output.

Exit codes: 0 verified · 1 not verified · 2 wrong usage · 3 unavailable.

Each command is a module that declares its arguments and sets ``run``, which answers with an exit code.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from ledger.errors import MingjianError, Unavailable
from ledger.terminal import complain, language

_COMMANDS: Final = ("log", "proof", "bundle", "mirror", "monitor", "evidence", "clip", "metrics")
"""Each is the module ``NAME_command``, loaded when it is asked for: loading all takes longer than a short audit."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="mingjian-verify", description="Check what a Mingjian ledger says, without trusting it."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer with one line of JSON")
    common.add_argument("--lang", choices=("zh", "en"), default=language(), help="of the report (default: by LANG)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    words = sys.argv[1:] if argv is None else argv
    asked = [name for name in words[:1] if name in _COMMANDS] or _COMMANDS
    for name in asked:
        import_module(f"ledger.verify.{name}_command").declare(commands, common)
    options = parser.parse_args(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if options.json else None, errors="backslashreplace")
    try:
        code: int = options.run(options)
    except MingjianError as error:
        complain(error, as_json=options.json)
        return 3 if isinstance(error, Unavailable) else 2
    except KeyboardInterrupt:
        return 130
    return code

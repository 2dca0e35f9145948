"""``mingjian-witness``: cosign the checkpoints of logs that one has decided to watch.

    mingjian-witness key     --state DIR [--name NAME]            make the key, or show it
    mingjian-witness trust   VKEY --state DIR                     watch this log; a running witness sees it at once
    mingjian-witness distrust VKEY|ORIGIN --state DIR
    mingjian-witness list    --state DIR
    mingjian-witness run     --state DIR --listen ADDR:PORT [--name NAME]

Exit codes: 0 done · 1 refused · 2 wrong usage · 3 unavailable. With ``--json``, one line on standard output; ``run``
says its line once it listens.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from ledger.errors import MingjianError, Refused, Unavailable
from ledger.terminal import complain
from ledger.tree.note import VerifierKey, encode_base64
from ledger.witness.server import WitnessServer
from ledger.witness.state import State
from ledger.witness.witness import Witness

DRAIN_S = 5.0

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]+)\]|([^:\[\]]*)):([0-9]{1,5})")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.run(options)
    except MingjianError as error:
        return _refuse(options, error)
    except OSError as error:
        return _refuse(options, Unavailable(f"The folder cannot be used: {error}.", code="witness-disk"))
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mingjian-witness", description="Cosign the checkpoints of logs, each log in one history only."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", metavar="DIR", type=Path, required=True, help="the witness's folder")
    common.add_argument("--json", action="store_true", help="answer with one line of JSON")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", help="of a new witness: a URL without its scheme (default: HOSTNAME/witness)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", parents=[common, named], help="serve; makes the key at the first start")
    run.add_argument("--listen", metavar="ADDR:PORT", type=_address, required=True, help="port 0 takes a free one")
    run.set_defaults(run=_run)
    key = commands.add_parser("key", parents=[common, named], help="the witness's public key; makes it if need be")
    key.set_defaults(run=_key)
    trust = commands.add_parser("trust", parents=[common], help="cosign for this log from now on")
    trust.add_argument("vkey", metavar="VKEY", help="the log's, as in the `log` line of its policy")
    trust.set_defaults(run=_trust)
    distrust = commands.add_parser("distrust", parents=[common], help="cosign for this log no longer")
    distrust.add_argument("log", metavar="VKEY|ORIGIN")
    distrust.set_defaults(run=_distrust)
    list_ = commands.add_parser("list", parents=[common], help="the logs and the newest head cosigned for each")
    list_.set_defaults(run=_list)
    return parser


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    state = _made(options)
    with state.alone():
        state.check()
        try:
            server = WitnessServer(options.listen, Witness(state))
        except OSError as error:
            host, port = options.listen
            raise Unavailable(f"Cannot listen on {host}:{port}: {error.strerror}.", code="witness-listen") from error

        def stop(_signal: int, _frame: Any) -> None:
            # `shutdown` waits for the loop that this very thread runs.
            threading.Thread(target=server.shutdown, daemon=True).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        with server:
            _say(options, {"url": server.url, **_key_json(state)}, f"{server.url}\n{state.signer.key}")
            server.serve_forever()
        if not server.drain(DRAIN_S):
            # A save hangs in the disk. Leave with the folder held, so that no other witness overtakes it.
            os._exit(3)
    return 0


def _key(options: argparse.Namespace) -> int:
    state = _made(options)
    _say(options, _key_json(state), str(state.signer.key))
    return 0


def _trust(options: argparse.Namespace) -> int:
    key = VerifierKey.parse(options.vkey)
    new = State.open(options.state).trust(key)
    _say(
        options,
        {"origin": key.name, "vkey": str(key), "new": new},
        f"{'trusted' if new else 'trusted already'}: {key.name}",
    )
    return 0


def _distrust(options: argparse.Namespace) -> int:
    count = State.open(options.state).distrust(options.log)
    if count == 0:
        raise Refused(
            f"No log is trusted as {options.log[:200]!r}.",
            code="witness-trust",
            mend="`mingjian-witness list` shows those that are.",
        )
    _say(options, {"log": options.log, "keys": count}, f"no longer trusted: {options.log}")
    return 0


def _list(options: argparse.Namespace) -> int:
    state = State.open(options.state)
    state.check()
    trusted = {origin: keys for origin, keys in state.trusted().items() if keys}
    heads = {head.checkpoint.origin: head for head in state.heads()}
    rows: list[dict[str, Any]] = []
    for origin in sorted({*trusted, *heads}):
        head = heads.get(origin)
        rows.append(
            {
                "origin": origin,
                "vkeys": [str(key) for key in trusted.get(origin, ())],
                "size": None if head is None else head.checkpoint.size,
                "root": None if head is None else encode_base64(head.checkpoint.root),
                "cosigned_at": None if head is None else head.time_s,
                "disputed": state.count_disputed(origin),
            }
        )
    lines = []
    for row in rows:
        size = "never cosigned" if row["size"] is None else f"size {row['size']}  {row['root']}"
        marks = ("" if row["vkeys"] else "  no longer trusted") + (
            f"  {row['disputed']} requests in dispute" if row["disputed"] else ""
        )
        lines.append(f"{row['origin']}  {size}{marks}")
    _say(options, {"logs": rows}, "\n".join(lines) or "no logs")
    return 0


def _refuse(options: argparse.Namespace, error: MingjianError) -> int:
    complain(error, as_json=options.json)
    return 3 if isinstance(error, Unavailable) else 1


def _made(options: argparse.Namespace) -> State:
    name = options.name or f"{socket.gethostname()}/witness"
    state = State.create(options.state, name=name)
    if options.name not in (None, state.signer.name):
        raise Refused(
            f"The witness in {options.state} is called {state.signer.name}, not {options.name}.",
            code="witness-name",
            mend="A key keeps its name. Leave --name out, or make another witness in another folder.",
        )
    return state


def _key_json(state: State) -> dict[str, Any]:
    return {"name": state.signer.name, "vkey": str(state.signer.key)}


def _say(options: argparse.Namespace, answer: dict[str, Any], text: str) -> None:
    print(orjson.dumps(answer).decode() if options.json else text, flush=True)


def _address(text: str) -> tuple[str, int]:
    found = _LISTEN.fullmatch(text)
    if found is None or int(found[3]) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDR:PORT")
    return found[1] or found[2] or "0.0.0.0", int(found[3])  # noqa: S104 – ":PORT" asks for all interfaces


if __name__ == "__main__":
    sys.exit(main())

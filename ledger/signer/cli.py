"""``mingjian-sign``: acts signed by a key that only its owner has.

    mingjian-sign key    --out FILE [--passphrase] [--policy FILE --actor A]     make a key, or show it
    mingjian-sign opening FILE --key FILE --out FILE                              open a ledger, as one of two officers
    mingjian-sign act    --url URL --policy FILE --key FILE --actor A --role R --stream S --type T --data JSON|@FILE
    mingjian-sign finish --url URL --policy FILE                                 go on with what was cut off

The operator's token comes from ``--token-file`` or MINGJIAN_TOKEN. What will be signed is shown on standard error, and
asked there; the answer, with ``--json`` one line, is on standard output.

Exit codes: 0 signed and proved · 1 refused, by the person, the server or the checks · 2 wrong usage · 3 unavailable.
"""

from __future__ import annotations

import argparse
import getpass
import io
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.errors import Conflict, Malformed, MingjianError, NotFound, Refused, Unavailable
from ledger.facts.registry import Registry, possession_message
from ledger.keys import public_pem
from ledger.signer.draft import Asked, Checked
from ledger.signer.keys import make_key, read_key
from ledger.signer.opening import next_to_sign
from ledger.signer.server import Server
from ledger.signer.signing import Signing, as_json, now_text, origin_of
from ledger.signer.state import State
from ledger.signer.words import show, show_between, show_opening, word
from ledger.statement import Statement, StatementId, open_statement, sign_statement
from ledger.terminal import Lang, complain, language, plain
from ledger.tree.policy import MAX_POLICY_BYTES, Policy
from ledger.tree.tiles import MAX_ENTRY_BYTES

MAX_DATA_BYTES: Final = 1 << 20
YES: Final = ("yes", "y", "是")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if options.json else None, errors="backslashreplace")
    try:
        code: int = options.run(options)
    except MingjianError as error:
        complain(error, as_json=options.json)
        return 3 if isinstance(error, Unavailable) else 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mingjian-sign", description="Sign acts with a key that only you have; check what you sign."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer with one line of JSON")
    common.add_argument("--lang", choices=("zh", "en"), default=language(), help="of what is shown (default: by LANG)")
    common.add_argument("--passphrase-file", metavar="FILE", type=Path, help="first line: the key's passphrase")
    remote = argparse.ArgumentParser(add_help=False)
    remote.add_argument("--url", required=True, help="the ledger's server, like https://hall.example")
    remote.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    remote.add_argument("--state", metavar="DIR", type=Path, default=_state_folder(), help="where receipts are kept")
    remote.add_argument("--token-file", metavar="FILE", type=Path, help="first line: a token of scope operator")
    remote.add_argument("--wait", metavar="SECONDS", type=float, default=30.0, help="for the place in the tree")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    key = commands.add_parser("key", parents=[common], help="make a key, or show what others need of it")
    key.add_argument("--out", metavar="FILE", type=Path, required=True, help="the key's file; shown when it is there")
    key.add_argument("--passphrase", action="store_true", help="ask for a passphrase for a new key")
    key.add_argument("--policy", metavar="FILE", type=Path, help="with --actor: prove possession for this log")
    key.add_argument("--actor", help="whose key it will be, like staff/lin")
    key.add_argument("--public", metavar="FILE", type=Path, help="write the public key there, for others")
    key.set_defaults(run=_key)

    opening = commands.add_parser(
        "opening", parents=[common], help="sign the opening of a ledger, or confirm it as the second officer"
    )
    opening.add_argument("file", metavar="FILE", type=Path, help="the draft, or entry 0 that the first officer signed")
    opening.add_argument("--key", metavar="FILE", type=Path, required=True, help="the officer's key")
    opening.add_argument("--out", metavar="FILE", type=Path, required=True, help="entry 0, or entry 1, for the machine")
    opening.add_argument("--yes", action="store_true", help="sign without asking")
    opening.set_defaults(run=_opening)

    act = commands.add_parser("act", parents=[common, remote], help="have an act drafted, check it, sign it, prove it")
    act.add_argument("--key", metavar="FILE", type=Path, required=True, help="the actor's key")
    for name, needed, text in (
        ("actor", True, "who acts, like staff/lin"),
        ("role", True, "as what, like window_clerk"),
        ("stream", True, "on what, like ticket/A001"),
        ("type", True, "what, like ticket.taken.v2"),
        ("window", False, "at which window"),
        ("unit", False, "for which unit"),
        ("at", False, "claimed time, RFC 3339 with offset (default: now)"),
        ("request", False, "id of this act (default: a new one); the same again is the same act"),
    ):
        act.add_argument(f"--{name}", required=needed, help=text)
    act.add_argument("--data", metavar="JSON|@FILE", required=True, help="the type's fields, in clear")
    act.add_argument("--cause", metavar="ID", action="append", default=[], help="a statement that this follows from")
    act.add_argument("--digest", metavar="DIGEST", action="append", help="sealed before: for confirming a proposal")
    act.add_argument("--yes", action="store_true", help="sign without asking, unless something came in between")
    act.set_defaults(run=_act)

    finish = commands.add_parser("finish", parents=[common, remote], help="send again what was cut off; fetch proofs")
    finish.set_defaults(run=_finish)
    return parser


def _key(options: argparse.Namespace) -> int:
    if (options.policy is None) != (options.actor is None):
        raise Malformed("possession is proved to a log, for an actor", code="usage", mend="--policy FILE --actor A")
    if options.out.exists():
        key = read_key(options.out, lambda: _passphrase(options))
    else:
        wanted = options.passphrase or options.passphrase_file is not None
        key = make_key(options.out, _new_passphrase(options) if wanted else None)
    answer: dict[str, Any] = {"public_key": key.public.hex(), "thumbprint": key.thumbprint.hex()}
    if options.public is not None:
        _write(options.public, public_pem(key.public))
    if options.policy is not None:
        origin = origin_of(_policy(options.policy))
        proof = key.sign(possession_message(origin, options.actor, key.public)).hex()
        content = {"actor": options.actor, "key": key.public.hex(), "custody": "actor", "proof": proof}
        answer |= {"origin": origin, "actor": options.actor, "proof": proof, "content": content}
    lines = [
        f"{word(name, options.lang)}: {value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in answer.items()
    ]
    _say(options, answer, lines)
    return 0


def _opening(options: argparse.Namespace) -> int:
    key = read_key(options.key, lambda: _passphrase(options))
    content = _read(options.file, MAX_ENTRY_BYTES)
    draft = next_to_sign(content, key.public, at=now_text())
    print("\n".join(show_opening(draft, key.thumbprint, options.lang)), file=sys.stderr)
    if not options.yes:
        print(word("sign", options.lang), end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in YES:
            raise Refused("Nothing was signed.", code="declined")
    entry = sign_statement(draft, key)
    act = open_statement(entry)
    _write(options.out, entry)
    origin = Registry.opened(act).origin if act.seq == 1 else act.audience
    answer = {"id": act.id.hex(), "index": act.seq - 1, "origin": origin, "out": str(options.out)}
    lines = [word("opened", options.lang), *(f"  {word('log', options.lang)}: {origin}", f"  {options.out}")]
    _say(options, answer, lines)
    return 0


def _act(options: argparse.Namespace) -> int:
    asked = Asked(
        actor=options.actor,
        role=options.role,
        stream=options.stream,
        type=options.type,
        at=options.at or now_text(),
        request=options.request or secrets.token_hex(16),
        values=_data(options.data),
        unit=options.unit,
        window=options.window,
        causes=tuple(_id(text) for text in options.cause),
        digests=None if options.digest is None else tuple(options.digest),
    )
    signing, state = _signing(options)
    key = read_key(options.key, lambda: _passphrase(options))

    def confirm(checked: Checked, came: Sequence[Statement]) -> bool:
        lines = [*(show_between(came, options.lang) if came else []), *show(asked, checked, options.lang)]
        print("\n".join(lines), file=sys.stderr)
        # Whoever said yes beforehand has not seen what came in between.
        if options.yes:
            return not came
        print(word("sign", options.lang), end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in YES

    done = as_json(signing.act(asked, key, confirm), state)
    _say(options, done, _told(done, options.lang))
    return 0


def _finish(options: argparse.Namespace) -> int:
    signing, state = _signing(options)
    signing.look()
    done = [as_json(each, state) for each in signing.finish()]
    lines = [line for each in done for line in _told(each, options.lang)]
    _say(options, {"n": len(done), "finished": done}, [*lines, word("unfinished", options.lang)])
    return 0


def _told(done: dict[str, Any], lang: Lang) -> list[str]:
    return [
        word("done", lang),
        f"  {done['id']}",
        f"  {word('index', lang)}: {done['index']}",
        f"  {word('kept', lang)}: {done['kept']}.tlog-proof",
    ]


def _signing(options: argparse.Namespace) -> tuple[Signing, State]:
    policy = _policy(options.policy)
    state = State(options.state, origin_of(policy))
    token = os.environ.get("MINGJIAN_TOKEN") if options.token_file is None else _first_line(options.token_file)
    return Signing(Server(options.url, token), policy, state, wait_s=options.wait), state


def _policy(path: Path) -> Policy:
    return Policy.parse(_read(path, MAX_POLICY_BYTES))


def _data(text: str) -> dict[str, Any]:
    raw = _read(Path(text[1:]), MAX_DATA_BYTES) if text.startswith("@") else text.encode(errors="surrogateescape")
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"--data is not JSON: {error}", code="usage", mend="give one JSON object, or @FILE") from error
    if not isinstance(found, dict):
        raise Malformed("--data is not a JSON object", code="usage", mend="give one JSON object, or @FILE")
    return found


def _id(text: str) -> StatementId:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise Malformed(f"{text:.80} is not a statement's id", code="usage", mend="64 hex digits")
    return StatementId(found)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", code="no-file") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", code="unreadable") from error
    if len(content) > limit:
        raise Malformed(f"{path} has more than {limit} bytes", code="file-size")
    return content


def _write(path: Path, content: bytes) -> None:
    """A new file; what is there already stays, unless it is the same."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if _read(path, len(content)) != content:
            raise Conflict(f"{path} exists already", code="file-exists", mend="choose another name") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}", code="unwritable") from error


def _first_line(path: Path) -> str:
    return _read(path, 4096).decode(errors="replace").partition("\n")[0]


def _passphrase(options: argparse.Namespace) -> str:
    if options.passphrase_file is not None:
        return _first_line(options.passphrase_file)
    return getpass.getpass(word("passphrase", options.lang))


def _new_passphrase(options: argparse.Namespace) -> str:
    first = _passphrase(options)
    if options.passphrase_file is None and getpass.getpass(word("repeat", options.lang)) != first:
        raise Refused("the two are not the same; no key was made", code="passphrase")
    if not first:
        raise Refused("an empty passphrase protects nothing; no key was made", code="passphrase")
    return first


def _say(options: argparse.Namespace, answer: dict[str, Any], lines: list[str]) -> None:
    print(orjson.dumps(answer).decode() if options.json else plain_lines(lines), flush=True)


def plain_lines(lines: list[str]) -> str:
    """Lines for a terminal."""
    return "\n".join(plain(line) for line in lines)


def _state_folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mingjian-sign"


if __name__ == "__main__":
    sys.exit(main())

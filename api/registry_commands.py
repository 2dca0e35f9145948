"""``mingjian keys`` and ``mingjian registry``: changes by two persons, and what held as of any position.

Whoever acts is named by ``--as`` and signs with the key kept here for them, or with the one in ``--signer FILE``. A
proposal and its confirmation are two commands, so that no one command holds two persons' keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from api.options import DEFAULT_DATA, Data, Json, derived
from api.output import answer, speaking
from ledger.errors import Malformed, NotFound
from ledger.keys import SigningKey

if TYPE_CHECKING:
    from ledger.door.desk import Desk
    from ledger.door.door import Outcome
    from ledger.door.hall import Hall
    from ledger.store.database import Connection

keys_app = typer.Typer(no_args_is_help=True, help="Keys: added and revoked by two officers, rotated by their holder.")
registry_app = typer.Typer(no_args_is_help=True, help="Units, windows, items, people …: proposed, confirmed, listed.")

As = Annotated[str, typer.Option("--as", help="The actor who states this.")]
Signer = Annotated[Path | None, typer.Option("--signer", help="The actor's key file, where it is not kept here.")]
Role = Annotated[str | None, typer.Option("--role", help="The role to act in, where the kind does not give it.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="A position or a recorded time.")]

_OFFICERS: Final = frozenset({"key", "staff", "policy", "witness"})
_PLACED_S: Final = 10.0


@contextmanager
def at_desk(data: Path, actor: str, signer: Path | None, role: str) -> Iterator[tuple[Hall, Desk]]:
    """The ledger, and the desk of ``actor`` at it."""
    from ledger.door.desk import Desk
    from ledger.door.hall import open_ledger

    with open_ledger(data) as hall, hall.sequencing():
        key = hall.keyring.actor(actor) if signer is None else read_key(signer)
        yield hall, Desk(door=hall.door, actor=actor, key=key, role=role)


def read_key(path: Path) -> SigningKey:
    """The key in a file (NotFound)."""
    try:
        return SigningKey.from_pem(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"there is no key file {path}", code="key-file", mend="name the file of a key") from None


def _make_key(path: Path) -> SigningKey:
    """The key in a file, made there (0600) when it is new."""
    from ledger.signer.keys import make_key

    return read_key(path) if path.exists() else make_key(path)


def done(hall: Hall, outcome: Outcome, **more: Any) -> dict[str, Any]:
    """The statement, and its place once it has one."""
    index = hall.wait_placed([outcome], timeout_s=_PLACED_S).get(outcome.id)
    return {"id": outcome.id.hex(), "stream": outcome.stream, "seq": outcome.seq, "index": index, **more}


# ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────


@keys_app.command("add")
def keys_add(
    actor: Annotated[str, typer.Argument(help="Whose key it will be.")],
    by: As,
    key: Annotated[Path | None, typer.Option("--key", help="The new key's file; made when it is not there.")] = None,
    public: Annotated[
        str | None, typer.Option("--public", help="Of a key made elsewhere: its public half, hex.")
    ] = None,
    proof: Annotated[
        str | None, typer.Option("--proof", help="Of a key made elsewhere: proof of possession, hex.")
    ] = None,
    next_key: Annotated[Path | None, typer.Option("--next", help="The file of the key that will follow it.")] = None,
    custody: Annotated[str, typer.Option(help="actor, device or server.")] = "actor",
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Propose a key; another officer confirms. Example: mingjian keys add staff/lin --key lin.pem --as officer/1

    With --public and --proof (mingjian-sign key prints both) the private half never comes here.
    """
    from ledger.keys import thumbprint
    from ledger.registry import keys

    with speaking(as_json=json):
        if (key is None) == (public is None) or (public is None) != (proof is None):
            raise Malformed("a key is given by its file, or by --public and --proof", code="usage", mend="one of them")
        with at_desk(data, by, signer, "key_officer") as (hall, desk):
            if key is None:
                new, shown = _hex(public, "--public"), _hex(proof, "--proof")
            else:
                made = _make_key(key)
                new, shown = made.public, keys.prove_possession(hall.origin, actor, made)
            following = None if next_key is None else _make_key(next_key).public
            outcome = keys.add(desk, actor, new, shown, custody=custody, next_public_key=following)
            answer(done(hall, outcome, kid=thumbprint(new).hex()), as_json=json)


def _hex(text: str | None, option: str) -> bytes:
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        raise Malformed(f"{option} is not hex", code="usage", mend="copy it whole") from None


@keys_app.command("rotate")
def keys_rotate(
    by: As,
    new: Annotated[Path, typer.Option("--new", help="The file of the key committed in advance.")],
    role: Annotated[str, typer.Option("--role", help="A role that the actor holds.")],
    next_key: Annotated[Path | None, typer.Option("--next", help="The file of the key that will follow it.")] = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Go over to the next key. Example: mingjian keys rotate --as staff/lin --signer lin.pem --new lin2.pem"""
    from ledger.registry import keys

    with speaking(as_json=json), at_desk(data, by, signer, role) as (hall, desk):
        key = read_key(new)
        outcome = keys.rotate(desk, key, next_public_key=None if next_key is None else _make_key(next_key).public)
        answer(done(hall, outcome, kid=key.thumbprint.hex()), as_json=json)


@keys_app.command("revoke")
def keys_revoke(
    kid: Annotated[str, typer.Argument(help="The key's thumbprint, hex.")],
    reason: Annotated[str, typer.Option(help="A code: lost, stolen, left …")],
    by: As,
    suspect_from: Annotated[int | None, typer.Option(help="First leaf index that is suspect.")] = None,
    suspect_to: Annotated[int | None, typer.Option(help="Last leaf index that is suspect.")] = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Propose to revoke a key. Example: mingjian keys revoke KID --reason lost --as officer/1"""
    from ledger.registry import keys

    with speaking(as_json=json), at_desk(data, by, signer, "key_officer") as (hall, desk):
        outcome = keys.revoke(desk, kid, reason=reason, suspect_from=suspect_from, suspect_to=suspect_to)
        answer(done(hall, outcome), as_json=json)


@keys_app.command("list")
def keys_list(as_of: AsOf = None, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The keys valid as of a position. Example: mingjian keys list --as-of 1000"""
    from api.questions import asked_position, stand

    with speaking(as_json=json), derived(data) as (hall, connection):
        _, as_of_then = asked_position(hall, as_of).within(stand(hall))
        position = as_of_then["position"]
        found = [*_first_keys(connection, position), *_later_keys(connection, position)]
        answer({"n": len(found), "keys": found, "as_of": as_of_then}, as_json=json)


def _first_keys(connection: Connection, position: int) -> list[dict[str, Any]]:
    """The officers' and the clock's keys of entry 0, without those revoked by then; they cannot be rotated."""
    from ledger.facts.registry import CLOCK_ACTOR
    from ledger.keys import thumbprint
    from projections import registries

    opened = registries.versions(connection, "ledger", position=position)[:1]
    ended = {
        row["thing"].rpartition("#")[2]
        for row in registries.entries(connection, "key", position=position, closed=True)
        if row["closed"]
    }
    found = []
    for row in opened:
        officers = list(row["data"]["officers"].values())
        clock = {"actor": CLOCK_ACTOR, "key": row["data"]["clock_key"], "custody": "server"}
        for each in [*officers, clock]:
            kid = thumbprint(bytes.fromhex(each["key"])).hex()
            if kid not in ended:
                found.append({"kid": kid, "actor": each["actor"], "custody": each["custody"], "index": 0})
    return found


def _later_keys(connection: Connection, position: int) -> list[dict[str, Any]]:
    from projections import registries

    found = []
    for row in registries.entries(connection, "key", position=position):
        # A rotated key stays in the custody of the one that was added before it.
        before = registries.versions(connection, row["stream"], position=row["leaf_index"] + 1)
        custody = [each["data"]["custody"] for each in before if each["type"] == "key.added.v1"][-1]
        actor, kid = row["stream"].partition("/")[2], row["thing"].rpartition("#")[2]
        found.append({"kid": kid, "actor": actor, "custody": custody, "index": row["leaf_index"]})
    return found


# ── Registries ─────────────────────────────────────────────────────────────────────────────────────────────


@registry_app.command("propose")
def registry_propose(
    change: Annotated[str, typer.Argument(help="The type of the change, like unit.registered.v1.")],
    stream: Annotated[str, typer.Argument(help="What it changes, like unit/env.")],
    content: Annotated[str, typer.Argument(help="The content as a JSON object, or @FILE.")],
    by: As,
    role: Role = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Propose a change. Example: mingjian registry propose unit.registered.v1 unit/env '{"name":…}' --as staff/lin"""
    from ledger.registry import changes

    kind = change.partition(".")[0]
    with speaking(as_json=json):
        stated = json_content(content)
        usual = "key_officer" if kind in _OFFICERS else "catalogue_admin"
        with at_desk(data, by, signer, role or usual) as (hall, desk):
            sealed = {"name": stated.pop("name")} if kind == "staff" and "name" in stated else None
            if kind == "staff" and isinstance(stated.get("person"), str):
                stated["person"] = desk.door.pseudonym_of(stated["person"])
            answer(done(hall, changes.propose(desk, stream, change, stated, sealed=sealed)), as_json=json)


def json_content(text: str) -> dict[str, Any]:
    """The JSON object that a command was given, as text or as @FILE."""
    import orjson

    try:
        found = orjson.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the content is not JSON: {error}", code="content", mend="give one JSON object") from None
    if not isinstance(found, dict):
        raise Malformed("the content is not a JSON object", code="content", mend="give one JSON object")
    return found


@registry_app.command("confirm")
def registry_confirm(
    proposal: Annotated[str, typer.Argument(help="The proposal's id, hex.")],
    by: As,
    role: Role = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Confirm what another proposed: from here on it holds. Example: mingjian registry confirm ID --as officer/2"""
    from dataclasses import replace

    from ledger.registry import changes

    with speaking(as_json=json), at_desk(data, by, signer, role or "") as (hall, desk):
        if role is None:
            _, registry = hall.door.registry()
            waits = {each.id.hex(): each.proposal.role for each in changes.waiting(registry)}
            desk = replace(desk, role=waits.get(proposal, "key_officer"))
        answer(done(hall, changes.confirm(desk, proposal)), as_json=json)


@registry_app.command("waiting")
def registry_waiting(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The proposals that nobody has confirmed. Example: mingjian registry waiting"""
    from api.questions import stand
    from ledger.registry import changes
    from ledger.statement import instant_text

    with speaking(as_json=json), derived(data) as (hall, _):
        # Before the proposals are read: what is stated from then on may be among them, and nothing earlier is missing.
        as_of = stand(hall)
        _, registry = hall.door.registry()
        found = [
            {
                "id": each.id.hex(),
                "stream": each.proposal.stream,
                "change": each.proposal.change,
                "by": each.proposal.actor,
                "at": instant_text(each.proposal.at_us),
                "content": each.proposal.content,
            }
            for each in changes.waiting(registry)
        ]
        answer({"n": len(found), "proposals": found, "as_of": as_of}, as_json=json)


@registry_app.command("list")
def registry_list(
    kind: Annotated[str, typer.Argument(help="unit, window, item, waiver, staff, roster, calendar, policy or key.")],
    as_of: AsOf = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """What held as of a position or a recorded time. Example: mingjian registry list unit --as-of 1000"""
    from api.questions import asked_position, stand
    from ledger.facts.types import GOVERNING_KINDS
    from projections import registries

    with speaking(as_json=json):
        if kind not in GOVERNING_KINDS:
            raise Malformed(
                f"there is no registry {kind!r}", code="registry", mend=f"one of {', '.join(sorted(GOVERNING_KINDS))}"
            )
        with derived(data) as (hall, connection):
            _, as_of_then = asked_position(hall, as_of).within(stand(hall))
            rows = registries.entries(connection, kind, position=as_of_then["position"])
            names = ("stream", "type", "statement", "leaf_index", "recorded_us", "data")
            entries = [{name: row[name] for name in names} for row in rows]
            answer({"n": len(entries), "entries": entries, "as_of": as_of_then}, as_json=json)

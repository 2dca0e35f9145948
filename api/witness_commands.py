"""``mingjian log witness``, ``repair`` and ``close``: who watches the log, and the way out when one of them objects.

Which witnesses the log asks, and which of them are enough, is stated in the log by two persons. Without ``--as`` the
officers whose keys are kept here do both; with it, one proposes, and another confirms: ``mingjian registry confirm``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from api.registry_commands import Role, Signer, at_desk, done
from ledger.errors import Malformed, NotFound

if TYPE_CHECKING:
    from ledger.door.hall import Hall

witness_app = typer.Typer(no_args_is_help=True, help="The witnesses of the log: stated by two persons, asked, listed.")

By = Annotated[str | None, typer.Option("--as", help="The actor who proposes; the officers kept here do both.")]


@witness_app.command("add")
def witness_add(
    vkey: Annotated[str, typer.Argument(help="The witness's key, as it was handed over.")],
    url: Annotated[str, typer.Option("--url", help="Where it is asked.")],
    name: Annotated[str | None, typer.Option(help="Its name in the log's policy; else the key's.")] = None,
    by: By = None,
    role: Role = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Ask this witness from now on. Example: mingjian log witness add VKEY --url https://witness.example.org/w1"""
    from ledger.tree.note import VerifierKey

    with speaking(as_json=json):
        named = name or VerifierKey.parse(vkey).name.replace("/", ".")
        content = {"vkey": vkey, "url": url, "name": named}
        change = (f"witness/{named}", "witness.added.v1", content)
        _state(data, change, by=by, role=role, signer=signer, as_json=json)


@witness_app.command("remove")
def witness_remove(
    name: Annotated[str, typer.Argument(help="Its name in the log's policy.")],
    by: By = None,
    role: Role = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Ask this witness no longer. Example: mingjian log witness remove w1"""
    with speaking(as_json=json):
        change = (f"witness/{name}", "witness.removed.v1", dict[str, Any]())
        _state(data, change, by=by, role=role, signer=signer, as_json=json)


@witness_app.command("policy")
def witness_policy(
    file: Annotated[Path | None, typer.Option("--set", help="group and quorum lines of a C2SP tlog-policy.")] = None,
    by: By = None,
    role: Role = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Show the log's own policy, or set whose cosignatures are enough. Example: mingjian log witness policy --set F"""
    from ledger.door.hall import open_ledger

    with speaking(as_json=json):
        if file is not None:
            try:
                rule = file.read_text("utf-8")
            except UnicodeDecodeError:
                raise Malformed(f"{file} is not text", code="policy") from None
            change = ("witness", "witness.policy_set.v1", {"policy": rule})
            _state(data, change, by=by, role=role, signer=signer, as_json=json)
            return
        with open_ledger(data) as hall:
            policy = hall.policy()
            found = {"policy": policy.to_bytes().decode(errors="backslashreplace"), "quorum": policy.quorum}
            answer(found, as_json=json)


@witness_app.command("list")
def witness_list(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Every witness, what came of asking it last, and how old its line is. Example: mingjian log witness list"""
    from api.log_questions import witnesses
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall:
        found = witnesses(hall)
        answer(found, as_json=json, columns={"witnesses": "name standing size age_s url why"})


def _state(
    data: Path,
    change: tuple[str, str, dict[str, Any]],
    *,
    by: str | None,
    role: str | None,
    signer: Path | None,
    as_json: bool,
) -> None:
    from ledger.door.hall import open_ledger
    from ledger.registry import changes

    stream, type_name, content = change
    if by is not None:
        with at_desk(data, by, signer, role or "key_officer") as (hall, desk):
            _check_after(hall, change)
            told = done(hall, changes.propose(desk, stream, type_name, content))
    else:
        with open_ledger(data) as hall:
            _check_after(hall, change)
            with hall.sequencing():
                told = done(hall, hall.change(stream, type_name, content))
    answer(told, as_json=as_json)


def _check_after(hall: Hall, change: tuple[str, str, dict[str, Any]]) -> None:
    """Refuse what would leave a policy that asks for witnesses who are not there: it would never be met."""
    from ledger.store.published import log_policy
    from ledger.tree.note import VerifierKey
    from ledger.tree.policy import Witness

    stream, type_name, content = change
    _, registry = hall.door.registry()
    named = {
        name: Witness(name, VerifierKey.parse(entry.data["vkey"]), entry.data["url"])
        for name, entry in registry.witnesses()
    }
    rule = registry.witness_rule()
    if type_name == "witness.policy_set.v1":
        rule = content["policy"]
    elif type_name == "witness.added.v1":
        named[content["name"]] = Witness(content["name"], VerifierKey.parse(content["vkey"]), content["url"])
    elif named.pop(stream.partition("/")[2], None) is None:
        raise NotFound("there is no such witness", code="not-open", mend="mingjian log witness list shows them")
    try:
        log_policy(hall.origin, hall.keyring.own("log").public, list(named.values()), rule)
    except Malformed as error:
        raise Malformed(
            f"the log's policy would not fit its witnesses: {error.message}",
            code="witness-policy",
            mend="set another policy first: mingjian log witness policy --set FILE",
        ) from error


def log_repair(
    source: Annotated[str, typer.Option("--from", help="An exported log, or the address of a mirror.")],
    token: Annotated[str | None, typer.Option(help="An auditor's token, where the mirror asks for one.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Put missing entries back, byte for byte, from a copy. Example: mingjian log repair --from ./export"""
    from ledger.door.hall import open_ledger
    from ledger.door.repair import repair

    with speaking(as_json=json), open_ledger(data) as hall:
        answer(repair(hall, source, token=token), as_json=json)


def log_close(
    yes: Annotated[bool, typer.Option("--yes", help="Really: nothing can be stated in this log afterwards.")] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """End this log for good; a successor names its last head. Example: mingjian log close --yes"""
    from ledger.door.hall import close_ledger, open_ledger

    with speaking(as_json=json):
        if not yes:
            raise Malformed("closing a log cannot be undone", code="close", mend="mingjian log close --yes")
        with open_ledger(data) as hall:
            answer(close_ledger(hall), as_json=json)

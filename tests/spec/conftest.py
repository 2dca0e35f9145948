"""One small ledger, and every command run on it once: what each of them answered, by the name of its definition."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ledger.cases import approval
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import open_ledger
from ledger.exchange.generate import generate_xes
from ledger.keys import SigningKey
from ledger.registry import catalogue, changes, keys, people
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.note import Signer
from ledger.verify.evidence import fork
from tests.running import BIN, up

ROOT = Path(__file__).parents[2]
PROGRAMS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
ITEM: dict[str, Any] = {
    "name": "排污许可",
    "unit": "env",
    "centre": "administrative",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20}, "promise": {"limit": 7}, "gap_notice": {"limit": 5}},
}


def definition(program: str, path: list[str]) -> str:
    """``mingjian log proof`` is told by ``log-proof``, ``mingjian-verify log`` by ``verify-log``."""
    return "-".join([*program.split("-")[1:], *path])


@dataclass
class Told:
    """What the commands answered, by definition; ``seconds`` for the curious."""

    data: Path
    answers: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, program: str, path: str, *words: object, code: int = 0, data: bool = True) -> Any:
        """Run a command here, in this process; its one line of JSON."""
        more = ["--data", str(self.data)] if data and program == "mingjian" and path != "clock due" else []
        found, out = run_here(program, *path.split(), *map(str, words), *more, "--json")
        assert found == code, (path, words, out)
        assert out.count("\n") == 1, out
        answer = json.loads(out)
        self.answers[definition(program, path.split()) if code == 0 or "error" not in answer else "error"].append(
            answer
        )
        return answer

    def mingjian(self, path: str, *words: object, **how: Any) -> Any:
        return self.ask("mingjian", path, *words, **how)

    def verify(self, path: str, *words: object, **how: Any) -> Any:
        return self.ask("mingjian-verify", path, *words, **how)


def run_here(program: str, *words: str) -> tuple[int, str]:
    """The console script's own function: its exit code, and its standard output."""
    module, name = PROGRAMS[program].split(":")
    out = io.StringIO()
    with redirect_stdout(out), pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", [program, *words])
        try:
            code = getattr(import_module(module), name)() or 0
        except SystemExit as stopped:
            code = stopped.code or 0
    return int(code), out.getvalue()


@contextmanager
def witness(folder: Path) -> Iterator[dict[str, Any]]:
    """A witness that runs; what it said when it did."""
    words = ["run", "--listen", "127.0.0.1:0", "--state", folder, "--name", "w1.example/w", "--json"]
    process = subprocess.Popen(
        [BIN / "mingjian-witness", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@contextmanager
def authority(folder: Path) -> Iterator[tuple[str, Path]]:
    """OpenSSL's own time authority behind HTTP: its address, and its root certificate."""
    folder.mkdir()
    (folder / "ts.cnf").write_text(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = ./serial\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\n"
        "digests = sha256\naccuracy = secs:2\ness_cert_id_alg = sha256\n"
    )
    (folder / "serial").write_text("01")
    (folder / "ext").write_text("extendedKeyUsage=critical,timeStamping\n")

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)

    openssl("req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 30 -subj /CN=root")
    openssl("req -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr -subj /CN=tsa")
    openssl("x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ext -out tsa.pem")

    class Front(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "asked").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            openssl("ts -reply -config ts.cnf -queryfile asked -signer tsa.pem -inkey tsa.key -out reply")
            self.send_response(200)
            self.end_headers()
            self.wfile.write((folder / "reply").read_bytes())

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsa", folder / "root.pem"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def a_live_case(data: Path, folder: Path) -> None:
    """Two catalogue officers, an item, a clerk with a key of her own, and a case that she took in."""
    with open_ledger(data) as hall, hall.sequencing():
        first, second = (
            Desk(door=hall.door, actor=actor, key=key, role="key_officer") for actor, key in hall.officers()
        )
        held: dict[str, SigningKey] = {}

        def agreed(proposal: Outcome, by: Desk) -> None:
            assert hall.wait_placed([changes.confirm(by, proposal.id)], timeout_s=20)

        clerk = {"unit": "env", "windows": ["w1"]}
        for actor, roles, more in (
            ("staff/cat-a", ["catalogue_admin"], {}),
            ("staff/cat-b", ["catalogue_admin"], {}),
            ("staff/chen", ["window_clerk"], clerk),
        ):
            agreed(people.appoint(first, actor, person=actor, name="陈", roles=roles, **more), second)
            key = held[actor] = SigningKey.generate()
            agreed(keys.add(first, actor, key.public, keys.prove_possession(hall.origin, actor, key)), second)
            (folder / f"{actor[6:]}.pem").write_bytes(key.to_pem())
        one, other = (
            Desk(door=hall.door, actor=actor, key=held[actor], role="catalogue_admin")
            for actor in ("staff/cat-a", "staff/cat-b")
        )
        agreed(catalogue.item(one, "permit", **ITEM), other)
        desk = Desk(
            door=hall.door, actor="staff/chen", key=held["staff/chen"], role="window_clerk", unit="env", window="w1"
        )
        hall.wait_placed([approval.apply_for(desk, "a-1", "permit", applicant="李四"), approval.accept(desk, "a-1")])


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Every command once, in the order of a hall's life."""
    folder = tmp_path_factory.mktemp("spec")
    told = Told(folder / "data")
    told.mingjian("init")
    shutil.copytree(told.data / "postgres", folder / "backup")
    with ExitStack() as stack:
        url = stack.enter_context(up(told.data))
        _opened(told, folder)
        _refused(told)
        _figures(told)
        _people(told, folder)
        _cards(told, folder)
        _log(told, folder, stack)
        _personal(told, folder)
        _cameras(told)
        _outsiders(told, folder, url)
        _signer(told, folder, url)
        _upkeep(told)
    _ended(told, folder)
    _founded(told, folder / "founded")
    _played(told, folder)
    return told


def _opened(told: Told, folder: Path) -> None:
    told.mingjian("token", "auditor")
    told.mingjian("link")
    generate_xes(folder / "log.xes", cases=20, seed=9)
    told.mingjian("import xes", folder / "log.xes", "--source", "s")
    told.mingjian("import list", "--source", "s")
    a_live_case(told.data, folder)
    (folder / "log.csv").write_text("id,at,step\nc1,2024-03-04 09:30,taken in\nc1,2024-03-05 10:00,decided\n")
    columns = ("--case", "id", "--time", "at", "--activity", "step")
    told.mingjian("import csv", folder / "log.csv", "--source", "t", *columns)
    _brought_in(told, folder)


def _brought_in(told: Told, folder: Path) -> None:
    """Live systems, and what could not be taken of theirs."""
    examples = ROOT / "docs/spec/adapters"
    told.mingjian("import json", examples / "approval.example.json", "--source", "oa", "--kind", "approval")
    columns = ("--column", "办件编号=ref", "--column", "时间=at", "--tz", "Asia/Shanghai")
    told.mingjian("import csv", examples / "approval.example.csv", "--source", "table", "--kind", "approval", *columns)
    told.mingjian("import ocds", examples / "ocds.example.json", "--source", "xm")
    told.mingjian("export ocds", "--out", folder / "releases.json")
    told.mingjian("import hook", "oa", "--kind", "approval")
    (folder / "lost.json").write_text('[{"id": "1", "ref": "c", "act": "accepted"}]')
    told.mingjian("import json", folder / "lost.json", "--source", "oa", "--kind", "approval")
    first = told.mingjian("deadletter list", "--source", "oa")["letters"][0]["id"]
    told.mingjian("deadletter show", first)
    told.mingjian("deadletter retry", "--all", "--source", "oa")
    told.mingjian("deadletter dismiss", first)
    told.mingjian("hook add", "https://oa.example/cards", "--events", "card.raised", "--name", "oa")
    told.mingjian("hook list")
    told.mingjian("hook retry", "oa")
    told.mingjian("hook remove", "oa")


def _played(told: Told, folder: Path) -> None:
    """A district of its own, and one event of it changed."""
    told.mingjian("demo seed", "--scale", "0.002", "--end", "2025-06-30", "--data", folder / "district", data=False)
    told.mingjian("demo tamper", "--data", folder / "district", data=False)


def _refused(told: Told) -> None:
    """What cannot be done is said in one line as well."""
    for path, words, code, kind in (
        ("import xes", ("/nowhere.xes", "--source", "s"), 1, "not-found"),
        ("metrics throughput", ("--source", "nobody"), 1, "no-source"),
        ("case show", ("nobody", "--as-of", "never"), 1, "no-case"),
        ("cards backtest", ("--source", "s"), 1, "calendar-time"),
        ("metrics throughput", (), 2, "usage"),
        ("metrics throughput", ("--source", "s", "--nonsense"), 2, "usage"),
    ):
        assert told.mingjian(path, *words, code=code)["error"]["code"] == kind


def _figures(told: Told) -> None:
    told.mingjian("metrics throughput", "--source", "s")
    told.mingjian("metrics deadlines", "--source", "s")
    told.mingjian("metrics as-of", "--source", "s", "--event-time", "2024-06-01T00:00Z")
    for metric in told.mingjian("metrics list", data=False)["metrics"]:
        told.mingjian(f"metrics {metric['name']}", *(("--by", "unit") if metric["by"] else ()))
    told.mingjian("cards backtest", "--source", "s", "--yellow", "0.9", "--red", "1.0", "--calendar-time")
    listed = told.mingjian("case list", "--source", "s", "--limit", "5")
    told.mingjian("case show", listed["cases"][0]["id"])
    told.mingjian("case show", "approval/a-1")
    told.mingjian("cards list")
    told.mingjian("cards list", "--as-of", "10")
    told.mingjian("cards dry-run", "--rules", ROOT / "oversight/packs/ninety.json")
    told.mingjian("cards dry-run", "--rules", ROOT / "oversight/packs/ninety.json", "--source", "s")
    odd = told.mingjian("anomalies list", "--source", "s", "--limit", "5")
    told.mingjian("anomalies list")
    told.mingjian("anomalies list", "--as-of", "10")
    judged = (odd[0]["case"], odd[0]["kind"], "--source", "s", "--reason")
    told.mingjian("anomalies confirm", *judged, "looked at the file")
    told.mingjian("anomalies dismiss", *judged, "looked again")
    told.mingjian("anomalies list", "--source", "s", "--limit", "5")
    told.mingjian("anomalies precision")
    told.mingjian("anomalies refresh")
    assert told.mingjian("case queue")["n"] == 1
    told.mingjian("case queue", "--as-of", "10")
    assert told.mingjian("case due")["n"] > 0
    told.mingjian("case completeness", listed["cases"][0]["id"])
    told.mingjian("case completeness", "nobody")
    words = ("--start", "2024-02-08", "--limit", "5", "--unit", "working-day")
    told.mingjian("clock due", *words)
    told.mingjian("clock due", *words, "--pause", "2024-02-09..")
    told.mingjian("clock due", "--start", "2024-02-08T09:00:00+08:00", "--limit", "5", "--unit", "hour")


def _people(told: Told, folder: Path) -> None:
    person = json.dumps({"person": "042", "name": "王", "roles": ["catalogue_admin"]})
    proposed = told.mingjian("registry propose", "staff.appointed.v1", "staff/wang", person, "--as", "officer/1")
    told.mingjian("registry waiting")
    told.mingjian("registry confirm", proposed["id"], "--as", "officer/2")
    told.mingjian("registry list", "staff")
    told.mingjian("registry list", "item", "--as-of", "5")
    _as_in_the_guide(told, folder)
    mark = told.mingjian("patrol mark", "w1", "--as", "staff/supervisor")["mark"]
    told.mingjian("patrol complain", mark, "--words", "nobody there", "--as", "staff/supervisor")
    one, two = folder / "wang.pem", folder / "wang2.pem"
    added = told.mingjian("keys add", "staff/wang", "--key", one, "--next", two, "--as", "officer/1")
    told.mingjian("registry confirm", added["id"], "--as", "officer/2")
    rotate = ("--as", "staff/wang", "--signer", one, "--role", "catalogue_admin", "--new", two)
    rotated = told.mingjian("keys rotate", *rotate)
    told.mingjian("keys list")
    told.mingjian("keys revoke", rotated["kid"], "--reason", "lost", "--as", "officer/1")


def _cards(told: Told, folder: Path) -> None:
    """Rules of cards and a calendar, each by two persons; a fee that no item has, and what becomes of its card."""
    one, other = (("--as", f"staff/{name}", "--signer", folder / f"{name}.pem") for name in ("cat-a", "cat-b"))
    proposed = told.mingjian("cards propose", ROOT / "oversight/packs/ninety.json", *one)
    told.mingjian("cards confirm", proposed["id"], *other)
    told.mingjian("cards rules")
    proposed = told.mingjian("calendar revise", "--off", "2024-03-18", "--source", "台风", *one)
    told.mingjian("calendar confirm", proposed["id"], *other)
    told.mingjian("calendar list")
    _a_fee_without_a_schedule(told.data, folder)
    for _ in range(200):
        if told.mingjian("cards list")["n"] == 2:
            break
        time.sleep(0.1)
    card, other_card = (card["stream"] for card in told.mingjian("cards list")["cards"])
    head, supervisor = (("--as", f"staff/{name}", "--signer", folder / f"{name}.pem") for name in ("head", "du"))
    told.mingjian("cards answer", card, "已退", *head)
    told.mingjian("cards appeal", card, "已退", *head)
    told.mingjian("cards uphold", card, *supervisor)
    told.mingjian("cards revoke", other_card, "--reason", "mistaken", *supervisor)
    told.mingjian("cards list", "--stage", "upheld")
    proposed = told.mingjian("cards withdraw", "sample-ninety", "--reason", "replaced", *one)
    told.mingjian("cards confirm", proposed["id"], *other)


def _a_fee_without_a_schedule(data: Path, folder: Path) -> None:
    """A case is charged what its item does not have; a unit's head and a supervisor are there to decide."""
    with open_ledger(data) as hall, hall.sequencing():
        first, second = (
            Desk(door=hall.door, actor=actor, key=key, role="key_officer") for actor, key in hall.officers()
        )
        for actor, roles, unit in (("staff/head", ["unit_head"], "env"), ("staff/du", ["supervisor"], None)):
            key = SigningKey.generate()
            (folder / f"{actor[6:]}.pem").write_bytes(key.to_pem())
            changes.confirm(second, people.appoint(first, actor, person=actor, name="某", roles=roles, unit=unit).id)
            proof = keys.prove_possession(hall.origin, actor, key)
            changes.confirm(second, keys.add(first, actor, key.public, proof).id)
        clerk = SigningKey.from_pem((folder / "chen.pem").read_bytes())
        desk = Desk(door=hall.door, actor="staff/chen", key=clerk, role="window_clerk", unit="env", window="w1")
        assert hall.wait_placed([approval.charge_fee(desk, "a-1", fen) for fen in (100, 200)], timeout_s=20)


def _as_in_the_guide(told: Told, folder: Path) -> None:
    """The examples of the guide to people, as they stand there: each is proposed and confirmed."""
    text = (ROOT / "docs/guide/people.md").read_text("utf-8")
    streams = {"staff": "staff/xiaoming", "unit": "unit/env", "window": "window/w1", "item": "item/discharge-permit"}
    examples = {name: body for name, body in re.findall(r"```json (\S+)\n(.*?)```", text, re.DOTALL)}
    for name in sorted(examples, key=lambda name: list(streams).index(name.partition(".")[0])):
        kind = name.partition(".")[0]
        one, two = ("officer/1", "officer/2") if kind == "staff" else ("staff/cat-a", "staff/cat-b")
        (folder / "change.json").write_text(examples[name])
        key = ("--signer", folder / f"{one[6:]}.pem") if kind != "staff" else ()
        proposed = told.mingjian("registry propose", name, streams[kind], f"@{folder}/change.json", "--as", one, *key)
        key = ("--signer", folder / f"{two[6:]}.pem") if kind != "staff" else ()
        told.mingjian("registry confirm", proposed["id"], "--as", two, *key)


def _log(told: Told, folder: Path, stack: ExitStack) -> None:
    told.mingjian("log keys", "--out", folder / "keys")
    told.mingjian("log checkpoint")
    told.mingjian("log entry", 4, "--out", folder / "4.entry")
    for form in ("tlog", "cose", "json"):
        told.mingjian("log proof", 4, "--format", form, "--out", folder / f"4.{form}")
    (folder / "joined.json").write_text(json.dumps(told.mingjian("log consistency", 3, 9)))
    vkey = told.answers["log-keys"][0]["vkey"]
    state = folder / "witness"
    told.ask("mingjian-witness", "key", "--state", state, "--name", "w1.example/w")
    told.ask("mingjian-witness", "trust", vkey, "--state", state)
    running = stack.enter_context(witness(state))
    told.answers["witness-run"].append(running)
    told.mingjian("log witness add", running["vkey"], "--url", running["url"], "--name", "w1")
    (folder / "quorum").write_text("quorum w1\n")
    told.mingjian("log witness policy", "--set", folder / "quorum")
    told.mingjian("log witness policy")
    for _ in range(200):
        if told.mingjian("log witness list")["cosigned_age_s"] is not None:
            break
        time.sleep(0.1)
    told.ask("mingjian-witness", "list", "--state", state)
    url, root = stack.enter_context(authority(folder / "tsa"))
    told.mingjian("log time-token accept", "tsa", "--certificate", root)
    told.mingjian("log time-token ask", "--url", url)
    (folder / "policy").write_bytes((told.data / "published" / "policy").read_bytes())
    told.mingjian("export log", folder / "log")
    told.mingjian("export xes", folder / "out.xes", "--source", "s")
    told.mingjian("export ocel", folder / "out.json", "--source", "s")
    (folder / "none").write_text("quorum none\n")
    told.mingjian("log witness policy", "--set", folder / "none")
    told.mingjian("log witness remove", "w1")
    told.ask("mingjian-witness", "distrust", vkey, "--state", state)


def _personal(told: Told, folder: Path) -> None:
    one, two = (case["id"] for case in told.answers["case-list"][0]["cases"][:2])
    told.mingjian("hold place", one, "--ground", "complaint")
    told.mingjian("hold list", one)
    told.mingjian("hold release", one, "--ground", "closed")
    shown = ("--to", "auditor/1", "--ground", "audit")
    told.mingjian("disclose", "--case", one, "--fields", "rest", *shown, "--out", folder / "shown.json")
    told.mingjian("export bundle", folder / "shown.mjb", "--case", one, "--disclose", "rest", *shown)
    told.mingjian("erase", one, "--ground", "pipl-47")
    told.mingjian("erase", two, "--ground", "pipl-47", "--as", "staff/privacy")
    told.mingjian("export bundle", folder / "case.mjb", "--case", one)
    told.mingjian("export bundle", folder / "all.mjb", "--all")


def _cameras(told: Told) -> None:
    """A camera that nobody can reach: what there is to say of one before it has recorded anything."""
    camera: Callable[..., Any] = partial(told.ask, "mingjian-camera")
    data = ("--data", told.data)
    camera("add", "c1", "--url", "rtsp://127.0.0.1:9/none", *data)
    camera("discover", "--at", "127.0.0.2", "--wait-s", 0.1, *data)
    camera("run", "--seconds", 1, *data)
    camera("status", *data)
    span = ("--from", "2026-01-05T09:00:00Z", "--to", "2026-01-05T09:10:00Z")
    camera("segments", "c1", *span, *data)
    held = camera("hold", "c1", *span, "--ground", "complaint", *data)
    camera("hold", "c1", "--extend", held["hold"], "--ground", "complaint", *data)
    camera("holds", *data)
    released = camera("release", "c1", held["hold"], *data)
    camera("release", "c1", released["proposal"], "--confirm", *data)
    camera("purge", *data)
    camera("check", *data)
    camera("store", *data)
    camera("store", "--url", f"file://{told.data}/store", *data)
    camera("check", *data)
    camera("status", *data)
    away = ("--data", told.data.parent / "away")
    camera("init", "--name", "recorder/2", "--policy", told.data / "published" / "policy", *away)
    camera("add", "c2", "--url", "rtsp://127.0.0.1:9/none", "--untried", "--recorder", "recorder/2", *away)
    camera("add", "c2", "--elsewhere", "--recorder", "recorder/2", *data)
    camera("status", *away)


def _outsiders(told: Told, folder: Path, url: str) -> None:
    policy = ("--policy", folder / "policy")
    handed = ("--policy", told.data / "published" / "policy")
    told.verify("log", folder / "log", *policy)
    told.verify("metrics", folder / "log", *policy)
    told.verify("metrics", folder / "log", "on-time", *policy, "--by", "unit", "--as-of", "30")
    broken = Path(shutil.copytree(folder / "log", folder / "broken"))
    bundle = next(path for path in (broken / "tile" / "entries").rglob("*") if path.is_file())
    raw = bundle.read_bytes()
    bundle.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    told.verify("log", broken, *policy, code=1)
    told.verify("metrics", broken, *policy, code=1)
    entry = ("--entry", folder / "4.entry")
    told.verify("proof", folder / "4.tlog", *entry, *handed)
    told.verify("proof", folder / "4.json", *entry, *handed)
    told.verify("proof", folder / "4.cose", *entry, *handed, "--receipt-key", folder / "keys/receipt.pem")
    told.verify("proof", folder / "joined.json", *handed)
    told.verify("proof", folder / "shown.json", *handed)
    for number, document in enumerate(told.answers["case-completeness"]):
        (folder / f"count{number}.json").write_text(json.dumps(document))
        told.verify("proof", folder / f"count{number}.json", *handed)
    for name in ("case", "shown", "all"):
        told.verify("bundle", folder / f"{name}.mjb", *handed)
    (folder / "cut.mjb").write_bytes((folder / "case.mjb").read_bytes()[:-500])
    told.verify("bundle", folder / "cut.mjb", *handed, code=1)
    (folder / "token").write_text(told.answers["token"][0]["token"] + "\n")
    token = ("--token-file", folder / "token")
    told.verify("mirror", url, folder / "copy", *handed, *token)
    told.verify("monitor", url, *handed, *token, "--state", folder / "watch", "--once")
    (folder / "fork.json").write_text(json.dumps(_fork(told.data)))
    told.verify("evidence", folder / "fork.json", *handed)
    (folder / "no.json").write_text("{}")
    told.verify("evidence", folder / "no.json", *handed, code=1)


def _fork(data: Path) -> dict[str, Any]:
    """Two heads of one size, both signed with the log's own key."""
    with open_ledger(data) as hall:
        signer, policy = Signer(hall.origin, hall.keyring.own("log")), hall.publisher.alone
        heads = [Checkpoint(hall.origin, 7, bytes([number]) * 32) for number in (1, 2)]
        one, two = (open_checkpoint(sign_checkpoint(head, signer), policy) for head in heads)
    return fork(one, two).as_json(0)


def _signer(told: Told, folder: Path, url: str) -> None:
    policy = ("--policy", told.data / "published" / "policy")
    sign: Callable[..., Any] = partial(told.ask, "mingjian-sign")
    sign("key", "--out", folder / "new.pem")
    sign("key", "--out", folder / "chen.pem", *policy, "--actor", "staff/chen")
    token = told.mingjian("token", "operator")["token"]
    (folder / "operator").write_text(token + "\n")
    remote = ("--url", url, *policy, "--token-file", folder / "operator", "--state", folder / "signer")
    ticket = {"number": "A001", "queue": "general", "channel": "counter", "holder": "李四"}
    who = ("--actor", "staff/chen", "--role", "window_clerk", "--unit", "env", "--window", "w1")
    what = ("--stream", "ticket/t-1", "--type", "ticket.taken.v2", "--data", json.dumps(ticket))
    sign("act", *remote, "--key", folder / "chen.pem", *who, *what, "--yes")
    sign("finish", *remote)


def _upkeep(told: Told) -> None:
    told.mingjian("rebuild")
    told.mingjian("digest")
    told.mingjian("sweep")
    told.mingjian("doctor")


def _ended(told: Told, folder: Path) -> None:
    """The ways out, once nothing runs any more."""
    told.mingjian("export log", folder / "whole")
    shutil.rmtree(told.data / "postgres")
    shutil.move(folder / "backup", told.data / "postgres")
    told.mingjian("doctor", code=1)
    told.mingjian("log repair", "--from", folder / "whole")
    told.mingjian("digest")
    closed = told.mingjian("log close", "--yes")
    (folder / "last").write_text(closed["note"])
    told.ask("mingjian", "init", "--data", folder / "next", "--successor-of", folder / "last", data=False)


def _founded(told: Told, folder: Path) -> None:
    """A ledger whose officers keep their keys elsewhere."""
    folder.mkdir()
    sign: Callable[..., Any] = partial(told.ask, "mingjian-sign")
    for name in ("lin", "wu"):
        sign("key", "--out", folder / f"{name}.pem", "--public", folder / f"{name}.pub")
    officers = [f"--officer=officer/{name}={folder / name}.pub" for name in ("lin", "wu")]
    init = partial(told.ask, "mingjian", "init", "--data", folder / "data", data=False)
    init(*officers, "--draft", folder / "draft")
    sign("opening", folder / "draft", "--key", folder / "lin.pem", "--out", folder / "entry0", "--yes")
    sign("opening", folder / "entry0", "--key", folder / "wu.pem", "--out", folder / "entry1", "--yes")
    init("--opening", folder / "entry0", "--confirmation", folder / "entry1")


@pytest.fixture(scope="session")
def successor(told: Told) -> Path:
    """The ledger that went on after the first was closed: nothing in it yet."""
    return told.data.with_name("next")


@pytest.fixture(scope="session")
def programs() -> dict[str, str]:
    """The console scripts."""
    return PROGRAMS

"""A ledger served by ``mingjian up``, people whose keys lie elsewhere, and a server in between that lies as told."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.tokens import Tokens
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import create_ledger, open_ledger
from ledger.keys import SigningKey
from ledger.registry import catalogue, changes, keys, people
from ledger.tree.policy import Policy
from tests.running import BIN, up

ITEM: dict[str, Any] = {
    "name": "排污许可",
    "unit": "env",
    "centre": "administrative",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20}, "promise": {"limit": 7}, "gap_notice": {"limit": 5}},
}
PEOPLE: dict[str, tuple[list[str], dict[str, Any]]] = {
    "staff/cat-a": (["catalogue_admin"], {}),
    "staff/cat-b": (["catalogue_admin"], {}),
    "staff/chen": (["window_clerk"], {"unit": "env", "windows": ["w1"]}),
    "staff/zhao": (["window_clerk"], {"unit": "env", "windows": ["w1"]}),
    "staff/reg-a": (["registrar"], {}),
    "staff/reg-b": (["registrar"], {}),
}
Change = Callable[[str, str, Any], Any]
"""``(method, path, answer)`` to the answer that is passed on; answers are JSON where they are, else bytes."""


@dataclass
class Office:
    """The served ledger and what its people hold."""

    data: Path
    folder: Path
    origin: str
    version: str  # of the item that cases are about
    url: str = ""
    keys: dict[str, SigningKey] = field(default_factory=dict)

    @property
    def policy(self) -> Path:
        return self.folder / "policy"

    @property
    def token(self) -> Path:
        return self.folder / "token"

    def key_file(self, actor: str) -> Path:
        path = self.folder / f"{actor.replace('/', '+')}.pem"
        path.write_bytes(self.keys[actor].to_pem())
        return path

    def opened_policy(self) -> Policy:
        return Policy.parse(self.policy.read_bytes())

    def lying(self, change: Change) -> AbstractContextManager[str]:
        """The server as it looks through somebody who changes what it says."""
        return lying(self.url, change)

    def mingjian(self, *words: str) -> dict[str, Any]:
        """A command of the operator's, beside the running server."""
        done = subprocess.run(
            [BIN / "mingjian", *words, "--data", self.data, "--json"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def take_ticket(self, state: Path, *, url: str | None = None, **more: str) -> list[str]:
        """The words of a clerk's act at the counter."""
        words = {
            "url": url or self.url,
            "policy": str(self.policy),
            "token-file": str(self.token),
            "state": str(state),
            "key": str(self.key_file("staff/chen")),
            "actor": "staff/chen",
            "role": "window_clerk",
            "stream": f"ticket/{secrets.token_hex(6)}",
            "type": "ticket.taken.v2",
            "window": "w1",
            "unit": "env",
            "data": '{"number":"A001","queue":"general","channel":"counter","holder":"李四"}',
        } | more
        return ["act", *(f"--{name}={value}" for name, value in words.items()), "--json"]


@pytest.fixture(scope="package")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    data = folder / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing():
        found = Office(data, folder, hall.origin, "")
        first, second = (
            Desk(door=hall.door, actor=actor, key=key, role="key_officer") for actor, key in hall.officers()
        )

        def agreed(proposal: Outcome, by: Desk) -> Outcome:
            outcome = changes.confirm(by, proposal.id)
            assert hall.wait_placed([outcome], timeout_s=20)
            return outcome

        for actor, (roles, more) in PEOPLE.items():
            agreed(people.appoint(first, actor, person=actor, roles=roles, **more), second)
            key = found.keys[actor] = SigningKey.generate()
            agreed(keys.add(first, actor, key.public, keys.prove_possession(hall.origin, actor, key)), second)
        one, other = (
            Desk(door=hall.door, actor=f"staff/cat-{n}", key=found.keys[f"staff/cat-{n}"], role="catalogue_admin")
            for n in "ab"
        )
        found.version = agreed(catalogue.item(one, "permit", **ITEM), other).id.hex()
        found.policy.write_bytes(hall.publisher.policy.to_bytes())
    found.token.write_text(Tokens(data).make("operator") + "\n")
    with up(data) as found.url:
        yield found


@contextmanager
def lying(url: str, change: Change) -> Iterator[str]:
    """A server in front of another one: what goes through it is changed on the way back."""
    there = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = change(self.command, self.path, None)  # a chance to do something first
            assert asked is None
            connection = http.client.HTTPConnection(str(there.hostname), there.port, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content, kind = answer.read(), answer.headers.get("Content-Type", "")
            connection.close()
            if answer.status < 300:
                told: Any = json.loads(content) if kind.startswith("application/json") else content
                told = change(self.command, self.path, told)
                content = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _pass

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

"""A ledger served from one folder, a recorder in another that knows only its address, and a live camera."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from api.tokens import Tokens
from camera_ingest.cli import main
from camera_ingest.demo import _serve
from camera_ingest.folders import Recorder, recorder_named
from camera_ingest.registering import second
from camera_ingest.remote import Away, Remote
from ledger.door.desk import Desk
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.keys import SigningKey
from ledger.registry import keys, people
from ledger.registry.changes import confirm
from tests import running
from tests.running import wait_for
from tests.staffing import clerk_of

BIN = Path(sys.executable).parent
ACTOR, CAMERA, CUSTODIAN = "recorder/2", "door-1", "staff/cha"


@dataclass(slots=True)
class Served:
    """The ledger's side: ``mingjian up`` over its folder, at an address that stays."""

    data: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        command = [BIN / "mingjian", "up", "--data", self.data, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None
        return running.answers(self.url)

    def down(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
            self.process = None


@dataclass(slots=True)
class Elsewhere:
    """The recorder's side."""

    data: Path
    ledger: Served
    folder: Path
    key: SigningKey = field(default_factory=SigningKey.generate)  # the custodian's
    process: subprocess.Popen[bytes] | None = None

    ACTOR, CAMERA, CUSTODIAN = ACTOR, CAMERA, CUSTODIAN

    @property
    def recorder(self) -> Recorder:
        return recorder_named(self.data, ACTOR)

    def token(self, scope: str) -> Path:
        return self.folder / scope

    def remote(self) -> Remote:
        return Remote(self.data, self.recorder, self.away)

    @property
    def away(self) -> Away:
        return Away(self.ledger.url, self.token("recorder"))

    def start(self) -> None:
        words = ["run", "--data", self.data, "--ledger", self.ledger.url, "--token-file", self.token("recorder")]
        words += ["--every-s", "1", "--segment-s", "1", "--silence-s", "3", "--health-s", "60"]
        command = [sys.executable, "-m", "camera_ingest.cli", *words]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)

    def kill(self) -> None:
        """As a machine dies: everything at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
            self.process = None

    def state(self, name: str) -> dict[str, Any]:
        try:
            return dict(orjson.loads((self.recorder.folder / name).read_bytes()))
        except FileNotFoundError:
            return {}

    def segments(self) -> int:
        return len(list(self.recorder.folder.glob("*/*/*.mp4")))


def _register(hall: Hall, said: dict[str, Any], elsewhere: Elsewhere) -> None:
    """What two officers do at the ledger with what the recorder's machine printed."""
    (first, first_key), _ = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    public, proof = bytes.fromhex(said["public_key"]), bytes.fromhex(said["proof"])
    confirm(second(hall), keys.add(one, said["actor"], public, proof, custody=said["custody"]).id)
    confirm(second(hall), people.appoint(one, CUSTODIAN, person=CUSTODIAN, roles=["video_custodian"]).id)
    shown = keys.prove_possession(hall.origin, CUSTODIAN, elsewhere.key)
    confirm(second(hall), keys.add(one, CUSTODIAN, elsewhere.key.public, shown).id)
    people.appoint(one, "staff/kept", person="staff/kept", roles=["video_custodian"])


def _film(listener: socket.socket) -> None:
    with suppress(OSError):
        _serve(listener, CAMERA, "w1")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("remote")
    here, there = folder / "there", folder / "away"
    create_ledger(here)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    found = Elsewhere(there, Served(here, port), folder)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_film, args=(listener,), daemon=True)
    thread.start()
    for name, scope in (("recorder", ACTOR), ("operator", "operator")):
        found.token(name).write_text(Tokens(here).make(scope) + "\n")
    policy, printed = folder / "policy", folder / "printed"
    with open_ledger(here) as hall, hall.sequencing():
        policy.write_bytes(hall.publisher.policy.to_bytes())
        printed.write_bytes(_say("init", "--name", ACTOR, "--policy", str(policy), "--data", str(there)))
        _register(hall, orjson.loads(printed.read_bytes()), found)
        clerk_of(hall)
    _say("add", CAMERA, "--elsewhere", "--window", "w1", "--recorder", ACTOR, "--data", str(here))
    url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    _say("add", CAMERA, "--url", url, "--untried", "--recorder", ACTOR, "--data", str(there))
    found.ledger.up()
    try:
        yield found
    finally:
        found.stop()
        found.ledger.down()
        listener.shutdown(socket.SHUT_RDWR)  # which ends the camera's thread
        thread.join(timeout=10)
        listener.close()


def _say(*words: str) -> bytes:
    with redirect_stdout(StringIO()) as out:
        assert main([*words, "--json"]) == 0, out.getvalue()
    return out.getvalue().encode()


@pytest.fixture
def wait() -> Callable[..., None]:
    return wait_for


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()

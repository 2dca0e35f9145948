"""A real ledger served by the real server: a made-up log, live cases stated by people with keys of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.sessions import Sessions
from api.tokens import SCOPES, Tokens
from ledger.disclosure import pseudonym
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.facts.registry import possession_message
from ledger.keys import SigningKey
from ledger.statement import instant_text
from ledger.store.sequencer import Sequencer, now_us
from projections.runner import Projector
from tests.running import kept_up, serving

SOURCE = "permits"
RECORDER = "recorder/x"
CASES = 60
ITEM = {
    "name": "排污许可",
    "unit": "env",
    "centre": "administrative",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20}, "promise": {"limit": 7}, "gap_notice": {"limit": 5}},
}


@dataclass
class Served:
    """The ledger, where it is served, and the people who may state things."""

    hall: Hall
    base: str
    tokens: dict[str, str]
    keys: dict[str, SigningKey] = field(default_factory=dict)
    count: int = 0

    def client(self, scope: str | None = None, **more: Any) -> httpx.Client:
        """A client with the token of ``scope``, or with none."""
        headers = {} if scope is None else {"Authorization": f"Bearer {self.tokens[scope]}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=20, **more)

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """A client that came in by a one-time link."""
        headers = {"Accept": "text/html"}
        with httpx.Client(base_url=self.base, headers=headers, timeout=20, follow_redirects=True) as client:
            assert client.get(Sessions(self.hall.data).link()).status_code == 200
            yield client

    def state(self, actor: str, role: str, stream: str, type_: str, values: dict[str, Any], **more: Any) -> Outcome:
        """One act of somebody whose key is at hand, placed before this returns."""
        self.count += 1
        wish = Wish(
            actor=actor,
            role=role,
            stream=stream,
            type=type_,
            at=instant_text(now_us()),
            request=f"r-{self.count}",
            values=values,
            **more,
        )
        outcome = self.hall.door.submit(wish, self.keys[actor])
        assert self.hall.wait_placed([outcome])
        return outcome

    def hire(self, actor: str, *roles: str, key: SigningKey | None = None, **more: Any) -> None:
        """Appoint somebody, with a key that only they hold unless ``key`` is given."""
        key = self.keys[actor] = key or SigningKey.generate()
        content = {"roles": list(roles), **more}
        pair = ("officer/1", "officer/2")
        masked = pseudonym(self.hall.keyring.secret("names"), "person", actor)
        for officer in pair:
            self.keys.setdefault(officer, self.hall.keyring.actor(officer))
        self.agree(pair, "key_officer", actor, "staff.appointed.v1", content, masked={"person": (actor, masked)})
        proof = key.sign(possession_message(self.hall.origin, actor, key.public)).hex()
        content = {"actor": actor, "key": key.public.hex(), "custody": "actor", "proof": proof}
        self.hall.change(f"key/{actor}", "key.added.v1", content)

    def agree(
        self,
        pair: tuple[str, str],
        role: str,
        stream: str,
        type_: str,
        content: dict[str, Any],
        *,
        masked: dict[str, tuple[str, str]] | None = None,
    ) -> Outcome:
        """Proposed by one, confirmed by the other. ``masked``: values that the door turns into pseudonyms."""
        clear = {name: value for name, (value, _) in (masked or {}).items()}
        hidden = {name: value for name, (_, value) in (masked or {}).items()}
        kind = type_.partition(".")[0]
        proposal = {"change": type_, "content": content | hidden}
        proposed = self.state(pair[0], role, stream, f"{kind}.change_proposed.v1", proposal)
        return self.state(pair[1], role, stream, type_, {"proposal": proposed.id.hex(), **content, **clear})

    def publish(self, code: str, data: dict[str, Any]) -> Outcome:
        """Publish an item by two persons."""
        pair = ("staff/cat-a", "staff/cat-b")
        return self.agree(pair, "catalogue_admin", f"item/{code}", "item.published.v1", data)

    def clerk(self, case: str, verb: str, values: dict[str, Any]) -> Outcome:
        """An act of the clerk at window w1."""
        return self.state(
            "staff/chen", "window_clerk", f"approval/{case}", f"approval.{verb}.v1", values, window="w1", unit="env"
        )


@contextmanager
def town(folder: Path) -> Iterator[Served]:
    """A new ledger with everything that the pages show."""
    data = folder / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing(), kept_up(hall), serving(hall) as base:
        served = Served(hall, base, {scope: Tokens(data).make(scope) for scope in (*SCOPES, RECORDER)})
        Sessions(data).served_at(base)
        log = folder / "log.xes.gz"
        generate_xes(log, cases=CASES, seed=4)
        import_xes(hall, log, source=SOURCE)
        for actor in ("staff/cat-a", "staff/cat-b"):
            served.hire(actor, "catalogue_admin")
        served.hire("staff/chen", "window_clerk", unit="env", windows=["w1"])
        version = served.publish("permit", ITEM).id.hex()
        for case in ("2024-1", "2024-2"):
            served.clerk(
                case,
                "applied",
                {"item": "permit", "item_version": version, "channel": "window", "applicant": "张三"},
            )
        served.clerk("2024-2", "gaps_told", {"gaps": ["map"]})
        yield served


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with town(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="package")
def case(served: Served) -> str:
    """The stream of one imported case."""
    with served.client("reader") as client:
        listed = client.get("/api/cases", params={"source": SOURCE, "limit": 1}).json()
    return str(listed["cases"][0]["stream"])


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A browser in a ledger whose only batch says that it is simulated, and which holds nothing else."""
    data = tmp_path_factory.mktemp("made-up") / "data"
    create_ledger(data)
    with open_ledger(data) as hall, serving(hall) as base:
        sequencer = Sequencer(
            hall.database,
            clock_key=hall.keyring.own("clock"),
            door_secret=hall.keyring.secret("door"),
            origin=hall.origin,
            simulated=True,
            published=lambda batch: hall.publisher.publish(hall.reader.head()),
        )
        assert sequencer.lead()
        assert sequencer.step(heartbeat=True)
        sequencer.resign()
        Projector(hall.database).catch_up()
        Sessions(data).served_at(base)
        with httpx.Client(base_url=base, headers={"Accept": "text/html"}, follow_redirects=True) as client:
            assert client.get(Sessions(data).link()).status_code == 200
            yield client

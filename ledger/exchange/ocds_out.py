"""The trading streams as a package of OCDS 1.1 releases: for the tools and the public that read that.

Promise: each statement is checked against the signed tree before it is written; the file is there whole or not at all,
and never in the place of another; memory does not grow with the log. Every statement is one release, dated as it
claims, tagged by what it says, in the order of each procedure; ``ledger.exchange.ocds_in`` reads it back to the same
statements. Sealed words are not in it: what is published about a purchase is public.

    {"ocid": "ocds-x-p1", "id": "ocds-x-p1-4", "date": "…", "tag": ["tenderUpdate"], "initiationType": "tender",
     "tender": {"id": "ocds-x-p1", …}, "bids": {"details": [{"id": "b-1", "status": "pending", "tenderers": […]}]}}

The extensions used are those for bids, bid opening and lots; challenges stand under ``complaints``. A tender that
failed and is planned again keeps its ocid, and has another ``tender.id``: ``OCID-round-2``. Sums are in CNY with two
places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import orjson

from ledger.door.hall import Hall
from ledger.errors import Evidence, NotFound, Refused, Unavailable
from ledger.exchange.export_xes import PAGE, Progress
from ledger.exchange.xes_writer import whole_or_nothing
from ledger.facts.types import verb_of
from ledger.statement import Statement, instant_text, open_statement
from ledger.store.walking import count_streams, read_page, walk_streams
from ledger.tree.checkpoint import Checkpoint

PREFIX: Final = "mingjian"
_EXTENSIONS: Final = (
    "https://raw.githubusercontent.com/open-contracting-extensions/ocds_bid_extension/v1.1.5/extension.json",
    "https://raw.githubusercontent.com/open-contracting-extensions/ocds_bidOpening_extension/master/extension.json",
    "https://raw.githubusercontent.com/open-contracting-extensions/ocds_lots_extension/v1.1.5/extension.json",
)
_TAGS: Final = {
    "planned": "planning",
    "tender_published": "tender",
    "tender_amended": "tenderAmendment",
    "bid_received": "tenderUpdate",
    "bids_opened": "tenderUpdate",
    "tender_failed": "tenderUpdate",
    "challenged": "tenderUpdate",
    "challenge_settled": "tenderUpdate",
    "awarded": "award",
    "contract_signed": "contract",
    "started": "implementation",
    "contract_amended": "contractAmendment",
    "paid": "implementationUpdate",
    "completed": "contractTermination",
    "cancelled": "tenderCancellation",
}


@dataclass(frozen=True, slots=True)
class ExportedReleases:
    """What was written: procedures, releases, and the file's SHA-256."""

    procedures: int
    releases: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """``{"procedures", "releases", "sha256"}``."""
        return {"procedures": self.procedures, "releases": self.releases, "sha256": self.sha256}


def export_ocds(
    hall: Hall, path: Path, *, source: str | None = None, progress: Progress = lambda *_: None
) -> ExportedReleases:
    """Write the procedures, all or those of ``source``, as the published log holds them, to a new file."""
    if path.exists():
        raise Refused(f"{path} is there already", code="file-exists", mend="name a new file")
    checkpoint = hall.publisher.checkpoint()
    if checkpoint is None:
        raise Unavailable("nothing is published yet", code="no-checkpoint", mend="try again in a moment")
    kind = "trading" if source is None else f"trading/{source}"
    total = count_streams(hall.database, kind)
    if source is not None and not total:
        raise NotFound(
            f"no procedure came from {source}", code="no-source", mend="mingjian import ocds FILE --source S"
        )
    counts = [0, 0]
    with whole_or_nothing(path) as out:
        _write(out, hall, checkpoint, kind, counts, lambda done: progress("exporting", done, total))
    with path.open("rb") as file:
        return ExportedReleases(counts[0], counts[1], hashlib.file_digest(file, "sha256").hexdigest())


def _write(out: IO[bytes], hall: Hall, checkpoint: Checkpoint, kind: str, counts: list[int], told: Any) -> None:
    published = hall.reader.recorded_us([checkpoint.size - 1])
    head = {
        "uri": f"urn:mingjian:ocds:{checkpoint.size}:{checkpoint.root.hex()}",
        "version": "1.1",
        "extensions": list(_EXTENSIONS),
        "publishedDate": instant_text(published[checkpoint.size - 1]),
        "publisher": {"name": hall.origin},
    }
    out.write(orjson.dumps(head)[:-1] + b',"releases":[')
    for stream, _ in walk_streams(hall.database, kind, size=checkpoint.size, page=PAGE):
        procedure = _Procedure(stream)
        counts[0] += 1
        for act in _acts(hall, stream, checkpoint):
            out.write((b",\n" if counts[1] else b"\n") + orjson.dumps(procedure.release(act)))
            counts[1] += 1
        told(counts[0])
    out.write(b"]}\n")


def _acts(hall: Hall, stream: str, checkpoint: Checkpoint) -> Iterator[Statement]:
    """The valid statements of a stream, each checked against the tree."""
    after, expected = (0, 0), 1
    while steps := read_page(hall.database, [stream], size=checkpoint.size, after=after, limit=PAGE):
        after = steps[-1].place, steps[-1].seq
        for step, one in zip(steps, hall.reader.verified([step.index for step in steps], checkpoint), strict=True):
            act = open_statement(one.entry)
            if (act.stream, act.seq) != (stream, expected):
                raise Evidence(
                    f"entry {one.index} is statement {act.seq} of {act.stream}, where {expected} should stand",
                    code="stream-gap",
                    entry=one.index,
                    stream=stream,
                )
            expected += 1
            if not step.voided:
                yield act


@dataclass(slots=True)
class _Procedure:
    """One procedure on its way: what later releases have to say again."""

    stream: str
    ocid: str = ""
    lot: str = ""
    round: int = 1
    buyer: str = ""
    suppliers: list[str] = field(default_factory=list)
    period: dict[str, str] = field(default_factory=dict)
    contract_fen: int = 0
    challenged: dict[str, str] = field(default_factory=dict)

    def release(self, act: Statement) -> dict[str, Any]:
        """The release of a statement."""
        verb = verb_of(act.type)
        if not self.ocid:
            self.ocid = act.data.get("ocid") or f"{PREFIX}-{self.stream.partition('/')[2].replace('/', '-')}"
            self.lot = act.data.get("lot", "")
        parts = getattr(self, f"_{verb}")(act, act.data)
        return {
            "ocid": self.ocid,
            "id": f"{self._own}-{act.seq}",
            "date": act.at,
            "tag": [_TAGS[verb]],
            "initiationType": "tender",
            **parts,
        }

    def _tender(self, **more: Any) -> dict[str, Any]:
        name = self.ocid if self.round == 1 else f"{self.ocid}-round-{self.round}"
        lots = {"lots": [{"id": self.lot}]} if self.lot else {}
        return {"tender": {"id": name, **more, **lots}}

    def _planned(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        self.buyer = data["buyer"]
        return {
            "parties": [_party(self.buyer, "buyer")],
            "buyer": _name(self.buyer),
            "planning": {"budget": {"project": data["project"], "amount": _value(data["fen"])}},
            **self._tender(status="planning", procurementMethod=data["method"]),
        }

    def _tender_published(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        self.period = {"startDate": act.at, "endDate": data["closes"]}
        return self._tender(status="active", tenderPeriod=dict(self.period), **_documents(data, "tenderNotice"))

    def _tender_amended(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        self.period["endDate"] = data["closes"]
        amendment = {"id": str(act.seq), "date": act.at, "rationale": data["reason"]}
        documents = _documents(data, "tenderNotice")
        return self._tender(status="active", tenderPeriod=dict(self.period), amendments=[amendment], **documents)

    def _bid_received(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        bid = self._bid(data["bidder"], date=act.at, status="pending", **_documents(data, "submissionDocuments"))
        return self._tender(status="active") | {
            "parties": [_party(data["bidder"], "tenderer")],
            "bids": {"details": [bid]},
        }

    def _bid(self, bidder: str, **more: Any) -> dict[str, Any]:
        return {"id": f"{self.round}-{bidder}", **more, "tenderers": [_name(bidder)], **self._related()}

    def _related(self) -> dict[str, Any]:
        return {"relatedLots": [self.lot]} if self.lot else {}

    def _bids_opened(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        prices = data.get("prices", {})
        bids = [self._bid(bidder, status="valid", value=_value(fen)) for bidder, fen in sorted(prices.items())]
        told = self._tender(status="active", bidOpening={"date": act.at})
        return told | ({"bids": {"details": bids}} if bids else {})

    def _tender_failed(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        told = self._tender(status="unsuccessful", statusDetails=data["reason"])
        self.round += 1
        return told

    def _cancelled(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._tender(status="cancelled", statusDetails=data["reason"])

    def _challenged(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        self.challenged[data["challenge"]] = act.at
        return self._tender(status="active") | {"complaints": [{"id": data["challenge"], "date": act.at}]}

    def _challenge_settled(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        made = self.challenged.get(data["challenge"], act.at)
        settled = {"date": act.at, "outcome": data["outcome"]}
        return self._tender(status="active") | {
            "complaints": [{"id": data["challenge"], "date": made, "resolution": settled}]
        }

    def _awarded(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        self.suppliers = [data["supplier"], *data.get("partners", ())]
        award: dict[str, Any] = {"id": self._award, "status": "active", "date": act.at}
        award |= {"value": _value(data["fen"]), "suppliers": [_name(one) for one in self.suppliers]}
        award |= _documents(data, "awardNotice") | self._related()
        parties = [_party(one, "supplier") for one in self.suppliers]
        return self._tender(status="complete") | {"parties": parties, "awards": [award]}

    @property
    def _award(self) -> str:
        return f"{self._own}-award-{self.round}"

    @property
    def _own(self) -> str:
        """What tells this procedure's things from those of the other lots."""
        return f"{self.ocid}-lot-{self.lot}" if self.lot else self.ocid

    def _contract(self, **more: Any) -> dict[str, Any]:
        # Which lot a contract is of, only its lot's tender says.
        told: dict[str, Any] = self._tender() if self.lot else {}
        contract: dict[str, Any] = {"id": f"{self._own}-contract", "awardID": self._award, **more}
        return told | {"contracts": [contract]}

    def _contract_signed(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        self.contract_fen = data["fen"]
        documents = _documents(data, "contractSigned")
        return self._contract(status="pending", value=_value(data["fen"]), dateSigned=act.at, **documents)

    def _started(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._contract(status="active", implementation={"transactions": []})

    def _contract_amended(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        amendment = {"id": str(act.seq), "date": act.at, "rationale": data["reason"]}
        return self._contract(status="active", value=_value(data["fen"]), amendments=[amendment])

    def _paid(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        paid = {"id": str(act.seq), "date": act.at, "value": _value(data["fen"])}
        paid |= {"payer": _name(self.buyer), "payee": _name(self.suppliers[0])}
        return self._contract(status="active", implementation={"transactions": [paid]})

    def _completed(self, act: Statement, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._contract(status="terminated")


def _name(code: str) -> dict[str, str]:
    return {"id": code, "name": code}


def _party(code: str, role: str) -> dict[str, Any]:
    return {**_name(code), "roles": [role]}


def _documents(data: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"documents": [{"id": data["document"], "documentType": kind}]} if "document" in data else {}


def _value(fen: int) -> dict[str, Any]:
    """Whole fen as an OCDS value; the number is written out, never reckoned as a double."""
    yuan, rest = divmod(fen, 100)
    return {"amount": orjson.Fragment(f"{yuan}.{rest:02}"), "currency": "CNY"}

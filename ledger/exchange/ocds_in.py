"""Public purchases of other publishers (OCDS 1.1): releases become the statements of our trading streams.

Promise: what ``ledger.exchange.adapters.taking`` promises, of releases. A release says where a procedure stands, often
once more what earlier ones said; each thing it tells is stated once, in the order of the stages, with OCDS's own date
as the claimed time (the release's date where a thing has none). Releases are taken by their dates, whatever order the
file has; a procedure is the stream ``trading/SOURCE/OCID``.

    tag or part of the release                         statement
    planning.budget (or tender.value), buyer, method   planned
    tender.tenderPeriod                                tender_published; tender.amendments → tender_amended
    bids.details, tender.tenderers, awards.suppliers   bid_received, by each bidder once
    tender.bidOpening, or valid bids, or awards        bids_opened, with the prices of valid bids
    tender.status unsuccessful, cancelled              tender_failed, cancelled; tender.statusDetails is the reason
    complaints                                         challenged, challenge_settled
    awards, contracts, contracts.amendments            awarded, contract_signed, contract_amended
    contracts.implementation, contracts.status         started, paid by each transaction, completed

A purchase in lots is a procedure for each: ``trading/SOURCE/OCID-lot-LOT``, with what the release says of that lot by
``relatedLots``, and of all of them otherwise. Of several awards without lots the first stays with the procedure, and
each other one is a lot of its own, ``…-lot-award-AWARD``. Of several suppliers of one award the first is the supplier,
the others its ``partners``.

Money is exact: an amount in CNY that is whole fen. Other currencies and parts of a fen are refused: then the whole
release is a dead letter, and what was stated before its fault stays. An organisation without an identifier that can be
a code stands as ``x-`` and the SHA-256 of what it is called.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ledger.door.door import Wish
from ledger.door.hall import Hall
from ledger.errors import Malformed, Refused
from ledger.exchange.adapters.contracts import check_time, request_of, stream_part
from ledger.exchange.adapters.reading import Raw, json_records, parse, split_records
from ledger.exchange.adapters.taking import Progress, Taken, Taking
from ledger.facts.registry import Registry
from ledger.facts.types import check_value
from ledger.statement import Statement, instant_us
from ledger.store.sequencer import now_us

KIND: Final = "ocds"
CURRENCY: Final = "CNY"
_PACKAGES: Final = ("releases", "records")
_DEPTH: Final = 2  # a package of records that hold releases
_HEX64: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ROUND: Final = re.compile(r"-round-([0-9]{1,6})", re.ASCII)
_PLANNED: Final = frozenset({"planning", "planningUpdate"})
_OPENED: Final = frozenset({"valid", "disqualified", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a release tells. ``key``: what makes it the same thing when it is told again."""

    verb: str
    key: str
    at: str
    is_own: bool  # the time is the thing's own, not the release's
    values: Mapping[str, Any] = field(default_factory=dict)


def import_ocds(hall: Hall, path: Path, *, source: str, progress: Progress = lambda *_: None) -> Taken:
    """Take the releases of a file: packages of releases or records, single releases, JSON Lines of any of them."""
    stating = OfReleases(hall.keyring.secret("names"), source, now_us=now_us())
    return Taking(hall, stating, KIND, file=path.name).take(ocds_records(path, hall.data), progress=progress)


# ── Releases of a file ─────────────────────────────────────────────────────────────────────────────────────


def ocds_records(path: Path, folder: Path) -> Iterator[Raw]:
    """The releases of a file by their dates; in ``folder`` they wait until all are read."""
    with tempfile.TemporaryFile(dir=folder) as held:
        order: list[tuple[int, int, int, Raw]] = []
        for number, raw in enumerate(opened_releases(json_records(path, names=_PACKAGES))):
            held.write(raw.data)
            empty = Raw(raw.place, raw.line, b"", raw.refused)
            order.append((_date_us(raw), number, len(raw.data), empty))
        begins = [0]
        for _, _, size, _ in order:
            begins.append(begins[-1] + size)
        for _, number, size, raw in sorted(order, key=lambda one: one[:2]):
            held.seek(begins[number])
            yield Raw(raw.place, raw.line, held.read(size), raw.refused)


def opened_releases(records: Iterable[Raw]) -> Iterator[Raw]:
    """Packages and records opened into the releases that they hold whole."""
    place = 0
    for raw in records:
        for one in _opened(raw):
            place += 1
            yield Raw(place, raw.line, one.data, one.refused)


def _opened(raw: Raw, depth: int = _DEPTH) -> Iterator[Raw]:
    if depth == 0:
        yield raw
        return
    try:
        value = {} if raw.refused else parse(raw.data)
    except Malformed:
        value = {}
    lists = [value.get(name) for name in _PACKAGES] if isinstance(value, dict) else []
    if any(isinstance(one, list) and any(_is_whole(each) for each in one) for one in lists):
        for inner in split_records(raw.data, names=_PACKAGES):
            yield from _opened(inner, depth - 1)
    else:
        yield raw


def _is_whole(value: Any) -> bool:
    """Whether this is a release or a record, not a link to one."""
    if not isinstance(value, dict) or "url" in value:  # a link has a date and tags too
        return False
    return "tag" in value or "releases" in value or "compiledRelease" in value


def _date_us(raw: Raw) -> int:
    try:
        return instant_us(_release(parse(raw.data))["date"])
    except (Refused, LookupError, TypeError):
        return 0


def _release(value: Any) -> Mapping[str, Any]:
    """The release itself, of a record its compiled one; Malformed where there is none."""
    if isinstance(value, dict) and isinstance(value.get("compiledRelease"), dict):
        value = value["compiledRelease"]
    links = value.get("releases") if isinstance(value, dict) else None
    if isinstance(links, list) and any(isinstance(one, dict) and "url" in one for one in links):
        raise Refused(
            "this record only links to its releases",
            code="ocds-linked",
            mend="fetch them and send them, or the record with its compiledRelease",
        )
    if not isinstance(value, dict) or not isinstance(value.get("ocid"), str) or not value["ocid"]:
        raise Malformed(
            "this is no release: it has no ocid", code="ocds", mend="send OCDS releases or packages of them"
        )
    return value


# ── What a release tells ───────────────────────────────────────────────────────────────────────────────────


class OfReleases:
    """Makes the wishes of the releases of one source."""

    asks = True

    def __init__(self, secret: bytes, source: str, *, now_us: int) -> None:
        self.source = source
        self._secret, self._now_us = secret, now_us

    @property
    def actor(self) -> str:
        """Under whose name it is stated."""
        return f"adapter/trading/{self.source}"

    def request(self, record: Any) -> str | None:
        """What tells this release from all others."""
        try:
            release = _release(record)
        except Refused:
            return None
        return request_of(self.source, KIND, release["ocid"], str(release.get("id")), str(release.get("date")))

    def wishes(self, record: Any, registry: Registry, known: Callable[[str], Statement | None]) -> list[Wish]:
        """What the release tells and nobody has told before, and what it tells again."""
        release = _release(record)
        made: list[Wish] = []
        repeats = False
        for view in _views(release, lambda key: known(self._key(release, key)) is not None):
            reading = _Reading(view, lambda key, view=view: known(self._key(release, view.apart + key)))  # type: ignore[misc]
            made += self._stated(reading, view, known)
            repeats = repeats or reading.repeats
        if not made and not repeats:
            raise Refused(
                "this release tells nothing that is kept here",
                code="ocds-nothing",
                mend="planning, tender, bids, awards and contracts are; dismiss it",
            )
        return made

    def _key(self, release: Mapping[str, Any], key: str) -> str:
        return request_of(self.source, KIND, release["ocid"], key)

    def _stated(self, reading: _Reading, view: _View, known: Callable[[str], Statement | None]) -> list[Wish]:
        ocid, made = view.release["ocid"], []
        stream = f"trading/{self.source}/{stream_part(self._secret, self.source, ocid + view.suffix)}"

        def request(key: str) -> str:
            return self._key(view.release, view.apart + key)

        for fact in reading.facts():
            former = known(request(fact.key))
            at = fact.at if fact.is_own or former is None else former.at
            try:
                check_time(instant_us(at), now_us=self._now_us)
            except Malformed:
                raise Malformed(
                    f"{at!r:.60} is no time with its offset", code="instant", mend="mend the date"
                ) from None
            made.append(
                Wish(
                    actor=self.actor,
                    role="trading_adapter",
                    stream=stream,
                    type=f"trading.{fact.verb}.v1",
                    at=at,
                    request=request(fact.key),
                    values=fact.values,
                )
            )
        return made


@dataclass(frozen=True, slots=True)
class _View:
    """What a release says of one procedure. ``suffix``: of its name; ``lot``: which it is of."""

    release: Mapping[str, Any]
    suffix: str = ""
    lot: str | None = None

    @property
    def apart(self) -> str:
        """What sets its things apart from those of the ocid's other procedures."""
        return f"{self.suffix} " if self.suffix else ""


def _views(release: Mapping[str, Any], is_known: Callable[[str], bool]) -> Iterator[_View]:
    """The procedures that a release tells of: one, or one for each lot, or for each award where there are several."""
    tender, bids = _part(release, "tender"), _objects(_part(release, "bids"), "details")
    awards, contracts = _objects(release, "awards"), _objects(release, "contracts")
    lots = {str(one.get("id")): one for one in _objects(tender, "lots")}
    for one in (*bids, *awards):
        lots |= {str(lot): {} for lot in _list(one, "relatedLots") if str(lot) not in lots}
    if lots:
        for lot, said in lots.items():
            mine = [one for one in awards if _is_of(one, lot, lots)]
            about = {name: said[name] for name in ("title", "value", "status", "statusDetails") if name in said}
            inner = {"tender": {**tender, **about}} if tender or about else {}
            if bids:
                inner["bids"] = {"details": [one for one in bids if _is_of(one, lot, lots)]}
            inner |= _awarded(awards, mine, contracts)
            yield _View({**release, **inner}, f"-lot-{_code(lot)}", _code(lot))
        return
    several = [one for one in awards if one.get("status") not in ("cancelled", "pending")]
    if len(several) < 2:
        yield _View(release)
        return
    first = next((one for one in several if is_known(f"award {one.get('id')}")), several[0])
    for one in several:
        others = [each for each in awards if each not in several]
        apart = None if one is first else _code(f"award-{one.get('id')}")
        yield _View({**release, **_awarded(awards, [*others, one], contracts)}, f"-lot-{apart}" if apart else "", apart)


def _is_of(one: Mapping[str, Any], lot: str, lots: Mapping[str, Any]) -> bool:
    """Whether a bid or award is of that lot: it says so, or says nothing of lots."""
    related = [str(each) for each in _list(one, "relatedLots")]
    if not related and len(lots) > 1 and "suppliers" in one:
        raise Refused("an award of a purchase in lots names none", code="lots", mend="give awards.relatedLots")
    return not related or lot in related


def _awarded(
    awards: Sequence[Mapping[str, Any]], mine: Sequence[Mapping[str, Any]], contracts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """These awards, and the contracts made on them."""
    theirs = {one.get("id") for one in awards if one not in mine}
    signed = [one for one in contracts if one.get("awardID") not in theirs]
    return ({"awards": list(mine)} if awards else {}) | ({"contracts": signed} if contracts else {})


class _Reading:
    """What a release says of one procedure, read part by part."""

    def __init__(self, view: _View, known: Callable[[str], Statement | None]) -> None:
        self._release, self._lot, self._ask = view.release, view.lot, known
        release = view.release
        self.repeats = False  # whether it told something that was told before
        date = release.get("date")
        if not isinstance(date, str):
            raise Malformed("a release has a date", code="ocds", mend="give the date of the release")
        self._date = date
        self._tags = {tag for tag in _list(release, "tag") if isinstance(tag, str)}
        self._tender = _part(release, "tender")
        self._awards = [one for one in _objects(release, "awards") if one.get("status") not in ("cancelled", "pending")]
        self._contracts = [one for one in _objects(release, "contracts") if one.get("status") != "cancelled"]
        self._bids = _objects(_part(release, "bids"), "details")
        # Elsewhere a tender that is repeated is another process; ours keep their ocid, and number their rounds.
        rounds = _ROUND.fullmatch(str(self._tender.get("id", "")).removeprefix(str(release["ocid"])))
        self._round = rounds[1] if rounds else "1"

    def _known(self, key: str) -> Statement | None:
        found = self._ask(key)
        self.repeats = self.repeats or found is not None
        return found

    def facts(self) -> Iterator[Fact]:
        """What it tells, in the order of the stages."""
        yield from self._planning()
        yield from self._tendering()
        yield from self._bidding()
        yield from self._complaints()
        yield from self._awarding()
        yield from self._carrying_out()
        status, details = self._tender.get("status"), self._tender.get("statusDetails")
        if status == "unsuccessful":
            yield self._fact("tender_failed", f"failed {self._round}", None, reason=_code(details or status))
        elif status in ("cancelled", "withdrawn"):
            yield self._fact("cancelled", f"cancelled {self._round}", None, reason=_code(details or status))

    def _fact(self, verb: str, key: str, at: Any, **values: Any) -> Fact:
        own = isinstance(at, str)
        given = {name: value for name, value in values.items() if value is not None}
        return Fact(verb, key, at if own else self._date, own, given)

    def _planning(self) -> Iterator[Fact]:
        release, tender = self._release, self._tender
        budget = _part(_part(release, "planning"), "budget")
        # What is planned for all lots is of none of them, where the lot says its own.
        value = (tender.get("value") if self._lot else None) or budget.get("amount") or tender.get("value")
        key = f"planned {self._round}"
        if value is None and not self._tags & {*_PLANNED, "tender", "compiled"}:
            return
        former = self._known(key)
        if former is not None and not self._tags & _PLANNED:
            return  # an estimate that moves on after the plan is no new plan
        fact = self._fact(
            "planned",
            key,
            None,
            project=str(budget.get("project") or tender.get("title") or release["ocid"]),
            buyer=self._buyer(),
            method=_needed(tender.get("procurementMethod"), "tender.procurementMethod"),
            fen=_fen(value, "planning.budget.amount"),
            ocid=release["ocid"] if check_value("code", release["ocid"]) else None,
            lot=self._lot,
        )
        if former is not None and any(former.data.get(name) != told for name, told in fact.values.items()):
            fact = Fact("planned", f"{key} {release.get('id')}", fact.at, fact.is_own, fact.values)
        yield fact

    def _buyer(self) -> str:
        parties = [one for one in _objects(self._release, "parties") if "buyer" in _list(one, "roles")]
        for one in (_part(self._release, "buyer"), *parties, _part(self._tender, "procuringEntity")):
            if one.get("id") or one.get("name"):
                return _organisation(one)
        raise Malformed("the release names no buyer", code="missing-field", mend="give buyer.id", field="buyer")

    def _tendering(self) -> Iterator[Fact]:
        period = _part(self._tender, "tenderPeriod")
        closes, key = period.get("endDate"), f"tender {self._round}"
        if closes is None:
            return
        amendments = _objects(self._tender, "amendments")
        document = _document(self._tender)
        former = self._known(key)
        if former is None:
            yield self._fact("tender_published", key, period.get("startDate"), closes=closes, document=document)
            return
        for one in amendments:
            told = f"tender amended {self._round} {one.get('id')}"
            if self._known(told) is None or self._tags & {"tenderAmendment"}:
                reason = _code(one.get("rationale") or "amended")
                yield self._fact(
                    "tender_amended", told, one.get("date"), closes=closes, document=document, reason=reason
                )
        if former is not None and not amendments and former.data["closes"] != closes:
            yield self._fact("tender_amended", f"{key} {closes}", None, closes=closes, reason="updated")

    def _bidding(self) -> Iterator[Fact]:
        begins = _part(self._tender, "tenderPeriod").get("startDate")
        told: dict[str, Fact] = {}
        for one in self._bids:
            for tenderer in _objects(one, "tenderers"):
                bidder = _organisation(tenderer)
                at = one.get("date") or begins
                told[bidder] = self._bid(bidder, at, _document(one))
        others = _objects(self._tender, "tenderers") + [
            who for one in self._awards for who in _objects(one, "suppliers")
        ]
        # Of whoever is named without a bid only this is known, that there was one.
        for bidder in () if self._bids else dict.fromkeys(map(_organisation, others)):
            if self._known(f"bid {self._round} {bidder}") is None:
                told[bidder] = self._bid(bidder, begins, None)
        yield from told.values()
        if self._is_opened() and self._known(f"opened {self._round}") is None:
            prices = {
                _organisation(tenderer): _fen(one["value"], "bids.details.value")
                for one in self._bids
                if "value" in one and one.get("status", "valid") == "valid"
                for tenderer in _objects(one, "tenderers")
            }
            at = _part(self._tender, "bidOpening").get("date") or self._earliest_opening()
            yield self._fact("bids_opened", f"opened {self._round}", at, prices=prices or None)

    def _earliest_opening(self) -> Any:
        """When bids may have been opened, where nobody says when they were: not before the tender was closed."""
        closes = _part(self._tender, "tenderPeriod").get("endDate")
        begun = _part(self._tender, "awardPeriod").get("startDate")
        try:
            return begun if instant_us(str(begun)) >= instant_us(str(closes)) else closes
        except Malformed:
            return closes

    def _bid(self, bidder: str, at: Any, document: str | None) -> Fact:
        return self._fact("bid_received", f"bid {self._round} {bidder}", at, bidder=bidder, document=document)

    def _is_opened(self) -> bool:
        opened = any(one.get("status") in _OPENED for one in self._bids)
        return opened or bool(self._awards) or "bidOpening" in self._tender

    def _complaints(self) -> Iterator[Fact]:
        for one in _objects(self._release, "complaints"):
            name = _code(_needed(one.get("id"), "complaints.id"))
            made, settled = one.get("date"), _part(one, "resolution")
            if "resolution" not in one or self._known(f"challenged {name} {made}") is None:
                yield self._fact("challenged", f"challenged {name} {made}", made, challenge=name)
            if settled:
                at = settled.get("date")
                outcome = _code(_needed(settled.get("outcome"), "complaints.resolution.outcome"))
                yield self._fact("challenge_settled", f"settled {name} {at}", at, challenge=name, outcome=outcome)

    def _awarding(self) -> Iterator[Fact]:
        for one in self._awards:
            suppliers = list(dict.fromkeys(map(_organisation, _objects(one, "suppliers"))))
            if not suppliers:
                raise Malformed(
                    "the release needs awards.suppliers",
                    code="missing-field",
                    mend="give awards.suppliers",
                    field="awards.suppliers",
                )
            yield self._fact(
                "awarded",
                f"award {one.get('id')}",
                one.get("date"),
                supplier=suppliers[0],
                partners=suppliers[1:] or None,
                fen=_fen(one.get("value"), "awards.value"),
                document=_document(one),
            )

    def _carrying_out(self) -> Iterator[Fact]:
        for one in self._contracts:
            name, amendments = str(one.get("id")), _objects(one, "amendments")
            signed, value = self._known(f"contract {name}"), self._worth(one)
            is_signed = "dateSigned" in one or one.get("status") in ("active", "terminated")
            if is_signed and (signed is None or not (amendments or value is None)):
                yield self._fact(
                    "contract_signed",
                    f"contract {name}",
                    one.get("dateSigned"),
                    fen=_fen(value, "contracts.value"),
                    document=_document(one),
                )
            transactions = _objects(_part(one, "implementation"), "transactions")
            begun = "implementation" in one or transactions or one.get("status") == "terminated"
            if begun and self._known(f"started {name}") is None:
                yield self._fact("started", f"started {name}", None)
            for amendment in amendments:
                told = f"amended {name} {amendment.get('id')}"
                if self._known(told) is None:
                    fen, reason = (
                        _fen(value, "contracts.value"),
                        _code(amendment.get("rationale") or "amended"),
                    )
                    yield self._fact("contract_amended", told, amendment.get("date"), fen=fen, reason=reason)
            for paid in transactions:
                fen = _fen(paid.get("value") or paid.get("amount"), "transactions.value")
                yield self._fact("paid", f"paid {name} {paid.get('id')}", paid.get("date"), fen=fen)
            if one.get("status") == "terminated":
                yield self._fact("completed", f"completed {name}", None)

    def _worth(self, contract: Mapping[str, Any]) -> Any:
        """A contract's own value, or that of its award."""
        if "value" in contract:
            return contract["value"]
        return next((one.get("value") for one in self._awards if one.get("id") == contract.get("awardID")), None)


# ── Parts and values ───────────────────────────────────────────────────────────────────────────────────────


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if found is not None and not isinstance(found, dict):
        raise Malformed(f"{name} is no object", code="ocds", mend="send OCDS 1.1")
    return found or {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    if found is not None and not isinstance(found, list):
        raise Malformed(f"{name} is no list", code="ocds", mend="send OCDS 1.1")
    return found or []


def _objects(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = _list(value, name)
    if not all(isinstance(one, dict) for one in found):
        raise Malformed(f"{name} holds what is no object", code="ocds", mend="send OCDS 1.1")
    return found


def _needed(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Malformed(f"the release needs {name}", code="missing-field", mend=f"give {name}", field=name)
    return value


def _code(text: Any) -> str:
    """What is said as a code: itself where it is one, else a digest of it."""
    told = str(text)
    return told if check_value("code", told) else f"x-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _organisation(one: Mapping[str, Any]) -> str:
    return _code(_needed(one.get("id") or one.get("name"), "an organisation's id"))


def _document(one: Mapping[str, Any]) -> str | None:
    """The first document that is named by its SHA-256."""
    ids: Sequence[str] = [str(each.get("id")) for each in _objects(one, "documents")]
    return next((each for each in ids if _HEX64.fullmatch(each)), None)


def _fen(value: Any, name: str) -> int:
    """An OCDS value in whole fen, exactly."""
    if not isinstance(value, dict) or "amount" not in value:
        raise Malformed(f"the release needs {name}", code="missing-field", mend=f"give {name}", field=name)
    if value.get("currency") != CURRENCY:
        raise Refused(
            f"{name} is in {value.get('currency')!r:.20}; sums are kept in fen",
            code="currency",
            mend=f"send what it was in {CURRENCY}, by the rate of its day",
            field=name,
        )
    amount = value["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        raise Malformed(f"{name} is no number", code="amount", mend="give the amount as a number", field=name)
    fen = Decimal(amount).scaleb(2)
    if not fen.is_finite() or abs(fen) >= 2**53 or fen != fen.to_integral_value():
        raise Malformed(f"{name} is not whole fen: {amount}", code="amount", mend="give whole fen", field=name)
    return int(fen)

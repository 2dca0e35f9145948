"""Make and sign, open and verify: ours against the signature library's bare loop over the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

from nacl.bindings import crypto_sign, crypto_sign_open

from ledger.keys import SigningKey
from ledger.statement import Draft, check_statement_signature, draft_bytes, open_statement, sign_statement
from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Stand
from tests.bench.table import Row, at_least


def make_drafts(count: int) -> list[Draft]:
    """Drafts of statements of about 715 bytes."""
    return [
        Draft(
            actor="source/bench",
            stream=f"imported/bench/{number:032x}",
            type="imported.event.v1",
            seq=2,
            prev=bytes(32),  # type: ignore[arg-type]
            seen_size=1_000_000 + number,
            seen_root=bytes(32),
            at="2024-03-04T09:00:00.123+08:00",
            role="source_adapter",
            request=f"{number:064x}",
            data={"ordinal": number, "activity": "决定受理", "lifecycle": "complete", "resource": "ab" * 16},
            sd=("A" * 43,),
            audience="mingjian.local/hall/00112233445566778899aabbccddeeff",
        )
        for number in range(count)
    ]


def rows(stand: Stand) -> Iterator[Row]:
    """Row 4, in two lines."""
    count = 1000 if stand.quick else 5000
    key = SigningKey.generate()
    drafts = make_drafts(count)
    entries = [sign_statement(draft, key) for draft in drafts]
    messages = [draft_bytes(draft, key.thumbprint)[2] for draft in drafts]
    signatures = [entry[-64:] for entry in entries]
    pair = key.private.private_bytes_raw() + key.public
    width = sum(map(len, entries)) // count

    def make() -> None:
        for draft in drafts:
            sign_statement(draft, key)

    def bare_sign() -> None:
        for message in messages:
            crypto_sign(message, pair)

    def opened() -> None:
        for entry in entries:
            open_statement(entry)
            assert check_statement_signature(entry, key.public)

    def bare_verify() -> None:
        for signature, message in zip(signatures, messages, strict=True):
            crypto_sign_open(signature + message, key.public)

    for name, what, ours, rival, aim in (
        ("make-sign", f"make and sign a statement of {width} bytes", make, bare_sign, 0.6),
        ("open-verify", "open it and verify its signature", opened, bare_verify, 0.8),
    ):
        found = alternate(
            {
                "ours": lambda ours=ours: count / seconds(ours),  # type: ignore[misc]
                "bare loop": lambda rival=rival: count / seconds(rival),  # type: ignore[misc]
            },
            rounds=3 * stand.rounds,
        )
        ratio = found["ours"] / found["bare loop"]
        yield Row(
            name=name,
            what=what,
            ours=f"{found['ours']:,.0f}/s",
            rival=f"PyNaCl's bare loop {found['bare loop']:,.0f}/s",
            ratio=ratio,
            aims=(at_least(ratio, aim),),
            limit="the signature: the rival's figure, one core",
        )

"""A statement: one act, signed by whoever acted, and never re-serialised.

Promise: ``open_statement`` accepts exactly one byte string for one meaning. What it returns has been checked
for form, size, canonical encoding and for claims that agree with the payload; the signature is checked by
``check_statement_signature`` under a key that the caller found in the log. Rights, order and state are other
rooms' matter.

    D2                                 tag 18, COSE_Sign1 (RFC 9052)
      84                               array(4)
        58 nn  protected header        A5 01 27                alg: −8, EdDSA
                                          03 "application/mingjian-statement+json"
                                          04 58 20 …           kid: RFC 9679 thumbprint of the signer's key
                                          0F A4 01 iss 02 sub 03 aud 06 iat     CWT claims (RFC 9597)
                                          10 "application/mingjian-statement+cose"
        A0                             empty unprotected header
        59 nnnn payload                JSON in RFC 8785 canonical form
        58 40  signature               over ["Signature1", protected, h'', payload]

``iss`` is the actor, ``sub`` the stream, ``aud`` the log's origin (absent in entry 0 alone), ``iat`` the
floor of the claimed time. The leaf is the whole byte string; its RFC 6962 leaf hash is the statement's id.
"""

from ledger.statement.canonical import canonical_json, parse_canonical_json
from ledger.statement.instants import instant_text, instant_us, parse_instant
from ledger.statement.statement import (
    MAX_ENTRY_BYTES,
    Draft,
    Statement,
    StatementId,
    check_statement_signature,
    draft_bytes,
    join_signature,
    open_statement,
    preview_statement,
    sign_statement,
    statement_id,
)

__all__ = [
    "MAX_ENTRY_BYTES",
    "Draft",
    "Statement",
    "StatementId",
    "canonical_json",
    "check_statement_signature",
    "draft_bytes",
    "instant_text",
    "instant_us",
    "join_signature",
    "open_statement",
    "parse_canonical_json",
    "parse_instant",
    "preview_statement",
    "sign_statement",
    "statement_id",
]

"""One RFC 6962 / RFC 9162 SHA-256 tree over all statements, its files and its signed heads.

Bytes in, verified objects or errors out: no clock, no disk, no database, nothing of what a leaf means.

    merkle      hashes, the growing edge (``Frontier``), inclusion and consistency proofs
    tiles       C2SP tlog-tiles: names and contents of the files the tree is served as
    note        C2SP signed-note and the Ed25519 line of tlog-cosignature
    checkpoint  C2SP tlog-checkpoint: the signed head
    policy      C2SP tlog-policy: whose signatures a reader asks for
    proof       C2SP tlog-proof: one entry's place, checkable offline
    cosignature C2SP tlog-witness: what a log asks of a witness, and what it keeps of the answer
    receipt     COSE Receipts (RFC 9942): the same proofs for those who speak COSE
    promise     a place in the tree by a time, signed when a statement is taken in
    heads       case heads: how many statements a stream has, or that it has none
    stated      the same heads followed entry by entry, by whoever replays a log
    completeness  one stream's row with all that proves it, in one document
    consistency   two sizes of one log joined, in one document

Sizes and indexes stay below 2**63, as in every implementation that must agree with this one.
"""

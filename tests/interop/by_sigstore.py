"""Asks sigstore-python's Merkle and checkpoint code; runs in its environment, not in ours."""

import json
import sys
from base64 import b64decode
from types import SimpleNamespace

from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import verify_checkpoint
from sigstore._internal.trust import Key, Keyring
from sigstore_models.common.v1 import PublicKey, PublicKeyDetails


def keyring(der, key_id):  # der in base64, as sigstore's models read it
    # Under C2SP's key id, which depends on the name, not under sigstore's own.
    ring = Keyring()
    ring._keyring[key_id] = Key(PublicKey(raw_bytes=der, key_details=PublicKeyDetails.PKIX_ED25519))
    return ring


def answer(case):
    proof = SimpleNamespace(root_hash=b64decode(case["root"]))
    inner = SimpleNamespace(inclusion_proof=proof)
    try:
        if case["kind"] == "inclusion":
            proof.log_index, proof.tree_size = case["index"], case["size"]
            proof.hashes = [b64decode(h) for h in case["path"]]
            inner.canonicalized_body = b64decode(case["entry"])
            verify_merkle_inclusion(SimpleNamespace(_inner=inner))
        else:
            key_id = b64decode(case["key_id"])
            proof.checkpoint = SimpleNamespace(envelope=b64decode(case["note"]).decode())
            inner.log_id = SimpleNamespace(key_id=key_id)
            verify_checkpoint(keyring(case["der"], key_id), SimpleNamespace(_inner=inner))
    except Exception as error:
        if "-v" in sys.argv:
            print(repr(error), file=sys.stderr)
        return False
    return True


print(json.dumps([answer(case) for case in json.load(sys.stdin)]))

"""Asks the ``scitt-cose`` library; runs in its environment, not in ours."""

import json
import sys
from base64 import b64decode

from scitt_cose import extract_receipts, parse_signed_statement, verify_receipt


def accepts(case):
    if case["kind"] == "statement":
        found = parse_signed_statement(b64decode(case["data"]), public_key_pem=b64decode(case["pem"]))
        return found["signature_verified"] is True and [found["issuer"], found["subject"]] == case["names"].split()
    data, entry = b64decode(case["data"]), b64decode(case["entry"])
    if case["kind"] == "transparent":
        [data] = extract_receipts(data)
    return verify_receipt(data, leaf_entry_hex=entry.hex(), log_public_key_pem=b64decode(case["pem"])).ok


def answer(case):
    try:
        return accepts(case)
    except Exception:  # whatever it raises, it does not accept
        return False


print(json.dumps([answer(case) for case in json.load(sys.stdin)]))

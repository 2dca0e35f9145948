"""Asks the ``cwt`` library; runs in its environment, not in ours."""

import json
import sys
from base64 import b64decode

from cwt import COSE, COSEKey


def answer(case):
    key = COSEKey.from_pem(b64decode(case["pem"]), kid=b64decode(case["kid"]))
    detached = b64decode(case["detached"]) if "detached" in case else None
    try:
        payload = COSE.new().decode(b64decode(case["data"]), key, detached_payload=detached)
    except Exception:  # whatever it raises, it does not accept
        return False
    return payload == (detached or b64decode(case["payload"]))


print(json.dumps([answer(case) for case in json.load(sys.stdin)]))

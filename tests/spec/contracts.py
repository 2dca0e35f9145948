"""The contracts of systems brought in as JSON Schema, made from the code: ``python -m tests.spec.contracts``."""

from __future__ import annotations

import json
from pathlib import Path

from ledger.exchange.adapters.contracts import KINDS, contract

FOLDER = Path(__file__).parents[2] / "docs/spec/adapters"


def pages() -> dict[Path, str]:
    """Each file as it must be."""
    return {
        FOLDER / f"{kind}.schema.json": json.dumps(contract(kind).schema(), indent=1, ensure_ascii=False) + "\n"
        for kind in KINDS
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")

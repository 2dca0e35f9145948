"""What every subject's tests may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# No test asserts a time: on a busy machine a deadline for each example would.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REAL_LOG = Path(__file__).resolve().parents[2] / "shared" / "data" / "Receipt.xes.gz"


@pytest.fixture(scope="session")
def real_log() -> Path:
    """The real log of 1,434 permit cases (doi 10.4121/uuid:a07386a5-7be3-4367-9535-70bc9e77dbe6)."""
    if not REAL_LOG.exists():
        pytest.skip(f"the real log is not at {REAL_LOG}")
    return REAL_LOG

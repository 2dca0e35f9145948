"""Schemathesis over the OpenAPI: whatever is asked, the answer is one that the document names, and never a bug."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def scope_of(path: str) -> str:
    scopes = {"/api/drafts": "operator", "/log/tile/entries/{name}": "auditor"}
    return "operator" if path.startswith("/api/recorders/") else scopes.get(path, "reader")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_api_keeps_to_its_document(served: Any, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(create_app(served.hall).openapi())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    # Beside the library's plug-in for pytest, which the newest pytest broke.
    for operation in operations:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=12,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        def one(case: schemathesis.Case) -> None:
            headers = {"Authorization": f"Bearer {served.tokens[scope_of(case.path)]}"}
            case.call_and_validate(base_url=served.base, headers=headers, checks=CHECKS)

        try:
            one()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # an operation without parameters cannot be asked wrongly

"""Whatever is sent, an answer is what the OpenAPI document says, and never a 500."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

if TYPE_CHECKING:
    from tests.e2e.stack import Stack
    from tests.soak import Soak

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(Path("docs/openapi.json").read_text())
    return described


@pytest.mark.parametrize(
    "family",
    [
        "/api/",
        "/memories",
        "/process|/get_audio",
        "/recordings",
        "/webhooks",
        "/audio-m",
        "/health",
    ],
)
@pytest.mark.soak
def test_answers_are_as_described(
    family: str, document: dict[str, Any], stack: Stack, soak: Soak
) -> None:
    examples = soak.count("requests of each operation", few=4, many=50)
    key = {"x-api-key": stack.api_key}
    api = schemathesis.openapi.from_dict(document).include(path_regex=f"^({family})")
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    assert operations
    for number in soak.seeds(few=1):
        for operation in operations:

            @seed(number)
            @given(operation.as_strategy())
            @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
            def answers(case: Any) -> None:
                case.call_and_validate(base_url=stack.url, headers=key, checks=CHECKS, timeout=None)

            answers()

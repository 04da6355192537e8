"""The OpenAPI schema is kept: whatever it allows, or does not, is answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adloom.loop.serving.app import create_app
from adloom.loop.settings import load_settings
from tests.loop_parts import tiny_settings

EXAMPLES = 8  # of each operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    app = create_app(tiny_settings(tmp_path_factory.mktemp("schema")))
    with TestClient(app):  # its lifespan: the parts run as long as it is open
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_no_request_makes_the_server_fail(api: Any, mode: GenerationMode) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        try:
            answered()
        except Unsatisfiable:  # nothing can be wrong where nothing is asked for
            assert mode is GenerationMode.NEGATIVE


def test_requests_have_examples_and_refusals_are_described() -> None:
    paths = create_app(load_settings()).openapi()
    ads = paths["paths"]["/v1/ads"]["post"]
    assert set(ads["responses"]) >= {"200", "401", "404", "413", "422", "429", "503", "504"}
    for name in ("AdWanted", "AdMade"):
        assert paths["components"]["schemas"][name]["examples"]
    body = paths["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["examples"]

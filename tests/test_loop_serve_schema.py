"""The OpenAPI schema is kept: whatever it allows, or does not, is answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from loop.serve import create_app
from loop.settings import load_settings
from tests.loop_parts import tiny_settings

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


schema = schemathesis.pytest.from_fixture("api")


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_the_server_fail(case: Any) -> None:
    case.call_and_validate(checks=CHECKS)


def test_requests_have_examples_and_refusals_are_described() -> None:
    paths = create_app(load_settings()).openapi()
    ads = paths["paths"]["/v1/ads"]["post"]
    assert set(ads["responses"]) >= {"200", "401", "404", "413", "422", "429", "503", "504"}
    for name in ("AdWanted", "AdMade"):
        assert paths["components"]["schemas"][name]["examples"]
    body = paths["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["examples"]

"""What each key may do: every route says which role it takes, and no page's key does more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from starlette.routing import Mount, Route

from adloom.loop.serving.app import create_app
from adloom.loop.serving.http import access
from adloom.loop.settings import SettingsError, load_settings

ROLES = ("write", "review", "admin", "forget", "publishable")
KEYS = {role: f"a-key-for-{role}-and-no-more" for role in (*ROLES, "api")}
STAFF = {"write", "review", "admin", "api"}
TAKES = {
    "POST /v1/ads": {"write", "api"},
    "POST /v1/events": {"write", "api"},
    "POST /v1/exposures/{exposure_id}": {"write", "api"},
    "GET /v1/products": STAFF,
    "POST /v1/products": {"admin", "api"},
    "DELETE /v1/products/{product_id:path}": {"admin", "api"},
    "POST /v1/users/{user_id:path}/forget": {"forget"},
    "GET /v1/creatives": STAFF,
    "POST /v1/creatives/{ad_id:path}/approve": {"review", "api"},
    "POST /v1/creatives/{ad_id:path}/ban": {"review", "api"},
    "GET /v1/words": STAFF,
    "POST /v1/words": {"review", "api"},
    "GET /studio/api/loop": STAFF,
    "GET /studio/api/shoppers": STAFF,
    "POST /studio/api/ads": STAFF,
    "POST /studio/api/promote": {"admin", "api"},
    "POST /studio/api/rollback": {"admin", "api"},
}
NOT_FASTAPIS = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/studio/static"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """None of its parts run: whether a request is let in needs none."""
    serve: dict[str, Any] = {f"{role}_keys": [key] for role, key in KEYS.items()}
    serve["cors_origins"] = ["https://shop.example"]
    return create_app(load_settings(home=tmp_path_factory.mktemp("roles"), serve=serve))


def routes(app: FastAPI) -> list[RouteContext]:
    found = list(iter_route_contexts(app.routes))
    others = [route for route in found if not isinstance(route.original_route, APIRoute)]
    assert {route.path for route in others} == NOT_FASTAPIS
    for route in others:
        assert isinstance(route.original_route, (Route, Mount))
        assert (route.methods or {"GET"}) <= {"GET", "HEAD"}
    return [route for route in found if route not in others]


def asked_by(route: RouteContext) -> list[Any]:
    """What the route's own dependencies ask of who uses it."""
    calls = [dependency.call for dependency in route.dependant.dependencies]
    return [call for call in calls if call.__module__ == access.__name__]


def is_open(route: RouteContext) -> bool:
    [asked] = asked_by(route)
    return asked in (access.Open[0].dependency, access.Counted[0].dependency)


def test_every_route_says_who_may_use_it_and_none_that_changes_anything_is_open(
    app: FastAPI,
) -> None:
    assert len(routes(app)) >= 20
    for route in routes(app):
        assert len(asked_by(route)) == 1, route.path
        if is_open(route):
            assert route.methods == {"GET"}, route.path


def test_a_key_does_what_its_role_may_and_is_told_which_one_it_takes(app: FastAPI) -> None:
    client = TestClient(app, base_url="http://localhost")
    seen, before = set(), refused_by_role()
    for route in routes(app):
        if is_open(route):
            continue
        [method], path = route.methods or {"GET"}, re.sub(r"{[^}]*}", "x", route.path or "")
        for key in ("", "a-key-that-nobody-gave"):
            refused = client.request(method, path, json={}, headers={"X-API-Key": key})
            assert refused.status_code == 401, route.path
        may = set()
        for name, key in KEYS.items():
            answer = client.request(method, path, json={}, headers={"X-API-Key": key})
            assert answer.status_code != 401, (route.path, name)
            if answer.status_code != 403:  # then it goes on to the parts, which do not run here
                may.add(name)
            elif not (name == "publishable" and path == "/v1/events"):
                assert re.search(r"takes a key of role \w+.* \(serve\.\w+_keys", answer.text)
                assert key not in answer.text
        assert may, route.path
        assert "publishable" not in may, route.path
        told = f"{method} {route.path}"
        assert TAKES.get(told, may) == may, told
        seen.add(told)
    assert seen >= TAKES.keys()
    assert refused_by_role() > before


def refused_by_role() -> float:
    return REGISTRY.get_sample_value("adloom_http_refused_total", {"reason": "role"}) or 0.0


def test_where_no_key_of_a_role_is_set_nobody_has_it(tmp_path: Path) -> None:
    serve = {"write_keys": [KEYS["write"]]}
    client = TestClient(
        create_app(load_settings(home=tmp_path, serve=serve)), base_url="http://localhost"
    )
    for path, setting in (
        ("/studio/api/rollback", "serve.admin_keys"),
        ("/v1/users/ann/forget", "serve.forget_keys"),
    ):
        for key in ("", KEYS["write"]):
            refused = client.post(path, headers={"X-API-Key": key})
            assert refused.status_code == 403
            assert refused.json()["detail"] == f"no key may do this here: set {setting}"


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (
            {"write_keys": [KEYS["write"]], "admin_keys": [KEYS["admin"], KEYS["write"]]},
            "write_keys and admin_keys have the same key",
        ),
        (
            {"api_keys": [KEYS["api"]], "publishable_keys": [KEYS["api"]]},
            "api_keys and publishable_keys have the same key",
        ),
        ({"publishable_keys": [KEYS["publishable"]]}, "all else here is open to anyone"),
        (
            {"publishable_keys": [KEYS["publishable"]], "forget_keys": [KEYS["forget"]]},
            "all else here is open to anyone",
        ),
        ({"write_keys": ["short"]}, "must have at least 16 characters"),
        ({"cors_origins": ["*"]}, "set publishable_keys, or name the origins"),
        ({"cors_origins": ["*", "https://shop.example"]}, "name no others"),
        ({"page_rate_limit": "often"}, "serve.page_rate_limit"),
        *(
            ({"cors_origins": [wrong]}, "is no origin")
            for wrong in (
                "shop.example",
                "https://shop.example/page",
                "https://ann@shop.example",
                "https://shop.example?a",
                "ftp://shop.example",
                "null",
                "https://*.shop.example",
                "https://shop.example:port",
                "https://münze.example",
                "",
            )
        ),
        *(
            ({"root_path": wrong}, "is no path such as /ads")
            for wrong in ("ads", "/a//b", "/a/../b", "/a b", "/a?b", "https://shop.example/ads")
        ),
        ({"root_path": "/v1/ads"}, "paths of the server itself begin with /v1"),
        ({"public_url": "https://shop.example/studio"}, "begin with /studio"),
        ({"public_url": "shop.example/ads"}, "not an address such as"),
        ({"public_url": "https://shop.example/ads?a=b"}, "not an address such as"),
    ],
)
def test_settings_that_do_not_fit_are_told_at_start_in_a_line(
    tmp_path: Path, serve: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(home=tmp_path, serve=serve)
    assert str(refused.value).startswith("serve")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not any(key in str(refused.value) for key in KEYS.values())


def test_addresses_are_kept_as_browsers_tell_them(tmp_path: Path) -> None:
    origins = ["HTTPS://Shop.Example:443/", "http://localhost:3000", "http://[::1]:80"]
    serve = {"cors_origins": origins, "public_url": "https://Shop.example/Ads/"}
    settings = load_settings(home=tmp_path, serve=serve).serve
    assert settings.cors_origins == (
        "https://shop.example",
        "http://localhost:3000",
        "http://[::1]",
    )
    assert settings.public_url == "https://shop.example/Ads"
    assert settings.path_prefix == "/Ads"
    assert "shop.example" in settings.own_hosts
    assert load_settings(serve=serve | {"root_path": "/"}).serve.path_prefix == ""

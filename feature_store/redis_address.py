"""Feast's form of a Redis address, host:port[,host:port][,option=value...], taken apart."""

from __future__ import annotations

import json
from typing import Any

from adloom.feature_store.settings import FeatureStoreSettings


def redis_nodes(settings: FeatureStoreSettings) -> list[tuple[str, int]]:
    """Host and port of every server that is named."""
    found = []
    for part in _parts(settings):
        if "=" not in part:
            host, _, port = part.partition(":")
            found.append((host, int(port)))
    return found


def redis_options(settings: FeatureStoreSettings) -> dict[str, Any]:
    """What a client is made with besides: the options as they stand, the login, TLS."""
    options: dict[str, Any] = {}
    for part in _parts(settings):
        name, sign, value = part.partition("=")
        if sign:
            options[name] = _value(value)
    if settings.redis_username is not None:
        options["username"] = settings.redis_username
    if settings.redis_password is not None:
        options["password"] = settings.redis_password.get_secret_value()
    if settings.redis_ca_file is not None:
        options |= {"ssl": True, "ssl_ca_certs": str(settings.redis_ca_file)}
    return options


def sentinel_login(settings: FeatureStoreSettings) -> dict[str, Any]:
    """What a client of the Sentinels themselves is made with besides."""
    if settings.sentinel_password is None:
        return {}
    return {"password": settings.sentinel_password.get_secret_value()}


def _parts(settings: FeatureStoreSettings) -> list[str]:
    assert settings.redis_url is not None
    return settings.redis_url.get_secret_value().split(",")


def _value(text: str) -> Any:
    """As Feast reads it: JSON where it is, such as true and 0; else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text

"""Which parts there are to look at, by the settings."""

from __future__ import annotations

from adloom.loop.doctor.base import base_check
from adloom.loop.doctor.broker import broker_check
from adloom.loop.doctor.database import database_check
from adloom.loop.doctor.event_log import log_check
from adloom.loop.doctor.feature_registry import feature_registry_check
from adloom.loop.doctor.finding import Check
from adloom.loop.doctor.folders import home_check
from adloom.loop.doctor.online_store import online_store_check
from adloom.loop.doctor.packages import packages_check
from adloom.loop.doctor.pictures import pictures_check
from adloom.loop.doctor.schema_registry import registry_check
from adloom.loop.doctor.secrets import secrets_check
from adloom.loop.doctor.versions import versions_check
from adloom.loop.settings import Settings


def all_checks(settings: Settings) -> list[Check]:
    """In the order in which they are told; what has to be loaded for them is loaded here."""
    checks = [
        packages_check(settings),
        home_check(settings.home),
        secrets_check(settings),
        broker_check(settings),
        online_store_check(settings),
        log_check(settings),
        database_check(settings),
        pictures_check(settings),
        versions_check(settings),
        base_check(settings),
    ]
    if settings.features.registry is not None:
        checks.append(feature_registry_check(settings.features.registry.get_secret_value()))
    if settings.kafka.registry.url is not None:
        checks.append(registry_check(settings.kafka.registry))
    return checks

"""Registered versions in a generator: each version's adapter under a name of its own."""

from __future__ import annotations

from adloom.loop.learning.registry import AdRegistry, Version
from adloom.models.ad_generator import AdGenerator


def load_version(generator: AdGenerator, registry: AdRegistry, version: Version) -> str | None:
    """Load a version's adapter into the generator; returns its name there (None: the base)."""
    folder = registry.adapter(version)
    if folder is None:
        return None
    name = adapter_name(version.number)
    generator.load_adapter(name, folder)
    return name


def adapter_name(number: int) -> str:
    """Name of a registered version's adapter in a generator."""
    return f"version-{number}"

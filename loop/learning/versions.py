"""Registered versions in a generator: each version's adapter under a name of its own."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.learning.kept_adapters import UnfitVersion, key_of
from adloom.loop.learning.lineage import OtherBase
from adloom.loop.learning.lineage_tags import BASE_NAME
from adloom.loop.learning.registry import AdRegistry, Version
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.generates import Generates


def load_version(generator: Generates, registry: AdRegistry, version: Version) -> str | None:
    """Load a version's adapter into the generator; returns its name there (None: the base).

    Raises:
        UnfitVersion: it holds no adapter, or none that fits this base.
    """
    return load_adapter(generator, version, registry.adapter(version))


def load_adapter(generator: Generates, version: Version, folder: Path | None) -> str | None:
    """The same, of an adapter that was fetched already.

    Raises:
        UnfitVersion: it does not fit this base, or is another base.
    """
    if folder is None:
        if (told := version.tags.get(BASE_NAME, generator.base_name)) != generator.base_name:
            raise OtherBase(
                f"version {version.number} is the base {told}, not {generator.base_name}, "
                "which is loaded: see generator.path"
            )
        return None
    name = adapter_name(version)
    try:
        generator.load_adapter(name, folder)
    except UnfitAdapter as error:
        raise UnfitVersion(f"version {version.number} does not fit this base: {error}") from error
    except FileNotFoundError as error:
        file = str(error).rpartition(": ")[2]  # not where it was fetched to
        raise UnfitVersion(f"version {version.number} holds no whole adapter: {file}") from error
    return name


def adapter_name(version: Version) -> str:
    """Name of a registered version's adapter in a generator; no other version's."""
    return f"version-{key_of(version)}"

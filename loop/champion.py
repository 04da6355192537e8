"""The champion as it serves: follows the registry's alias and swaps adapters between ads."""

from __future__ import annotations

import threading

from loop.ads import Serving
from loop.registry import CHAMPION, AdRegistry, Version
from models.ad_generator import AdGenerator


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


class Champion:
    """What ``@champion`` names, loaded.

    Hold ``lock`` while an ad is started: it then is drawn by this version to its end, also when
    a swap drops the adapter on the way.
    """

    def __init__(self, generator: AdGenerator, registry: AdRegistry) -> None:
        self.lock = threading.Lock()
        self._generator = generator
        self._registry = registry
        self.serving = self._load(registry.champion())

    def follow(self) -> bool:
        """Look at the alias; load what it names now. True when the champion changed."""
        version = self._registry.champion()
        if version.number == self.serving.version:
            return False
        self._registry.adapter(version)  # fetched before the lock is taken
        with self.lock:
            former, self.serving = self.serving, self._load(version)
            if former.adapter is not None:
                self._generator.drop_adapter(former.adapter)
        return True

    def _load(self, version: Version) -> Serving:
        adapter = load_version(self._generator, self._registry, version)
        return Serving(CHAMPION, version.number, adapter)

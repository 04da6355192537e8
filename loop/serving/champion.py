"""The versions that serve: follows the registry's aliases and swaps adapters between ads."""

from __future__ import annotations

import threading
from collections.abc import Collection

from adloom.loop.learning.registry import CHAMPION, AdRegistry, UnknownVersion, Version
from adloom.loop.learning.versions import load_version
from adloom.loop.serving.requests import Serving
from adloom.models.ad_generator import AdGenerator


class Champion:
    """What ``@champion`` names, loaded, and the versions that arms serve beside it.

    Hold ``lock`` while an ad is started: it then is drawn by this version to its end, also when
    a swap drops the adapter on the way.

    Raises:
        UnknownVersion: the registry does not have one of ``beside`` (numbers and aliases).
    """

    def __init__(
        self, generator: AdGenerator, registry: AdRegistry, beside: Collection[int | str] = ()
    ) -> None:
        self.lock = threading.Lock()
        self._generator = generator
        self._registry = registry
        self._live = {name: self._load(registry.find(name)) for name in {CHAMPION, *beside}}

    @property
    def serving(self) -> Serving:
        """The champion."""
        return self._live[CHAMPION]

    def version(self, name: int | str) -> Serving:
        """The champion or one of the versions beside it."""
        return self._live[name]

    def load(self, name: int | str) -> None:
        """Let a version be served from now on. Raises UnknownVersion."""
        if name in self._live:
            return
        version = self._registry.find(name)
        self._registry.adapter(version)  # fetched before the lock is taken
        with self.lock:
            self._live = {name: self._load(version), **self._live}

    def follow(self) -> bool:
        """Look at the aliases; load what they name now. True when the champion changed.

        An alias that was taken away goes on serving what it named.
        """
        moved = self._moved()
        if not moved:
            return False
        for version in moved.values():
            self._registry.adapter(version)  # fetched before the lock is taken
        with self.lock:
            former = self._adapters()
            self._live |= {name: self._load(version) for name, version in moved.items()}
            for adapter in former - self._adapters():
                self._generator.drop_adapter(adapter)
        return CHAMPION in moved

    def _moved(self) -> dict[int | str, Version]:
        found: dict[int | str, Version] = {}
        for name, serving in self._live.items():
            if isinstance(name, int):
                continue
            try:
                version = self._registry.find(name)
            except UnknownVersion:
                continue
            if version.number != serving.version:
                found[name] = version
        return found

    def _adapters(self) -> set[str]:
        return {serving.adapter for serving in self._live.values() if serving.adapter}

    def _load(self, version: Version) -> Serving:
        adapter = load_version(self._generator, self._registry, version)
        return Serving(CHAMPION, version.number, adapter)

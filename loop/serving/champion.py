"""The versions that serve: follows the registry's numbers and aliases, swaps between ads.

A version takes over once its adapter is here and fits, and it has drawn an ad. Until then, and
where it fails, what served goes on serving, and :attr:`Champion.problem` says why.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from adloom.loop.learning.kept_adapters import UnfitVersion, key_of
from adloom.loop.learning.last_served import LastServed
from adloom.loop.learning.registry import CHAMPION, AdRegistry, UnknownVersion, Version
from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.loop.learning.versions import load_version
from adloom.loop.serving.requests import Serving
from adloom.loop.serving.trial import NotDrawnYet, Trial
from adloom.models.generates import Generates

Name = int | str
_NOT_ASKED = (RegistryUnavailable, RegistryRefused)
_BASE = 1  # the number of the bare base, in every registry
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 600.0
_LONGEST_AWAY_SECONDS = 30.0  # its files may come back any moment


@dataclass(frozen=True)
class _Live:
    """What serves under a name; no version where nothing but the bare base is known."""

    serving: Serving
    version: Version | None

    @property
    def key(self) -> str | None:
        return None if self.version is None else key_of(self.version)


@dataclass
class _Refused:
    """A version that failed, why, and when it is tried again: after pauses that grow."""

    key: str
    why: Exception
    again: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS

    def failed(self, why: Exception) -> None:
        self.why, self.again = why, time.monotonic() + self.pause
        away = isinstance(why, _NOT_ASKED)
        self.pause = min(2 * self.pause, _LONGEST_AWAY_SECONDS if away else _LONGEST_PAUSE_SECONDS)


class Champion:
    """What ``@champion`` names, and the versions that arms serve beside it.

    Hold ``lock`` while an ad is started: it then is drawn by this version to its end, also when
    a swap drops the adapter on the way.
    """

    def __init__(
        self,
        generator: Generates,
        registry: AdRegistry,
        trial: Trial,
        last: LastServed | None = None,
    ) -> None:
        """Nothing serves before :meth:`begin`. ``last`` remembers beyond a restart."""
        self.lock = threading.Lock()
        self.looked_at: float | None = None
        """When the registry last told what aliases name: seconds since 1970."""
        self._generator = generator
        self._registry = registry
        self._trial = trial
        self._last = last
        self._changing = threading.Lock()  # one at a time loads and drops
        self._needed: set[Name] = set()
        self._live: dict[Name, _Live] = {}
        self._why: dict[Name, str] = {}  # of each name that is not followed
        self._refused: dict[Name, _Refused] = {}

    def begin(self, beside: Collection[Name] = ()) -> None:
        """Find what serves, in the thread that draws.

        Where a version cannot serve, or nobody can be asked, the one that this home served last
        stands in; for the champion one of the former champions too, and at last the base.
        """
        remembered = {} if self._last is None else self._last.read()
        self._needed = {CHAMPION, *beside}
        for name in (CHAMPION, *sorted(self._needed - {CHAMPION}, key=str)):
            self._add(name, remembered.get(name))
        self._note()

    @property
    def serving(self) -> Serving:
        """The champion."""
        return self._live[CHAMPION].serving

    @property
    def served(self) -> dict[Name, int]:
        """Number of the version that serves, by number or alias."""
        return {name: live.serving.version for name, live in self._live.items()}

    @property
    def followed(self) -> dict[Name, bool]:
        """Whether what serves is what the registry names, by number or alias."""
        return {name: name not in self._why for name in (*self._live, *self._why)}

    @property
    def problem(self) -> str | None:
        """Why a name is not followed, and what serves instead."""
        return "; ".join(dict.fromkeys(self._why.copy().values())) or None

    def version(self, name: Name) -> Serving:
        """The champion or one of the versions beside it."""
        return self._live[name].serving

    def load(self, name: Name) -> bool:
        """Let a version be served from now on. False where it cannot: :attr:`problem` says why.

        Raises:
            UnknownVersion: the registry does not have it.
            RegistryUnavailable, RegistryRefused: it cannot be asked.
        """
        with self._changing:
            if name not in self._live:
                wanted = self._registry.find(name)
                if self._due(name, wanted):
                    self._take(name, wanted)
                self._note()
            return name in self._live

    def follow(self) -> bool:
        """Look at what is named, and let that take over. True when the champion changed."""
        with self._changing:
            before = self._live[CHAMPION].key
            for name in list(dict.fromkeys((*self._live, *self._why))):
                try:
                    self._look(name)
                except _NOT_ASKED as error:  # the other names would wait as long for it
                    self._why |= dict.fromkeys(self._live, _not_asked(error))
                    break
            self._note()
            return self._live[CHAMPION].key != before

    def _look(self, name: Name) -> None:
        try:
            wanted = self._registry.find(name)
        except UnknownVersion as error:
            self.looked_at = time.time()
            if name in self._needed:
                self._why[name] = self._not_followed(name, error)
            else:
                self._leave(name)
            return
        self.looked_at = time.time()
        live = self._live.get(name)
        if live is not None and key_of(wanted) == live.key:
            self._why.pop(name, None)
            self._refused.pop(name, None)
        elif self._due(name, wanted):
            self._take(name, wanted)

    def _due(self, name: Name, wanted: Version) -> bool:
        """Whether to try it: not again and again what has failed."""
        refused = self._refused.get(name)
        if refused is None or refused.key != key_of(wanted):
            return True
        self._why[name] = self._not_followed(name, refused.why)
        return time.monotonic() >= refused.again

    def _take(self, name: Name, wanted: Version) -> None:
        """Let a version serve under a name, or note why it does not."""
        try:
            live = self._tried(wanted)
        except NotDrawnYet as error:
            self._why[name] = self._not_followed(name, error)
            return
        except (UnfitVersion, *_NOT_ASKED) as error:
            refused = self._refused.get(name)
            if refused is None or refused.key != key_of(wanted):
                refused = self._refused[name] = _Refused(key_of(wanted), error)
            refused.failed(error)
            self._why[name] = self._not_followed(name, error)
            return
        self._why.pop(name, None)
        self._refused.pop(name, None)
        self._swap({**self._live, name: live})

    def _leave(self, name: Name) -> None:
        """What was only looked at, and is named no more."""
        self._why.pop(name, None)
        self._refused.pop(name, None)
        self._swap({other: live for other, live in self._live.items() if other != name})

    def _swap(self, live: dict[Name, _Live]) -> None:
        with self.lock:
            former = self._adapters()
            self._live = live
            for adapter in former - self._adapters():
                self._generator.drop_adapter(adapter)

    def _tried(self, version: Version) -> _Live:
        """A version that was loaded and drew an ad. Raises UnfitVersion."""
        adapter = None
        known = self._generator.adapters
        try:
            adapter = load_version(self._generator, self._registry, version)
            if adapter is None or adapter not in known:
                self._trial.draw(adapter)
        except (UnfitVersion, NotDrawnYet, *_NOT_ASKED):
            self._give_back(adapter, known)
            raise
        except Exception as error:  # whatever it is: it would be every ad's
            self._give_back(adapter, known)
            told = f"{type(error).__name__}: {error}"
            raise UnfitVersion(f"version {version.number} cannot draw an ad ({told})") from error
        return _Live(Serving(CHAMPION, version.number, adapter), version)

    def _give_back(self, adapter: str | None, known: Collection[str]) -> None:
        if adapter is not None and adapter not in known:
            self._generator.drop_adapter(adapter)

    def _add(self, name: Name, remembered: Version | None) -> None:
        """At a start: what is named, or what stands in for it."""
        asked = True
        why: Exception | None = None
        try:
            wanted = self._registry.find(name)
            self.looked_at = time.time()
            self._take(name, wanted)
            if name in self._live:
                return
            why = self._refused[name].why
        except UnknownVersion as error:
            why = error
        except _NOT_ASKED as error:
            asked, self._why[name] = False, _not_asked(error)
        candidates = self._stand_ins(name, remembered, asked)
        live = next(self._fit(candidates), None) or self._live.get(CHAMPION) or self._bare_base()
        self._live = {**self._live, name: live}
        if why is not None:
            self._why[name] = self._not_followed(name, why)

    def _stand_ins(self, name: Name, remembered: Version | None, asked: bool) -> Iterator[Version]:
        """Versions to try in place of the one that is named, the best first."""
        if not asked:
            if remembered is not None:
                yield remembered
            return
        registered = {version.number: version for version in self._registry.versions()}
        if remembered is not None:
            same = registered.get(remembered.number)
            deleted = same is None or key_of(same) != key_of(remembered)
            if name != CHAMPION or not deleted:
                yield remembered
        if name == CHAMPION:
            former = self._registry.former_champions()
            yield from (registered[n] for n in reversed(former) if n in registered)
            yield from (version for version in registered.values() if version.is_base)

    def _fit(self, candidates: Iterator[Version]) -> Iterator[_Live]:
        try:
            for version in candidates:
                try:
                    yield self._tried(version)
                except UnfitVersion:
                    continue
        except _NOT_ASKED:
            return

    def _bare_base(self) -> _Live:
        self._trial.draw(None)
        return _Live(Serving(CHAMPION, _BASE, None), None)

    def _not_followed(self, name: Name, why: Exception) -> str:
        live = self._live.get(name)
        serves = "" if live is None else f"; version {live.serving.version} serves"
        return f"{_label(name)} is not followed: {why}{serves}"

    def _note(self) -> None:
        """Remember what serves, for a start without the registry."""
        if self._last is not None:
            live = self._live.items()
            versions = {name: one.version for name, one in live if name in self._needed}
            self._last.write({name: one for name, one in versions.items() if one is not None})

    def _adapters(self) -> set[str]:
        return {one.serving.adapter for one in self._live.values() if one.serving.adapter}


def _not_asked(why: Exception) -> str:
    return f"what serves goes on serving, and nobody knows what should: {why}"


def _label(name: Name) -> str:
    return f"version {name}" if isinstance(name, int) else f"@{name}"

"""The model registry: versions of the ad generator in MLflow, and which one serves.

A version is an adapter on the base model, with its lineage as tags. Aliases say what a version is
for: `@champion` serves, `@challenger` passed the gate and waits, and of `@undecided` the gate could
not tell: an experiment may test it on a few (`gate.undecided`). Promoting and rolling back only
move aliases, so MLflow's own UI can do the same, and the server follows either.

MLflow takes its seconds to import: this is done where it is first asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adloom.feature_store.locking import file_lock
from adloom.loop.learning.emptied import refuse_emptied
from adloom.loop.learning.former_champions import TAG, FormerChampions
from adloom.loop.learning.kept_adapters import KeptAdapters
from adloom.loop.learning.own_mlflow import (
    is_file_to_be_made,
    is_made,
    own_artifacts,
    own_database,
    own_uri,
)
from adloom.loop.learning.registered_model import RegisteredModel, Version, quiet
from adloom.loop.learning.registry_errors import mlflow_asked
from adloom.loop.learning.unknown_version import UnknownVersion, registered, without_champion

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from adloom.loop.learning.last_served import LastServed
    from adloom.loop.learning.logged_run import LoggedRuns
    from adloom.loop.learning.runs import Runs
    from adloom.loop.settings.learning import MlflowSettings

__all__ = ["CHALLENGER", "CHAMPION", "UNDECIDED", "AdRegistry", "UnknownVersion", "Version"]

CHAMPION = "champion"
CHALLENGER = "challenger"
UNDECIDED = "undecided"
_LATEST_ROUND = "latest_round"  # tag of the registered model: the run that was begun last
_IS_BASE = "The base model itself: no adapter, and nothing learned from clicks."


class AdRegistry:
    """Versions of one registered model, in the MLflow of `settings`.

    Without a tracking URI everything lives under `home`: `mlflow.db` (SQLite) and `artifacts`.
    Both are made by the first method that writes; those that only read make nothing.

    What asks MLflow raises RegistryUnavailable and RegistryRefused.
    """

    def __init__(
        self, settings: MlflowSettings, home: Path, last_served: LastServed | None = None
    ) -> None:
        """``last_served`` remembers what the registry had, should all of it be gone."""
        self.keep = settings.keep
        self._last_served = last_served
        self._experiment = settings.experiment
        self._home = home.resolve()
        self._own = settings.tracking_uri is None
        self.tracking_uri = settings.tracking_uri or own_uri(self._home)
        self.model = RegisteredModel(
            settings.model_name,
            self.tracking_uri,
            lambda: self._client,
            lambda: is_made(self._home) if self._own else not is_file_to_be_made(self.tracking_uri),
        )
        self._former = FormerChampions(self.model)

    @cached_property
    def runs(self) -> Runs:
        """The runs of the settings' experiment, which is made where there is none."""
        from adloom.loop.learning.runs import Runs

        artifacts = own_artifacts(self._home).as_uri() if self._own else None
        with mlflow_asked(self.tracking_uri):
            return Runs(self._client, self._experiment, artifacts)

    def track(self) -> None:
        """What asks MLflow without an address, as its model flavours do, means this one."""
        import mlflow

        mlflow.set_tracking_uri(self._client.tracking_uri)

    def register_base(
        self, model_config: Mapping[str, Any], run_id: str | None = None, **tags: str
    ) -> None:
        """Version 1, the base model, and champion of an empty registry. Later calls change nothing.

        Where the champion is gone and an adapter could be it, nothing is chosen here. ``run_id`` is
        the run that trained it, if one did; ``tags`` say where it came from.
        """
        if not _wants_base(self.versions()):
            return
        self._home.mkdir(parents=True, exist_ok=True)
        with file_lock(self._home / "base.lock"):
            found = self.versions()
            if not _wants_base(found):  # another process was first
                return
            if found:  # a start was ended before the promotion
                self.promote(found[-1].number)
                return
            run = run_id or self.runs.start("base", params={}, tags={"kind": "base"})
            known = {"gate": "base", **tags}
            version = self.register(
                run, adapter=None, model_config=model_config, tags=known, description=_IS_BASE
            )
            self.runs.end(run)
            if (first := self.versions()[0].number) < version.number:
                self.model.remove(version.number)  # another machine was faster
            if self.by_alias(CHAMPION) is None:
                self.promote(first)

    def register(
        self,
        run_id: str,
        *,
        adapter: Path | None,
        model_config: Mapping[str, Any],
        tags: Mapping[str, str],
        description: str = "",
        card: str | None = None,
    ) -> Version:
        """Registers what a run made; a run registers at most one version, however often called.

        Args:
            run_id: from `Runs.start`.
            adapter: the adapter's folder (safetensors); None is the base model itself.
            model_config: passed to the MLflow model, see `adloom.loop.learning.pyfunc_model`.
            tags: lineage and gate figures.
            description: what it is, in a sentence.
            card: a model card (Markdown) that goes with its files.
        """
        number = self.model.of_run(run_id)
        if number is None:
            from adloom.loop.learning.mlflow_client import transfers
            from adloom.loop.learning.registering import register_run

            self.track()
            self.model.make()
            with transfers(self.tracking_uri):
                number = register_run(run_id, self.model.name, adapter, model_config, tags, card)
        if description and not self.version(number).description:
            self.model.describe(number, description)
        return self.version(number)

    def expect(self, run_id: str) -> None:
        """Note the run that works on the next version.

        Raises RegistryRefused where this login could not register what the run will make.
        """
        self.model.set_tag(_LATEST_ROUND, run_id)

    def versions(self) -> list[Version]:
        """All versions, oldest first. Raises RegistryLost where there were some."""
        found = self.model.versions()
        if not found and self._last_served is not None:
            self._last_served.refuse_loss(self.tracking_uri)
        return found

    def version(self, number: int) -> Version:
        """Raises UnknownVersion, naming the versions there are."""
        found = self.versions()
        for version in found:
            if version.number == number:
                return version
        raise UnknownVersion(f"no version {number} of {self.model.name!r} ({registered(found)})")

    def by_alias(self, alias: str) -> Version | None:
        """None where no version has it, also where the one that had it is deleted."""
        return next((v for v in self.versions() if alias in v.aliases), None)

    def find(self, name: int | str) -> Version:
        """A version by number or alias. Raises UnknownVersion, naming those there are."""
        if isinstance(name, int):
            return self.version(name)
        found = self.versions()
        for version in found:
            if name in version.aliases:
                return version
        if name == CHAMPION:
            deleted = self.model.aliases().get(CHAMPION)
            raise UnknownVersion(without_champion(self.model.name, found, deleted))
        known = ", ".join(sorted(f"@{alias}" for v in found for alias in v.aliases)) or "none"
        raise UnknownVersion(f"no version of {self.model.name!r} is @{name} (aliases: {known})")

    def champion(self) -> Version:
        """The version that serves. Raises UnknownVersion, which says how to make one champion."""
        return self.find(CHAMPION)

    def adapter(self, version: Version) -> Path | None:
        """The version's adapter folder on this machine, fetched once; None for the base model.

        Raises:
            UnfitVersion: no adapter was registered with it, or it was removed.
        """
        if version.is_base:
            return None
        refuse_emptied(version)
        from adloom.loop.learning.adapter_files import downloaded_adapter

        where = f"models:/{self.model.name}/{version.number}"

        def fetch(folder: Path) -> Path:
            self.track()
            return downloaded_adapter(where, self.tracking_uri, folder)

        return self.adapters.get(version, fetch)

    @property
    def adapters(self) -> KeptAdapters:
        """Those that were fetched already; looking at them asks nobody."""
        return KeptAdapters(self._home / "adapters")

    @property
    def logged(self) -> LoggedRuns:
        """What MLflow keeps of the runs that made versions."""
        from adloom.loop.learning.logged_run import LoggedRuns

        return LoggedRuns(self._client)

    def former_champions(self) -> list[int]:
        """Numbers of the champions before this one, newest last; none where nobody can tell."""
        return self._former.known()

    def wanted_back(self) -> set[int]:
        """Versions without an alias that may be served again: by a start, or a rollback."""
        served = {} if self._last_served is None else self._last_served.read()
        return {version.number for version in served.values()} | set(self._former.known()[-1:])

    def set_challenger(self, number: int) -> None:
        self.model.set_alias(CHALLENGER, self.version(number).number)

    def set_undecided(self, number: int) -> None:
        self.model.set_alias(UNDECIDED, self.version(number).number)

    def promote(self, number: int) -> Version:
        """Makes a version the champion and remembers the one it replaces, for `rollback`.

        It needs no champion, and no list of former ones that can be read. Raises UnknownVersion,
        EmptiedVersion.
        """
        version = self.version(number)
        refuse_emptied(version)
        current = self.by_alias(CHAMPION)
        if current is not None and current.number != number:
            self._former.add(current.number)
        self.model.set_alias(CHAMPION, number)
        for alias in (CHALLENGER, UNDECIDED):
            if alias in version.aliases:
                self.model.drop_alias(alias)
        return self.version(number)

    def rollback(self) -> Version:
        """The newest former champion that is still registered is champion again.

        Raises UnknownVersion when there was none, EmptiedVersion where it lost its adapter.
        """
        found = self.versions()
        known = {v.number for v in found if CHAMPION not in v.aliases}
        try:
            former = self._former.read()
        except ValueError as error:
            raise UnknownVersion(
                f"the earlier champions are not known, since the tag {TAG} of "
                f"{self.model.name!r} is no JSON list of versions: use adloom promote N "
                f"({registered(found)})"
            ) from error
        while former and former[-1] not in known:
            former.pop()
        if not former:
            raise UnknownVersion(
                f"no earlier champion to roll back to; adloom promote N serves another version "
                f"({registered(found)})"
            )
        back = former.pop()
        refuse_emptied(self.version(back))
        self.model.set_alias(CHAMPION, back)
        self._former.write(former)
        return self.version(back)

    @cached_property
    def _client(self) -> MlflowClient:
        from adloom.loop.learning.mlflow_client import asked_client

        quiet()
        with mlflow_asked(self.tracking_uri):
            return asked_client(own_database(self._home) if self._own else self.tracking_uri)


def _wants_base(versions: Sequence[Version]) -> bool:
    return all(v.is_base and CHAMPION not in v.aliases for v in versions)

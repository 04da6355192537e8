"""The model registry: versions of the ad generator in MLflow, and which one serves.

A version is an adapter on the base model, with its lineage as tags. Two aliases say what a version
is for: `@champion` serves, `@challenger` passed the gate and waits. Promoting and rolling back
only move aliases, so MLflow's own UI can do the same, and the server follows either.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

# MLflow reads these when it is imported: no usage reports, no bars in the middle of ours.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from adloom.loop.learning import pyfunc_model
from adloom.loop.learning.own_mlflow import own_database
from adloom.loop.learning.runs import Runs

if TYPE_CHECKING:
    from adloom.loop.settings.learning import MlflowSettings

CHAMPION = "champion"
CHALLENGER = "challenger"
_FORMER_CHAMPIONS = "former_champions"  # tag of the registered model: a JSON list, newest last


class UnknownVersion(LookupError):
    """The registry has no such version (or alias)."""


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        number: MLflow's version number; 1 is the base model.
        run_id: the MLflow run that made it.
        created: aware, UTC.
        tags: lineage and gate figures, as text.
        aliases: such as ("champion",).
    """

    number: int
    run_id: str
    created: datetime
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    @property
    def is_base(self) -> bool:
        """True where serving needs no adapter."""
        return self.tags.get("adapter") == "none"


class AdRegistry:
    """Versions of one registered model, in the MLflow of `settings`.

    Without a tracking URI everything lives under `home`: `mlflow.db` (SQLite) and `artifacts`.
    """

    def __init__(self, settings: MlflowSettings, home: Path) -> None:
        self._name = settings.model_name
        self._home = home.resolve()
        self._home.mkdir(parents=True, exist_ok=True)
        _quiet()
        self.tracking_uri = settings.tracking_uri or own_database(self._home)
        # The model flavours of MLflow only know the process-wide address.
        mlflow.set_tracking_uri(self.tracking_uri)
        self._client = MlflowClient(self.tracking_uri)
        artifacts = None if settings.tracking_uri else (self._home / "artifacts").as_uri()
        self.runs = Runs(self._client, settings.experiment, artifacts)
        _ensure_model(self._client, self._name)

    # -- versions ---------------------------------------------------------------------------

    def register_base(self, model_config: Mapping[str, Any]) -> Version:
        """Version 1, the base model, and champion of an empty registry. Later calls change nothing.

        Returns the champion.
        """
        if not self.versions():
            run = self.runs.start("base", params={}, tags={"kind": "base"})
            version = self.register(
                run, adapter=None, model_config=model_config, tags={"gate": "base"}
            )
            self.runs.end(run)
            self.promote(version.number)
        return self.champion()

    def register(
        self,
        run_id: str,
        *,
        adapter: Path | None,
        model_config: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> Version:
        """Registers what a run made; a run registers at most one version, however often called.

        Args:
            run_id: from `Runs.start`.
            adapter: the adapter's folder (safetensors); None is the base model itself.
            model_config: passed to the MLflow model, see `adloom.loop.learning.pyfunc_model`.
            tags: lineage and gate figures.
        """
        earlier = self._client.search_model_versions(f"name='{self._name}' and run_id='{run_id}'")
        if earlier:
            return self.version(int(earlier[0].version))
        uri = pyfunc_model.log(run_id, adapter, model_config)
        kind = {"adapter": "none" if adapter is None else "lora"}
        with contextlib.redirect_stderr(io.StringIO()):  # it tells each step there
            registered = mlflow.register_model(uri, self._name, tags={**tags, **kind})
        return self.version(int(registered.version))

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        aliases = self._aliases()
        found = self._client.search_model_versions(f"name='{self._name}'")
        return sorted((_version(v, aliases) for v in found), key=lambda v: v.number)

    def version(self, number: int) -> Version:
        """Raises UnknownVersion, naming the versions there are."""
        for version in self.versions():
            if version.number == number:
                return version
        known = ", ".join(str(v.number) for v in self.versions()) or "none"
        raise UnknownVersion(f"no version {number} of {self._name!r} (registered: {known})")

    def by_alias(self, alias: str) -> Version | None:
        number = self._aliases().get(alias)
        return None if number is None else self.version(number)

    def find(self, name: int | str) -> Version:
        """A version by number or alias. Raises UnknownVersion, naming those there are."""
        if isinstance(name, int):
            return self.version(name)
        version = self.by_alias(name)
        if version is None:
            known = ", ".join(f"@{alias}" for alias in sorted(self._aliases())) or "none"
            raise UnknownVersion(f"no version of {self._name!r} is @{name} (aliases: {known})")
        return version

    def champion(self) -> Version:
        """The version that serves. Raises UnknownVersion when none was promoted yet."""
        version = self.by_alias(CHAMPION)
        if version is None:
            raise UnknownVersion(f"no version of {self._name!r} is @{CHAMPION} yet")
        return version

    def adapter(self, version: Version) -> Path | None:
        """The version's adapter folder on this machine, fetched once; None for the base model."""
        if version.is_base:
            return None
        kept = self._home / "adapters" / version.run_id
        if not kept.exists():
            partial = kept.with_suffix(f".{os.getpid()}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            fetched = mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{self._name}/{version.number}/{pyfunc_model.ADAPTER_PATH}",
                dst_path=str(partial),
                tracking_uri=self.tracking_uri,
            )
            if not kept.exists():  # another process may have been first
                Path(fetched).rename(kept)
            shutil.rmtree(partial, ignore_errors=True)
        return kept

    # -- aliases ----------------------------------------------------------------------------

    def set_challenger(self, number: int) -> None:
        version = self.version(number)
        self._client.set_registered_model_alias(self._name, CHALLENGER, str(version.number))

    def promote(self, number: int) -> Version:
        """Makes a version the champion and remembers the one it replaces, for `rollback`."""
        version = self.version(number)
        current = self.by_alias(CHAMPION)
        if current is not None and current.number != number:
            self._remember_champions([*self._former_champions(), current.number])
        self._client.set_registered_model_alias(self._name, CHAMPION, str(number))
        challenger = self.by_alias(CHALLENGER)
        if challenger is not None and challenger.number == number:
            self._client.delete_registered_model_alias(self._name, CHALLENGER)
        return self.version(version.number)

    def rollback(self) -> Version:
        """The champion before this one is champion again.

        Raises UnknownVersion when there was none.
        """
        former = self._former_champions()
        known = {v.number for v in self.versions()} - {self.champion().number}
        while former and former[-1] not in known:
            former.pop()
        if not former:
            raise UnknownVersion("no earlier champion to roll back to")
        back = former.pop()
        self._client.set_registered_model_alias(self._name, CHAMPION, str(back))
        self._remember_champions(former)
        return self.version(back)

    def _aliases(self) -> dict[str, int]:
        model = self._client.get_registered_model(self._name)
        return {alias: int(number) for alias, number in model.aliases.items()}

    def _former_champions(self) -> list[int]:
        tags = self._client.get_registered_model(self._name).tags
        return [int(n) for n in json.loads(tags.get(_FORMER_CHAMPIONS, "[]"))]

    def _remember_champions(self, numbers: Sequence[int]) -> None:
        self._client.set_registered_model_tag(
            self._name, _FORMER_CHAMPIONS, json.dumps(list(numbers))
        )


def _version(found: ModelVersion, aliases: Mapping[str, int]) -> Version:
    number = int(found.version)
    return Version(
        number=number,
        run_id=found.run_id or "",
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=dict(found.tags),
        aliases=tuple(sorted(alias for alias, at in aliases.items() if at == number)),
    )


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException:
        try:
            client.create_registered_model(
                name, description="adloom: draws an ad (title, picture) for a shopper and a product"
            )
        except MlflowException:
            client.get_registered_model(name)  # fine if another process made it; else raises


def _quiet() -> None:
    """MLflow tells of every table it makes and every requirement; errors are enough here."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # MLflow shows its own deprecated calls to everybody who imports it.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="mlflow")

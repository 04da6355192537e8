"""What is registered in an MLflow server, as anybody may change it beside adloom."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.mlflow_server import User
from tests.serving_world.adapters import broken_copy

_API = "/api/2.0/mlflow"
_CHAMPION = "champion"
BASE = 1


@dataclass
class Registered:
    """One registered model, changed over MLflow's REST interface; number 1 is the base.

    Attributes:
        versions: by number, how its adapter is broken; None: it is good.
        deleted: numbers of those that are registered no more.
    """

    uri: str
    user: User
    name: str
    adapter: Path
    versions: dict[int, str | None] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        login = (self.user.name, self.user.password)
        self._client = httpx.Client(base_url=self.uri, auth=login, timeout=120)
        made = self._post("experiments/create", name=self.name)
        self._experiment = str(made["experiment_id"])
        self._post("registered-models/create", name=self.name)
        assert self._make(None, {"adapter": "none"}) == BASE
        self.point_at(BASE)

    def close(self) -> None:
        self._client.close()

    @property
    def there(self) -> list[int]:
        """Numbers that are registered now."""
        return sorted(self.versions.keys() - self.deleted)

    @property
    def good(self) -> set[int]:
        """Numbers that may serve, also those that were deleted since."""
        return {number for number, broken in self.versions.items() if broken is None}

    @property
    def champion(self) -> int | None:
        """The version that the alias names; None where it names none that is there."""
        model = self._get("registered-models/get", name=self.name)["registered_model"]
        named = {one["alias"]: int(one["version"]) for one in model.get("aliases", [])}
        number = named.get(_CHAMPION)
        return None if number in self.deleted else number

    def meet_new(self) -> None:
        """A server that starts registers the base where no version is left."""
        found = self._get("model-versions/search", filter=f"name='{self.name}'")
        for one in found.get("model_versions", []):
            self.versions.setdefault(int(one["version"]), None)

    def register(self, broken: str | None = None) -> int:
        """A new version with an adapter, broken in that way."""
        with tempfile.TemporaryDirectory() as scratch:
            copy = broken_copy(self.adapter, broken, Path(scratch) / "adapter")
            return self._make(copy, {"adapter": "lora"}, broken)

    def point_at(self, number: int) -> None:
        self._post("registered-models/alias", name=self.name, alias=_CHAMPION, version=str(number))

    def drop_alias(self) -> None:
        self._delete("registered-models/alias", name=self.name, alias=_CHAMPION)

    def delete(self, number: int) -> None:
        self._delete("model-versions/delete", name=self.name, version=str(number))
        self.deleted.add(number)

    def _make(self, adapter: Path | None, tags: dict[str, str], broken: str | None = None) -> int:
        """By a run of its own: MLflow takes artifacts from nowhere else."""
        run = self._post("runs/create", experiment_id=self._experiment)["run"]["info"]
        for file in [] if adapter is None else adapter.iterdir():
            place = str(run["artifact_uri"]).removeprefix("mlflow-artifacts:/")
            kept = f"{place}/artifacts/adapter/{file.name}"
            url = f"/api/2.0/mlflow-artifacts/artifacts/{kept}"
            self._client.put(url, content=file.read_bytes()).raise_for_status()
        made = self._post(
            "model-versions/create",
            name=self.name,
            run_id=run["run_id"],
            source=run["artifact_uri"],
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        number = int(made["model_version"]["version"])
        self.versions[number] = broken
        return number

    def _post(self, path: str, **given: object) -> Any:
        return self._answered("POST", path, json=given)

    def _delete(self, path: str, **given: object) -> Any:
        return self._answered("DELETE", path, json=given)

    def _get(self, path: str, **given: str) -> Any:
        return self._answered("GET", path, params=given)

    def _answered(self, method: str, path: str, **given: Any) -> Any:
        answer = self._client.request(method, f"{_API}/{path}", **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

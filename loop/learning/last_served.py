"""What the servers of a home served last, for a start at which the registry cannot be asked."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from adloom.loop.learning.registered_model import Version
from adloom.loop.learning.registry_errors import RegistryLost, without_login

_log = logging.getLogger("adloom.serve")

_MOST_BYTES = 1 << 18
_MOST_NAMES = 1000


class _Served(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: int | str = Field(union_mode="left_to_right", description="number or alias")
    number: int
    run_id: str
    created: AwareDatetime
    base: bool


class _Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    registry: str
    served: list[_Served] = Field(max_length=_MOST_NAMES)


class LastServed:
    """A small file, written anew when a version takes over. Losing it loses no more than that."""

    def __init__(self, file: Path, registry: str) -> None:
        """``registry`` says whose versions these are; those of another one are not served."""
        self._file = file
        self._registry = hashlib.sha256(registry.encode()).hexdigest()
        self._written: dict[int | str, Version] = {}

    def read(self) -> dict[int | str, Version]:
        """Versions by number or alias; none where nothing is known."""
        try:
            with self._file.open("rb") as file:
                note = _Note.model_validate_json(file.read(_MOST_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            _log.warning("%s cannot be read and counts for nothing: %s", self._file, type(error))
            return {}
        if note.registry != self._registry:
            return {}
        return {one.name: _version(one) for one in note.served}

    def refuse_loss(self, uri: str) -> None:
        """Of a registry without versions: raises RegistryLost where one that learnt was served."""
        learnt = [version.number for version in self.read().values() if not version.is_base]
        if learnt:
            raise RegistryLost(
                f"the registry has no versions any more, and version {max(learnt)} was served from "
                f"it: restore {without_login(uri)}, or remove {self._file} to begin anew"
            )

    def write(self, served: Mapping[int | str, Version]) -> None:
        """Note what is served now. A disk that is full or read-only keeps nobody from serving."""
        if served == self._written:
            return
        self._written = dict(served)
        told = [
            _Served(
                name=name,
                number=version.number,
                run_id=version.run_id,
                created=version.created,
                base=version.is_base,
            )
            for name, version in served.items()
        ]
        partial = self._file.with_name(f"{self._file.name}.{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w") as file:
                file.write(_Note(registry=self._registry, served=told).model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._file)
        except OSError as error:
            _log.warning("%s: what is served could not be noted: %s", self._file, error)


def _version(served: _Served) -> Version:
    tags = {"adapter": "none"} if served.base else {}
    return Version(served.number, served.run_id, served.created, tags, ())

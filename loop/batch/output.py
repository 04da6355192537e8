"""The folder of a batch: its plan, its parts, their pictures.

`ads/part-000000.parquet` and so on are whole or not there; `pictures/` has what their rows name.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from adloom.loop.batch.plan import Plan
from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.settings.out_folder import unwritable_folder

_PLAN, _LOCK = ".plan.parquet", ".lock"
_ADS, _PICTURES = "ads", "pictures"
_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            "user_id",
            "product_id",
            "ad_id",
            "title",
            "picture",
            "version",
            "source",
            "exposure_id",
        )
    ]
)


class UnfitOutput(ValueError):
    """Nothing can be drawn into a folder; the message says why and what to do."""


class AdRow(NamedTuple):
    """A finished ad as it is written; ``picture`` is a path in the folder.

    ``exposure_id`` names the event that it was shown; None where there is none.
    """

    user_id: str
    product_id: str
    ad_id: str
    title: str
    picture: str
    version: str
    source: str
    exposure_id: str | None


class Output:
    """The folder. Several processes may write parts of it, each its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.plan_file = self.folder / _PLAN
        self._pictures = HashedFiles(self.folder / _PICTURES, ".webp")

    @property
    def begun(self) -> bool:
        """Whether there is a plan to go on with."""
        return self.plan_file.is_file()

    def refuse(self) -> None:
        """Raises UnfitOutput where no batch can be in the folder; nothing is made."""
        if (problem := unwritable_folder(self.folder)) is not None:
            raise UnfitOutput(problem)
        if self.begun or not self.folder.is_dir():
            return
        # Of one that was killed while it made its plan there is nothing else.
        if any(not name.startswith((_PLAN, _LOCK)) for name in os.listdir(self.folder)):
            raise UnfitOutput(
                f"{self.folder} has other files than those of a batch: choose another --out"
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time draws into the folder, which is made. Raises UnfitOutput."""
        new = [one for one in (self.folder, *self.folder.parents) if not one.exists()]
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnfitOutput(
                    f"another adloom ads draws into {self.folder}: wait for it, or choose another "
                    "--out"
                ) from None
            for pattern in (f"{_PLAN}.*.partial", f"{_ADS}/.*.partial"):  # of who was killed
                for file in self.folder.glob(pattern):
                    file.unlink(missing_ok=True)
            try:
                yield
            finally:
                if new and not self.begun:  # refused before anything was planned
                    (self.folder / _LOCK).unlink(missing_ok=True)
                    for folder in new:
                        folder.rmdir()

    def left(self, plan: Plan) -> list[int]:
        """The parts that are not done. Raises UnfitOutput where one is damaged."""
        left = []
        for part in range(plan.parts):
            file = self._part(part)
            if not file.exists():
                left.append(part)
                continue
            try:
                whole = pq.read_metadata(file).num_rows == plan.ads_of(part)
            except (pa.ArrowException, OSError):
                whole = False
            if not whole:
                raise UnfitOutput(f"{file} is damaged: remove it, and it is made again")
        return left

    def put_picture(self, content: bytes) -> str:
        """Keep a WebP file; returns its path in the folder."""
        return self._pictures_path(self._pictures.put(content))

    def write(self, part: int, rows: Sequence[AdRow]) -> None:
        """A part is done: its file is there, whole, also after a crash of the machine."""
        file = self._part(part)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        partial = file.with_name(f".{file.name}.{uuid.uuid4().hex}.partial")
        columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
        try:
            pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), partial)
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    def _part(self, number: int) -> Path:
        return self.folder / _ADS / f"part-{number:06}.parquet"

    def _pictures_path(self, name: str) -> str:
        return self._pictures.place(name).relative_to(self.folder).as_posix()

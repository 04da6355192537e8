"""What a batch is of: its files, its version, its settings. Another batch has another folder."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from adloom.models.settings import GeneratorSettings

PART_ROWS = 1_000
_SEEDS = 2**31
_ADS = uuid.UUID("0d9c1d43-6a56-5f0b-8b59-3f4c7e0a1e77")  # the space that their ids are names in
_OF_THE_MACHINE = {"path", "device", "batch_size"}


class OtherBatch(ValueError):
    """The folder was begun with something else; the message says with what."""


class Order(BaseModel):
    """What was ordered when the batch began.

    Attributes:
        run: names this batch and no other.
        inputs: SHA-256 of each file, by its option.
        version: the registered version that draws.
        variant: its name in events.
        drawing: hash of what `[generator]` says of drawing.
        exposures: whether an ad counts as shown once it is drawn.
        part_rows: ads of a part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    inputs: dict[str, str]
    version: int
    variant: str
    drawing: str
    exposures: bool
    part_rows: int

    def named(self, user_id: str, product_id: str) -> tuple[str, int]:
        """The id of an ad and its seed: the same whenever, and wherever, it is drawn."""
        asked = "\n".join((self.run, user_id, product_id))
        digest = hashlib.sha256(asked.encode()).digest()
        return str(uuid.uuid5(_ADS, digest.hex())), int.from_bytes(digest[:4]) % _SEEDS

    def refuse_other(self, asked: Order, part_rows: int | None) -> None:
        """Whether what is asked for now is what was begun. Raises OtherBatch.

        Args:
            part_rows: where it was asked for.
        """
        begun = ", ".join(f"--{name}" for name in self.inputs)
        if self.inputs.keys() != asked.inputs.keys():
            raise OtherBatch(f"--out was begun with {begun}: {_CHOOSE}")
        for name, known in self.inputs.items():
            if asked.inputs[name] != known:
                raise OtherBatch(f"--out was begun with another file as --{name}: {_CHOOSE}")
        if asked.version != self.version:
            raise OtherBatch(
                f"--out was begun with version {self.version}, and this would be version "
                f"{asked.version}: go on with --version {self.version}, or choose another --out"
            )
        if asked.drawing != self.drawing:
            raise OtherBatch(
                "--out was begun with other settings of [generator]: set these back, or choose "
                "another --out"
            )
        if asked.exposures != self.exposures:
            how = "without" if self.exposures else "with"
            raise OtherBatch(f"--out was begun {how} --no-exposure: {_CHOOSE}")
        if part_rows not in (None, self.part_rows):
            raise OtherBatch(f"--out was begun with --part-rows {self.part_rows}: {_CHOOSE}")


_CHOOSE = "go on so, or choose another --out"


def new_order(
    files: Mapping[str, Path],
    version: tuple[int, str],
    settings: GeneratorSettings,
    *,
    exposures: bool,
    part_rows: int | None,
) -> Order:
    """An order that nobody has begun; ``version`` is its number and its name in events.

    Raises OSError where a file cannot be read.
    """
    drawing = settings.model_dump_json(exclude=_OF_THE_MACHINE)
    return Order(
        run=uuid.uuid4().hex,
        inputs={name: _hash(file) for name, file in files.items()},
        version=version[0],
        variant=version[1],
        drawing=hashlib.sha256(drawing.encode()).hexdigest()[:16],
        exposures=exposures,
        part_rows=part_rows or PART_ROWS,
    )


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

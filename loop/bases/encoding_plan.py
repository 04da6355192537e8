"""What an encoding was begun with, so that it goes on with the same, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

PLAN = "encoding.json"
_READ = 2**20  # bytes from either end tell files apart; the size does most of it


class OtherEncoding(ValueError):
    """The folder holds something else than the beginning of this encoding."""


class EncodingPlan(BaseModel):
    """All that a shard hangs on. ``records`` counts those of the data set, bad ones too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    pictures: str
    codebook: str
    history_codebook: str
    picture_size: int
    heldout: float
    rows_per_shard: int
    records: int

    @property
    def shards(self) -> int:
        """How many shards there will be."""
        return -(-self.records // self.rows_per_shard)

    def save(self, folder: Path) -> None:
        """Write it into ``folder`` in one move."""
        partial = folder / f"{PLAN}.partial"
        partial.write_text(self.model_dump_json(indent=2) + "\n")
        partial.replace(folder / PLAN)


def begun(folder: Path) -> EncodingPlan | None:
    """The plan of what lies in a folder; None where there is nothing yet.

    Raises:
        OtherEncoding: something else lies there, or its plan is damaged.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return None
    try:
        return EncodingPlan.model_validate_json((folder / PLAN).read_text())
    except FileNotFoundError:
        left = {path.name for path in folder.iterdir()} - {".lock", f"{PLAN}.partial"}
        if not left:  # an encoding that was cut off before it began
            return None
    except ValidationError:
        pass
    raise OtherEncoding(f"{folder} holds something else: choose another --out, or remove it")


def refuse_other(folder: Path, before: EncodingPlan, now: EncodingPlan) -> None:
    """Raises `OtherEncoding` that names what differs from when the encoding was begun."""
    options = {
        "data": "--data",
        "pictures": "--pictures",
        "codebook": "--base",
        "history_codebook": "--base",
        "picture_size": "--base",
        "heldout": "--heldout",
        "rows_per_shard": "--rows-per-shard",
    }
    differ = [options[key] for key in options if getattr(before, key) != getattr(now, key)]
    if differ:
        named = ", ".join(dict.fromkeys(differ))
        raise OtherEncoding(
            f"{folder} was begun with another {named}: go on with what it was begun with, or "
            "choose another --out"
        )


def name_of(file: Path) -> str:
    """Tells a data file from others by its size and its ends, wherever it lies."""
    size = file.stat().st_size
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as opened:
        digest.update(opened.read(_READ))
        opened.seek(max(0, size - _READ))
        digest.update(opened.read(_READ))
    return f"{digest.hexdigest()}-{size}"

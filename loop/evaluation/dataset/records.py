"""The held-out records of a data set, a few at a time, and whether a base can read them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from adloom.models.ad_generator import AdGenerator
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import Manifest, read_shard, shard_files

_REMEMBERED = 64
"""Records among which somebody else is looked for."""


class CannotJudge(ValueError):
    """A data set cannot be judged on; the message says why and what to do."""


class OtherShoppers:
    """Finds a record of somebody else for each record, among those that came before it."""

    def __init__(self) -> None:
        self._past: deque[AdRecord] = deque(maxlen=_REMEMBERED)

    def of(self, records: Sequence[AdRecord]) -> list[AdRecord | None]:
        """One for each of some records that follow each other; None where there is none.

        Who clicked is not in a record: somebody else is who clicked none of the same ads. The
        first records look among those that follow.
        """
        near = (*self._past, *records)
        found = [next((one for one in reversed(near) if _apart(one, r)), None) for r in records]
        self._past.extend(records)
        return found


def heldout(folder: Path, most: int | None) -> Iterator[AdRecord]:
    """Held-out records in order, at most so many; a row group of one shard is in memory.

    Raises:
        BadShards: the data set is not complete, or a shard is damaged.
    """
    shards = (read_shard(path, split="heldout") for path in shard_files(folder))
    return islice((record for shard in shards for record in shard), most)


def in_batches(records: Iterator[AdRecord], size: int) -> Iterator[list[AdRecord]]:
    """The records, ``size`` at a time."""
    while batch := list(islice(records, size)):
        yield batch


def judged_count(manifest: Manifest, most: int | None) -> int:
    """How many records there are to judge on.

    Raises:
        CannotJudge: fewer than two.
    """
    count = manifest.records.get("heldout", 0)
    count = count if most is None else min(count, most)
    if count < 2:
        raise CannotJudge(
            f"the data set has {count} held-out records to judge on, of two at the least: encode "
            "it with more held out"
        )
    return count


def refuse_other_codebooks(folder: Path, manifest: Manifest, generator: AdGenerator) -> None:
    """Before anything is drawn.

    Raises:
        CannotJudge: the records were encoded with another codebook than the base's.
    """
    if not manifest.read_by(generator):
        raise CannotJudge(
            f"{folder} was encoded with another codebook or picture size than this base has: "
            "encode the data set for it with adloom base encode --base BASE"
        )


def _apart(one: AdRecord, record: AdRecord) -> bool:
    return bool(one.history) and _clicked(one).isdisjoint(_clicked(record))


def _clicked(record: AdRecord) -> set[str]:
    return {record.record_id, *(ad.ad_id or ad.title for ad in record.history)}

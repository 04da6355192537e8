"""The end of an encoding: what was left out in one file, and what there is counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from adloom.models.datasets.shards import Manifest, shard_file

LEFT_OUT = "left_out.jsonl"


def left_out_file(folder: Path, number: int) -> Path:
    """What was left out of the shard of that number, until all are done."""
    return folder / f"left-out-{number:05}.jsonl"


def finish(folder: Path, shards: int, manifest: Manifest) -> Manifest:
    """Gather what was left out, count what there is, and say that the data set is complete."""
    parts = [left_out_file(folder, number) for number in range(shards)]
    reasons: Counter[str] = Counter()
    partial = folder / f"{LEFT_OUT}.partial"
    with partial.open("w", encoding="utf-8") as gathered:
        for part in parts:
            for line in part.read_text(encoding="utf-8").splitlines(keepends=True):
                reasons[json.loads(line)["reason"]] += 1
                gathered.write(line)
    partial.replace(folder / LEFT_OUT)
    splits: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    for number in range(shards):
        table = pq.read_table(shard_file(folder, number), columns=["split", "language"])
        splits.update(table.column("split").to_pylist())
        languages.update(table.column("language").to_pylist())
    whole = manifest.model_copy(
        update={
            "records": dict(sorted(splits.items())),
            "languages": dict(sorted(languages.items())),
            "left_out": dict(sorted(reasons.items())),
            "complete": True,
        }
    )
    whole.save(folder)
    tidy(folder)
    return whole


def tidy(folder: Path) -> None:
    """Remove what only an encoding that is not complete needs."""
    for left in [*folder.glob("left-out-*.jsonl"), *folder.glob("*.partial")]:
        left.unlink(missing_ok=True)

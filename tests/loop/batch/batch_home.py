"""A shop to draw batches for: two of its shoppers clicked ads, all others are new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adloom.loop import home
from adloom.loop.settings import Settings
from tests.loop.forgetting.lived_in import clicks, shop, take
from tests.loop_parts import hand_made_registry

PRODUCTS = ("running-shoes", "coffee-mug", "ankle-boots")
CLICKERS = ("user-0", "user-1")


def batch_shop(folder: Path, **given: Any) -> Settings:
    """Its settings; ads of its own are in its store."""
    settings = shop(folder, **given)
    hand_made_registry(settings)
    with home.open_features(settings) as features:
        take(features, clicks(settings, CLICKERS, timedelta(hours=2)))
    return settings


def parquet(file: Path, **columns: Sequence[Any]) -> Path:
    """A file with these columns."""
    pq.write_table(pa.table(dict(columns)), file)
    return file


def csv(file: Path, column: str, values: Sequence[str]) -> Path:
    """A file with one column."""
    file.write_text("\n".join([column, *values]) + "\n")
    return file


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All ads of a batch, in the order of its parts."""
    return [
        row for file in sorted((out / "ads").iterdir()) for row in pq.read_table(file).to_pylist()
    ]

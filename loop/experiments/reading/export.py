"""An experiment's users as a table, for who judges it by tools of his own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.reading.before import Before

FORMATS = (".parquet", ".csv")


def user_table(outcomes: Outcomes, before: Before) -> pd.DataFrame:
    """A row for each user and arm, in the order in which they were first seen.

    Columns: ``user_id`` as in the log, ``arm``; ``exposures`` and ``clicks`` of closed windows,
    ``open_exposures`` whose window is not; ``weight``, the sum of one over the propensity of the
    closed ones; ``first_seen`` in the arm, UTC; ``ads_before`` and ``clicks_before`` in the four
    weeks before the start.
    """
    arms = len(outcomes.arms)
    cell, first, row = np.unique(
        outcomes.user * arms + outcomes.arm, return_index=True, return_inverse=True
    )
    user, arm = np.divmod(cell, arms)
    closed = outcomes.closed

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values, minlength=len(cell))

    table = pd.DataFrame(
        {
            "user_id": np.asarray(outcomes.users, dtype=object)[user],
            "arm": np.asarray(outcomes.arms, dtype=object)[arm],
            "exposures": summed(closed).astype(np.int64),
            "clicks": summed(closed & outcomes.clicked).astype(np.int64),
            "open_exposures": summed(~closed).astype(np.int64),
            "weight": summed(closed / outcomes.propensity),
            "first_seen": pd.to_datetime(outcomes.shown_at[first], unit="s", utc=True).round("ms"),
            "ads_before": before.ads[user].astype(np.int64),
            "clicks_before": before.clicks[user].astype(np.int64),
        }
    )
    return table.iloc[np.argsort(first, kind="stable")].reset_index(drop=True)


def write_private(table: pd.DataFrame, path: Path) -> None:
    """Writes Parquet or CSV by the file's ending, for the user of this process alone (0600).

    It stands there whole or not at all. Raises ValueError for another ending.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: name a file that ends in {' or '.join(FORMATS)}")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    written = Path(name)
    try:
        if path.suffix == ".parquet":
            table.to_parquet(written, index=False)
        else:
            table.to_csv(written, index=False)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)

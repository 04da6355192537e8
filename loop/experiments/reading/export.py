"""An experiment's users as a table, for who judges it by tools of his own."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from adloom.loop.experiments.outcomes import Outcomes
from adloom.loop.experiments.reading.before import Before

Format = Literal["parquet", "csv"]
FORMATS: dict[str, Format] = {".parquet": "parquet", ".csv": "csv"}
"""By how a file's name ends."""


def user_table(name: str, outcomes: Outcomes, before: Before) -> pd.DataFrame:
    """A row for each user and arm, in the order in which they were first seen.

    Columns: ``user_id`` as in the log, ``timestamp`` of the first exposure, ``experiment_id`` and
    ``variation_id`` as other tools call them; ``arm`` again; ``exposures`` and ``clicks`` of closed
    windows, ``open_exposures`` whose window is not; ``weight``, the sum of one over the propensity
    of the closed ones; ``first_seen`` in the arm, UTC, again; ``ads_before`` and ``clicks_before``
    in the four weeks before the start.
    """
    arms = len(outcomes.arms)
    cell, first, row = np.unique(
        outcomes.user * arms + outcomes.arm, return_index=True, return_inverse=True
    )
    user, arm = np.divmod(cell, arms)
    closed = outcomes.closed

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, values, minlength=len(cell))

    arms_of_rows = np.asarray(outcomes.arms, dtype=object)[arm]
    first_seen = pd.to_datetime(outcomes.shown_at[first], unit="s", utc=True).round("ms")
    table = pd.DataFrame(
        {
            "user_id": np.asarray(outcomes.users, dtype=object)[user],
            "timestamp": first_seen,
            "experiment_id": name,
            "variation_id": arms_of_rows,
            "arm": arms_of_rows,
            "exposures": summed(closed).astype(np.int64),
            "clicks": summed(closed & outcomes.clicked).astype(np.int64),
            "open_exposures": summed(~closed).astype(np.int64),
            "weight": summed(closed / outcomes.propensity),
            "first_seen": first_seen,
            "ads_before": before.ads[user].astype(np.int64),
            "clicks_before": before.clicks[user].astype(np.int64),
        }
    )
    return table.iloc[np.argsort(first, kind="stable")].reset_index(drop=True)


def write_private(table: pd.DataFrame, path: Path, form: Format) -> None:
    """Writes Parquet or CSV, for the user of this process alone (0600).

    It stands there whole or not at all.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    written = Path(name)
    try:
        if form == "parquet":
            table.to_parquet(written, index=False)
        else:
            # Ids may be anything, such as a carriage return: readers must not split rows there.
            table.to_csv(written, index=False, quoting=csv.QUOTE_NONNUMERIC)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)

"""MLflow's database under a home, made whole or not at all.

MLflow makes its tables step by step. A process that is ended on the way would leave a file that
MLflow refuses for ever, so the tables are made in a file beside it, which then takes its name.
"""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from adloom.feature_store.locking import file_lock

_FILE = "mlflow.db"


def own_database(folder: Path) -> str:
    """The tracking URI of the database in ``folder``, which is made where there is none."""
    file = folder / _FILE
    if not file.exists():
        with file_lock(folder / f"{_FILE}.lock"):
            if not file.exists():
                partial = folder / f"{_FILE}.partial"
                partial.unlink(missing_ok=True)
                MlflowClient(f"sqlite:///{partial}").search_experiments(max_results=1)
                partial.replace(file)
    return f"sqlite:///{file}"

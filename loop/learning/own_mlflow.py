"""MLflow's database under a home, made whole or not at all.

MLflow makes its tables step by step. A process that is ended on the way would leave a file that
MLflow refuses for ever, so the tables are made in a file beside it, which then takes its name.
"""

from __future__ import annotations

from pathlib import Path

from adloom.feature_store.locking import file_lock
from adloom.loop.learning.moved_home import follow_home

_FILE = "mlflow.db"


def own_file(folder: Path) -> Path:
    """The database in ``folder``."""
    return folder / _FILE


def own_artifacts(folder: Path) -> Path:
    """Where files of runs and versions lie."""
    return folder / "artifacts"


def own_uri(folder: Path) -> str:
    """The tracking URI of the database in ``folder``, whether it is there or not."""
    return f"sqlite:///{folder / _FILE}"


def is_file_to_be_made(tracking_uri: str) -> bool:
    """Whether it is a SQLite file that is not there: MLflow would make it, however it is asked."""
    scheme, found, file = tracking_uri.partition(":///")
    return bool(found) and scheme.startswith("sqlite") and not Path(file).exists()


def is_made(folder: Path) -> bool:
    """Whether ``folder`` has a database; an empty file is none."""
    file = folder / _FILE
    return file.exists() and file.stat().st_size > 0


def own_database(folder: Path) -> str:
    """The tracking URI of the database in ``folder``; both are made where they are not there.

    Of a home that was moved or copied it tells of the files that lie here. Raises
    RegistryUnavailable.
    """
    if not is_made(folder):
        from mlflow import MlflowClient

        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / f"{_FILE}.lock"):
            if not is_made(folder):
                partial = folder / f"{_FILE}.partial"
                partial.unlink(missing_ok=True)
                MlflowClient(f"sqlite:///{partial}").search_experiments(max_results=1)
                partial.replace(folder / _FILE)
    follow_home(own_file(folder), own_artifacts(folder))
    return own_uri(folder)

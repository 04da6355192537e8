"""What goes into the headers of requests to MLflow: what MLflow and its plugins put there.

MLflow loads those plugins within its first request. Feast's is one of them: it imports all of
Feast (9 s of a processor), and serves data sources in MLflow, which adloom has none of.
"""

from __future__ import annotations

import sys
import threading
from importlib.metadata import EntryPoint

from mlflow.utils import plugins

_REGISTRY = "mlflow.tracking.request_header.registry"
_loading = threading.Lock()


def load_request_headers() -> None:
    """Loads the plugins now, but for Feast's, so that no request waits for it."""
    with _loading:
        if _REGISTRY in sys.modules:
            return
        found = plugins.get_entry_points

        def without_feast(group: str) -> list[EntryPoint]:
            return [plugin for plugin in found(group) if not plugin.value.startswith("feast.")]

        plugins.get_entry_points = without_feast
        try:
            import mlflow.tracking.request_header.registry  # noqa: F401
        finally:
            plugins.get_entry_points = found

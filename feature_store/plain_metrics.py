"""Keeps Prometheus' client as it is beside Feast.

Feast's own server has many processes. So its module, when it is imported, sets two variables by
which the client writes every value of the process into files, as do all processes that it starts,
and registers metrics of a server that nobody runs here.
"""

from __future__ import annotations

import os
from contextlib import suppress

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

_VARIABLES = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")
_GIVEN = frozenset(os.environ) & frozenset(_VARIABLES)


def undo_feasts() -> None:
    """Call it once Feast is imported, after this module."""
    import feast.metrics

    for name in _VARIABLES:
        if name not in _GIVEN:
            os.environ.pop(name, None)
    for metric in vars(feast.metrics).values():
        if isinstance(metric, MetricWrapperBase):
            with suppress(KeyError):  # done already
                REGISTRY.unregister(metric)

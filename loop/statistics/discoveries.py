"""Many tests looked at together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def false_discovery_rates(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjusted p-values (1995), in the given order; float64, shape (n,).

    As `scipy.stats.false_discovery_control`, without the second that `scipy.stats` takes to load.
    """
    n = len(p_values)
    order = np.argsort(p_values)[::-1]
    scaled = p_values[order] * n / np.arange(n, 0, -1)
    found = np.empty(n)
    found[order] = np.minimum.accumulate(np.minimum(scaled, 1.0))
    return found

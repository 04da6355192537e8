"""How far the generated pictures as a whole are from the clicked ones.

Sources: the kernel Inception distance of Bińkowski et al. (arXiv 1801.01401) and the Fréchet
distance of Heusel et al. (arXiv 1706.08500), on background embeddings or on Inception features.
Unlike the second the first is unbiased for small samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def kernel_distance(
    generated: NDArray[np.floating], real: NDArray[np.floating], scale: float = 1.0
) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel ``(1 + scale x·y)^3``.

    About 0 (and at times a little below) where both sets come from one distribution.

    Args:
        generated: features ``(n, width)``, n of at least 2.
        real: features ``(m, width)``, m of at least 2.
        scale: 1 for embeddings of unit length, 1/width for Inception features.

    Raises:
        ValueError: fewer than two pictures on a side.
    """
    if min(len(generated), len(real)) < 2:
        raise ValueError("a distance of distributions needs two pictures on each side")
    within = _mean_between_others(generated, scale) + _mean_between_others(real, scale)
    return within - 2 * float(_kernel(generated, real, scale).mean())


def frechet_distance(generated: NDArray[np.floating], real: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the normal distributions with the sets' means and covariances.

    0 where these are the same. It grows by chance alone where there are few pictures: compare only
    sets of one size.

    Args:
        generated: features ``(n, width)``, n of at least 2.
        real: features ``(m, width)``, m of at least 2.

    Raises:
        ValueError: fewer than two pictures on a side.
    """
    if min(len(generated), len(real)) < 2:
        raise ValueError("a distance of distributions needs two pictures on each side")
    first, second = (np.asarray(points, dtype=np.float64) for points in (generated, real))
    apart = float(((first.mean(0) - second.mean(0)) ** 2).sum())
    one, other = _root(first), _root(second)
    # The trace of (cov(first) @ cov(second))^(1/2).
    shared = float(np.linalg.svd(one @ other.T, compute_uv=False).sum())
    spread = float((one**2).sum() + (other**2).sum() - 2 * shared)
    return max(0.0, apart + spread)


def _root(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """R with R'R the covariance of the points; no more rows than there are points, or columns.

    So few pictures cost little however wide their features are.
    """
    centred: NDArray[np.float64] = (points - points.mean(0)) / np.sqrt(len(points) - 1)
    if len(centred) <= centred.shape[1]:
        return centred
    return np.linalg.qr(centred).R


def _kernel(
    first: NDArray[np.floating], second: NDArray[np.floating], scale: float
) -> NDArray[np.float64]:
    products = np.asarray(first, dtype=np.float64) @ np.asarray(second, dtype=np.float64).T
    return (1 + scale * products) ** 3


def _mean_between_others(points: NDArray[np.floating], scale: float) -> float:
    """Mean of the kernel over all pairs of two different points."""
    kernel, n = _kernel(points, points, scale), len(points)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))

"""Two small charts as SVG text, coloured by the page's own CSS variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_ASIDE = 5.0
"""So that a line's whiskers do not lie upon another's, pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 18.0, 20.0, 46.0


@dataclass(frozen=True)
class RatePoint:
    """A rate with its confidence interval, all as shares from 0 to 1."""

    label: str
    note: str
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class RateLine:
    """Rates to compare with, one a point; None where there is none.

    ``style`` is the CSS class of the line; ``intervals`` are drawn as whiskers.
    """

    name: str
    style: str
    rates: Sequence[float | None]
    intervals: Sequence[tuple[float, float]] = ()


def rate_chart(
    points: Sequence[RatePoint],
    beside: Sequence[RateLine] = (),
    *,
    width: int = 640,
    height: int = 300,
    name: str = "Click-through rate by round",
) -> str:
    """A line through the points with a band for their intervals; the axis starts at 0."""
    if not points:
        return ""
    compared = [rate for line in beside for rate in line.rates if rate is not None]
    compared += [high for line in beside for _, high in line.intervals]
    top = _nice_ceiling(max([point.high for point in points] + compared))
    inner = width - _LEFT - _RIGHT
    step = inner / max(1, len(points) - 1)
    # A single point stands in the middle of the plot.
    xs = [_LEFT + (step * n if len(points) > 1 else inner / 2) for n in range(len(points))]

    def y(rate: float) -> float:
        return _TOP + (height - _TOP - _BOTTOM) * (1 - rate / top)

    parts = [_open(width, height, name)]
    for line in range(5):
        rate = top * line / 4
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" '
            f'y1="{y(rate):.1f}" y2="{y(rate):.1f}"/>'
            f'<text class="tick" x="{_LEFT - 8}" y="{y(rate) + 4:.1f}" '
            f'text-anchor="end">{rate:.0%}</text>'
        )
    upper = [(x, y(p.high)) for x, p in zip(xs, points, strict=True)]
    lower = [(x, y(p.low)) for x, p in zip(xs, points, strict=True)]
    parts.append(f'<polygon class="band" points="{_points([*upper, *lower[::-1]])}"/>')
    for other in beside:
        at = [(x, y(r)) for x, r in zip(xs, other.rates, strict=True) if r is not None]
        parts.append(
            f'<polyline class="line {other.style}" points="{_points(at)}">'
            f"<title>{other.name}</title></polyline>"
        )
        parts += [
            f'<line class="whisker {other.style}" x1="{x + _ASIDE}" x2="{x + _ASIDE}" '
            f'y1="{y(low):.1f}" y2="{y(high):.1f}"/>'
            for x, (low, high) in zip(xs, other.intervals, strict=False)
        ]
    middle = [(x, y(p.rate)) for x, p in zip(xs, points, strict=True)]
    parts.append(f'<polyline class="line" points="{_points(middle)}"/>')
    for n, (x, point) in enumerate(zip(xs, points, strict=True)):
        anchor = _anchor(n, len(points))
        parts.append(
            f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"/>'
            f'<circle class="dot" cx="{x:.1f}" cy="{y(point.rate):.1f}" r="5"/>'
            f'<text class="value" x="{x:.1f}" y="{y(point.high) - 8:.1f}" '
            f'text-anchor="{anchor}">{point.rate:.1%}</text>'
            f'<text class="label" x="{x:.1f}" y="{height - 24}" '
            f'text-anchor="{anchor}">{point.label}</text>'
            f'<text class="tick" x="{x:.1f}" y="{height - 8}" '
            f'text-anchor="{anchor}">{point.note}</text>'
        )
    return "".join([*parts, "</svg>"])


def loss_chart(losses: Sequence[float], *, width: int = 280, height: int = 72) -> str:
    """A sparkline of a training loss by step."""
    if len(losses) < 2:
        return ""
    low, high = min(losses), max(losses)
    span = (high - low) or 1.0
    at = [
        (4 + (width - 8) * n / (len(losses) - 1), 6 + (height - 12) * (high - loss) / span)
        for n, loss in enumerate(losses)
    ]
    name = f"Training loss from {losses[0]:.2f} to {losses[-1]:.2f}"
    return f'{_open(width, height, name)}<polyline class="line thin" points="{_points(at)}"/></svg>'


def _open(width: int, height: int, name: str) -> str:
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'


def _points(at: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in at)


def _anchor(n: int, of: int) -> str:
    if of == 1 or 0 < n < of - 1:
        return "middle"
    return "start" if n == 0 else "end"


def _nice_ceiling(value: float) -> float:
    """The next of 0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0: four even steps of whole percents."""
    return next((top for top in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8) if value <= top), 1.0)

"""The page's charts as SVG text, coloured by the page's own CSS.

Names that came with events become attributes and text here, so all of them are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720.0, 58.0, 16.0, 14.0, 30.0
_HEIGHT = 280.0
_LARGEST = 5.0  # lifts beyond are drawn at the edge
_SMALLEST = -1.0  # no lift is lower: that is to lose everything
_ROW = 26.0
_NAMES = 230.0


@dataclass(frozen=True)
class LiftPoint:
    """A lift and its interval; None where nothing is known, or there is no bound."""

    label: str
    lift: float | None
    low: float | None
    high: float | None


def lift_over_time(points: Sequence[LiftPoint], name: str) -> Markup:
    """A line through the lifts and a band for their intervals, around the line of no change."""
    known = [point for point in points if point.lift is not None]
    if not known:
        return Markup("")
    reach = _reach(known)
    bottom = max(_SMALLEST, -reach)
    inner = _WIDTH - _LEFT - _RIGHT
    step = inner / max(1, len(known) - 1)
    xs = [_LEFT + (step * n if len(known) > 1 else inner / 2) for n in range(len(known))]

    def y(lift: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (lift - bottom) / (reach - bottom))

    parts = [_open(_HEIGHT, name)]
    for lift in (bottom, *(() if bottom > -reach else (bottom / 2,)), 0.0, reach / 2, reach):
        kind = "zero" if lift == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(lift):.1f}" '
            f'y2="{y(lift):.1f}"/><text x="{_LEFT - 8}" y="{y(lift) + 4:.1f}" '
            f'text-anchor="end">{_tick(lift)}</text>'
        )
    upper = [(x, y(_held(p.high, reach))) for x, p in zip(xs, known, strict=True)]
    lower = [(x, y(_held(p.low, reach, low=True))) for x, p in zip(xs, known, strict=True)]
    middle = [(x, y(_held(p.lift, reach))) for x, p in zip(xs, known, strict=True)]
    parts.append(f'<polygon class="band" points="{_points([*upper, *lower[::-1]])}"/>')
    parts.append(f'<polyline class="line" points="{_points(middle)}"/>')
    for (x, at), point in zip(middle, known, strict=True):
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{at:.1f}" r="4">'
            f"<title>{escape(point.label)}: {point.lift:+.1%} ({_ends(point)})</title></circle>"
        )
    shown = {0: "start", len(known) - 1: "end"} if len(known) > 1 else {0: "middle"}
    parts += [
        f'<text x="{xs[n]:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">'
        f"{escape(known[n].label)}</text>"
        for n, anchor in shown.items()
    ]
    return Markup("".join([*parts, "</svg>"]))


def lifts_beside(points: Sequence[LiftPoint], name: str) -> Markup:
    """A row for each lift, with a whisker for its interval."""
    known = [point for point in points if point.lift is not None]
    if not known:
        return Markup("")
    reach = _reach(known)
    bottom = max(_SMALLEST, -reach)
    height = _ROW * len(known) + _BOTTOM

    def x(lift: float) -> float:
        return _NAMES + (_WIDTH - _NAMES - _RIGHT) * (lift - bottom) / (reach - bottom)

    parts = [_open(height, name)]
    for lift in (bottom, 0.0, reach):
        kind, anchor = ("zero", "middle") if lift == 0 else ("grid", "end" if lift > 0 else "start")
        parts.append(
            f'<line class="{kind}" x1="{x(lift):.1f}" x2="{x(lift):.1f}" y1="0" '
            f'y2="{height - _BOTTOM}"/><text x="{x(lift):.1f}" y="{height - 8}" '
            f'text-anchor="{anchor}">{_tick(lift)}</text>'
        )
    for n, point in enumerate(known):
        middle = _ROW * (n + 0.5)
        low = x(_held(point.low, reach, low=True))
        high = x(_held(point.high, reach))
        parts.append(
            f'<text class="name" x="{_NAMES - 12}" y="{middle + 4}" text-anchor="end">'
            f"{escape(_short(point.label))}<title>{escape(point.label)}</title></text>"
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<circle class="dot" cx="{x(_held(point.lift, reach)):.1f}" cy="{middle}" r="4.5">'
            f"<title>{point.lift:+.1%} ({_ends(point)})</title></circle>"
        )
    return Markup("".join([*parts, "</svg>"]))


def _reach(points: Sequence[LiftPoint]) -> float:
    """How far the axis goes to both sides of no change: what most of the points ask for."""
    most = sorted(
        max(abs(end) for end in (p.lift, p.low, p.high) if end is not None) for p in points
    )[int(0.8 * (len(points) - 1))]
    return next((top for top in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0) if most <= top), _LARGEST)


def _tick(lift: float) -> str:
    return f"{lift:+.0%}" if lift else "0%"


def _held(value: float | None, reach: float, *, low: bool = False) -> float:
    bottom = max(_SMALLEST, -reach)
    unknown = bottom if low else reach
    return unknown if value is None else min(reach, max(bottom, value))


def _ends(point: LiftPoint) -> str:
    low = "no bound" if point.low is None else f"{point.low:+.1%}"
    high = (
        "no bound" if point.high is None or not math.isfinite(point.high) else f"{point.high:+.1%}"
    )
    return f"{low} to {high}"


def _short(label: str) -> str:
    return label if len(label) <= 32 else label[:31] + "…"


def _open(height: float, name: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        f'aria-label="{escape(name)}">'
    )


def _points(at: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in at)

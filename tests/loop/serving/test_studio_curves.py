"""The studio's click-through curves: what adloom served is judged by what it logged itself."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from adloom.loop.serving.studio.curves import click_through_curves
from tests.loop.learning.test_training_set import DAY, NOON, Row, events


def curves(*rows: tuple[Row, str]) -> dict[str, tuple[int, int]]:
    """Showings and clicks by variant, of rows and the variant that each names."""
    log = events(*(row for row, _ in rows)).assign(variant=[variant for _, variant in rows])
    later = NOON + 10 * DAY
    found = click_through_curves(log, DAY, later)
    return {curve.variant: (curve.shown, curve.clicks) for curve in found}


def test_exposures_and_the_shops_own_impressions_are_curves() -> None:
    found = curves(
        (("exposure", 0, "ann", "a"), "champion"),
        (("exposure", 1, "bob", "b"), "champion"),
        (("click", 2, "bob", "b"), "champion"),
        (("impression", 3, "ann", "s"), "shop"),
        (("click", 4, "ann", "s"), "shop"),
    )
    assert found == {"champion": (2, 1), "shop": (1, 1)}


def test_posted_impressions_and_clicks_do_not_move_the_curve_of_what_adloom_serves() -> None:
    served: list[tuple[Row, str]] = [
        (("exposure", 0, "ann", "a"), "champion"),
        (("impression", 0.1, "ann", "a"), "champion"),
    ]
    posted = [
        ((kind, 1 + n, "mallory", f"made-up-{n}"), "champion")
        for n in range(60)
        for kind in ("impression", "click")
    ]
    assert curves(*served, *posted) == {"champion": (1, 0)}


def test_nothing_logged_is_no_curve() -> None:
    empty = events().assign(variant=pd.Series(dtype=object))
    assert click_through_curves(empty, DAY, NOON) == []


def test_showings_that_can_still_be_clicked_are_no_part_of_the_curve() -> None:
    log = events(
        ("exposure", 0, "ann", "a"), ("click", 1, "ann", "a"), ("exposure", 20, "bob", "b")
    ).assign(variant="champion")
    for minutes, known in ((10, (0, 0, 1)), (24 * 60, (1, 1, 1)), (25 * 60, (2, 1, 0))):
        (curve,) = click_through_curves(log, DAY, NOON + timedelta(minutes=minutes))
        assert (curve.shown, curve.clicks, curve.open) == known
        assert bool(curve.points) == (curve.shown > 0)

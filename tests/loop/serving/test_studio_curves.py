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


def test_points_lie_as_far_apart_as_the_clock_says() -> None:
    """Two bursts of an hour, ten days apart: a point of each hour's part, none between them."""
    bursts = [(hour, n) for hour in (0, 240) for n in range(60)]
    log = events(
        *(("exposure", 60 * hour + n, "ann", f"{hour}-{n}") for hour, n in bursts),
        *(("click", 60 * hour + n + 0.5, "ann", f"{hour}-{n}") for hour, n in bursts if hour),
    ).assign(variant="champion")
    (curve,) = click_through_curves(log, DAY, NOON + 30 * DAY)
    first, last = curve.points
    assert (first.shown, first.rate, last.shown, last.rate) == (60, 0.0, 60, 1.0)
    assert last.at - first.at == timedelta(hours=240)
    assert (first.since, first.until) == (NOON, NOON + timedelta(minutes=59))


def test_curves_are_cut_at_the_same_moments_and_few_showings_join_the_next() -> None:
    many = [("exposure", 10 * n, "ann", f"a{n}") for n in range(600)]
    few = [("exposure", 100 * n, "bob", f"b{n}") for n in range(50)]
    log = events(*many, *few).assign(variant=["champion"] * len(many) + ["challenger"] * len(few))
    often, rarely = click_through_curves(log, DAY, NOON + 30 * DAY)
    assert len(often.points) == 14
    assert sum(point.shown for point in often.points) == 600
    assert [point.shown >= 20 for point in rarely.points] == [True, True]
    assert sum(point.shown for point in rarely.points) == 50
    cuts = [point.since for point in often.points]  # bob is shown an ad every 100 minutes
    for point in rarely.points:
        assert any(timedelta(0) <= point.since - cut < timedelta(minutes=100) for cut in cuts)

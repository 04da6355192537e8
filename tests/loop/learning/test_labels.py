"""Every showing of an ad is labelled once, with the moment from which the label may be used."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from adloom.feature_store.event_log import EventKind
from adloom.loop.learning.labels import label_exposures
from tests.loop.learning.test_training_set import DAY, NOON, Row, events, rows

HOUR = timedelta(hours=1)


def after(minutes: float) -> pd.Timestamp:
    return pd.Timestamp(NOON + timedelta(minutes=minutes))


def test_clicked_and_unclicked_showings_are_told_apart() -> None:
    log = events(("exposure", 0, "ann", "a"), ("exposure", 1, "ann", "b"), ("click", 2, "ann", "b"))
    found = label_exposures(log, attribution=DAY)
    assert found["ad_id"].tolist() == ["a", "b"]
    assert found["clicked_at"].isna().tolist() == [True, False]
    assert found["clicked_at"].iloc[1] == after(2)


def test_a_label_may_be_used_from_the_click_or_the_end_of_the_window() -> None:
    log = events(("exposure", 0, "ann", "a"), ("exposure", 1, "ann", "b"), ("click", 2, "ann", "b"))
    found = label_exposures(log, attribution=HOUR)
    assert found["labelled_at"].tolist() == [after(60), after(2)]


def test_a_showing_that_is_still_open_is_labelled_later() -> None:
    log = events(("exposure", 0, "ann", "a"), ("click", 30, "ann", "a"))
    open_still = label_exposures(log, attribution=HOUR, until=NOON + timedelta(minutes=10))
    assert open_still["clicked_at"].isna().all()
    assert open_still["labelled_at"].iloc[0] > NOON + timedelta(minutes=10)


def test_the_order_in_which_events_came_in_does_not_matter() -> None:
    log = events(("click", 5, "ann", "a"), ("exposure", 0, "ann", "a"))
    assert label_exposures(log, attribution=DAY)["clicked_at"].tolist() == [after(5)]


def test_the_page_telling_of_an_exposure_is_the_same_showing() -> None:
    log = events(
        ("exposure", 0, "ann", "a"), ("impression", 1, "ann", "a"), ("click", 2, "ann", "a")
    )
    found = label_exposures(log, attribution=DAY)
    assert found["kind"].tolist() == ["exposure"]
    assert found["clicked_at"].tolist() == [after(2)]


def test_the_same_ad_shown_to_another_is_not_labelled() -> None:
    log = events(("exposure", 0, "ann", "a"), ("exposure", 0, "bob", "a"), ("click", 1, "bob", "a"))
    found = label_exposures(log, attribution=DAY).set_index("user_id")["clicked_at"]
    assert found.isna().to_dict() == {"ann": True, "bob": False}


def test_an_empty_log_has_no_labels() -> None:
    assert label_exposures(events(), attribution=DAY).empty


@given(rows, st.integers(0, 61))
def test_what_is_known_at_a_moment_never_changes_what_was_known_before(
    drawn: list[Row], minutes: int
) -> None:
    """A label that training may use at a moment is the same in hindsight."""
    window = timedelta(minutes=20)
    moment = NOON + timedelta(minutes=minutes)
    kinds: tuple[EventKind, ...] = ("exposure",)
    then = label_exposures(events(*drawn), attribution=window, until=moment, kinds=kinds)
    later = label_exposures(events(*drawn), attribution=window, kinds=kinds)
    keys = ["user_id", "ad_id", "shown_at"]
    known = then[then["labelled_at"] < moment].merge(later, on=keys, suffixes=("", "_later"))
    assert len(known) == (then["labelled_at"] < moment).sum()
    assert known["clicked_at"].equals(known["clicked_at_later"].rename("clicked_at"))
    assert not later.duplicated(keys).any()

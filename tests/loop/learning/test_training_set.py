"""Clicks are joined to the exposures they answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adloom.feature_store.event_log import LoggedEvent
from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.loop.demo.shop.copywriting import title_rules
from adloom.loop.learning.target_codes import TargetCodes
from adloom.loop.learning.training_set import ClickedAd, FutureLeak, clicked_ads, examples
from tests.loop_parts import keep_shop_ads
from tests.stocked import past_ads_of
from tests.tiny_model import tiny_generator

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
Row = tuple[str, float, str, str]


def events(*rows: Row) -> pd.DataFrame:
    """Rows of kind, minutes after noon, user, ad."""
    return pd.DataFrame(
        {
            "kind": [r[0] for r in rows],
            "ts": pd.to_datetime([NOON + timedelta(minutes=r[1]) for r in rows], utc=True),
            "user_id": [r[2] for r in rows],
            "item_id": [f"item of {r[3]}" for r in rows],
            "ad_id": [r[3] for r in rows],
        }
    )


def test_a_click_is_joined_to_its_exposure() -> None:
    found = clicked_ads(
        events(("exposure", 0, "ann", "a"), ("exposure", 1, "bob", "b"), ("click", 2, "ann", "a")),
        attribution=DAY,
    )
    assert [(c.user_id, c.ad_id, c.item_id) for c in found] == [("ann", "a", "item of a")]
    assert found[0].shown_at == NOON
    assert found[0].clicked_at == NOON + timedelta(minutes=2)


def test_a_late_click_within_the_window_counts_and_a_later_one_does_not() -> None:
    log = events(("exposure", 0, "ann", "a"), ("click", 60, "ann", "a"))
    assert len(clicked_ads(log, attribution=timedelta(minutes=60))) == 1
    assert clicked_ads(log, attribution=timedelta(minutes=59)) == []


def test_a_click_before_its_exposure_is_no_label() -> None:
    log = events(("click", 0, "ann", "a"), ("exposure", 1, "ann", "a"))
    assert clicked_ads(log, attribution=DAY) == []


def test_an_exposure_is_labelled_once() -> None:
    log = events(("exposure", 0, "ann", "a"), ("click", 1, "ann", "a"), ("click", 2, "ann", "a"))
    assert [c.clicked_at for c in clicked_ads(log, attribution=DAY)] == [
        NOON + timedelta(minutes=1)
    ]


def test_a_click_belongs_to_the_last_exposure_before_it() -> None:
    log = events(
        ("impression", 0, "ann", "a"), ("impression", 10, "ann", "a"), ("click", 11, "ann", "a")
    )
    assert clicked_ads(log, attribution=DAY)[0].shown_at == NOON + timedelta(minutes=10)


def test_events_of_the_future_are_not_seen() -> None:
    log = events(("exposure", 0, "ann", "a"), ("click", 5, "ann", "a"))
    assert clicked_ads(log, attribution=DAY, until=NOON + timedelta(minutes=5)) == []


def test_events_without_an_ad_are_left_out() -> None:
    log = events(("impression", 0, "ann", ""), ("click", 1, "ann", ""))
    assert clicked_ads(log, attribution=DAY) == []


rows = st.lists(
    st.tuples(
        st.sampled_from(["impression", "exposure", "click"]),
        st.integers(0, 60).map(float),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


@given(rows)
def test_each_label_has_its_exposure_and_its_click(drawn: list[Row]) -> None:
    found = clicked_ads(events(*drawn), attribution=timedelta(minutes=20))
    at = {(kind == "click", NOON + timedelta(minutes=m), u, a) for kind, m, u, a in drawn}
    for label in found:
        assert (False, label.shown_at, label.user_id, label.ad_id) in at
        assert (True, label.clicked_at, label.user_id, label.ad_id) in at
        assert timedelta() <= label.clicked_at - label.shown_at <= timedelta(minutes=20)
    assert len({(c.user_id, c.ad_id, c.shown_at) for c in found}) == len(found)
    assert [c.clicked_at for c in found] == sorted(c.clicked_at for c in found)


class LeakyStore:
    """A feature store whose histories reach to the end of time."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store

    def history_at(self, moments: Sequence[tuple[str, datetime]]) -> list[UserHistory]:
        return self._store.history_at([(user, NOON + DAY) for user, _ in moments])


def test_a_planted_leak_is_caught(store: FeatureStore, tmp_path: Path) -> None:
    """The shopper clicks once before the ad is shown, and once after: the leak."""
    past_ads = past_ads_of(tmp_path / "home")
    targets = TargetCodes.of_base(tiny_generator(), past_ads.catalogue.engine, past_ads.creatives)
    shown, before, planted = keep_shop_ads(past_ads.creatives, 3)
    at = NOON + timedelta(minutes=10)
    store.log.append(
        [
            LoggedEvent(
                "click",
                f"c{n}",
                NOON + timedelta(minutes=m),
                "ann",
                ad.product_id,
                "t",
                0,
                n,
                ad_id=ad.ad_id,
            )
            for n, (m, ad) in enumerate([(1, before), (10, planted), (11, shown), (12, planted)])
        ]
    )
    clicked = [ClickedAd(shown.ad_id, "ann", shown.product_id, at, at + timedelta(minutes=1))]
    (example,) = examples(clicked, store, past_ads, targets, history_items=10, titles=title_rules)
    assert example is not None
    assert [ad.title for ad in example.brief.history] == [before.title]
    leaky = cast(FeatureStore, LeakyStore(store))
    with pytest.raises(FutureLeak, match=shown.ad_id):
        examples(clicked, leaky, past_ads, targets, history_items=10, titles=title_rules)

"""What holds of a shop after its processes were killed: nothing is lost, nothing counts twice."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from contextlib import closing

import httpx
import pandas as pd

from adloom.feature_store.checking import check_all
from adloom.loop import home
from tests.deployment.shop import SERVERS, Shop, until
from tests.deployment.shoppers import Shoppers

_LOST = re.compile(r"^adloom_exposures_lost_total ([0-9.]+)$", re.MULTILINE)


def accounts_hold(shop: Shop, shoppers: Shoppers) -> None:
    """All processes run, and nobody shops any more.

    A click that was acknowledged is in log and features exactly once, and any other at most once.
    An ad that was answered is kept, with its picture, and its exposure is in the log exactly once
    but where its server was killed before it reached the broker: exposures are sent behind the
    answer, so that no shopper waits for a broker. A server that lives counts those it could not
    send.
    """
    with home.open_features(shop.settings) as features:
        log = features.log
        until(
            lambda: (
                shoppers.acknowledged <= set(log.read("click", columns=["event_id"])["event_id"])
            )
        )
        expected = {ad.ad_id for ad in shoppers.shown if shop.lives[ad.server] == ad.life}
        lost = sum(_lost(shop, server) for server in SERVERS)
        until(lambda: len(expected - _exposed(log.read("exposure"))) <= lost)
        logged = log.read()
        assert logged["event_id"].is_unique
        assert check_all(features).differing == 0
        users = set(shoppers.sent.values())
        theirs = logged[logged["user_id"].isin(users)]
        clicks, exposures = (theirs[theirs["kind"] == kind] for kind in ("click", "exposure"))
        assert set(clicks["event_id"]) <= shoppers.sent.keys()
        assert exposures["ad_id"].is_unique
        counts = {user: stats.clicks for user, stats in features.user_stats(users).items()}
        assert counts == {user: (clicks["user_id"] == user).sum() for user in users}
        shown = Counter(exposures["user_id"])
        impressions = {u: stats.impressions for u, stats in features.user_stats(users).items()}
        assert impressions == {user: shown[user] for user in users}
    with closing(home.open_creatives(shop.settings)) as creatives:
        known = creatives.get_many(list(_exposed(exposures) | {ad.ad_id for ad in shoppers.shown}))
        assert _exposed(exposures) <= known.keys()
    titles = {ad.ad_id: ad.title for ad in shoppers.shown}
    assert len(titles) == len(shoppers.shown)
    assert titles.items() <= {ad_id: ad.title for ad_id, ad in known.items()}.items()
    for url in {ad.picture_url for ad in shoppers.shown}:
        for server in SERVERS:
            content = httpx.get(shop.url(server) + url, timeout=60).raise_for_status().content
            assert hashlib.sha256(content).hexdigest() in url


def _exposed(exposures: pd.DataFrame) -> set[str]:
    return set(exposures["ad_id"])


def _lost(shop: Shop, server: str) -> float:
    told = httpx.get(f"{shop.url(server)}/metrics", timeout=60).raise_for_status().text
    found = _LOST.search(told)
    assert found is not None
    return float(found[1])

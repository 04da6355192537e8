"""Finds the finished ad that suits a shopper now, or the one to show when time is short."""

from __future__ import annotations

import hashlib
import json
import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from adloom.loop.catalogue.creatives.store import NO_CODES, SHOP, Creative, CreativeStore, UnknownAd
from adloom.loop.catalogue.product import Product
from adloom.loop.pool.creatives import CreativePool, Member
from adloom.loop.pool.looks import Looks
from adloom.loop.pool.ranker import Choice, Counted, Ranker, Weights
from adloom.loop.pool.taste import NOTHING_KNOWN, Taste, taste_of
from adloom.loop.serving.histories import Histories
from adloom.loop.serving.in_time.chosen import Chosen, Found, Source
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.settings.pool import PoolSettings

PRODUCT = "product"
"""The variant of an ad that is a product's own picture and name."""
_OWN = uuid.UUID("0f2b7c62-6b0b-5c7c-8a2f-2f5a0f0b7d11")  # the space of their ids
_FRESHEST = 1.0


class NothingToShow(RuntimeError):
    """No ad is finished, and the product has no picture."""


class Choosing:
    """Chooses among finished ads; any number of threads may ask at once."""

    def __init__(
        self,
        pool: CreativePool,
        looks: Looks,
        creatives: CreativeStore,
        histories: Histories,
        settings: PoolSettings,
        counts: Callable[[], Mapping[str, Counted]],
        unseen: Callable[[Sequence[str]], None],
    ) -> None:
        """``counts`` tells how often ads were clicked, ``unseen`` is told whose looks to make."""
        self.ranker = Ranker(Weights(), settings.explore)
        self._pool = pool
        self._looks = looks
        self._creatives = creatives
        self._histories = histories
        self._settings = settings
        self._counts = counts
        self._unseen = unseen

    def find(self, request: AdRequest, serving: Serving) -> Found:
        """What there is of what serves. Raises what the stores raise."""
        since = time.monotonic()
        taste, degraded = self._taste(request)
        drawn_by = drawn_by_name(serving)
        found = Found(request, serving, drawn_by, taste, None, False, degraded, since)
        members = self._young(self._pool.of(request.product.product_id, drawn_by))
        best = self._choose(found, members, "pool")
        if best is None or best.choice is None:
            return found
        fit = _fit(self.ranker, members, taste, best.choice.odds)
        fits = fit is not None and fit >= self._settings.fit
        return replace(found, best=replace(best, fit=fit), fits=fits)

    def instead(self, found: Found) -> Chosen:
        """What to show when there is no time to draw. Raises NothingToShow."""
        if found.best is not None:
            return found.best
        product = found.request.product
        # An arm of an experiment shows what is its own, or else the shop's.
        of_others = None if found.request.assignment else self._of(found, product, None)
        if best := of_others or self._of(found, product, SHOP):
            return best
        return _chosen(found, self._of_product(product), "shop", 1)

    def _of(self, found: Found, product: Product, drawn_by: str | None) -> Chosen | None:
        members = self._pool.of(product.product_id, drawn_by)
        return self._choose(found, members, "shop" if drawn_by == SHOP else "pool")

    def _taste(self, request: AdRequest) -> tuple[Taste, bool]:
        if not request.reads_history:
            return NOTHING_KNOWN, False
        known = self._histories.read([request.user_id])
        if known is None:
            return NOTHING_KNOWN, True
        taste, unseen = taste_of(known[request.user_id], self._looks)
        if unseen:
            self._unseen(unseen)
        return taste, False

    def _young(self, members: Sequence[Member]) -> list[Member]:
        oldest = datetime.now(UTC) - timedelta(days=self._settings.max_age_days)
        return [member for member in members if member.made_at >= oldest]

    def _choose(self, found: Found, members: Sequence[Member], source: Source) -> Chosen | None:
        if not members:
            return None
        counts, ranker = self._counts(), self.ranker
        counted = [counts.get(member.ad_id, Counted()) for member in members]
        features = ranker.features(members, found.taste, counts, datetime.now(UTC))
        rng = np.random.default_rng(found.request.seed)
        choice = ranker.choose(features, counted, rng)
        try:
            creative = self._creatives.get(members[choice.number].ad_id)
        except UnknownAd:  # it was erased this moment
            return self._choose(found, _without(members, choice.number), source)
        return _chosen(found, creative, source, len(members), choice=choice)

    def _of_product(self, product: Product) -> Creative:
        """The product's own picture and name, as an ad that clicks can name."""
        if not product.shown_name:
            raise NothingToShow(f"product {product.product_id!r} has no picture, and no ad yet")
        told = "\n".join((product.product_id, product.name, product.shown_name))
        ad_id = str(uuid.uuid5(_OWN, hashlib.sha256(told.encode()).hexdigest()))
        try:
            return self._creatives.get(ad_id)
        except UnknownAd:
            made = Creative(
                ad_id=ad_id,
                product_id=product.product_id,
                title=product.name,
                picture=product.shown_name,
                codes=NO_CODES,
                background_codes=NO_CODES,
                variant=PRODUCT,
                version="",
                seed=0,
                served_at=datetime.now(UTC),
                codebook="",  # nothing was drawn
            )
            self._creatives.add([made])
            return made


def drawn_by_name(serving: Serving) -> str:
    """Names what draws: the same for arms of the same version and settings."""
    if serving.settings is None:
        return str(serving.version)
    told = json.dumps(serving.settings.model_dump(mode="json"), sort_keys=True)
    return f"{serving.version} {hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _chosen(
    found: Found,
    creative: Creative,
    source: Source,
    among: int,
    *,
    choice: Choice | None = None,
) -> Chosen:
    return Chosen(
        found.request,
        found.serving,
        creative,
        source,
        None,
        choice,
        among,
        personalised=among > 1 and len(found.taste) > 0,
        degraded=found.degraded,
        since=found.since,
        seconds=time.monotonic() - found.since,
    )


def _fit(ranker: Ranker, members: Sequence[Member], taste: Taste, odds: float) -> float | None:
    """The odds over those of an ad drawn anew: as alike as those here were to their shoppers."""
    if not len(taste):
        return 1.0
    likeness = [member.likeness for member in members if member.likeness.any()]
    if not likeness:
        return None
    fresh = float(ranker.likeness_score(np.stack(likeness)).mean())
    fresh += ranker.weights.freshness * _FRESHEST
    return min(1.0, math.exp(math.log(odds) - fresh))


def _without(members: Sequence[Member], number: int) -> list[Member]:
    return [member for n, member in enumerate(members) if n != number]

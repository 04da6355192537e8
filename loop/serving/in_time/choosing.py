"""Finds the finished ad that suits a shopper now, or the one to show when time is short."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.creatives.store import NO_CODES, SHOP, Creative, CreativeStore, UnknownAd
from adloom.loop.catalogue.product import Product
from adloom.loop.pool.creatives import CreativePool
from adloom.loop.pool.looks import Looks
from adloom.loop.pool.members import Members
from adloom.loop.pool.own_clicks import Counted
from adloom.loop.pool.ranker import Choice, Ranker, Weights, fit_of
from adloom.loop.pool.taste import NOTHING_KNOWN, DrawnAd, Tastes
from adloom.loop.serving.histories import Histories
from adloom.loop.serving.in_time.chosen import Chosen, Found, Source
from adloom.loop.serving.in_time.shown import ShownAds
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.settings.pool import PoolSettings

PRODUCT = "product"
"""The variant of an ad that is a product's own picture and name."""
_OWN = uuid.UUID("0f2b7c62-6b0b-5c7c-8a2f-2f5a0f0b7d11")  # the space of their ids


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
        drawn: Callable[[str, str], Sequence[DrawnAd]],
    ) -> None:
        """``counts`` tells how often ads were clicked, ``unseen`` is told whose looks to make,
        ``drawn`` tells what was drawn, and by what, for a shopper."""
        self.ranker = Ranker(Weights(), settings.explore)
        self._pool = pool
        self._tastes = Tastes(looks)
        self._creatives = creatives
        self._shown = ShownAds(creatives)
        self._histories = histories
        self._settings = settings
        self._counts = counts
        self._unseen = unseen
        self._drawn = drawn

    def find(self, wanted: Sequence[tuple[AdRequest, Serving]]) -> list[Found]:
        """What there is for each request, of what serves, and what to show where that will not do.

        The stores are asked once for all of them. Raises what the stores raise.
        """
        since = time.monotonic()
        histories = self._read([request for request, _ in wanted])
        revision = self._pool.look()
        asked = [self._asked(*each, histories, since) for each in wanted]
        chosen = self._choose([(one, one.drawn_by) for one in asked], revision)
        found = [
            one if best is None else self._fitting(one, best)
            for one, best in zip(asked, chosen, strict=True)
        ]
        return self._with_others(found, revision)

    def has(self, found: Found, ad_id: str) -> bool:
        """Whether an ad is one of those that are chosen among."""
        members = self._pool.members(found.request.product, found.drawn_by)
        return any(member.ad_id == ad_id for member in members)

    def _read(self, requests: Sequence[AdRequest]) -> Mapping[str, UserHistory] | None:
        users = [request.user_id for request in requests if request.reads_history]
        return self._histories.read(users) if users else {}

    def _asked(
        self,
        request: AdRequest,
        serving: Serving,
        histories: Mapping[str, UserHistory] | None,
        since: float,
    ) -> Found:
        taste, degraded = NOTHING_KNOWN, request.reads_history and histories is None
        clicked: tuple[str, ...] = ()
        drawn_by = drawn_by_name(serving)
        if request.reads_history and histories is not None:
            drawn = self._drawn(drawn_by, request.user_id)
            taste, clicked, unseen = self._tastes.of(histories[request.user_id], drawn)
            if unseen:
                self._unseen(unseen)
        waiting = self._pool.waiting(request.product, drawn_by)
        enough = waiting >= self._settings.drafts
        return Found(
            request, serving, drawn_by, taste, degraded, since, clicked=clicked, enough_wait=enough
        )

    def _fitting(self, found: Found, best: Chosen) -> Found:
        assert best.choice is not None
        members = self._young(self._pool.members(found.request.product, found.drawn_by))
        fit = fit_of(self.ranker, members.drawn_likeness, found.taste, best.choice)
        if len(found.taste):
            fits = fit is not None and fit >= self._settings.fit
        else:  # any would do: of some more can be learnt than of one
            fits = len(members) >= min(self._settings.least, self._settings.most)
        return replace(found, best=replace(best, fit=fit), fits=fits)

    def _with_others(self, found: Sequence[Found], revision: int) -> list[Found]:
        """With what to show where there is nothing of what serves.

        An arm of an experiment shows what is its own, or else the shop's.
        """
        filled = list(found)
        for drawn_by in (None, SHOP):
            lacking = [n for n, one in enumerate(filled) if one.best is None]
            if drawn_by is None:
                lacking = [n for n in lacking if filled[n].request.assignment is None]
            chosen = self._choose([(filled[n], drawn_by) for n in lacking], revision)
            for n, best in zip(lacking, chosen, strict=True):
                filled[n] = replace(filled[n], best=best)
        return [self._with_product(one) if one.best is None else one for one in filled]

    def _with_product(self, found: Found) -> Found:
        own = self._of_product(found.request.product)
        return found if own is None else replace(found, best=_chosen(found, own, "shop", 1, None))

    def _young(self, members: Members) -> Members:
        return members.since(datetime.now(UTC) - timedelta(days=self._settings.max_age_days))

    def _choose(
        self, wanted: Sequence[tuple[Found, str | None]], revision: int
    ) -> list[Chosen | None]:
        """Of the ads by what drew them (`CreativePool.members`) one for each request."""
        members: list[Members] = []
        for found, drawn_by in wanted:
            there = self._pool.members(found.request.product, drawn_by)
            members.append(self._young(there) if drawn_by == found.drawn_by else there)
        chosen: list[Chosen | None] = [None] * len(wanted)
        while open_ := [n for n, there in enumerate(members) if there and chosen[n] is None]:
            choices = {n: self._choice(wanted[n][0], members[n]) for n in open_}
            names = {n: members[n][choice.number].ad_id for n, choice in choices.items()}
            creatives = self._shown.get_many(list(names.values()), revision)
            for n, choice in choices.items():
                if (creative := creatives.get(names[n])) is None:  # it was erased this moment
                    members[n] = members[n].without(choice.number)
                else:
                    found, drawn_by = wanted[n]
                    source: Source = "shop" if drawn_by == SHOP else "pool"
                    chosen[n] = _chosen(found, creative, source, len(members[n]), choice)
        return chosen

    def _choice(self, found: Found, members: Members) -> Choice:
        clicks, ranker = members.own_clicks(self._counts()), self.ranker
        features = ranker.features(members, found.taste, clicks, datetime.now(UTC))
        # Not by the request's seed: who always sends the same one would always get the same ad,
        # and the propensity would not be what it says.
        return ranker.choose(features, clicks, np.random.default_rng())

    def _of_product(self, product: Product) -> Creative | None:
        """The product's own picture and name, as an ad that clicks can name; None if banned."""
        if not product.shown_name:
            return None
        told = "\n".join((product.product_id, product.name, product.shown_name))
        ad_id = str(uuid.uuid5(_OWN, hashlib.sha256(told.encode()).hexdigest()))
        try:
            known = self._creatives.get(ad_id)
            return known if known.state == "approved" else None
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
    choice: Choice | None,
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

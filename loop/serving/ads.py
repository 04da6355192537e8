"""Ads for shoppers: what they clicked goes in, finished creatives come out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from PIL import Image

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.briefs import brief, candidate_seeds, finished
from adloom.loop.catalogue.creatives.store import NO_CODES, Creative
from adloom.loop.catalogue.histories.past_ads import PastAd, PastAds
from adloom.loop.catalogue.product import Product
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.histories import Histories, ReadsHistories
from adloom.loop.serving.keeping import Keeping
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.steps import StepTaken, since
from adloom.loop.serving.titles import (
    MOST_TITLES,
    Title,
    drawn_title,
    fallback_title,
    title_seed,
)
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, AdDraft
from adloom.models.engine import Drawn
from adloom.models.quality.rerank import Reranker
from adloom.models.settings import GeneratorSettings
from adloom.models.titles.rules import TitleRules


@dataclass(frozen=True)
class _UnderWay:
    """A request that is being drawn.

    ``titles_drawn`` counts its titles so far; from the second on ``chosen`` is the draft whose
    title could not be shown, with its finished picture, and ``drawn`` is a title alone.
    ``row_steps`` are those of what was drawn before.
    """

    request: AdRequest
    serving: Serving
    history: tuple[PastAd, ...]
    told: AdBrief
    rules: TitleRules
    drawn: Future[list[Drawn]]
    future: Future[Ad]
    since: float
    degraded: bool
    read: StepTaken
    titles_drawn: int = 1
    chosen: tuple[AdDraft, Image.Image] | None = None
    row_steps: int = 0

    @property
    def steps_so_far(self) -> int:
        """Row-steps of all that was drawn for it, once the last is drawn."""
        return self.row_steps + sum(drawn.steps for drawn in self.drawn.result())


class AdMaker:
    """Reads histories, chooses their representatives, generates, composes and keeps ads."""

    def __init__(
        self,
        generator: AdGenerator,
        features: ReadsHistories,
        past_ads: PastAds,
        settings: GeneratorSettings,
        titles: Callable[[Product], TitleRules],
    ) -> None:
        """``titles`` tells what the titles of a product may say."""
        self.generator = generator
        self.past_ads = past_ads
        self.creatives = past_ads.creatives
        self.settings = settings
        self._titles = titles
        self.histories = Histories(features)
        self.reranker = Reranker(generator)
        self._keeping = Keeping[Ad]()
        self._under_way: list[_UnderWay] = []

    def make(self, requests: Sequence[AdRequest], serving: Serving) -> list[Ad]:
        """One ad a request, in their order; each is in the creative store when this returns."""
        started = self.start([(request, serving) for request in requests])
        while not all(future.done() for future in started):
            self.step()
        return [future.result() for future in started]

    def start(self, wanted: Sequence[tuple[AdRequest, Serving]]) -> list[Future[Ad]]:
        """Let requests join the ads that are being drawn; :meth:`step` draws on.

        What serves each counts as it is now: its adapter may be dropped before the ad is done. A
        future is done when its ad is in the creative store; cancel it, and the ad is drawn no
        further. An ad that cannot even be begun fails alone.
        """
        began = time.monotonic()
        readers = [request.user_id for request, _ in wanted if request.reads_history]
        known = self.histories.read(readers) if readers else {}
        started: list[Future[Ad]] = []
        for request, serving in wanted:
            future: Future[Ad] = Future()
            history = None if known is None else known.get(request.user_id)
            try:
                self._under_way.append(self._begun(request, history, serving, future, began))
            except Exception as error:
                future.set_exception(error)
            started.append(future)
        return started

    def step(self) -> None:
        """Draw the next tokens of every ad, and finish those that are complete.

        Where all that is left of them is to be stored, a moment passes.
        """
        self._drop_unwanted()
        if not self._under_way and self._keeping:
            self._keeping.wait()
        self.generator.step()
        complete = [one for one in self._under_way if one.drawn.done()]
        if complete:
            self._under_way = [one for one in self._under_way if not one.drawn.done()]
            self._finish(complete)

    def _drop_unwanted(self) -> None:
        """Take out of the batch what nobody waits for any more."""
        for one in self._under_way:
            if one.future.cancelled() and not one.drawn.done() and not one.drawn.cancel():
                one.drawn.set_exception(CancelledError())  # it runs: the engine drops its rows
        self._under_way = [one for one in self._under_way if not one.future.cancelled()]

    def _begun(
        self,
        request: AdRequest,
        known: UserHistory | None,
        serving: Serving,
        future: Future[Ad],
        read_since: float,
    ) -> _UnderWay:
        began, settings = time.monotonic(), serving.settings or self.settings
        if request.preview is not None:
            history = request.preview.history
        elif known is None or not request.personalised:
            history = ()
        else:
            history = self.past_ads.representing(
                known, request.product, settings.history_items, coarse=settings.coarse
            )
        read = since("history", read_since)
        rules = self._titles(request.product)
        asked = brief(request.product, history, rules, constrained=settings.constrain_titles)
        told = self.generator.told(asked, serving.adapter)
        drawn = self.generator.start(
            told,
            seeds=candidate_seeds(request.seed, settings.candidates),
            sampling=self.generator.sampling(settings),
            adapter=serving.adapter,
        )
        degraded = known is None and request.reads_history
        return _UnderWay(
            request, serving, history, told, rules, drawn, future, began, degraded, read
        )

    def _finish(self, complete: Sequence[_UnderWay]) -> None:
        together = len(complete) + len(self._under_way)
        for one in complete:
            drawn = since("draw", one.read.ended)
            try:
                draft, picture, title = self._looked_through(one)
                if title is None:
                    self._under_way.append(self._writing_again(one, draft, picture))
                    continue
                # From here on it cannot be cancelled any more.
                if one.future.set_running_or_notify_cancel():
                    ad = self._composed(one, draft, picture, title, together)
                    steps = (one.read, drawn, since("encode", drawn.ended))
                    kept = partial(self._kept, replace(ad, steps=steps), one.since)
                    self._keeping.keep(one.future, kept)
            except Exception as error:  # its own: the others go on
                if one.future.running() or one.future.set_running_or_notify_cancel():
                    one.future.set_exception(error)

    def _kept(self, ad: Ad, began: float) -> Ad:
        """The ad, stored: the picture first, then the row that names it."""
        storing = time.monotonic()
        creative = replace(ad.creative, picture=self.creatives.put_picture(ad.picture))
        self.creatives.add([creative])
        if ad.request.ad_id is not None:  # what was drawn for it before, here or elsewhere, stays
            creative = self.creatives.get(ad.request.ad_id)
        steps = (*ad.steps, since("store", storing))
        return replace(ad, creative=creative, seconds=time.monotonic() - began, steps=steps)

    def _looked_through(self, one: _UnderWay) -> tuple[AdDraft, Image.Image, Title | None]:
        """The draft that is served, its picture, and its title where there is one to show."""
        drawn = one.drawn.result()
        if one.chosen is not None:
            draft, picture = one.chosen
            (text,) = drawn
        else:
            drafts = [self.generator.draft(candidate, one.told) for candidate in drawn]
            shadow = self.generator.casts_shadow
            pictures = [
                finished(draft.background, one.request.product, shadow=shadow) for draft in drafts
            ]
            best = self.reranker.best(pictures, one.told.read_ads)
            draft, picture, text = drafts[best], pictures[best], drawn[best]
        title = drawn_title(self.generator, text, one.told, one.rules)
        if title is None and (one.titles_drawn >= MOST_TITLES or not self._may_draw(one)):
            title = fallback_title(self.generator, one.told, one.rules)
        return draft, picture, title

    def _may_draw(self, one: _UnderWay) -> bool:
        """False once the adapter that drew was dropped."""
        adapter = one.serving.adapter
        return adapter is None or adapter in self.generator.adapters

    def _writing_again(self, one: _UnderWay, draft: AdDraft, picture: Image.Image) -> _UnderWay:
        """The request with a new title under way; it joins the batch like any other."""
        drawn = self.generator.start(
            one.told,
            seeds=[title_seed(one.request.seed, one.titles_drawn)],
            sampling=self.generator.sampling(one.serving.settings or self.settings),
            adapter=one.serving.adapter,
            title_only=True,
        )
        return replace(
            one,
            drawn=drawn,
            titles_drawn=one.titles_drawn + 1,
            chosen=(draft, picture),
            row_steps=one.steps_so_far,
        )

    def _composed(
        self, one: _UnderWay, draft: AdDraft, picture: Image.Image, title: Title, together: int
    ) -> Ad:
        request, serving = one.request, one.serving
        creative = Creative(
            ad_id=request.ad_id or str(uuid.uuid4()),
            product_id=request.product.product_id,
            title=title.text,
            picture="",  # it is named when it is kept
            codes=NO_CODES,
            background_codes=draft.codes,
            variant=serving.variant,
            version=str(serving.version),
            seed=request.seed,
            served_at=datetime.now(UTC),
            codebook=self.generator.codebook_name,
        )
        return Ad(
            request,
            creative,
            picture,
            one.history,
            seconds=0.0,  # until it is kept
            drawn_together=together,
            row_steps=one.steps_so_far,
            degraded=one.degraded,
            valid_title=title.describes,
            title_source=title.source,
        )

"""Ads for shoppers: what they clicked goes in, finished creatives come out."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from PIL import Image

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.briefs import brief, candidate_seeds
from adloom.loop.catalogue.creatives.store import NO_CODES, Creative
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.product import Product
from adloom.loop.inspection.inspect import Said
from adloom.loop.inspection.inspection import Inspection
from adloom.loop.serving.candidates import best_of
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.histories import Histories, ReadsHistories
from adloom.loop.serving.keeping import Keeping
from adloom.loop.serving.kept_ads import AdKeeper, NotShown
from adloom.loop.serving.random_ids import IDS
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.steps import since
from adloom.loop.serving.titles import (
    MOST_TITLES,
    Title,
    another_seed,
    drawn_title,
    fallback_title,
    said_by,
    title_seed,
)
from adloom.loop.serving.under_way import UnderWay
from adloom.loop.settings.review import ReviewSettings
from adloom.models.brief import AdBrief, AdDraft
from adloom.models.engine import Drawn
from adloom.models.generates import Generates
from adloom.models.quality.rerank import Reranker
from adloom.models.settings import GeneratorSettings
from adloom.models.titles.rules import TitleRules

_REVIEW = ReviewSettings()


class AdMaker:
    """Reads histories, chooses their representatives, generates, composes and keeps ads."""

    def __init__(
        self,
        generator: Generates,
        features: ReadsHistories,
        past_ads: PastAds,
        settings: GeneratorSettings,
        titles: Callable[[Product], TitleRules],
        review: ReviewSettings = _REVIEW,
    ) -> None:
        """``titles`` tells what the titles of a product may say, ``review`` what is shown."""
        self.generator = generator
        self.past_ads = past_ads
        self.creatives = past_ads.creatives
        self.settings = settings
        self._titles = titles
        self.histories = Histories(features)
        self.reranker = Reranker(generator)
        self._keeping = Keeping[Ad](generator.wake)
        inspection = Inspection(past_ads.catalogue.engine, review, titles)
        self._keeper = AdKeeper(self.creatives, inspection)
        self._under_way: list[UnderWay] = []
        self._refused: queue.SimpleQueue[tuple[UnderWay, NotShown]] = queue.SimpleQueue()

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
        further. An ad that cannot even be begun fails alone. One that may not be shown is drawn
        once more, with another seed, and then fails with NotShown; a preview is what it is.
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
        while not self._refused.empty():
            self._draw_another(*self._refused.get())
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
    ) -> UnderWay:
        began, settings = time.monotonic(), serving.settings or self.settings
        if request.preview is not None:
            history = request.preview.history
        elif known is None or not request.personalised:
            history = ()
        else:
            history = self.past_ads.representing(
                known,
                request.product,
                settings.history_items,
                coarse=settings.coarse,
                seen_weight=settings.seen_weight,
            )
        read = since("history", read_since)
        rules = self._titles(request.product)
        asked = brief(request.product, history, rules, constrained=settings.constrain_titles)
        told = self.generator.told(asked, serving.adapter)
        drawn = self._drawing(told, serving, candidate_seeds(request.seed, settings.candidates))
        degraded = known is None and request.reads_history
        return UnderWay(
            request, serving, history, told, rules, drawn, future, began, degraded, read
        )

    def _drawing(
        self, told: AdBrief, serving: Serving, seeds: Sequence[int], *, title_only: bool = False
    ) -> Future[list[Drawn]]:
        sampling = self.generator.sampling(serving.settings or self.settings)
        return self.generator.start(
            told, seeds=seeds, sampling=sampling, adapter=serving.adapter, title_only=title_only
        )

    def _draw_another(self, one: UnderWay, refused: NotShown) -> None:
        """In place of an ad that may not be shown, where the adapter that drew is still there."""
        request = replace(one.request, seed=another_seed(one.request.seed))
        before, one = one.steps_so_far, replace(one, titles_drawn=1, chosen=None, again=True)
        try:
            if not self._may_draw(one):
                raise refused
            candidates = (one.serving.settings or self.settings).candidates
            seeds = candidate_seeds(request.seed, candidates)
            drawn = self._drawing(one.told, one.serving, seeds)
        except Exception as error:
            one.future.set_exception(error)
        else:
            self._under_way.append(replace(one, request=request, drawn=drawn, row_steps=before))

    def _finish(self, complete: Sequence[UnderWay]) -> None:
        together = len(complete) + len(self._under_way)
        for one in complete:
            drawn = since("draw", one.read.ended)
            try:
                draft, picture, title = self._looked_through(one)
                if title is None:
                    self._under_way.append(self._writing_again(one, draft, picture))
                    continue
                # From here on it cannot be cancelled any more.
                if one.again or one.future.set_running_or_notify_cancel():
                    ad = self._composed(one, draft, picture, title, together)
                    ad = replace(ad, steps=(one.read, drawn, since("encode", drawn.ended)))
                    said = said_by(self.generator, one.told, title)
                    self._keeping.keep(one.future, partial(self._kept, one, ad, said))
            except Exception as error:  # its own: the others go on
                if one.future.running() or one.future.set_running_or_notify_cancel():
                    one.future.set_exception(error)

    def _kept(self, one: UnderWay, ad: Ad, said: Said) -> Ad | None:
        """The ad, stored; None where it may not be shown and another is drawn."""
        storing, request = time.monotonic(), one.request
        named, last = request.ad_id, one.again or request.preview is not None
        creative, verdict = self._keeper.keep(
            ad.creative, ad.picture, request.product, named=named, said=said, last=last
        )
        if request.preview is None and creative.state != "approved":
            refused = NotShown(creative, verdict.reasons)
            if not last and verdict.another_may_pass:
                self._refused.put((one, refused))
                return None
            raise refused
        steps = (*ad.steps, since("store", storing))
        return replace(ad, creative=creative, seconds=time.monotonic() - one.since, steps=steps)

    def _looked_through(self, one: UnderWay) -> tuple[AdDraft, Image.Image, Title | None]:
        """The draft that is served, its picture, and its title where there is one to show."""
        drawn = one.drawn.result()
        if one.chosen is not None:
            (draft, picture), (text,) = one.chosen, drawn
        else:
            of = self.generator, self.reranker
            draft, picture, text = best_of(drawn, one.told, one.request.product, *of)
        title = drawn_title(self.generator, text, one.told, one.rules)
        if title is None and not self._may_write_again(one):
            title = fallback_title(self.generator, one.told, one.rules)
        return draft, picture, title

    def _may_write_again(self, one: UnderWay) -> bool:
        tells = self.generator.tells_product(one.told)
        return one.titles_drawn < MOST_TITLES and tells and self._may_draw(one)

    def _may_draw(self, one: UnderWay) -> bool:
        """False once the adapter that drew was dropped."""
        adapter = one.serving.adapter
        return adapter is None or adapter in self.generator.adapters

    def _writing_again(self, one: UnderWay, draft: AdDraft, picture: Image.Image) -> UnderWay:
        """The request with a new title under way."""
        seeds = [title_seed(one.request.seed, one.titles_drawn)]
        drawn = self._drawing(one.told, one.serving, seeds, title_only=True)
        return replace(
            one,
            drawn=drawn,
            titles_drawn=one.titles_drawn + 1,
            chosen=(draft, picture),
            row_steps=one.steps_so_far,
        )

    def _composed(
        self, one: UnderWay, draft: AdDraft, picture: Image.Image, title: Title, together: int
    ) -> Ad:
        request, serving = one.request, one.serving
        creative = Creative(
            ad_id=request.ad_id or str(IDS.new()),
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

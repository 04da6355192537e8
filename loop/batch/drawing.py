"""Ads in full batches: as one is done the next begins, across parts, so that the engine is full."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adloom.loop.batch.ahead import ReadAhead
from adloom.loop.batch.errors import AdNotDrawn
from adloom.loop.batch.held import Held
from adloom.loop.batch.order import Order
from adloom.loop.batch.plan import Pair
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.catalogue.pictures.store import UnknownPicture
from adloom.loop.catalogue.product import with_picture
from adloom.loop.privacy.reading import Reader
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest, Serving

_AT_ONCE = 128
"""Pairs whose histories are read together, and that are looked for among the ads that there are."""


@dataclass
class Part:
    """A part on its way.

    Attributes:
        made: the ads that are there, by the places of their pairs.
        drawn: how many of them were not there before.
    """

    number: int
    pairs: Sequence[Pair]
    made: dict[int, Creative] = field(default_factory=dict)
    drawn: int = 0

    @property
    def ads(self) -> list[tuple[str, Creative]]:
        """The user of each ad, and the ad; of a part that is complete."""
        return [(user, self.made[place]) for place, (user, _) in enumerate(self.pairs)]


@dataclass(frozen=True)
class _Wanted:
    """One ad of a part."""

    part: Part
    place: int
    ad_id: str
    seed: int

    @property
    def pair(self) -> Pair:
        return self.part.pairs[self.place]


class Drawing:
    """Draws the ads of a batch. Of one thread.

    An ad that an earlier try drew, and did not come to write, is taken from the creative store.
    """

    def __init__(
        self,
        maker: AdMaker,
        ahead: ReadAhead,
        order: Order,
        serving: Serving,
        forgotten: Reader,
        max_batch: int,
    ) -> None:
        """``maker`` reads histories through ``ahead``; ``max_batch`` ads are drawn at a time."""
        self._maker = maker
        self._ahead = ahead
        self._order = order
        self._serving = serving
        self._forgotten = forgotten
        self._most = max_batch
        self._complete: list[Part] = []
        self._held = Held()

    def draw(
        self, parts: Iterable[tuple[int, Sequence[Pair]]], on_ads: Callable[[int], None]
    ) -> Iterator[Part]:
        """Each part as soon as all its ads are there; ``on_ads`` is told how many more there are.

        Where some may not be shown yet, the parts that they are of are left out, and it is told
        once all others are drawn.

        Raises AdsHeld; AdNotDrawn; StoreUnavailable, PicturesAway, DatabaseUnusable.
        """
        chunks = self._chunks(parts, on_ads)
        waiting: deque[_Wanted] = deque()
        running: dict[Future[Ad], _Wanted] = {}
        more = True
        try:
            while more or running:
                while more and len(running) < self._most:
                    if not waiting:
                        chunk = next(chunks, None)
                        more = chunk is not None
                        waiting.extend(chunk or ())
                        continue
                    room = min(self._most - len(running), len(waiting))
                    some = [waiting.popleft() for _ in range(room)]
                    running |= zip(self._start(some), some, strict=True)
                if running:
                    self._maker.step()
                for future in [one for one in running if one.done()]:
                    on_ads(self._take(running.pop(future), future))
                self._heed()
                yield from self._taken()
        finally:
            for future in running:
                future.cancel()
        self._held.refuse()

    def _taken(self) -> Iterator[Part]:
        complete, self._complete = self._complete, []
        yield from complete

    def _heed(self) -> None:
        """Who is forgotten meanwhile counts from here on."""
        if self._forgotten.look():
            self._forgotten.confirm()

    def _chunks(
        self, parts: Iterable[tuple[int, Sequence[Pair]]], on_ads: Callable[[int], None]
    ) -> Iterator[list[_Wanted]]:
        """What is left to draw, some at a time, their histories read."""
        for number, pairs in parts:
            part = Part(number, pairs)
            for start in range(0, len(pairs), _AT_ONCE):
                some = [
                    _Wanted(part, place, *self._order.named(*pairs[place]))
                    for place in range(start, min(start + _AT_ONCE, len(pairs)))
                ]
                before = len(part.made)
                left = self._without_known(some)
                if len(part.made) > before:
                    on_ads(len(part.made) - before)
                    self._complete_if_so(part)
                self._heed()
                if left:
                    self._ahead.read(one.pair[0] for one in left)
                    yield left

    def _without_known(self, some: Sequence[_Wanted]) -> list[_Wanted]:
        creatives, left = self._maker.creatives, []
        known = creatives.get_many([one.ad_id for one in some])
        for one in some:
            ad = known.get(one.ad_id)
            if ad is None or not creatives.pictures.has(ad.picture):
                left.append(one)
            elif ad.state == "approved":
                one.part.made[one.place] = ad
            else:
                self._held.add(ad)
        return left

    def _start(self, some: Sequence[_Wanted]) -> list[Future[Ad]]:
        return self._maker.start([(self._request(one), self._serving) for one in some])

    def _request(self, one: _Wanted) -> AdRequest:
        user, product_id = one.pair
        product = self._maker.past_ads.catalogue.selling(product_id)
        with suppress(UnknownPicture):  # then its ad says so
            product = with_picture(product)
        return AdRequest(
            user,
            product,
            one.seed,
            ad_id=one.ad_id,
            personalised=not self._forgotten.refuses(user, datetime.now(UTC)),
        )

    def _take(self, one: _Wanted, future: Future[Ad]) -> int:
        """How many ads there are more."""
        try:
            ad = future.result()
        except NotShown as error:
            self._held.add(error.creative)
            return 0
        except (LookupError, ValueError) as error:  # of this ad; what is away is told as it is
            raise AdNotDrawn(
                f"an ad of {one.pair[1]} cannot be drawn ({error}): see to the product (adloom "
                f"catalog show {one.pair[1]}), and run this again: it goes on"
            ) from error
        one.part.made[one.place] = ad.creative
        one.part.drawn += 1
        self._complete_if_so(one.part)
        return 1

    def _complete_if_so(self, part: Part) -> None:
        if len(part.made) == len(part.pairs):
            self._complete.append(part)

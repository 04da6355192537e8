"""Past clicks as the generator reads them: ads, and products where no ad is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from adloom.feature_store.store import UserHistory
from adloom.loop.catalogue.creatives.store import Creative, CreativeStore
from adloom.loop.catalogue.histories.picture_codes import PictureCodes
from adloom.loop.catalogue.histories.reading import AdOfHistory, HistoryReader, considered
from adloom.loop.catalogue.product import Product, index_text
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.catalogue.vectors import Placed
from adloom.models.brief import Codes
from adloom.models.retrieval import Vector, product_vectors, sampled
from adloom.models.settings import Coarse


@dataclass(frozen=True)
class Clicked:
    """What a shopper clicked.

    Attributes:
        product_id: the product of it.
        title: of the ad, or the name of the product.
        picture: name of the picture: an ad's, or a product's.
        ad_id: the ad; "" where the product's own picture and name stand for it.
    """

    product_id: str
    title: str
    picture: str
    ad_id: str

    @property
    def key(self) -> tuple[str, str]:
        """The same for clicks on the same thing."""
        return self.ad_id, "" if self.ad_id else self.product_id


@dataclass(frozen=True)
class PastAd(Clicked):
    """A click as the generator reads it: with the VQ codes of its picture, int16, shape (T,).

    ``title_rank`` is the place of its title among those that are read, from 0.
    """

    codes: Codes = field(compare=False, repr=False)
    title_rank: int = field(default=0, compare=False)


@dataclass(frozen=True)
class _Click:
    """A click that says something: its ad, or else its product."""

    item_id: str
    clicked_at: datetime
    vector: Vector
    ad: Creative | None


class PastAds:
    """Finds the clicks that stand for a shopper's taste, and what to read of each.

    A click names an ad that adloom drew or that the shop had. One that names none, or one that
    nobody knows, still tells of a product: its own picture and name stand for it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        creatives: CreativeStore,
        codes: PictureCodes,
        reader: HistoryReader,
    ) -> None:
        """``codes`` makes what a history reads of a picture, ``reader`` knows that codebook.

        What an ad was kept with is read where it is of the same codebook and size of pictures; of
        other ads, and of those that tell no codebook or have no codes, the picture is encoded.
        """
        self.catalogue = catalogue
        self.creatives = creatives
        self._codes = codes
        self._reader = reader

    @property
    def codebook(self) -> str:
        """Names the codebook that codes are of, and the size of pictures."""
        return self._codes.codebook

    def codes_of(self, ads: Sequence[Creative]) -> dict[str, Codes]:
        """What a history reads of the pictures of ads by ad id; a lost picture has no codes."""
        ours = (ad for ad in ads if ad.codebook == self._codes.codebook)
        kept = {ad.ad_id: ad.codes for ad in ours if len(ad.codes)}
        others = [ad for ad in ads if ad.ad_id not in kept]
        return kept | self._codes.of_ads(others, self.creatives)

    def representing(
        self,
        history: UserHistory,
        product: Product,
        k: int,
        *,
        coarse: Coarse = "representative",
        seen_weight: float = 0.0,
    ) -> tuple[PastAd, ...]:
        """The clicks that stand for a history when selling ``product``.

        What the history agrees on comes first (:mod:`adloom.models.agreement`), products' own
        pictures last; what is sampled comes likest first, as the paper has it.

        Args:
            history: clicks, newest last.
            product: what is to be sold; the catalogue need not have it.
            k: how many at most.
            coarse: how they are chosen (:class:`adloom.models.settings.GeneratorSettings`).
            seen_weight: what an ad counts that was looked at, beside one that was clicked.
        """
        if k == 0 or not len(history):
            return ()
        placed = self.catalogue.vectors.placed([product.product_id, *history.item_ids])
        clicks = self._telling(history, placed)
        if not clicks:
            return ()
        if product.product_id in placed:
            target = placed[product.product_id].vector
        else:
            text = index_text(product.name, product.selling_points)
            [target] = product_vectors(
                [text], [product.category], self.catalogue.vectors.encoder.embed
            )
        items = np.stack([click.vector for click in clicks])
        if coarse == "similarity":
            return tuple(ad for _, ad in self._read([clicks[n] for n in sampled(target, items, k)]))
        chosen = considered(target, items, [click.clicked_at for click in clicks], k)
        read = self._read(_readable([clicks[n] for n in chosen], k))
        seen = self._seen(history.seen) if seen_weight > 0 else ()
        return self._agreed(target, read, k, seen, seen_weight)

    def clicked(self, history: UserHistory) -> list[tuple[Clicked, datetime]]:
        """What there is to show of a history: each thing once, with its latest click, by time."""
        ads = self._ads(history)
        products = self.catalogue.find(history.item_ids)
        latest: dict[tuple[str, str], tuple[Clicked, datetime]] = {}
        rows = zip(history.item_ids, history.clicked_at, history.ad_ids, strict=True)
        for item_id, clicked_at, ad_id in rows:
            shown: Clicked
            if ad_id in ads:
                ad = ads[ad_id]
                shown = Clicked(ad.product_id, ad.title, ad.picture, ad_id)
            elif item_id in products:
                product = products[item_id]
                shown = Clicked(item_id, product.name, product.shown_name, "")
            else:
                continue
            latest[shown.key] = shown, clicked_at
        return sorted(latest.values(), key=lambda found: found[1])

    def _ads(self, history: UserHistory) -> dict[str, Creative]:
        """The ads of a history; of one that is banned the product is all that is known."""
        ads = self.creatives.get_many([ad_id for ad_id in history.ad_ids if ad_id])
        return {ad_id: ad for ad_id, ad in ads.items() if ad.state != "banned"}

    def _telling(self, history: UserHistory, placed: Mapping[str, Placed]) -> list[_Click]:
        ads = self._ads(history)
        rows = zip(history.item_ids, history.clicked_at, history.ad_ids, strict=True)
        return [
            _Click(item_id, clicked_at, placed[item_id].vector, ads.get(ad_id))
            for item_id, clicked_at, ad_id in rows
            if item_id in placed and (ad_id in ads or placed[item_id].pictured)
        ]

    def _seen(self, ad_ids: Sequence[str]) -> list[AdOfHistory]:
        """Ads that were looked at, once for each time, as far as their pictures are known."""
        ads = self.creatives.get_many(list(dict.fromkeys(ad_ids)))
        codes = self.codes_of([ad for ad in ads.values() if ad.state != "banned"])
        told = [ads[ad_id] for ad_id in ad_ids if ad_id in codes]
        names = list(dict.fromkeys(ad.product_id for ad in told))
        placed, products = self.catalogue.vectors.placed(names), self.catalogue.find(names)
        return [
            AdOfHistory(
                placed[ad.product_id].vector,
                ad.title,
                products.get(ad.product_id),
                codes[ad.ad_id],
            )
            for ad in told
            if ad.product_id in placed
        ]

    def _agreed(
        self,
        target: Vector,
        read: Sequence[tuple[_Click, PastAd]],
        k: int,
        seen: Sequence[AdOfHistory],
        seen_weight: float,
    ) -> tuple[PastAd, ...]:
        products = self.catalogue.find(ad.product_id for _, ad in read if ad.ad_id)
        # What a product's own picture looks like is no taste in ads.
        ads = [
            AdOfHistory(
                click.vector,
                ad.title,
                products.get(ad.product_id),
                None if click.ad is None else ad.codes,
            )
            for click, ad in read
        ]
        reading = self._reader.reading(target, ads, k, seen, seen_weight)
        return tuple(
            replace(read[position][1], title_rank=rank)
            for position, rank in zip(reading.pictures, reading.title_ranks, strict=True)
        )

    def _read(self, clicks: Sequence[_Click]) -> list[tuple[_Click, PastAd]]:
        """Those clicks of which there is a picture, in that order."""
        products = self.catalogue.find(click.item_id for click in clicks if click.ad is None)
        of_products = self._codes.of(list(products.values()))
        of_ads = self.codes_of([click.ad for click in clicks if click.ad is not None])
        read: list[tuple[_Click, PastAd]] = []
        for click in clicks:
            if click.ad is None and click.item_id in of_products:
                product = products[click.item_id]
                read.append((click, _past_product(product, of_products[click.item_id])))
            elif click.ad is not None and click.ad.ad_id in of_ads:
                read.append((click, past_ad(click.ad, of_ads[click.ad.ad_id])))
        return read


def _readable(clicks: Sequence[_Click], k: int) -> list[_Click]:
    """All ads, and no more than ``k`` products, since of these the first are read."""
    products = [position for position, click in enumerate(clicks) if click.ad is None]
    left_out = set(products[k:])
    return [click for position, click in enumerate(clicks) if position not in left_out]


def past_ad(ad: Creative, codes: Codes) -> PastAd:
    """A known ad as it is read, with such codes."""
    return PastAd(ad.product_id, ad.title, ad.picture, ad.ad_id, codes)


def _past_product(product: Product, codes: Codes) -> PastAd:
    return PastAd(product.product_id, product.name, product.shown_name, "", codes)

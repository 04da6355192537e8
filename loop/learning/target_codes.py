"""What a base learns to draw of ads, also of those that another base drew.

The codes that an ad was kept with mean something to the codebook that made them alone. The shop's
own pictures are encoded anew; of an ad that adloom drew the picture is kept with the product on it,
which is what to draw for a base whose pictures hold the product, and for no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Engine

from adloom.loop.catalogue.creatives.store import SHOP, Creative, CreativeStore, KnownAd
from adloom.loop.catalogue.histories.picture_codes import PictureCodes
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Codes

_ADS_AT_ONCE = 512
_ALIKE = 0.5
"""Share of the codes of a picture that another machine of the same codebook has in common by far,
and another codebook by no means."""


class TargetCodes:
    """Codes of ads to learn from, by ad id."""

    def __init__(
        self, codes: PictureCodes, creatives: CreativeStore, *, product_in_picture: bool
    ) -> None:
        """``codes`` makes those of whole pictures, as the base draws them."""
        self._codes = codes
        self._creatives = creatives
        self._product_in_picture = product_in_picture

    @classmethod
    def of_base(
        cls, generator: AdGenerator, engine: Engine, creatives: CreativeStore
    ) -> TargetCodes:
        """Those of a loaded base."""
        codes = PictureCodes(engine, generator.codebook_name, generator.encode_pictures)
        within = generator.model.config.product_in_picture
        return cls(codes, creatives, product_in_picture=within)

    def of(self, ads: Sequence[Creative]) -> dict[str, Codes]:
        """Int16, shape (T,); an ad of which there is nothing to learn has none."""
        kept = {ad.ad_id: ad.background_codes for ad in ads if self._is_ours(ad)}
        others = [ad for ad in ads if ad.ad_id not in kept and self._is_whole(ad)]
        return kept | self._codes.of_ads(others, self._creatives)

    def known_ads(self, ad_ids: Sequence[str]) -> dict[str, KnownAd]:
        """Those of `ad_ids` that were stored, and of which there is something to learn.

        Ads that tell no codebook are held against their pictures, once.
        """
        found: dict[str, KnownAd] = {}
        for some in _parts(ad_ids):
            known = self._creatives.known_ads(some)
            ours = self._noted([ad_id for ad_id, ad in known.items() if ad.codebook is None])
            found |= {
                ad_id: ad
                for ad_id, ad in known.items()
                if ad_id in ours or self._is_ours(ad) or self._is_whole(ad)
            }
        return found

    def stored(self, ad_ids: Sequence[str]) -> set[str]:
        """Those of `ad_ids` that were stored, whether this base learns from them or not."""
        return self._creatives.known(ad_ids)

    def _is_ours(self, ad: Creative | KnownAd) -> bool:
        return ad.codebook == self._codes.codebook

    def _is_whole(self, ad: Creative | KnownAd) -> bool:
        """Whether the picture that is kept is what to draw."""
        return self._product_in_picture or (ad.variant == SHOP and not ad.background)

    def _noted(self, ad_ids: Sequence[str]) -> set[str]:
        """Those that turn out to be of this codebook, which is noted."""
        if not ad_ids:
            return set()
        ads = list(self._creatives.get_many(ad_ids).values())
        made = self._codes.of_ads(ads, self._creatives)
        ours = {a.ad_id for a in ads if a.ad_id in made and _alike(a.codes, made[a.ad_id])}
        self._creatives.note_codebook(sorted(ours), self._codes.codebook)
        return ours


@dataclass
class LearnableAds:
    """The ads that there is something to learn from; ``left_out`` collects the others."""

    targets: TargetCodes
    left_out: set[str] = field(default_factory=set)

    def known_ads(self, ad_ids: Sequence[str]) -> dict[str, KnownAd]:
        """As `TargetCodes.known_ads`."""
        found = self.targets.known_ads(ad_ids)
        self.left_out |= self.targets.stored([ad for ad in ad_ids if ad not in found])
        return found


def _alike(kept: Codes, made: Codes) -> bool:
    return kept.shape == made.shape and float(np.mean(kept == made)) > _ALIKE


def _parts(ad_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ad_ids), _ADS_AT_ONCE):
        yield ad_ids[start : start + _ADS_AT_ONCE]

"""Of several ads that were drawn for a request the one that fits its shopper best."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from adloom.loop.catalogue.briefs import finished
from adloom.loop.catalogue.product import Product
from adloom.models.brief import AdBrief, AdDraft
from adloom.models.engine import Drawn
from adloom.models.generates import Generates
from adloom.models.quality.rerank import Reranker


def best_of(
    drawn: Sequence[Drawn],
    told: AdBrief,
    product: Product,
    generator: Generates,
    reranker: Reranker,
) -> tuple[AdDraft, Image.Image, Drawn]:
    """The draft that is most like what was clicked, its finished picture, and what was drawn."""
    drafts = [generator.draft(candidate, told) for candidate in drawn]
    shadow = generator.casts_shadow
    pictures = [finished(draft.background, product, shadow=shadow) for draft in drafts]
    best = reranker.best(pictures, told.read_ads)
    return drafts[best], pictures[best], drawn[best]

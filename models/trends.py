"""What everybody clicks in a category of late, as an adapter remembers it.

A shopper's history cannot tell that a whole category is wanted in another look than last week;
the new clicks of all shoppers can. A fine-tuning round gives its adapter some of those ads by
category. They are read as clicked ads of the shopper's own, before these, so that what the model
has learnt of reading histories serves at once and the LoRA weights learn to weigh the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from adloom.models.brief import AdBrief, HistoryAd

TRENDS_FILE = "trends.safetensors"


@dataclass(frozen=True)
class Trends:
    """Clicked ads by category, the most clicked first, and how many of them go into a prompt."""

    items: int = 0
    ads: Mapping[str, tuple[HistoryAd, ...]] = field(default_factory=dict)

    def told(self, brief: AdBrief, besides: str = "") -> AdBrief:
        """``brief`` with the trend of its category; one that it has already is only cut.

        The ad with the title ``besides`` is left out.
        """
        trend = self.ads.get(brief.category, ()) if brief.trend is None else brief.trend
        others = tuple(ad for ad in trend if ad.title != besides)
        return replace(brief, trend=others[: self.items])

    def save(self, folder: Path) -> None:
        """Write into an adapter's folder: codes int16 ``(ads, history codes)``, titles beside."""
        told = [(category, ad) for category, ads in self.ads.items() for ad in ads]
        codes = np.stack([ad.codes for _, ad in told]) if told else np.zeros((0, 0))
        labels = json.dumps([[category, ad.ad_id, ad.title] for category, ad in told])
        metadata = {"items": str(self.items), "ads": labels}
        save_file({"codes": codes.astype(np.int16)}, folder / TRENDS_FILE, metadata=metadata)

    @classmethod
    def load(cls, folder: Path) -> Trends:
        """Read what :meth:`save` wrote; a folder without is an adapter without trends."""
        path = folder / TRENDS_FILE
        if not path.is_file():
            return cls()
        with safe_open(path, framework="numpy") as file:
            codes, metadata = file.get_tensor("codes"), file.metadata()
        ads: dict[str, tuple[HistoryAd, ...]] = {}
        # Adapters of earlier releases have no ids.
        for (category, *ad_id, title), code in zip(json.loads(metadata["ads"]), codes, strict=True):
            ads[category] = (*ads.get(category, ()), HistoryAd(title, code, *ad_id))
        return cls(int(metadata["items"]), ads)

"""Clicks on ads as a data set in PAd1M's format (Uni-AdGen, section 4.1).

A record tells of one click: the ad, its product, and what the shopper had clicked strictly before.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.loop.catalogue.creatives.store import CreativeStore
from adloom.loop.catalogue.store import Catalogue
from adloom.loop.datasets.clicks import Click, ExportedClicks
from adloom.loop.datasets.pictures import ExportedPictures
from adloom.loop.learning.training_set import refuse_leak
from adloom.loop.settings.out_folder import taken
from adloom.models.datasets.encoding import split_of
from adloom.models.datasets.pad1m import TITLE_SPLIT

DATA, PICTURES, CARD = "data.jsonl", "pictures", "card.json"

OnClicks = Callable[[int, int], None]
"""Takes how many clicks are done, and of how many."""


class CannotExport(ValueError):
    """There is nothing to export, or no place for it; the message says so."""


@dataclass
class Card:
    """What a data set holds and what was left out of it, by reason."""

    since: str | None
    until: str | None
    clicks: int
    heldout: float
    records: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        counts = {name: dict(sorted(getattr(self, name).items())) for name in _COUNTS}
        return {
            "format": "PAd1M, one record a line",
            "since": self.since,
            "until": self.until,
            "clicks": self.clicks,
            "heldout_share": self.heldout,
            "users": "hashed with a secret salt",
            **counts,
        }


_COUNTS = ("records", "languages", "left_out")


@dataclass(frozen=True)
class Exporter:
    """Writes what the loop knows as a data set.

    Attributes:
        salt: what users' ids are hashed with.
        heldout: share of users, and of products, that training does not see.
    """

    features: FeatureStore
    catalogue: Catalogue
    creatives: CreativeStore
    salt: bytes
    heldout: float = 0.2

    def export(
        self,
        out: Path,
        since: datetime | None = None,
        until: datetime | None = None,
        on_clicks: OnClicks = lambda *_: None,
    ) -> Card:
        """Write clicks with since <= ts < until into ``out``, whole or not at all.

        Raises:
            CannotExport: ``out`` holds something, or there is no click.
            FutureLeak: a history holds what was not known yet.
        """
        if problem := taken(out):
            raise CannotExport(problem)
        clicks = ExportedClicks.of(self.features, since, until)
        if not len(clicks):
            raise CannotExport("the log has no click in this time: look at --since and --until")
        moments = [None if at is None else at.isoformat() for at in (since, until)]
        card = Card(moments[0], moments[1], len(clicks), self.heldout)
        partial = out.absolute().with_name(f".{out.absolute().name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # of an export that was cut off
        (partial / PICTURES).mkdir(parents=True)
        with (partial / DATA).open("w", encoding="utf-8") as lines:
            for record in self._records(clicks, partial / PICTURES, card, on_clicks):
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")
        (partial / CARD).write_text(json.dumps(card.told(), indent=2, ensure_ascii=False) + "\n")
        partial.replace(out.absolute())
        return card

    def _records(
        self, clicks: ExportedClicks, folder: Path, card: Card, on_clicks: OnClicks
    ) -> Iterator[dict[str, Any]]:
        pictures = ExportedPictures(folder, self.creatives)
        for done, (click, history) in enumerate(clicks.with_histories(), 1):
            refuse_leak(f"ad {click.ad_id!r} was clicked", click.ts, history)
            made = self._record(click, history, pictures, f"{done}")
            if isinstance(made, str):
                card.left_out[made] += 1
            else:
                card.records[made["split"]] += 1
                card.languages[made["language"]] += 1
                yield made
            on_clicks(done, card.clicks)

    def _record(
        self, click: Click, history: UserHistory, pictures: ExportedPictures, record_id: str
    ) -> dict[str, Any] | str:
        """The record of a click, or why it is left out."""
        ad = self.creatives.get_many([click.ad_id]).get(click.ad_id) if click.ad_id else None
        product = self.catalogue.find([click.item_id]).get(click.item_id)
        if ad is None or not ad.title.strip():
            return "no known ad" if click.ad_id else "click on no ad"
        if product is None or not product.cutout_name:
            return "unknown product" if product is None else "product without a cutout"
        user = hmac.new(self.salt, click.user_id.encode(), hashlib.sha256).hexdigest()[:32]
        split = split_of(product.name, self.heldout)
        if split_of(user, self.heldout) != split:
            return "user and product of different splits"
        picture = pictures.of_ad(ad.picture)
        if picture is None:
            return "lost picture"
        cutout, ratio = pictures.of_cutout(product)
        return {
            "record_id": record_id,
            "user": user,
            "split": split,
            "f_path": picture,
            "f_path_trans": cutout,
            "sku_title_cn": product.name,
            "short_name": product.short_name,
            "gt_title_cn": ad.title.replace(TITLE_SPLIT, " "),
            "word_list": list(product.selling_points),
            "max_ratio": ratio,
            "language": product.language,
            "category": product.category,
            **self._past(click.item_id, history, pictures),
        }

    def _past(
        self, item_id: str, history: UserHistory, pictures: ExportedPictures
    ) -> dict[str, list[Any]]:
        """Titles and pictures of what was clicked before, newest last, and how alike each is."""
        ads = self.creatives.get_many([name for name in history.ad_ids if name])
        products = self.catalogue.find(history.item_ids)
        placed = self.catalogue.vectors.placed([item_id, *history.item_ids])
        rows: list[tuple[str, str, float]] = []
        for past, ad_id in zip(history.item_ids, history.ad_ids, strict=True):
            if ad_id in ads:
                title, picture = ads[ad_id].title, pictures.of_ad(ads[ad_id].picture)
            elif past in products:
                title, picture = products[past].name, pictures.of_product(products[past])
            else:
                continue
            if picture is not None:
                both = [placed[name].vector for name in (item_id, past) if name in placed]
                alike = float(np.dot(both[0], both[1])) if len(both) == 2 else 0.0
                rows.append((picture, title, round(alike, 4)))
        names = "history_images", "history_titles", "text_similarity"
        return {name: [row[n] for row in rows] for n, name in enumerate(names)}

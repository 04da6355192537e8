"""The ads that the shop had: product, scene, palette and tone, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.shops.maker.assortment import Article
from tests.shops.maker.copy import TONES, sale_title, title
from tests.shops.maker.scenes import PALETTES, SCENES, scene, stand
from tests.shops.maker.tables import BadRow, Expected, write_table

FOLDER = "pictures/ads"
_BROKEN = f"{FOLDER}/kaputt.webp"
_LOOKS = [(style, tone) for style in SCENES for tone in TONES]
_ROUNDS = 3


@dataclass(frozen=True)
class ShopAd:
    """An ad of the shop; `picture` is a path beside the table of ads."""

    ad_id: str
    article: Article
    style: str
    palette: str
    tone: str
    title: str
    picture: str


def shop_ads(articles: Sequence[Article]) -> list[ShopAd]:
    """Three ads of every scene and tone, then one for each of two products on sale."""
    palettes = tuple(PALETTES)
    ads = []
    for number in range(_ROUNDS * len(_LOOKS)):
        article = articles[number % len(articles)]
        style, tone = _LOOKS[number % len(_LOOKS)]
        palette = palettes[(number + number // len(_LOOKS)) % len(palettes)]
        words = title(article, tone, number // len(articles) + number)
        ads.append(_ad(number, article, style, palette, tone, words))
    on_sale = [article for article in articles if article.sale][:2]
    for number, article in enumerate(on_sale, start=len(ads)):
        ads.append(_ad(number, article, "kacheln", "sand", "flott", sale_title(article)))
    return ads


def _ad(number: int, article: Article, style: str, palette: str, tone: str, words: str) -> ShopAd:
    ending = "jpg" if number % 6 == 5 else "webp"
    name = f"anz-{number + 1:03d}"
    return ShopAd(name, article, style, palette, tone, words, f"{FOLDER}/{name}.{ending}")


def ads_table(ads: Sequence[ShopAd]) -> tuple[str, list[Expected]]:
    """The table of ads, bad rows last."""
    rows = [
        {
            "ad_id": ad.ad_id,
            "product_id": ad.article.id,
            "title": ad.title,
            "picture": ad.picture,
        }
        for ad in ads
    ]

    def row(ad_id: str, **changes: str) -> dict[str, str]:
        return {**rows[0], "ad_id": ad_id, **changes}

    bad = [
        BadRow(row(""), "ad_id"),
        BadRow(row("anz-001", title="Noch einmal"), "ad_id"),
        BadRow(row("anz-901", product_id="K-9999"), "product"),
        BadRow(row("anz-902", title=" "), "title"),
        BadRow(row("anz-903", picture=f"{FOLDER}/gibt-es-nicht.webp"), "picture"),
        BadRow(row("anz-904", picture=_BROKEN), "picture"),
        BadRow(row("anz-905", picture="../../../pyproject.toml"), "picture"),
    ]
    return write_table(rows, bad, id_column="ad_id", separator=",")


def make_ad_pictures(
    ads: Sequence[ShopAd], cutouts: Mapping[str, Image.Image], folder: Path
) -> None:
    """Writes the pictures of the ads below `folder`, the broken one too."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for number, ad in enumerate(ads):
        backdrop = scene(ad.style, ad.palette, seed=number)
        picture = stand(cutouts[ad.article.picture], backdrop)
        options = {"method": 6} if ad.picture.endswith("webp") else {"optimize": True}
        picture.save(folder / ad.picture, quality=80, **options)
    (folder / _BROKEN).write_bytes((folder / ads[0].picture).read_bytes()[:900])

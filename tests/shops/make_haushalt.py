"""Makes the data of the shop in `haushalt` again: ``python -m tests.shops.make_haushalt``.

The same code makes the same tables, byte for byte; pictures may differ by the libraries that
encode them.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from tests.shops.maker.ads import ads_table, make_ad_pictures, shop_ads
from tests.shops.maker.assortment import articles
from tests.shops.maker.feeds import json_feed, own_feed, parquet_feed, rss_feed
from tests.shops.maker.photos import PHOTOS, make_photos
from tests.shops.maker.shoppers import click_log

HAUSHALT = Path(__file__).with_name("haushalt")
OTHER_FORMS = 10  # products of the feeds that are not CSV


def make_tables() -> dict[str, bytes]:
    """Every file that is no picture, by name."""
    assortment = articles()
    ads = shop_ads(assortment)
    feed, feed_refusals = own_feed(assortment)
    ad_rows, ad_refusals = ads_table(ads)
    clicks, click_refusals = click_log(ads)
    in_scenes = {name for name, photo in PHOTOS.items() if photo.ground == "scene"}
    expected = {
        "products": len(assortment),
        "ads": len(ads),
        "refused": {
            "feed.csv": [asdict(each) for each in feed_refusals],
            "ads.csv": [asdict(each) for each in ad_refusals],
            "clicks.csv": [asdict(each) for each in click_refusals],
        },
        "no_cutout": [each.id for each in assortment if each.picture in in_scenes],
    }
    first = assortment[:OTHER_FORMS]
    return {
        "feed.csv": feed.encode("utf-8-sig"),
        "feed.xml": rss_feed(first),
        "feed.jsonl": json_feed(first).encode(),
        "feed.parquet": parquet_feed(first),
        "ads.csv": ad_rows.encode(),
        "clicks.csv": clicks.encode(),
        "expected.json": (json.dumps(expected, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def make_shop(folder: Path) -> None:
    """Writes tables and pictures; pictures that lie there already go."""
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    (folder / "pictures").mkdir(parents=True)
    for name, content in make_tables().items():
        (folder / name).write_bytes(content)
    cutouts = make_photos(folder / "pictures")
    make_ad_pictures(shop_ads(articles()), cutouts, folder)


if __name__ == "__main__":
    make_shop(Path(sys.argv[1]) if len(sys.argv) > 1 else HAUSHALT)

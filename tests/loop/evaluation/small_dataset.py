"""Shards of a few clicked ads, in English and Chinese, as a base encodes them."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from adloom.loop.demo.shop.copywriting import write_title
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import HistoryAd
from adloom.models.compose import compose_ad
from adloom.models.datasets.record import AdRecord, Split
from adloom.models.datasets.shards import Manifest, write_shard
from tests.tiny_model import TINY, products

COLOURS = ("teal", "salmon", "khaki", "navy", "olive", "plum")


def small_records(generator: AdGenerator, count: int = 6) -> list[AdRecord]:
    """Held-out records of different shoppers, every third in Chinese, and as many to train on."""
    rng = random.Random(0)
    return [_record(generator, number, rng) for number in range(2 * count)]


def write_small_dataset(
    folder: Path, generator: AdGenerator, records: Sequence[AdRecord] | None = None
) -> Path:
    """The records in two shards, complete."""
    records = small_records(generator) if records is None else records
    folder.mkdir(parents=True)
    half = len(records) // 2
    for number, part in enumerate((records[:half], records[half:])):
        write_shard(folder, number, part)
    heldout = sum(record.split == "heldout" for record in records)
    Manifest(
        codebook=generator.codebook_name,
        history_codebook=generator.history_codebook_name,
        picture_size=TINY.picture_size,
        shards=2,
        records={"heldout": heldout, "train": len(records) - heldout},
        complete=True,
    ).save(folder)
    return folder


def _record(generator: AdGenerator, number: int, rng: random.Random) -> AdRecord:
    product = products()[number % 6]
    chinese = number % 3 == 2
    split: Split = "heldout" if number % 2 == 0 else "train"
    ground = Image.new("RGB", (TINY.picture_size,) * 2, COLOURS[number % 6])
    picture = compose_ad(ground, product.cutout(), size=TINY.picture_size)
    codes = np.random.default_rng(number).integers(0, 1024, (5, TINY.image_tokens))
    history = tuple(
        HistoryAd(write_title(rng.choice(products()), "eco", rng=rng), row, f"{number}-{place}")
        for place, row in enumerate(codes.astype(np.int16))
    )
    return AdRecord(
        f"r{number}",
        split,
        product.name,
        ("轻便的菜刀、每天都用" if chinese else write_title(product, "eco", rng=rng),),
        _bytes(product.cutout(), "PNG"),
        _bytes(picture, "WEBP"),
        generator.encode_pictures([picture])[0],
        product.selling_points,
        language="zh" if chinese else "en",
        category=product.category,
        history=history,
        likeness=(0.9, 0.1, 0.0, 0.5, 0.3),
    )


def _bytes(picture: Image.Image, kind: str) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, kind)
    return kept.getvalue()
